//! A sale and the journal of its cost are one unit: both are in Xero before the invoice is marked, or the record says
//! which half is missing, and a retry makes that half alone.

use axum::http::Method;
use jiff::SignedDuration;
use readypost::domain::delivery::State;
use readypost::simulator::connectwise::{CostRows, DropShipCosts, Item, NewInvoice, NewLine, Oddities, Settings, View};
use readypost::simulator::faults::{Canned, Fault, Rule};
use readypost::simulator::xero;
use serde_json::{Value, json};

use crate::harness::{Differently, World, dec, labour};
use crate::inventory::journals;

pub(crate) const RULES: &str = "cost_of_goods = \"journal\"\n";

pub(crate) fn of_row(settings: &mut Settings) {
    settings.cost_rows = CostRows::OfRow;
}

async fn selling() -> World {
    World::with(Differently { rules: RULES, connectwise: of_row, ..Differently::default() }).await
}

/// Disks at 55.00 that cost 30.00.
pub(crate) fn disks(quantity: &str) -> NewLine {
    NewLine {
        description: "Solid state disk".to_owned(),
        quantity: dec(quantity),
        unit_price: dec("55"),
        cost: dec("30"),
        item: Some(Item::new(741, "SSD1")),
        region: "Sydney".to_owned(),
        ..NewLine::default()
    }
}

/// An invoice over an hour and so many disks, closed and settled.
async fn sold(world: &World, number: &str, quantity: &str) -> i64 {
    let invoice = world.invoice(number, vec![labour("1", "100"), disks(quantity)]);
    world.ready(invoice);
    world.settle().await;
    invoice
}

fn lines(journal: &xero::Journal) -> Vec<(String, rust_decimal::Decimal)> {
    journal.lines.iter().map(|line| (line.account_code.clone(), line.line_amount)).collect()
}

fn moved(debit: &str, credit: &str, amount: &str) -> Vec<(String, rust_decimal::Decimal)> {
    vec![(debit.to_owned(), dec(amount)), (credit.to_owned(), -dec(amount))]
}

async fn sentence(world: &World, invoice: i64) -> String {
    match world.record(invoice).await.state {
        State::Held { reason } => reason.sentence.to_string(),
        other => format!("{other:?}"),
    }
}

async fn events(world: &World, invoice: i64) -> Vec<String> {
    let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
    shown["history"].as_array().unwrap().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_invoice_and_its_cost_are_posted_and_then_marked() {
    let world = selling().await;
    let invoice = sold(&world, "1001", "2").await;
    assert_eq!(world.state(invoice).await, "done");
    assert_eq!((world.documents("1001").len(), world.connectwise.is_batched(invoice)), (1, true));
    let journals = journals(&world);
    assert_eq!(journals.len(), 1);
    assert_eq!(
        journals[0].narration,
        format!("Cost of goods of invoice 1001 [ConnectWise cost of acme/invoice/{invoice}]")
    );
    assert_eq!(lines(&journals[0]), moved("310", "620", "60"));
    let happened = events(&world, invoice).await;
    let happened: Vec<&str> = happened.iter().map(String::as_str).skip_while(|event| *event == "callback").collect();
    assert_eq!(happened, ["request", "posted", "request", "posted", "marked", "callback", "marked"]);
    let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
    let cost = &shown["record"]["document"]["cost_of_goods"];
    assert_eq!((&cost["state"], &cost["total"]), (&json!("posted"), &json!("60.00")));
    // Nothing in the inventory, no journal.
    let service = world.invoice("1002", vec![labour("1", "100")]);
    world.ready(service);
    world.settle().await;
    assert_eq!((world.state(service).await.as_str(), crate::inventory::journals(&world).len()), ("done", 1));
}

#[tokio::test]
async fn a_warm_sale_costs_two_calls_to_xero_and_one_without_costs() {
    let world = selling().await;
    sold(&world, "1000", "1").await;
    let before = world.xero.calls();
    for number in 1001..=1005 {
        sold(&world, &number.to_string(), "1").await;
    }
    assert_eq!((world.xero.calls() - before, journals(&world).len()), (10, 6));
    let before = world.xero.calls();
    let service = world.invoice("1006", vec![labour("1", "100")]);
    world.ready(service);
    world.settle().await;
    assert_eq!(world.xero.calls() - before, 1);
}

#[tokio::test]
async fn readings_of_connectwise_that_are_not_documented_come_to_the_same_books() {
    let readings: [fn(&mut Settings); 3] = [
        of_row,
        |settings| settings.cost_rows = CostRows::OfOne,
        |settings| {
            (settings.cost_rows, settings.credit_memo_header) =
                (CostRows::OfRow, readypost::simulator::connectwise::Sign::Negative);
        },
    ];
    for connectwise in readings {
        let world = World::with(Differently { rules: RULES, connectwise, ..Differently::default() }).await;
        let invoice = sold(&world, "1001", "3").await;
        assert_eq!(world.state(invoice).await, "done");
        let memo = world.invoice_like(NewInvoice {
            number: "CM-1".to_owned(),
            kind: "CreditMemo".to_owned(),
            lines: vec![disks("2")],
            ..NewInvoice::default()
        });
        world.ready(memo);
        world.settle().await;
        assert_eq!(world.state(memo).await, "done", "{}", sentence(&world, memo).await);
        let journals = journals(&world);
        assert_eq!(lines(&journals[0]), moved("310", "620", "90"));
        let back: Vec<_> = moved("310", "620", "60").into_iter().map(|(account, amount)| (account, -amount)).collect();
        assert_eq!(lines(&journals[1]), back, "a credit memo takes the goods back");
    }
}

#[tokio::test]
async fn without_rows_of_cost_or_the_rule_there_is_no_journal() {
    let no_rule = Differently { connectwise: of_row, ..Differently::default() };
    for (name, differently) in
        [("no rows", Differently { rules: RULES, ..Differently::default() }), ("no rule", no_rule)]
    {
        let world = World::with(differently).await;
        let invoice = sold(&world, "1001", "2").await;
        assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 0), "{name}");
    }
}

