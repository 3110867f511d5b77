//! Purchase orders: received under packing slips, closed, exported and batched.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{Rig, rig};
use crate::simulator::connectwise::{
    DateStyle, Mapping, NewCompany, NewPurchaseLine, NewPurchaseOrder, Oddities, PurchaseTotal, PurchasesReach,
    Refusal, Rest, Settings, View,
};

const UNPOSTED: &str = "/finance/accounting/unpostedprocurement";

/// A tenant with a vendor that taxes at 10 %.
async fn yard(change: impl FnOnce(&mut Settings)) -> (Rig, i64) {
    let rig = rig(change).await;
    let mut usual = NewCompany::default();
    rig.cw.edit_company(rig.company, |company| usual = company.clone()).unwrap();
    let vendor = rig.cw.add_company(NewCompany {
        identifier: "DICKER".to_owned(),
        name: "Dicker Parts".to_owned(),
        is_vendor: true,
        vendor_number: "V-77".to_owned(),
        account_number: "CUST-9".to_owned(),
        ..usual
    });
    (rig, vendor)
}

/// Four disks at 50.00, a cable at 20.00 and 15.00 freight.
fn order(vendor: i64) -> NewPurchaseOrder {
    let disks =
        NewPurchaseLine { quantity: Decimal::from(4), unit_cost: Decimal::from(50), ..NewPurchaseLine::default() };
    let cable = NewPurchaseLine {
        description: "Cable".to_owned(),
        unit_cost: Decimal::from(20),
        item: None,
        mapping: Mapping { region: "North".to_owned(), ..Mapping::account("320") },
        ..NewPurchaseLine::default()
    };
    NewPurchaseOrder {
        vendor,
        vendor_invoice_number: "INV/88".to_owned(),
        vendor_invoice_date: Some(jiff::civil::date(2026, 11, 28)),
        freight: Decimal::from(15),
        freight_taxable: true,
        lines: vec![disks, cable],
        ..NewPurchaseOrder::default()
    }
}

impl Rig {
    async fn export_products(&self, ids: &[&str]) -> Value {
        let request = json!({"batchIdentifier": "0", "glInterfaceIdentifier": "0", "locationId": 0,
            "exportProductsFlag": true, "includedProductIds": ids});
        let (status, body) = self.post("/finance/accounting/export", request).await;
        assert_eq!(status, 200);
        body
    }

    async fn batch_products(&self, identifier: &str, ids: &[i64]) -> (u16, Value) {
        let request = json!({"batchIdentifier": identifier, "exportProductsFlag": true, "processedRecordIds": ids});
        self.post("/finance/accounting/batches", request).await
    }
}

