//! What an invoice turns into.

use jiff::civil::date;
use rust_decimal::Decimal;

use super::rig;
use crate::domain::facts::{Caption, InvoiceType, Person, SegmentType};
use crate::domain::money::Money;
use crate::remote::RemoteError;
use crate::simulator::connectwise::{DateStyle, NewCompany, NewInvoice, SegmentKind, Sign};
use crate::simulator::faults::{Canned, Fault, Rule};

fn money(text: &str) -> Money {
    Money::new(text.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn an_invoice_is_read_with_all_that_posting_needs() {
    let rig = rig(|_| ()).await;
    let mut new = rig.new_invoice("Standard");
    (new.customer_po, new.project, new.reference) = ("PO 7".to_owned(), Some("Move".to_owned()), "Ref".to_owned());
    let id = rig.closed(new);
    let invoice = rig.invoice(id).await;
    assert_eq!((invoice.id, invoice.number.as_str(), &invoice.kind), (id, "1001", &InvoiceType::Standard));
    assert_eq!((invoice.status.name.as_str(), invoice.status.closed), ("Ready to Post", true));
    assert_eq!((invoice.date, invoice.due_date), (Some(date(2026, 11, 30)), Some(date(2026, 12, 20))));
    assert_eq!((invoice.total, invoice.sales_tax), (money("110"), money("10")));
    assert_eq!((invoice.tax_code.as_str(), invoice.currency.as_deref()), ("GST", Some("AUD")));
    assert_eq!((invoice.customer_po.as_str(), invoice.project.as_str()), ("PO 7", "Move"));
    assert_eq!((invoice.location_id, invoice.batch.as_deref()), (Some(11), None));

    let (posting, facts) = rig.posting(&invoice).await.unwrap();
    assert_eq!(posting.closed_at, Some("2026-11-30T10:00:00Z".parse().unwrap()));
    let captions: Vec<(&str, SegmentType)> =
        posting.captions.iter().map(|caption| (caption.name.as_str(), caption.kind)).collect();
    let class = SegmentType::Class;
    let expected =
        [("Account", SegmentType::Account), ("Region", class), ("Department", class), ("Non-Product ID", class)];
    assert_eq!(captions, expected);
    let transaction = facts.transaction.unwrap();
    assert_eq!((transaction.terms_xref.as_str(), transaction.terms_name.as_str()), ("M+1:D20", "Net 20"));
    assert_eq!((transaction.tax_levels[0].level, transaction.tax_levels[0].xref.as_str()), (1, "GST on Income"));
    let [labour, disk, tax] = transaction.details.as_slice() else { panic!("{:?}", transaction.details) };
    assert_eq!((labour.total, labour.account.as_str(), labour.class.as_str()), (money("-60"), "200", "North::LABOUR"));
    assert_eq!((labour.item.as_deref(), labour.price, labour.taxable), (None, None, Some(true)));
    assert_eq!(
        (disk.item.as_deref(), disk.price, disk.quantity),
        (Some("SSD1"), Some(money("20")), Some(-Decimal::TWO))
    );
    assert_eq!((disk.description.as_str(), &disk.tax_levels, disk.class.as_str()), ("Disk", &vec![1], ""));
    assert!(tax.is_tax() && tax.tax_xref == "GST on Income" && tax.total == money("-10"));
    assert_eq!(transaction.processed_ids().len(), 4, "receivable, two lines and tax");
    assert_eq!(facts.segments[&labour.id][..4], ["200", "North", "", "LABOUR"]);
    let person = |name: &str| Some(Person { name: name.to_owned(), email: "accounts@acme.example".to_owned() });
    let client = posting.party.unwrap();
    assert_eq!(
        (client.id, client.primary_contact, client.billing_contact),
        (rig.company, person("Acme Primary"), person("Acme Billing"))
    );
}

#[tokio::test]
async fn the_preview_stands_in_for_forbidden_gl_entries() {
    let rig = rig(|_| ()).await;
    let invoice = rig.ready().await;
    rig.tenant.forbid("glEntries");
    let (_, facts) = rig.posting(&invoice).await.unwrap();
    assert!(facts.segments.is_empty());
    assert_eq!(facts.transaction.unwrap().details[0].class, "North::LABOUR");
    rig.tenant.forbid("unpostedinvoices");
    let error = rig.posting(&invoice).await.unwrap_err();
    assert!(matches!(&error, RemoteError::Refused { cause, .. } if cause.contains("permission")), "{error}");
}

#[tokio::test]
async fn credit_memos_are_found_with_either_sign_and_any_date() {
    for (sign, style, total, closed_at) in [
        (Sign::Positive, DateStyle::Bare, "110", "2026-11-29T20:00:00Z"),
        (Sign::Negative, DateStyle::DateOnly, "-110", "2026-11-29T10:00:00Z"),
    ] {
        let rig = rig(|settings| {
            settings.credit_memo_header = sign;
            settings.date_style = style;
            settings.billing_log_offset = 40_000;
        })
        .await;
        let id = rig.closed(rig.new_invoice("CreditMemo"));
        let invoice = rig.invoice(id).await;
        assert_eq!((&invoice.kind, invoice.total), (&InvoiceType::CreditMemo, money(total)));
        let (posting, facts) = rig.posting(&invoice).await.unwrap();
        assert_eq!(posting.closed_at, Some(closed_at.parse().unwrap()));
        let transaction = facts.transaction.unwrap();
        assert_eq!((transaction.total, transaction.details[1].total), (money(total), money("40")));
    }
}

#[tokio::test]
async fn an_invoice_that_is_open_or_gone_has_no_preview() {
    let rig = rig(|_| ()).await;
    let id = rig.tenant.add_invoice(rig.new_invoice("Standard"));
    let invoice = rig.invoice(id).await;
    assert!(!invoice.status.closed);
    let (posting, facts) = rig.posting(&invoice).await.unwrap();
    assert_eq!((facts.transaction, posting.closed_at), (None, None));
    rig.tenant.delete_invoice(id).unwrap();
    assert_eq!(rig.client.invoice(&id.to_string()).await, Ok(None));
    for strange in ["", "..", "1/glEntries", "-1", "+1", "1.5"] {
        assert!(matches!(rig.client.invoice(strange).await, Err(RemoteError::Refused { .. })), "{strange}");
    }
}

#[tokio::test]
async fn a_number_shared_with_others_never_exports_their_record() {
    let rig = rig(|settings| settings.billing_log_offset = 40_000).await;
    let other = rig.tenant.add_company(NewCompany { identifier: "OTHER".to_owned(), ..NewCompany::default() });
    let number = "10\"01*".to_owned();
    let new = || NewInvoice { number: number.clone(), ..rig.new_invoice("Standard") };
    rig.closed(NewInvoice { company: other, ..new() });
    rig.closed(NewInvoice { number: "10x01y".to_owned(), ..new() });
    let wanted = rig.closed(new());
    let mut larger = new();
    larger.lines[0].unit_price = Decimal::from(61);
    rig.closed(larger);
    let invoice = rig.invoice(wanted).await;
    let found = rig.posting(&invoice).await.unwrap().1.transaction.unwrap();
    let entries: Vec<i64> = found.details.iter().map(|detail| detail.id).collect();
    let own: Vec<i64> = rig.posting(&invoice).await.unwrap().1.segments.into_keys().collect();
    assert!(entries.iter().all(|id| own.contains(id)), "{entries:?} of {own:?}");
    rig.closed(new());
    let error = rig.posting(&invoice).await.unwrap_err();
    assert!(matches!(error, RemoteError::Malformed { .. }), "two of the same size: {error}");
}

#[tokio::test]
async fn a_preview_of_another_document_is_refused() {
    let rig = rig(|_| ()).await;
    let invoice = rig.ready().await;
    for body in [
        r#"{"transactions":[{"documentNumber":"1002","total":110.0,"glEntryIds":"1","detail":[]}]}"#,
        r#"{"transactions":[]}"#,
        r#"{"transactions":[{"documentNumber":"1001","total":"1,0"}]}"#,
    ] {
        rig.tenant.server.faults.clear();
        rig.tenant.server.faults.add(Rule::every("accounting/export", Fault::Answer(Canned::new(200, body))));
        let error = rig.posting(&invoice).await.unwrap_err();
        assert!(matches!(error, RemoteError::Malformed { .. }), "{body}: {error}");
    }
}

#[tokio::test]
async fn odd_shapes_are_read() {
    let rig = rig(|_| ()).await;
    let invoice = rig.ready().await;
    let body = r#"{"id":"2","invoiceNumber":1001,"type":"Consolidated2","status":{"id":"13","name":"Closed"},
        "company":{"id":19303,"name":" Acme "},"billToCompany":null,"date":"11/30/2026","dueDate":"soon","total":"182714.10",
        "salesTax":35364.0,"currency":{"currencyCode":"ISK"},"glBatch":{"id":7},"taxCode":{"id":16,"name":"VAT"},"new":{"a":[1.5]}}"#;
    rig.tenant.server.faults.add(Rule::next(http("GET"), "finance/invoices/2", Fault::Answer(Canned::new(200, body))));
    let statuses = r#"[{"id":13,"name":"Closed","closedFlag":"true"}]"#;
    rig.tenant.server.faults.add(Rule::every("billingStatuses", Fault::Answer(Canned::new(200, statuses))));
    let odd = rig.client.invoice("2").await.unwrap().unwrap();
    assert_eq!((odd.kind, odd.status.closed), (InvoiceType::Unknown("Consolidated2".to_owned()), true));
    assert_eq!((odd.client_id, odd.client_name.as_str(), odd.batch.as_deref()), (19303, "Acme", Some("7")));
    assert_eq!((odd.date, odd.due_date, odd.total), (Some(date(2026, 11, 30)), None, money("182714.10")));
    let export = r#"{"transactions":[{"documentNumber":1001,"total":110,"glEntryIds":"901, ,904","billingTerms":{"id":12},
        "detail":[{"id":"902","glTypeId":"RP","glItemId":"SSD1","accountNumber":"::","glClass":":","total":"-110",
        "quantity":0,"taxableFlag":false,"taxLevels":[{"taxLevel":2,"taxableFlag":true}]}],"taxLevels":null}]}"#;
    rig.tenant.server.faults.add(Rule::every("accounting/export", Fault::Answer(Canned::new(200, export))));
    rig.tenant
        .server
        .faults
        .add(Rule::every("company/contacts", Fault::Answer(Canned::new(404, r#"{"code":"NotFound"}"#))));
    let (posting, facts) = rig.posting(&invoice).await.unwrap();
    let party = posting.party.unwrap();
    assert_eq!((party.primary_contact, party.billing_contact), (None, None));
    let transaction = facts.transaction.unwrap();
    assert_eq!(transaction.terms_xref, "M+1:D20", "looked up, as the preview has none");
    assert_eq!(transaction.processed_ids(), [901, 902, 904]);
    let row = &transaction.details[0];
    assert_eq!((row.account.as_str(), row.class.as_str(), row.quantity), ("", "", None));
    assert_eq!((row.item.as_deref(), row.taxable, &row.tax_levels), (Some("SSD1"), Some(true), &vec![2]));
}

#[tokio::test]
async fn captions_keep_their_places_and_are_kept_for_ten_minutes() {
    let rig = rig(|_| ()).await;
    let captions: [(&str, SegmentKind); 3] =
        [("Account", SegmentKind::Account), ("", SegmentKind::Class), ("Region", SegmentKind::Class)];
    rig.tenant.set_captions(&captions);
    let invoice = rig.ready().await;
    let read = rig.posting(&invoice).await.unwrap().0.captions;
    let names: Vec<&str> = read.iter().map(|Caption { name, .. }| name.as_str()).collect();
    assert_eq!(names, ["Account", "", "Region"]);
    rig.posting(&invoice).await.unwrap();
    assert_eq!(rig.requests("GET", "glCaptions"), 1);
    rig.clock.advance(jiff::SignedDuration::from_mins(10));
    rig.posting(&invoice).await.unwrap();
    assert_eq!(rig.requests("GET", "glCaptions"), 2);
}

fn http(method: &str) -> reqwest::Method {
    method.parse().unwrap()
}