#[tokio::test]
async fn what_goes_from_the_vendor_to_the_customer_costs_what_the_export_says() {
    for (shown, total) in [(false, "30"), (true, "60")] {
        let connectwise: fn(&mut Settings) = if shown {
            |settings| (settings.cost_rows, settings.drop_ship_costs) = (CostRows::OfRow, DropShipCosts::Shown)
        } else {
            of_row
        };
        let world = World::with(Differently { rules: RULES, connectwise, ..Differently::default() }).await;
        let shipped = NewLine { drop_shipped: true, ..disks("1") };
        let invoice = world.invoice("1001", vec![disks("1"), shipped]);
        world.ready(invoice);
        world.settle().await;
        assert_eq!(world.state(invoice).await, "done");
        assert_eq!(lines(&journals(&world)[0]), moved("310", "620", total), "{shown}");
    }
}

#[tokio::test]
async fn a_sale_whose_cost_cannot_be_posted_is_not_posted_either() {
    let world = selling().await;
    let line = NewLine { cost_account: "777".to_owned(), ..disks("2") };
    let invoice = world.invoice("1001", vec![line]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held unknown_account");
    assert!(world.documents("1001").is_empty() && journals(&world).is_empty());
    world.xero.add_account("777", "Cost of disks", "DIRECTCOSTS");
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 1));
}

#[tokio::test]
async fn bad_costs_are_held_by_the_name_of_their_field() {
    let rows: [(&str, Value, &str); 5] = [
        ("/detail/0/inventoryAccountNumber", json!(""), "held no_gl_account inventory account"),
        ("/detail/0/costAccountNumber", json!(""), "held no_gl_account cost of goods account"),
        ("/detail/0/costAccountNumber", json!("090"), "held unusable_account 090"),
        ("/detail/0/cost", json!(45), "held out_of_balance 45.00"),
        ("/detail/0/itemCost", Value::Null, "held unreadable_field itemCost"),
    ];
    for (pointer, value, expected) in rows {
        let world = selling().await;
        let oddities = Oddities::default().field(View::Export, pointer, value);
        let invoice = world.invoice_like(NewInvoice {
            number: "1001".to_owned(),
            lines: vec![disks("2")],
            oddities,
            ..NewInvoice::default()
        });
        world.ready(invoice);
        world.settle().await;
        let (state, told) = (world.state(invoice).await, sentence(&world, invoice).await);
        assert!(expected.starts_with(&state), "{pointer}: {state} {told}");
        assert!(told.contains(expected.splitn(3, ' ').nth(2).unwrap()), "{pointer}: {told}");
        assert!(world.documents("1001").is_empty() && journals(&world).is_empty(), "{pointer}");
    }
}

