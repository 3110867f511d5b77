//! What ConnectWise puts into a batch only in part is marked in full, and is not taken for an edit; what was edited is
//! not taken for the rest of a batch.

use axum::http::Method;
use readypost::simulator::connectwise::{ConnectWise, ExpenseShape, NewPurchaseOrder, PurchasesReach, Settings};
use readypost::simulator::faults::{Canned, Fault, Rule};
use serde_json::json;

use crate::cost_of_goods::{self, disks, of_row};
use crate::expenses::{self, Spending};
use crate::harness::{Differently, World, dec, labour};
use crate::inventory::journals;
use crate::purchases::{self, Buying};

const BATCHES: &str = "/accounting/batches";
const UPDATE: &str = "edited = \"update\"\nuntaxed_purchases = \"GST Free Expenses\"\npurchase_tax_names = { GST = \"GST on Expenses\" }\n";

/// The next batch takes only a half, and so many after it are refused.
fn halve(world: &World, refusals: u32) {
    let faults = &world.connectwise.server.faults;
    faults.add(Rule::next(Method::POST, BATCHES, Fault::Halve("processedRecordIds".to_owned())));
    let refused = Fault::Answer(Canned::new(400, r#"{"code":"InvalidObject","message":"not now"}"#));
    faults.add(Rule::next(Method::POST, BATCHES, refused).times(refusals));
}

/// Deletes what readypost made.
fn delete_batches(connectwise: &ConnectWise) {
    for batch in connectwise.batches() {
        connectwise.delete_batch(batch.id).unwrap();
    }
}

/// A bill over 302.50 of which half is in a batch, and nothing is done about the rest yet.
async fn half(rules: &'static str) -> (Buying, i64) {
    half_of(Differently { rules, ..Differently::default() }).await
}

async fn half_of(differently: Differently) -> (Buying, i64) {
    let buying = Buying::with(differently).await;
    let order = buying.order(&["5", "1"]);
    buying.world.connectwise.receive_line(order, 1, "S").unwrap();
    halve(&buying.world, 1_000);
    buying.world.connectwise.close_purchase_order(order).unwrap();
    buying.world.settle().await;
    let batches = buying.world.connectwise.batches();
    assert_eq!((batches.len(), batches[0].entry_ids.len(), buying.bills()[0].total), (1, 1, dec("302.5")));
    buying.world.connectwise.server.faults.clear();
    (buying, order)
}

#[tokio::test]
async fn a_second_batch_takes_at_once_what_the_first_did_not() {
    let buying = Buying::new().await;
    let order = buying.order(&["5"]);
    halve(&buying.world, 0);
    buying.close(order, "S");
    buying.world.settle().await;
    assert_eq!((buying.state(order, "S").await.as_str(), buying.marked(order)), ("done", 1));
    let names: Vec<String> = buying.world.connectwise.batches().into_iter().map(|batch| batch.identifier).collect();
    assert!(names.len() == 2 && names[1] == format!("{}-2", names[0]), "{names:?}");
    let key = format!("acme/purchase/{order}-S-purchase").parse().unwrap();
    let record = buying.world.app.parts.store.record(&key).await.unwrap().unwrap();
    assert!(record.warnings.is_empty(), "nothing is left to be looked at");
    assert_eq!(record.posted.unwrap().batch.as_deref(), Some(names[1].as_str()));
}

#[tokio::test]
async fn a_later_look_marks_the_rest_and_changes_no_bill_into_it() {
    for rules in [purchases::RULES, UPDATE] {
        let (buying, order) = half(rules).await;
        let before = buying.bills();
        buying.world.connectwise.save_purchase_order(order);
        buying.world.settle().await;
        assert_eq!((buying.state(order, "S").await.as_str(), buying.marked(order)), ("done", 1), "{rules}");
        // Looked at once more, what was posted is still what was posted.
        buying.world.connectwise.save_purchase_order(order);
        buying.world.settle().await;
        assert_eq!(buying.state(order, "S").await, "done", "{rules}");
        assert_eq!((buying.bills(), buying.world.connectwise.batches().len()), (before, 2), "{rules}");
        // Taken out of both batches it is what was posted, not an edit of its rest.
        delete_batches(&buying.world.connectwise);
        buying.world.connectwise.save_purchase_order(order);
        buying.world.settle().await;
        assert_eq!((buying.state(order, "S").await.as_str(), buying.marked(order)), ("done", 1), "{rules}");
        assert_eq!(buying.bills()[0].total, dec("302.5"), "{rules}");
    }
}

#[tokio::test]
async fn a_second_receipt_under_the_packing_slip_is_no_rest() {
    let reaches: [fn(&mut Settings); 2] = [
        // The rest gets new GL entries, or stays as it is beside those of the second receipt.
        |settings: &mut Settings| settings.purchases_reach = PurchasesReach::WhenClosed,
        |settings: &mut Settings| settings.purchases_reach = PurchasesReach::WhenReceived,
    ];
    for connectwise in reaches {
        let (buying, order) =
            half_of(Differently { rules: purchases::RULES, connectwise, ..Differently::default() }).await;
        buying.world.connectwise.reopen_purchase_order(order).unwrap();
        buying.world.connectwise.receive_line(order, 2, "S").unwrap();
        buying.world.connectwise.close_purchase_order(order).unwrap();
        buying.world.settle().await;
        assert_eq!(buying.state(order, "S").await, "held edited_after_post");
        assert_eq!((buying.bills().len(), buying.world.connectwise.batches().len()), (1, 1));
    }
}

#[tokio::test]
async fn an_edit_of_the_rest_is_an_edit() {
    let (buying, order) = half(purchases::RULES).await;
    let connectwise = &buying.world.connectwise;
    connectwise.edit_purchase_order(order, |order| order.vendor_invoice_number = "HD-1".to_owned()).unwrap();
    connectwise.save_purchase_order(order);
    buying.world.settle().await;
    assert_eq!(buying.state(order, "S").await, "held edited_after_post");
    assert_eq!((buying.bills().len(), connectwise.batches().len()), (1, 1));
}

#[tokio::test]
async fn the_rest_of_a_void_bill_is_not_posted_anew_by_itself() {
    let (buying, order) = half(purchases::RULES).await;
    buying.world.xero.void(buying.bills()[0].id);
    buying.world.connectwise.save_purchase_order(order);
    buying.world.settle().await;
    assert_eq!((buying.state(order, "S").await.as_str(), buying.bills().len()), ("held edited_after_post", 0));
    delete_batches(&buying.world.connectwise);
    buying.world.connectwise.save_purchase_order(order);
    buying.world.settle().await;
    assert_eq!((buying.state(order, "S").await.as_str(), buying.marked(order)), ("done", 1));
    let bills = buying.bills();
    assert_eq!((bills.len(), bills[0].total), (1, dec("302.5")));
}

#[tokio::test]
async fn an_invoice_of_several_lines_is_marked_in_full() {
    let world = World::new().await;
    let lines = ["10", "20", "30", "40", "50"].map(|price| labour("1", price));
    let invoice = world.invoice("1001", lines.to_vec());
    halve(&world, 1_000);
    world.ready(invoice);
    world.settle().await;
    assert!(!world.connectwise.is_batched(invoice));
    world.connectwise.server.faults.clear();
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("done", 1));
    assert!(world.connectwise.is_batched(invoice));
}

#[tokio::test]
async fn a_journal_of_costs_is_not_made_of_a_rest() {
    let world =
        World::with(Differently { rules: cost_of_goods::RULES, connectwise: of_row, ..Differently::default() }).await;
    let invoice = world.invoice("1001", vec![disks("1"), disks("2"), disks("3"), disks("4")]);
    halve(&world, 1_000);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(journals(&world).len(), 1);
    world.connectwise.server.faults.clear();
    world.xero.void_journal(journals(&world)[0].id);
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("held cost_not_posted", 0));
    delete_batches(&world.connectwise);
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    let made = journals(&world);
    assert_eq!((world.state(invoice).await.as_str(), made.len()), ("done", 1));
    assert_eq!(made[0].sides().0, dec("300"));
    assert!(world.connectwise.is_batched(invoice));
}

