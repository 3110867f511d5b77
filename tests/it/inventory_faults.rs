//! Whatever goes wrong with any call on the way of a journal, and wherever the process dies: one journal, marked.

use axum::http::Method;
use jiff::SignedDuration;
use readypost::pipeline::accept_movements;
use readypost::simulator::faults::{Canned, Fault, Rule};

use crate::cells::{Call, all_pass, faults, server, was_made, work_until};
use crate::harness::{World, dec};
use crate::inventory::{closed, journals, loss, stocked};

fn calls() -> Vec<Call> {
    let get = |path, skip| (false, Method::GET, path, skip);
    let post = |path, skip| (false, Method::POST, path, skip);
    vec![
        // Those of the two lists, of the adjustment to be posted, to be marked, in marking, and read back.
        get("/unpostedprocurement", 0),
        get("/unpostedprocurement", 1),
        get("/unpostedprocurement", 2),
        get("/unpostedprocurement", 3),
        get("/unpostedprocurement", 4),
        get("/unpostedprocurement", 5),
        post("/accounting/export", 0),
        post("/accounting/export", 1),
        post("/accounting/export", 2),
        get("/glCaptions", 0),
        get("/accounting/batches", 0),
        get("/accounting/batches", 1),
        post("/accounting/batches", 0),
        (true, Method::GET, "/Organisation", 0),
        (true, Method::GET, "/Accounts", 0),
        (true, Method::GET, "/ManualJournals", 0),
        (true, Method::PUT, "/ManualJournals", 0),
    ]
}

/// Takes in the lists, again and again as a sweep does.
async fn sweep(world: &World) {
    let parts = world.app.parts.current();
    // What fails now is taken in next time.
    let _ = accept_movements(&"acme".parse().unwrap(), &parts).await;
}

/// Lets time pass until both adjustments are posted and marked, and checks that they are so once.
async fn check(world: &World, twins: &[(i64, String); 2], label: &str) {
    for _ in 0..24 {
        if twins.iter().all(|(id, _)| world.connectwise.inventory_batch(*id).is_some())
            && world.state_of(&twins[0].1).await == "done"
            && world.state_of(&twins[1].1).await == "done"
        {
            break;
        }
        sweep(world).await;
        world.pass(SignedDuration::from_mins(10)).await;
    }
    for (id, key) in twins {
        assert_eq!(world.state_of(key).await, "done", "{label}: {key}");
        assert!(world.connectwise.inventory_batch(*id).is_some(), "{label}: {key}");
    }
    let sides: Vec<_> = journals(world).iter().map(xero_sides).collect();
    assert_eq!(sides, [dec("100"), dec("100")], "{label}");
    assert_eq!(world.connectwise.batches().len(), 2, "{label}");
}

fn xero_sides(journal: &readypost::simulator::xero::Journal) -> rust_decimal::Decimal {
    journal.sides().0
}

/// Two equal stock takes, closed.
fn twins(world: &World) -> [(i64, String); 2] {
    [closed(world, loss("ADJ-1")), closed(world, loss("ADJ-1"))]
}

async fn cell(call: Call, name: &str, fault: Fault, times: u32) {
    let (xero, method, path, skip) = call.clone();
    let label = format!("{method} {path} #{skip}: {name}, {times} times");
    let world = stocked().await;
    server(&world, xero).faults.add(Rule::next(method, path, fault).after(skip).times(times));
    let twins = twins(&world);
    sweep(&world).await;
    world.settle().await;
    check(&world, &twins, &label).await;
    assert!(was_made(&world, &call), "{label}: the call was never made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_of_a_journal_survives_every_fault() {
    let mut cells = Vec::new();
    for times in [1, 5] {
        for call in calls() {
            for (name, fault) in faults(r#"{"ManualJournals":[{"Man"#) {
                cells.push(cell(call.clone(), name, fault, times));
            }
        }
    }
    all_pass(cells).await;
}

/// Calls of all steps of the twins together; more are tried than there are.
const CALLS_MAX: u32 = 45;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_process_that_dies_during_any_call_leaves_one_journal() {
    let mut points = [0, 0];
    for (xero, points) in [false, true].into_iter().zip(&mut points) {
        for after in 0..CALLS_MAX {
            if !dies_during(xero, after).await {
                break;
            }
            *points += 1;
        }
    }
    println!("{points:?} points, during calls to ConnectWise and to Xero");
    assert!(points[0] > 15 && points[1] > 7 && points[0] < CALLS_MAX, "{points:?}");
}

/// Lets the process die during one call; says whether there was such a call.
async fn dies_during(xero: bool, after: u32) -> bool {
    let mut world = stocked().await;
    let twins = twins(&world);
    sweep(&world).await;
    let Some(working) = work_until(&world, xero, after).await else { return false };
    world.restart().await;
    working.await.unwrap();
    world.settle().await;
    check(&world, &twins, &format!("dead during call {after}, to Xero: {xero}")).await;
    true
}

#[tokio::test]
async fn a_journal_is_not_sent_anew_while_xero_may_be_at_work_on_the_first_request() {
    let world = stocked().await;
    let faults = &world.xero.server.faults;
    faults.add(Rule::next(Method::PUT, "/ManualJournals", Fault::DropBefore));
    // The repetition under the same key is not handled either: that says nothing about the first request.
    let throttled = Canned::new(429, "").header("retry-after", "30").header("x-rate-limit-problem", "minute");
    faults.add(Rule::next(Method::PUT, "/ManualJournals", Fault::Answer(throttled)));
    let (_, key) = closed(&world, loss("ADJ-1"));
    sweep(&world).await;
    world.settle().await;
    let sent = || world.xero.server.requests().iter().filter(|request| request.method == Method::PUT).count();
    world.pass(SignedDuration::from_mins(5)).await;
    assert_eq!((sent(), journals(&world).len()), (2, 0), "looked for, not found, and not believed yet");
    world.pass(SignedDuration::from_mins(2)).await;
    assert_eq!((sent(), journals(&world).len()), (3, 1));
    assert_eq!(world.state_of(&key).await, "done");
}
