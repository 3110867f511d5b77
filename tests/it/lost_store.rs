//! Journal and index are lost in the middle of a month: after one sweep the books are what they would have been.

use axum::http::Method;
use jiff::SignedDuration;
use readypost::simulator::faults::{Fault, Rule};

use crate::month::{Month, RULES, STEPS};

/// What goes wrong before the store is lost.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trouble {
    /// Nothing: records are posted and marked, but for those that the service was about to work on.
    None,
    /// No batch is made: what is posted is not marked.
    NotMarked,
    /// Answers of Xero are lost: what is armed has no known outcome.
    AnswersLost,
}

/// The books of a month in which nothing goes wrong, with these rules.
async fn undisturbed(rules: &'static str) -> (Vec<String>, Vec<usize>) {
    let mut month = Month::by(rules).await;
    let mut turns = Vec::new();
    for step in 0..STEPS {
        month.step(step);
        hear(&month, step).await;
        turns.push(month.work(200).await);
        month.world.clock.advance(SignedDuration::from_mins(15));
        month.sweep().await;
    }
    assert!(month.unposted().is_empty(), "{:?}", month.unposted());
    (month.books(), turns)
}

/// What has no callback is heard of by a sweep.
async fn hear(month: &Month, step: usize) {
    if (4..=8).contains(&step) {
        readypost::pipeline::sweep(&month.world.app.parts).await.unwrap();
    }
}

/// The store is lost during step `cut`, after so many turns.
async fn lost_at((cut, turns): (usize, usize), trouble: Trouble, rules: &'static str, expected: &[String]) -> u32 {
    let label = format!("lost in step {cut} after {turns} turns, {trouble:?}");
    let mut month = Month::by(rules).await;
    let (connectwise, xero) = (&month.world.connectwise.server.faults, &month.world.xero.server.faults);
    match trouble {
        Trouble::None => {}
        Trouble::NotMarked => {
            connectwise.add(Rule::next(Method::POST, "/accounting/batches", Fault::DropBefore).times(500));
        }
        Trouble::AnswersLost => {
            for path in ["/Invoices", "/CreditNotes", "/ManualJournals", "/Payments"] {
                xero.add(Rule::next(Method::PUT, path, Fault::DropAfter).times(500));
            }
            connectwise.add(Rule::next(Method::POST, "/payments", Fault::DropAfter).times(500));
        }
    }
    for step in 0..=cut {
        month.step(step);
        hear(&month, step).await;
        month.work(if step == cut { turns } else { 200 }).await;
        if step < cut {
            month.world.clock.advance(SignedDuration::from_mins(15));
            month.sweep().await;
        }
    }
    month.world.connectwise.server.faults.clear();
    month.world.xero.server.faults.clear();
    let _ = month.world.connectwise.take_callbacks();
    month.world.clock.advance(SignedDuration::from_mins(1));
    month.world.lose_store().await;
    month.listen();
    let _ = month.world.connectwise.take_callbacks();
    month.world.clock.advance(SignedDuration::from_mins(15));
    month.sweep().await;
    // What was sent before the store was lost may be under way for some minutes.
    month.world.pass(SignedDuration::from_mins(10)).await;
    assert_eq!(month.held().await, serde_json::json!([]), "{label}");
    assert!(month.unposted().is_empty(), "{label}: {:?}", month.unposted());
    let status = month.status().await;
    let adopted = u32::try_from(status["warnings"]["adopted"].as_u64().unwrap_or_default()).unwrap();
    if trouble != Trouble::None && !(6..=8).contains(&cut) {
        // Payments are linked and not adopted.
        assert!(adopted > 0, "{label}: {status}");
    }
    for step in cut + 1..STEPS {
        month.step(step);
        month.work(200).await;
        month.world.clock.advance(SignedDuration::from_mins(15));
        month.sweep().await;
    }
    month.world.pass(SignedDuration::from_mins(10)).await;
    assert_eq!(month.books(), expected, "{label}");
    assert!(month.unposted().is_empty(), "{label}: {:?}", month.unposted());
    assert_eq!(month.held().await, serde_json::json!([]), "{label}");
    adopted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_lost_at_any_point_of_a_month_changes_no_books() {
    let (expected, turns) = undisturbed(RULES).await;
    assert_eq!(expected.len(), 16, "{expected:#?}");
    let (mut cuts, mut adopted) = (0, 0);
    for (cut, all) in turns.iter().enumerate() {
        // Before anything of the step was done, in the middle of it, and at its end.
        let mut points = vec![0, all / 2, *all];
        points.dedup();
        for turns in points {
            adopted += lost_at((cut, turns), Trouble::None, RULES, &expected).await;
            cuts += 1;
        }
        for trouble in [Trouble::NotMarked, Trouble::AnswersLost] {
            adopted += lost_at((cut, 200), trouble, RULES, &expected).await;
            cuts += 1;
        }
    }
    println!("the store was lost at {cuts} points, {adopted} documents were adopted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_where_each_expense_is_a_bill_of_its_own() {
    let rules: &'static str = format!("{RULES}expenses = \"entry\"\n").leak();
    let (expected, turns) = undisturbed(rules).await;
    assert_eq!(expected.len(), 17, "{expected:#?}");
    for point in [0, turns[3] / 2, turns[3]] {
        lost_at((3, point), Trouble::None, rules, &expected).await;
    }
    for trouble in [Trouble::NotMarked, Trouble::AnswersLost] {
        lost_at((3, 200), trouble, rules, &expected).await;
    }
}