/// An invoice that is in Xero while its journal was refused.
async fn half() -> (World, i64) {
    let world = selling().await;
    let refusal =
        r#"{"Type":"ValidationException","Elements":[{"ValidationErrors":[{"Message":"The books are closed"}]}]}"#;
    let refused = Fault::Answer(Canned::new(400, refusal));
    world.xero.server.faults.add(Rule::next(Method::PUT, "/ManualJournals", refused));
    let invoice = sold(&world, "1001", "2").await;
    (world, invoice)
}

#[tokio::test]
async fn a_refused_journal_leaves_a_half_that_says_so_and_a_retry_makes_the_other() {
    let (world, invoice) = half().await;
    assert_eq!(world.state(invoice).await, "held cost_not_posted");
    let told = sentence(&world, invoice).await;
    for part in
        ["Invoice 1001 is in Xero", "the journal of its cost of goods is not yet", "The books are closed", "retry"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!((world.documents("1001").len(), journals(&world).len()), (1, 0));
    assert!(!world.connectwise.is_batched(invoice), "half a unit is not marked");
    let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
    assert_eq!(shown["record"]["document"]["cost_of_goods"]["state"], "due");
    assert_eq!(shown["record"]["reason"]["code"], "cost_not_posted");
    let invoices = world.xero.calls_by(&Method::PUT, "/Invoices");
    assert_eq!(invoices, 1);
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 1));
    assert_eq!((world.xero.calls_by(&Method::PUT, "/Invoices"), world.documents("1001").len()), (invoices, 1));
    assert!(world.connectwise.is_batched(invoice));
}

#[tokio::test]
async fn a_half_survives_a_restart_and_can_be_skipped_or_finished_without_its_journal() {
    let (mut world, invoice) = half().await;
    world.restart().await;
    assert_eq!(world.state(invoice).await, "held cost_not_posted");
    assert_eq!(world.decide(invoice, "skip", json!({ "note": "entered by hand" })).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("skipped operator", 0));
    // With the rule switched off, what is left is to mark it.
    let (world, invoice) = half().await;
    let text = world.configuration().replace("cost_of_goods = \"journal\"", "cost_of_goods = \"off\"");
    assert_eq!(world.reload(&text).await.0, 200);
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 0));
    assert!(world.connectwise.is_batched(invoice));
}

#[tokio::test]
async fn a_half_that_somebody_else_batches_is_never_passed_for_whole() {
    let (world, invoice) = half().await;
    world.connectwise.manual_batch(&[invoice], "M-1").unwrap();
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held cost_not_posted");
    assert!(sentence(&world, invoice).await.contains("'M-1'"), "{}", sentence(&world, invoice).await);
    world.connectwise.unbatch(invoice).unwrap();
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 1));
}

#[tokio::test]
async fn an_empty_store_finds_either_half() {
    // The journal is in Xero, the mark is not.
    let mut world = selling().await;
    let batches = Rule::next(Method::POST, "/accounting/batches", Fault::DropBefore);
    world.connectwise.server.faults.add(batches.times(50));
    let invoice = sold(&world, "1001", "2").await;
    assert_eq!((world.documents("1001").len(), journals(&world).len()), (1, 1));
    world.lose_store().await;
    world.connectwise.server.faults.clear();
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 1));
    assert_eq!(world.warnings(invoice).await, ["adopted", "adopted"]);
    // The invoice is in Xero, the journal is not.
    let (mut world, invoice) = half().await;
    world.lose_store().await;
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 1));
    assert_eq!(world.documents("1001").len(), 1);
}

#[tokio::test]
async fn a_journal_that_was_voided_is_made_anew_when_the_invoice_is_marked_again() {
    let world = selling().await;
    let invoice = sold(&world, "1001", "2").await;
    world.connectwise.unbatch(invoice).unwrap();
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 1), "marked again, no more");
    world.connectwise.unbatch(invoice).unwrap();
    world.xero.void_journal(journals(&world)[0].id);
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 1));
    assert_eq!((world.documents("1001").len(), world.xero.journals().len()), (1, 2));
}

