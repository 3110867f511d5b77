//! What operators decide over HTTP, and who may.

use axum::http::Method;
use readypost::simulator::faults::{Fault, Rule};
use serde_json::{Value, json};

use crate::harness::{TOKEN, VIEWER, World, labour};

/// A decision as raw as an attacker may send it.
async fn decide(world: &World, invoice: i64, action: &str, (token, kind, body): (&str, &str, &str)) -> u16 {
    let url = format!("{}/api/v1/records/acme/invoice/{invoice}/{action}", world.url);
    let mut request = world.http.post(url).header("content-type", kind).body(body.to_owned());
    if !token.is_empty() {
        request = request.header("authorization", token);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn decisions_need_an_operator_and_a_readable_body() {
    let world = World::new().await;
    let (invoice, _) = world.closed("1001");
    let known = async || world.knows(invoice).await;
    assert!(!known().await);
    world.connectwise.save_invoice(invoice);
    world.callbacks().await;
    let json = "application/json";
    let bearer = format!("Bearer {TOKEN}");
    let viewer = format!("Bearer {VIEWER}");
    let basic = {
        use base64::Engine;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("me:{TOKEN}")))
    };
    let rows: &[(&str, &str, &str, &str, u16)] = &[
        ("hold", "", json, "{}", 401),
        ("hold", "Bearer wrong", json, "{}", 401),
        ("hold", "Bearer ", json, "{}", 401),
        ("hold", &viewer, json, "{}", 403),
        ("skip", &viewer, json, r#"{"note": "please"}"#, 403),
        // A browser sends a remembered password with requests that other sites cause.
        ("hold", &basic, json, "{}", 401),
        ("hold", &bearer, "text/plain", "{}", 415),
        ("hold", &bearer, "application/x-www-form-urlencoded", "{}", 415),
        ("hold", &bearer, json, "", 400),
        ("hold", &bearer, json, "[1]", 400),
        ("hold", &bearer, json, r#"{"why": "unknown field"}"#, 400),
        ("hold", &bearer, json, r#"{"document": "6dd82302-5e46-47c0-8c84-702868125b76"}"#, 422),
        ("adopt", &bearer, json, "{}", 422),
        ("adopt", &bearer, json, r#"{"document": "not-an-id"}"#, 400),
        ("explode", &bearer, json, "{}", 404),
        ("release", &bearer, json, "{}", 409),
    ];
    for (action, token, kind, body, status) in rows {
        assert_eq!(
            decide(&world, invoice, action, (token, kind, body)).await,
            *status,
            "{action} {token} {kind} {body}"
        );
    }
    assert_eq!(decide(&world, 999_999, "hold", (&bearer, json, "{}")).await, 404);
    for path in ["/status", "/metrics", "/api/v1/records", "/api/v1/warnings"] {
        assert_eq!(world.http.get(format!("{}{path}", world.url)).send().await.unwrap().status(), 401, "{path}");
    }
    let looks = world.http.get(format!("{}/status", world.url)).header("authorization", viewer);
    assert_eq!(looks.send().await.unwrap().status(), 200, "a viewer may look");
    assert_eq!(world.state(invoice).await, "queued", "nothing of this was acted on");
}

#[tokio::test]
async fn an_operator_holds_releases_skips_retries_and_acknowledges() {
    let world = World::new().await;
    let company = world.new_client("NEWCO", "Newco Holdings");
    let invoice = world.invoice_like(readypost::simulator::connectwise::NewInvoice {
        number: "1001".to_owned(),
        company,
        lines: vec![labour("1", "100")],
        ..Default::default()
    });
    world.ready(invoice);
    world.callbacks().await;
    assert_eq!(world.decide(invoice, "hold", json!({"note": "ask first"})).await, 200);
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("held operator", 0));
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 409);
    assert_eq!(world.decide(invoice, "skip", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "skipped operator");
    assert_eq!(world.decide(invoice, "retry", json!({"note": "after all"})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("done", 1));
    for action in ["hold", "skip", "release"] {
        assert_eq!(world.decide(invoice, action, json!({})).await, 409, "{action} of what is posted");
    }
    let warned = async || world.get("/api/v1/warnings").await["records"].as_array().unwrap().len();
    assert_eq!(warned().await, 1);
    assert_eq!(world.decide(invoice, "acknowledge", json!({"note": "seen"})).await, 200);
    assert_eq!(warned().await, 0);
    let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
    let decisions = shown["history"].as_array().unwrap().iter().filter(|line| line["event"] == "decision");
    let said: Vec<&str> = decisions.filter_map(|line| line["sentence"].as_str()).collect();
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(said.iter().all(|sentence| sentence.starts_with("tester: ")), "{said:?}");
    assert_eq!(shown["record"]["warnings"][0]["acknowledged_by"], "tester");
}

#[tokio::test]
async fn a_record_with_an_open_request_is_not_skipped() {
    let world = World::new().await;
    world.xero.server.faults.add(Rule::next(Method::PUT, "/Invoices", Fault::DropAfter));
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.decide(invoice, "skip", json!({})).await, 409);
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("done", 1));
    assert_ne!(world.get("/status").await["records"]["done"], Value::from(0));
}
