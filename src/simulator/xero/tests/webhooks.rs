//! Webhooks: what they say, who passes the trial, and what becomes of those that nobody takes.

use std::time::Duration;

use axum::http::StatusCode;
use jiff::SignedDuration;
use jiff::civil::date;
use serde_json::{Value, json};

use super::{Bench, bench, bench_with, dec, line};
use crate::simulator::Server;
use crate::simulator::faults::{Canned, Fault, Rule};
use crate::simulator::xero::{Kind, Subscription, signature};

const KEY: &str = "s+Tl8D0ZbQ==";

/// A receiver that checks signatures as a good one does.
async fn receiver() -> Server {
    let answer = async |request: axum::extract::Request| {
        let sent = request.headers().get("x-xero-signature").map(|value| value.to_str().unwrap().to_owned());
        let body = axum::body::to_bytes(request.into_body(), 100_000).await.unwrap();
        let is_good = sent.as_deref() == Some(signature(KEY, &body).as_str());
        if is_good { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
    };
    Server::start(0, axum::Router::new().fallback(answer)).await.unwrap()
}

async fn subscribed(bench: &Bench) -> Server {
    let receiver = receiver().await;
    bench.xero.subscribe(&format!("http://{}/xero/webhooks", receiver.address()), KEY);
    assert!(bench.xero.intend_to_receive().await.is_passed);
    receiver.clear_requests();
    receiver
}

async fn invoiced(bench: &Bench, number: &str) {
    assert_eq!(bench.put("/Invoices", &bench.invoice(number, &json!([line("1", "100")]))).await.status, 200);
}

fn bodies(receiver: &Server) -> Vec<Value> {
    receiver.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

fn refused(status: u16) -> Fault {
    Fault::Answer(Canned::new(status, ""))
}

#[test]
fn signature_matches_the_vector() {
    let body = br#"{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}"#;
    assert_eq!(signature(KEY, body), "6pcKNc1quOoLDQB7+cCoaGmm2+UnmKhR8Ky7B5GBVe0=");
}

#[tokio::test]
async fn every_change_of_a_document_is_an_event() {
    let bench = bench().await;
    let receiver = subscribed(&bench).await;
    invoiced(&bench, "INV-1").await;
    let id = bench.xero.documents()[0].id;
    let paid = bench.xero.pay("INV-1", dec("10"), date(2026, 3, 2)).unwrap();
    bench.xero.delete_payment(paid).unwrap();
    let down = bench.xero.prepay(Kind::ReceivePrepayment, bench.contact, dec("5"), date(2026, 3, 2));
    bench.xero.allocate(down, id, dec("5")).unwrap();
    // A refused write changes nothing, and nobody hears of it.
    bench.put("/Invoices", &bench.invoice("INV-1", &json!([line("1", "100")]))).await;
    assert!(bench.xero.deliver_webhooks().await[0].is_accepted());
    let body = &bodies(&receiver)[0];
    let told: Vec<(&str, &str)> = body["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["eventCategory"].as_str().unwrap(), event["eventType"].as_str().unwrap()))
        .collect();
    let expected = [
        ("INVOICE", "CREATE"),
        ("INVOICE", "UPDATE"),
        ("INVOICE", "UPDATE"),
        ("PREPAYMENT", "CREATE"),
        ("INVOICE", "UPDATE"),
        ("PREPAYMENT", "UPDATE"),
    ];
    assert_eq!(told, expected);
    let first = json!({"resourceUrl": format!("https://api.xero.com/api.xro/2.0/Invoices/{id}"), "resourceId": id,
        "eventDateUtc": "2026-03-02T00:00:00.000", "eventType": "CREATE", "eventCategory": "INVOICE",
        "tenantId": bench.xero.settings().tenant_id, "tenantType": "ORGANISATION"});
    assert_eq!(
        (&body["events"][0], &body["firstEventSequence"], &body["lastEventSequence"]),
        (&first, &json!(1), &json!(6))
    );
    assert_eq!(receiver.requests()[0].headers["content-type"], "application/json; charset=utf-8");

    bench.xero.void(id);
    let overpaid = bench.xero.prepay(Kind::SpendOverpayment, bench.contact, dec("5"), date(2026, 3, 2));
    bench.xero.deliver_webhooks().await;
    let body = &bodies(&receiver)[1];
    assert_eq!((&body["firstEventSequence"], &body["lastEventSequence"]), (&json!(7), &json!(8)));
    assert_eq!(
        (&body["events"][1]["eventCategory"], &body["events"][1]["resourceId"]),
        (&json!("OVERPAYMENT"), &json!(overpaid))
    );
    assert!(bench.xero.deliver_webhooks().await.is_empty());
}

#[tokio::test]
async fn only_who_tells_good_signatures_from_bad_ones_passes() {
    let bench = bench_with(|settings| settings.webhook_timeout = Duration::from_millis(100)).await;
    assert_eq!(bench.xero.subscription(), None);
    let receiver = receiver().await;
    let url = format!("http://{}/xero/webhooks", receiver.address());
    bench.xero.subscribe(&url, "another key than the receiver has");
    assert!(!bench.xero.intend_to_receive().await.is_passed);
    bench.xero.subscribe(&url, KEY);
    let answers = |status: u16, header: &str, body: &str| {
        let canned = Canned::new(status, body);
        Fault::Answer(if header.is_empty() { canned } else { canned.header(header, "id=1") })
    };
    for (fault, times, why) in [
        (answers(200, "", ""), 9, "takes bad signatures"),
        (answers(401, "", ""), 9, "refuses good signatures"),
        (answers(403, "", ""), 1, "refuses bad ones in another way"),
        (answers(401, "set-cookie", ""), 1, "sets cookies"),
        (answers(401, "", "no"), 1, "answers with a body"),
        (Fault::Delay(Duration::from_millis(300)), 1, "is too slow"),
        (Fault::DropBefore, 1, "hangs up"),
    ] {
        receiver.faults.add(Rule::every("/xero", fault).times(times));
        let intent = bench.xero.intend_to_receive().await;
        assert!(!intent.is_passed, "{why}: {intent:?}");
        receiver.faults.clear();
    }
    // Nothing is sent before the trial is passed, and what waits is not lost.
    invoiced(&bench, "INV-1").await;
    assert!(bench.xero.deliver_webhooks().await.is_empty());
    receiver.clear_requests();
    let intent = bench.xero.intend_to_receive().await;
    assert_eq!((intent.is_passed, bench.xero.subscription()), (true, Some(Subscription::Sending)));
    let answered: Vec<(bool, Option<u16>)> =
        intent.receptions.iter().map(|(is_good, reception)| (*is_good, reception.status)).collect();
    assert_eq!(answered.iter().filter(|(is_good, _)| *is_good).count(), 2);
    assert!(answered.iter().all(|(is_good, status)| *status == Some(if *is_good { 200 } else { 401 })));
    assert!(
        bodies(&receiver)
            .iter()
            .all(|body| body["lastEventSequence"] == 0 && body["events"].as_array().is_none_or(Vec::is_empty))
    );
    assert_eq!(bench.xero.deliver_webhooks().await.len(), 1);
}

#[tokio::test]
async fn what_nobody_takes_is_sent_again_until_a_day_has_passed() {
    let bench = bench().await;
    let receiver = subscribed(&bench).await;
    invoiced(&bench, "INV-1").await;
    receiver.faults.add(Rule::every("/xero", refused(503)).times(5));
    let mut waits = Vec::new();
    for wait in [10, 60, 300, 900, 900] {
        assert_eq!(bench.xero.deliver_webhooks().await[0].status, Some(503));
        bench.clock.advance(SignedDuration::from_secs(wait - 1));
        waits.push(bench.xero.deliver_webhooks().await.len());
        bench.clock.advance(SignedDuration::from_secs(1));
    }
    assert_eq!(waits, [0; 5], "sent before it was due");
    assert!(bench.xero.deliver_webhooks().await[0].is_accepted());
    let sent = receiver.requests();
    assert!(sent.len() == 6 && sent.iter().all(|request| request.body == sent[0].body));

    receiver.faults.add(Rule::every("/xero", refused(500)));
    bench.xero.pay("INV-1", dec("1"), date(2026, 3, 2)).unwrap();
    bench.xero.deliver_webhooks().await;
    bench.clock.advance(SignedDuration::from_hours(23));
    bench.xero.deliver_webhooks().await;
    assert_eq!(bench.xero.subscription(), Some(Subscription::Sending));
    bench.clock.advance(SignedDuration::from_hours(1));
    bench.xero.deliver_webhooks().await;
    assert_eq!(bench.xero.subscription(), Some(Subscription::Disabled));
    receiver.faults.clear();
    bench.clock.advance(SignedDuration::from_hours(1));
    bench.xero.pay("INV-1", dec("1"), date(2026, 3, 2)).unwrap();
    assert!(bench.xero.deliver_webhooks().await.is_empty());
    // Enabled again, it sends what it kept.
    assert!(bench.xero.intend_to_receive().await.is_passed);
    assert_eq!(bench.xero.deliver_webhooks().await.len(), 2);
    receiver.faults.add(Rule::every("/xero", refused(500)).times(1));
    bench.xero.pay("INV-1", dec("1"), date(2026, 3, 2)).unwrap();
    bench.xero.deliver_webhooks().await;
    bench.clock.advance(SignedDuration::from_hours(31 * 24));
    assert!(bench.xero.deliver_webhooks().await.is_empty(), "kept for more than 31 days");
}

#[tokio::test]
async fn a_message_may_come_more_than_once_and_in_parts() {
    let bench = bench_with(|settings| {
        settings.webhook_copies = 2;
        settings.webhook_events_max = 1;
    })
    .await;
    let receiver = subscribed(&bench).await;
    invoiced(&bench, "INV-1").await;
    invoiced(&bench, "INV-2").await;
    assert_eq!(bench.xero.deliver_webhooks().await.len(), 4);
    let sequences: Vec<Value> = bodies(&receiver).iter().map(|body| body["firstEventSequence"].clone()).collect();
    assert_eq!(sequences, [json!(1), json!(1), json!(2), json!(2)]);

    // A lost answer makes it come again, although it was taken.
    receiver.faults.add(Rule::every("/xero", Fault::DropAfter).times(2));
    bench.xero.pay("INV-1", dec("1"), date(2026, 3, 2)).unwrap();
    assert!(bench.xero.deliver_webhooks().await.iter().all(|reception| reception.status.is_none()));
    bench.clock.advance(SignedDuration::from_secs(10));
    assert_eq!(bench.xero.deliver_webhooks().await.len(), 2);

    // A test may take the messages and alter them.
    bench.xero.pay("INV-2", dec("1"), date(2026, 3, 2)).unwrap();
    let taken = bench.xero.take_webhooks();
    let mut forged = taken[0].clone();
    forged.body.push(b' ');
    assert_eq!(bench.xero.send_webhook(&forged).await.status, Some(401));
    forged.signature = None;
    assert_eq!(bench.xero.send_webhook(&forged).await.status, Some(401));
    assert!(bench.xero.send_webhook(&taken[0]).await.is_accepted());
    assert!(bench.xero.take_webhooks().is_empty());
}
