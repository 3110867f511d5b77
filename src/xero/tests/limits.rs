//! Budgets and outages: nothing is sent that Xero would refuse, and look-ups always have a reserve.

use axum::http::Method;

use super::*;
use crate::domain::facts::Existing;
use crate::simulator::faults::{Canned, Fault, Rule};
use crate::xero::{CompanyFault, XeroError, modest};

#[tokio::test]
async fn the_61st_call_of_a_minute_waits_and_xero_never_refuses_one() {
    let bench = bench().await;
    // Whatever the phase of Xero's own window is.
    bench.advance(37);
    for round in 0..3 {
        let begun = bench.clock_now();
        for _ in 0..60 {
            assert_eq!(bench.xero.find(DocumentKind::Invoice, "N", None).await.unwrap(), Existing::None);
        }
        assert_eq!(bench.xero.budget().minute_used, 60);
        let Err(XeroError::Wait { until, .. }) = bench.xero.permit().await else { panic!("round {round}") };
        assert_eq!(until, begun + SignedDuration::from_mins(1));
        bench.clock.set(until);
    }
    assert!(bench.sim.server.requests().iter().all(|sent| sent.status == 200));
    assert_eq!(bench.sim.calls(), 180);
}

#[tokio::test]
async fn a_permit_counts_until_it_is_used_or_given_back() {
    let bench = bench_with(|_| {}, |settings| settings.minute_limit = 2).await;
    let (one, two) = (bench.xero.permit().await.unwrap(), bench.xero.permit().await.unwrap());
    assert!(matches!(bench.xero.permit().await, Err(XeroError::Wait { .. })));
    drop(two);
    assert_eq!(bench.xero.budget().minute_used, 1);
    bench.advance(300);
    bench.xero.create(one, &bench.request("P-1")).await.unwrap();
    assert_eq!(bench.xero.budget().minute_used, 1, "it counts from its answer on");
    bench.advance(60);
    assert_eq!(bench.xero.budget().minute_used, 0);
}

