//! Signing keys: where receivers fetch them, and what the endpoint does on a bad day.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::reply::Reply;
use super::state::State;

/// How the key endpoint answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyMode {
    /// With the key.
    #[default]
    Good,
    /// With a key that nothing is signed with.
    Wrong,
    /// With the key behind a megabyte of padding.
    Oversized,
    /// With a redirect to the key.
    Redirect,
    /// With 404.
    Missing,
}

/// The key in force and the id it is fetched by.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) guid: String,
    pub(super) signing_key: String,
    pub(super) mode: KeyMode,
}

impl Keys {
    pub(super) fn new(signing_key: &str) -> Self {
        Self { guid: Uuid::new_v4().to_string(), signing_key: signing_key.to_owned(), mode: KeyMode::Good }
    }

    /// Makes a new key; the old one can no longer be fetched.
    pub(super) fn rotate(&mut self) {
        let mode = self.mode;
        *self = Self { mode, ..Self::new(&Uuid::new_v4().to_string()) };
    }
}

/// The path of the key endpoint below the codebase, double slash and all.
pub(super) const KEY_PATH: &str = "//system/callbackkey/index.rails";

/// The signature of `body`: HMAC-SHA256 under the SHA-256 of the signing key, in Base64.
#[must_use]
pub fn signature(signing_key: &[u8], body: &[u8]) -> String {
    let key = Sha256::digest(signing_key);
    // HMAC takes keys of any length, so there is always a tag.
    let tag = Hmac::<Sha256>::new_from_slice(&key).map(|mac| mac.chain_update(body).finalize().into_bytes());
    tag.map(|tag| STANDARD.encode(tag)).unwrap_or_default()
}

impl State {
    /// Where the key in force is fetched.
    pub(super) fn key_url(&self) -> String {
        let (codebase, company) = (self.codebase.trim_end_matches('/'), &self.settings.company);
        format!("{}/{codebase}{KEY_PATH}?companyName={company}&id={}", self.site, self.keys.guid)
    }

    /// The answer of the key endpoint, which wants no authentication.
    pub(super) fn key_answer(&self, query: &[(String, String)]) -> Reply {
        let is = |name: &str, wanted: &str| query.iter().any(|(key, value)| key == name && value == wanted);
        let gone = || Reply { status: 404, headers: Vec::new(), body: None };
        if !is("companyName", &self.settings.company) || !is("id", &self.keys.guid) {
            return gone();
        }
        let key = self.keys.signing_key.as_str();
        match self.keys.mode {
            KeyMode::Redirect if !is("redirected", "1") => {
                let target = format!("{}&redirected=1", self.key_url());
                Reply { status: 302, headers: vec![("location", target)], body: None }
            }
            KeyMode::Good | KeyMode::Redirect => Reply::ok(&json!({"signing_key": key})),
            KeyMode::Wrong => Reply::ok(&json!({"signing_key": "not-the-key"})),
            KeyMode::Oversized => Reply::ok(&json!({"padding": "x".repeat(1 << 20), "signing_key": key})),
            KeyMode::Missing => gone(),
        }
    }
}
