//! An invoice that was edited after it was posted is never in Xero twice, and each cure works.

use axum::http::Method;
use jiff::SignedDuration;
use readypost::domain::delivery::State;
use readypost::simulator::connectwise::NewInvoice;
use readypost::simulator::faults::Fault;
use readypost::simulator::faults::Rule;
use serde_json::{Value, json};

use crate::cells::{Call, all_pass, dies_everywhere, faults, server, was_made, work_until};
use crate::harness::{Differently, World, dec, labour};
use crate::purchases::Buying;

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

async fn shown(world: &World, invoice: i64) -> Value {
    world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await
}

async fn differences(world: &World, invoice: i64) -> Vec<String> {
    let shown = shown(world, invoice).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = shown["record"]["reason"]["differences"].as_array().cloned().unwrap_or_default();
    rows.iter()
        .map(|row| format!("{}: {} -> {}", text(&row["field"]), text(&row["posted"]), text(&row["now"])))
        .collect()
}

async fn sentence(world: &World, invoice: i64) -> String {
    match world.record(invoice).await.state {
        State::Held { reason } => reason.sentence.to_string(),
        other => format!("{other:?}"),
    }
}

/// Takes the invoice out of its batch, changes it and closes it again.
fn change(world: &World, invoice: i64, edit: impl FnOnce(&mut NewInvoice)) {
    world.connectwise.unbatch(invoice).unwrap();
    world.connectwise.set_status(invoice, "Hold").unwrap();
    world.connectwise.edit_invoice(invoice, edit).unwrap();
    world.ready(invoice);
}

#[tokio::test]
async fn the_difference_is_shown_field_by_field() {
    let (world, invoice) = edited().await;
    let told = differences(&world, invoice).await;
    assert_eq!(told, ["total: 110.00 -> 220.00", "sales tax: 10.00 -> 20.00", "line 1 amount: 100.00 -> 200.00"],);
    let said = sentence(&world, invoice).await;
    assert!(
        said.starts_with(
            "Invoice 1001 was posted with 110.00 and changed in ConnectWise since: total: 110.00 -> 220.00;"
        ),
        "{said}"
    );
    let page = world.http.get(format!("{}/status/records/acme/invoice/{invoice}", world.url));
    let page = page.bearer_auth(crate::harness::TOKEN).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("<td>line 1 amount</td><td>100.00</td><td>200.00</td>"), "{page}");
    // What was edited back is what was posted.
    world.connectwise.set_status(invoice, "Hold").unwrap();
    world.connectwise.edit_invoice(invoice, |invoice| invoice.lines[0].unit_price = dec("100")).unwrap();
    world.ready(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), differences(&world, invoice).await.len()), ("done", 0));
    assert!(world.connectwise.is_batched(invoice));
}

#[tokio::test]
async fn other_lines_for_the_same_total_are_an_edit_too() {
    let world = World::new().await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    change(&world, invoice, |invoice| invoice.lines[0].description = "Something else".to_owned());
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held edited_after_post");
    let told = differences(&world, invoice).await;
    assert!(
        told.len() == 1 && told[0].starts_with("line 1 description: ") && told[0].ends_with("Something else"),
        "{told:?}"
    );
}

const UPDATE: &str = "edited = \"update\"\n";

