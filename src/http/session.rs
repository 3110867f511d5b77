//! Sessions: whoever signs in on the page with a token has a cookie instead, until they sign out or twelve hours later.
//!
//! A session is worth what its token is worth: it ends when the token leaves the configuration. Sessions are kept in
//! memory only; after a restart people sign in again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

use crate::domain::text::same;

/// The cookie that names the session.
const COOKIE: &str = "readypost_session";
/// How long a session lives.
const LIFE: SignedDuration = SignedDuration::from_hours(12);
/// Sessions at the same time; the oldest ends for one more.
const SESSIONS_MAX: usize = 1_000;

/// The sessions, by the SHA-256 of what is in their cookies.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

/// Somebody who is signed in.
#[derive(Clone)]
pub(super) struct Session {
    /// The digest of their token, as the configuration has it.
    pub(super) token_sha256: String,
    /// What their forms carry, so that no other site can send one for them.
    pub(super) form_key: String,
    until: Timestamp,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Session {
    /// Whether a form was made for this session.
    pub(super) fn made(&self, form_key: &str) -> bool {
        same(&self.form_key, form_key)
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session for the token of this digest and returns what goes into its cookie; none without random numbers.
    pub(super) fn begin(&self, token_sha256: &str, now: Timestamp) -> Option<String> {
        let (value, form_key) = (random()?, random()?);
        let until = now.saturating_add(LIFE).unwrap_or(now);
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.until > now);
        if sessions.len() >= SESSIONS_MAX {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.until).map(|(key, _)| *key);
            oldest.map(|key| sessions.remove(&key));
        }
        sessions.insert(digest(&value), Session { token_sha256: token_sha256.to_owned(), form_key, until });
        Some(value)
    }

    /// The session that the cookie of a request names.
    pub(super) fn of(&self, headers: &HeaderMap, now: Timestamp) -> Option<Session> {
        let session = self.lock().get(&digest(cookie(headers)?)).cloned();
        session.filter(|session| session.until > now)
    }

    /// Ends the session that the cookie of a request names.
    pub(super) fn end(&self, headers: &HeaderMap) {
        if let Some(value) = cookie(headers) {
            self.lock().remove(&digest(value));
        }
    }
}

/// The cookie that begins a session, or that ends it when it has no value.
pub(super) fn set_cookie(value: Option<&str>, headers: &HeaderMap) -> String {
    // Behind a proxy that ends TLS the browser must not send it in the clear either.
    let proto = headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    let secure = if proto == Some("https") { "; Secure" } else { "" };
    let (value, age) = value.map_or(("", 0), |value| (value, LIFE.as_secs()));
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut named = pairs.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    named.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

fn digest(value: &str) -> [u8; 32] {
    Sha256::digest(value.as_bytes()).into()
}

fn random() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("theme=dark; {COOKIE}={value}").parse().unwrap());
        headers
    }

    #[test]
    fn a_session_is_found_by_its_cookie_until_it_ends() {
        let (sessions, now) = (Sessions::default(), Timestamp::UNIX_EPOCH);
        let one = sessions.begin("digest", now).unwrap();
        let other = sessions.begin("digest", now).unwrap();
        assert_ne!(one, other);
        let found = sessions.of(&with(&one), now).unwrap();
        assert!(found.made(&found.form_key.clone()) && !found.made("") && !found.made(&one));
        assert!(sessions.of(&with("x"), now).is_none() && sessions.of(&HeaderMap::new(), now).is_none());
        assert!(sessions.of(&with(&one), now + LIFE).is_none());
        sessions.end(&with(&one));
        assert!(sessions.of(&with(&one), now).is_none() && sessions.of(&with(&other), now).is_some());
        assert!(!format!("{sessions:?}").contains(&found.form_key));
    }

    #[test]
    fn there_are_never_too_many() {
        let (sessions, now) = (Sessions::default(), Timestamp::UNIX_EPOCH);
        let first = sessions.begin("digest", now).unwrap();
        for _ in 0..SESSIONS_MAX {
            sessions.begin("digest", now + SignedDuration::from_secs(1)).unwrap();
        }
        assert!(sessions.of(&with(&first), now).is_none());
        assert_eq!(sessions.lock().len(), SESSIONS_MAX);
    }
}
