//! What a sweep leaves for the next one is found by the next one: nothing is left behind a mark, a limit or a time.

use std::time::Duration;

use jiff::SignedDuration;
use readypost::clock::Clock;
use readypost::domain::delivery::StateName;
use readypost::simulator::connectwise::NewPayment;
use readypost::simulator::faults::{Canned, Fault, Rule};
use serde_json::{Value, json};

use crate::companies::organisation;
use crate::harness::{Differently, World, company_text, dec, labour};
use crate::payments::{DAY, Paying};

const TO_XERO: &str = "payments = \"to_xero\"\npayment_account = \"090\"\n";

async fn paying() -> World {
    let world = World::with(Differently { rules: TO_XERO, ..Differently::default() }).await;
    world.clock.advance(SignedDuration::from_mins(11));
    world
}

/// Unposted payments of so many invoices.
fn payments(count: usize) -> Rule {
    let row = |id: usize| json!({"id": id, "invoice": {"id": 50_000 + id}, "paymentDate": "2026-12-01T00:00:00Z"});
    let rows: Vec<Value> = (1..=count).map(row).collect();
    Rule::every("/unpostedpayments", Fault::Answer(Canned::new(200, &json!(rows).to_string())))
}

fn queued(world: &World) -> u64 {
    world.app.parts.store.overview().counts.state(StateName::Queued)
}

#[tokio::test]
async fn a_mark_stands_only_where_everything_before_it_was_handed_over() {
    let world = paying().await;
    world.connectwise.server.faults.add(payments(2_050));
    readypost::pipeline::sweep(&world.app.parts).await.unwrap();
    let last = world.get("/status").await["connections"][0]["last_sweep"].clone();
    assert_eq!((queued(&world), &last["deferred"]), (2_050, &Value::Null), "{last}");
}

#[tokio::test]
async fn slow_lists_keep_no_payments_waiting() {
    let world = paying().await;
    world.connectwise.server.faults.add(payments(3));
    let slow = Fault::Delay(Duration::from_secs(20));
    world.connectwise.server.faults.add(Rule::every("/unpostedinvoices", slow));
    let swept = readypost::pipeline::sweep_within(Duration::from_secs(2), &world.app.parts).await;
    assert_eq!(swept.unwrap_err(), "the sweep was cut off: the unposted lists took longer than 2 seconds");
    assert_eq!(queued(&world), 3);
    assert!(world.get("/status").await["connections"][0]["last_complete_sweep"].is_null());
}

/// A row of the unposted invoices, closed at this time; its id is of no invoice.
fn row(number: &str, closed: jiff::Timestamp) -> Value {
    let closed = closed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({"id": 1, "billingLogId": 900_000, "invoiceNumber": number, "total": 110.0, "dateClosed": closed})
}

fn lists(world: &World, rows: &[Value]) {
    world.connectwise.server.faults.clear();
    let body = Value::from(rows.to_vec()).to_string();
    world.connectwise.server.faults.add(Rule::every("/unpostedinvoices", Fault::Answer(Canned::new(200, &body))));
}

/// What a sweep found, left for the next one, and left alone.
async fn swept(world: &World) -> (Value, Value, Value) {
    let _ = readypost::pipeline::sweep(&world.app.parts).await;
    let last = world.get("/status").await["connections"][0]["last_sweep"].clone();
    (last["found"].clone(), last["deferred"].clone(), last["older"].clone())
}

