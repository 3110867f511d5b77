//! The page in a real browser, as people meet it.
//!
//! Without a chromedriver these tests say so and pass, unless `READYPOST_REQUIRE_BROWSER` is set. Where `READYPOST_AXE`
//! names a file of axe-core, every page is checked for accessibility. `READYPOST_PICTURES` names a folder for pictures.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

#[path = "browser/driver.rs"]
mod driver;
#[expect(dead_code, reason = "not everything of the harness is used here")]
#[path = "it/harness.rs"]
mod harness;

use std::path::Path;

use jiff::SignedDuration;
use serde_json::{Value, json};

use driver::Browser;
use harness::{Differently, TOKEN, VIEWER, World, dec, labour};

/// Every page, with a record's.
fn pages(invoice: i64) -> Vec<(&'static str, String)> {
    vec![
        ("status", "/status".to_owned()),
        ("issues", "/status/issues".to_owned()),
        ("warnings", "/status/warnings".to_owned()),
        ("held", "/status/records?state=held".to_owned()),
        ("records", "/status/records".to_owned()),
        ("record", format!("/status/records/acme/invoice/{invoice}")),
        ("bulk", "/status/bulk".to_owned()),
        ("checks", "/status/checks".to_owned()),
        ("simulation", "/status/checks/simulations/1".to_owned()),
        ("simulation of one", "/status/checks/simulations/2".to_owned()),
        ("map check", "/status/checks/maps/acme-au".to_owned()),
        ("statement", "/status/checks/statements/acme-au/2026-11".to_owned()),
    ]
}

async fn sign_in(browser: &Browser, world: &World, token: &str) {
    browser.go(&format!("{}/status", world.url)).await;
    browser.fill("token", token).await;
    browser.click("Sign in").await;
    browser.sees("Needs you").await;
}

