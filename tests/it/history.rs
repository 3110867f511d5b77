//! The history of a service: what was said with both systems, by which rules, and by whom it was changed.

use std::path::Path;

use jiff::SignedDuration;
use readypost::clock::ManualClock;
use readypost::domain::delivery::Trigger;
use readypost::domain::exchange::Exchange;
use readypost::simulator::connectwise::NewLine;
use readypost::store::audit::{self, Choice};
use readypost::store::{self, Filter, Options, Said};
use serde_json::{Value, json};

use crate::harness::{Differently, TOKEN, VIEWER, World, labour};

/// What was said about an invoice.
async fn said(world: &World, invoice: i64) -> Vec<Said> {
    let answer = world.get(&format!("/api/v1/records/acme/invoice/{invoice}/exchanges")).await;
    serde_json::from_value(answer).unwrap()
}

fn exchanges(said: &Said) -> &[Exchange] {
    said.exchanges.as_deref().unwrap()
}

/// The whole history as an auditor gets it, with every text in it.
fn exported(world: &World) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.jsonl");
    let verdict = audit::export(world.folder(), &file, &Choice::default()).unwrap();
    assert!(verdict.is_clean(), "{:?}", verdict.findings);
    assert_eq!(audit::verify_export(&file, &[world.app.parts.store.overview().head]).unwrap(), verdict);
    std::fs::read_to_string(file).unwrap()
}

/// The entries about the configuration.
fn configured(exported: &str) -> Vec<Value> {
    let entries = exported.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        serde_json::from_str::<Value>(line["payload"].as_str()?).unwrap()["event"].get("configured").cloned()
    });
    entries.collect()
}

#[tokio::test]
async fn a_record_tells_what_was_said_about_it_and_by_which_rules() {
    let world = World::with(Differently {
        xero: |settings| settings.refresh_token = Some("refresh-canary".to_owned()),
        ..Differently::default()
    })
    .await;
    let invoice = world.invoice("4001", vec![labour("2", "150")]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    let said = said(&world, invoice).await;
    let steps: Vec<&str> = said.iter().map(|said| said.before.as_str()).collect();
    // Posting armed a request and settled, marking settled, and so did a look after it was marked.
    assert_eq!(steps, ["request", "settled", "settled", "settled"]);
    let [armed, posted, marked] = said.first_chunk().unwrap();
    // What led to the request was durable before it was sent.
    assert!(exchanges(armed).iter().all(|one| one.method != "PUT"), "nothing was put before it was armed");
    assert!(exchanges(armed).iter().any(|one| one.address.contains("/finance/invoices/")));
    assert!(exchanges(armed).iter().any(|one| one.address.contains("/Accounts")), "what filled a cache, too");
    let puts: Vec<&Exchange> = exchanges(posted).iter().filter(|one| one.method == "PUT").collect();
    assert_eq!((puts.len(), exchanges(posted).len()), (1, 1), "the request alone was said after it was armed");
    let put = puts[0];
    assert!(put.system == "Xero" && put.address.contains("/api.xro/2.0/Invoices?"), "{}", put.address);
    let (asked, answered) = (put.request.as_ref().unwrap(), put.response.as_ref().unwrap());
    assert!(asked.text.contains("\"InvoiceNumber\":\"4001\"") && asked.cut.is_none(), "{}", asked.text);
    assert!(answered.text.contains("InvoiceID") && put.status == Some(200), "{}", answered.text);
    let history =
        world.app.parts.store.history(&format!("acme/invoice/{invoice}").parse().unwrap(), 100).await.unwrap();
    let intent = history.iter().find_map(|entry| match &entry.event {
        store::Event::Armed { intent, body, .. } => Some((intent.key.clone(), body.clone())),
        _ => None,
    });
    let (key, body) = intent.unwrap();
    assert_eq!((put.headers["idempotency-key"].as_str(), asked.text.as_str()), (key.as_str(), body.as_str()));
    assert!(exchanges(marked).iter().any(|one| one.method == "POST" && one.address.ends_with("/accounting/batches")));
    // All of it by the rules that the start noted.
    let exported = exported(&world);
    let configured = configured(&exported);
    let rules = world.app.parts.current().rules.clone();
    assert_eq!((configured.len(), configured[0]["rules"].as_str()), (1, Some(rules.as_str())));
    assert_eq!(configured[0]["companies"]["acme-au"]["untaxed"], "GST Free Income");
    assert!(said.iter().all(|said| said.rules.as_deref() == Some(rules.as_str())), "{rules}");
}

#[tokio::test]
async fn no_secret_is_in_the_history() {
    let world = World::with(Differently {
        xero: |settings| settings.refresh_token = Some("refresh-canary".to_owned()),
        ..Differently::default()
    })
    .await;
    let invoice = world.invoice("4002", vec![labour("1", "80")]);
    world.ready(invoice);
    world.settle().await;
    world.pass(SignedDuration::from_hours(2)).await;
    assert_eq!(world.decide(invoice, "retry", json!({"note": "again"})).await, 200);
    world.settle().await;
    let text = exported(&world);
    let token = text.matches("/connect/token").count();
    assert!(token > 0 && text.contains("[removed]"), "that a token was asked for is told");
    let basic = |user: &str, password: &str| {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
    };
    let settings = world.xero.settings();
    let secrets = [
        "refresh-canary".to_owned(),
        settings.client_secret.clone(),
        "private-key".to_owned(),
        "public-key".to_owned(),
        TOKEN.to_owned(),
        crate::harness::WEBHOOK_KEY.to_owned(),
        basic("acme+public-key", "private-key"),
        basic(&settings.client_id, &settings.client_secret),
        "Bearer".to_owned(),
        "access_token".to_owned(),
        "grant_type".to_owned(),
        "0123456789abcdef".to_owned(),
    ];
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret}");
    }
}

