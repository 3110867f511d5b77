//! What was said between readypost and the two systems, as the history keeps it: bounded, and without secrets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::text::hex;

/// The longest body that is kept whole, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Bytes of bodies that one step keeps; of further bodies only length and hash are kept.
const STEP_BYTES_MAX: usize = 256 << 10;
/// Exchanges that one step keeps; further ones are counted.
const EXCHANGES_MAX: usize = 400;
/// Longer addresses are cut.
const PATH_CHARS_MAX: usize = 2_000;
/// What stands for a value that is a secret.
const REMOVED: &str = "[removed]";
/// Names of values that are secrets wherever they are met, in lower case and without `_` and `-`.
const SECRET_NAMES: [&str; 14] = [
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "token",
    "authorization",
    "clientsecret",
    "secret",
    "password",
    "apikey",
    "privatekey",
    "publickey",
    "signingkey",
    "webhookkey",
    "credentials",
];

/// One request and what came of it. A request that was tried twice is two of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Exchange {
    /// When it was sent.
    pub at: Timestamp,
    /// When the answer was read; none = there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Timestamp>,
    /// `ConnectWise` or `Xero`.
    pub system: String,
    /// The method, such as `PUT`.
    pub method: String,
    /// Host, path and query.
    pub address: String,
    /// Headers that say which request it was, of both directions; never those with credentials.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Body>,
    /// The answer's HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Body>,
    /// Why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A body, as far as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExchangeBody)]
pub struct Body {
    /// Its text, secrets removed; its beginning where it was too long.
    pub text: String,
    /// What it was, where the text is not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
}

/// What a body was that is not kept whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ExchangeCut)]
pub struct Cut {
    /// Its length in bytes; none where all of it is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// SHA-256 of it as it was sent, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Body {
    /// A body of which at most `room` bytes are kept; none when it is empty.
    #[must_use]
    pub fn new(bytes: &[u8], room: usize) -> Option<Self> {
        if bytes.is_empty() {
            return None;
        }
        let kept = bytes.get(..bytes.len().min(room).min(BODY_BYTES_MAX)).unwrap_or_default();
        let cut = (kept.len() < bytes.len())
            .then(|| Cut { bytes: Some(bytes.len()), sha256: Some(hex(&Sha256::digest(bytes))) });
        // A cut may go through a character.
        let text = String::from_utf8_lossy(kept);
        let text = if cut.is_some() { text.trim_end_matches('\u{fffd}') } else { &text };
        Some(Self { text: without_secrets(text), cut })
    }

    /// A body that is a secret from its beginning to its end.
    #[must_use]
    pub fn secret() -> Self {
        Self { text: REMOVED.to_owned(), cut: Some(Cut { bytes: None, sha256: None }) }
    }
}

/// A JSON text with the values of [`SECRET_NAMES`] replaced. It need not be whole, nor JSON at all.
fn without_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, quoted)) = rest.split_once('"') {
        clean.push_str(before);
        clean.push('"');
        let end = end_of_string(quoted);
        let (name, behind) = quoted.split_at(end);
        clean.push_str(name);
        rest = behind;
        let Some(value) = behind.strip_prefix('"') else { break };
        clean.push('"');
        rest = value;
        let blanks = value.len().saturating_sub(value.trim_start().len());
        let Some(value) = value.trim_start().strip_prefix(':').filter(|_| is_secret(name)) else { continue };
        clean.extend(rest.chars().take(blanks));
        clean.push(':');
        rest = skip_value(value, &mut clean);
    }
    clean.push_str(rest);
    clean
}

/// Writes what stands for a value, and returns what follows it. Lists and objects are gone into instead.
fn skip_value<'text>(value: &'text str, clean: &mut String) -> &'text str {
    let trimmed = value.trim_start();
    if let Some(quoted) = trimmed.strip_prefix('"') {
        clean.push('"');
        clean.push_str(REMOVED);
        return quoted.get(end_of_string(quoted)..).unwrap_or_default();
    }
    if trimmed.starts_with(['{', '[']) || trimmed.starts_with("null") {
        return value;
    }
    clean.push('"');
    clean.push_str(REMOVED);
    clean.push('"');
    trimmed.trim_start_matches(|c: char| !matches!(c, ',' | '}' | ']') && !c.is_whitespace())
}

/// Where the quotes end that were begun before `text`; its length where they do not.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    text.len()
}

