//! Signing keys.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use super::super::KeyError;
use super::{Rig, rig};
use crate::domain::callback::KeyUrl;
use crate::domain::signature::{Signature, SigningKey, verify};
use crate::simulator::connectwise::KeyMode;
use crate::simulator::faults::{Canned, Fault, Rule};

const KEY: &str = "callbackkey";

impl Rig {
    fn key_url(&self) -> KeyUrl {
        self.address(&self.tenant.key_url())
    }

    fn address(&self, url: &str) -> KeyUrl {
        let body = serde_json::json!({ "Metadata": { "key_url": url } }).to_string();
        self.client.key_url(body.as_bytes()).unwrap()
    }

    fn fetches(&self) -> usize {
        self.requests("GET", KEY)
    }

    fn verifies(&self, key: &SigningKey) -> bool {
        let delivery = self.tenant.sign("/", b"{}");
        let signature = Signature::parse(delivery.signature.as_deref().map(str::as_bytes)).unwrap();
        verify(&delivery.body, &signature, key).is_ok()
    }
}

#[tokio::test]
async fn a_key_is_fetched_once_in_five_minutes_by_however_many() {
    let rig = rig(|settings| settings.latency = Duration::from_millis(50)).await;
    let url = rig.key_url();
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let (client, url) = (Arc::clone(&rig.client), url.clone());
            tokio::spawn(async move { client.signing_key(&url).await })
        })
        .collect();
    for caller in callers {
        assert!(rig.verifies(&caller.await.unwrap().unwrap()));
    }
    assert_eq!(rig.fetches(), 1);
    let request = rig.tenant.server.requests().remove(0);
    assert!(!request.headers.contains_key("authorization") && !request.headers.contains_key("clientid"));
    rig.clock.advance(SignedDuration::from_secs(299));
    rig.client.signing_key(&url).await.unwrap();
    assert_eq!(rig.fetches(), 1);
    rig.clock.advance(SignedDuration::from_secs(1));
    rig.client.signing_key(&url).await.unwrap();
    assert_eq!(rig.fetches(), 2);
}

#[tokio::test]
async fn wrong_signatures_cause_one_fetch_in_ten_seconds() {
    let rig = rig(|_| ()).await;
    let url = rig.key_url();
    let key = rig.client.signing_key(&url).await.unwrap();
    for _ in 0..5 {
        assert!(rig.client.signing_key_again(&url, &key).await.unwrap().is_none());
    }
    assert_eq!(rig.fetches(), 2);
    rig.tenant.set_key_mode(KeyMode::Wrong);
    rig.clock.advance(SignedDuration::from_secs(10));
    let other = rig.client.signing_key_again(&url, &key).await.unwrap().unwrap();
    assert!(!rig.verifies(&other) && rig.fetches() == 3);
    let told = rig.client.signing_key_again(&url, &key).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&told, &other), "who comes later is given what was fetched");
    assert!(rig.client.signing_key_again(&url, &other).await.unwrap().is_none());
    assert_eq!(rig.fetches(), 3);
}

#[tokio::test]
async fn a_rotated_key_has_another_address() {
    let rig = rig(|_| ()).await;
    let old = rig.key_url();
    let key = rig.client.signing_key(&old).await.unwrap();
    rig.tenant.rotate_key();
    assert!(!rig.verifies(&key));
    assert!(matches!(rig.client.signing_key_again(&old, &key).await, Err(KeyError::Refused(_))));
    assert!(Arc::ptr_eq(&key, &rig.client.signing_key(&old).await.unwrap()), "messages on their way still verify");
    assert!(rig.verifies(&rig.client.signing_key(&rig.key_url()).await.unwrap()));
}

#[tokio::test]
async fn no_key_is_taken_from_a_strange_answer() {
    for mode in [KeyMode::Redirect, KeyMode::Oversized, KeyMode::Missing] {
        let rig = rig(|_| ()).await;
        rig.tenant.set_key_mode(mode);
        let url = rig.key_url();
        for _ in 0..3 {
            assert!(matches!(rig.client.signing_key(&url).await, Err(KeyError::Refused(_))), "{mode:?}");
        }
        assert_eq!(rig.fetches(), 1, "a failure is kept for a moment");
        rig.tenant.set_key_mode(KeyMode::Good);
        rig.clock.advance(SignedDuration::from_secs(2));
        assert!(rig.verifies(&rig.client.signing_key(&url).await.unwrap()));
    }
    let rig = rig(|_| ()).await;
    for (status, body, passing) in [
        (200, "{}", false),
        (200, r#"{"signing_key":""}"#, false),
        (200, "<html>", false),
        (403, "", false),
        (429, "", true),
        (503, "", true),
    ] {
        rig.clock.advance(SignedDuration::from_secs(2));
        rig.tenant.server.faults.add(Rule::every(KEY, Fault::Answer(Canned::new(status, body))).times(1));
        let error = rig.client.signing_key(&rig.key_url()).await.unwrap_err();
        assert_eq!(matches!(error, KeyError::Passing(_)), passing, "{status} {body}: {error}");
    }
}

#[tokio::test]
async fn a_slow_key_is_given_up_after_two_seconds() {
    let rig = rig(|_| ()).await;
    rig.tenant.server.faults.add(Rule::every(KEY, Fault::Delay(Duration::from_secs(20))).times(1));
    let error = rig.client.signing_key(&rig.key_url()).await.unwrap_err();
    assert_eq!(error, KeyError::Passing("no answer within 2 s".to_owned()));
}

#[tokio::test]
async fn made_up_addresses_do_not_push_out_the_real_key() {
    let rig = rig(|_| ()).await;
    let url = rig.key_url();
    let key = rig.client.signing_key(&url).await.unwrap();
    for number in 0..100 {
        let made_up = rig.address(&format!("{}&n={number}", rig.tenant.key_url().replace("id=", "id=x")));
        assert!(rig.client.signing_key(&made_up).await.is_err());
    }
    assert!(Arc::ptr_eq(&key, &rig.client.signing_key(&url).await.unwrap()));
}