#[tokio::test]
async fn every_manual_act_names_its_operator_and_viewers_see_no_exchanges() {
    let world = World::new().await;
    let invoice = world.invoice("4003", vec![labour("1", "80")]);
    world.ready(invoice);
    world.settle().await;
    let before = world.app.parts.current().rules.clone();
    let text = world.configuration().replace("untaxed = \"GST Free Income\"", "untaxed = \"BAS Excluded\"");
    assert_eq!(world.reload(&text).await.0, 200);
    let after = world.app.parts.current().rules.clone();
    assert_ne!(before, after);
    let pause = "/api/v1/companies/acme-au";
    assert_eq!(world.post(&format!("{pause}/pause"), &json!({"note": "audit"})).await.0, 200);
    assert_eq!(world.post(&format!("{pause}/resume"), &json!({"note": "audited"})).await.0, 200);
    assert_eq!(world.decide(invoice, "retry", json!({"note": "look again"})).await, 200);
    world.settle().await;
    let exported = exported(&world);
    let configured = configured(&exported);
    let told: Vec<_> = configured.iter().map(|one| (one["rules"].as_str(), one["by"].as_str())).collect();
    assert_eq!(told, [(Some(before.as_str()), None), (Some(after.as_str()), Some("tester"))]);
    assert_eq!(configured[1]["companies"]["acme-au"]["untaxed"], "BAS Excluded");
    for act in ["operator_paused", "operator_resumed", "resolved"] {
        let lines: Vec<&str> = exported.lines().filter(|line| line.contains(&format!("{act}\\\""))).collect();
        assert!(lines.len() == 1 && lines[0].contains("\\\"by\\\":\\\"tester\\\""), "{act}: {lines:?}");
    }
    let rules: Vec<_> = said(&world, invoice).await.into_iter().map(|said| said.rules.unwrap()).collect();
    assert!(rules.contains(&before) && rules.last() == Some(&after), "{rules:?}");
    let url = format!("{}/api/v1/records/acme/invoice/{invoice}/exchanges", world.url);
    for (token, status) in [(VIEWER, 403), ("nobody", 401), (TOKEN, 200)] {
        assert_eq!(world.http.get(&url).bearer_auth(token).send().await.unwrap().status(), status, "{token}");
    }
    let unknown = format!("{}/api/v1/records/acme/invoice/77/exchanges", world.url);
    assert_eq!(world.http.get(unknown).bearer_auth(TOKEN).send().await.unwrap().status(), 404);
    let status = world.get("/status").await;
    assert_eq!(status["history_head"], world.app.parts.store.overview().head.to_string());
}

/// Writes the folder of a store as this version makes it, and what is in it, into `READYPOST_WRITE_STORE`.
///
/// `fixtures/store/v1` was written so by commit fe4e583, before exchanges were kept.
#[tokio::test]
#[ignore = "writes a fixture: READYPOST_WRITE_STORE=folder cargo test --test it write_a_store -- --ignored"]
async fn write_a_store() {
    let to = std::env::var("READYPOST_WRITE_STORE").unwrap();
    let to = Path::new(&to);
    let world = World::new().await;
    let mut invoices = Vec::new();
    for number in ["3001", "3002", "3003"] {
        let invoice = world.invoice(number, vec![labour("2", "150"), labour("0.5", "99.95")]);
        world.ready(invoice);
        invoices.push(invoice);
    }
    world.settle().await;
    // One that lacks its tax, one that an operator skips, one that is retried.
    let held = world.invoice("3004", vec![NewLine { region: String::new(), ..labour("1", "10") }]);
    world.ready(held);
    let skipped = world.invoice("3005", vec![labour("1", "100")]);
    world.connectwise.edit_company(world.client, |company| company.name = "Blue Gum Dental Pty".to_owned()).unwrap();
    world.callbacks().await;
    world.ready(skipped);
    world.callbacks().await;
    assert_eq!(world.decide(skipped, "skip", json!({"note": "a test of ours"})).await, 200);
    world.settle().await;
    assert_eq!(world.decide(invoices[0], "retry", json!({"note": "asked by the client"})).await, 200);
    world.settle().await;
    assert_eq!(world.post("/api/v1/companies/acme-au/pause", &json!({"note": "audit"})).await.0, 200);
    assert_eq!(world.post("/api/v1/companies/acme-au/resume", &json!({})).await.0, 200);
    world.pass(SignedDuration::from_hours(1)).await;
    let now = world.clock_now();
    world.app.parts.store.close().await;
    let work = tempfile::tempdir().unwrap();
    copy(world.folder(), work.path());
    let options = Options { segment_bytes: 4_000, ..Options::default() };
    let store = store::open_with(work.path(), &ManualClock::new(now), options).unwrap();
    for id in 0..60 {
        let key = format!("acme/invoice/{}", 9_000 + id % 7).parse().unwrap();
        store.accept(&key, Trigger::Operator { name: format!("tester-{id}") }, now).await.unwrap();
    }
    while std::fs::read_dir(work.path().join("journal"))
        .unwrap()
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "log"))
        .count()
        > 1
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let page = store.records(Filter { limit: 200, ..Filter::default() }).await.unwrap();
    let records = serde_json::to_string_pretty(&page.records).unwrap();
    println!("{} records, {} entries", page.records.len(), store.overview().entries);
    store.close().await;
    drop(store);
    std::fs::create_dir_all(to).unwrap();
    copy(work.path(), to);
    std::fs::write(to.join("records.json"), records).unwrap();
}

/// Copies a folder that nobody writes to.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let to = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &to);
        } else {
            std::fs::copy(file.path(), to).unwrap();
        }
    }
}
