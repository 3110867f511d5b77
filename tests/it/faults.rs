//! Outages, lost credentials, used-up days and cached failures; every call with every fault is in the matrix.

use jiff::SignedDuration;
use readypost::simulator::connectwise::NewInvoice;
use readypost::simulator::xero::NewContact;
use serde_json::{Value, json};

use crate::harness::{Differently, World, labour};

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
