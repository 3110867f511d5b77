//! An invoice that becomes ready to post is in Xero once, to the cent, and marked in ConnectWise.

use axum::http::Method;
use jiff::SignedDuration;
use readypost::simulator::connectwise::{Mapping, NewInvoice, NewLine};
use readypost::simulator::faults::{Fault, Rule};

use crate::harness::{Differently, World, dec, labour};

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

#[tokio::test]
async fn what_is_dated_before_the_start_costs_no_call_to_xero() {
    let late = Differently { rules: "start_date = 2027-01-01\n", ..Differently::default() };
    let world = World::with(late).await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.xero.calls()), ("skipped before_start_date", 0));
}

#[tokio::test]
async fn a_migrated_invoice_is_looked_for_under_its_old_number() {
    let migrated = Differently { rules: "conversion_date = 2027-01-01\n", ..Differently::default() };
    let world = World::with(migrated).await;
    world.xero.server.faults.add(Rule::next(Method::PUT, "/Invoices", Fault::DropAfter));
    let (number, reference) = ("1001".to_owned(), "INV-0077".to_owned());
    let lines = vec![labour("1", "100")];
    let invoice = world.invoice_like(NewInvoice { number, reference, lines, ..NewInvoice::default() });
    world.ready(invoice);
    world.settle().await;
    // By then Xero has forgotten the key, and only the number tells that it is there.
    world.clock.advance(SignedDuration::from_hours(1));
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    assert_eq!((world.documents("INV-0077").len(), world.documents("1001").len()), (1, 0));
    assert_eq!(world.warnings(invoice).await, ["adopted"]);
}

#[tokio::test]
async fn a_down_payment_is_invoiced_and_later_taken_off_whether_or_not_the_preview_has_a_row_for_it() {
    let mapping = || NewLine { account: "230".to_owned(), non_product_id: "LABOUR".to_owned(), ..labour("1", "1") };
    for (rules, row, ends) in [
        ("", Some(Mapping { non_product_id: "LABOUR".to_owned(), ..Mapping::account("230") }), "done"),
        ("down_payment_account = \"230\"\n", None, "done"),
        ("", None, "held no_gl_account"),
    ] {
        let world = World::with(Differently { rules, ..Differently::default() }).await;
        let deposit = world.invoice_like(NewInvoice {
            number: "D1".to_owned(),
            kind: "DownPayment".to_owned(),
            lines: vec![NewLine { unit_price: dec("300"), taxable: false, ..mapping() }],
            ..NewInvoice::default()
        });
        let rest = world.invoice_like(NewInvoice {
            number: "D2".to_owned(),
            lines: vec![labour("10", "100")],
            down_payment_applied: dec("300"),
            applied_mapping: row,
            ..NewInvoice::default()
        });
        world.ready(deposit);
        world.ready(rest);
        world.settle().await;
        assert_eq!((world.state(deposit).await.as_str(), world.state(rest).await.as_str()), ("done", ends));
        if ends == "done" {
            // 1,000.00 and 10 %, less 300.00; the account of deposits is even.
            let documents = [&world.documents("D1")[0], &world.documents("D2")[0]].map(Clone::clone);
            assert_eq!(documents.clone().map(|document| document.total), [dec("300"), dec("800")]);
            let lines = documents.iter().flat_map(|document| &document.lines);
            let deposits =
                lines.filter(|line| line.account_code.as_deref() == Some("230")).map(|line| line.unit_amount);
            assert_eq!(deposits.sum::<rust_decimal::Decimal>(), dec("0"));
        }
    }
}