async fn updating(rules: &'static str) -> (World, i64) {
    let world = World::with(Differently { rules, ..Differently::default() }).await;
    let invoice = world.invoice("1001", vec![labour("1", "100"), labour("2", "30")]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    (world, invoice)
}

#[tokio::test]
async fn by_rule_the_document_is_changed_in_place_with_its_lines() {
    let (world, invoice) = updating(UPDATE).await;
    let before = world.documents("1001")[0].clone();
    let calls = world.xero.calls();
    change(&world, invoice, |invoice| invoice.lines[1].quantity = dec("3"));
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done", "{}", sentence(&world, invoice).await);
    // The document is read and changed; to be marked once more it is read again.
    assert_eq!(world.xero.calls() - calls, 3);
    let after = world.documents("1001")[0].clone();
    assert_eq!((after.id, after.total, after.lines.len()), (before.id, dec("209"), 2));
    let ids =
        |document: &readypost::simulator::xero::Document| document.lines.iter().map(|line| line.id).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before), "lines are changed and not made anew");
    assert!(world.connectwise.is_batched(invoice));
    // A second edit: a line more, another number, a line less.
    change(&world, invoice, |invoice| {
        invoice.lines.insert(1, labour("1", "7"));
        invoice.number = "1001B".to_owned();
    });
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done", "{}", sentence(&world, invoice).await);
    let third = world.documents("1001B")[0].clone();
    assert_eq!((third.id, third.total, third.lines.len()), (before.id, dec("216.7"), 3));
    assert_eq!([third.lines[0].id, third.lines[2].id], [before.lines[0].id, before.lines[1].id]);
    change(&world, invoice, |invoice| {
        invoice.lines.remove(0);
    });
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done", "{}", sentence(&world, invoice).await);
    let last = world.documents("1001B")[0].clone();
    assert_eq!((last.id, last.total, last.lines.len()), (before.id, dec("106.7"), 2));
    let happened = shown(&world, invoice).await;
    let requests = happened["history"].as_array().unwrap().iter().filter(|line| line["event"] == "request").count();
    assert_eq!(requests, 4);
}

#[tokio::test]
async fn what_is_paid_locked_or_changed_in_xero_is_held_with_what_to_do() {
    let (world, invoice) = updating(UPDATE).await;
    let document = world.documents("1001")[0].clone();
    // Somebody moved a line to another account in Xero.
    let id = document.lines[0].id;
    let lines: Vec<Value> = document.lines.iter().map(|line| json!({ "LineItemID": line.id })).collect();
    let mut moved = lines.clone();
    moved[0] = json!({ "LineItemID": id, "Description": "By hand" });
    world.xero.edit(document.id, &json!({ "LineItems": moved })).unwrap();
    change(&world, invoice, |invoice| invoice.lines[1].quantity = dec("3"));
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held edited_after_post");
    let told = differences(&world, invoice).await;
    assert!(told.iter().any(|told| told.starts_with("line 2 quantity: 2 -> 3")), "{told:?}");
    assert!(told.iter().any(|told| told.starts_with("in Xero, line 1 description: ")), "{told:?}");
    // Undone there, a retry goes on; but paid, it is for a person.
    moved[0] = json!({ "LineItemID": id, "Description": document.lines[0].description });
    world.xero.edit(document.id, &json!({ "LineItems": moved })).unwrap();
    let payment = world.xero.pay("1001", dec("10"), document.date).unwrap();
    world.decide(invoice, "retry", json!({})).await;
    world.settle().await;
    let said = sentence(&world, invoice).await;
    assert!(said.ends_with("10.00 is paid, credited or allocated in Xero. Proposal: a credit note of 176.00 for 1001, and a new invoice of 209.00."), "{said}");
    world.xero.delete_payment(payment).unwrap();
    world.xero.set_lock_dates(Some(document.date), None);
    world.clock.advance(SignedDuration::from_hours(25));
    world.decide(invoice, "retry", json!({})).await;
    world.settle().await;
    let said = sentence(&world, invoice).await;
    assert!(said.contains("is not after the period lock date"), "{said}");
    assert_eq!(world.documents("1001")[0].total, dec("176"), "nothing was changed");
    world.xero.set_lock_dates(None, None);
    world.clock.advance(SignedDuration::from_hours(25));
    world.decide(invoice, "retry", json!({})).await;
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001")[0].total), ("done", dec("209")));
}

#[tokio::test]
async fn a_callback_without_a_change_costs_no_call_to_xero() {
    let (world, invoice) = updating(UPDATE).await;
    let calls = world.xero.calls();
    for _ in 0..3 {
        world.connectwise.save_invoice(invoice);
        world.settle().await;
    }
    assert_eq!((world.state(invoice).await.as_str(), world.xero.calls() - calls), ("done", 0));
}

