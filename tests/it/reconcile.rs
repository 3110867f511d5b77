//! A month is stated to the cent: what ConnectWise closed is in Xero, held, waiting, skipped or missing.

use std::time::Duration;

use readypost::http::StatementView;
use readypost::simulator::connectwise::NewInvoice;
use readypost::simulator::faults::{Canned, Fault, Rule};
use serde_json::{Value, json};

use crate::harness::{TOKEN, VIEWER, World, dec, labour};
use crate::purchases::Buying;

const PATH: &str = "/api/v1/reconcile";

/// Asks for the statement of November and waits until it is there.
async fn state(world: &World) -> StatementView {
    let (status, _) = world.post(PATH, &json!({"company": "acme-au", "month": "2026-11"})).await;
    assert_eq!(status, 202);
    for _ in 0..500 {
        let view: StatementView =
            serde_json::from_value(world.get(&format!("{PATH}?company=acme-au&month=2026-11")).await).unwrap();
        if view.state != "running" {
            return view;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the statement does not end");
}

/// The sums of the sales, and the standing of each line by number.
fn sales(view: &StatementView) -> (Value, Vec<(String, String)>) {
    let statement = view.statement.as_ref().unwrap_or_else(|| panic!("{view:?}"));
    let section = serde_json::to_value(&statement.sections[0]).unwrap();
    assert_eq!(section["ledger"], "sales");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lines = section["lines"].as_array().unwrap().iter();
    let lines = lines.map(|line| (text(&line["number"]), text(&line["standing"]))).collect();
    (section["sums"].clone(), lines)
}

#[tokio::test]
async fn a_month_of_every_fate_adds_up() {
    let world = World::new().await;
    for number in ["1001", "1002", "1003"] {
        world.ready(world.invoice(number, vec![labour("1", "100")]));
    }
    let memo = NewInvoice {
        number: "1004".to_owned(),
        kind: "CreditMemo".to_owned(),
        lines: vec![labour("1", "50")],
        ..NewInvoice::default()
    };
    world.ready(world.invoice_like(memo));
    world.settle().await;
    // Nobody hears of one, another is open, a third is of October.
    world.ready(world.invoice("1005", vec![labour("1", "10")]));
    let _ = world.connectwise.take_callbacks();
    world.invoice("1006", vec![labour("1", "10")]);
    let october = NewInvoice {
        number: "1007".to_owned(),
        date: jiff::civil::date(2026, 10, 31),
        lines: vec![labour("1", "10")],
        ..NewInvoice::default()
    };
    world.ready(world.invoice_like(october));
    // One is held, one was voided behind our back, one is in Xero alone.
    let held = world.invoice("1008", vec![labour("1", "20")]);
    world.ready(held);
    world.callbacks().await;
    assert_eq!(world.decide(held, "hold", json!({"note": "look"})).await, 200);
    world.settle().await;
    world.xero.void(world.documents("1003")[0].id);
    let contact = world.xero.contacts()[0].id;
    world.xero.enter(&json!({"Type": "ACCREC", "InvoiceNumber": "HAND-1", "Contact": {"ContactID": contact}, "Date": "2026-11-05",
        "DueDate": "2026-12-05", "Status": "AUTHORISED", "LineItems": [{"Description": "By hand", "Quantity": 1, "UnitAmount": 7, "AccountCode": "200", "TaxType": "OUTPUT"}]})).unwrap();
    world.xero.pay("1001", dec("30"), jiff::civil::date(2026, 11, 29)).unwrap();
    let view = state(&world).await;
    let (sums, lines) = sales(&view);
    let of = |number: &str| lines.iter().find(|(line, _)| line == number).map(|(_, standing)| standing.as_str());
    assert_eq!(of("1001"), Some("in_xero"));
    assert_eq!(of("1003"), Some("missing"));
    assert_eq!(of("1004"), Some("in_xero"));
    assert_eq!(of("1005"), Some("missing"));
    assert_eq!(of("1008"), Some("held"));
    assert_eq!((of("1006"), of("1007")), (None, None));
    assert_eq!(of("HAND-1"), Some("only_in_xero"));
    assert_eq!(view.balanced, Some(false));
    assert_eq!((&sums["paid_in_xero"], &sums["paid_in_connectwise"]), (&json!("30.00"), &json!("0.00")), "{sums}");
    let statement = view.statement.as_ref().unwrap();
    let section = &statement.sections[0];
    assert_eq!(section.sums.parts(), section.sums.closed);
    let in_xero: rust_decimal::Decimal =
        ["1001", "1002"].iter().flat_map(|number| world.documents(number)).map(|document| document.total).sum();
    let credit: rust_decimal::Decimal = world.documents("1004").iter().map(|document| document.total).sum();
    assert_eq!(section.sums.in_xero.decimal(), in_xero - credit);
    assert_eq!(statement.calls.xero, 4, "one page of each: invoices, bills, and the credit notes of both");
    assert_eq!(statement.calls.connectwise, 1);
    // The same as a spreadsheet.
    let url = format!("{}{PATH}?company=acme-au&month=2026-11&format=csv", world.url);
    let answer = world.http.get(url).bearer_auth(VIEWER).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/csv; charset=utf-8");
    let csv = answer.text().await.unwrap();
    assert_eq!(csv.lines().count(), section.lines.len() + 1, "{csv}");
    assert!(csv.contains("acme-au,2026-11,sales,AUD,acme/invoice/"), "{csv}");
}

#[tokio::test]
async fn a_month_with_everything_posted_is_in_balance() {
    let buying = Buying::new().await;
    let world = &buying.world;
    world.ready(world.invoice("1001", vec![labour("3", "33.33")]));
    let order = buying.order(&["10", "2"]);
    buying.close(order, "SLIP 7");
    world.settle().await;
    let view = state(world).await;
    assert_eq!(view.balanced, Some(true), "{view:?}");
    let statement = view.statement.unwrap();
    let ledgers: Vec<&str> = statement.sections.iter().map(|section| section.ledger.as_str()).collect();
    assert_eq!(ledgers, ["sales", "purchases"]);
    for section in &statement.sections {
        assert!(!section.sums.closed.is_zero());
        assert_eq!(section.sums.closed, section.sums.in_xero, "{section:?}");
    }
    let bills: rust_decimal::Decimal = buying.bills().iter().map(|bill| bill.total).sum();
    assert_eq!(statement.sections[1].sums.in_xero.decimal(), bills);
}

#[tokio::test]
async fn a_second_document_of_a_record_is_no_balance() {
    let buying = Buying::new().await;
    let world = &buying.world;
    let order = buying.order(&["10"]);
    buying.close(order, "SLIP7");
    world.settle().await;
    assert_eq!(state(world).await.balanced, Some(true));
    let bill = buying.bills().remove(0);
    let lines: Vec<Value> = bill
        .lines
        .iter()
        .map(|line| json!({"Description": line.description, "Quantity": 1, "UnitAmount": 1, "AccountCode": "310"}))
        .collect();
    let second = world.xero.enter(&json!({"Type": "ACCPAY", "InvoiceNumber": bill.number, "Contact": {"ContactID": bill.contact_id}, "Date": "2026-11-28",
        "DueDate": "2026-12-18", "Status": "AUTHORISED", "LineItems": lines})).unwrap();
    // One without a mark is nobody's business.
    buying.world.xero.enter(&json!({"Type": "ACCPAY", "InvoiceNumber": "RENT-11", "Contact": {"ContactID": bill.contact_id}, "Date": "2026-11-02",
        "DueDate": "2026-12-18", "Status": "AUTHORISED", "LineItems": [{"Description": "Rent", "Quantity": 1, "UnitAmount": 900, "AccountCode": "310"}]})).unwrap();
    let view = state(world).await;
    assert_eq!(view.balanced, Some(false));
    let purchases = &view.statement.as_ref().unwrap().sections[0];
    let stray = purchases.lines.iter().find(|line| line.standing.as_str() == "stray").unwrap();
    assert!(
        stray.note.starts_with(&format!("a second document of acme/purchase/{order}-SLIP7-purchase")),
        "{}",
        stray.note
    );
    assert_eq!(purchases.unrelated.documents, 1);
    assert_eq!(purchases.sums.closed, purchases.sums.in_xero);
    world.xero.void(second);
    assert_eq!(state(world).await.balanced, Some(true));
}

#[tokio::test]
async fn what_the_rules_skip_is_not_missing() {
    let world = World::with(crate::harness::Differently {
        rules: "start_date = \"2026-11-15\"\n",
        ..crate::harness::Differently::default()
    })
    .await;
    let early = NewInvoice {
        number: "0900".to_owned(),
        date: jiff::civil::date(2026, 11, 10),
        lines: vec![labour("1", "10")],
        ..NewInvoice::default()
    };
    world.ready(world.invoice_like(early));
    let batched = world.invoice("0901", vec![labour("1", "20")]);
    world.ready(batched);
    let _ = world.connectwise.take_callbacks();
    let (sums, lines) = sales(&state(&world).await);
    let of = |number: &str| lines.iter().find(|(line, _)| line == number).map(|(_, standing)| standing.clone());
    assert_eq!((of("0900").as_deref(), of("0901").as_deref()), (Some("skipped"), Some("missing")), "{sums}");
}

#[tokio::test]
async fn what_keeps_a_statement_from_being_made_is_said() {
    let world = World::new().await;
    for (body, status) in [
        (json!({"company": "acme-nz", "month": "2026-11"}), 404),
        (json!({"company": "acme-au", "month": "November"}), 400),
        (json!({"company": "acme-au"}), 400),
    ] {
        assert_eq!(world.post(PATH, &body).await.0, status, "{body}");
    }
    let url = format!("{}{PATH}", world.url);
    let asked = world.http.post(&url).bearer_auth(VIEWER).json(&json!({"company": "acme-au", "month": "2026-11"}));
    assert_eq!(asked.send().await.unwrap().status(), 403);
    let asked = world.http.get(format!("{url}?company=acme-au&month=2026-11")).bearer_auth(TOKEN);
    assert_eq!(asked.send().await.unwrap().status(), 404, "none was asked for");
    let refused =
        Fault::Answer(Canned::new(403, r#"{"code":"Security","message":"You do not have security permission."}"#));
    world.connectwise.server.faults.add(Rule::every("/finance/invoices", refused));
    let view = state(&world).await;
    assert_eq!(view.state, "failed");
    assert!(view.error.as_deref().is_some_and(|error| error.contains("permission")), "{view:?}");
    world.connectwise.server.faults.clear();
    assert_eq!(state(&world).await.balanced, Some(true), "an empty month is in balance");
    // What is left of the day is kept for look-ups.
    world.xero.set_day_remaining(5);
    state(&world).await;
    let calls = world.xero.calls();
    let view = state(&world).await;
    assert!(view.state == "failed" && view.error.as_deref().unwrap().contains("calls of this day"), "{view:?}");
    assert_eq!(world.xero.calls(), calls, "nothing was sent for it");
}
