//! Xero's webhooks among several companies, slow senders and odd input: each payment where it belongs, or a hold.

use std::time::{Duration, Instant};

use axum::http::Method;
use jiff::SignedDuration;
use readypost::simulator::connectwise::{NewPayment, Oddities, View};
use readypost::simulator::faults::{Canned, Fault, Rule};
use readypost::simulator::xero;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::companies::{NZ, nz_invoice, organisation};
use crate::harness::{Differently, TOKEN, WEBHOOK_KEY, company_text, dec};
use crate::payments::{DAY, FROM, Paying, TO, enter, sweep};

/// A world with a second company, whose webhooks are signed with this key.
async fn two(key: &str) -> (Paying, xero::Xero) {
    let paying = Paying::with(Differently { rules: FROM, ..Differently::default() }).await;
    let nz = organisation(&paying.world, |_| {}).await;
    let company = company_text("acme-nz", "acme", &format!("[{NZ}]"), &nz);
    let company = company.replace("minute_limit", &format!("webhook_key = \"{key}\"\nminute_limit")) + FROM;
    let (status, answer) = paying.world.reload(&(paying.world.configuration() + &company)).await;
    assert_eq!(status, 200, "{answer}");
    (paying, nz)
}

fn event(xero: &xero::Xero, document: Uuid) -> Value {
    json!({"resourceUrl": "https://example.com/x", "resourceId": document, "tenantId": xero.settings().tenant_id,
        "tenantType": "ORGANISATION", "eventCategory": "INVOICE", "eventType": "UPDATE",
        "eventDateUtc": "2026-12-01T00:00:00.000"})
}

/// Sends these events in one message, signed with a key.
async fn tell(paying: &Paying, events: &[Value], key: &str) -> Option<u16> {
    let body = json!({"events": events, "firstEventSequence": 1, "lastEventSequence": 2, "entropy": "x"}).to_string();
    let signature = Some(xero::signature(key, body.as_bytes()));
    let url = format!("{}/xero/webhooks", paying.world.url);
    paying.world.xero.send_webhook(&xero::Webhook { url, body: body.into_bytes(), signature }).await.status
}

#[tokio::test]
async fn one_message_may_be_about_several_companies_of_one_key() {
    let (paying, nz) = two(WEBHOOK_KEY).await;
    let (au_invoice, au_document) = paying.posted("INV-1").await;
    let nz_invoice = nz_invoice(&paying.world, "INV-2");
    paying.world.ready(nz_invoice);
    paying.world.settle().await;
    let nz_document = nz.documents()[0].id;
    // In the books of New Zealand there is one of the same number as in Australia's, of a client of its own.
    let contact = nz.contacts()[0].id;
    let twin = json!({"Type": "ACCREC", "InvoiceNumber": "INV-1", "Contact": {"ContactID": contact},
        "Date": "2026-12-01", "DueDate": "2026-12-20", "LineAmountTypes": "NoTax", "Status": "AUTHORISED",
        "LineItems": [{"Description": "Labour", "Quantity": 1, "UnitAmount": 110, "AccountCode": "200"}]});
    let twin = nz.enter(&twin).unwrap();
    paying.pay("INV-1", "10");
    nz.pay("INV-2", dec("20"), DAY).unwrap();
    nz.pay("INV-1", dec("30"), DAY).unwrap();
    let events = [event(&paying.world.xero, au_document), event(&nz, nz_document), event(&nz, twin)];
    assert_eq!(tell(&paying, &events, WEBHOOK_KEY).await, Some(200));
    paying.world.settle().await;
    assert_eq!((paying.amounts(au_invoice), paying.amounts(nz_invoice)), (vec![dec("10")], vec![dec("20")]));
    let state = paying.world.state_of(&format!("acme/payment/acme-nz/{twin}")).await;
    assert_eq!(state, "skipped no_invoice", "that number is another company's");
}

#[tokio::test]
async fn a_key_speaks_only_for_its_own_companies() {
    let (paying, nz) = two("another-key").await;
    let nz_invoice = nz_invoice(&paying.world, "INV-2");
    paying.world.ready(nz_invoice);
    paying.world.settle().await;
    let document = nz.documents()[0].id;
    nz.pay("INV-2", dec("20"), DAY).unwrap();
    assert_eq!(tell(&paying, &[event(&nz, document)], WEBHOOK_KEY).await, Some(200));
    paying.world.settle().await;
    assert!(paying.amounts(nz_invoice).is_empty(), "the key of Australia says nothing about New Zealand");
    assert_eq!(tell(&paying, &[event(&nz, document)], "another-key").await, Some(200));
    paying.world.settle().await;
    assert_eq!(paying.amounts(nz_invoice), [dec("20")]);
    assert_eq!(tell(&paying, &[event(&nz, document)], "a third").await, Some(401));
}

