//! Payments, batches, overpayments, prepayments and allocations.

use jiff::SignedDuration;
use jiff::civil::{Date, date};
use reqwest::Method;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Bench, bench, dec, line};
use crate::simulator::xero::{Document, Kind, NewPayment, Status};

const DAY: Date = date(2026, 3, 2);

/// An approved sales invoice over this amount with tax.
async fn invoiced(bench: &Bench, number: &str, total: &str) -> Uuid {
    let mut sent = bench.invoice(number, &json!([line("1", total)]));
    sent["LineAmountTypes"] = json!("Inclusive");
    let answer = bench.put("/Invoices", &sent).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    bench.xero.documents().pop().unwrap().id
}

fn payment(invoice: Uuid, amount: &Value) -> Value {
    json!({"Invoice": {"InvoiceID": invoice}, "Account": {"Code": "090"}, "Date": "2026-03-02", "Amount": amount,
        "Reference": "CW pay 9913"})
}

fn held(bench: &Bench, id: Uuid) -> Document {
    let all = bench.xero.documents().into_iter().chain(bench.xero.prepaid());
    all.into_iter().find(|document| document.id == id).unwrap()
}

async fn shown(bench: &Bench, path: &str) -> Value {
    let body = bench.get(path).await.body;
    let rows = body.as_object().unwrap().values().find_map(Value::as_array).unwrap();
    rows[0].clone()
}

async fn listed(bench: &Bench, clause: &str) -> Answer {
    let encoded: String = url::form_urlencoded::byte_serialize(clause.as_bytes()).collect();
    bench.get(&format!("/Payments?page=1&where={encoded}")).await
}

