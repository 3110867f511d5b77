//! Bills and suppliers' credit notes.

use jiff::SignedDuration;
use jiff::civil::date;
use serde_json::{Value, json};

use super::{Answer, Bench, bench, dec, line};
use crate::simulator::xero::{Kind, NewContact, Status};

/// A line on an account that takes costs.
fn cost(unit: &str) -> Value {
    let mut row = line("1", unit);
    row["AccountCode"] = json!("429");
    row
}

fn bill(bench: &Bench, number: &str, lines: &Value) -> Value {
    let mut row = bench.invoice(number, lines);
    row["Type"] = json!("ACCPAY");
    row
}

async fn found(bench: &Bench, clause: &str) -> Answer {
    let encoded: String = url::form_urlencoded::byte_serialize(clause.as_bytes()).collect();
    bench.get(&format!("/Invoices?page=1&where={encoded}")).await
}

#[tokio::test]
async fn every_put_of_a_bill_makes_another_bill() {
    let bench = bench().await;
    let mut sent = bill(&bench, "S-1 | PO-7", &json!([cost("100")]));
    sent["Reference"] = json!("lost, because only sales have a reference");
    for _ in 0..2 {
        let answer = bench.put("/Invoices", &sent).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(
            (&answer.body["Invoices"][0]["Reference"], &answer.body["Invoices"][0]["Type"]),
            (&json!(""), &json!("ACCPAY"))
        );
    }
    let documents = bench.xero.documents();
    assert_eq!(
        (documents.len(), documents[0].number.as_str(), documents[1].number.as_str()),
        (2, "S-1 | PO-7", "S-1 | PO-7")
    );
    assert_eq!((documents[0].total_tax, documents[0].total), (dec("10.0"), dec("110.0")));
    assert!(bench.xero.contacts()[0].is_supplier && !bench.xero.contacts()[0].is_customer);

    let mut unnumbered = bill(&bench, "", &json!([cost("1")]));
    unnumbered.as_object_mut().unwrap().remove("InvoiceNumber");
    assert_eq!(bench.put("/Invoices", &unnumbered).await.body["Invoices"][0]["InvoiceNumber"], "");
    assert_eq!(bench.put("/Invoices", &unnumbered).await.status, 200);
}

