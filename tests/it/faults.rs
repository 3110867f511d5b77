//! Whatever goes wrong with any call of the posting path, time ends it with one document and one batch.

use std::sync::Arc;

use axum::http::Method;
use jiff::SignedDuration;
use readypost::domain::delivery::State;
use readypost::simulator::connectwise::NewInvoice;
use readypost::simulator::faults::{Canned, Fault, Rule};
use readypost::simulator::xero::NewContact;
use serde_json::{Value, json};

use crate::cells::{self, all_pass};
use crate::harness::{Differently, World, dec, labour};

/// A remote call of the posting path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    ConnectWise,
    Xero,
}

/// Which record makes the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Invoice,
    /// Of a client that is not in Xero yet.
    NewClient,
    CreditMemo,
}

struct Call {
    whose: Whose,
    method: Method,
    path: &'static str,
    /// Calls of this kind that go through before.
    skip: u32,
    subject: Subject,
}

fn calls() -> Vec<Call> {
    use Subject::{CreditMemo, Invoice, NewClient};
    use Whose::{ConnectWise, Xero};
    let call =
        |whose, method: &Method, path, skip, subject| Call { whose, method: method.clone(), path, skip, subject };
    let (get, post, put) = (&Method::GET, &Method::POST, &Method::PUT);
    vec![
        // The reads of the first step, then the same ones of the second.
        call(ConnectWise, get, "/finance/invoices/", 0, Invoice),
        call(ConnectWise, get, "/finance/invoices/", 2, Invoice),
        call(ConnectWise, get, "/unpostedinvoices", 0, Invoice),
        call(ConnectWise, get, "/unpostedinvoices", 1, Invoice),
        // The read-back after the batch was made.
        call(ConnectWise, get, "/unpostedinvoices", 2, Invoice),
        call(ConnectWise, post, "/accounting/export", 0, Invoice),
        call(ConnectWise, post, "/accounting/export", 1, Invoice),
        call(ConnectWise, get, "/glEntries", 0, Invoice),
        call(ConnectWise, get, "/glCaptions", 0, Invoice),
        call(ConnectWise, get, "/company/companies", 0, Invoice),
        call(ConnectWise, get, "/company/contacts", 0, Invoice),
        call(ConnectWise, get, "/accounting/batches", 0, Invoice),
        call(ConnectWise, post, "/accounting/batches", 0, Invoice),
        call(ConnectWise, post, "/accounting/batches", 0, CreditMemo),
        call(Xero, post, "/connect/token", 0, Invoice),
        call(Xero, get, "/Organisation", 0, Invoice),
        call(Xero, get, "/Accounts", 0, Invoice),
        call(Xero, get, "/TaxRates", 0, Invoice),
        call(Xero, get, "/Items", 0, Invoice),
        call(Xero, get, "/TrackingCategories", 0, Invoice),
        call(Xero, get, "/Currencies", 0, Invoice),
        call(Xero, get, "/Contacts", 0, Invoice),
        call(Xero, put, "/Contacts", 0, NewClient),
        call(Xero, put, "/Invoices", 0, Invoice),
        call(Xero, put, "/Invoices", 0, NewClient),
        call(Xero, put, "/CreditNotes", 0, CreditMemo),
    ]
}

