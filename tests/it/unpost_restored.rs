//! A store that was restored from a backup does not know what was posted since: it takes back nothing of that.

use jiff::SignedDuration;
use readypost::domain::delivery::State;
use serde_json::json;

use crate::harness::{World, labour};
use crate::purchases::Buying;

/// Starts on a backup, as `restore` leaves it.
async fn restored(world: &mut World, backup: &tempfile::TempDir) {
    std::fs::write(backup.path().join("restored"), "").unwrap();
    world.restore(backup).await;
}

fn batches(world: &World) -> Vec<String> {
    world.connectwise.batches().into_iter().map(|batch| batch.identifier).collect()
}

async fn sentence(world: &World, key: &str) -> String {
    let record = world.app.parts.store.record(&key.parse().unwrap()).await.unwrap().unwrap();
    match record.state {
        State::Held { reason } => reason.sentence.to_string(),
        other => format!("{other:?}"),
    }
}

async fn posted(world: &World, number: &str) -> i64 {
    let invoice = world.invoice(number, vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    invoice
}

#[tokio::test]
async fn the_batch_of_a_document_that_was_posted_since_is_left_alone() {
    let mut world = World::new().await;
    let invoice = posted(&world, "1001").await;
    let backup = world.backup();
    // Unposted, renumbered and posted anew: another document, and another batch.
    let old = batches(&world);
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 200);
    world.settle().await;
    world.connectwise.set_status(invoice, "Hold").unwrap();
    world.connectwise.edit_invoice(invoice, |invoice| invoice.number = "1001A".to_owned()).unwrap();
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    let (later, of_later) = (world.documents("1001A"), batches(&world));
    assert_eq!((later.len(), of_later.len()), (1, 1));
    assert_ne!(old, of_later);

    restored(&mut world, &backup).await;
    assert_eq!(world.state(invoice).await, "done", "it knows the first document alone");
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 200);
    world.settle().await;
    let said = sentence(&world, &format!("acme/invoice/{invoice}")).await;
    assert_eq!(world.state(invoice).await, "held unpost_refused", "{said}");
    assert!(said.contains(&format!("'{}', which readypost made for another document", of_later[0])), "{said}");
    assert_eq!((world.documents("1001A"), batches(&world)), (later.clone(), of_later.clone()));
    assert!(world.connectwise.is_batched(invoice));
    // The sentence says what helps, and it does.
    assert!(said.contains("adopt that document here"), "{said}");
    assert_eq!(world.decide(invoice, "adopt", json!({ "document": later[0].id })).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), batches(&world)), ("done", of_later));
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "skipped unposted");
    assert_eq!((world.documents("1001A"), batches(&world)), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn a_later_batch_of_the_same_document_goes_with_it() {
    let mut world = World::new().await;
    let invoice = posted(&world, "1001").await;
    let backup = world.backup();
    // Somebody took it out of its batch, and it was marked again.
    world.connectwise.unbatch(invoice).unwrap();
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    let both = batches(&world);
    assert!(both.len() == 2 && both[1] == format!("{}-2", both[0]), "{both:?}");
    restored(&mut world, &backup).await;
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 200);
    world.settle().await;
    assert_eq!(
        world.state(invoice).await,
        "skipped unposted",
        "{}",
        sentence(&world, &format!("acme/invoice/{invoice}")).await
    );
    assert!(!world.connectwise.is_batched(invoice));
    assert_eq!((batches(&world), world.documents("1001")), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn the_batch_of_a_later_bill_is_left_alone() {
    let mut buying = Buying::new().await;
    let order = buying.order(&["5"]);
    buying.close(order, "S");
    buying.world.settle().await;
    assert_eq!(buying.state(order, "S").await, "done");
    let (key, backup) = (format!("acme/purchase/{order}-S-purchase"), buying.world.backup());
    let old = batches(&buying.world);
    let path = format!("/api/v1/records/{key}");
    assert_eq!(buying.world.post(&format!("{path}/unpost"), &json!({})).await.0, 200);
    buying.world.settle().await;
    assert_eq!(buying.state(order, "S").await, "skipped unposted");
    assert_eq!(buying.world.post(&format!("{path}/retry"), &json!({})).await.0, 200);
    buying.world.settle().await;
    assert_eq!(buying.state(order, "S").await, "done");
    let (bills, of_later) = (buying.bills(), batches(&buying.world));
    assert_eq!((bills.len(), of_later.len()), (1, 1));
    assert_ne!(old, of_later);

    restored(&mut buying.world, &backup).await;
    buying.world.clock.advance(SignedDuration::from_mins(1));
    // Looked at again, the record takes that batch as news, and says whose it is.
    assert_eq!(buying.world.post(&format!("{path}/retry"), &json!({})).await.0, 200);
    buying.world.settle().await;
    let shown = buying.world.get(&path).await["record"]["warnings"].clone();
    let raised = shown.as_array().unwrap().last().unwrap();
    assert_eq!((buying.state(order, "S").await.as_str(), &raised["code"]), ("done", &json!("batched_elsewhere")));
    let whose = format!("'{}', which readypost made for another document of it", of_later[0]);
    assert!(raised["sentence"].as_str().unwrap().contains(&whose), "{raised}");
    assert_eq!(buying.world.post(&format!("{path}/unpost"), &json!({})).await.0, 200);
    buying.world.settle().await;
    let said = sentence(&buying.world, &key).await;
    assert_eq!(buying.state(order, "S").await, "held unpost_refused", "{said}");
    assert!(said.contains(&format!("'{}', which readypost made for another document", of_later[0])), "{said}");
    assert_eq!((buying.bills(), batches(&buying.world)), (bills.clone(), of_later));
    assert_eq!(buying.marked(order), 1);
    let document = json!({ "document": bills[0].id });
    assert_eq!(buying.world.post(&format!("{path}/adopt"), &document).await.0, 200);
    buying.world.settle().await;
    assert_eq!(buying.state(order, "S").await, "done");
    assert_eq!(buying.world.post(&format!("{path}/unpost"), &json!({})).await.0, 200);
    buying.world.settle().await;
    assert_eq!(buying.state(order, "S").await, "skipped unposted", "{}", sentence(&buying.world, &key).await);
    assert_eq!((buying.bills(), batches(&buying.world)), (Vec::new(), Vec::new()));
    assert_eq!(buying.marked(order), 0);
}
