//! Unposting takes back all of a record in both systems, or says what stands against it; never half unseen.

use axum::http::Method;
use jiff::SignedDuration;
use readypost::domain::delivery::State;
use readypost::simulator::connectwise::{CostRows, Item, NewLine, Settings};
use readypost::simulator::faults::{Canned, Fault, Rule};
use readypost::simulator::xero;
use serde_json::json;

use crate::cells::{Call, all_pass, dies_everywhere, faults, server, was_made, work_until};
use crate::expenses::Spending;
use crate::harness::{Differently, World, dec, labour};
use crate::inventory::{closed, journals, loss, stocked, sweep};
use crate::purchases::Buying;

async fn posted(world: &World, number: &str) -> i64 {
    let invoice = world.invoice(number, vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    invoice
}

async fn sentence(world: &World, invoice: i64) -> String {
    match world.record(invoice).await.state {
        State::Held { reason } => reason.sentence.to_string(),
        other => format!("{other:?}"),
    }
}

async fn events(world: &World, invoice: i64) -> Vec<String> {
    let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
    let history = shown["history"].as_array().unwrap();
    history.iter().map(|line| line["event"].as_str().unwrap().to_owned()).filter(|event| event != "callback").collect()
}

fn status(world: &World, number: &str) -> Vec<xero::Status> {
    world.xero.documents().iter().filter(|held| held.number == number).map(|held| held.status).collect()
}

#[tokio::test]
async fn an_unposted_record_is_void_out_of_its_batch_and_stays_so_until_a_retry() {
    let world = World::new().await;
    let invoice = posted(&world, "1001").await;
    let calls = world.xero.calls();
    assert_eq!(world.decide(invoice, "unpost", json!({ "note": "wrong client" })).await, 200);
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 409, "once is enough");
    assert_eq!(world.decide(invoice, "skip", json!({})).await, 409);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "skipped unposted");
    assert_eq!(status(&world, "1001"), [xero::Status::Voided]);
    assert!(!world.connectwise.is_batched(invoice) && world.connectwise.batches().is_empty());
    assert_eq!(world.xero.calls() - calls, 2, "one look and one void");
    let happened = events(&world, invoice).await;
    assert_eq!(happened, ["request", "posted", "marked", "marked", "decision", "request", "undone", "unposted"]);
    // Its own echo and whatever else happens in ConnectWise do not bring it back.
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("skipped unposted", 0));
    // The simulator keeps the number of a void invoice, so it is posted anew under another one.
    world.connectwise.set_status(invoice, "Hold").unwrap();
    world.connectwise.edit_invoice(invoice, |invoice| invoice.number = "1001A".to_owned()).unwrap();
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "skipped unposted");
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001A").len()), ("done", 1));
    assert!(world.connectwise.is_batched(invoice));
}

#[tokio::test]
async fn what_stands_against_it_is_named_and_nothing_is_changed() {
    let world = World::new().await;
    // Paid.
    let invoice = posted(&world, "1001").await;
    let payment = world.xero.pay("1001", dec("10"), world.documents("1001")[0].date).unwrap();
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held unpost_refused");
    let said = sentence(&world, invoice).await;
    assert!(said.contains("nothing was changed") && said.contains("has 10.00 paid or credited"), "{said}");
    assert!(world.connectwise.is_batched(invoice) && world.documents("1001").len() == 1);
    // A retry leaves it posted; once the payment is gone it can be unposted.
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    world.xero.delete_payment(payment).unwrap();
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "skipped unposted");

    // In a locked period.
    let invoice = posted(&world, "1002").await;
    let day = world.documents("1002")[0].date;
    world.xero.set_lock_dates(Some(day), None);
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held unpost_refused");
    assert!(sentence(&world, invoice).await.contains("lock date"), "{}", sentence(&world, invoice).await);
    world.xero.set_lock_dates(None, None);
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "skipped unposted");

    // In a batch of somebody else.
    let invoice = posted(&world, "1003").await;
    world.connectwise.unbatch(invoice).unwrap();
    world.connectwise.manual_batch(&[invoice], "M-2026-11").unwrap();
    world.settle().await;
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held unpost_refused");
    assert!(sentence(&world, invoice).await.contains("'M-2026-11'"));
    assert_eq!(world.documents("1003").len(), 1);

    // Nothing was posted, or it waits.
    let open = world.invoice("1004", vec![labour("1", "100")]);
    world.connectwise.save_invoice(open);
    world.settle().await;
    assert_eq!(world.decide(open, "unpost", json!({})).await, 409);
}