fn faults(whose: Whose) -> Vec<(&'static str, Fault)> {
    let (expired, offline) = match whose {
        Whose::Xero => {
            let detail = r#"{"Title":"Unauthorized","Status":401,"Detail":"TokenExpired: token expired at 11/30/2026 09:00:00"}"#;
            (Canned::new(401, detail).header("content-type", "application/json"), "The Organisation is offline")
        }
        Whose::ConnectWise => (
            Canned::new(401, r#"{"code":"Unauthorized","message":"Provided token is expired."}"#),
            "Service Unavailable",
        ),
    };
    let mut faults = cells::faults(r#"{"Invoices":[{"InvoiceID":"#);
    faults.retain(|(name, _)| *name != "503");
    faults.push(("503", Fault::Answer(Canned::new(503, offline))));
    faults.push(("token expired", Fault::Answer(expired)));
    faults
}

/// One invoice through one fault: done in the end, once, to the cent.
async fn cell(call: &Call, name: &str, fault: Fault, times: u32) {
    let label = format!(
        "{:?} {} {} #{} ({:?}): {name}, {times} times",
        call.whose, call.method, call.path, call.skip, call.subject
    );
    let world = World::new().await;
    let server = if call.whose == Whose::Xero { &world.xero.server } else { &world.connectwise.server };
    server.faults.add(Rule::next(call.method.clone(), call.path, fault).after(call.skip).times(times));
    let company = if call.subject == Subject::NewClient { world.new_client("NEWCO", "Newco Holdings") } else { 0 };
    let kind = if call.subject == Subject::CreditMemo { "CreditMemo" } else { "Standard" };
    let invoice = world.invoice_like(NewInvoice {
        number: "F1".to_owned(),
        kind: kind.to_owned(),
        company,
        lines: vec![labour("3", "33.33")],
        ..NewInvoice::default()
    });
    world.ready(invoice);
    world.settle().await;
    for _ in 0..24 {
        if world.record(invoice).await.state == State::Done {
            break;
        }
        world.pass(SignedDuration::from_mins(10)).await;
    }
    let server = if call.whose == Whose::Xero { &world.xero.server } else { &world.connectwise.server };
    let met = server
        .requests()
        .iter()
        .filter(|request| request.method == call.method && request.uri.path().contains(call.path))
        .count();
    assert!(met > usize::try_from(call.skip).unwrap(), "{label}: the call was never made");
    assert_eq!(world.state(invoice).await, "done", "{label}");
    check_posted_once(&world, invoice, "F1", &label);
    let contacts = world.xero.contacts().iter().filter(|contact| contact.name == "Newco Holdings").count();
    assert_eq!(contacts, usize::from(call.subject == Subject::NewClient), "{label}");
    if call.subject == Subject::NewClient {
        let warnings = world.warnings(invoice).await;
        assert!(warnings.contains(&"contact_created"), "{label}: {warnings:?}");
    }
    let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
    let history = shown["history"].as_array().unwrap();
    assert!(history.iter().any(|line| line["event"] == "posted"), "{label}: {history:?}");
    assert!(history.iter().any(|line| line["event"] == "marked"), "{label}: {history:?}");
    // What comes after the mark is the echo of our own batch, and its look.
    let last = history.last().unwrap();
    assert_eq!(last["event"], "marked", "{label}: {history:?}");
}

/// One document with the total of ConnectWise, one batch.
fn check_posted_once(world: &World, invoice: i64, number: &str, label: &str) {
    let documents = world.documents(number);
    assert_eq!(documents.len(), 1, "{label}");
    let total: String = world.connectwise.invoice(invoice)["total"].to_string();
    assert_eq!(documents[0].total, dec(total.trim_matches('"')).abs(), "{label}");
    assert_eq!(world.connectwise.batches().len(), 1, "{label}");
    assert!(world.connectwise.is_batched(invoice), "{label}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_survives_every_fault() {
    let mut cells = Vec::new();
    for times in [1, 5] {
        for call in calls() {
            let call = Arc::new(call);
            for (name, fault) in faults(call.whose) {
                let call = Arc::clone(&call);
                cells.push(async move { cell(&call, name, fault, times).await });
            }
        }
    }
    all_pass(cells).await;
}

#[tokio::test]
async fn an_answer_of_500_that_xero_caches_is_got_around() {
    for committed in [true, false] {
        let world = World::new().await;
        let first = world.invoice("1001", vec![labour("1", "100")]);
        world.ready(first);
        world.settle().await;
        if committed {
            world.xero.fail_next_write_after_commit();
        } else {
            world.xero.fail_next_write_before_commit();
        }
        let invoice = world.invoice("1002", vec![labour("1", "100")]);
        world.ready(invoice);
        world.settle().await;
        assert!(world.record(invoice).await.intent.is_some(), "its outcome is not known");
        world.pass(SignedDuration::from_mins(2)).await;
        assert_eq!(world.state(invoice).await, "done");
        assert_eq!(world.documents("1002").len(), 1);
        assert_eq!(world.warnings(invoice).await.contains(&"adopted"), committed);
    }
}

#[tokio::test]
async fn an_outage_of_hours_is_waited_out() {
    let world = World::new().await;
    let invoices: Vec<i64> =
        (0..6).map(|number| world.invoice(&format!("O{number}"), vec![labour("1", "100")])).collect();
    world.xero.set_outage(Some("The Organisation is offline".to_owned()));
    for invoice in &invoices {
        world.ready(*invoice);
    }
    world.settle().await;
    world.pass(SignedDuration::from_hours(9)).await;
    for invoice in &invoices {
        assert!(world.state(*invoice).await.starts_with("queued: "), "an outage holds nothing");
    }
    world.xero.set_outage(None);
    world.pass(SignedDuration::from_mins(40)).await;
    for (number, invoice) in invoices.iter().enumerate() {
        assert_eq!(world.state(*invoice).await, "done");
        assert_eq!(world.documents(&format!("O{number}")).len(), 1);
    }
}

#[tokio::test]
async fn a_day_without_calls_parks_the_company_and_says_so() {
    let world = World::new().await;
    let first = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(first);
    world.settle().await;
    world.xero.exhaust_day();
    let invoice = world.invoice("1002", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    assert!(world.state(invoice).await.starts_with("queued: Xero's calls of this day"));
    let status = world.get("/status").await;
    assert!(status["companies"][0]["resting"]["cause"].as_str().unwrap().contains("day"), "{status}");
    let ready = world.get("/readyz").await;
    assert_eq!((&ready["ready"], &ready["resting"][0]["company"]), (&json!(true), &json!("acme-au")));
    world.pass(SignedDuration::from_hours(24)).await;
    // The settings of the organisation are old by then, so several calls want to be the first of the new day.
    world.pass(SignedDuration::from_hours(4)).await;
    assert_eq!(world.state(invoice).await, "done");
    assert_eq!(world.get("/status").await["companies"][0]["resting"], Value::Null);
}

/// What an operator or Xero breaks, and how it is mended.
type Act = fn(&World);
const BROKEN: &[(&str, Act, Act)] = &[
    (
        "invalid_client",
        |world| {
            world.xero.break_client();
            world.xero.expire_tokens();
        },
        |world| world.xero.mend_client(),
    ),
    ("scope", |world| world.xero.revoke_scope("accounting.invoices"), |world| world.xero.restore_scopes()),
    ("tenant", |world| world.xero.disconnect(), |world| world.xero.reconnect()),
    (
        "connectwise keys",
        |world| world.connectwise.break_credentials(),
        |world| world.connectwise.restore_credentials(),
    ),
];

#[tokio::test]
async fn broken_credentials_rest_the_company_and_fail_no_record() {
    for (name, cut, mend) in BROKEN {
        let world = World::new().await;
        let first = world.invoice("1001", vec![labour("1", "100")]);
        world.ready(first);
        world.settle().await;
        cut(&world);
        // The token that is held must not hide the fault.
        world.clock.advance(SignedDuration::from_mins(40));
        let invoices: Vec<i64> =
            (0..5).map(|number| world.invoice(&format!("B{number}"), vec![labour("1", "100")])).collect();
        for invoice in &invoices {
            world.ready(*invoice);
        }
        world.settle().await;
        let calls = world.xero.calls();
        assert_ne!(world.get("/status").await["companies"][0]["resting"], Value::Null, "{name}");
        world.pass(SignedDuration::from_hours(5)).await;
        for invoice in &invoices {
            assert_eq!(world.state(*invoice).await.get(..6), Some("queued"), "{name}");
            let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
            assert!(
                shown["record"]["waiting"]["cause"].as_str().is_some_and(|cause| !cause.is_empty()),
                "{name}: {shown}"
            );
        }
        assert!(world.xero.calls() - calls < 200, "{name}: a resting company is not asked again and again");
        mend(&world);
        world.pass(SignedDuration::from_mins(30)).await;
        for (number, invoice) in invoices.iter().enumerate() {
            assert_eq!(world.state(*invoice).await, "done", "{name}");
            assert_eq!(world.documents(&format!("B{number}")).len(), 1, "{name}");
        }
        assert_eq!(world.get("/status").await["companies"][0]["resting"], Value::Null, "{name}");
    }
}

#[tokio::test]
async fn a_revoked_refresh_token_rests_until_a_person_connects_again() {
    let mut world = World::with(Differently {
        xero: |settings| settings.refresh_token = Some("refresh-of-the-configuration".to_owned()),
        ..Differently::default()
    })
    .await;
    let first = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(first);
    world.settle().await;
    assert_eq!(world.state(first).await, "done");
    world.restart().await;
    world.clock.advance(SignedDuration::from_hours(1));
    let second = world.invoice("1002", vec![labour("1", "100")]);
    world.ready(second);
    world.settle().await;
    assert_eq!(world.state(second).await, "done", "the rotated token was kept over the restart");
    world.xero.revoke_refresh_tokens();
    world.xero.expire_tokens();
    world.clock.advance(SignedDuration::from_hours(1));
    let third = world.invoice("1003", vec![labour("1", "100")]);
    world.ready(third);
    world.pass(SignedDuration::from_hours(2)).await;
    let state = world.state(third).await;
    assert!(state.contains("invalid_grant"), "{state}");
    assert_ne!(world.get("/status").await["companies"][0]["resting"], Value::Null);
}

#[tokio::test]
async fn no_secret_is_shown_or_lies_in_the_open() {
    let world = World::with(Differently {
        xero: |settings| settings.refresh_token = Some("refresh-canary-of-the-configuration".to_owned()),
        ..Differently::default()
    })
    .await;
    for number in 0..3 {
        let invoice = world.invoice(&format!("S{number}"), vec![labour("1", "100")]);
        world.ready(invoice);
        world.settle().await;
        world.clock.advance(SignedDuration::from_hours(1));
    }
    let tokens = world.xero.server.requests().into_iter().filter(|request| request.uri.path() == "/connect/token");
    let mut secrets: Vec<String> =
        ["refresh-canary", "demo-secret", "private-key", "0123456789", "simulated-signing-key"]
            .map(str::to_owned)
            .to_vec();
    for request in tokens {
        let form = String::from_utf8_lossy(&request.body).into_owned();
        secrets.extend(form.split('&').filter_map(|field| field.strip_prefix("refresh_token=")).map(str::to_owned));
    }
    assert!(secrets.len() > 7, "the refresh token was rotated: {secrets:?}");
    for request in world.xero.server.requests() {
        let bearer = request.headers.get("authorization").and_then(|value| value.to_str().ok());
        secrets.extend(bearer.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned));
    }
    let mut shown = Vec::new();
    for path in ["/status", "/readyz", "/metrics", "/api/v1/records", "/api/v1/warnings", "/healthz"] {
        for accept in ["application/json", "text/html"] {
            let request = world.http.get(format!("{}{path}", world.url)).header("accept", accept);
            let answer = request.bearer_auth(crate::harness::TOKEN).send().await.unwrap();
            shown.push((path.to_owned(), answer.bytes().await.unwrap().to_vec()));
        }
    }
    world.app.parts.store.close().await;
    files(world.folder(), &mut shown);
    assert!(shown.iter().any(|(name, bytes)| name.contains("journal") && bytes.len() > 1000));
    for (name, bytes) in shown {
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} is in {name}");
        }
    }
    let debug = format!("{:?}", world.app);
    for secret in &secrets {
        assert!(!debug.contains(secret.as_str()), "{secret} is in the debug output");
    }
}

fn files(folder: &std::path::Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push((path.display().to_string(), std::fs::read(path).unwrap()));
        }
    }
}