#[tokio::test]
async fn a_bill_is_found_by_number_and_supplier_page_by_page() {
    let bench = bench().await;
    let other = bench.xero.add_contact(NewContact { name: "Other supplier".to_owned(), ..NewContact::default() });
    for unit in ["1", "2", "3"] {
        bench.put("/Invoices", &bill(&bench, "S-1", &json!([cost(unit)]))).await;
    }
    let mut of_other = bill(&bench, "S-1", &json!([cost("4")]));
    of_other["Contact"] = json!({"ContactID": other});
    bench.put("/Invoices", &of_other).await;
    // A sale of the same number is another thing altogether.
    bench.put("/Invoices", &bench.invoice("S-1", &json!([line("1", "5")]))).await;

    let clause = format!(r#"Type=="ACCPAY" AND InvoiceNumber=="S-1" AND Contact.ContactID==guid("{}")"#, bench.contact);
    let encoded: String = url::form_urlencoded::byte_serialize(clause.as_bytes()).collect();
    let page = async |page: u32| {
        bench.get(&format!("/Invoices?where={encoded}&page={page}&pageSize=2&order=Total")).await.body
    };
    let (first, second) = (page(1).await, page(2).await);
    assert_eq!(first["pagination"], json!({"page": 1, "pageSize": 2, "pageCount": 2, "itemCount": 3}));
    let totals: Vec<String> = [&first["Invoices"][0], &first["Invoices"][1], &second["Invoices"][0]]
        .map(|row| row["Total"].to_string())
        .into();
    assert_eq!(totals, ["1.1", "2.2", "3.3"]);
    assert_eq!(second["Invoices"].as_array().unwrap().len(), 1);
    assert_eq!(
        found(&bench, r#"Type=="ACCPAY" AND Total==4.40"#).await.body["Invoices"][0]["Contact"]["Name"],
        "Other supplier"
    );
}

#[tokio::test]
async fn a_post_overwrites_a_bill_of_the_same_number_and_supplier() {
    let bench = bench().await;
    let other = bench.xero.add_contact(NewContact { name: "Other supplier".to_owned(), ..NewContact::default() });
    bench.post("/Invoices", &bill(&bench, "S-1", &json!([cost("1")]))).await;
    bench.post("/Invoices", &bill(&bench, "S-1", &json!([cost("2")]))).await;
    let mut of_other = bill(&bench, "S-1", &json!([cost("3")]));
    of_other["Contact"] = json!({"ContactID": other});
    bench.post("/Invoices", &of_other).await;
    let totals: Vec<_> = bench.xero.documents().iter().map(|held| held.sub_total).collect();
    assert_eq!(totals, [dec("2"), dec("3")]);
}

#[tokio::test]
async fn accounts_and_tax_rates_decide_what_a_bill_may_use() {
    let bench = bench().await;
    for (account, tax, expected) in [
        ("310", None, ("INPUT", "10.00")),
        ("620", None, ("INPUT", "10.00")),
        ("425", Some("EXEMPTEXPENSES"), ("EXEMPTEXPENSES", "0.00")),
        ("710", Some("CAPEXINPUT"), ("CAPEXINPUT", "10.00")),
        // What is sold may also be bought back.
        ("200", Some("OUTPUT"), ("OUTPUT", "10.00")),
    ] {
        let mut row = cost("100");
        row["AccountCode"] = json!(account);
        if let Some(tax) = tax {
            row["TaxType"] = json!(tax);
        }
        let answer = bench.put("/Invoices", &bill(&bench, "S-1", &json!([row]))).await;
        assert_eq!(answer.status, 200, "{account}: {}", answer.text);
        let held = bench.xero.documents().pop().unwrap();
        assert_eq!(
            (held.lines[0].tax_type.as_deref(), held.total_tax),
            (Some(expected.0), dec(expected.1)),
            "{account}"
        );
    }
    for (account, tax, expected) in [
        ("429", "OUTPUT", "The TaxType code 'OUTPUT' cannot be used with account code '429'."),
        ("429", "CAPEXINPUT", "The TaxType code 'CAPEXINPUT' cannot be used with account code '429'."),
        ("200", "INPUT", "The TaxType code 'INPUT' cannot be used with account code '200'."),
        ("200", "GSTONIMPORTS", "The TaxType code 'GSTONIMPORTS' cannot be used with account code '200'."),
        // Tracked inventory moves with its items only.
        ("630", "INPUT", "Account code '630' is not a valid code for this document."),
        ("800", "BASEXCLUDED", "Account code '800' is not a valid code for this document."),
    ] {
        let mut row = cost("100");
        (row["AccountCode"], row["TaxType"]) = (json!(account), json!(tax));
        let answer = bench.put("/Invoices", &bill(&bench, "S-1", &json!([row]))).await;
        assert_eq!(answer.message(), expected);
    }
    let rates = bench.get("/TaxRates").await.body;
    let applies = |tax: &str| {
        let row = rates["TaxRates"].as_array().unwrap().iter().find(|row| row["TaxType"] == tax).unwrap().clone();
        ["Assets", "Expenses", "Revenue"].map(|class| row[format!("CanApplyTo{class}")] == json!(true))
    };
    assert_eq!(
        (applies("INPUT"), applies("OUTPUT"), applies("CAPEXINPUT")),
        ([true, true, false], [true, false, true], [true, false, false])
    );
}

#[tokio::test]
async fn an_item_brings_its_purchases_account_to_a_bill() {
    let bench = bench().await;
    let row = json!({"ItemCode": "SSD1", "Quantity": 2, "UnitAmount": 80});
    bench.put("/Invoices", &bill(&bench, "S-1", &json!([row]))).await;
    let held = &bench.xero.documents()[0].lines[0];
    assert_eq!((held.account_code.as_deref(), held.tax_type.as_deref()), (Some("310"), Some("INPUT")));
    assert_eq!(held.description, "Solid state drive 1 TB");
    let item = bench.get("/Items/SSD1").await;
    assert_eq!(item.body["Items"][0]["PurchaseDetails"], json!({"AccountCode": "310", "TaxType": "INPUT"}));
    // Labour is only sold, so a bill has to name the account itself.
    let row = json!({"ItemCode": "LABOUR", "Quantity": 1, "UnitAmount": 80});
    assert_eq!(
        bench.put("/Invoices", &bill(&bench, "S-2", &json!([row]))).await.message(),
        "Account code must be specified"
    );
}

#[tokio::test]
async fn drafts_locks_zeros_and_negatives_are_as_for_sales() {
    let bench = bench().await;
    bench.xero.set_lock_dates(Some(date(2026, 3, 1)), None);
    let mut draft = bill(&bench, "D", &json!([{"Description": "To be coded", "Quantity": 1, "UnitAmount": 5}]));
    draft["Status"] = json!("DRAFT");
    draft.as_object_mut().unwrap().remove("DueDate");
    let answer = bench.put("/Invoices", &draft).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let held = bench.xero.documents()[0].id;
    let approved = bench.post(&format!("/Invoices/{held}"), &json!({"Status": "AUTHORISED"})).await.message();
    for expected in [
        "Account code must be specified",
        "The due date must be specified.",
        "The document date cannot be before the period lock date, currently set at 01-Mar-2026",
    ] {
        assert!(approved.contains(expected), "{expected} is not in {approved}");
    }
    bench.xero.set_lock_dates(None, None);
    let coded = json!({"Status": "AUTHORISED", "DueDate": "2026-03-31", "LineItems": [cost("5")]});
    assert_eq!(bench.post(&format!("/Invoices/{held}"), &coded).await.status, 200);
    assert_eq!(
        bench.post(&format!("/Invoices/{held}"), &json!({"Status": "DRAFT"})).await.message(),
        "Invoice not of valid status for modification"
    );

    let zero = bench.put("/Invoices", &bill(&bench, "Z", &json!([cost("5"), cost("-5")]))).await;
    assert_eq!(zero.body["Invoices"][0]["Status"], "PAID");
    let negative = bench.put("/Invoices", &bill(&bench, "N", &json!([cost("-5")]))).await;
    assert_eq!(negative.message(), "The document total must be greater than 0.");
}

#[tokio::test]
async fn a_credit_note_of_a_supplier_lowers_its_bill() {
    let bench = bench().await;
    bench.put("/Invoices", &bill(&bench, "S-1", &json!([cost("100")]))).await;
    let mut note = bill(&bench, "", &json!([cost("30")]));
    (note["Type"], note["CreditNoteNumber"], note["Reference"]) = (json!("ACCPAYCREDIT"), json!("SC-1"), json!("lost"));
    for _ in 0..2 {
        let answer = bench.put("/CreditNotes", &note).await;
        assert_eq!((answer.status.as_u16(), &answer.body["CreditNotes"][0]["Reference"]), (200, &json!("")));
    }
    let held = bench.xero.documents();
    assert_eq!((held[1].kind, held[1].number.as_str(), held[2].number.as_str()), (Kind::AccpayCredit, "SC-1", "SC-1"));
    let part = json!({"Allocations": [{"Invoice": {"InvoiceID": held[0].id}, "Amount": 33, "Date": "2026-03-02"}]});
    let answer = bench.put(&format!("/CreditNotes/{}/Allocations", held[1].id), &part).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let held = bench.xero.documents();
    assert_eq!((held[0].amount_due(), held[0].status, held[1].status), (dec("77"), Status::Authorised, Status::Paid));
    let shown = bench.get(&format!("/Invoices/{}", held[0].id)).await.body["Invoices"][0].clone();
    assert_eq!(
        (shown["AmountCredited"].to_string(), &shown["CreditNotes"][0]["CreditNoteNumber"]),
        ("33.0".to_owned(), &json!("SC-1"))
    );

    bench.put("/Invoices", &bench.invoice("INV-1", &json!([line("1", "100")]))).await;
    let sale = json!({"Invoice": {"InvoiceID": bench.xero.documents()[3].id}, "Amount": 1, "Date": "2026-03-02"});
    let mixed = bench.put(&format!("/CreditNotes/{}/Allocations", held[2].id), &sale).await;
    assert_eq!(mixed.message(), "The credit note and the invoice must be of the same contact and type");
}

#[tokio::test]
async fn only_what_changed_since_is_listed_when_asked() {
    let bench = bench().await;
    bench.put("/Invoices", &bill(&bench, "OLD", &json!([cost("1")]))).await;
    bench.put("/Invoices", &bill(&bench, "CHANGED", &json!([cost("1")]))).await;
    bench.clock.advance(SignedDuration::from_mins(10));
    let changed = bench.xero.documents()[1].id;
    bench.post(&format!("/Invoices/{changed}"), &json!({"DueDate": "2026-04-30"})).await;
    bench.put("/Invoices", &bill(&bench, "NEW", &json!([cost("1")]))).await;
    for (since, expected) in [
        ("2026-03-02T00:00:00", vec!["OLD", "CHANGED", "NEW"]),
        ("2026-03-02T00:00:01", vec!["CHANGED", "NEW"]),
        ("2026-03-02T00:10:00Z", vec!["CHANGED", "NEW"]),
        ("Mon, 02 Mar 2026 00:10:00 GMT", vec!["CHANGED", "NEW"]),
        ("2026-03-02T00:10:01", vec![]),
    ] {
        let rows = bench.since("/Invoices?page=1", since).await.body["Invoices"].clone();
        let numbers: Vec<&str> =
            rows.as_array().unwrap().iter().map(|row| row["InvoiceNumber"].as_str().unwrap()).collect();
        assert_eq!(numbers, expected, "{since}");
    }
    let unread = bench.since("/Invoices?page=1", "yesterday").await;
    assert_eq!((unread.status.as_u16(), &unread.body["Type"]), (400, &json!("QueryParseException")));
}

#[tokio::test]
async fn a_person_may_enter_the_same_bill_by_hand() {
    let bench = bench().await;
    let id = bench.xero.enter(&bill(&bench, "S-1", &json!([cost("1.2345")]))).unwrap();
    let held = bench.xero.documents();
    assert_eq!((held[0].id, held[0].kind, held[0].lines[0].unit_amount), (id, Kind::Accpay, dec("1.2345")));
    assert_eq!(
        (bench.put("/Invoices", &bill(&bench, "S-1", &json!([cost("1")]))).await.status.as_u16(), bench.xero.calls()),
        (200, 1)
    );
    bench.xero.edit(id, &json!({"InvoiceNumber": "S-1a", "DueDate": "2026-05-01"})).unwrap();
    assert_eq!(
        (bench.xero.documents()[0].number.as_str(), bench.xero.documents()[0].due_date),
        ("S-1a", Some(date(2026, 5, 1)))
    );
    assert_eq!(
        bench.xero.edit(id, &json!({"Status": "DRAFT"})),
        Err("Invoice not of valid status for modification".to_owned())
    );
    let refused = bench.xero.enter(&bill(&bench, "S-2", &json!([cost("-1")])));
    assert_eq!(refused, Err("The document total must be greater than 0.".to_owned()));
}
