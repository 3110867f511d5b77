//! A bill of unknown outcome is not sent anew while the first request may be under way.

use axum::http::Method;
use jiff::SignedDuration;
use readypost::simulator::faults::{Canned, Fault, Rule};

use crate::purchases::Buying;

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
