//! The history of a service: its exchanges, what verifies it, backup and restore.

use std::path::Path;

use jiff::SignedDuration;
use readypost::clock::ManualClock;
use readypost::domain::delivery::Trigger;
use readypost::store::{self, Filter, Options};
use serde_json::json;

use crate::harness::{World, labour};

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
    let held = world.invoice(
        "3004",
        vec![readypost::simulator::connectwise::NewLine { region: String::new(), ..labour("1", "10") }],
    );
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