#[tokio::test]
async fn costs_that_change_after_they_were_posted_are_noticed() {
    let world = selling().await;
    let invoice = sold(&world, "1001", "2").await;
    world.connectwise.unbatch(invoice).unwrap();
    world.connectwise.set_status(invoice, "Hold").unwrap();
    // The price and the total stay as they are.
    world.connectwise.edit_invoice(invoice, |invoice| invoice.lines[1].cost = dec("35")).unwrap();
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held edited_after_post");
    let told = sentence(&world, invoice).await;
    assert!(told.contains("60.00") && told.contains("manual journal") && told.contains("Void it there"), "{told}");
    assert!(!world.connectwise.is_batched(invoice));
    world.xero.void_journal(journals(&world)[0].id);
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    assert_eq!((lines(&journals(&world)[0]), world.documents("1001").len()), (moved("310", "620", "70"), 1));
}

#[tokio::test]
async fn an_invoice_posted_anew_does_not_leave_two_journals() {
    let world = selling().await;
    let invoice = sold(&world, "1001", "2").await;
    world.connectwise.unbatch(invoice).unwrap();
    world.connectwise.set_status(invoice, "Hold").unwrap();
    world
        .connectwise
        .edit_invoice(invoice, |invoice| {
            invoice.number = "1001A".to_owned();
            invoice.lines[1].quantity = dec("3");
        })
        .unwrap();
    world.xero.void(world.documents("1001")[0].id);
    world.ready(invoice);
    world.settle().await;
    // The invoice is made anew; the journal of the first one is still there and is another one.
    assert_eq!(world.documents("1001A").len(), 1);
    assert_eq!(world.state(invoice).await, "held cost_not_posted");
    assert!(sentence(&world, invoice).await.contains("60.00 instead of 90.00"), "{}", sentence(&world, invoice).await);
    world.xero.void_journal(journals(&world)[0].id);
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), lines(&journals(&world)[0])), ("done", moved("310", "620", "90")));
    assert_eq!(world.documents("1001A").len(), 1);
}

#[tokio::test]
async fn a_deleted_invoice_is_not_forgotten_while_its_journal_stands() {
    let world = selling().await;
    let invoice = sold(&world, "1001", "2").await;
    world.connectwise.unbatch(invoice).unwrap();
    world.xero.void(world.documents("1001")[0].id);
    world.connectwise.delete_invoice(invoice).unwrap();
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held edited_after_post");
    assert!(sentence(&world, invoice).await.contains("manual journal"), "{}", sentence(&world, invoice).await);
    world.xero.void_journal(journals(&world)[0].id);
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "skipped deleted");
}

#[tokio::test]
async fn while_xero_is_out_a_half_waits_and_says_so() {
    let world = selling().await;
    let out = Fault::Answer(Canned::new(503, "offline"));
    world.xero.server.faults.add(Rule::next(Method::PUT, "/ManualJournals", out).times(50));
    let invoice = sold(&world, "1001", "2").await;
    let told = world.state(invoice).await;
    assert!(
        told.starts_with("queued: Invoice 1001 is in Xero, the journal of its cost of goods is not yet: "),
        "{told}"
    );
    let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
    assert_eq!(shown["record"]["waiting"]["step"], "journal");
    assert!(!world.connectwise.is_batched(invoice));
    world.xero.server.faults.clear();
    world.pass(SignedDuration::from_mins(30)).await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 1));
    assert_eq!(world.documents("1001").len(), 1);
}