#[tokio::test]
async fn at_most_five_calls_are_in_progress() {
    let bench = bench_with(|settings| settings.latency = Duration::from_millis(20), |_| {}).await;
    let tasks: Vec<_> = (0..30)
        .map(|_| {
            let xero = bench.xero.clone();
            tokio::spawn(async move { xero.find(DocumentKind::Invoice, "N", None).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(bench.sim.server.requests().iter().all(|sent| sent.status == 200));
}

#[tokio::test]
async fn the_end_of_a_day_is_kept_for_look_ups() {
    let bench = bench().await;
    bench.sim.set_day_remaining(13);
    for number in ["1", "2"] {
        bench.create(&bench.request_for(&document(DocumentKind::Invoice, number), number)).await.unwrap();
    }
    let view = bench.xero.budget();
    assert_eq!((view.day_remaining, view.day_limit_seen, view.day_reserve), (Some(11), Some(12), 10));
    bench.create(&bench.request("3")).await.unwrap();
    let calls = bench.sim.calls();
    let Err(XeroError::Company { kind: CompanyFault::DayLimit, until, .. }) = bench.xero.permit().await else {
        panic!()
    };
    assert_eq!(until, bench.clock_now() + SignedDuration::from_mins(30));
    assert!(bench.xero.organisation().await.is_err());
    assert_eq!(bench.sim.calls(), calls);
    assert!(matches!(bench.xero.find(DocumentKind::Invoice, "3", None).await.unwrap(), Existing::Found(_)));
    // One probe, and then again a pause.
    bench.clock.set(until);
    drop(bench.xero.permit().await.unwrap());
    assert!(bench.xero.permit().await.is_err());
    bench.advance(30 * 60);
    bench.sim.set_day_remaining(1000);
    bench.create(&bench.request_for(&document(DocumentKind::Invoice, "4"), "4")).await.unwrap();
    bench.create(&bench.request_for(&document(DocumentKind::Invoice, "5"), "5")).await.unwrap();
    assert_eq!(bench.xero.budget().day_reserve, 99);
}

#[tokio::test]
async fn the_last_third_of_a_day_is_kept_from_whoever_only_wants_to_know() {
    let bench = bench().await;
    bench.sim.set_day_remaining(61);
    bench.create(&bench.request("1")).await.unwrap();
    assert_eq!(bench.xero.budget().day_limit_seen, Some(60));
    let look = async || Box::pin(modest(bench.xero.find(DocumentKind::Invoice, "1", None))).await;
    for _ in 0..40 {
        look().await.unwrap();
        bench.advance(60);
    }
    let calls = bench.sim.calls();
    let Err(XeroError::Company { kind: CompanyFault::DayLimit, cause, until }) = look().await else { panic!() };
    assert!(cause.contains("third") && cause.contains("posting"), "{cause}");
    assert_eq!(until, bench.clock_now() + SignedDuration::from_mins(29));
    assert_eq!(bench.sim.calls(), calls);
    // Posting has what is left but for its own reserve.
    for number in 2..12 {
        let number = number.to_string();
        bench.create(&bench.request_for(&document(DocumentKind::Invoice, &number), &number)).await.unwrap();
    }
    assert!(bench.xero.permit().await.is_err());
    // A new day is heard of by whoever asks first.
    bench.advance(30 * 60);
    bench.sim.set_day_remaining(1000);
    look().await.unwrap();
    look().await.unwrap();
}

#[tokio::test]
async fn a_day_that_is_over_stops_everything_until_xeros_own_time() {
    let bench = bench().await;
    bench.sim.exhaust_day();
    let armed = bench.xero.permit().await.unwrap();
    let outcome = bench.xero.create(armed, &bench.request("D-1")).await;
    let Err(XeroError::Company { kind: CompanyFault::DayLimit, until, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(until, bench.clock_now() + SignedDuration::from_hours(24));
    assert_eq!(bench.xero.budget().blocked_until, Some(until));
    let calls = bench.sim.calls();
    assert!(matches!(bench.xero.find(DocumentKind::Invoice, "D-1", None).await, Err(XeroError::Company { .. })));
    assert_eq!(bench.sim.calls(), calls);
    bench.clock.set(until);
    bench.create(&bench.request("D-1")).await.unwrap();
}

#[tokio::test]
async fn every_429_has_its_own_pause() {
    let bench = bench().await;
    let limit = |problem: &str, after: Option<&str>| {
        let canned = Canned::new(429, "").header("x-rate-limit-problem", problem);
        Fault::Answer(after.map_or(canned.clone(), |after| canned.header("retry-after", after)))
    };
    for (fault, seconds) in
        [(limit("Minute", Some("26")), 26), (limit("appminute", None), 60), (limit("", Some("7")), 7)]
    {
        bench.sim.server.faults.add(Rule::next(Method::PUT, "/Invoices", fault));
        let Err(XeroError::Wait { until, .. }) = bench.create(&bench.request("L")).await else { panic!("{seconds}") };
        assert_eq!(until, bench.clock_now() + SignedDuration::from_secs(seconds));
        assert_eq!(bench.xero.budget().blocked_until, Some(until));
        let calls = bench.sim.server.requests().len();
        assert!(matches!(bench.xero.permit().await, Err(XeroError::Wait { until: same, .. }) if same == until));
        assert_eq!(bench.sim.server.requests().len(), calls);
        bench.clock.set(until);
    }
    bench.sim.server.faults.add(Rule::next(Method::PUT, "/Invoices", limit("concurrent", None)));
    let Err(XeroError::Wait { until, .. }) = bench.create(&bench.request("L")).await else { panic!() };
    assert!(until <= bench.clock_now() + SignedDuration::from_secs(2));
    assert_eq!(bench.xero.budget().blocked_until, None);
    for problem in ["Daily limit", "minute"] {
        bench.sim.server.faults.add(Rule::next(Method::PUT, "/Invoices", limit(problem, Some("7200"))));
        let outcome = bench.create(&bench.request("L")).await;
        let Err(XeroError::Company { kind: CompanyFault::DayLimit, until, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        bench.clock.set(until);
    }
    bench.create(&bench.request("L")).await.unwrap();
}

#[tokio::test]
async fn calls_of_others_are_counted_with_ours() {
    let bench = bench().await;
    let canned = Canned::new(404, "").header("x-minlimit-remaining", "3");
    bench.sim.server.faults.add(Rule::next(Method::GET, "/Invoices/", Fault::Answer(canned)));
    bench.xero.document(DocumentKind::Invoice, Uuid::new_v4()).await.unwrap();
    assert_eq!(bench.xero.budget().minute_used, 58, "57 by Xero's word, and the look at credit notes");
    bench.advance(60);
    assert_eq!(bench.xero.budget().minute_used, 0);
}

#[tokio::test]
async fn an_outage_is_unknown_in_its_outcome() {
    let bench = bench().await;
    bench.xero.permit().await.unwrap();
    for text in ["The Xero API is currently offline for maintenance", "The Organisation is offline"] {
        bench.sim.set_outage(Some(text.to_owned()));
        let Err(XeroError::Unknown { cause, not_before }) = bench.create(&bench.request("O")).await else { panic!() };
        assert!(cause.contains(text), "{cause}");
        assert_eq!(not_before, None);
    }
    assert!(matches!(bench.xero.directory().await, Err(XeroError::Unknown { .. })));
    bench.sim.set_outage(None);
    bench.create(&bench.request("O")).await.unwrap();
    bench.sim.server.faults.add(Rule::next(Method::GET, "/Contacts", Fault::DropBefore));
    bench.xero.directory().await.unwrap();
}
