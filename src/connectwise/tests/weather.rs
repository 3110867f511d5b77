//! Discovery, throttling, time-outs, credentials, long lists, and what doctor asks.

use std::sync::Arc;
use std::time::Duration;

use super::super::{ConnectWise, Endpoint};
use super::{Rig, rig, settings_for};
use crate::remote::RemoteError;
use crate::simulator::connectwise::Throttle;
use crate::simulator::faults::{Canned, Fault, Rule};

impl Rig {
    fn discovering(&self, company: &str) -> ConnectWise {
        let site = Endpoint::Site(self.tenant.site_url().parse().unwrap());
        let settings = settings_for(&self.tenant, site);
        let settings = super::Settings { company: company.to_owned(), ..settings };
        ConnectWise::new(settings, self.clock.clone()).unwrap()
    }
}

#[tokio::test]
async fn a_release_that_moves_the_api_is_followed_once() {
    let rig = rig(|_| ()).await;
    let client = Arc::new(rig.discovering("acme"));
    client.ping().await.unwrap();
    rig.tenant.set_codebase("v2026_2/");
    let callers: Vec<_> = (0..6)
        .map(|_| {
            let client = Arc::clone(&client);
            tokio::spawn(async move { client.ping().await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(rig.requests("GET", "companyinfo"), 2);
    let gone = rig.tenant.server.requests().iter().any(|request| request.status == 404);
    assert!(gone && client.invoice("7").await == Ok(None));
    assert_eq!(rig.requests("GET", "companyinfo"), 2, "a missing record is not a missing API");
}

#[tokio::test]
async fn an_api_that_is_not_there_is_not_a_missing_invoice() {
    let rig = rig(|_| ()).await;
    rig.tenant.set_legacy_path(false);
    let error = rig.client.invoice("7").await.unwrap_err();
    assert!(matches!(&error, RemoteError::Unauthorized { cause, .. } if cause.contains("endpoint")), "{error}");
    let error = rig.discovering("other").ping().await.unwrap_err();
    assert!(matches!(&error, RemoteError::Unauthorized { cause, .. } if cause.contains("'other'")), "{error}");
}

#[tokio::test]
async fn a_throttle_is_waited_for_or_handed_to_the_queue() {
    let rig = rig(|_| ()).await;
    for shape in [Throttle::Error, Throttle::Code] {
        rig.tenant.throttle(1, 30, shape);
        let Err(RemoteError::Throttled { wait, cause, .. }) = rig.client.ping().await else { panic!("{shape:?}") };
        assert_eq!(wait, Some(Duration::from_secs(30)));
        assert!(cause.contains("Too many requests"), "{cause}");
        rig.tenant.throttle(1, 0, shape);
        rig.client.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_and_bad_credentials_are_not() {
    let rig = rig(|_| ()).await;
    rig.tenant.time_out_once();
    rig.client.ping().await.unwrap();
    assert_eq!(rig.requests("GET", "system/info"), 2);
    rig.tenant.server.faults.add(Rule::every("system/info", Fault::DropBefore).times(1));
    rig.client.ping().await.unwrap();
    rig.tenant.server.clear_requests();
    rig.tenant.break_credentials();
    let error = rig.client.ping().await.unwrap_err();
    assert!(matches!(&error, RemoteError::Unauthorized { cause, .. } if cause.contains("Incorrect")), "{error}");
    assert!(error.to_string().contains("(request "), "{error}");
    assert_eq!(rig.requests("GET", "system/info"), 1);
    let shown = format!("{:?} {error:?}", rig.client);
    assert!(!shown.contains("private-key"), "{shown}");
}

#[tokio::test]
async fn at_most_eight_requests_are_in_flight() {
    let rig = rig(|settings| settings.latency = Duration::from_millis(100)).await;
    let started = std::time::Instant::now();
    let callers: Vec<_> = (0..9)
        .map(|_| {
            let client = Arc::clone(&rig.client);
            tokio::spawn(async move { client.ping().await })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert!(started.elapsed() >= Duration::from_millis(200), "the ninth waited");
}

#[tokio::test]
async fn long_lists_are_read_to_their_end_on_the_configured_host_only() {
    let rig = rig(|_| ()).await;
    for number in 0..2100 {
        let _ = rig.tenant.add_billing_status(&format!("Status {number}"), false);
    }
    assert_eq!(rig.client.billing_statuses().await.unwrap().len(), 2105);
    assert_eq!(rig.requests("GET", "billingStatuses"), 3);
    let page = Canned::new(200, "[]").header("link", "<http://evil.invalid/x?pageSize=1000&pageId=7>; rel=\"next\"");
    rig.tenant.server.faults.add(Rule::every("billingStatuses", Fault::Answer(page)).times(1));
    assert!(rig.client.billing_statuses().await.unwrap().len() > 2000, "only the query of a link is taken");
    let page = Canned::new(200, "[]").header("link", "<http://x/y?pageSize=1000>; rel=\"next\"");
    rig.tenant.server.faults.add(Rule::every("billingStatuses", Fault::Answer(page)).times(1));
    assert!(matches!(rig.client.billing_statuses().await, Err(RemoteError::Malformed { .. })), "a circle");
}

#[tokio::test]
async fn doctor_sees_the_set_up() {
    let rig = rig(|_| ()).await;
    rig.tenant.register_callback("https://hook.example/cw?recordId=", "Invoice", "owner", 0).unwrap();
    let statuses = rig.client.billing_statuses().await.unwrap();
    let closed: Vec<&str> = statuses.iter().filter(|status| status.closed).map(|status| status.name.as_str()).collect();
    assert_eq!(closed, ["Ready to Post", "Closed", "Posted to Xero"]);
    assert_eq!(rig.client.tax_code_names().await.unwrap(), ["GST"]);
    let captions = rig.client.captions().await.unwrap();
    assert_eq!(captions.len(), 4);
    rig.tenant.add_gl_account("R", "Consulting", &["230", "Sydney"]);
    let mappings = rig.client.gl_mappings().await.unwrap();
    let mut codes: Vec<String> =
        mappings.iter().filter(|row| row.maps_lines()).map(|row| row.account(&captions)).collect();
    codes.sort();
    codes.dedup();
    assert_eq!(codes, ["200", "210", "220", "230", "310", "425", "493"], "no receivables, payables and taxes");
    let last = mappings.last().unwrap();
    assert_eq!((last.gl_type.as_str(), last.record.as_str(), last.segments[1].as_str()), ("R", "Consulting", "Sydney"));
    rig.tenant.add_currency("EUR");
    assert_eq!(rig.client.currencies().await.unwrap(), ["AUD", "EUR"]);
    let terms = rig.client.all_terms().await.unwrap();
    assert!(terms.iter().any(|row| !row.name.is_empty() && !row.xref.is_empty()), "{terms:?}");
    let callbacks = rig.client.callbacks().await.unwrap();
    let entry = &callbacks[0];
    assert_eq!((entry.kind.as_str(), entry.level.as_str(), entry.object_id), ("Invoice", "owner", Some(1)));
    assert!(!entry.inactive && entry.url.ends_with("recordId="));
    let at = "Mon, 30 Nov 2026 10:00:05 GMT";
    rig.tenant.server.faults.add(Rule::every("system/info", Fault::Answer(Canned::new(200, "{}").header("date", at))));
    assert_eq!(rig.client.clock_offset().await.unwrap(), Some(jiff::SignedDuration::from_secs(5)));
}
