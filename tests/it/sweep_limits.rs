//! What a sweep leaves for the next one is found by the next one: nothing is left behind a mark, a limit or a time.

use std::time::Duration;

use jiff::SignedDuration;
use readypost::domain::delivery::StateName;
use readypost::simulator::faults::{Canned, Fault, Rule};
use serde_json::{Value, json};

use crate::harness::{Differently, World};

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