/// Every id that a purchase transaction names.
fn ids(transaction: &Value) -> Vec<i64> {
    let rows = |name: &str| transaction[name].as_array().unwrap().clone();
    rows("purchaseDetail").into_iter().chain(rows("purchaseDetailTax")).map(|row| row["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn what_is_received_reaches_the_accounting_interface_when_its_order_closes() {
    for (reach, early) in [(PurchasesReach::WhenClosed, 0), (PurchasesReach::WhenReceived, 1)] {
        let (rig, vendor) = yard(|settings| settings.purchases_reach = reach).await;
        let id = rig.cw.add_purchase_order(order(vendor));
        rig.cw.receive(id, "PS 1/a").unwrap();
        assert_eq!(rig.cw.unposted_procurement().len(), early);
        rig.cw.close_purchase_order(id).unwrap();
        let rows = rig.get(&format!("{UNPOSTED}?conditions=procurementType='Purchase'")).await;
        let row = &rows[0];
        assert_eq!(row["unpostedProductId"], format!("{id}-PS 1/a-purchase"));
        assert_ne!(row["id"], row["purchaseOrder"]["id"]);
        assert_eq!(
            (&row["total"], &row["taxTotal"], &row["freightTaxTotal"]),
            (&json!(258.5), &json!(22.0), &json!(1.5))
        );
        assert_eq!((&row["stateTaxAmount"], &row["freightCost"]), (&json!(23.5), &json!(15.0)));
        assert_eq!((&row["vendor"]["name"], &row["vendorAccountNumber"]), (&json!("Dicker Parts"), &json!("CUST-9")));
        assert_eq!(
            (&row["vendorInvoiceNumber"], &row["vendorInvoiceDate"]),
            (&json!("INV/88"), &json!("2026-11-28T00:00:00Z"))
        );
        let levels = rig.get(&format!("{UNPOSTED}/{}/taxableLevels", row["id"])).await;
        assert_eq!(
            levels[1],
            json!({"id": 2, "taxLevel": 1, "taxCodeXref": "GST on Income", "taxAmount": 1.5, "_info": {}})
        );
        let shown = rig.get(&format!("/procurement/purchaseorders/{id}")).await;
        assert_eq!(
            (&shown["closedFlag"], &shown["status"]["closedFlag"], &shown["total"]),
            (&json!(true), &Value::Null, &json!(258.5))
        );
        assert_eq!(rig.cw.receive(id, "late"), Err(Refusal::Closed));
    }
}

#[tokio::test]
async fn a_purchase_is_exported_by_its_string_with_freight_and_tax_in_rows_of_their_own() {
    let (rig, vendor) = yard(|_| ()).await;
    let id =
        rig.cw.add_purchase_order(NewPurchaseOrder { drop_ship: true, customer: Some(rig.company), ..order(vendor) });
    rig.cw.receive(id, "").unwrap();
    rig.cw.close_purchase_order(id).unwrap();
    let key = format!("{id}-PO-1001-purchase");
    let export = rig.export_products(&[&key]).await;
    let header = &export["purchaseTransactions"][0];
    assert_eq!(
        (&header["id"], &header["packingSlip"], &header["documentNumber"]),
        (&json!(key), &json!("PO-1001"), &json!("PO-1001"))
    );
    assert_eq!(
        (&header["total"], &header["apAccountNumber"], &header["freightAmount"]),
        (&json!(258.5), &json!("800"), &json!(15.0))
    );
    assert_eq!((&header["vendorNumber"], &header["vendorAccountNumber"]), (&json!("V-77"), &json!("CUST-9")));
    assert_eq!(
        (&header["dropshipFlag"], &header["shipToCompany"]["identifier"], &header["dueDays"]),
        (&json!(true), &json!("ACME"), &json!(20))
    );
    let kinds: Vec<&str> =
        header["purchaseDetail"].as_array().unwrap().iter().map(|row| row["glTypeId"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["P", "P", "PF"]);
    let (disks, cable) = (&header["purchaseDetail"][0], &header["purchaseDetail"][1]);
    assert_eq!((&disks["quantity"], &disks["total"], &disks["itemCost"]), (&json!(4.0), &json!(200.0), &json!(50.0)));
    assert_eq!((&disks["item"]["identifier"], &disks["inventoryAccountNumber"]), (&json!("SSD1"), &json!("630")));
    assert_eq!(
        (&cable["accountNumber"], &cable["glClass"], &cable["item"]),
        (&json!("320"), &json!("North::"), &Value::Null)
    );
    let taxes = header["purchaseDetailTax"].as_array().unwrap();
    let shown: Vec<_> = taxes.iter().map(|row| (row["glTypeId"].as_str().unwrap(), row["total"].to_string())).collect();
    assert_eq!(shown, [("PT", "22.0".to_owned()), ("FT", "1.5".to_owned())]);
    assert_eq!(header["taxLevels"], json!([{"taxCodeXref": "GST on Income", "taxLevel": 1}]));
    assert_eq!((&export["vendors"][0]["vendorNumber"], &export["transactions"]), (&json!("V-77"), &json!([])));
    assert_eq!(export, rig.export_products(&[&key]).await, "a preview changes nothing");
    let row_id = rig.cw.unposted_procurement()[0]["id"].to_string();
    assert_eq!(rig.export_products(&[&row_id]).await["purchaseTransactions"], json!([]));
}

#[tokio::test]
async fn slips_are_posted_one_by_one_and_late_ones_are_added_by_opening_the_order() {
    let (rig, vendor) = yard(|_| ()).await;
    let id = rig.cw.add_purchase_order(order(vendor));
    rig.cw.receive_part((id, 1), "A", Decimal::from(3), Rest::Clone).unwrap();
    rig.cw.close_purchase_order(id).unwrap();
    let lines = rig.get(&format!("/procurement/purchaseorders/{id}/lineitems")).await;
    assert_eq!(
        (&lines[0]["receivedQuantity"], &lines[0]["receivedStatus"]),
        (&json!(3), &json!("PartiallyReceiveCloneRest"))
    );
    assert_eq!(
        (&lines[2]["quantity"], &lines[2]["receivedStatus"], &lines[2]["lineNumber"]),
        (&json!(1.0), &json!("Waiting"), &json!(3))
    );
    let first = &rig.export_products(&[]).await["purchaseTransactions"][0];
    assert_eq!((&first["total"], ids(first).len()), (&json!(181.5), 4));
    assert_eq!(rig.batch_products("X-A", &ids(first)).await.0, 201);
    assert!(rig.cw.unposted_procurement().is_empty());
    rig.cw.reopen_purchase_order(id).unwrap();
    rig.cw.receive(id, "B").unwrap();
    rig.cw.close_purchase_order(id).unwrap();
    let purchases = rig.cw.purchases(id);
    assert_eq!((purchases.len(), purchases[0].batch.is_some(), purchases[1].batch), (2, true, None));
    let second = &rig.export_products(&[]).await["purchaseTransactions"][0];
    assert_eq!(
        (&second["packingSlip"], &second["total"], &second["freightAmount"]),
        (&json!("B"), &json!(77.0), &json!(0.0))
    );
    let lines = rig.get(&format!("/procurement/purchaseorders/{id}/lineitems?conditions=batchedFlag=true")).await;
    assert_eq!((lines.as_array().unwrap().len(), &lines[0]["packingSlip"]), (1, &json!("A")));
    rig.cw.reopen_purchase_order(id).unwrap();
    rig.cw.add_purchase_line(id, NewPurchaseLine { unit_cost: Decimal::ONE, ..NewPurchaseLine::default() }).unwrap();
    rig.cw.receive(id, "A").unwrap();
    rig.cw.close_purchase_order(id).unwrap();
    let again = rig.cw.unposted_procurement();
    assert_eq!(
        (again.len(), &again[0]["unpostedProductId"]),
        (2, &json!(format!("{id}-A-purchase"))),
        "the same string again"
    );
    assert_eq!(again[0]["total"], json!(1.1), "with what is new only");
}

#[tokio::test]
async fn part_of_a_batch_leaves_a_remainder_and_batches_are_undone_from_both_ends() {
    let (rig, vendor) = yard(|_| ()).await;
    let id = rig.cw.add_purchase_order(order(vendor));
    rig.cw.receive(id, "A").unwrap();
    rig.cw.close_purchase_order(id).unwrap();
    let all = ids(&rig.export_products(&[]).await["purchaseTransactions"][0]);
    let (last, most) = all.split_last().unwrap();
    let as_invoices = json!({"batchIdentifier": "I", "exportInvoicesFlag": true, "processedRecordIds": all});
    assert_eq!(rig.post("/finance/accounting/batches", as_invoices).await.0, 400);
    let (status, body) = rig.batch_products("X-1", most).await;
    assert_eq!((status, body["purchaseTransactions"].as_array().map(Vec::len)), (201, Some(1)));
    assert_eq!(rig.cw.purchases(id)[0].free_entry_ids, [*last]);
    assert_eq!(rig.cw.unposted_procurement()[0]["total"], json!(1.5));
    assert_eq!(rig.batch_products("X-2", &[*last]).await.0, 201);
    let batches = rig.cw.batches();
    assert_eq!((batches.len(), batches[0].product_ids.clone()), (2, vec![format!("{id}-A-purchase")]));
    let entries = rig.get(&format!("/finance/accounting/batches/{}/entries", batches[0].id)).await;
    assert_eq!((entries.as_array().unwrap().len(), &entries[0]["purchaseOrder"]["id"]), (4, &json!(id)));
    let path = format!("/procurement/purchaseorders/{id}");
    let (_, unbatched) = rig.post(&format!("{path}/unbatch"), json!({})).await;
    assert_eq!((&unbatched["success"], rig.cw.purchases(id)[0].free_entry_ids.len()), (&json!(true), 5));
    assert_eq!(rig.post(&format!("{path}/unbatch"), json!({})).await.1["success"], json!(false));
    assert_eq!(rig.post(&format!("{path}/rebatch"), json!({})).await.1["success"], json!(true));
    let batch = rig.cw.purchases(id)[0].batch.unwrap();
    let (status, ..) = rig.call(reqwest::Method::DELETE, &format!("/finance/accounting/batches/{batch}"), None).await;
    assert_eq!((status, rig.cw.unposted_procurement().len()), (204, 1));
    assert!(rig.cw.manual_purchase_batch(id, "M-1").is_ok() && rig.cw.unposted_procurement().is_empty());
}

#[tokio::test]
async fn bad_input_is_shown_as_it_was_asked_for() {
    let (rig, _) = yard(|settings| settings.purchase_total = PurchaseTotal::Lines).await;
    let oddities = Oddities { amounts_as_text: true, dates: Some(DateStyle::Bare), ..Oddities::default() }
        .field(View::Unposted, "/procurementType", json!("Consignment"))
        .field(View::Export, "/purchaseDetail/0/accountNumber", json!(""));
    let id = rig.cw.add_purchase_order(NewPurchaseOrder { oddities, ..order(0) });
    rig.cw.receive(id, "A").unwrap();
    rig.cw.close_purchase_order(id).unwrap();
    let row = &rig.cw.unposted_procurement()[0];
    assert_eq!(
        (&row["procurementType"], &row["vendor"], &row["total"]),
        (&json!("Consignment"), &Value::Null, &json!("220.0"))
    );
    assert_eq!((&row["purchaseDate"], &row["id"]), (&json!("2026-11-27T00:00:00"), &json!(641_001)));
    let header = &rig.export_products(&[]).await["purchaseTransactions"][0];
    assert_eq!((&header["company"], &header["purchaseDetail"][0]["accountNumber"]), (&Value::Null, &json!("")));
    assert_eq!(rig.get(&format!("/procurement/purchaseorders/{id}")).await["freightCost"], json!("15.0"));
}

#[tokio::test]
async fn purchase_orders_call_back_by_owner_status_and_vendor() {
    let (rig, vendor) = yard(|_| ()).await;
    let statuses = rig.get("/procurement/purchaseorderstatuses?conditions=name='Ready to Post'").await;
    let ready = statuses[0]["id"].as_i64().unwrap();
    assert_eq!(statuses[0]["closedFlag"], json!(true));
    let listen = |level: &str, object: i64| {
        rig.cw
            .register_callback(&format!("https://test.example/{level}?recordId="), "PurchaseOrder", level, object)
            .unwrap()
    };
    let (owner, status) = (listen("owner", 0), listen("Status", ready));
    let (of_vendor, _) = (listen("vendor", vendor), listen("vendor", 1));
    let heard = || rig.cw.take_callbacks().into_iter().map(|message| message.callback_id).collect::<Vec<_>>();
    let id = rig.cw.add_purchase_order(order(vendor));
    assert_eq!(heard(), [owner, of_vendor]);
    rig.cw.receive_line(id, 1, "A").unwrap();
    assert_eq!(heard(), [owner, of_vendor]);
    rig.cw.close_purchase_order(id).unwrap();
    let message = rig.cw.take_callbacks().into_iter().find(|message| message.callback_id == status).unwrap();
    assert_eq!(message.url, format!("https://test.example/Status?recordId={id}&action=updated"));
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!((&body["Type"], &body["ID"]), (&json!("purchaseorder"), &json!(id)));
    let entity: Value = serde_json::from_str(body["Entity"].as_str().unwrap()).unwrap();
    assert_eq!((&entity["poNumber"], &entity["closedFlag"]), (&json!("PO-1001"), &json!(true)));
    let change = json!([{"op": "replace", "path": "status", "value": {"id": ready + 2}}]);
    let (code, _, body) =
        rig.call(reqwest::Method::PATCH, &format!("/procurement/purchaseorders/{id}"), Some(change)).await;
    assert_eq!(
        (code, &body["status"]["name"], rig.cw.unposted_procurement().len()),
        (200, &json!("Posted to Xero"), 1)
    );
    rig.cw.delete_purchase_order(id).unwrap();
    assert_eq!(rig.cw.purchase_order(id), Value::Null);
}