#[tokio::test]
async fn payments_open_and_close_their_invoice() {
    let bench = bench().await;
    let id = invoiced(&bench, "INV-1", "100").await;
    let answer = bench.put("/Payments", &payment(id, &json!(40))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let row = &answer.body["Payments"][0];
    assert_eq!(
        (&row["PaymentType"], &row["Status"], &row["Account"]["Code"]),
        (&json!("ACCRECPAYMENT"), &json!("AUTHORISED"), &json!("090"))
    );
    assert_eq!((row["Amount"].to_string(), &row["Invoice"]["InvoiceNumber"]), ("40.0".to_owned(), &json!("INV-1")));
    assert_eq!((held(&bench, id).amount_due(), held(&bench, id).status), (dec("60"), Status::Authorised));
    // Nothing is unique about a payment: it is taken as often as it fits.
    assert_eq!(bench.put("/Payments", &payment(id, &json!(40))).await.status, 200);
    let beyond = bench.put("/Payments", &payment(id, &json!(20.01))).await;
    assert_eq!(
        (beyond.status.as_u16(), beyond.message().as_str()),
        (400, "Payment amount exceeds the amount outstanding on this document")
    );
    assert_eq!(bench.put("/Payments", &payment(id, &json!(20))).await.status, 200);
    assert_eq!(held(&bench, id).status, Status::Paid);
    let late = bench.put("/Payments", &payment(id, &json!(1))).await;
    assert_eq!(
        late.message(),
        "Payment amount exceeds the amount outstanding on this document; Payments can only be made against Authorised documents"
    );

    let invoice = shown(&bench, &format!("/Invoices/{id}")).await;
    assert_eq!(
        (invoice["AmountPaid"].to_string(), invoice["AmountDue"].to_string()),
        ("100.0".to_owned(), "0.0".to_owned())
    );
    assert_eq!(
        (invoice["Payments"].as_array().unwrap().len(), &invoice["Payments"][0]["Reference"]),
        (3, &json!("CW pay 9913"))
    );
    assert_eq!(invoice["FullyPaidOnDate"], "/Date(1772409600000+0000)/");
    let edited = bench.post(&format!("/Invoices/{id}"), &json!({"LineItems": [line("1", "1")]})).await;
    assert_eq!(edited.message(), "Invoice not of valid status for modification");

    let first = bench.xero.payments()[0].id;
    let deleted = bench.post(&format!("/Payments/{first}"), &json!({"Status": "DELETED"})).await;
    assert_eq!(
        (&deleted.body["Payments"][0]["Status"], deleted.body["Payments"][0]["Amount"].to_string()),
        (&json!("DELETED"), "40.0".to_owned())
    );
    assert_eq!((held(&bench, id).amount_due(), held(&bench, id).status), (dec("40"), Status::Authorised));
    let again = bench.post(&format!("/Payments/{first}"), &json!({"Payments": [{"Status": "DELETED"}]})).await;
    assert_eq!(again.message(), "Payment not of valid status for modification");
    assert_eq!(
        bench.post(&format!("/Payments/{first}"), &json!({"Amount": 1})).await.body["Type"],
        "PostDataInvalidException"
    );
    assert_eq!(bench.post(&format!("/Payments/{}", Uuid::new_v4()), &json!({"Status": "DELETED"})).await.status, 404);
}

#[tokio::test]
async fn a_payment_is_refused_in_words_that_are_known() {
    let bench = bench().await;
    let id = invoiced(&bench, "INV-1", "100").await;
    let mut draft = bench.invoice("INV-2", &json!([line("1", "5")]));
    draft["Status"] = json!("DRAFT");
    bench.put("/Invoices", &draft).await;
    let draft = bench.xero.documents()[1].id;
    let changed = |field: &str, value: Value| {
        let mut sent = payment(id, &json!(1));
        sent[field] = value;
        sent
    };
    for (sent, expected) in [
        (payment(draft, &json!(1)), "Payments can only be made against Authorised documents"),
        (
            payment(Uuid::new_v4(), &json!(1)),
            "An existing Credit Note/Invoice with the specified ID could not be found",
        ),
        (payment(id, &json!(0)), "The payment amount must be greater than 0"),
        (payment(id, &json!(-1)), "The payment amount must be greater than 0"),
        (changed("Account", json!({"Code": "200"})), "Account type is invalid for making a payment to/from"),
        (changed("Account", json!({"Code": "999"})), "The account code or ID must be specified"),
        (changed("Date", Value::Null), "The payment date must be specified"),
        (changed("CreditNote", json!({"CreditNoteID": id})), "Payment must be for exactly one of Invoice"),
    ] {
        let answer = bench.put("/Payments", &sent).await;
        assert!(answer.message().starts_with(expected), "{expected} is not {}", answer.text);
        assert_eq!(answer.body["Elements"][0]["PaymentID"], json!(Uuid::nil()));
    }
    bench.xero.set_lock_dates(Some(DAY), None);
    assert_eq!(
        bench.put("/Payments", &payment(id, &json!(1))).await.message(),
        "Organisation accounts are locked on the specified payment"
    );
    bench.xero.set_lock_dates(None, None);
    // All of a request or nothing of it.
    let both = json!({"Payments": [payment(id, &json!(1)), payment(id, &json!(100))]});
    assert_eq!((bench.put("/Payments", &both).await.status.as_u16(), bench.xero.payments().len()), (400, 0));
    assert_eq!(held(&bench, id).amount_paid, dec("0"));
    let unread = json!({"Payments": [payment(id, &json!(1)), payment(id, &json!("much"))]});
    assert_eq!(bench.put("/Payments?summarizeErrors=false", &unread).await.body["Type"], "PostDataInvalidException");
    assert_eq!(held(&bench, id).amount_paid, dec("0"));
    let each = bench.put("/Payments?summarizeErrors=false", &both).await;
    assert_eq!((each.status.as_u16(), &each.body["Payments"][1]["StatusAttributeString"]), (200, &json!("ERROR")));
    assert_eq!(held(&bench, id).amount_paid, dec("1"));

    let clearing = changed("Account", json!({"Code": "850"}));
    assert_eq!(bench.put("/Payments", &clearing).await.status, 200);
    bench.xero.revoke_scope("accounting.payments");
    assert_eq!(bench.get("/Payments").await.status, 401);
}

#[tokio::test]
async fn payments_are_found_by_invoice_and_by_what_changed_since() {
    let bench = bench().await;
    let one = invoiced(&bench, "INV-1", "100").await;
    let two = invoiced(&bench, "INV-2", "50").await;
    let first = bench.xero.pay("INV-1", dec("10"), DAY).unwrap();
    bench.clock.advance(SignedDuration::from_mins(1));
    let second = bench.xero.pay("INV-2", dec("50"), DAY).unwrap();
    let ids = |answer: &Answer| -> Vec<String> {
        let rows = answer.body["Payments"].as_array().unwrap();
        rows.iter().map(|row| row["PaymentID"].as_str().unwrap().to_owned()).collect()
    };
    let by = async |clause: String| ids(&listed(&bench, &clause).await);
    assert_eq!(by(format!(r#"Invoice.InvoiceID==guid("{one}")"#)).await, [first.to_string()]);
    assert_eq!(by(r#"Invoice.InvoiceNumber=="INV-2" AND Status=="AUTHORISED""#.to_owned()).await, [second.to_string()]);
    assert_eq!(by("Date>=DateTime(2026,03,02) AND Amount<50".to_owned()).await, [first.to_string()]);
    assert_eq!(listed(&bench, r#"Colour=="red""#).await.body["Type"], "QueryParseException");

    let since = "2026-03-02T00:01:00";
    assert_eq!(ids(&bench.since("/Payments?page=1", since).await), [second.to_string()]);
    assert_eq!(bench.since("/Invoices?page=1", since).await.body["Invoices"][0]["InvoiceID"], json!(two));
    bench.clock.advance(SignedDuration::from_mins(1));
    bench.xero.delete_payment(first).unwrap();
    // What was deleted is listed as such, and its invoice has changed too.
    let later = bench.since("/Payments?page=1", "2026-03-02T00:02:00").await;
    assert_eq!((ids(&later), &later.body["Payments"][0]["Status"]), (vec![first.to_string()], &json!("DELETED")));
    let invoices = bench.since("/Invoices?page=1", "2026-03-02T00:02:00").await.body;
    assert_eq!(
        (&invoices["Invoices"][0]["InvoiceID"], &invoices["Invoices"][0]["Payments"]),
        (&json!(one), &json!([]))
    );
    assert_eq!(bench.xero.delete_payment(first), Err("Payment not of valid status for modification".to_owned()));
    assert!(bench.xero.pay("INV-1", dec("101"), DAY).unwrap_err().starts_with("Payment amount exceeds"));
}

#[tokio::test]
async fn a_due_date_of_a_part_paid_invoice_changes_unseen() {
    let bench = bench().await;
    let id = invoiced(&bench, "INV-1", "100").await;
    bench.xero.pay("INV-1", dec("10"), DAY).unwrap();
    bench.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(bench.post(&format!("/Invoices/{id}"), &json!({"DueDate": "2026-05-31"})).await.status, 200);
    assert_eq!(held(&bench, id).due_date, Some(date(2026, 5, 31)));
    assert_eq!(bench.since("/Invoices?page=1", "2026-03-02T00:01:00").await.body["Invoices"], json!([]));
}

#[tokio::test]
async fn a_batch_deposit_pays_many_and_is_deleted_whole() {
    let bench = bench().await;
    let one = invoiced(&bench, "INV-1", "100").await;
    let two = invoiced(&bench, "INV-2", "50").await;
    let refused = bench.xero.deposit(&[(one, dec("100")), (two, dec("51"))], DAY, "Deposit 7");
    assert!(refused.is_err() && bench.xero.payments().is_empty());
    let batch = bench.xero.deposit(&[(one, dec("100")), (two, dec("20"))], DAY, "Deposit 7").unwrap();
    let row = shown(&bench, &format!("/Payments/{}", bench.xero.payments()[1].id)).await;
    assert_eq!((&row["BatchPaymentID"], &row["BatchPayment"]["Reference"]), (&json!(batch), &json!("Deposit 7")));
    let row = shown(&bench, "/BatchPayments").await;
    assert_eq!(
        (row["TotalAmount"].to_string(), &row["Type"], row["Payments"].as_array().unwrap().len()),
        ("120.0".to_owned(), &json!("RECBATCH"), 2)
    );
    let deleted = bench.post(&format!("/BatchPayments/{batch}"), &json!({"Status": "DELETED"})).await;
    assert_eq!(deleted.body["BatchPayments"][0]["Status"], "DELETED");
    assert_eq!([one, two].map(|id| held(&bench, id).status), [Status::Authorised; 2]);

    let mut sent = json!({"Account": {"Code": "090"}, "Date": "2026-03-02", "Reference": "Deposit 8", "Payments": [
        {"Invoice": {"InvoiceID": one}, "Amount": 100}, {"Invoice": {"InvoiceID": two}, "Amount": 51}]});
    let beyond = bench.put("/BatchPayments", &sent).await;
    assert_eq!(beyond.message(), "Payment amount exceeds the amount outstanding on this document");
    assert_eq!(bench.xero.payments().len(), 2);
    sent["Payments"][1]["Amount"] = json!(50);
    let entered = bench.put("/BatchPayments", &sent).await;
    assert_eq!(
        (entered.status.as_u16(), entered.body["BatchPayments"][0]["TotalAmount"].to_string()),
        (200, "150.0".to_owned())
    );
    assert_eq!([one, two].map(|id| held(&bench, id).status), [Status::Paid; 2]);
}

#[tokio::test]
async fn what_is_overpaid_waits_and_is_allocated_later() {
    let bench = bench().await;
    let first = invoiced(&bench, "INV-1", "100").await;
    let second = invoiced(&bench, "INV-2", "30").await;
    let rest = bench.xero.overpay("INV-1", dec("120"), DAY).unwrap();
    assert_eq!((held(&bench, first).status, held(&bench, rest).amount_due()), (Status::Paid, dec("20")));
    assert_eq!(bench.xero.documents().len(), 2, "an overpayment is no invoice");
    let row = shown(&bench, "/Overpayments?page=1").await;
    assert_eq!(
        (&row["Type"], &row["OverpaymentID"], row["RemainingCredit"].to_string()),
        (&json!("RECEIVE-OVERPAYMENT"), &json!(rest), "20.0".to_owned())
    );
    let part = json!({"Allocations": [{"Invoice": {"InvoiceID": second}, "Amount": 15, "Date": "2026-03-02"}]});
    let answer = bench.put(&format!("/Overpayments/{rest}/Allocations"), &part).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let invoice = shown(&bench, &format!("/Invoices/{second}")).await;
    assert_eq!(
        (invoice["AmountCredited"].to_string(), invoice["AmountDue"].to_string()),
        ("15.0".to_owned(), "15.0".to_owned())
    );
    assert_eq!((&invoice["Overpayments"][0]["OverpaymentID"], &invoice["CreditNotes"]), (&json!(rest), &json!([])));
    let too_much = bench.put(&format!("/Overpayments/{rest}/Allocations"), &part).await;
    assert_eq!(too_much.message(), "The amount exceeds the remaining credit of this credit note");
    // The remainder is paid back.
    let mut back = payment(rest, &json!(5));
    back["Overpayment"] = json!({"OverpaymentID": rest});
    back.as_object_mut().unwrap().remove("Invoice");
    let back = bench.put("/Payments", &back).await.body["Payments"][0].clone();
    assert_eq!(
        (&back["PaymentType"], &back["Invoice"]["Type"]),
        (&json!("AROVERPAYMENTPAYMENT"), &json!("AROVERPAYMENT"))
    );
    assert_eq!(held(&bench, rest).status, Status::Paid);

    let allocation = answer.body["Allocations"][0]["AllocationID"].as_str().unwrap().to_owned();
    let path = format!("/Overpayments/{rest}/Allocations/{allocation}");
    let deleted = bench.call(Method::DELETE, &path, None, "").await;
    assert_eq!(deleted.body, json!({"AllocationID": allocation, "IsDeleted": true}));
    assert_eq!((held(&bench, second).amount_due(), held(&bench, rest).amount_due()), (dec("30"), dec("15")));
    assert_eq!(bench.call(Method::DELETE, &path, None, "").await.status, 404);
}

#[tokio::test]
async fn prepayments_and_credit_notes_are_set_against_invoices_by_hand() {
    let bench = bench().await;
    let id = invoiced(&bench, "INV-1", "100").await;
    let down = bench.xero.prepay(Kind::ReceivePrepayment, bench.contact, dec("60"), DAY);
    let allocation = bench.xero.allocate(down, id, dec("60")).unwrap();
    assert_eq!((held(&bench, id).amount_due(), held(&bench, down).status), (dec("40"), Status::Paid));
    assert_eq!(shown(&bench, &format!("/Invoices/{id}")).await["Prepayments"][0]["AppliedAmount"].to_string(), "60.0");
    assert_eq!(shown(&bench, "/Prepayments").await["Allocations"][0]["Invoice"]["InvoiceID"], json!(id));
    assert!(bench.xero.allocate(down, id, dec("1")).is_err());
    assert!(bench.xero.delete_allocation(allocation) && !bench.xero.delete_allocation(allocation));
    assert_eq!((held(&bench, id).amount_due(), held(&bench, down).amount_due()), (dec("100"), dec("60")));

    let mut note = bench.invoice("", &json!([line("1", "10")]));
    note["Type"] = json!("ACCRECCREDIT");
    let note = bench.xero.enter(&note).unwrap();
    let refund = NewPayment {
        document: note,
        amount: dec("11"),
        date: DAY,
        account: "090".to_owned(),
        reference: "Refund".to_owned(),
    };
    bench.xero.enter_payment(refund.clone()).unwrap();
    assert_eq!(bench.xero.payments().last().unwrap().kind, Kind::AccrecCredit);
    let row = shown(&bench, &format!("/CreditNotes/{note}")).await;
    assert_eq!((&row["Status"], &row["Payments"][0]["Reference"]), (&json!("PAID"), &json!("Refund")));
    let listed = listed(&bench, r#"PaymentType=="ARCREDITPAYMENT""#).await;
    assert_eq!(listed.body["Payments"][0]["Invoice"]["Type"], "ACCRECCREDIT");
    assert!(bench.xero.enter_payment(refund).unwrap_err().contains("amount outstanding"));
    assert_eq!(bench.since("/CreditNotes?page=1", "2026-03-02T00:00:01").await.body["CreditNotes"], json!([]));
    assert_eq!(held(&bench, note).amount_paid, Decimal::from(11));
}
