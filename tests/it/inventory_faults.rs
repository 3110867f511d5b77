//! A journal of unknown outcome is not sent anew while the first request may be under way.

use axum::http::Method;
use jiff::SignedDuration;
use readypost::simulator::faults::{Canned, Fault, Rule};

use crate::inventory::{closed, journals, loss, stocked, sweep};

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
