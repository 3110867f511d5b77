//! Signing keys of callbacks, fetched from addresses that nobody has verified yet.
//!
//! A [`KeyUrl`] is on an allowed host, but whoever can reach the door can send one. So no credentials
//! are sent, no redirect is followed, the name must lead to public addresses, the answer is small and
//! soon there, and neither failures nor wrong signatures cause more than a bounded number of requests.
//! Keys are kept by exact address, because ConnectWise changes the address with the key; for how long
//! one lives is not documented.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::client::ConnectWise;
use super::kept::is_young;
use super::names::{NotPublic, PublicNames};
use super::wire;
use crate::clock::Clock;
use crate::domain::callback::KeyUrl;
use crate::domain::signature::SigningKey;
use crate::remote::http_client_with;

/// How long a key is kept.
const KEY_LIFE: SignedDuration = SignedDuration::from_mins(5);
/// How long a failure is kept, so that a flood of callbacks is not a flood of fetches.
const FAILURE_LIFE: SignedDuration = SignedDuration::from_secs(2);
/// The least time between two fetches after wrong signatures.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 64;
/// Fetches in flight at once; one more is asked to come again.
const FETCHES_MAX: usize = 8;
/// ConnectWise gives a callback 5 s, and the answer to it has to follow the key.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// Why there is no signing key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Slow, down or busy: ConnectWise should send the callback again.
    #[error("the signing key cannot be fetched now: {0}")]
    Passing(String),
    /// There is no key at this address: the callback is not ConnectWise's, or its key was replaced.
    #[error("the signing key's address gives no key: {0}")]
    Refused(String),
}

impl ConnectWise {
    /// The signing key at `url`, kept for 5 minutes.
    ///
    /// # Errors
    /// As [`KeyError`] says.
    pub async fn signing_key(&self, url: &KeyUrl) -> Result<Arc<SigningKey>, KeyError> {
        self.keys.get(url).await
    }

    /// Another key at `url` after `stale` did not match; none when there is no other.
    ///
    /// It is fetched at most once in 10 s for each address, whatever the number of wrong signatures.
    ///
    /// # Errors
    /// As [`KeyError`] says.
    pub async fn signing_key_again(
        &self,
        url: &KeyUrl,
        stale: &Arc<SigningKey>,
    ) -> Result<Option<Arc<SigningKey>>, KeyError> {
        self.keys.again(url, stale).await
    }

    /// Remembers that a key of this address verified a body: made-up addresses cannot push it out.
    pub fn signing_key_verified(&self, url: &KeyUrl) {
        self.keys.verified(url);
    }
}

/// The keys that are remembered.
pub(super) struct Keys {
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    fetches: Semaphore,
    /// Most recently used last.
    addresses: Mutex<Vec<(KeyUrl, Arc<Slot>)>>,
}

/// What is known of one address; locked while it is fetched, so that many callers cause one fetch.
#[derive(Default)]
struct Slot {
    /// A body was verified with its key, so the address is not made up.
    verified: AtomicBool,
    known: tokio::sync::Mutex<Known>,
}

#[derive(Default)]
struct Known {
    outcome: Option<(Timestamp, Result<Key, KeyError>)>,
    /// The last fetch after a wrong signature.
    again: Option<Timestamp>,
}

#[derive(Clone)]
struct Key {
    key: Arc<SigningKey>,
    /// Of the key's text, to tell whether a fetch gave another one.
    digest: [u8; 32],
}

impl Known {
    /// The outcome, if it is young enough to be used.
    fn fresh(&self, now: Timestamp) -> Option<&Result<Key, KeyError>> {
        let (at, outcome) = self.outcome.as_ref()?;
        let life = if outcome.is_ok() { KEY_LIFE } else { FAILURE_LIFE };
        is_young(*at, now, life).then_some(outcome)
    }
}