#[tokio::test]
async fn contacts_are_made_once_or_not_at_all() {
    let world = World::new().await;
    // Similar, archived, and taken names are for a person.
    world.xero.add_contact(NewContact { name: "Harbour Cafe Pty Ltd".to_owned(), ..NewContact::default() });
    let archived = world.xero.add_contact(NewContact { name: "Old Mill".to_owned(), ..NewContact::default() });
    world.xero.archive_contact(archived);
    let rows = [
        ("HARBOUR", "harbour  café", "done"),
        ("HARBOUR2", "HARBOUR CAFE", "held similar_contact"),
        ("OLDMILL", "Old Mill", "held archived_contact"),
    ];
    for (number, (identifier, name, expected)) in rows.into_iter().enumerate() {
        let company = world.new_client(identifier, name);
        let invoice = world.invoice_like(NewInvoice {
            number: format!("C{number}"),
            company,
            lines: vec![labour("1", "100")],
            ..NewInvoice::default()
        });
        world.ready(invoice);
        world.settle().await;
        assert_eq!(world.state(invoice).await, expected, "{name}");
        if expected == "held archived_contact" {
            world.xero.restore_contact(archived);
            assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
            world.settle().await;
            assert_eq!(world.state(invoice).await, "done");
        }
    }
}