#[tokio::test]
async fn a_bill_is_not_changed_into_what_somebody_elses_batch_left_of_it() {
    let buying = Buying::with(Differently { rules: UPDATE, ..Differently::default() }).await;
    let (world, connectwise) = (&buying.world, &buying.world.connectwise);
    let lines = vec![purchases::disk("10")];
    let order = buying.order_like(NewPurchaseOrder { lines, freight: dec("20"), ..buying.usual() });
    halve(world, 1_000);
    buying.close(order, "S");
    world.settle().await;
    connectwise.server.faults.clear();
    let (bills, ours) = (buying.bills(), connectwise.batches());
    assert_eq!((bills.len(), ours.len()), (1, 1));
    // The rest, as the warning asks for it; and then only the batch of readypost goes.
    connectwise.manual_purchase_batch(order, "M-1").unwrap();
    connectwise.delete_batch(ours[0].id).unwrap();
    connectwise.save_purchase_order(order);
    world.settle().await;
    assert_eq!((buying.state(order, "S").await.as_str(), buying.bills()), ("held edited_after_post", bills));
    // A part of it is not unposted either.
    let path = format!("/api/v1/records/acme/purchase/{order}-S-purchase/unpost");
    assert_eq!(world.post(&path, &json!({})).await.0, 200);
    world.settle().await;
    assert_eq!((buying.state(order, "S").await.as_str(), buying.bills().len()), ("held unpost_refused", 1));
}

