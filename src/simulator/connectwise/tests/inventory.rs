//! Adjustments and transfers of the inventory, beside purchases in one list.

use rust_decimal::Decimal;
use serde_json::json;

use super::rig;
use crate::simulator::connectwise::{DateStyle, NewMovement, NewStock, Oddities, Refusal, View};

const UNPOSTED: &str = "/finance/accounting/unpostedprocurement";

/// A stock take that misses two disks of 50.00.
fn shortage() -> NewMovement {
    let stock = NewStock { quantity: -Decimal::TWO, unit_cost: Decimal::from(50), ..NewStock::default() };
    NewMovement::adjustment("ADJ-1", vec![stock])
}

#[tokio::test]
async fn an_adjustment_is_posted_by_the_id_of_its_unposted_row() {
    let rig = rig(|_| ()).await;
    let id = rig.cw.add_movement(shortage());
    assert!(rig.cw.unposted_procurement().is_empty(), "it is open");
    rig.cw.close_adjustment(id).unwrap();
    let row = &rig.get(&format!("{UNPOSTED}?conditions=procurementType='Adjustment'")).await[0];
    assert_eq!((&row["unpostedProductId"], &row["total"]), (&json!(format!("{id}-adjustment")), &json!(-100.0)));
    let request =
        json!({"batchIdentifier": "0", "exportProductsFlag": true, "includedProductIds": [format!("{id}-adjustment")]});
    let (_, export) = rig.post("/finance/accounting/export", request).await;
    let header = &export["adjustmentTransactions"][0];
    assert_eq!((&header["glTypeID"], &header["accountNumber"]), (&json!("IA"), &json!("310")));
    let detail = &header["adjustmentDetail"][0];
    assert_eq!(
        (&detail["quantity"], &detail["total"], &detail["inventoryAccountNumber"]),
        (&json!(-2), &json!(-100.0), &json!("630"))
    );
    assert!(detail.get("id").is_none() && export["purchaseTransactions"] == json!([]));
    let batch = |id: &serde_json::Value| json!({"batchIdentifier": "X", "exportProductsFlag": true, "processedRecordIds": [id]});
    assert_eq!(rig.post("/finance/accounting/batches", batch(&json!(id))).await.0, 400);
    let (status, body) = rig.post("/finance/accounting/batches", batch(&row["id"])).await;
    assert_eq!((status, body["adjustmentTransactions"].as_array().map(Vec::len)), (201, Some(1)));
    assert_eq!(rig.cw.reopen_adjustment(id), Err(Refusal::Batched));
    let batches = rig.cw.batches();
    assert_eq!(
        (&batches[0].product_ids[0], rig.cw.inventory_batch(id)),
        (&format!("{id}-adjustment"), Some(batches[0].id))
    );
    let entries = rig.get(&format!("/finance/accounting/batches/{}/entries", batches[0].id)).await;
    assert_eq!((&entries[0]["credit"], &entries[0]["adjustmentDetail"]["name"]), (&json!(100.0), &json!("ADJ-1")));
    rig.cw.delete_batch(batches[0].id).unwrap();
    assert_eq!(rig.cw.unposted_procurement().len(), 1);
    let record = rig.get(&format!("/procurement/adjustments/{id}")).await;
    assert_eq!((&record["closedFlag"], &record["type"]["identifier"]), (&json!(true), &json!("Stock take")));
    let details = rig.get(&format!("/procurement/adjustments/{id}/details")).await;
    assert_eq!(details[0]["quantityAdjusted"], json!(-2));
}

#[tokio::test]
async fn a_transfer_has_two_sides_that_cancel_out() {
    let rig = rig(|_| ()).await;
    let id = rig.cw.add_movement(NewMovement::transfer("TR-1", Decimal::from(3), Decimal::from(50)));
    let _ = rig.cw.add_movement(shortage());
    let request = json!({"batchIdentifier": "0", "exportProductsFlag": true});
    let (_, export) = rig.post("/finance/accounting/export", request).await;
    let row = &export["inventoryTransfers"][0];
    assert_eq!(
        (&row["id"], &row["transferId"], &row["glTypeId"]),
        (&json!(format!("{id}-transfer")), &json!(id), &json!("IT"))
    );
    assert_eq!(
        (&row["total"], &row["offset"]["total"], &row["transferToLocationXref"]),
        (&json!(150.0), &json!(-150.0), &json!("Van"))
    );
    assert!(rig.cw.manual_inventory_batch(id, "M-1").is_ok() && rig.cw.unposted_procurement().is_empty());
}

#[tokio::test]
async fn bad_input_is_shown_as_it_was_asked_for() {
    let rig = rig(|_| ()).await;
    let oddities = Oddities { dates: Some(DateStyle::DateOnly), ..Oddities::default() }.field(
        View::Export,
        "/adjustmentDetail/0/accountNumber",
        json!(""),
    );
    let id = rig.cw.add_movement(NewMovement { oddities, ..shortage() });
    rig.cw.close_adjustment(id).unwrap();
    assert_eq!(rig.cw.unposted_procurement()[0]["dateClosed"], "2026-11-30");
    let request = json!({"batchIdentifier": "0", "exportProductsFlag": true});
    let (_, export) = rig.post("/finance/accounting/export", request).await;
    assert_eq!(export["adjustmentTransactions"][0]["adjustmentDetail"][0]["accountNumber"], json!(""));
}
