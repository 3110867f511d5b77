//! Checks on the page: a record, a month and the map are looked into, and nothing is written.

use jiff::SignedDuration;

use crate::harness::{Differently, TOKEN, VIEWER, World, labour};
use crate::page::Visitor;
use crate::simulate::untouched;

const CHECKS: &str = "/status/checks";

/// Begins a check by a form, and its page once it has ended.
async fn checked(visitor: &mut Visitor<'_>, what: &str, fields: &[(&str, &str)]) -> String {
    let form_key = visitor.form_key(CHECKS).await;
    let fields: Vec<_> = fields.iter().copied().chain([("form_key", form_key.as_str())]).collect();
    let begun = visitor.post(&format!("{CHECKS}/{what}"), &fields).await;
    assert_eq!(begun.status, 303, "{what}: {}", begun.text);
    for _ in 0..1_000 {
        let page = visitor.get(&begun.location).await;
        assert_eq!(page.status, 200, "{}", page.text);
        if !page.text.contains(">running<") {
            return page.text;
        }
        assert!(page.text.contains("data-refresh"), "it is shown anew: {}", page.text);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{what} does not end");
}

#[tokio::test]
async fn a_hold_is_simulated_until_it_is_mended() {
    let world = World::new().await;
    let mut line = labour("1", "100");
    "997".clone_into(&mut line.account);
    let invoice = world.invoice("1001", vec![line]);
    world.ready(invoice);
    world.settle().await;
    let key = format!("acme/invoice/{invoice}");
    let mut visitor = Visitor::signed_in(&world, TOKEN).await;
    let record = visitor.get(&format!("/status/records/{key}")).await.text;
    assert!(record.contains(&format!("name=\"record\" value=\"{key}\"")), "{record}");
    let before = untouched(&world);
    let page = checked(&mut visitor, "simulate-record", &[("record", &key)]).await;
    for told in
        ["would be held", ">unknown_account<", "What helps: </strong>Add the account in Xero", "Nothing was written."]
    {
        assert!(page.contains(told), "{told}: {page}");
    }
    world.xero.add_account("997", "New Sales", "REVENUE");
    world.pass(SignedDuration::from_mins(2)).await;
    let page = checked(&mut visitor, "simulate-record", &[("record", &key)]).await;
    for told in [
        ">would be posted<",
        "PUT Invoices",
        "&quot;AccountCode&quot;: &quot;997&quot;",
        &format!("/status/records/{key}"),
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let after = untouched(&world);
    // The account was added by hand, and time passed; nothing else is another.
    assert_eq!(before[1..], after[1..]);
    let list = visitor.get(CHECKS).await.text;
    assert_eq!(list.matches(&format!("Simulation of {key}")).count(), 2, "{list}");
}

#[tokio::test]
async fn a_month_and_a_map_are_looked_into() {
    let world = World::new().await;
    world.ready(world.invoice("1001", vec![labour("1", "100")]));
    world.settle().await;
    for number in 2001..2150 {
        world.ready(world.invoice(&number.to_string(), vec![labour("1", "100")]));
    }
    let _ = world.connectwise.take_callbacks();
    world.connectwise.add_currency("EUR");
    let mut visitor = Visitor::signed_in(&world, TOKEN).await;
    let month = [("company", "acme-au"), ("month", "2026-11")];
    let page = checked(&mut visitor, "state-month", &month).await;
    for told in ["NOT in balance", "+ missing", ">1001<", "reconcile?format=csv&amp;company=acme-au&amp;month=2026-11"]
    {
        assert_eq!(page.contains(told), told != ">1001<", "{told}: {page}");
    }
    let page = checked(&mut visitor, "simulate-unposted", &month).await;
    assert!(
        page.contains("Simulation of acme-au, everything unposted") && page.contains("<td class=\"amount\">149"),
        "{page}"
    );
    assert!(page.split_once("offset=100\"").unwrap().1.starts_with(">Next<"), "{page}");
    let id = page.split_once("format=csv&amp;id=").unwrap().1.split('"').next().unwrap().to_owned();
    let second = visitor.get(&format!("{CHECKS}/simulations/{id}?offset=100")).await.text;
    assert_eq!(page.matches("<summary>All of it").count() + second.matches("<summary>All of it").count(), 149);
    let page = checked(&mut visitor, "simulate-month", &month).await;
    assert!(
        page.contains("Simulation of acme-au, 2026-11")
            && page.contains(">posted<")
            && page.contains("Xero says the same"),
        "{page}"
    );
    let page = checked(&mut visitor, "check-map", &month).await;
    for told in ["Map check of acme-au", "would hold", "EUR", "Compared"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let list = visitor.get(CHECKS).await.text;
    for told in
        ["Map check of acme-au", "Statement of acme-au, 2026-11", "NOT in balance", "Simulation of acme-au, 2026-11"]
    {
        assert!(list.contains(told), "{told}: {list}");
    }
}

#[tokio::test]
async fn a_check_that_cannot_be_made_is_refused_with_a_reason() {
    let world = World::new().await;
    let mut visitor = Visitor::signed_in(&world, TOKEN).await;
    let form_key = visitor.form_key(CHECKS).await;
    for (what, fields, status, told) in [
        ("state-month", vec![("company", "acme-au"), ("month", "November")], 400, "no month such as 2026-11"),
        ("simulate-month", vec![("company", "acme-au"), ("month", "")], 400, "no month such as 2026-11"),
        ("check-map", vec![("company", "nobody")], 404, "there is no company &quot;nobody&quot;"),
        ("simulate-record", vec![("record", "5041")], 422, "5041"),
        ("everything", vec![], 404, "is no check"),
    ] {
        let mut fields = fields;
        fields.push(("form_key", &form_key));
        let seen = visitor.post(&format!("{CHECKS}/{what}"), &fields).await;
        assert!(seen.status == status && seen.text.contains(told), "{what}: {} {}", seen.status, seen.text);
        let forged = visitor.post(&format!("{CHECKS}/{what}"), &[("form_key", "x")]).await;
        assert_eq!(forged.status, 403, "{what}");
    }
    for path in ["simulations/7", "maps/acme-au", "maps/nobody", "statements/acme-au/2026-11"] {
        assert_eq!(visitor.get(&format!("{CHECKS}/{path}")).await.status, 404, "{path}");
    }
    let viewer = Visitor::signed_in(&world, VIEWER).await;
    let page = viewer.get(CHECKS).await;
    assert!(page.status == 200 && !page.text.contains("formaction"), "{}", page.text);
}

#[tokio::test]
async fn a_simulation_is_cancelled_by_whoever_may_decide() {
    let scarce = Differently { xero: |settings| settings.minute_limit = 15, ..Differently::default() };
    let world = World::with(scarce).await;
    for number in 0..12 {
        world.ready(world.invoice(&format!("40{number:02}"), vec![labour("1", "100")]));
    }
    let mut visitor = Visitor::signed_in(&world, TOKEN).await;
    let form_key = visitor.form_key(CHECKS).await;
    let asked = [("company", "acme-au"), ("form_key", form_key.as_str())];
    let address = visitor.post(&format!("{CHECKS}/simulate-unposted"), &asked).await.location;
    let again = visitor.post(&format!("{CHECKS}/simulate-unposted"), &asked).await;
    assert_eq!((again.status, &again.location), (303, &address), "pressed twice, begun once");
    let mut page = visitor.get(&address).await.text;
    while !page.contains("waits for calls until") {
        assert!(page.contains(">running<"), "{page}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        page = visitor.get(&address).await.text;
    }
    let cancel = format!("{address}/cancel");
    assert_eq!(visitor.post(&cancel, &[("form_key", "x")]).await.status, 403);
    let mut viewer = Visitor::signed_in(&world, VIEWER).await;
    let theirs = viewer.form_key(CHECKS).await;
    assert_eq!(viewer.post(&cancel, &[("form_key", &theirs)]).await.status, 403);
    let begun = viewer.post(&format!("{CHECKS}/check-map"), &[("company", "acme-au"), ("form_key", &theirs)]).await;
    assert!(begun.status == 403 && begun.text.contains("a viewer may look, but not decide"), "{}", begun.text);
    assert!(visitor.get(&address).await.text.contains(">running<"));
    assert_eq!(visitor.post(&cancel, &[("form_key", &form_key)]).await.location, address);
    for _ in 0..500 {
        page = visitor.get(&address).await.text;
        if page.contains(">cancelled<") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(page.contains("It was cancelled.") && !page.contains("data-refresh"), "{page}");
}

#[tokio::test]
async fn a_month_is_kept_however_many_records_are_simulated_after_it() {
    let world = World::new().await;
    let mut visitor = Visitor::signed_in(&world, TOKEN).await;
    checked(&mut visitor, "simulate-month", &[("company", "acme-au"), ("month", "2026-11")]).await;
    for number in 1001..1008 {
        let invoice = world.invoice(&number.to_string(), vec![labour("1", "100")]);
        checked(&mut visitor, "simulate-record", &[("record", &format!("acme/invoice/{invoice}"))]).await;
    }
    let list = visitor.get(CHECKS).await.text;
    assert!(list.contains("Simulation of acme-au, 2026-11") && list.contains("acme/invoice/5007"), "{list}");
    assert_eq!(list.matches("Simulation of").count(), 4, "{list}");
}

#[tokio::test]
async fn a_record_that_nobody_heard_of_can_be_taken_in() {
    let world = World::new().await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    let _ = world.connectwise.take_callbacks();
    let path = format!("/status/records/acme/invoice/{invoice}");
    let mut visitor = Visitor::signed_in(&world, TOKEN).await;
    let page = checked(&mut visitor, "state-month", &[("company", "acme-au"), ("month", "2026-11")]).await;
    assert!(page.contains(&format!("href=\"{path}\"")) && page.contains(">missing<"), "{page}");
    let page = visitor.get(&path).await;
    assert!(page.status == 404 && page.text.contains("no callback of it came"), "{}", page.text);
    assert!(!Visitor::signed_in(&world, VIEWER).await.get(&path).await.text.contains("/retry"));
    let form_key = visitor.form_key(CHECKS).await;
    let taken = visitor.post(&format!("{path}/retry"), &[("form_key", &form_key), ("note", "lost")]).await;
    assert_eq!((taken.status, &taken.location), (303, &path), "{}", taken.text);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    assert!(visitor.get(&path).await.text.contains("1001 in Xero"));
}