impl Keys {
    pub(super) fn new(clock: Arc<dyn Clock>, names: PublicNames) -> Result<Self, reqwest::Error> {
        let (fetches, addresses) = (Semaphore::new(FETCHES_MAX), Mutex::new(Vec::new()));
        let http = http_client_with(TIMEOUT, |client| client.dns_resolver(Arc::new(names)))?;
        Ok(Self { http, clock, fetches, addresses })
    }

    async fn get(&self, url: &KeyUrl) -> Result<Arc<SigningKey>, KeyError> {
        let slot = self.slot(url);
        let mut known = slot.known.lock().await;
        if let Some(outcome) = known.fresh(self.clock.now()) {
            return outcome.clone().map(|key| key.key);
        }
        let outcome = self.fetch(url).await;
        known.outcome = Some((self.clock.now(), outcome.clone()));
        outcome.map(|key| key.key)
    }

    async fn again(&self, url: &KeyUrl, stale: &Arc<SigningKey>) -> Result<Option<Arc<SigningKey>>, KeyError> {
        let slot = self.slot(url);
        let mut known = slot.known.lock().await;
        let now = self.clock.now();
        let held = known.fresh(now).and_then(|outcome| outcome.clone().ok());
        if let Some(held) = held.as_ref().filter(|held| !Arc::ptr_eq(&held.key, stale)) {
            return Ok(Some(Arc::clone(&held.key)));
        }
        if known.again.is_some_and(|at| is_young(at, now, AGAIN_AFTER)) {
            return Ok(None);
        }
        known.again = Some(now);
        // A failure leaves the old key in place: a wrong signature must not shut out the right ones.
        let fetched = self.fetch(url).await?;
        let same = held.filter(|held| held.digest == fetched.digest);
        let key = same.clone().unwrap_or(fetched);
        known.outcome = Some((self.clock.now(), Ok(key.clone())));
        Ok(if same.is_some() { None } else { Some(key.key) })
    }

    /// The slot of an address, now the most recently used one.
    fn slot(&self, url: &KeyUrl) -> Arc<Slot> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = if let Some(index) = addresses.iter().position(|(known, _)| known == url) {
            addresses.remove(index)
        } else {
            if addresses.len() >= ADDRESSES_MAX {
                // Made-up addresses give no key, or with made-up parameters a key that signed nothing:
                // they make room before those that verified a body.
                let without_key = addresses.iter().position(|(_, slot)| !slot.is_verified() && !slot.has_key());
                let unverified = || addresses.iter().position(|(_, slot)| !slot.is_verified());
                let goes = without_key.or_else(unverified).unwrap_or_default();
                addresses.remove(goes);
            }
            (url.clone(), Arc::default())
        };
        let slot = Arc::clone(&entry.1);
        addresses.push(entry);
        slot
    }

    fn verified(&self, url: &KeyUrl) {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, slot)) = addresses.iter().find(|(known, _)| known == url) {
            slot.verified.store(true, Ordering::Relaxed);
        }
    }

    async fn fetch(&self, url: &KeyUrl) -> Result<Key, KeyError> {
        let passing = |cause: &str| KeyError::Passing(cause.to_owned());
        let _permit = self.fetches.try_acquire().map_err(|_| passing("too many keys are being fetched"))?;
        let unreachable = |error: reqwest::Error| {
            if let Some(refused) = NotPublic::behind(&error) {
                return KeyError::Refused(format!(
                    "{refused}; if ConnectWise is in a network of your own, set key_url_private"
                ));
            }
            let cause = if error.is_timeout() { "no answer within 2 s" } else { "the connection failed" };
            tracing::debug!(error = %error.without_url(), "a signing key could not be fetched");
            passing(cause)
        };
        let mut response = self.http.get(url.url().clone()).send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        match status {
            200..=299 => {}
            408 | 429 | 500..=599 => return Err(KeyError::Passing(format!("status {status}"))),
            _ => return Err(KeyError::Refused(format!("status {status}"))),
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(KeyError::Refused(format!("more than {ANSWER_BYTES_MAX} bytes")));
            }
        }
        let answer: wire::SigningKey =
            serde_json::from_slice(&body).map_err(|_| KeyError::Refused("no signing_key in the answer".to_owned()))?;
        let text = answer.signing_key.as_str();
        if text.trim().is_empty() {
            // Anyone could sign with an empty key.
            return Err(KeyError::Refused("the signing_key is empty".to_owned()));
        }
        Ok(Key { key: Arc::new(SigningKey::derive(text)), digest: Sha256::digest(text.as_bytes()).into() })
    }
}

