//! An invoice that was edited after it was posted is never in Xero twice, and each cure works.

use serde_json::json;

use crate::harness::{World, dec, labour};

/// Posts 1001 with 110.00, then reopens it, makes it 220.00 and closes it again.
async fn edited() -> (World, i64) {
    let world = World::new().await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    world.connectwise.unbatch(invoice).unwrap();
    world.connectwise.set_status(invoice, "Hold").unwrap();
    world.connectwise.edit_invoice(invoice, |invoice| invoice.lines[0].unit_price = dec("200")).unwrap();
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held edited_after_post");
    assert_eq!(world.documents("1001").len(), 1);
    (world, invoice)
}

#[tokio::test]
async fn voided_in_xero_it_is_posted_anew_or_its_number_is_held() {
    let (world, invoice) = edited().await;
    let document = world.documents("1001")[0].id;
    world.xero.void(document);
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    // Whether Xero frees the number of a void invoice is not known; the simulator does not.
    assert_eq!(world.state(invoice).await, "held document_differs");
    world.connectwise.set_status(invoice, "Hold").unwrap();
    world.connectwise.edit_invoice(invoice, |invoice| invoice.number = "1001A".to_owned()).unwrap();
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    assert_eq!(world.documents("1001A")[0].total, dec("220"));
    assert!(world.connectwise.is_batched(invoice));
}

#[tokio::test]
async fn a_document_of_the_right_total_can_be_adopted_and_no_other() {
    let (world, invoice) = edited().await;
    let wrong = world.documents("1001")[0].id;
    assert_eq!(world.decide(invoice, "adopt", json!({ "document": wrong })).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held document_differs");
    assert_eq!(world.decide(invoice, "adopt", json!({ "document": uuid::Uuid::new_v4() })).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held document_differs");
    let other = world.invoice("1002", vec![labour("1", "200")]);
    world.ready(other);
    world.settle().await;
    let right = world.documents("1002")[0].id;
    assert_eq!(world.decide(invoice, "adopt", json!({ "document": right })).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    assert!(world.connectwise.is_batched(invoice));
}

#[tokio::test]
async fn a_record_whose_document_was_voided_is_not_marked_again_without_one() {
    let world = World::new().await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    world.connectwise.unbatch(invoice).unwrap();
    world.xero.void(world.documents("1001")[0].id);
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    // It is posted anew; the simulator keeps the number of the void document, so that ends in a hold.
    assert_eq!(world.state(invoice).await, "held document_differs");
    assert!(!world.connectwise.is_batched(invoice), "nothing in Xero, nothing marked");
}

#[tokio::test]
async fn a_record_taken_out_of_its_batch_alone_is_marked_again_and_not_posted_again() {
    let world = World::new().await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    world.connectwise.unbatch(invoice).unwrap();
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("done", 1));
    assert!(world.connectwise.is_batched(invoice));
}
