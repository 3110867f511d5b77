//! Whatever goes wrong with any call on the way of a bill, and wherever the process dies: one bill, marked.

use axum::http::Method;
use jiff::SignedDuration;
use readypost::simulator::faults::{Canned, Fault, Rule};

use crate::cells::{Call, all_pass, faults, server, was_made, work_until};
use crate::harness::dec;
use crate::purchases::Buying;

fn calls() -> Vec<Call> {
    let get = |path, skip| (false, Method::GET, path, skip);
    vec![
        // Those of the order, of the purchase to be posted, and of the purchase to be marked.
        get("/procurement/purchaseorders/", 0),
        get("/procurement/purchaseorders/", 1),
        get("/procurement/purchaseorders/", 2),
        get("/unpostedprocurement", 0),
        get("/unpostedprocurement", 1),
        get("/unpostedprocurement", 2),
        get("/unpostedprocurement", 3),
        (false, Method::POST, "/accounting/export", 0),
        (false, Method::POST, "/accounting/export", 1),
        get("/company/companies", 0),
        get("/accounting/batches", 0),
        (false, Method::POST, "/accounting/batches", 0),
        (true, Method::GET, "/Contacts", 0),
        (true, Method::GET, "/Invoices", 0),
        (true, Method::PUT, "/Invoices", 0),
    ]
}

/// Two equal packing slips of one order, closed.
fn twins(buying: &Buying) -> i64 {
    let order = buying.order(&["5", "5"]);
    buying.world.connectwise.receive_line(order, 1, "A").unwrap();
    buying.world.connectwise.receive_line(order, 2, "B").unwrap();
    buying.world.connectwise.close_purchase_order(order).unwrap();
    order
}

/// Lets time pass until both slips are posted and marked, and checks that they are so once.
async fn check_twins(buying: &Buying, order: i64, label: &str) {
    for _ in 0..24 {
        let marked = buying.marked(order) == 2;
        if marked && buying.state(order, "A").await == "done" && buying.state(order, "B").await == "done" {
            break;
        }
        buying.world.pass(SignedDuration::from_mins(10)).await;
    }
    for slip in ["A", "B"] {
        assert_eq!(buying.state(order, slip).await, "done", "{label}: {slip}");
    }
    let bills = buying.bills();
    let totals: Vec<_> = bills.iter().map(|bill| bill.total).collect();
    assert_eq!(totals, [dec("302.5"), dec("302.5")], "{label}");
    assert_eq!(buying.marked(order), 2, "{label}");
    assert_eq!(buying.world.connectwise.batches().len(), 2, "{label}");
}

async fn cell(call: Call, name: &str, fault: Fault, times: u32) {
    let (xero, method, path, skip) = call.clone();
    let label = format!("{method} {path} #{skip}: {name}, {times} times");
    let buying = Buying::new().await;
    server(&buying.world, xero).faults.add(Rule::next(method, path, fault).after(skip).times(times));
    let order = twins(&buying);
    buying.world.settle().await;
    check_twins(&buying, order, &label).await;
    assert!(was_made(&buying.world, &call), "{label}: the call was never made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_of_a_bill_survives_every_fault() {
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

/// Calls of all steps of the twins together; more are tried than there are.
const CALLS_MAX: u32 = 45;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_dies_during_any_call_leaves_one_bill() {
    // Soon enough to send the same request under the same key again, and too late for that.
    for dead in [SignedDuration::ZERO, SignedDuration::from_mins(10)] {
        let mut points = [0, 0];
        for (xero, points) in [false, true].into_iter().zip(&mut points) {
            for after in 0..CALLS_MAX {
                if !dies_during(xero, after, dead).await {
                    break;
                }
                *points += 1;
            }
        }
        println!("{points:?} points, during calls to ConnectWise and to Xero, dead for {dead}");
        assert!(points[0] > 20 && points[1] > 8 && points[0] < CALLS_MAX, "{points:?}");
    }
}

/// Lets the process die during one call and be dead for a while; says whether there was such a call.
async fn dies_during(xero: bool, after: u32, dead: SignedDuration) -> bool {
    let mut buying = Buying::new().await;
    let order = twins(&buying);
    buying.world.callbacks().await;
    let Some(working) = work_until(&buying.world, xero, after).await else { return false };
    buying.world.clock.advance(dead);
    buying.world.restart().await;
    buying.listen();
    working.await.unwrap();
    buying.world.settle().await;
    check_twins(&buying, order, &format!("dead during call {after}, to Xero: {xero}")).await;
    true
}

#[tokio::test]
async fn a_bill_is_not_sent_anew_while_xero_may_be_at_work_on_the_first_request() {
    let buying = Buying::new().await;
    let faults = &buying.world.xero.server.faults;
    faults.add(Rule::next(Method::PUT, "/Invoices", Fault::DropBefore));
    // The repetition under the same key is not handled either: that says nothing about the first request.
    let throttled = Canned::new(429, "").header("retry-after", "30").header("x-rate-limit-problem", "minute");
    faults.add(Rule::next(Method::PUT, "/Invoices", Fault::Answer(throttled)));
    let order = buying.order(&["5"]);
    buying.close(order, "A");
    buying.world.settle().await;
    let sent = || buying.world.xero.server.requests().iter().filter(|request| request.method == Method::PUT).count();
    buying.world.pass(SignedDuration::from_mins(5)).await;
    assert_eq!((sent(), buying.bills().len()), (2, 0), "looked for, not found, and not believed yet");
    buying.world.pass(SignedDuration::from_mins(2)).await;
    assert_eq!((sent(), buying.bills().len()), (3, 1));
    assert_eq!(buying.state(order, "A").await, "done");
}
