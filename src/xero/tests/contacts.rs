//! The directory and the settings: complete, current, and cheap.

use axum::http::Method;

use super::*;
use crate::domain::contact::{ContactMatch, find};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::simulator::faults::{Canned, Fault, Rule};
use crate::simulator::xero::NewContact;
use crate::xero::XeroError;

#[tokio::test]
async fn the_directory_has_every_page_and_follows_every_change() {
    let bench = bench().await;
    let ids: Vec<Uuid> = (0..2345)
        .map(|number| bench.sim.add_contact(NewContact { name: format!("Company {number}"), ..Default::default() }))
        .collect();
    bench.sim.archive_contact(ids[3]);
    bench.advance(60);
    let directory = bench.xero.directory().await.unwrap();
    assert_eq!((directory.len(), bench.sim.calls()), (2346, 3));
    let of = |directory: &[crate::domain::contact::Contact], id: Uuid| {
        directory.iter().find(|contact| contact.id == id).cloned().unwrap()
    };
    assert!(!of(&directory, ids[3]).active && of(&directory, ids[4]).active);

    bench.advance(3600);
    assert!(Arc::ptr_eq(&bench.xero.directory().await.unwrap(), &directory), "nothing changed");
    bench.sim.archive_contact(ids[5]);
    bench.sim.restore_contact(ids[3]);
    bench.sim.rename_contact(ids[2000], "Renamed");
    let late = bench.sim.add_contact(NewContact {
        name: "Late".to_owned(),
        number: Some("250".to_owned()),
        ..Default::default()
    });
    let directory = bench.xero.directory().await.unwrap();
    assert_eq!((directory.len(), bench.sim.calls()), (2347, 5));
    assert!(of(&directory, ids[3]).active && !of(&directory, ids[5]).active);
    assert_eq!(of(&directory, ids[2000]).name, "Renamed");
    assert_eq!(find(&client(250, "Whoever"), &directory), ContactMatch::Known(late));
    // A change in the same second as the last look is seen, too.
    bench.sim.rename_contact(ids[7], "Same second");
    assert_eq!(of(&bench.xero.directory().await.unwrap(), ids[7]).name, "Same second");
    let sent = bench.sim.server.requests().pop().unwrap();
    assert_eq!(sent.headers["if-modified-since"], "2026-11-02T01:00:45Z");
}

