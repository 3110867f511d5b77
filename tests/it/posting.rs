//! An invoice that becomes ready to post is in Xero once, to the cent, and marked in ConnectWise.

use readypost::simulator::connectwise::NewInvoice;

use crate::harness::{World, dec, labour};

#[tokio::test]
async fn an_invoice_is_posted_once_to_the_cent_and_marked() {
    let world = World::new().await;
    let invoice = world.invoice("1001", vec![labour("2.5", "180"), labour("1", "99.95")]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    let documents = world.documents("1001");
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0].total, dec("604.95"));
    assert!(world.connectwise.is_batched(invoice));
    let warnings = world.warnings(invoice).await;
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[tokio::test]
async fn a_warm_posting_costs_one_call_to_xero() {
    let world = World::new().await;
    let first = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(first);
    world.settle().await;
    let before = world.xero.calls();
    for number in 0..5 {
        let invoice = world.invoice(&format!("20{number}"), vec![labour("1", "100")]);
        world.ready(invoice);
    }
    world.settle().await;
    assert_eq!(world.xero.calls() - before, 5);
}

#[tokio::test]
async fn a_credit_memo_becomes_a_credit_note() {
    let world = World::new().await;
    let memo = world.invoice_like(NewInvoice {
        number: "CM7".to_owned(),
        kind: "CreditMemo".to_owned(),
        lines: vec![labour("1", "50")],
        ..NewInvoice::default()
    });
    world.ready(memo);
    world.settle().await;
    assert_eq!(world.state(memo).await, "done");
    let documents = world.documents("CM7");
    assert_eq!((documents.len(), documents[0].kind.name(), documents[0].total), (1, "ACCRECCREDIT", dec("55")));
}
