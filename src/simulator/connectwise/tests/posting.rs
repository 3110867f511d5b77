//! Closing, exporting and batching invoices.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{entry_ids, rig};
use crate::simulator::connectwise::amounts::decimal;
use crate::simulator::connectwise::{
    DateStyle, DuplicateBatches, NewInvoice, NewLine, Oddities, Refusal, SegmentKind, Sign, StatusAfterBatch, StrayIds,
    View,
};

#[tokio::test]
async fn closing_makes_entries_and_an_unposted_row_and_opening_removes_them() {
    let rig = rig(|_| ()).await;
    let id = rig.invoice("Standard");
    assert_eq!(rig.get(&format!("/finance/invoices/{id}/glEntries/")).await, json!([]));
    rig.cw.set_status(id, "Ready to Post").unwrap();
    let entries = rig.get(&format!("/finance/invoices/{id}/glEntries")).await;
    let kinds: Vec<&str> = entries.as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["AR", "R", "RP", "ST"]);
    let sum: Decimal = entries.as_array().unwrap().iter().map(|entry| decimal(&entry["amount"]).unwrap()).sum();
    assert_eq!(sum, Decimal::ZERO);
    let row = &rig.get("/finance/accounting/unpostedinvoices?conditions=invoiceNumber=\"1001\"").await[0];
    assert_eq!((row["billingLogId"].as_i64(), &row["dateClosed"]), (Some(id), &json!("2026-11-30T10:00:00Z")));
    assert_ne!(row["id"], row["billingLogId"]);
    assert_eq!((&row["total"], &row["dueDays"], &row["stateTaxAmount"]), (&json!(110.0), &json!("20"), &json!(10.0)));
    rig.cw.set_status(id, "Hold").unwrap();
    assert_eq!(rig.get("/finance/accounting/unpostedinvoices/count").await, json!({"count": 0}));
    rig.cw.edit_company(rig.company, |company| company.account_number.clear()).unwrap();
    assert_eq!(rig.cw.set_status(id, "Closed"), Err(Refusal::NoAccountNumber));
}

#[tokio::test]
async fn an_export_has_the_signs_types_and_ids_of_the_trap_list() {
    let rig = rig(|_| ()).await;
    let id = rig.closed("Standard");
    let export = rig.export(&[id]).await;
    let header = &export["transactions"][0];
    assert_eq!((&header["documentType"], &header["total"]), (&json!("INVOICE"), &json!(110.0)));
    assert_eq!((&header["dueDate"], &header["billingTermsXref"]), (&json!("2026-12-20T00:00:00Z"), &json!("NET20")));
    assert_eq!(header["glClass"], "::");
    let (labour, disk, tax) = (&header["detail"][0], &header["detail"][1], &header["detail"][2]);
    assert_eq!(
        (&labour["glTypeId"], &labour["total"], &labour["glClass"]),
        (&json!("R"), &json!(-60.0), &json!("North::LABOUR"))
    );
    assert_eq!((&disk["glTypeId"], &disk["quantity"], &disk["itemPrice"]), (&json!("RP"), &json!(-2.0), &json!(20.0)));
    assert_eq!(disk["item"], json!({"id": 741, "identifier": "SSD1"}));
    assert_eq!(
        (&tax["glTypeId"], &tax["total"], &tax["taxCodeXref"]),
        (&json!("ST"), &json!(-10.0), &json!("GST on Income"))
    );
    assert_eq!(header["glEntryIds"], format!("{},{}", header["id"], tax["id"]));
    assert_eq!(header["taxLevels"][0]["taxableAmount"], json!(100.0));
    assert_eq!(export, rig.export(&[id]).await, "a preview changes nothing");
    let unposted = rig.cw.unposted()[0]["id"].as_i64().unwrap();
    assert_eq!(rig.export(&[unposted]).await["transactions"], json!([]));
    assert_eq!(rig.export(&entry_ids(header)).await["transactions"], json!([]));
}