/// An invoice that is held because Xero lacks its account.
async fn held(world: &World, number: &str) -> i64 {
    let mut line = labour("1", "100");
    "999".clone_into(&mut line.account);
    let invoice = world.invoice(number, vec![line]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held unknown_account");
    invoice
}

#[tokio::test]
async fn rows_that_are_too_old_take_nobodys_place_and_are_not_taken_for_gone() {
    let world = World::new().await;
    held(&world, "1001").await;
    let (_, _lost) = world.closed("1002");
    let now = world.clock.now();
    world.clock.advance(SignedDuration::from_mins(15));
    let old = now - SignedDuration::from_hours(24 * 60);
    let mut rows: Vec<Value> = (0..2_010).map(|number| row(&format!("OLD-{number}"), old)).collect();
    rows.extend([row("1001", old), row("1002", now)]);
    lists(&world, &rows);
    assert_eq!(swept(&world).await, (json!({"missed": 1}), Value::Null, json!(2_011)));
}

#[tokio::test]
async fn an_old_row_is_looked_up_once_because_it_may_be_of_a_known_record() {
    let world = World::new().await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    world.connectwise.unbatch(invoice).unwrap();
    let old = world.clock.now() - SignedDuration::from_hours(24 * 60);
    world.clock.advance(SignedDuration::from_mins(15));
    lists(&world, &[row("1001", old), row("OLD-1", old)]);
    assert_eq!(swept(&world).await, (json!({"back": 1}), Value::Null, json!(1)));
    world.settle().await;
    world.connectwise.server.clear_requests();
    assert_eq!(swept(&world).await.2, json!(2), "nothing is asked about them again");
    let asked = world.connectwise.server.requests();
    assert!(asked.iter().all(|request| !request.uri.path().ends_with("/finance/invoices")));
}

#[tokio::test]
async fn rows_that_are_of_no_record_take_nobodys_place_for_ever() {
    let world = World::new().await;
    held(&world, "1001").await;
    let (_, _lost) = world.closed("1002");
    let now = world.clock.now();
    world.clock.advance(SignedDuration::from_mins(30));
    let later = now + SignedDuration::from_mins(5);
    let mut rows: Vec<Value> = (0..2_010).map(|number| row(&format!("NONE-{number}"), later)).collect();
    rows.extend([row("1001", now), row("1002", now)]);
    lists(&world, &rows);
    // The held one was not looked up, and is not gone.
    assert_eq!(swept(&world).await, (json!({}), json!(12), Value::Null));
    assert_eq!(swept(&world).await, (json!({"missed": 1}), json!(12), Value::Null));
}

#[tokio::test]
async fn what_goes_on_being_listed_though_it_is_in_a_batch_is_looked_at_once() {
    for elsewhere in [false, true] {
        let world = World::new().await;
        let (invoice, delivery) = world.closed("1001");
        let closed = world.clock.now();
        if elsewhere {
            world.connectwise.manual_batch(&[invoice], "M-1").unwrap();
        }
        world.send(&delivery).await;
        world.settle().await;
        assert_eq!(world.state(invoice).await, if elsewhere { "skipped batched_elsewhere" } else { "done" });
        let mut listed = row("1001", closed);
        listed["billingLogId"] = json!(invoice);
        let mut found = Vec::new();
        for _ in 0..4 {
            world.clock.advance(SignedDuration::from_mins(15));
            lists(&world, std::slice::from_ref(&listed));
            found.push(swept(&world).await.0);
            // Each record by itself is seen as it is.
            world.connectwise.server.faults.clear();
            world.settle().await;
        }
        assert_eq!(found, [json!({"back": 1}), json!({}), json!({}), json!({})], "{elsewhere}");
    }
}

#[tokio::test]
async fn the_start_of_another_company_lets_nothing_old_in() {
    let mut world = World::new().await;
    let (old, _lost) = world.closed("1001");
    let nz = organisation(&world, |_| {}).await;
    let other = company_text("acme-nz", "acme", "[22]", &nz) + "start_date = \"2026-01-01\"\n";
    assert_eq!(world.reload(&(world.configuration() + &other)).await.0, 200);
    world.clock.advance(SignedDuration::from_hours(24 * 40));
    world.lose_store().await;
    world.clock.advance(SignedDuration::from_mins(11));
    assert_eq!(swept(&world).await, (json!({}), Value::Null, json!(1)));
    world.settle().await;
    assert!(!world.knows(old).await);
}

#[tokio::test]
async fn what_is_carried_already_is_not_found_by_each_dry_run() {
    let rules = "payments = \"both\"\npayment_account = \"090\"\n";
    let paying = Paying::with(Differently { rules, ..Differently::default() }).await;
    let (invoice, _) = paying.posted("INV-1").await;
    paying.pay("INV-1", "110");
    paying.settle().await;
    assert_eq!(paying.amounts(invoice).len(), 1);
    // Not carried yet.
    let other = paying.posted("INV-2").await.0;
    let payment = NewPayment { invoice: other, amount: dec("110"), date: DAY, ..NewPayment::default() };
    let own = paying.world.connectwise.add_payment(payment);
    let _ = paying.world.connectwise.take_callbacks();
    assert_eq!(paying.world.post("/api/v1/sweep", &json!({"dry_run": true})).await.0, 202);
    let ended = loop {
        let sweep = paying.world.get("/api/v1/sweep").await;
        if !sweep["ended"].is_null() {
            break sweep;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let expected = json!([{"key": format!("acme/payment/{other}"), "number": own.to_string(), "why": "payment", "closed": DAY.to_string()}]);
    assert_eq!(ended["reports"][0]["found"], expected);
}

#[tokio::test]
async fn callbacks_without_an_address_say_what_to_set() {
    let world = World::new().await;
    assert_eq!(world.post("/api/v1/callbacks", &json!({})).await.0, 409);
    let (code, checked) = world.post("/api/v1/callbacks", &json!({"dry_run": true})).await;
    assert!(code == 200 && checked[0]["failed"][0].as_str().unwrap().contains("Set it to"), "{checked}");
}