#[tokio::test]
async fn an_entry_that_comes_into_a_half_marked_report_is_for_a_person() {
    let spending = Spending::new().await;
    halve(&spending.world, 1_000);
    let ids = spending.approved(vec![spending.parking(), spending.meals()]);
    spending.world.settle().await;
    spending.world.connectwise.server.faults.clear();
    let late = spending.world.connectwise.add_expense_beside(ids[0], spending.parking()).unwrap();
    spending.world.connectwise.set_expense_status(late, "ApprovedByTierTwo").unwrap();
    spending.world.settle().await;
    assert_eq!(spending.report_state(ids[0]).await, "held edited_after_post");
    assert_eq!((spending.bills().len(), spending.marked(&[late])), (1, 0));
    assert_eq!(spending.world.connectwise.batches().len(), 1);
}

#[tokio::test]
async fn expenses_of_every_shape_are_marked_in_full() {
    let shapes: [fn(&mut Settings); 3] = [
        |settings| settings.expense_shape = ExpenseShape::Bills,
        |settings| settings.expense_shape = ExpenseShape::CondensedBills,
        |settings| settings.expense_shape = ExpenseShape::Journal,
    ];
    for (number, connectwise) in shapes.into_iter().enumerate() {
        for rules in [expenses::RULES, expenses::BY_ENTRY] {
            let spending = Spending::with(Differently { rules, connectwise, ..Differently::default() }).await;
            halve(&spending.world, 1_000);
            let ids = spending.approved(vec![spending.parking(), spending.meals()]);
            spending.world.settle().await;
            assert!(spending.marked(&ids) < 2, "{number}");
            spending.world.connectwise.server.faults.clear();
            let bills = spending.bills();
            for id in &ids {
                spending.world.connectwise.save_expense(*id);
            }
            spending.world.settle().await;
            assert_eq!((spending.marked(&ids), spending.bills()), (2, bills), "{number} {rules}");
            let states = if rules == expenses::RULES {
                vec![spending.report_state(ids[0]).await]
            } else {
                vec![spending.entry_state(ids[0]).await, spending.entry_state(ids[1]).await]
            };
            assert!(states.iter().all(|state| state == "done"), "{number} {rules}: {states:?}");
        }
    }
}