fn is_secret(name: &str) -> bool {
    // Most names are longer or shorter, so most are not copied.
    if name.len() > 24 {
        return false;
    }
    let plain: String = name.chars().filter(|c| !matches!(c, '_' | '-')).collect();
    SECRET_NAMES.contains(&plain.to_ascii_lowercase().as_str())
}

/// What one step has said and heard so far. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    exchanges: Vec<Exchange>,
    /// Bytes of bodies kept since the step began.
    bytes: usize,
    /// Exchanges since the step began.
    count: usize,
}

impl Recorder {
    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes of a body may still be kept.
    #[must_use]
    pub fn room(&self) -> usize {
        STEP_BYTES_MAX.saturating_sub(self.recorded().bytes)
    }

    /// Keeps an exchange.
    pub fn add(&self, mut exchange: Exchange) {
        let mut recorded = self.recorded();
        recorded.count = recorded.count.saturating_add(1);
        if recorded.count > EXCHANGES_MAX {
            return;
        }
        if recorded.count == EXCHANGES_MAX {
            exchange.failure =
                Some(format!("a step keeps {EXCHANGES_MAX} exchanges; those after this one are not kept"));
        }
        exchange.address = super::text::shorten(&exchange.address, PATH_CHARS_MAX);
        let bodies = [&exchange.request, &exchange.response].into_iter().flatten();
        let bytes: usize = bodies.map(|body| body.text.len()).sum();
        recorded.bytes = recorded.bytes.saturating_add(bytes);
        recorded.exchanges.push(exchange);
    }

    /// Gives away what was kept since it was last asked.
    #[must_use]
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.recorded().exchanges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_removed_from_whole_and_from_cut_bodies() {
        for (from, to) in [
            (r#"{"access_token":"abc","expires_in":1800}"#, r#"{"access_token":"[removed]","expires_in":1800}"#),
            (r#"{"a":1,"Client-Secret" : "a\"b","b":[2]}"#, r#"{"a":1,"Client-Secret" :"[removed]","b":[2]}"#),
            (r#"{"token":12345,"b":"token"}"#, r#"{"token":"[removed]","b":"token"}"#),
            (r#"{"token":{"value":"x","password":"y"}}"#, r#"{"token":{"value":"x","password":"[removed]"}}"#),
            (r#"{"password":null,"token":"cut of"#, r#"{"password":null,"token":"[removed]"#),
            (r#"{"name":"the token: \"secret\"","key":"k"}"#, r#"{"name":"the token: \"secret\"","key":"k"}"#),
            ("no JSON at all: \"", "no JSON at all: \""),
            ("", ""),
        ] {
            assert_eq!(without_secrets(from), to, "{from}");
        }
    }

    #[test]
    fn a_body_is_cut_and_says_what_it_was() {
        assert_eq!(Body::new(b"", 10), None);
        assert_eq!(Body::new(b"abc", 10), Some(Body { text: "abc".to_owned(), cut: None }));
        let long = "ü".repeat(40_000);
        let body = Body::new(long.as_bytes(), usize::MAX).unwrap();
        assert_eq!(body.text.len(), 64 << 10);
        assert_eq!(body.cut.unwrap().bytes, Some(80_000));
        let body = Body::new(long.as_bytes(), 3).unwrap();
        assert_eq!((body.text.as_str(), body.cut.is_some()), ("ü", true));
    }

    #[test]
    fn a_step_keeps_only_so_much() {
        let recorder = Recorder::default();
        for number in 0..EXCHANGES_MAX + 50 {
            let body = Body::new(&[b'x'; 2_000], recorder.room());
            recorder.add(Exchange {
                at: Timestamp::UNIX_EPOCH,
                answered: None,
                system: "Xero".to_owned(),
                method: "GET".to_owned(),
                address: number.to_string(),
                headers: BTreeMap::new(),
                request: None,
                status: None,
                response: body,
                failure: None,
            });
        }
        let kept = recorder.take();
        assert_eq!(kept.len(), EXCHANGES_MAX);
        let bytes: usize =
            kept.iter().filter_map(|exchange| exchange.response.as_ref()).map(|body| body.text.len()).sum();
        assert_eq!(bytes, STEP_BYTES_MAX);
        assert!(kept.last().unwrap().failure.as_ref().unwrap().contains("not kept"));
        assert!(recorder.take().is_empty());
    }
}