#[tokio::test]
async fn what_stops_one_company_stops_no_other() {
    let (paying, nz) = two(WEBHOOK_KEY).await;
    let (invoice, document) = paying.posted("INV-1").await;
    paying.pay("INV-1", "10");
    nz.disconnect();
    let stranger = Uuid::new_v4();
    assert_eq!(tell(&paying, &[event(&nz, stranger)], WEBHOOK_KEY).await, Some(200));
    paying.world.settle().await;
    assert_eq!(tell(&paying, &[event(&paying.world.xero, document)], WEBHOOK_KEY).await, Some(200));
    paying.world.settle().await;
    assert_eq!(paying.amounts(invoice), [dec("10")], "only the company that is disconnected rests");
    let companies = paying.world.get("/api/v1/companies").await;
    let resting: Vec<bool> =
        companies.as_array().unwrap().iter().map(|company| !company["resting"].is_null()).collect();
    assert_eq!(resting, [false, true], "{companies}");
    // A pause of payments alone lets invoices through.
    let (status, _) = paying.world.post("/api/v1/companies/acme-au/pause", &json!({"kind": "payment"})).await;
    assert_eq!(status, 200);
    paying.pay("INV-1", "20");
    let (other, _) = paying.posted("INV-9").await;
    assert_eq!(tell(&paying, &[event(&paying.world.xero, document)], WEBHOOK_KEY).await, Some(200));
    paying.world.settle().await;
    assert_eq!((paying.amounts(invoice), paying.world.state(other).await.as_str()), (vec![dec("10")], "done"));
    paying.world.post("/api/v1/companies/acme-au/resume", &json!({"kind": "payment"})).await;
    paying.world.settle().await;
    assert_eq!(paying.amounts(invoice), [dec("10"), dec("20")]);
}

#[tokio::test]
async fn a_new_key_is_taken_in_without_a_restart_and_without_a_new_client() {
    let paying = Paying::new().await;
    let (invoice, document) = paying.posted("INV-1").await;
    let (status, answer) = paying.world.reload(&paying.world.configuration().replace(WEBHOOK_KEY, "rotated")).await;
    assert_eq!((status, &answer["companies"][0]["settings"]), (200, &json!(["xero.webhook_key"])));
    paying.pay("INV-1", "10");
    let calls = paying.world.xero.calls();
    assert_eq!(tell(&paying, &[event(&paying.world.xero, document)], WEBHOOK_KEY).await, Some(401));
    assert_eq!(tell(&paying, &[event(&paying.world.xero, document)], "rotated").await, Some(200));
    paying.world.settle().await;
    assert_eq!((paying.amounts(invoice), paying.world.xero.calls() - calls), (vec![dec("10")], 1));
}

/// How often the same message comes at once, before anybody looks at it.
const AT_ONCE: u64 = 300;
/// How often it comes afterwards, each time when all is at rest.
const ONE_BY_ONE: u64 = 40;
/// What a replay may add to the store that only joins a waiting record, in bytes: one entry.
const NOTED_BYTES: u64 = 512;
/// What one that is looked at may add: two entries and what was said meanwhile.
const REPLAY_BYTES: u64 = 4 << 10;

/// Entries of the journal, and bytes of it and of the exchanges beside it.
async fn kept(paying: &Paying) -> (u64, u64) {
    let asked = paying.world.http.get(format!("{}/metrics", paying.world.url)).bearer_auth(TOKEN);
    let metrics = asked.send().await.unwrap().text().await.unwrap();
    let entries = metrics.lines().find_map(|line| line.strip_prefix("readypost_journal_entries ")).unwrap();
    let files = ["journal", "exchanges"].map(|folder| std::fs::read_dir(paying.world.folder().join(folder)).unwrap());
    let bytes = files.into_iter().flatten().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    (entries.parse().unwrap(), bytes)
}