#[tokio::test]
async fn a_draft_is_deleted_and_a_void_document_is_taken_as_it_is() {
    let rules = "document_status = \"DRAFT\"\n";
    let world = World::with(Differently { rules, ..Differently::default() }).await;
    let invoice = posted(&world, "1001").await;
    world.decide(invoice, "unpost", json!({})).await;
    world.settle().await;
    assert_eq!(
        (world.state(invoice).await.as_str(), status(&world, "1001")),
        ("skipped unposted", vec![xero::Status::Deleted])
    );

    let world = World::new().await;
    let invoice = posted(&world, "1001").await;
    world.xero.void(world.documents("1001")[0].id);
    let sent = world.xero.server.requests().iter().filter(|request| request.method == Method::POST).count();
    world.decide(invoice, "unpost", json!({})).await;
    world.settle().await;
    assert_eq!(world.state(invoice).await, "skipped unposted");
    assert!(!world.connectwise.is_batched(invoice));
    let after = world.xero.server.requests().iter().filter(|request| request.method == Method::POST).count();
    assert_eq!(after, sent, "nothing had to be voided");
}

const COSTS: &str = "cost_of_goods = \"journal\"\n";

fn of_row(settings: &mut Settings) {
    settings.cost_rows = CostRows::OfRow;
}

/// An invoice with a cost, posted and marked.
async fn sold() -> (World, i64) {
    let world = World::with(Differently { rules: COSTS, connectwise: of_row, ..Differently::default() }).await;
    let disks = NewLine {
        description: "Solid state disk".to_owned(),
        quantity: dec("2"),
        unit_price: dec("55"),
        cost: dec("30"),
        item: Some(Item::new(741, "SSD1")),
        region: "Sydney".to_owned(),
        ..NewLine::default()
    };
    let invoice = world.invoice("1001", vec![disks]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 1));
    (world, invoice)
}

fn live_journals(world: &World) -> usize {
    let live = |journal: &&xero::Journal| journal.status == xero::JournalStatus::Posted;
    world.xero.journals().iter().filter(live).count()
}

#[tokio::test]
async fn the_cost_of_a_sale_goes_with_it_and_a_half_says_so_until_a_retry() {
    let (world, invoice) = sold().await;
    world.decide(invoice, "unpost", json!({})).await;
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), live_journals(&world)), ("skipped unposted", 0));
    assert_eq!(world.documents("1001").len(), 0);

    let (world, invoice) = sold().await;
    let refusal = Canned::new(
        400,
        r#"{"ErrorNumber":10,"Type":"ValidationException","Elements":[{"ValidationErrors":[{"Message":"No."}]}]}"#,
    );
    world.xero.server.faults.add(Rule::next(Method::POST, "/ManualJournals", Fault::Answer(refusal)));
    world.decide(invoice, "unpost", json!({})).await;
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held unpost_unfinished");
    let said = sentence(&world, invoice).await;
    assert!(said.contains("its document in Xero is void, the rest is not") && said.contains("No."), "{said}");
    let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
    assert_eq!(shown["record"]["unposting"]["done"], json!(["document"]));
    assert_eq!((live_journals(&world), world.connectwise.is_batched(invoice)), (1, true));
    assert_eq!(world.decide(invoice, "skip", json!({})).await, 409, "it is not left half undone");
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), live_journals(&world)), ("skipped unposted", 0));
    assert!(!world.connectwise.is_batched(invoice));
}