#[tokio::test]
async fn a_rule_that_is_switched_off_leaves_no_journal_of_unknown_outcome_behind() {
    let world = selling().await;
    world.xero.server.faults.add(Rule::next(Method::PUT, "/ManualJournals", Fault::DropAfter));
    let throttled = Canned::new(429, "").header("retry-after", "30").header("x-rate-limit-problem", "minute");
    world.xero.server.faults.add(Rule::next(Method::PUT, "/ManualJournals", Fault::Answer(throttled)));
    let invoice = sold(&world, "1001", "2").await;
    assert_eq!(journals(&world).len(), 1, "it is there, and nobody knows");
    let text = world.configuration().replace("cost_of_goods = \"journal\"", "cost_of_goods = \"off\"");
    assert_eq!(world.reload(&text).await.0, 200);
    world.pass(SignedDuration::from_mins(30)).await;
    assert_eq!(world.state(invoice).await, "held edited_after_post", "{}", sentence(&world, invoice).await);
    assert!(sentence(&world, invoice).await.contains("void the journal"), "{}", sentence(&world, invoice).await);
    world.xero.void_journal(journals(&world)[0].id);
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), journals(&world).len()), ("done", 0));
    assert!(world.connectwise.is_batched(invoice));
}

pub(crate) const BILLS: &str = "cost_of_goods = \"bill\"\nadjustment_contact = \"Stock\"\n";

/// A world in which the cost of a sale is a bill of 0.00.
async fn billing() -> World {
    let world = World::with(Differently { rules: BILLS, connectwise: of_row, ..Differently::default() }).await;
    world.xero.add_contact(xero::NewContact { name: "Stock".to_owned(), ..xero::NewContact::default() });
    world
}

/// Number and lines of the bills that are worth something.
fn bills(world: &World) -> Vec<(String, Vec<(String, rust_decimal::Decimal)>)> {
    let alive = |document: &xero::Document| {
        document.kind.name() == "ACCPAY" && !matches!(document.status, xero::Status::Voided | xero::Status::Deleted)
    };
    let lines = |bill: &xero::Document| {
        bill.lines.iter().map(|line| (line.account_code.clone().unwrap(), line.unit_amount)).collect()
    };
    let documents = world.xero.documents();
    documents.iter().filter(|document| alive(document)).map(|bill| (bill.number.clone(), lines(bill))).collect()
}

#[tokio::test]
async fn by_rule_the_cost_of_a_sale_is_a_bill_of_nothing() {
    let mut world = billing().await;
    let expected = vec![("COGS-1001".to_owned(), moved("310", "620", "60"))];
    // The answer to the bill is lost, and so is every batch until the store is lost, too.
    world.xero.server.faults.add(Rule::next(Method::PUT, "/Invoices", Fault::DropAfter).after(1));
    let batches = Rule::next(Method::POST, "/accounting/batches", Fault::DropBefore);
    world.connectwise.server.faults.add(batches.times(50));
    let invoice = sold(&world, "1001", "2").await;
    world.pass(SignedDuration::from_mins(20)).await;
    assert_eq!((bills(&world), journals(&world).len()), (expected.clone(), 0));
    let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
    assert_eq!(shown["record"]["document"]["cost_of_goods"]["state"], "posted");
    world.connectwise.server.faults.clear();
    world.lose_store().await;
    world.connectwise.save_invoice(invoice);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), bills(&world)), ("done", expected.clone()));
    // The rule is another one when the invoice is taken out of its batch: its bill is still there.
    let text = world.configuration().replace("cost_of_goods = \"bill\"", "cost_of_goods = \"journal\"");
    assert_eq!(world.reload(&text).await.0, 200);
    world.connectwise.unbatch(invoice).unwrap();
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), bills(&world)), ("done", expected));
    assert_eq!((journals(&world).len(), world.connectwise.is_batched(invoice)), (0, true));
}

#[tokio::test]
async fn a_refused_bill_of_costs_leaves_a_half_that_says_so() {
    let world = World::with(Differently {
        rules: "cost_of_goods = \"bill\"\nadjustment_contact = \"Stock\"\nnew_contacts = \"hold\"\n",
        connectwise: of_row,
        ..Differently::default()
    })
    .await;
    let invoice = sold(&world, "1001", "2").await;
    assert_eq!(world.state(invoice).await, "held cost_not_posted");
    let told = sentence(&world, invoice).await;
    assert!(told.contains("Stock") && bills(&world).is_empty() && !world.connectwise.is_batched(invoice), "{told}");
    world.xero.add_contact(xero::NewContact { name: "Stock".to_owned(), ..xero::NewContact::default() });
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), bills(&world).len()), ("done", 1));
    assert_eq!(world.documents("1001").len(), 1);
}