#[tokio::test]
async fn a_webhook_that_is_replayed_pays_once_and_is_looked_at_once_or_harmlessly_again() {
    let mut paying = Paying::new().await;
    let (invoice, document) = paying.posted("INV-1").await;
    paying.pay("INV-1", "60");
    let [message] = &paying.world.xero.take_webhooks()[..] else { panic!("one message waits") };
    let before = kept(&paying).await;
    let looks = |paying: &Paying| paying.world.xero.calls_by(&Method::GET, "/Invoices");
    let looked = looks(&paying);
    for _ in 0..AT_ONCE {
        assert_eq!(paying.world.xero.send_webhook(message).await.status, Some(200));
    }
    paying.world.settle().await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![dec("60")], "done"));
    let after = kept(&paying).await;
    println!("{AT_ONCE} at once: {} looks, {before:?} became {after:?}", looks(&paying) - looked);
    assert_eq!(looks(&paying) - looked, 1, "they are one piece of news");
    // A replay is noted; posting the payment takes two more: the request, and that it is done.
    assert!(after.0 - before.0 <= AT_ONCE + 2, "{before:?} became {after:?}");
    assert!(after.1 - before.1 <= AT_ONCE * NOTED_BYTES + 4 * REPLAY_BYTES, "{before:?} became {after:?}");
    // Later it is no news, also after a restart.
    paying.world.restart().await;
    let message = xero::Webhook { url: format!("{}/xero/webhooks", paying.world.url), ..message.clone() };
    let (before, looked) = (kept(&paying).await, looks(&paying));
    let written =
        || paying.world.connectwise.server.requests().iter().filter(|asked| asked.method != Method::GET).count();
    let wrote = written();
    for _ in 0..ONE_BY_ONE {
        assert_eq!(paying.world.xero.send_webhook(&message).await.status, Some(200));
        paying.world.settle().await;
    }
    let after = kept(&paying).await;
    println!("{ONE_BY_ONE} one by one: {} looks, {before:?} became {after:?}", looks(&paying) - looked);
    assert_eq!((paying.amounts(invoice), written() - wrote), (vec![dec("60")], 0), "nothing is entered again");
    assert!(u64::from(looks(&paying) - looked) <= ONE_BY_ONE);
    assert!(after.0 - before.0 <= 2 * ONE_BY_ONE, "{before:?} became {after:?}");
    assert!(after.1 - before.1 <= ONE_BY_ONE * REPLAY_BYTES, "{before:?} became {after:?}");
    paying.pay("INV-1", "50");
    assert_eq!(paying.world.xero.send_webhook(&message).await.status, Some(200));
    paying.world.settle().await;
    assert_eq!(paying.amounts(invoice), [dec("50"), dec("60")], "an old message still has everything looked at");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_within_the_time_of_xero() {
    let paying = Paying::new().await;
    let mut stream = TcpStream::connect(paying.world.url.trim_start_matches("http://")).await.unwrap();
    let signature = xero::signature(WEBHOOK_KEY, b"x");
    let head = format!(
        "POST /xero/webhooks HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nx-xero-signature: {signature}\r\n\r\n{{"
    );
    let begun = Instant::now();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn odd_payments_of_connectwise_are_read_or_held_by_the_name_of_their_field() {
    let field = |pointer, value: Value| Oddities::default().field(View::Record, pointer, value);
    let rows = [
        ("amounts as text", Oddities { amounts_as_text: true, ..Oddities::default() }, "done"),
        ("a source that is new", field("/source", json!("Crypto")), "done"),
        ("a type that is new", field("/type", json!("Barter")), "done"),
        ("an American date", field("/paymentDate", json!("12/01/2026")), "done"),
        ("no day", field("/paymentDate", Value::Null), "unreadable_field: ConnectWise gives no readable paymentDate"),
        ("a day that is none", field("/paymentDate", json!("soon")), "unreadable_field"),
        ("no amount", field("/amount", Value::Null), "unreadable_field: ConnectWise gives no readable amount"),
    ];
    for (name, oddities, expected) in rows {
        let paying = Paying::with(Differently { rules: TO, ..Differently::default() }).await;
        let (invoice, document) = paying.posted("INV-1").await;
        let amount = dec("7");
        let _ = paying.world.connectwise.add_payment(NewPayment {
            invoice,
            amount,
            date: DAY,
            oddities,
            ..NewPayment::default()
        });
        sweep(&paying).await;
        if expected == "done" {
            assert_eq!(paying.state(document).await, "done", "{name}");
        } else {
            let held = paying.held(document).await;
            assert!(held.starts_with(expected) && held.contains("INV-1"), "{name}: {held}");
        }
        assert_eq!(paying.world.xero.payments().len(), usize::from(expected == "done"), "{name}");
    }
    // One that names no invoice hides no other.
    let paying = Paying::with(Differently { rules: TO, ..Differently::default() }).await;
    let (invoice, _) = paying.posted("INV-1").await;
    let oddities = Oddities::default().field(View::Unposted, "/invoice", Value::Null);
    let _ = paying.world.connectwise.add_payment(NewPayment {
        invoice,
        amount: dec("7"),
        oddities,
        ..NewPayment::default()
    });
    sweep(&paying).await;
    assert!(paying.world.xero.payments().is_empty());
    enter(&paying.world, invoice, "8");
    sweep(&paying).await;
    assert_eq!(paying.world.xero.payments().len(), 2);
}

#[tokio::test]
async fn odd_invoices_of_xero_are_held_or_tried_again() {
    let paying = Paying::new().await;
    let (invoice, document) = paying.posted("INV-1").await;
    paying.pay("INV-1", "10");
    let path = format!("/Invoices/{document}");
    let shown = |payment: Value| {
        json!({"Invoices": [{"InvoiceID": document, "Type": "ACCREC", "InvoiceNumber": "INV-1", "Total": 110,
            "Status": "AUTHORISED", "CurrencyCode": "AUD", "Payments": [payment]}]})
        .to_string()
    };
    let id = Uuid::new_v4();
    for (payment, named) in [
        (json!({"PaymentID": id, "Date": "/Date(1796083200000+0000)/"}), "amount"),
        (json!({"PaymentID": id, "Date": "soon", "Amount": 10}), "date"),
    ] {
        let odd = Fault::Answer(Canned::new(200, &shown(payment)));
        paying.world.xero.server.faults.add(Rule::next(Method::GET, &path, odd));
        assert_eq!(tell(&paying, &[event(&paying.world.xero, document)], WEBHOOK_KEY).await, Some(200));
        paying.world.settle().await;
        let held = paying.held(document).await;
        assert!(held.starts_with("unreadable_field") && held.contains(named) && held.contains("INV-1"), "{held}");
    }
    // What is no answer at all is asked again.
    paying.world.xero.server.faults.add(Rule::next(Method::GET, &path, Fault::Answer(Canned::new(200, "[]"))));
    assert_eq!(tell(&paying, &[event(&paying.world.xero, document)], WEBHOOK_KEY).await, Some(200));
    paying.world.settle().await;
    assert!(paying.state(document).await.starts_with("queued"));
    paying.world.pass(SignedDuration::from_mins(1)).await;
    assert_eq!((paying.amounts(invoice), paying.state(document).await.as_str()), (vec![dec("10")], "done"));
}

#[tokio::test]
async fn a_list_that_is_not_in_order_is_gone_through_by_pages_to_its_end() {
    let paying = Paying::new().await;
    let row = |number: i64| {
        let at = 1_796_083_200_000 + (number * 7919 % 100) * 1000;
        json!({"InvoiceID": Uuid::new_v4(), "Type": "ACCREC", "UpdatedDateUTC": format!("/Date({at}+0000)/"), "AmountPaid": 1})
    };
    let body = json!({"Invoices": (0..100).map(row).collect::<Vec<_>>()}).to_string();
    let (company, xero) = ("acme-au".parse().unwrap(), &paying.world.xero);
    let mark = || paying.world.app.parts.store.company(&company).swept.values().map(|swept| swept.mark).max();
    xero.server.clear_requests();
    xero.server.faults.add(Rule::next(Method::GET, "/Invoices", Fault::Answer(Canned::new(200, &body))));
    xero.server.faults.add(Rule::next(Method::GET, "/Invoices", Fault::Answer(Canned::new(503, ""))).times(9));
    assert!(readypost::pipeline::sweep(&paying.world.app.parts).await.is_err());
    assert_eq!(mark(), None, "only its end would say how far it went");
    xero.server.faults.clear();
    let asked: Vec<(String, String)> = xero
        .server
        .requests()
        .iter()
        .filter(|request| request.uri.path().ends_with("/Invoices"))
        .map(|request| {
            let since = request.headers["if-modified-since"].to_str().unwrap().to_owned();
            (request.uri.query().unwrap().to_owned(), since)
        })
        .collect();
    assert!(asked[0].0.contains("page=1&") && asked[1].0.contains("page=2&"), "{asked:?}");
    assert_eq!(asked[0].1, asked[1].1);
    readypost::pipeline::sweep(&paying.world.app.parts).await.unwrap();
    assert!(mark().is_some());
}
