//! Changes of the inventory: what the accounting interface says of adjustments and transfers.

use rust_decimal::Decimal;
use serde::Deserialize;

use super::super::lenient::{Told, list, text};
use super::Reference;
use crate::domain::money::Money;

/// A row of `/finance/accounting/unpostedprocurement` that is no purchase.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct UnpostedMovement {
    /// The id that marks it as posted.
    #[serde(default)]
    pub(in super::super) id: Told<i64>,
    /// The id to export it by.
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) unposted_product_id: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) procurement_type: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) description: String,
    #[serde(default)]
    pub(in super::super) location_id: Told<i64>,
    #[serde(default)]
    pub(in super::super) currency: Reference,
    #[serde(default)]
    pub(in super::super) total: Told<Money>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) purchase_date: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) date_closed: String,
}

/// The answer of `/finance/accounting/export`, as far as changes of the inventory go.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct MovementExport {
    #[serde(default, deserialize_with = "list")]
    pub(in super::super) adjustment_transactions: Vec<AdjustmentTransaction>,
    #[serde(default, deserialize_with = "list")]
    pub(in super::super) inventory_transfers: Vec<InventoryTransfer>,
}

/// `GLExportAdjustmentTransaction`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct AdjustmentTransaction {
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) id: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) document_date: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) account_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) gl_class: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) adjustment_description: String,
    #[serde(default, deserialize_with = "list")]
    pub(in super::super) adjustment_detail: Vec<AdjustmentDetail>,
}

/// `GLExportAdjustmentTransactionDetail`, which has no id.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct AdjustmentDetail {
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) gl_class: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) description: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) memo: String,
    #[serde(default)]
    pub(in super::super) quantity: Told<Decimal>,
    #[serde(default)]
    pub(in super::super) total: Told<Money>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) inventory_account_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) account_number: String,
}

/// `GLExportInventoryTransfer`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct InventoryTransfer {
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) id: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) document_date: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) account_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) gl_class: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) description: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) item_description: String,
    #[serde(default)]
    pub(in super::super) currency: Reference,
    #[serde(default)]
    pub(in super::super) total: Told<Money>,
    #[serde(default)]
    pub(in super::super) offset: Option<TransferOffset>,
}

/// `GLExportInventoryTransferOffset`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct TransferOffset {
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) account_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) gl_class: String,
    #[serde(default)]
    pub(in super::super) total: Told<Money>,
}