#[tokio::test]
async fn a_bill_is_unposted_like_an_invoice_and_posted_anew_by_a_retry() {
    let buying = Buying::new().await;
    let order = buying.order(&["5"]);
    buying.close(order, "A");
    buying.world.settle().await;
    assert_eq!((buying.state(order, "A").await.as_str(), buying.bills().len()), ("done", 1));
    let path = format!("/api/v1/records/acme/purchase/{order}-A-purchase");
    assert_eq!(buying.world.post(&format!("{path}/unpost"), &json!({})).await.0, 200);
    buying.world.settle().await;
    assert_eq!(buying.state(order, "A").await, "skipped unposted");
    assert_eq!((buying.marked(order), buying.world.connectwise.batches().len()), (0, 0));
    assert!(buying.world.xero.documents().iter().all(|document| document.status == xero::Status::Voided));
    // Its order is looked at, and leaves it alone.
    buying.world.connectwise.close_purchase_order(order).ok();
    buying.world.settle().await;
    assert_eq!(buying.state(order, "A").await, "skipped unposted");
    assert_eq!(buying.world.post(&format!("{path}/retry"), &json!({})).await.0, 200);
    buying.world.settle().await;
    assert_eq!(buying.state(order, "A").await, "done");
    let live = buying.world.xero.documents().into_iter().filter(|held| held.status != xero::Status::Voided).count();
    assert_eq!((live, buying.marked(order)), (1, 1));
}

async fn decide(world: &World, key: &str, action: &str) {
    let path = format!("/api/v1/records/{key}/{action}");
    assert_eq!(world.post(&path, &json!({})).await.0, 200, "{key} {action}");
    world.settle().await;
}

/// Deletes all batches, so that what was in them is listed again.
fn delete_batches(world: &World) {
    for batch in world.connectwise.batches() {
        world.connectwise.delete_batch(batch.id).unwrap();
    }
}

#[tokio::test]
async fn a_report_in_the_batch_of_somebody_else_is_not_unposted() {
    let spending = Spending::new().await;
    let world = &spending.world;
    let ids = spending.approved(vec![spending.parking(), spending.meals()]);
    world.settle().await;
    let key = format!("acme/expense_report/{}", spending.report(ids[0]));
    assert_eq!(world.state_of(&key).await, "done");
    delete_batches(world);
    for id in &ids {
        world.connectwise.manual_expense_batch(*id, &format!("M-{id}")).unwrap();
    }
    decide(world, &key, "unpost").await;
    assert_eq!((world.state_of(&key).await.as_str(), spending.bills().len()), ("held unpost_refused", 1));
    // One of two is not all of it.
    world.connectwise.delete_batch(world.connectwise.batches()[0].id).unwrap();
    decide(world, &key, "unpost").await;
    assert_eq!((world.state_of(&key).await.as_str(), spending.bills().len()), ("held unpost_refused", 1));
    delete_batches(world);
    decide(world, &key, "unpost").await;
    assert_eq!((world.state_of(&key).await.as_str(), spending.bills().len()), ("skipped unposted", 0));
    // Marked by readypost it is unposted with its batch.
    decide(world, &key, "retry").await;
    assert_eq!((world.state_of(&key).await.as_str(), spending.marked(&ids)), ("done", 2));
    decide(world, &key, "unpost").await;
    assert_eq!((world.state_of(&key).await.as_str(), spending.bills().len()), ("skipped unposted", 0));
    assert_eq!((spending.marked(&ids), world.connectwise.unposted_expenses().len()), (0, 2));
}

