//! A bill for expenses of unknown outcome is not sent anew while the first request may be under way.

use axum::http::Method;
use jiff::SignedDuration;
use readypost::simulator::faults::{Canned, Fault, Rule};

use crate::expenses::Spending;

#[tokio::test]
async fn a_bill_for_expenses_is_not_sent_anew_while_xero_may_be_at_work_on_the_first_request() {
    let spending = Spending::new().await;
    let faults = &spending.world.xero.server.faults;
    faults.add(Rule::next(Method::PUT, "/Invoices", Fault::DropBefore));
    // The repetition under the same key is not handled either: that says nothing about the first request.
    let throttled = Canned::new(429, "").header("retry-after", "30").header("x-rate-limit-problem", "minute");
    faults.add(Rule::next(Method::PUT, "/Invoices", Fault::Answer(throttled)));
    let ids = [spending.add(spending.parking()), spending.add(spending.meals())];
    spending.world.connectwise.approve(ids[0]).unwrap();
    spending.world.settle().await;
    let sent = || spending.world.xero.server.requests().iter().filter(|request| request.method == Method::PUT).count();
    spending.world.pass(SignedDuration::from_mins(5)).await;
    assert_eq!((sent(), spending.bills().len()), (2, 0), "looked for, not found, and not believed yet");
    spending.world.pass(SignedDuration::from_mins(2)).await;
    assert_eq!((sent(), spending.bills().len()), (3, 1));
    assert_eq!(spending.report_state(ids[0]).await, "done");
}
