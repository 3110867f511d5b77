//! Registering, signing and sending callbacks.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{entry_ids, rig};
use crate::simulator::Server;
use crate::simulator::connectwise::{Forgery, KeyMode, signature};
use crate::simulator::faults::{Canned, Fault, Rule};

#[test]
fn signature_matches_the_vector() {
    let body = r#"{"MessageId":"6dd82302-5e46-47c0-8c84-702868125b76","FromUrl":"na.myconnectwise.net","CompanyId":"acme","MemberId":"jdoe","Action":"updated","Type":"invoice","ID":123,"ProductInstanceId":null,"PartnerId":null,"Entity":"{\"id\":123}","Metadata":{"key_url":"https://na.myconnectwise.net/v2025_1//system/callbackkey/index.rails?companyName=acme&id=e17e6674-42f6-4105-9cff-4cd6cb4e62e8"},"CallbackObjectRecId":26604}"#;
    assert_eq!(body.len(), 412);
    assert_eq!(signature(b"test-signing-key", body.as_bytes()), "rqGiZc1S6gd1zbnDRkLr9aMxxMXlNyQFLZxDgthdLzw=");
}

#[tokio::test]
async fn registration_has_its_quirks() {
    let rig = rig(|_| ()).await;
    let entry = json!({"id": 0, "url": "https://test.example/cw?recordId=", "objectId": 0, "type": "Invoice", "level": "owner"});
    let (status, body) = rig.post("/system/callbacks", entry.clone()).await;
    assert_eq!((status, &body["objectId"], &body["inactiveFlag"]), (201, &json!(1), &json!(false)));
    let (status, again) = rig.post("/system/callbacks", entry).await;
    assert_eq!((status, &again["errors"][0]["code"]), (400, &json!("ObjectExists")));
    let wrong = json!({"url": "test", "objectId": 1, "type": "expense", "level": "Status"});
    let (_, wrong) = rig.post("/system/callbacks", wrong).await;
    assert_eq!(wrong["errors"][0]["message"], "Invalid URL");
    assert_eq!(wrong["errors"][1]["field"], "level");
    let disable = json!([{"op": "replace", "path": "inactiveFlag", "value": true}]);
    let path = format!("/system/callbacks/{}", body["id"]);
    let (status, _, patched) = rig.call(reqwest::Method::PATCH, &path, Some(disable)).await;
    assert_eq!((status, &patched["inactiveFlag"]), (200, &json!(true)));
    rig.invoice("Standard");
    assert!(rig.cw.take_callbacks().is_empty());
    assert_eq!(
        rig.get("/system/callbacks?conditions=url contains \"TEST.example\"").await.as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(rig.call(reqwest::Method::DELETE, &path, None).await.0, 204);
}

#[tokio::test]
async fn a_message_verifies_with_the_key_behind_its_double_slash() {
    let rig = rig(|_| ()).await;
    rig.cw.register_callback("https://test.example/cw?recordId=", "invoice", "Status", 3).unwrap();
    let id = rig.closed("Standard");
    let sent = rig.cw.take_callbacks();
    assert_eq!(sent.len(), 1, "the new invoice was in no status that is listened to");
    assert_eq!(sent[0].url, format!("https://test.example/cw?recordId={id}&action=updated"));
    let body: Value = serde_json::from_slice(&sent[0].body).unwrap();
    let key_url = body["Metadata"]["key_url"].as_str().unwrap().to_owned();
    assert!(key_url.starts_with(&format!("http://{}/v2026_1//system/callbackkey/index.rails?", rig.cw.key_host())));
    let entity: Value = serde_json::from_str(body["Entity"].as_str().unwrap()).unwrap();
    assert_eq!((&entity["id"], &entity["status"]["isClosed"]), (&json!(id), &json!(true)));
    let key: Value = rig.http.get(&key_url).send().await.unwrap().json().await.unwrap();
    let key = key["signing_key"].as_str().unwrap().as_bytes();
    assert_eq!(sent[0].signature.as_deref(), Some(signature(key, &sent[0].body).as_str()));
    let garbled = rig.cw.forge(&sent[0], &Forgery::InvalidUtf8);
    assert!(std::str::from_utf8(&garbled.body).is_err());
    assert_eq!(garbled.signature.as_deref(), Some(signature(key, &garbled.body).as_str()));
    for (mode, status) in [(KeyMode::Redirect, 302), (KeyMode::Missing, 404), (KeyMode::Oversized, 200)] {
        rig.cw.set_key_mode(mode);
        assert_eq!(rig.http.get(&key_url).send().await.unwrap().status(), status);
    }
    rig.cw.set_key_mode(KeyMode::Good);
    rig.cw.rotate_key();
    assert_eq!(rig.http.get(&key_url).send().await.unwrap().status(), 404);
    rig.cw.delete_invoice(id).unwrap();
    let deleted: Value = serde_json::from_slice(&rig.cw.take_callbacks()[0].body).unwrap();
    assert_eq!((&deleted["Action"], &deleted["Entity"]), (&json!("deleted"), &Value::Null));
}

#[tokio::test]
async fn only_four_answers_are_retried_and_three_failing_days_disable() {
    let rig = rig(|_| ()).await;
    let answer = || async { axum::http::StatusCode::NO_CONTENT };
    let receiver = Server::start(0, axum::Router::new().fallback(answer)).await.unwrap();
    let url = format!("http://{}/cw?recordId=", receiver.address());
    rig.cw.register_callback(&url, "invoice", "owner", 1).unwrap();
    let id = rig.invoice("Standard");
    let busy = |status| Fault::Answer(Canned::new(status, ""));
    receiver.faults.add(Rule::every("/cw", busy(429)).times(2));
    let outcomes = rig.cw.deliver_all().await;
    assert_eq!((outcomes[0].status, outcomes[0].attempts), (Some(204), 3));
    assert_eq!(receiver.requests()[0].body, receiver.requests()[2].body);
    for day in 1..=3 {
        receiver.faults.add(Rule::every("/cw", busy(503)).times(1));
        rig.cw.save_invoice(id);
        let outcomes = rig.cw.deliver_all().await;
        assert_eq!((outcomes[0].status, outcomes[0].attempts), (Some(503), 1));
        assert_eq!(rig.cw.callbacks()[0]["inactiveFlag"], day == 3);
        rig.clock.advance(SignedDuration::from_hours(24));
    }
    rig.cw.save_invoice(id);
    assert!(rig.cw.take_callbacks().is_empty());
}

#[tokio::test]
async fn batching_echoes_unless_switched_off_or_self_suppressed() {
    for (echo, suppressed, messages) in [(true, false, 1), (false, false, 0), (true, true, 0)] {
        let rig = rig(|settings| settings.batch_callbacks = echo).await;
        let id = rig.closed("Standard");
        let entry = json!({"url": "https://test.example/?recordId=", "objectId": 1, "type": "invoice", "level": "Owner",
            "isSelfSuppressedFlag": suppressed});
        rig.post("/system/callbacks", entry).await;
        let ids = entry_ids(&rig.export(&[id]).await["transactions"][0]);
        rig.batch("X", &ids).await;
        assert_eq!(rig.cw.take_callbacks().len(), messages);
    }
}