#[tokio::test]
async fn a_report_of_which_somebody_else_batched_a_part_is_not_unposted_or_not_called_so() {
    // Whether the entries of a batch have the ids of GL entries is not documented.
    for ids_are_known in [true, false] {
        let spending = Spending::new().await;
        let world = &spending.world;
        let ids = spending.approved(vec![spending.parking(), spending.meals()]);
        let halve = Fault::Halve("processedRecordIds".to_owned());
        world.connectwise.server.faults.add(Rule::next(Method::POST, "/accounting/batches", halve));
        let refused = Fault::Answer(Canned::new(400, r#"{"code":"InvalidObject","message":"not now"}"#));
        world.connectwise.server.faults.add(Rule::next(Method::POST, "/accounting/batches", refused).times(1_000));
        world.settle().await;
        world.connectwise.server.faults.clear();
        let key = format!("acme/expense_report/{}", spending.report(ids[0]));
        let rest = ids.iter().find(|id| world.connectwise.expense_batch(**id).is_none()).unwrap();
        let other = world.connectwise.manual_expense_batch(*rest, "M-1").unwrap();
        if !ids_are_known {
            let without = Fault::Answer(Canned::new(200, r#"[{"accountType":"AP"}]"#));
            let batch = format!("/batches/{}/entries", world.connectwise.batches()[0].id);
            world.connectwise.server.faults.add(Rule::every(&batch, without));
        }
        decide(world, &key, "unpost").await;
        if ids_are_known {
            assert_eq!((world.state_of(&key).await.as_str(), spending.bills().len()), ("held unpost_refused", 1));
            world.connectwise.delete_batch(other).unwrap();
            decide(world, &key, "unpost").await;
        } else {
            assert_eq!((world.state_of(&key).await.as_str(), spending.bills().len()), ("held unpost_unfinished", 0));
            world.connectwise.delete_batch(other).unwrap();
            decide(world, &key, "retry").await;
        }
        assert_eq!((world.state_of(&key).await.as_str(), spending.bills().len()), ("skipped unposted", 0));
        assert_eq!((spending.marked(&ids), world.connectwise.unposted_expenses().len()), (0, 2));
    }
}

#[tokio::test]
async fn an_adjustment_in_the_batch_of_somebody_else_is_not_unposted_or_not_called_so() {
    let world = stocked().await;
    let (id, key) = closed(&world, loss("ADJ-1"));
    sweep(&world).await;
    world.settle().await;
    assert_eq!(world.state_of(&key).await, "done");
    delete_batches(&world);
    world.connectwise.manual_inventory_batch(id, "M-1").unwrap();
    decide(&world, &key, "unpost").await;
    assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("held unpost_refused", 1));
    delete_batches(&world);
    decide(&world, &key, "retry").await;
    assert_eq!(world.state_of(&key).await, "done");
    // It comes into that batch once its journal is void.
    assert_eq!(world.post(&format!("/api/v1/records/{key}/unpost"), &json!({})).await.0, 200);
    while !journals(&world).is_empty() {
        assert_eq!(readypost::pipeline::turn(&world.app.parts).await.unwrap(), readypost::pipeline::Turn::Worked);
    }
    delete_batches(&world);
    let other = world.connectwise.manual_inventory_batch(id, "M-2").unwrap();
    world.settle().await;
    assert_eq!(world.state_of(&key).await, "held unpost_unfinished");
    world.connectwise.delete_batch(other).unwrap();
    decide(&world, &key, "retry").await;
    assert_eq!((world.state_of(&key).await.as_str(), journals(&world).len()), ("skipped unposted", 0));
    assert_eq!(world.connectwise.unposted_procurement().len(), 1);
}

#[tokio::test]
async fn a_repeated_request_that_was_not_handled_leaves_the_first_one_unknown() {
    let world = World::new().await;
    let invoice = posted(&world, "1001").await;
    world.xero.server.faults.add(Rule::next(Method::POST, "/Invoices/", Fault::DropBefore));
    world.xero.server.clear_requests();
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 200);
    world.settle().await;
    assert!(world.record(invoice).await.intent.is_some());
    let busy = Canned::new(429, "").header("retry-after", "30");
    world.xero.server.faults.add(Rule::next(Method::POST, "/Invoices/", Fault::Answer(busy)).times(500));
    let sent = || world.xero.server.requests().iter().filter(|request| request.method == Method::POST).count();
    for _ in 0..60 {
        world.pass(SignedDuration::from_secs(8)).await;
        if sent() > 1 {
            break;
        }
    }
    let state = world.state(invoice).await;
    assert!(sent() > 1 && state.starts_with("queued"), "{} sent, {state}", sent());
    assert!(world.record(invoice).await.intent.is_some(), "the first may still come through");
}

#[tokio::test]
async fn a_document_that_xero_does_not_know_any_more_is_named() {
    let world = World::new().await;
    let invoice = posted(&world, "1001").await;
    world.xero.server.faults.add(Rule::next(Method::POST, "/Invoices/", Fault::Answer(Canned::new(404, ""))));
    world.decide(invoice, "unpost", json!({})).await;
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held unpost_refused");
    let said = sentence(&world, invoice).await;
    assert!(said.contains("does not know the invoice ") && !said.contains("contact"), "{said}");
}

fn calls() -> Vec<Call> {
    vec![
        (true, Method::GET, "/Invoices/", 0),
        (true, Method::POST, "/Invoices/", 0),
        (true, Method::GET, "/ManualJournals/", 0),
        (true, Method::GET, "/ManualJournals/", 1),
        (true, Method::POST, "/ManualJournals/", 0),
        (false, Method::GET, "/finance/invoices/", 0),
        (false, Method::GET, "/accounting/batches", 0),
        (false, Method::GET, "/accounting/batches", 1),
        (false, Method::DELETE, "/accounting/batches/", 0),
    ]
}

/// Forgets the calls so far, so that those of the unposting are counted from nothing.
async fn begin(world: &World, invoice: i64) {
    world.settle().await;
    world.xero.server.clear_requests();
    world.connectwise.server.clear_requests();
    assert_eq!(world.decide(invoice, "unpost", json!({})).await, 200);
}

/// Lets time pass until the record is unposted, and checks that all of it is.
async fn check_unposted(world: &World, invoice: i64, label: &str) {
    for _ in 0..24 {
        match world.state(invoice).await.as_str() {
            "skipped unposted" => break,
            held if held.starts_with("held") => {
                world.decide(invoice, if held == "held unpost_refused" { "unpost" } else { "retry" }, json!({})).await;
            }
            _ => {}
        }
        world.pass(SignedDuration::from_mins(10)).await;
    }
    assert_eq!(world.state(invoice).await, "skipped unposted", "{label}");
    assert_eq!((status(world, "1001"), live_journals(world)), (vec![xero::Status::Voided], 0), "{label}");
    assert!(!world.connectwise.is_batched(invoice) && world.connectwise.batches().is_empty(), "{label}");
    let happened = events(world, invoice).await;
    assert!(happened.iter().filter(|event| *event == "undone").count() == 2, "{label}: {happened:?}");
    assert_eq!(happened.iter().filter(|event| *event == "unposted").count(), 1, "{label}: {happened:?}");
}

async fn cell(call: Call, name: &str, fault: Fault, times: u32) {
    let (xero, method, path, skip) = call.clone();
    let label = format!("{method} {path} #{skip}: {name}, {times} times");
    let (world, invoice) = sold().await;
    begin(&world, invoice).await;
    server(&world, xero).faults.add(Rule::next(method, path, fault).after(skip).times(times));
    world.settle().await;
    check_unposted(&world, invoice, &label).await;
    assert!(was_made(&world, &call), "{label}: the call was never made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_of_an_unposting_survives_every_fault() {
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
const CALLS_MAX: u32 = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_dies_during_any_call_of_an_unposting_finishes_it() {
    dies_everywhere(CALLS_MAX, [3, 4], dies_during).await;
}

async fn dies_during(xero: bool, after: u32, dead: SignedDuration) -> bool {
    let (mut world, invoice) = sold().await;
    begin(&world, invoice).await;
    let Some(working) = work_until(&world, xero, after).await else { return false };
    world.clock.advance(dead);
    world.restart().await;
    working.await.unwrap();
    world.settle().await;
    check_unposted(&world, invoice, &format!("dead during call {after}, to Xero: {xero}")).await;
    true
}