#[tokio::test]
async fn a_clock_that_is_ahead_of_xero_misses_nothing() {
    let bench = bench().await;
    let old = Canned::new(200, r#"{"DateTimeUTC":"/Date(1700000000000)/","Contacts":[]}"#);
    bench.sim.server.faults.add(Rule::next(Method::GET, "/Contacts", Fault::Answer(old)));
    assert!(bench.xero.directory().await.unwrap().is_empty());
    assert_eq!(bench.xero.directory().await.unwrap().len(), 1);
    let sent = bench.sim.server.requests().pop().unwrap();
    assert_eq!(sent.headers["if-modified-since"], "2023-11-14T22:13:05Z");
}

#[tokio::test]
async fn pages_come_in_xeros_own_order_if_it_refuses_ours() {
    let bench = bench().await;
    let refusal = r#"{"ErrorNumber":51,"Type":"HighVolumeException","Message":"not efficient"}"#;
    bench.sim.server.faults.add(Rule::next(Method::GET, "/Contacts", Fault::Answer(Canned::new(400, refusal))));
    assert_eq!(bench.xero.directory().await.unwrap().len(), 1);
    bench.xero.directory().await.unwrap();
    let queries: Vec<String> =
        bench.sim.server.requests().iter().filter_map(|sent| sent.uri.query().map(str::to_owned)).collect();
    assert_eq!(queries.iter().map(|query| query.contains("order=")).collect::<Vec<_>>(), [true, false, false]);
}

#[tokio::test]
async fn who_waits_for_an_update_that_began_later_begins_no_other() {
    let bench = bench_with(|settings| settings.latency = Duration::from_millis(50), |_| {}).await;
    bench.xero.directory().await.unwrap();
    let calls = bench.sim.calls();
    let tasks: Vec<_> = (0..12)
        .map(|_| {
            let xero = bench.xero.clone();
            tokio::spawn(async move { xero.directory().await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(bench.sim.calls() - calls <= 2, "{}", bench.sim.calls() - calls);
}

#[tokio::test]
async fn a_new_contact_carries_the_company_within_xeros_rules() {
    let bench = bench().await;
    bench.xero.directory().await.unwrap();
    let mut company = client(250, "  Big  <Blue>  Pty ");
    company.account_number = "AC-1".to_owned();
    company.invoice_email = "nobody; accounts@big.example, x@y.example".to_owned();
    company.phone = "+61 2 5550 0000".to_owned();
    company.tax_number = "12 345".to_owned();
    company.address.line1 = "1 High  St".to_owned();
    company.address.country = "Australia (AU)".to_owned();
    let id = bench.xero.create_contact(&company).await.unwrap();
    let held = bench.sim.contacts().into_iter().find(|contact| contact.id == id).unwrap();
    assert_eq!((held.name.as_str(), held.number.as_deref()), ("Big Blue Pty", Some("250")));
    assert_eq!(held.email.as_deref(), Some("accounts@big.example"));
    assert_eq!((held.account_number.as_deref(), &held.details["TaxNumber"]), (Some("AC-1"), &"12 345".into()));
    assert_eq!(held.details["Addresses"].to_string(), r#"[{"AddressLine1":"1 High St","AddressType":"POBOX"}]"#);
    assert_eq!(held.details["Phones"][0]["PhoneNumber"], "+61 2 5550 0000");
    assert_eq!(held.details["ContactPersons"][0]["EmailAddress"], "pat@client.example");
    assert_eq!(held.details["ContactPersons"][1]["FirstName"], "Bill");
    assert!(held.details["ContactPersons"][1].get("EmailAddress").is_none());
    // It is in the directory without another call.
    let calls = bench.sim.calls();
    assert_eq!(bench.xero.create_contact(&company).await.unwrap(), id);
    assert_eq!(bench.sim.calls(), calls);
    assert_eq!(find(&company, &bench.xero.directory().await.unwrap()), ContactMatch::Known(id));
}

#[tokio::test]
async fn a_new_contact_is_never_made_twice() {
    let bench = bench().await;
    bench.xero.directory().await.unwrap();
    let company = client(250, "New");
    bench.sim.server.faults.add(Rule::next(Method::PUT, "/Contacts", Fault::DropAfter));
    assert!(matches!(bench.xero.create_contact(&company).await, Err(XeroError::Unknown { .. })));
    let id = bench.xero.create_contact(&company).await.unwrap();
    assert_eq!(bench.sim.contacts().len(), 2);
    assert_eq!(find(&company, &bench.xero.directory().await.unwrap()), ContactMatch::Known(id));
    let other = client(251, "Other");
    let (one, two) = tokio::join!(bench.xero.create_contact(&other), bench.xero.create_contact(&other));
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(bench.sim.calls_by(&Method::PUT, "/Contacts"), 3);
}

#[tokio::test]
async fn a_refused_contact_can_be_tried_again_at_once_when_its_cause_is_gone() {
    let bench = bench().await;
    let company = client(250, "ACME");
    let refused = bench.xero.create_contact(&company).await;
    assert!(matches!(refused, Err(XeroError::Refused(HoldReason { code: HoldCode::SimilarContact, .. }))));
    bench.sim.rename_contact(bench.contact, "Acme Holdings");
    bench.xero.create_contact(&company).await.unwrap();
    bench.sim.fail_next_write_before_commit();
    let next = client(252, "Next");
    assert!(matches!(bench.xero.create_contact(&next).await, Err(XeroError::ServerError { .. })));
    bench.xero.create_contact(&next).await.unwrap();
    let nameless = bench.xero.create_contact(&client(253, " <> ")).await;
    assert!(matches!(nameless, Err(XeroError::Refused(HoldReason { code: HoldCode::UnreadableField, .. }))));
    // Xero's idea of an address is narrower than anybody's.
    let odd = r#"{"Type":"ValidationException","Elements":[{"ValidationErrors":[{"Message":"Email address must be valid."}]}]}"#;
    bench.sim.server.faults.add(Rule::next(Method::PUT, "/Contacts", Fault::Answer(Canned::new(400, odd))));
    let id = bench.xero.create_contact(&client(254, "Odd")).await.unwrap();
    let held = bench.sim.contacts().into_iter().find(|contact| contact.id == id).unwrap();
    assert_eq!(held.email, None);
}

#[tokio::test]
async fn settings_are_read_once_in_half_an_hour_or_when_asked() {
    let bench = bench().await;
    bench.sim.set_lock_dates(Some("2026-10-31".parse().unwrap()), None);
    let organisation = bench.xero.organisation().await.unwrap();
    assert_eq!(bench.sim.calls(), 6);
    assert_eq!((organisation.name.as_str(), organisation.country.as_str()), ("Demo Company (AU)", "AU"));
    assert_eq!(
        (organisation.base_currency.as_str(), organisation.currencies.as_slice()),
        ("AUD", &["AUD".to_owned()][..])
    );
    assert_eq!((organisation.period_lock, organisation.year_lock), (Some("2026-10-31".parse().unwrap()), None));
    let account = |code: &str| organisation.accounts.iter().find(|account| account.code == code).unwrap();
    assert!(account("200").active && !account("299").active && account("200").system.is_none());
    assert_eq!((account("860").system.as_deref(), account("090").kind.as_str()), (Some("ROUNDING"), "BANK"));
    let rate = |code: &str| organisation.tax_rates.iter().find(|rate| rate.tax_type == code).unwrap();
    assert_eq!((rate("OUTPUT").rate, rate("OUTPUT").for_sales, rate("INPUT").for_sales), (dec("10"), true, false));
    assert!(!rate("TAX002").active && rate("TAX001").active);
    assert!(organisation.items.contains(&"SSD1".to_owned()));
    assert_eq!(organisation.tracking[0].options, ["Sydney", "Melbourne"]);

    bench.sim.set_lock_dates(None, None);
    bench.advance(30 * 60 - 1);
    assert_eq!(bench.xero.organisation().await.unwrap(), organisation);
    assert!(!bench.xero.refresh_organisation(SignedDuration::from_mins(30)).await.unwrap());
    assert_eq!(bench.sim.calls(), 6);
    assert!(bench.xero.refresh_organisation(SignedDuration::from_mins(1)).await.unwrap());
    assert!(!bench.xero.refresh_organisation(SignedDuration::from_mins(1)).await.unwrap());
    assert_eq!((bench.xero.organisation().await.unwrap().period_lock, bench.sim.calls()), (None, 12));
    bench.advance(30 * 60);
    let (one, two) = tokio::join!(bench.xero.organisation(), bench.xero.organisation());
    assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
    assert_eq!(bench.sim.calls(), 18);
    // A lock date that cannot be read must not pass for none.
    let odd = r#"{"Organisations":[{"Name":"x","BaseCurrency":"AUD","PeriodLockDate":"soon"}]}"#;
    bench.sim.server.faults.add(Rule::next(Method::GET, "/Organisation", Fault::Answer(Canned::new(200, odd))));
    let unreadable = bench.xero.refresh_organisation(SignedDuration::ZERO).await;
    assert!(matches!(unreadable, Err(XeroError::Malformed { .. })));
}
