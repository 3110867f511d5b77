//! Payments of both origins, and credits applied to invoices.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::rig;
use crate::simulator::connectwise::{ApiPayments, NewPayment, Oddities, Overpayments, SyncStatus, View};

const UNPOSTED: &str = "/finance/accounting/unpostedpayments";

#[tokio::test]
async fn payments_reduce_the_balance_and_are_changed_and_deleted() {
    let rig = rig(|settings| settings.payment_callbacks = true).await;
    let id = rig.closed("Standard");
    rig.cw.register_callback("https://test.example/?recordId=", "invoice", "owner", 0).unwrap();
    let path = format!("/finance/invoices/{id}/payments");
    let (status, body) = rig.post(&path, json!({"type": "P", "amount": 60.25, "invoice": {"id": id}})).await;
    assert_eq!((status, &body["amount"], &body["appliedBy"]), (201, &json!(60.25), &json!("readypost")));
    assert_eq!((&body["invoiceBalance"], &body["invoiceTotal"]), (&json!(49.75), &json!(110.0)));
    assert_eq!(rig.get(&path).await.as_array().map(Vec::len), Some(1));
    let item = format!("{path}/{}", body["id"]);
    let change = json!([{"op": "replace", "path": "/amount", "value": 10}, {"op": "replace", "path": "/invoice/id", "value": 1}]);
    let (status, _, patched) = rig.call(reqwest::Method::PATCH, &item, Some(change)).await;
    assert_eq!((status, &patched["amount"], &patched["invoice"]["id"]), (200, &json!(10.0), &json!(id)));
    let put = json!({"amount": 20, "paymentDate": "2026-12-02T00:00:00Z"});
    assert_eq!(rig.call(reqwest::Method::PUT, &item, Some(put)).await.0, 200);
    assert_eq!(rig.get(&item).await["paymentDate"], "2026-12-02T00:00:00Z");
    assert_eq!((&rig.cw.invoice(id)["payments"], &rig.cw.invoice(id)["balance"]), (&json!(20.0), &json!(90.0)));
    assert_eq!(rig.call(reqwest::Method::DELETE, &item, None).await.0, 204);
    assert_eq!(rig.call(reqwest::Method::GET, &item, None).await.0, 404);
    assert_eq!(rig.cw.invoice(id)["balance"], json!(110.0));
    assert_eq!(rig.cw.take_callbacks().len(), 4);
    let (_, wrong) = rig.post(&path, json!({"type": "P"})).await;
    assert_eq!(
        (&wrong["errors"][0]["field"], &wrong["errors"][0]["resource"]),
        (&json!("amount"), &json!("invoicePayment"))
    );
    let (_, wrong) = rig.post(&path, json!({"amount": 1, "paymentDate": "soon"})).await;
    assert_eq!(wrong["errors"][0]["field"], "paymentDate");
}

#[tokio::test]
async fn what_accounting_has_not_seen_is_listed_until_it_is_synced() {
    for (status, left) in [(SyncStatus::Writable, 1), (SyncStatus::Ignored, 2)] {
        let rig = rig(|settings| {
            settings.sync_status = status;
            settings.unposted_payment_offset = 5_000;
        })
        .await;
        let id = rig.closed("Standard");
        let own = rig.cw.pay(id, Decimal::from(30));
        let path = format!("/finance/invoices/{id}/payments");
        assert_eq!(rig.post(&path, json!({"amount": 5})).await.0, 201);
        let rows = rig.get(&format!("{UNPOSTED}?conditions=invoice/id={id}")).await;
        assert_eq!((rows.as_array().map(Vec::len), &rows[0]["id"]), (Some(2), &json!(own + 5_000)));
        assert_eq!((&rows[0]["appliedBy"], &rows[1]["appliedBy"]), (&json!("biller"), &json!("readypost")));
        let item = format!("/finance/accounting/unpostedPayments/{}", own + 5_000);
        assert_eq!(rig.get(&item).await["amount"], json!(30.0));
        assert_eq!(rig.call(reqwest::Method::GET, &item.replace("Payments", "payments"), None).await.0, 404);
        assert_eq!(rig.get("/finance/accounting/unpostedPayments/count").await, json!({"count": 2}));
        let change = json!([{"op": "replace", "path": "paymentSyncStatus", "value": "Synced"}]);
        assert_eq!(rig.call(reqwest::Method::PATCH, &format!("{path}/{own}"), Some(change)).await.0, 200);
        assert_eq!(rig.cw.unposted_payments().len(), left);
        assert_eq!(rig.cw.payments(id)[0]["paymentSyncDate"].is_string(), left == 1);
    }
    let rig = rig(|settings| settings.api_payments = ApiPayments::Hidden).await;
    let id = rig.closed("Standard");
    assert_eq!(rig.post(&format!("/finance/invoices/{id}/payments"), json!({"amount": 5})).await.0, 201);
    assert!(rig.cw.unposted_payments().is_empty());
}

#[tokio::test]
async fn a_credit_says_which_memo_it_comes_from_and_uses_that_up() {
    let rig = rig(|_| ()).await;
    let (invoice, memo) = (rig.closed("Standard"), rig.closed("CreditMemo"));
    let id = rig.cw.apply_credit(memo, invoice, Decimal::from(40));
    let row = &rig.cw.payments(invoice)[0];
    assert_eq!((&row["id"], &row["type"], &row["credit"]["id"]), (&json!(id), &json!("C"), &json!(memo)));
    let shown = rig.cw.invoice(invoice);
    assert_eq!((&shown["credits"], &shown["payments"], &shown["balance"]), (&json!(40.0), &json!(0.0), &json!(70.0)));
    assert_eq!(rig.cw.invoice(memo)["balance"], json!(70.0));
    rig.cw.delete_payment(id).unwrap();
    assert_eq!((&rig.cw.invoice(invoice)["credits"], &rig.cw.invoice(memo)["balance"]), (&json!(0.0), &json!(110.0)));
}

#[tokio::test]
async fn too_much_money_is_accepted_or_refused_by_choice() {
    for (choice, status) in [(Overpayments::Accept, 201), (Overpayments::Refuse, 400)] {
        let rig = rig(|settings| settings.overpayments = choice).await;
        let id = rig.closed("Standard");
        let path = format!("/finance/invoices/{id}/payments");
        assert_eq!(rig.post(&path, json!({"amount": 110.01})).await.0, status);
        assert_eq!(rig.cw.invoice(id)["balance"], if status == 201 { json!(-0.01) } else { json!(110.0) });
    }
}

#[tokio::test]
async fn bad_input_is_shown_as_it_was_asked_for() {
    let rig = rig(|_| ()).await;
    let invoice = rig.closed("Standard");
    let oddities = Oddities { amounts_as_text: true, ..Oddities::default() }
        .field(View::Unposted, "/invoice", Value::Null)
        .field(View::Record, "/source", json!("Crypto"));
    let amount = Decimal::from(7);
    let id = rig.cw.add_payment(NewPayment { invoice, amount, oddities, ..NewPayment::default() });
    let row = &rig.cw.unposted_payments()[0];
    assert_eq!((&row["invoice"], &row["amount"]), (&Value::Null, &json!("7.0")));
    assert_eq!(rig.cw.payments(invoice)[0]["source"], "Crypto");
    rig.cw.edit_payment(id, |payment| payment.sync_status = "Synced".to_owned()).unwrap();
    assert!(rig.cw.unposted_payments().is_empty());
}
