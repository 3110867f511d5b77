//! Purchase orders, their lines, and what the accounting interface says of them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::lenient::{flag, id, list, money, optional_id, optional_money, text};
use super::{Detail, Reference, TaxLevel};
use crate::domain::money::Money;

/// `/procurement/purchaseorders/{id}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct PurchaseOrder {
    #[serde(deserialize_with = "id")]
    pub(in super::super) id: i64,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) po_number: String,
    #[serde(default)]
    pub(in super::super) status: Reference,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) closed_flag: Option<bool>,
    #[serde(default)]
    pub(in super::super) vendor_company: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) vendor_invoice_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) vendor_invoice_date: String,
    #[serde(default)]
    pub(in super::super) terms: Reference,
    #[serde(default)]
    pub(in super::super) currency: Reference,
    #[serde(default, deserialize_with = "optional_id")]
    pub(in super::super) location_id: Option<i64>,
    #[serde(default)]
    pub(in super::super) location: Reference,
    #[serde(default, deserialize_with = "optional_money")]
    pub(in super::super) total: Option<Money>,
}

/// `/procurement/purchaseorders/{id}/lineitems`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct OrderLine {
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) packing_slip: String,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) batched_flag: Option<bool>,
}

/// `/procurement/purchaseorderstatuses`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct OrderStatus {
    #[serde(deserialize_with = "id")]
    pub(in super::super) id: i64,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) name: String,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) closed_flag: Option<bool>,
}

/// A row of `/finance/accounting/unpostedprocurement`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct UnpostedPurchase {
    /// The id to export it by; `id` is another one.
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) unposted_product_id: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) procurement_type: String,
    #[serde(default)]
    pub(in super::super) purchase_order: Reference,
    #[serde(default)]
    pub(in super::super) vendor: Reference,
    #[serde(default, deserialize_with = "optional_id")]
    pub(in super::super) location_id: Option<i64>,
    #[serde(default)]
    pub(in super::super) billing_terms: Reference,
    #[serde(default, deserialize_with = "optional_money")]
    pub(in super::super) total: Option<Money>,
    #[serde(default, deserialize_with = "optional_money")]
    pub(in super::super) tax_total: Option<Money>,
    #[serde(default, deserialize_with = "optional_money")]
    pub(in super::super) freight_tax_total: Option<Money>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) vendor_invoice_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) vendor_invoice_date: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) purchase_date: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) date_closed: String,
}

impl UnpostedPurchase {
    /// Adjustments and transfers share the list.
    pub(in super::super) fn is_purchase(&self) -> bool {
        self.procurement_type.eq_ignore_ascii_case("Purchase")
    }
}

/// The answer of `/finance/accounting/export`, as far as purchases go.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct PurchaseExport {
    #[serde(default, deserialize_with = "list")]
    pub(in super::super) purchase_transactions: Vec<PurchaseTransaction>,
}

/// `GLExportPurchaseTransaction`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct PurchaseTransaction {
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) id: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) purchase_date: String,
    #[serde(default, deserialize_with = "optional_money")]
    pub(in super::super) freight_amount: Option<Money>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) freight_packing_slip: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) packing_slip: String,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) dropship_flag: Option<bool>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) vendor_number: String,
    #[serde(default)]
    pub(in super::super) currency: Reference,
    #[serde(deserialize_with = "money")]
    pub(in super::super) total: Money,
    #[serde(default)]
    pub(in super::super) billing_terms: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) billing_terms_xref: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) due_days: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) vendor_invoice_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) vendor_invoice_date: String,
    #[serde(default)]
    pub(in super::super) tax_code: Reference,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) purchase_header_taxable_flag: Option<bool>,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) purchase_header_freight_taxable_flag: Option<bool>,
    #[serde(default, deserialize_with = "list")]
    pub(in super::super) tax_levels: Vec<TaxLevel>,
    #[serde(default, deserialize_with = "list")]
    pub(in super::super) purchase_detail: Vec<PurchaseDetail>,
    #[serde(default, deserialize_with = "list")]
    pub(in super::super) purchase_detail_tax: Vec<PurchaseTaxRow>,
}

/// A row of `purchaseDetail`: the fields of an invoice's row, and these.
#[derive(Debug)]
pub(in super::super) struct PurchaseDetail {
    pub(in super::super) row: Detail,
    pub(in super::super) own: PurchaseFields,
}

/// What a purchase's row has that an invoice's has not.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct PurchaseFields {
    #[serde(default, deserialize_with = "optional_money")]
    pub(in super::super) item_cost: Option<Money>,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) taxable: Option<bool>,
}

impl<'de> Deserialize<'de> for PurchaseDetail {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Twice from one value: flattening would lose the exactness of its numbers.
        let value = Value::deserialize(deserializer)?;
        let own = PurchaseFields::deserialize(&value).map_err(serde::de::Error::custom)?;
        let row = Detail::deserialize(value).map_err(serde::de::Error::custom)?;
        Ok(Self { row, own })
    }
}

/// A row of `purchaseDetailTax`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct PurchaseTaxRow {
    #[serde(deserialize_with = "id")]
    pub(in super::super) id: i64,
    #[serde(deserialize_with = "money")]
    pub(in super::super) total: Money,
}

/// The request for the preview of one purchase, by the string that names it.
pub(in super::super) fn purchase_export_request(unposted_product_id: &str) -> Value {
    json!({
        "batchIdentifier": "0", "glInterfaceIdentifier": "0", "locationId": 0, "summarizeInvoices": "Default",
        "exportInvoicesFlag": false, "exportExpensesFlag": false, "exportProductsFlag": true,
        "includedProductIds": [unposted_product_id],
    })
}
