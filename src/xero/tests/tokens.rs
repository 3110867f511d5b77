//! Tokens, scopes and tenants: who has to act is always told, and no refresh token is ever lost.

use axum::http::Method;

use super::*;
use crate::simulator::faults::{Canned, Fault, Gate, Rule};
use crate::xero::{CompanyFault, XeroError};

fn fault<T: std::fmt::Debug>(outcome: Result<T, XeroError>) -> CompanyFault {
    match outcome {
        Err(XeroError::Company { kind, cause, .. }) => {
            assert!(cause.ends_with('.'), "{cause}");
            kind
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_refusal_of_a_token_says_who_acts() {
    let bench = bench().await;
    bench.sim.break_client();
    assert_eq!(fault(bench.xero.permit().await), CompanyFault::InvalidClient);
    for _ in 0..5 {
        assert_eq!(fault(bench.xero.permit().await), CompanyFault::InvalidClient);
    }
    assert_eq!(bench.token_requests(), 1, "a backlog does not ask again");
    bench.sim.mend_client();
    for (status, body, kind) in [
        (400, r#"{"error":"unauthorized_client"}"#, CompanyFault::UnauthorizedClient),
        (400, r#"{"Error":"INVALID_SCOPE","error_description":"x"}"#, CompanyFault::InvalidScope),
        (401, r#"{"error":"invalid_client"}"#, CompanyFault::InvalidClient),
        (400, r#"{"error":"invalid_grant"}"#, CompanyFault::InvalidGrant),
        (400, "", CompanyFault::InvalidClient),
    ] {
        bench.advance(10);
        let rule = Rule::next(Method::POST, "/connect/token", Fault::Answer(Canned::new(status, body)));
        // An app that may not post journals is asked once more, without that.
        let times = if kind == CompanyFault::InvalidScope { 2 } else { 1 };
        bench.sim.server.faults.add(rule.times(times));
        assert_eq!(fault(bench.xero.permit().await), kind, "{body}");
    }
    bench.advance(10);
    assert!(bench.xero.permit().await.is_ok());
    assert_eq!(bench.sim.calls(), 0);
}

#[tokio::test]
async fn an_outage_of_the_token_endpoint_backs_off_and_heals() {
    let bench = bench().await;
    let begun = bench.clock_now();
    bench.sim.server.faults.add(Rule::next(Method::POST, "/connect/token", Fault::DropBefore));
    let refusal = |status, after: &str| Fault::Answer(Canned::new(status, "").header("retry-after", after));
    bench.sim.server.faults.add(Rule::next(Method::POST, "/connect/token", refusal(503, "x")));
    bench.sim.server.faults.add(Rule::next(Method::POST, "/connect/token", refusal(429, "40")));
    for (pause, at) in [(1, 0), (2, 1), (40, 3)] {
        bench.clock.set(begun + SignedDuration::from_secs(at));
        let Err(XeroError::Wait { until, .. }) = bench.xero.permit().await else { panic!() };
        assert_eq!(until, begun + SignedDuration::from_secs(at + pause));
    }
    assert!(matches!(bench.xero.permit().await, Err(XeroError::Wait { .. })));
    assert_eq!(bench.token_requests(), 3);
    bench.advance(40);
    assert!(bench.xero.permit().await.is_ok());
    // Two minutes before the end it is renewed; while that fails the token still serves.
    bench.advance(28 * 60);
    bench.sim.server.faults.add(Rule::next(Method::POST, "/connect/token", Fault::DropBefore));
    bench.create(&bench.request("H-1")).await.unwrap();
    assert_eq!(bench.token_requests(), 5);
    bench.advance(1);
    assert!(bench.xero.permit().await.is_ok());
    assert_eq!(bench.token_requests(), 6);
}

#[tokio::test]
async fn one_request_gets_the_token_for_all() {
    let bench = bench().await;
    let tasks = (0..4).map(|_| {
        let xero = bench.xero.clone();
        tokio::spawn(async move { xero.permit().await.map(drop) })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    assert_eq!(bench.token_requests(), 1);
}

#[tokio::test]
async fn a_token_that_expires_midway_is_renewed_and_the_same_bytes_go_again() {
    let bench = bench().await;
    bench.xero.organisation().await.unwrap();
    bench.sim.expire_tokens();
    let request = bench.request("E-1");
    bench.create(&request).await.unwrap();
    let puts: Vec<_> = bench.sim.server.requests().into_iter().filter(|sent| sent.method == Method::PUT).collect();
    assert_eq!(puts.iter().map(|sent| sent.status).collect::<Vec<_>>(), [401, 200]);
    assert!(puts.iter().all(|sent| sent.body == request.body && sent.headers["idempotency-key"] == "k1"));
    assert_eq!((bench.token_requests(), bench.sim.documents().len()), (2, 1));
    let expired = r#"{"Title":"Unauthorized","Status":401,"Detail":"TokenExpired: token expired at 1"}"#;
    let canned = Fault::Answer(Canned::new(401, expired));
    bench.sim.server.faults.add(Rule::next(Method::GET, "/Organisation", canned).times(2));
    let refreshed = bench.xero.refresh_organisation(SignedDuration::ZERO).await;
    assert_eq!(fault(refreshed), CompanyFault::Token);
}

#[tokio::test]
async fn scopes_and_tenants_stop_the_company_and_heal() {
    let bench = bench().await;
    bench.sim.revoke_scope("accounting.invoices");
    assert_eq!(fault(bench.create(&bench.request("S-1")).await), CompanyFault::ScopeMissing);
    bench.sim.restore_scopes();
    bench.create(&bench.request("S-1")).await.unwrap();
    bench.sim.disconnect();
    assert_eq!(fault(bench.create(&bench.request("S-1")).await), CompanyFault::Tenant);
    bench.sim.reconnect();
    bench.create(&bench.request("S-1")).await.unwrap();
    let lower = r#"{"title":"Forbidden","status":403,"detail":"AuthenticationUnsuccessful"}"#;
    bench.sim.server.faults.add(Rule::next(Method::PUT, "/Invoices", Fault::Answer(Canned::new(403, lower))));
    let Err(XeroError::Company { cause, .. }) = bench.create(&bench.request("S-1")).await else { panic!() };
    assert!(cause.contains("AuthenticationUnsuccessful"), "{cause}");
    for canned in [
        Canned::new(401, r#"{"detail":"authorizationunsuccessful"}"#),
        Canned::new(401, "").header("www-authenticate", "insufficient_scope"),
        Canned::new(401, "").header("www-authenticate", "insufficent_scope"),
    ] {
        bench.sim.server.faults.add(Rule::next(Method::PUT, "/Invoices", Fault::Answer(canned)));
        assert_eq!(fault(bench.create(&bench.request("S-1")).await), CompanyFault::ScopeMissing);
    }
    let strangers = bench_with(|_| {}, |settings| settings.tenant_id = Some(Uuid::from_u128(5))).await;
    assert_eq!(fault(strangers.xero.organisation().await), CompanyFault::Tenant);
}

#[tokio::test]
async fn a_new_refresh_token_is_kept_before_its_access_token_is_used() {
    let bench = refreshing().await;
    bench.vault.gate.forget_permits(1000);
    let xero = bench.xero.clone();
    let task = tokio::spawn(async move { xero.directory().await.map(drop) });
    bench.vault.waiting.notified().await;
    tokio::task::yield_now().await;
    assert_eq!((bench.sim.calls(), bench.token_requests()), (0, 1), "the token waits for the vault");
    bench.vault.gate.add_permits(1000);
    task.await.unwrap().unwrap();
    assert_eq!((bench.sim.calls(), bench.vault.kept().len()), (1, 2));
    for round in 3..6 {
        bench.advance(1800);
        bench.xero.directory().await.unwrap();
        assert_eq!(bench.vault.kept().len(), round);
    }
    assert!(bench.sim.server.requests().iter().all(|sent| sent.status == 200));
}

#[tokio::test]
async fn a_token_is_kept_although_nobody_waits_for_it_any_more() {
    let bench = refreshing().await;
    let gate = Arc::new(Gate::default());
    bench.sim.server.faults.add(Rule::next(Method::POST, "/connect/token", Fault::Hold(Arc::clone(&gate))));
    let xero = bench.xero.clone();
    let task = tokio::spawn(async move { xero.directory().await.map(drop) });
    gate.arrived().await;
    gate.pass(None);
    gate.handled().await;
    // Xero has changed the token, and whoever asked is ended before it is heard.
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    // Longer than Xero takes the one before.
    bench.advance(31 * 60);
    gate.answer();
    bench.xero.directory().await.unwrap();
    assert_eq!((bench.token_requests(), bench.vault.kept().len()), (2, 3), "the second one was got with the first");
}

#[tokio::test]
async fn a_token_that_cannot_be_kept_is_not_used_and_not_lost() {
    let bench = refreshing().await;
    bench.vault.full.store(true, Ordering::SeqCst);
    let Err(XeroError::Wait { until, cause }) = bench.xero.directory().await else { panic!() };
    assert!(cause.contains("the disk is full"), "{cause}");
    assert_eq!((bench.sim.calls(), bench.token_requests()), (0, 1));
    // Even after Xero has forgotten the old one.
    bench.clock.set(until + SignedDuration::from_mins(31));
    assert!(matches!(bench.xero.directory().await, Err(XeroError::Wait { .. })));
    bench.vault.full.store(false, Ordering::SeqCst);
    bench.advance(60);
    bench.xero.directory().await.unwrap();
    assert_eq!((bench.vault.kept().len(), bench.token_requests()), (3, 2));
}

#[tokio::test]
async fn a_lost_refresh_answer_is_mended_with_the_token_before() {
    let bench = refreshing().await;
    bench.sim.server.faults.add(Rule::next(Method::POST, "/connect/token", Fault::DropAfter));
    assert!(matches!(bench.xero.directory().await, Err(XeroError::Wait { .. })));
    assert_eq!(bench.vault.kept(), ["r0"]);
    bench.advance(2);
    bench.xero.directory().await.unwrap();
    assert_eq!(bench.vault.kept().len(), 2);
}

#[tokio::test]
async fn a_refused_refresh_token_is_looked_up_once_more() {
    let bench = refreshing().await;
    bench.sim.revoke_refresh_tokens();
    assert_eq!(fault(bench.xero.directory().await), CompanyFault::InvalidGrant);
    assert_eq!(bench.token_requests(), 1, "the vault had no other");
    bench.sim.grant_refresh_token("r9");
    bench.advance(10);
    assert_eq!(fault(bench.xero.directory().await), CompanyFault::InvalidGrant);
    bench.vault.kept.lock().unwrap().push("r9".to_owned());
    bench.advance(10);
    bench.xero.directory().await.unwrap();
    bench.vault.kept.lock().unwrap().clear();
    bench.advance(1800);
    assert_eq!(fault(bench.xero.directory().await), CompanyFault::InvalidGrant);

    // Another process rotates between our look into the vault and Xero's answer.
    let bench = refreshing().await;
    bench.sim.grant_refresh_token("r1");
    bench.vault.gate.forget_permits(1000);
    bench.sim.server.faults.add(Rule::next(Method::POST, "/connect/token", Fault::Delay(Duration::from_millis(300))));
    let xero = bench.xero.clone();
    let task = tokio::spawn(async move { xero.directory().await.map(drop) });
    while bench.vault.loads.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    bench.vault.kept.lock().unwrap().push("r1".to_owned());
    bench.vault.gate.add_permits(1000);
    task.await.unwrap().unwrap();
    assert_eq!((bench.token_requests(), bench.vault.kept().len()), (2, 3));
}
