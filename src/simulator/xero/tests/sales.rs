//! Sales invoices, contacts, tokens and limits.

use jiff::SignedDuration;
use jiff::civil::date;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, bench, bench_with, dec, line};
use crate::simulator::faults::{Fault, Rule};
use crate::simulator::xero::{HalfCent, Kind, Status};

#[tokio::test]
async fn an_authorised_invoice_is_computed_and_answered_as_recorded() {
    let bench = bench().await;
    let answer = bench.put("/Invoices", &bench.invoice("INV-1", &json!([line("2", "10.50")]))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let row = &answer.body["Invoices"][0];
    assert!(answer.text.contains(r#""Total":23.1,"#) && answer.text.contains(r#""SubTotal":21.0,"#));
    assert_eq!(row["DueDateString"], "2026-03-31T00:00:00");
    assert_eq!(row["Date"], "/Date(1772323200000+0000)/");
    assert_eq!(row["Contact"]["Phones"].as_array().unwrap().len(), 4);
    assert!(row.get("Payments").is_none() && row.get("StatusAttributeString").is_none());
    assert!(!answer.text.contains("null"));
    let held = &bench.xero.documents()[0];
    assert_eq!((held.kind, held.status, held.total), (Kind::Accrec, Status::Authorised, dec("23.10")));
    assert_eq!(bench.xero.calls_by(&Method::PUT, "/Invoices"), 1);
}

#[tokio::test]
async fn tax_is_rounded_per_line_and_prices_first() {
    let bench = bench().await;
    bench.xero.add_tax_rate("Fifteen", "TAX015", dec("15"));
    let mut lines: Vec<Value> = ["25.06", "25.61", "25.63"].map(|unit| line("1", unit)).into();
    for line in &mut lines {
        line["TaxType"] = json!("TAX015");
    }
    bench.put("/Invoices", &bench.invoice("A", &json!(lines))).await;
    bench.put("/Invoices", &bench.invoice("B", &json!([line("3", "1.3333")]))).await;
    bench.put("/Invoices?unitdp=4", &bench.invoice("C", &json!([line("3", "1.3333")]))).await;
    let documents = bench.xero.documents();
    assert_eq!((documents[0].total_tax, documents[0].total), (dec("11.44"), dec("87.74")));
    assert_eq!((documents[1].sub_total, documents[2].sub_total), (dec("3.99"), dec("4.00")));
    let id = documents[2].id;
    let read = |row: &Answer| row.body["Invoices"][0]["LineItems"][0]["UnitAmount"].to_string();
    assert_eq!(read(&bench.get(&format!("/Invoices/{id}")).await), "1.33");
    assert_eq!(read(&bench.get(&format!("/Invoices/{id}?unitdp=4")).await), "1.3333");
}

#[tokio::test]
async fn half_a_cent_inclusive_tax_and_overrides_follow_the_settings() {
    for (half_cent, expected) in [(HalfCent::Up, "0.03"), (HalfCent::Even, "0.02")] {
        let bench = bench_with(|settings| settings.half_cent = half_cent).await;
        bench.put("/Invoices", &bench.invoice("A", &json!([line("1", "0.25")]))).await;
        assert_eq!(bench.xero.documents()[0].total_tax, dec(expected));
    }
    let bench = bench().await;
    let mut inclusive = bench.invoice("B", &json!([line("1", "110")]));
    inclusive["LineAmountTypes"] = json!("Inclusive");
    bench.put("/Invoices", &inclusive).await;
    let mut overridden = bench.invoice("C", &json!([line("1", "100")]));
    overridden["LineItems"][0]["TaxAmount"] = json!(9);
    bench.put("/Invoices", &overridden).await;
    let sums: Vec<_> = bench.xero.documents().iter().map(|held| (held.sub_total, held.total)).collect();
    assert_eq!(sums, [(dec("100.00"), dec("110.00")), (dec("100"), dec("109"))]);
}

#[tokio::test]
async fn all_that_is_wrong_is_listed_and_nothing_is_saved() {
    let bench = bench().await;
    bench.xero.set_lock_dates(Some(date(2026, 3, 1)), Some(date(2026, 6, 30)));
    let mut body = bench.invoice("X", &json!([line("-1", "5"), line("1", "5"), line("1", "5"), line("2", "5")]));
    body["CurrencyCode"] = json!("EUR");
    body["LineItems"][1]["AccountCode"] = json!("999");
    body["LineItems"][2]["TaxType"] = json!("INPUT");
    body["LineItems"][3]["LineAmount"] = json!(9.5);
    let answer = bench.put("/Invoices", &body).await;
    assert_eq!((answer.status.as_u16(), &answer.body["Type"]), (400, &json!("ValidationException")));
    assert_eq!(answer.body["Elements"][0]["InvoiceID"], json!(Uuid::nil()));
    for expected in [
        "The quantity value '-1.0000' is invalid. Quantity must not be less than zero.",
        "Account code '999' is not a valid code for this document.",
        "The TaxType code 'INPUT' cannot be used with account code '200'.",
        "The line total 9.50 does not match the expected line total 10.00",
        "Organisation is not subscribed to currency EUR",
        "The document date cannot be before the period lock date, currently set at 01-Mar-2026",
        "The document date cannot be before the end of year lock date, currently set at 30-Jun-2026",
    ] {
        assert!(answer.message().contains(expected), "{expected} is not in {}", answer.message());
    }
    assert!(bench.xero.documents().is_empty());
}

#[tokio::test]
async fn a_line_may_not_use_what_is_closed() {
    let bench = bench().await;
    for (field, value, expected) in [
        ("AccountCode", json!("299"), "Account code '299' has been archived, or has been deleted."),
        ("AccountCode", json!("090"), "Account code '090' is not a valid code for this document."),
        ("AccountCode", json!("610"), "Account code '610' is not a valid code for this document."),
        ("TaxType", json!("TAX002"), "The TaxType code 'TAX002' does not exist or cannot be used"),
        ("ItemCode", json!("NOPE"), "Item Code is invalid."),
        ("TaxAmount", json!(6), "The tax amount cannot be greater than the line amount!"),
        ("DiscountAmount", json!(6), "The discount rate '6.00' is invalid."),
        ("Tracking", json!([{"Name": "Region", "Option": "Perth"}]), "The tracking option 'Perth' could not be found"),
    ] {
        let mut body = bench.invoice("X", &json!([line("1", "5")]));
        body["LineItems"][0][field] = value;
        let answer = bench.put("/Invoices", &body).await;
        assert!(answer.message().starts_with(expected), "{expected} is not {}", answer.message());
    }
}

#[tokio::test]
async fn put_only_creates_and_post_overwrites() {
    let bench = bench().await;
    bench.put("/Invoices", &bench.invoice("INV-7", &json!([line("1", "5")]))).await;
    let again = bench.put("/Invoices", &bench.invoice("inv-7", &json!([line("1", "6")]))).await;
    assert_eq!(again.message(), "Invoice # must be unique.");
    assert_eq!(bench.post("/Invoices", &bench.invoice("INV-7", &json!([line("1", "7")]))).await.status, 200);
    let documents = bench.xero.documents();
    assert_eq!((documents.len(), documents[0].sub_total), (1, dec("7")));

    let taken = bench.put("/Contacts", &json!({"Name": "CAFE harbour"})).await;
    let expected = "The contact name CAFE harbour is already assigned to another contact. The contact name must be unique across all active contacts.";
    assert_eq!(taken.message(), expected);
    let overwritten = bench.post("/Contacts", &json!({"Name": "Café Harbour", "EmailAddress": "a@b.example"})).await;
    assert_eq!(overwritten.body["Contacts"][0]["ContactID"], json!(bench.contact));

    bench.xero.archive_contact(bench.contact);
    let number = bench.put("/Contacts", &json!({"Name": "Other", "ContactNumber": "CW-1"})).await;
    assert_eq!(number.message(), "Another contact has this contact number. Please enter a different contact number.");
    let document = bench.put("/Invoices", &bench.invoice("INV-8", &json!([line("1", "5")]))).await;
    assert!(document.message().starts_with("The contact with the specified contact details has been archived."));
}

#[tokio::test]
async fn a_batch_is_saved_whole_or_by_element() {
    let bench = bench().await;
    let good = bench.invoice("GOOD", &json!([line("1", "5")]));
    let batch = json!({"Invoices": [good, bench.invoice("BAD", &json!([line("-1", "5")]))]});
    assert_eq!(bench.put("/Invoices", &batch).await.status, 400);
    assert!(bench.xero.documents().is_empty());
    let answer = bench.put("/Invoices?summarizeErrors=false", &batch).await;
    let states: Vec<_> = (0..2).map(|row| answer.body["Invoices"][row]["StatusAttributeString"].clone()).collect();
    assert_eq!((answer.status.as_u16(), states), (200, vec![json!("OK"), json!("ERROR")]));
    assert_eq!(bench.xero.documents().len(), 1);
}

#[tokio::test]
async fn a_key_replays_its_first_answer_until_it_dies() {
    let bench = bench().await;
    let body = bench.invoice("", &json!([line("1", "5")]));
    let send = |path: &'static str, body: Value, key: &'static str| {
        let bench = &bench;
        async move { bench.call(Method::PUT, path, Some(&body), key).await }
    };
    let first = send("/Invoices", body.clone(), "k1").await;
    let second = send("/Invoices", body.clone(), "k1").await;
    assert_eq!((first.text, bench.xero.documents().len()), (second.text, 1));
    let other = send("/Contacts", json!({"Name": "Y"}), "k1").await;
    assert_eq!(other.body["Message"], "Idempotency Key: k1 is used with a different request.");
    bench.clock.advance(SignedDuration::from_mins(6));
    assert_eq!(send("/Invoices", body.clone(), "k1").await.status, 200);
    assert_eq!(bench.xero.documents().len(), 2);

    bench.xero.fail_next_write_after_commit();
    assert_eq!(send("/Invoices", body.clone(), "k2").await.status, 500);
    assert_eq!(send("/Invoices", body.clone(), "k2").await.status, 500);
    assert_eq!(bench.xero.documents().len(), 3);
    let refused = json!({"Name": "two  spaces"});
    assert_eq!(send("/Contacts", refused.clone(), "k3").await.status, 400);
    assert_eq!(send("/Contacts", refused, "k3").await.status, 400);
    let long: &'static str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
    assert!(send("/Invoices", body, long).await.body["Message"].as_str().unwrap().contains("129"));
}

#[tokio::test]
async fn a_lost_answer_is_found_again_under_its_key() {
    let bench = bench().await;
    bench.xero.server.faults.add(Rule::next(Method::PUT, "/Invoices", Fault::DropAfter));
    let body = bench.invoice("LOST", &json!([line("1", "5")]));
    let request = bench.http.put(format!("{}/Invoices", bench.xero.api_url())).bearer_auth(&bench.token);
    let request = request.header("idempotency-key", "lost").header("accept", "application/json").json(&body);
    assert!(request.send().await.is_err());
    let again = bench.call(Method::PUT, "/Invoices", Some(&body), "lost").await;
    assert_eq!(again.body["Invoices"][0]["InvoiceID"], json!(bench.xero.documents()[0].id));
    assert_eq!(bench.xero.documents().len(), 1);
    let renewed = bench.call(Method::PUT, "/Invoices", Some(&body), "other").await;
    assert_eq!(renewed.message(), "Invoice # must be unique.");
}

#[tokio::test]
async fn without_accept_the_answer_is_xml() {
    let bench = bench().await;
    let request = bench.http.get(format!("{}/Organisation", bench.xero.api_url())).bearer_auth(&bench.token);
    assert!(request.send().await.unwrap().text().await.unwrap().starts_with("<Response>"));
}

#[tokio::test]
async fn limits_answer_with_an_empty_429() {
    let bench = bench_with(|settings| settings.minute_limit = 2).await;
    bench.get("/Organisation").await;
    bench.clock.advance(SignedDuration::from_secs(34));
    assert_eq!(bench.get("/Organisation").await.header("x-minlimit-remaining"), "0");
    let answer = bench.get("/Organisation").await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (429, ""));
    assert_eq!((answer.header("x-rate-limit-problem"), answer.header("retry-after")), ("minute", "26"));
    assert_eq!(answer.header("content-type"), "");
    bench.clock.advance(SignedDuration::from_secs(26));
    assert_eq!(bench.get("/Organisation").await.status, 200);
    bench.xero.set_day_remaining(1);
    assert_eq!(bench.get("/Organisation").await.header("x-daylimit-remaining"), "0");
    let answer = bench.get("/Organisation").await;
    assert_eq!((answer.header("x-rate-limit-problem"), answer.header("retry-after")), ("day", "86340"));

    let bench = bench_with(|settings| {
        settings.concurrent_limit = 1;
        settings.latency = std::time::Duration::from_millis(200);
    })
    .await;
    let (one, two) = tokio::join!(bench.get("/Organisation"), bench.get("/Organisation"));
    let refused = if one.status == 429 { one } else { two };
    assert_eq!((refused.header("x-rate-limit-problem"), refused.header("retry-after")), ("concurrent", ""));
}

#[tokio::test]
async fn tokens_scopes_tenants_and_outages_have_their_own_answers() {
    let mut bench = bench_with(|settings| settings.refresh_token = Some("r0".to_owned())).await;
    bench.xero.revoke_scope("accounting.contacts");
    let answer = bench.get("/Contacts").await;
    assert_eq!((answer.status.as_u16(), &answer.body["Detail"]), (401, &json!("AuthorizationUnsuccessful")));
    assert_eq!(answer.header("www-authenticate"), "insufficent_scope");
    bench.xero.disconnect();
    assert_eq!(bench.get("/Organisation").await.status, 403);
    bench.xero.reconnect();
    bench.xero.expire_tokens();
    let answer = bench.get("/Organisation").await;
    assert_eq!(answer.body["Detail"], "TokenExpired: token expired at 03/02/2026 00:00:00");

    let refresh = |token: String| {
        let bench = &bench;
        async move { bench.token(&[("grant_type", "refresh_token"), ("refresh_token", &token)]).await }
    };
    let (_, first) = refresh("r0".to_owned()).await;
    assert_eq!((refresh("r0".to_owned()).await.0, &first["expires_in"]), (StatusCode::OK, &json!(1800)));
    bench.clock.advance(SignedDuration::from_mins(30));
    assert_eq!(refresh("r0".to_owned()).await.1["error"], "invalid_grant");
    bench.xero.break_client();
    assert_eq!(refresh("r0".to_owned()).await.1["error"], "invalid_client");
    bench.xero.mend_client();
    assert_eq!(
        bench.token(&[("grant_type", "client_credentials"), ("scope", "nope")]).await.1["error"],
        "invalid_scope"
    );
    let (_, fresh) = bench.token(&[("grant_type", "client_credentials")]).await;
    bench.token = fresh["access_token"].as_str().unwrap().to_owned();
    assert_eq!(bench.get("/Organisation").await.status, 200);

    bench.xero.set_outage(Some("The Xero API is currently offline for maintenance".to_owned()));
    let answer = bench.get("/Organisation").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (503, "text/plain"));
}

#[tokio::test]
async fn look_ups_find_what_was_posted() {
    let bench = bench().await;
    let mut bill = bench.invoice("S-1", &json!([line("1", "5")]));
    bill["Type"] = json!("ACCPAY");
    bill["LineItems"][0]["AccountCode"] = json!("429");
    assert_eq!(bench.put("/Invoices", &bill).await.status, 200);
    assert_eq!(bench.put("/Invoices", &bill).await.status, 200);
    let clause = format!(r#"Type=="ACCPAY" AND InvoiceNumber=="S-1" AND Contact.ContactID==guid("{}")"#, bench.contact);
    let encoded: String = url::form_urlencoded::byte_serialize(clause.as_bytes()).collect();
    let found = bench.get(&format!("/Invoices?page=1&where={encoded}")).await;
    assert_eq!(found.body["pagination"], json!({"page": 1, "pageSize": 100, "pageCount": 1, "itemCount": 2}));
    assert_eq!(found.body["Invoices"][0]["LineItems"].as_array().unwrap().len(), 1);
    let unpaged = bench.get("/Invoices?InvoiceNumbers=S-1,S-2").await;
    assert_eq!(unpaged.body["Invoices"][0]["LineItems"], json!([]));
    assert!(unpaged.body.get("pagination").is_none());

    let by_name = bench.get("/Contacts?where=Name%3D%3D%22cafe%20HARBOUR%22&page=1&pageSize=1000").await;
    assert_eq!(by_name.body["Contacts"][0]["ContactID"], json!(bench.contact));
    assert_eq!(bench.get("/Contacts?where=Name%3D%3D%22a%5C%22b%22").await.body["Type"], "QueryParseException");
    bench.xero.archive_contact(bench.contact);
    let by_number = "/Contacts?where=ContactNumber%3D%3D%22CW-1%22";
    assert_eq!(bench.get(by_number).await.body["Contacts"], json!([]));
    let archived = bench.get(&format!("{by_number}&includeArchived=true")).await;
    assert_eq!(archived.body["Contacts"][0]["ContactStatus"], "ARCHIVED");
    let missing = bench.get(&format!("/Invoices/{}", Uuid::new_v4())).await;
    assert_eq!(
        (missing.status.as_u16(), missing.text.as_str(), missing.header("content-type")),
        (404, "", "text/html")
    );
}

#[tokio::test]
async fn zero_is_paid_at_once_and_negative_is_a_credit_note() {
    let bench = bench().await;
    let zero = bench.put("/Invoices", &bench.invoice("Z", &json!([line("1", "5"), line("1", "-5")]))).await;
    assert_eq!(zero.body["Invoices"][0]["Status"], "PAID");
    let negative = bench.put("/Invoices", &bench.invoice("N", &json!([line("1", "-5")]))).await;
    assert_eq!(negative.message(), "The document total must be greater than 0.");

    bench.put("/Invoices", &bench.invoice("I", &json!([line("1", "100")]))).await;
    let mut note = bench.invoice("", &json!([line("1", "50")]));
    note["Type"] = json!("ACCRECCREDIT");
    note["CreditNoteNumber"] = json!("CN-9");
    let created = bench.put("/CreditNotes", &note).await;
    let id = created.body["CreditNotes"][0]["CreditNoteID"].as_str().unwrap().to_owned();
    let invoice = bench.xero.documents()[1].id;
    let part = json!({"Allocations": [{"Invoice": {"InvoiceID": invoice}, "Amount": 55, "Date": "2026-03-02"}]});
    let answer = bench.put(&format!("/CreditNotes/{id}/Allocations"), &part).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let documents = bench.xero.documents();
    assert_eq!((documents[1].amount_due(), documents[2].status), (dec("55"), Status::Paid));
    let found = bench.get("/CreditNotes?where=CreditNoteNumber%3D%3D%22CN-9%22&page=1").await;
    assert_eq!(found.body["CreditNotes"][0]["RemainingCredit"].to_string(), "0.0");
    let void = bench.post(&format!("/Invoices/{invoice}"), &json!({"Status": "VOIDED"})).await;
    assert!(void.message().starts_with("The status VOIDED cannot be applied to the invoice"));
}

#[tokio::test]
async fn updates_keep_lines_by_id_and_respect_the_status() {
    let bench = bench().await;
    bench.put("/Invoices", &bench.invoice("U", &json!([line("1", "5"), line("1", "7")]))).await;
    let held = bench.xero.documents()[0].clone();
    let lines = json!([{"LineItemID": held.lines[1].id, "UnitAmount": 8}, line("1", "1")]);
    let answer = bench.post(&format!("/Invoices/{}", held.id), &json!({"LineItems": lines})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let changed = bench.xero.documents()[0].clone();
    assert_eq!((changed.sub_total, changed.lines[0].id), (dec("9"), held.lines[1].id));
    assert_eq!(bench.post(&format!("/Invoices/{}", held.id), &json!({"Status": "VOIDED"})).await.status, 200);
    let late = bench.post(&format!("/Invoices/{}", held.id), &json!({"Reference": "late"})).await;
    assert_eq!(late.message(), "Invoice not of valid status for modification");
}