#[tokio::test]
async fn segments_join_with_colons_and_a_missing_mapping_is_blank() {
    let rig = rig(|_| ()).await;
    rig.cw.set_captions(&[
        ("Account", SegmentKind::Account),
        ("Region", SegmentKind::Class),
        ("Sub", SegmentKind::Account),
    ]);
    let line = NewLine { other_segments: vec![("Sub".to_owned(), "01".to_owned())], ..NewLine::default() };
    let blank = NewLine { account: String::new(), ..NewLine::default() };
    let company = rig.company;
    let id = rig.cw.add_invoice(NewInvoice { company, lines: vec![line, blank], ..NewInvoice::default() });
    rig.cw.set_status(id, "Closed").unwrap();
    let export = rig.export(&[id]).await;
    let detail = &export["transactions"][0]["detail"];
    assert_eq!((&detail[0]["accountNumber"], &detail[1]["accountNumber"]), (&json!("200:01"), &json!(":")));
    assert_eq!(rig.get("/finance/glCaptions").await[0]["segment3type"], "Account");
}

#[tokio::test]
async fn a_credit_memo_flips_its_detail_and_its_header_by_choice() {
    for (sign, total) in [(Sign::Positive, json!(110.0)), (Sign::Negative, json!(-110.0))] {
        let rig = rig(|settings| settings.credit_memo_header = sign).await;
        let id = rig.closed("CreditMemo");
        let header = &rig.export(&[id]).await["transactions"][0];
        assert_eq!((&header["documentType"], &header["total"]), (&json!("CREDIT MEMO"), &total));
        assert_eq!((&header["detail"][1]["total"], &header["detail"][1]["quantity"]), (&json!(40.0), &json!(2.0)));
        assert_eq!(rig.cw.invoice(id)["total"], total);
    }
}

#[tokio::test]
async fn an_invoice_stays_unposted_until_its_last_entry_is_in_a_batch() {
    let rig = rig(|_| ()).await;
    let id = rig.closed("Standard");
    let ids = entry_ids(&rig.export(&[id]).await["transactions"][0]);
    let (last, most) = ids.split_last().unwrap();
    let (status, body) = rig.batch("X-1", most).await;
    assert_eq!((status, body["transactions"].as_array().map(Vec::len)), (201, Some(1)));
    assert!(!rig.cw.is_batched(id) && rig.cw.unposted().len() == 1);
    assert_eq!(entry_ids(&rig.export(&[id]).await["transactions"][0]), [*last]);
    assert_eq!(rig.batch("X-2", &[*last]).await.0, 201);
    assert_eq!(rig.get(&format!("/finance/invoices/{id}")).await["glBatch"]["name"], "X-2");
    assert!(rig.cw.unposted().is_empty());
    assert_eq!(rig.cw.set_status(id, "Hold"), Err(Refusal::Batched));
    let batch = rig.get("/finance/accounting/batches?conditions=batchIdentifier=\"x-1\"").await[0]["id"].clone();
    let (status, ..) = rig.call(reqwest::Method::DELETE, &format!("/finance/accounting/batches/{batch}"), None).await;
    assert_eq!((status, rig.cw.unposted().len()), (204, 1));
    assert_eq!(rig.cw.invoice(id)["unbatchedBatch"]["name"], "X-1");
}

#[tokio::test]
async fn a_batch_is_checked_and_strays_and_duplicates_are_switches() {
    let rig1 = rig(|_| ()).await;
    let id = rig1.closed("Standard");
    let ids = entry_ids(&rig1.export(&[id]).await["transactions"][0]);
    let (status, body) = rig1.post("/finance/accounting/batches", json!({})).await;
    assert_eq!((status, body["errors"].as_array().map(Vec::len)), (400, Some(3)));
    assert_eq!(rig1.batch(&"x".repeat(51), &ids).await.1["errors"][0]["code"], "MaxLengthField");
    assert_eq!(rig1.batch("X", &[id]).await.1["errors"][0]["code"], "NotFound");
    assert_eq!(rig1.batch("X", &ids).await.0, 201);
    let codes = rig1.batch("X", &ids).await.1;
    assert_eq!(
        (&codes["errors"][0]["code"], &codes["errors"][1]["code"]),
        (&json!("ObjectExists"), &json!("NotFound"))
    );
    let rig2 = rig(|settings| {
        settings.stray_ids = StrayIds::Ignore;
        settings.duplicate_batches = DuplicateBatches::Accept;
    })
    .await;
    assert_eq!(rig2.batch("X", &[1]).await.1["transactions"], json!([]));
    assert_eq!((rig2.batch("X", &[1]).await.0, rig2.cw.batches().len()), (201, 2));
}