#[tokio::test]
async fn a_change_that_was_changed_again_meanwhile_ends_with_the_last_one() {
    for quantity in ["2", "5"] {
        let (world, invoice) = updating(UPDATE).await;
        // The change reaches Xero, its answer does not; then it is changed back, or to something else.
        world.xero.server.faults.add(Rule::next(Method::POST, "/Invoices/", Fault::DropAfter));
        change(&world, invoice, |invoice| invoice.lines[1].quantity = dec("3"));
        world.callbacks().await;
        for _ in 0..4 {
            let _ = readypost::pipeline::turn(&world.app.parts).await.unwrap();
            if world.record(invoice).await.intent.is_some() {
                break;
            }
        }
        assert!(world.record(invoice).await.intent.is_some());
        world.connectwise.set_status(invoice, "Hold").unwrap();
        world.connectwise.edit_invoice(invoice, |invoice| invoice.lines[1].quantity = dec(quantity)).unwrap();
        world.ready(invoice);
        world.settle().await;
        for _ in 0..6 {
            world.pass(SignedDuration::from_mins(10)).await;
        }
        let total = dec("110") + dec("33") * dec(quantity);
        assert_eq!(world.state(invoice).await, "done", "{quantity}: {}", sentence(&world, invoice).await);
        assert_eq!(world.documents("1001")[0].total, total, "{quantity}");
        assert!(world.connectwise.is_batched(invoice), "{quantity}");
    }
}

/// A bill of five disks in a world that changes documents in place.
async fn bought() -> (Buying, i64) {
    let rules = format!("{}{UPDATE}", crate::purchases::RULES).leak();
    let buying = Buying::with(Differently { rules, ..Differently::default() }).await;
    let order = buying.order(&["5"]);
    buying.close(order, "A");
    buying.world.settle().await;
    assert_eq!((buying.state(order, "A").await.as_str(), buying.bills()[0].total), ("done", dec("302.5")));
    buying.world.connectwise.unbatch_purchase_order(order).unwrap();
    (buying, order)
}

#[tokio::test]
async fn what_comes_in_addition_does_not_take_the_place_of_what_was_posted() {
    let (buying, order) = bought().await;
    buying.world.connectwise.manual_purchase_batch(order, "M-1").unwrap();
    buying.world.connectwise.save_purchase_order(order);
    buying.world.settle().await;
    assert_eq!(buying.state(order, "A").await, "done");
    buying.world.connectwise.reopen_purchase_order(order).unwrap();
    buying.world.connectwise.add_purchase_line(order, crate::purchases::disk("3")).unwrap();
    buying.close(order, "A");
    buying.world.settle().await;
    assert_eq!(buying.state(order, "A").await, "held edited_after_post");
    let totals: Vec<_> = buying.bills().iter().map(|bill| bill.total).collect();
    assert_eq!(totals, [dec("302.5")], "the bill still says what is in the other batch");
}

#[tokio::test]
async fn a_bill_is_changed_in_place_once_nothing_of_it_is_in_a_batch() {
    let (buying, order) = bought().await;
    let before = buying.bills()[0].id;
    buying.world.connectwise.reopen_purchase_order(order).unwrap();
    buying.world.connectwise.edit_purchase_line(order, 1, |line| line.unit_cost = dec("66")).unwrap();
    buying.world.connectwise.close_purchase_order(order).unwrap();
    buying.world.settle().await;
    assert_eq!(buying.state(order, "A").await, "done");
    let bills: Vec<_> = buying.bills().iter().map(|bill| (bill.id, bill.total)).collect();
    assert_eq!((bills, buying.marked(order)), (vec![(before, dec("363"))], 1));
}

