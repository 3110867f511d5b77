//! A credit memo that is applied in ConnectWise is allocated in Xero, once and to the same invoice.

use jiff::SignedDuration;
use readypost::simulator::connectwise::NewInvoice;
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::harness::{Differently, dec, labour};
use crate::payments::{Paying, in_xero, sweep};

pub(crate) const CREDITS: &str = "credits = \"to_xero\"\n";

pub(crate) async fn crediting(rules: &'static str) -> Paying {
    Paying::with(Differently { rules, ..Differently::default() }).await
}

/// A credit memo over 44.00, open in ConnectWise.
pub(crate) fn memo(paying: &Paying, number: &str) -> i64 {
    paying.world.invoice_like(NewInvoice {
        number: number.to_owned(),
        kind: "CreditMemo".to_owned(),
        lines: vec![labour("1", "40")],
        ..NewInvoice::default()
    })
}

/// What of credit notes an invoice has in Xero.
pub(crate) fn credited(paying: &Paying, document: Uuid) -> Decimal {
    let documents = paying.world.xero.documents();
    documents.into_iter().find(|held| held.id == document).unwrap().amount_credited.normalize()
}

async fn posted_memo(paying: &Paying, number: &str) -> i64 {
    let memo = memo(paying, number);
    paying.world.ready(memo);
    paying.world.settle().await;
    memo
}

#[tokio::test]
async fn an_applied_memo_is_allocated_once() {
    for rules in [CREDITS, "credits = \"to_xero\"\npayments = \"both\"\npayment_account = \"090\"\n"] {
        let mut paying = crediting(rules).await;
        let (invoice, document) = paying.posted("INV-1").await;
        let memo = posted_memo(&paying, "CM-1").await;
        // Two equal parts of it, and a payment that is none of a credit's.
        let _ = paying.world.connectwise.apply_credit(memo, invoice, dec("10"));
        let _ = paying.world.connectwise.apply_credit(memo, invoice, dec("10"));
        sweep(&paying).await;
        assert_eq!((credited(&paying, document), paying.state(document).await.as_str()), (dec("20"), "done"));
        let note = paying.world.documents("CM-1")[0].id;
        assert_eq!((credited(&paying, note), in_xero(&paying).len()), (dec("20"), 0));
        for _ in 0..3 {
            paying.world.clock.advance(SignedDuration::from_mins(15));
            paying.settle().await;
            sweep(&paying).await;
        }
        assert_eq!((credited(&paying, document), paying.amounts(invoice)), (dec("20"), vec![dec("10"); 2]), "{rules}");
        // The store is lost, and the invoice is looked at anew.
        paying.world.lose_store().await;
        paying.subscribe().await;
        let path = format!("/api/v1/records/acme/payment/{invoice}/retry");
        assert_eq!(paying.world.post(&path, &serde_json::json!({})).await.0, 200);
        paying.world.settle().await;
        sweep(&paying).await;
        paying.world.pass(SignedDuration::from_mins(8)).await;
        assert_eq!((credited(&paying, document), paying.amounts(invoice)), (dec("20"), vec![dec("10"); 2]), "{rules}");
        assert_eq!(paying.state(document).await, "done");
    }
}

#[tokio::test]
async fn a_memo_that_is_not_in_xero_yet_is_waited_for() {
    let paying = crediting(CREDITS).await;
    let (invoice, document) = paying.posted("INV-1").await;
    let memo = memo(&paying, "CM-1");
    let _ = paying.world.connectwise.apply_credit(memo, invoice, dec("44"));
    sweep(&paying).await;
    let state = paying.state(document).await;
    assert!(state.starts_with("queued") && state.contains("CM-1") && state.contains("INV-1"), "{state}");
    // It may take days.
    for _ in 0..60 {
        paying.world.clock.advance(SignedDuration::from_mins(31));
        paying.world.settle().await;
    }
    assert!(paying.state(document).await.starts_with("queued"));
    paying.world.ready(memo);
    paying.world.settle().await;
    paying.world.clock.advance(SignedDuration::from_mins(31));
    paying.world.settle().await;
    assert_eq!((credited(&paying, document), paying.state(document).await.as_str()), (dec("44"), "done"));
}

#[tokio::test]
async fn an_invoice_that_is_not_in_xero_yet_gets_its_credit_with_it() {
    let paying = crediting(CREDITS).await;
    let memo = posted_memo(&paying, "CM-1").await;
    let invoice = paying.world.invoice("INV-1", vec![labour("1", "100")]);
    let _ = paying.world.connectwise.apply_credit(memo, invoice, dec("44"));
    sweep(&paying).await;
    assert_eq!(paying.world.state_of(&format!("acme/payment/{invoice}")).await, "skipped no_invoice");
    paying.world.ready(invoice);
    paying.world.settle().await;
    let document = paying.world.documents("INV-1")[0].id;
    assert_eq!((credited(&paying, document), paying.state(document).await.as_str()), (dec("44"), "done"));
}

#[tokio::test]
async fn a_credit_that_does_not_fit_or_was_undone_is_held() {
    let paying = crediting(CREDITS).await;
    let (invoice, document) = paying.posted("INV-1").await;
    let (other, second) = paying.posted("INV-2").await;
    let memo = posted_memo(&paying, "CM-1").await;
    let note = paying.world.documents("CM-1")[0].id;
    // A person has given most of it to another invoice in Xero.
    let taken = paying.world.xero.allocate(note, second, dec("40")).unwrap();
    let applied = paying.world.connectwise.apply_credit(memo, invoice, dec("10"));
    sweep(&paying).await;
    let held = paying.held(document).await;
    assert!(held.starts_with("payment_conflict") && held.contains("10.00") && held.contains("4.00 left"), "{held}");
    assert!(paying.world.xero.delete_allocation(taken));
    assert_eq!(paying.retry(document).await, 200);
    paying.world.settle().await;
    assert_eq!(credited(&paying, document), dec("10"));
    // Taken back in ConnectWise alone.
    paying.world.connectwise.delete_payment(applied).unwrap();
    assert_eq!(paying.retry(document).await, 200);
    paying.world.settle().await;
    assert!(paying.held(document).await.starts_with("payment_changed"));
    assert_eq!((credited(&paying, document), paying.amounts(other)), (dec("10"), vec![]));
}

#[tokio::test]
async fn a_warm_allocation_costs_three_calls_to_xero() {
    let paying = crediting(CREDITS).await;
    let (invoice, document) = paying.posted("INV-1").await;
    let memo = posted_memo(&paying, "CM-1").await;
    sweep(&paying).await;
    let _ = paying.world.connectwise.apply_credit(memo, invoice, dec("10"));
    let before = paying.world.xero.calls();
    sweep(&paying).await;
    // The invoice, the credit note with its allocations, and the new one.
    assert_eq!((paying.world.xero.calls() - before, credited(&paying, document)), (3, dec("10")));
}