#[tokio::test]
async fn the_screen_can_batch_unbatch_and_rebatch_behind_our_back() {
    let rig = rig(|_| ()).await;
    let id = rig.closed("Standard");
    let batch = rig.cw.manual_batch(&[id], "M-1").unwrap();
    assert_eq!(rig.cw.batches()[0].invoice_ids, [id]);
    rig.cw.unbatch(id).unwrap();
    rig.cw.set_status(id, "Hold").unwrap();
    rig.cw.edit_invoice(id, |invoice| invoice.lines.truncate(1)).unwrap();
    rig.cw.set_status(id, "Closed").unwrap();
    assert_eq!(rig.cw.unposted()[0]["total"], json!(66.0));
    rig.cw.rebatch(id).unwrap();
    assert!(rig.cw.is_batched(id) && rig.cw.batches()[0].id == batch);
    let entries = rig.get(&format!("/finance/accounting/batches/{batch}/entries")).await;
    assert_eq!(entries.as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_closed_invoice_takes_a_status_but_not_a_nested_path() {
    for (allowed, code) in [(StatusAfterBatch::Allow, 200), (StatusAfterBatch::Refuse, 400)] {
        let rig = rig(|settings| {
            settings.status_after_batch = allowed;
            settings.date_style = DateStyle::DateOnly;
        })
        .await;
        let id = rig.closed("Standard");
        assert_eq!(rig.cw.unposted()[0]["dateClosed"], "2026-11-30");
        rig.cw.manual_batch(&[id], "M-1").unwrap();
        let path = format!("/finance/closedInvoices/{id}");
        let change = |path: &str, value: Value| Some(json!([{"op": "replace", "path": path, "value": value}]));
        let (status, _, body) = rig.call(reqwest::Method::PATCH, &path, change("status/id", json!(5))).await;
        assert_eq!((status, &body["status"]["name"]), (200, &json!("Ready to Post")));
        let (status, ..) = rig.call(reqwest::Method::PATCH, &path, change("status", json!({"id": 5}))).await;
        assert_eq!(status, code);
        let name = if code == 200 { "Posted to Xero" } else { "Ready to Post" };
        assert_eq!(rig.cw.invoice(id)["status"]["name"], name);
    }
}

#[tokio::test]
async fn bad_input_is_shown_as_it_was_asked_for() {
    let rig = rig(|_| ()).await;
    let id = rig.invoice("Standard");
    rig.cw
        .edit_invoice(id, |invoice| {
            invoice.oddities = Oddities { amounts_as_text: true, ..Oddities::default() }
                .field(View::Unposted, "/billingLogId", Value::Null)
                .field(View::Export, "/detail/0/total", json!("sixty"))
                .field(View::Record, "/type", json!("Barter"));
        })
        .unwrap();
    rig.cw.set_status(id, "Ready to Post").unwrap();
    let row = &rig.cw.unposted()[0];
    assert_eq!((&row["billingLogId"], &row["total"]), (&Value::Null, &json!("110.0")));
    assert_eq!(rig.export(&[id]).await["transactions"][0]["detail"][0]["total"], "sixty");
    assert_eq!((&rig.cw.invoice(id)["type"], &rig.cw.invoice(id)["id"]), (&json!("Barter"), &json!(id)));
}