#[tokio::test]
async fn a_credit_note_is_changed_in_place() {
    let world = World::with(Differently { rules: UPDATE, ..Differently::default() }).await;
    let lines = vec![labour("-1", "100")];
    let invoice = world.invoice_like(NewInvoice {
        number: "C1".to_owned(),
        kind: "CreditMemo".to_owned(),
        lines,
        ..NewInvoice::default()
    });
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    let before = world.documents("C1")[0].clone();
    change(&world, invoice, |invoice| invoice.lines[0].quantity = dec("-2"));
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done", "{}", sentence(&world, invoice).await);
    let after = world.documents("C1");
    assert_eq!((after.len(), after[0].id, after[0].total), (1, before.id, dec("220")));
    assert!(world.connectwise.is_batched(invoice));
}

#[tokio::test]
async fn a_change_that_is_held_creates_no_contact() {
    let (world, invoice) = updating(UPDATE).await;
    let document = world.documents("1001")[0].clone();
    let moved = json!({ "LineItemID": document.lines[0].id, "Description": "By hand" });
    let lines = json!([moved, { "LineItemID": document.lines[1].id }]);
    world.xero.edit(document.id, &json!({ "LineItems": lines })).unwrap();
    let (other, contacts) = (world.new_client("NEWCO", "New Co"), world.xero.contacts().len());
    change(&world, invoice, |invoice| invoice.company = other);
    world.settle().await;
    assert_eq!(
        (world.state(invoice).await.as_str(), world.xero.contacts().len()),
        ("held edited_after_post", contacts)
    );
    // With nothing against it the contact is made, and the document is the new client's.
    let moved = json!({ "LineItemID": document.lines[0].id, "Description": document.lines[0].description });
    let lines = json!([moved, { "LineItemID": document.lines[1].id }]);
    world.xero.edit(document.id, &json!({ "LineItems": lines })).unwrap();
    world.decide(invoice, "retry", json!({})).await;
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done", "{}", sentence(&world, invoice).await);
    assert_eq!(world.xero.contacts().len(), contacts + 1);
    assert_ne!(world.documents("1001")[0].contact_id, document.contact_id);
}

#[tokio::test]
async fn what_another_store_changed_and_marked_is_taken_as_it_is_by_a_backup() {
    let (mut world, invoice) = updating(UPDATE).await;
    let backup = world.backup();
    change(&world, invoice, |invoice| invoice.lines[1].quantity = dec("3"));
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    world.restore(&backup).await;
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done", "{}", sentence(&world, invoice).await);
    assert_eq!(world.warnings(invoice).await, [""; 0]);
    let posted = world.record(invoice).await.posted.unwrap();
    assert!(posted.batch.unwrap().ends_with("-2"));
    assert_eq!((posted.total.decimal(), world.documents("1001").len()), (dec("209"), 1));

    // Where the document is not worth that, a person decides.
    let (mut world, invoice) = updating(UPDATE).await;
    let backup = world.backup();
    change(&world, invoice, |invoice| invoice.lines[1].quantity = dec("3"));
    world.settle().await;
    world.restore(&backup).await;
    let document = world.documents("1001")[0].clone();
    let more = json!({ "LineItemID": document.lines[0].id, "Quantity": 7 });
    world.xero.edit(document.id, &json!({ "LineItems": [more, { "LineItemID": document.lines[1].id }] })).unwrap();
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held edited_after_post");
}

#[tokio::test]
async fn what_a_lost_store_posted_is_compared_line_by_line_when_it_is_found() {
    for changed in [false, true] {
        let mut world = World::new().await;
        let invoice = world.invoice("1001", vec![labour("1", "100")]);
        let batches = Rule::next(Method::POST, "/accounting/batches", Fault::DropBefore);
        world.connectwise.server.faults.add(batches.times(50));
        world.ready(invoice);
        world.settle().await;
        assert_eq!(world.documents("1001").len(), 1);
        world.lose_store().await;
        world.connectwise.server.faults.clear();
        world.connectwise.set_status(invoice, "Hold").unwrap();
        if changed {
            let other = |invoice: &mut NewInvoice| invoice.lines[0].description = "Something else".to_owned();
            world.connectwise.edit_invoice(invoice, other).unwrap();
        }
        world.ready(invoice);
        world.settle().await;
        world.pass(SignedDuration::from_mins(10)).await;
        assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("done", 1));
        assert_eq!(world.warnings(invoice).await, ["adopted"]);
        let record = world.record(invoice).await;
        let said = record.warnings[0].warning.sentence.to_string();
        assert_eq!(said.contains("line 1 description: Something else"), changed, "{said}");
        assert_eq!(record.posted.unwrap().lines.is_none(), changed, "{said}");
    }
}