impl Slot {
    fn is_verified(&self) -> bool {
        self.verified.load(Ordering::Relaxed)
    }

    /// Whether it gave a key, or may be about to.
    fn has_key(&self) -> bool {
        let Ok(known) = self.known.try_lock() else { return true };
        matches!(known.outcome, Some((_, Ok(_))))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use reqwest::dns::{Addrs, Name, Resolve, Resolving};
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock::SystemClock;
    use crate::domain::callback::KeyHost;

    /// A DNS that says the same of every name.
    struct Says(Vec<SocketAddr>);

    impl Resolve for Says {
        fn resolve(&self, _: Name) -> Resolving {
            let addresses = self.0.clone();
            Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
        }
    }

    /// Asks for a key of a host of this name, which the DNS says is at these addresses.
    async fn ask(name: &str, port: u16, addresses: &[&str], allow_private: bool) -> Result<(), KeyError> {
        let addresses = addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
        let names = PublicNames::of(Arc::new(Says(addresses)), allow_private);
        let keys = Keys::new(Arc::new(SystemClock), names).unwrap();
        let host: KeyHost = format!("{name}:{port}").parse().unwrap();
        let body = format!(r#"{{"Metadata":{{"key_url":"https://{name}:{port}/k"}}}}"#);
        keys.get(&KeyUrl::peek(body.as_bytes(), &[host], "acme").unwrap()).await.map(drop)
    }

    #[tokio::test]
    async fn a_name_that_leads_into_our_own_network_is_not_followed() {
        let trap = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = trap.local_addr().unwrap().port();
        for addresses in [
            &["127.0.0.1"][..],
            &["10.0.0.1"],
            &["192.168.1.1"],
            &["100.64.0.1"],
            &["169.254.169.254"],
            &["0.0.0.0"],
            &["::1"],
            &["fc00::1"],
            &["fe80::1"],
            &["::ffff:127.0.0.1"],
            &["64:ff9b::7f00:1"],
            // One public address besides vouches for nothing.
            &["198.41.0.4", "127.0.0.1"],
        ] {
            let error = ask("keys.example", port, addresses, false).await.unwrap_err();
            assert!(
                matches!(&error, KeyError::Refused(cause) if cause.contains("not public")),
                "{addresses:?}: {error}"
            );
        }
        for address in ["127.0.0.1", "169.254.169.254", "::1", "fe80::1"] {
            let error = ask("keys.example", port, &[address], true).await.unwrap_err();
            assert!(matches!(&error, KeyError::Refused(_)), "{address}: {error}");
        }
        // This machine's own name may lead nowhere else.
        assert!(matches!(ask("localhost", port, &["198.41.0.4"], false).await, Err(KeyError::Refused(_))));
        let nobody = tokio::time::timeout(Duration::from_millis(100), trap.accept()).await;
        assert!(nobody.is_err(), "somebody connected");
        // Whoever may be asked is asked: so the trap would have seen the others.
        let caught = tokio::spawn(async move { trap.accept().await.unwrap() });
        let error = ask("localhost", port, &["127.0.0.1"], false).await.unwrap_err();
        assert!(matches!(error, KeyError::Passing(_)), "it speaks no TLS: {error}");
        caught.await.unwrap();
    }
}