/// An invoice whose account Xero does not have.
async fn held(world: &World, number: &str, account: &str) -> i64 {
    let mut line = labour("1", "100");
    account.clone_into(&mut line.account);
    let invoice = world.invoice(number, vec![line]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held unknown_account");
    invoice
}

/// An invoice with a cent that is made up.
async fn warned(world: &World, number: &str) -> i64 {
    let invoice = world.invoice(number, vec![labour("1", "200")]);
    world.connectwise.edit_invoice(invoice, |invoice| invoice.total = Some(dec("220.40"))).unwrap();
    world.ready(invoice);
    world.settle().await;
    invoice
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_finds_a_hold_mends_it_and_sees_it_posted() {
    if !driver::is_there() {
        return;
    }
    let world = World::new().await;
    held(&world, "1001", "997").await;
    let browser = Browser::open(1200, 900, false).await;
    sign_in(&browser, &world, TOKEN).await;
    browser.click("unknown account: account '997'").await;
    browser.sees("there is no account with the code '997' in Xero").await;
    browser.click("1001").await;
    browser.sees("What helps: Add the account in Xero").await;
    world.xero.add_account("997", "New Sales", "REVENUE");
    world.pass(SignedDuration::from_mins(2)).await;
    browser.fill("note", "account added").await;
    browser.click("Retry").await;
    browser.sees("Waits to post").await;
    world.settle().await;
    browser.go(&browser.url().await).await;
    browser.sees("1001 in Xero").await;
    browser.sees("tester: retry. account added").await;
    browser.sees("Both sides").await;
    browser.click("Sign out").await;
    browser.sees("The token is yours alone").await;
    assert_eq!(browser.complaints(&world.url).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_is_retried_in_bulk_and_warnings_are_acknowledged() {
    if !driver::is_there() {
        return;
    }
    let world = World::new().await;
    for number in 1001..1006 {
        held(&world, &number.to_string(), "997").await;
    }
    let browser = Browser::open(1200, 900, true).await;
    sign_in(&browser, &world, TOKEN).await;
    browser.click("Issues").await;
    browser.sees("5 records wait for 1 things").await;
    browser.click("unknown account: account '997'").await;
    world.xero.add_account("997", "New Sales", "REVENUE");
    browser.choose("action", "retry").await;
    browser.click("Plan").await;
    browser.sees("Nothing is decided yet").await;
    browser.click("retry 5 records").await;
    browser.sees("5 decided, 0 refused, of 5").await;
    world.pass(SignedDuration::from_mins(2)).await;
    browser.click("Issues").await;
    browser.sees("Nothing is held").await;

    let invoice = warned(&world, "2001").await;
    assert_eq!(world.state(invoice).await, "done");
    browser.click("Warnings").await;
    browser.click("2001").await;
    browser.sees("To the cent").await;
    browser.fill("note", "seen").await;
    browser.click("Acknowledge").await;
    browser.sees("Acknowledged by tester").await;
    browser.click("Warnings").await;
    browser.sees("Nothing to look at").await;
    assert_eq!(browser.complaints(&world.url).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_simulated_and_a_month_is_stated() {
    if !driver::is_there() {
        return;
    }
    let world = World::new().await;
    let invoice = held(&world, "1001", "997").await;
    let browser = Browser::open(1200, 900, true).await;
    sign_in(&browser, &world, TOKEN).await;
    let record = format!("{}/status/records/acme/invoice/{invoice}", world.url);
    browser.go(&record).await;
    browser.click("Simulate").await;
    browser.sees("1001 would be held").await;
    browser.sees("What helps: Add the account in Xero").await;
    world.xero.add_account("997", "New Sales", "REVENUE");
    world.pass(SignedDuration::from_mins(2)).await;
    browser.go(&record).await;
    browser.click("Simulate").await;
    browser.sees("1001 would be posted").await;
    browser.sees("PUT Invoices").await;
    browser.click("Checks").await;
    browser.click("State the month").await;
    browser.sees("Nothing was closed in ConnectWise").await;
    browser.click("Checks").await;
    world.connectwise.add_currency("EUR");
    browser.click("Check the map").await;
    browser.sees("to correct before").await;
    assert_eq!(browser.complaints(&world.url).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_shown_anew_until_what_it_shows_has_ended() {
    if !driver::is_there() {
        return;
    }
    let scarce = Differently { xero: |settings| settings.minute_limit = 15, ..Differently::default() };
    let world = World::with(scarce).await;
    for number in 0..12 {
        world.ready(world.invoice(&format!("40{number:02}"), vec![labour("1", "100")]));
    }
    let browser = Browser::open(1200, 900, false).await;
    sign_in(&browser, &world, TOKEN).await;
    browser.click("Checks").await;
    browser.click("Simulate everything unposted").await;
    browser.sees("waits for calls until").await;
    let cancel = world.http.delete(format!("{}/api/v1/simulate?id=1", world.url)).bearer_auth(TOKEN);
    assert_eq!(cancel.send().await.unwrap().status().as_u16(), 200);
    browser.sees("It was cancelled.").await;
    let asked = async || browser.run("return performance.getEntriesByType('resource').length").await;
    let before = asked().await;
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    assert_eq!(asked().await, before, "nothing is asked for any more");
    assert_eq!(browser.complaints(&world.url).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_looks_and_the_keyboard_is_enough() {
    if !driver::is_there() {
        return;
    }
    let world = World::new().await;
    let invoice = held(&world, "1001", "997").await;
    held(&world, "1002", "998").await;
    let browser = Browser::open(1200, 900, false).await;
    sign_in(&browser, &world, VIEWER).await;
    browser.sees("(viewer)").await;
    browser.go(&format!("{}/status/records/acme/invoice/{invoice}", world.url)).await;
    browser.sees("unknown_account").await;
    assert_eq!(browser.run("return document.querySelectorAll('form.act').length").await, 0);
    browser.go(&format!("{}/status/records?state=held", world.url)).await;
    browser.press("j").await;
    assert_eq!(browser.run("return document.activeElement.textContent").await, "1001");
    browser.press("j").await;
    assert_eq!(browser.run("return document.activeElement.textContent").await, "1002");
    browser.press("/").await;
    assert_eq!(browser.run("return document.activeElement.name").await, "q");
    browser.fill("q", "1002").await;
    browser.press("\u{E007}").await;
    browser.sees("1002").await;
    assert!(browser.url().await.contains("q=1002") && !browser.text().await.contains("1001"));
    assert_eq!(browser.complaints(&world.url).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_phone_and_can_be_used_by_everybody() {
    if !driver::is_there() {
        return;
    }
    let world = World::new().await;
    held(&world, "1001", "997").await;
    let invoice = warned(&world, "2001").await;
    world.connectwise.add_currency("EUR");
    for (path, asked, which) in [
        ("simulate", json!({"company": "acme-au", "month": "2026-11"}), "id=1"),
        ("simulate", json!({"record": format!("acme/invoice/{invoice}")}), "id=2"),
        ("map-check", json!({"company": "acme-au"}), "company=acme-au"),
        ("reconcile", json!({"company": "acme-au", "month": "2026-11"}), "company=acme-au&month=2026-11"),
    ] {
        let (status, begun) = world.post(&format!("/api/v1/{path}"), &asked).await;
        assert_eq!(status, 202, "{begun}");
        while world.get(&format!("/api/v1/{path}?{which}")).await["state"] == "running" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    let axe = std::env::var_os("READYPOST_AXE").map(|path| std::fs::read_to_string(path).unwrap());
    if axe.is_none() {
        println!("left out: READYPOST_AXE names no axe-core, so accessibility is not checked");
    }
    for (width, height, dark) in [(390, 844, false), (1200, 900, false), (1200, 900, true)] {
        let browser = Browser::open(width, height, dark).await;
        sign_in(&browser, &world, TOKEN).await;
        for (name, path) in pages(invoice) {
            browser.go(&format!("{}{path}", world.url)).await;
            let wide = browser.run("return document.scrollingElement.scrollWidth - window.innerWidth").await;
            assert!(wide.as_i64().unwrap() <= 0, "{name} is {wide} pixels too wide for {width}");
            if let Some(axe) = &axe {
                check(&browser, axe, &format!("{name}, {width}, dark: {dark}")).await;
            }
            if let Some(folder) = std::env::var_os("READYPOST_PICTURES") {
                let file = format!("{name}-{width}{}.png", if dark { "-dark" } else { "" });
                std::fs::write(Path::new(&folder).join(file), browser.picture().await).unwrap();
            }
        }
        assert_eq!(browser.complaints(&world.url).await, [""; 0]);
    }
}

/// No serious finding of axe.
async fn check(browser: &Browser, axe: &str, page: &str) {
    browser.run(axe).await;
    let script = "const done = arguments[arguments.length - 1]; axe.run(document, { resultTypes: ['violations'] }).then(found => done(found.violations.map(one => one.impact + ' ' + one.id + ': ' + one.help + ' ' + one.nodes.map(node => node.html).slice(0, 2).join(' '))))";
    let found = browser.run_async(script).await;
    let serious: Vec<&Value> = found
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one.as_str().is_some_and(|one| one.starts_with("serious") || one.starts_with("critical")))
        .collect();
    assert!(serious.is_empty(), "{page}: {serious:#?}");
}