fn calls() -> Vec<Call> {
    let get = |path, skip| (false, Method::GET, path, skip);
    vec![
        (true, Method::GET, "/Invoices/", 0),
        (true, Method::POST, "/Invoices/", 0),
        (true, Method::GET, "/Invoices/", 1),
        get("/finance/invoices/", 0),
        get("/unpostedinvoices", 0),
        get("/unpostedinvoices", 1),
        (false, Method::POST, "/accounting/export", 0),
        (false, Method::POST, "/accounting/export", 1),
        get("/accounting/batches", 0),
        (false, Method::POST, "/accounting/batches", 0),
    ]
}

/// Forgets the calls so far and edits the invoice.
async fn begin() -> (World, i64, uuid::Uuid) {
    let (world, invoice) = updating(UPDATE).await;
    let document = world.documents("1001")[0].id;
    change(&world, invoice, |invoice| invoice.lines[1].quantity = dec("3"));
    world.xero.server.clear_requests();
    world.connectwise.server.clear_requests();
    (world, invoice, document)
}

async fn check_changed(world: &World, invoice: i64, document: uuid::Uuid, label: &str) {
    for _ in 0..24 {
        match world.state(invoice).await.as_str() {
            "done" if world.connectwise.is_batched(invoice) => break,
            held if held.starts_with("held") => {
                world.decide(invoice, "retry", json!({})).await;
            }
            _ => {}
        }
        world.pass(SignedDuration::from_mins(10)).await;
    }
    assert_eq!(world.state(invoice).await, "done", "{label}: {}", sentence(world, invoice).await);
    let found = world.documents("1001");
    let all: Vec<_> = found.iter().map(|found| (found.id, found.total, found.lines.len())).collect();
    assert_eq!(all, [(document, dec("209"), 2)], "{label}");
    assert_eq!(world.xero.documents().len(), 1, "{label}");
    assert!(world.connectwise.is_batched(invoice), "{label}");
    let record = world.record(invoice).await;
    assert!(record.intent.is_none() && !record.edited, "{label}");
}

async fn cell(call: Call, name: &str, fault: Fault, times: u32) {
    let (xero, method, path, skip) = call.clone();
    let label = format!("{method} {path} #{skip}: {name}, {times} times");
    let (world, invoice, document) = begin().await;
    server(&world, xero).faults.add(Rule::next(method, path, fault).after(skip).times(times));
    world.settle().await;
    check_changed(&world, invoice, document, &label).await;
    assert!(was_made(&world, &call), "{label}: the call was never made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_of_a_change_survives_every_fault() {
    let mut cells = Vec::new();
    for times in [1, 5] {
        for call in calls() {
            for (name, fault) in faults(r#"{"Invoices":[{"Inv"#) {
                cells.push(cell(call.clone(), name, fault, times));
            }
        }
    }
    all_pass(cells).await;
}

/// Calls of all steps together; more are tried than there are.
const CALLS_MAX: u32 = 45;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_dies_during_any_call_of_a_change_leaves_one_changed_document() {
    dies_everywhere(CALLS_MAX, [8, 2], dies_during).await;
}

async fn dies_during(xero: bool, after: u32, dead: SignedDuration) -> bool {
    let (mut world, invoice, document) = begin().await;
    world.callbacks().await;
    let Some(working) = work_until(&world, xero, after).await else { return false };
    world.clock.advance(dead);
    world.restart().await;
    working.await.unwrap();
    world.settle().await;
    check_changed(&world, invoice, document, &format!("dead during call {after}, to Xero: {xero}")).await;
    true
}
