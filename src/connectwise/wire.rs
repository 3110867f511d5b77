//! The JSON of ConnectWise: the only place that knows its field names.
//!
//! Source: ConnectWise's `OpenAPI` 2025.1 and 2026.4. Unknown fields and unknown values of enumerations are accepted,
//! because ConnectWise adds both without a new version. Nulls are left out of its answers.

mod expense;
mod movement;
mod payment;
mod purchase;
mod tables;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::lenient::{
    flag, id, ids, integer_of, list, money, optional_decimal, optional_id, optional_money, text, text_of,
};
use crate::domain::facts::{Caption, SegmentType};
use crate::domain::mapcheck::GlMapping;
use crate::domain::money::Money;

pub(super) use expense::{
    ExpenseBill, ExpenseEntry, ExpenseExport, ExpenseJournal, ExpenseReport, Member, UnpostedExpense,
    expense_export_request,
};
pub(super) use movement::{
    AdjustmentDetail, AdjustmentTransaction, InventoryTransfer, MovementExport, TransferOffset, UnpostedMovement,
};
pub(super) use payment::{InvoicePayment, InvoiceRow, UnpostedPayment, payment_request};
pub(super) use purchase::{
    OrderLine, OrderStatus, PurchaseDetail, PurchaseExport, PurchaseOrder, PurchaseTaxRow, PurchaseTransaction,
    UnpostedPurchase, purchase_export_request,
};
pub(super) use tables::{BillingStatus, BillingTerm, Currency, TaxCode};

/// GL segments of an entry at most.
const SEGMENTS_MAX: usize = 10;

/// `{id, name}` and their like; a plain text counts as the name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Value")]
pub(super) struct Reference {
    pub(super) id: Option<i64>,
    pub(super) name: String,
    pub(super) identifier: String,
    pub(super) currency_code: String,
}

impl From<Value> for Reference {
    fn from(value: Value) -> Self {
        let text = |name: &str| value.get(name).and_then(text_of).unwrap_or_default();
        Self {
            id: value.get("id").and_then(|id| integer_of(id).ok()),
            name: value.as_str().map_or_else(|| text("name"), |name| name.trim().to_owned()),
            identifier: text("identifier"),
            currency_code: text("currencyCode"),
        }
    }
}

/// The answer of `/login/companyinfo/{company}`.
#[derive(Debug, Deserialize)]
pub(super) struct CompanyInfo {
    #[serde(rename = "Codebase", default, deserialize_with = "text")]
    pub(super) codebase: String,
}

/// An error's body, whatever its shape.
#[derive(Debug, Default)]
pub(super) struct Failure {
    pub(super) code: String,
    /// The message and those of its fields, on one line.
    pub(super) text: String,
}

impl Failure {
    pub(super) fn read(body: &[u8]) -> Self {
        let value: Value = serde_json::from_str(&String::from_utf8_lossy(body)).unwrap_or_default();
        let text = |value: &Value, name: &str| value.get(name).and_then(text_of).unwrap_or_default();
        let errors = value.get("errors").and_then(Value::as_array).into_iter().flatten();
        let mut parts = vec![text(&value, "message")];
        parts.extend(errors.map(|error| text(error, "message")));
        parts.retain(|part| !part.is_empty());
        let line = parts.join(": ").split_whitespace().collect::<Vec<_>>().join(" ");
        // A throttle names its code `error`.
        let code = text(&value, "code");
        Self { code: if code.is_empty() { text(&value, "error") } else { code }, text: line }
    }
}

/// `/finance/invoices/{id}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invoice {
    #[serde(deserialize_with = "id")]
    pub(super) id: i64,
    #[serde(default, rename = "invoiceNumber", deserialize_with = "text")]
    pub(super) number: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) r#type: String,
    pub(super) status: InvoiceStatus,
    #[serde(default)]
    pub(super) company: Reference,
    #[serde(default)]
    pub(super) bill_to_company: Reference,
    #[serde(default, deserialize_with = "optional_id")]
    pub(super) location_id: Option<i64>,
    #[serde(default)]
    pub(super) location: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(super) date: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) due_date: String,
    #[serde(default, rename = "customerPO", deserialize_with = "text")]
    pub(super) customer_po: String,
    #[serde(default)]
    pub(super) project: Reference,
    #[serde(default)]
    pub(super) agreement: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(super) reference: String,
    #[serde(default)]
    pub(super) currency: Reference,
    #[serde(default)]
    pub(super) tax_code: Reference,
    #[serde(default, deserialize_with = "optional_money")]
    pub(super) sales_tax: Option<Money>,
    #[serde(default, deserialize_with = "optional_money")]
    pub(super) downpayment_applied: Option<Money>,
    #[serde(default, deserialize_with = "optional_money")]
    pub(super) previous_progress_applied: Option<Money>,
    #[serde(deserialize_with = "money")]
    pub(super) total: Money,
    #[serde(default)]
    pub(super) gl_batch: Reference,
    #[serde(default, deserialize_with = "optional_money")]
    pub(super) payments: Option<Money>,
    #[serde(default, deserialize_with = "optional_money")]
    pub(super) credits: Option<Money>,
}

/// The billing status as an invoice refers to it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvoiceStatus {
    #[serde(deserialize_with = "id")]
    pub(super) id: i64,
    #[serde(default, deserialize_with = "text")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "flag")]
    pub(super) is_closed: Option<bool>,
}

/// `/system/callbacks`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Callback {
    #[serde(deserialize_with = "id")]
    pub(super) id: i64,
    #[serde(default, deserialize_with = "text")]
    pub(super) r#type: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) level: String,
    #[serde(default, deserialize_with = "optional_id")]
    pub(super) object_id: Option<i64>,
    #[serde(default, deserialize_with = "text")]
    pub(super) url: String,
    #[serde(default, deserialize_with = "flag")]
    pub(super) inactive_flag: Option<bool>,
}

/// A row of `/finance/accounting/unpostedinvoices`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unposted {
    /// The id to export it by; `id` is another one.
    #[serde(default, deserialize_with = "optional_id")]
    pub(super) billing_log_id: Option<i64>,
    #[serde(default)]
    pub(super) company: Reference,
    #[serde(default)]
    pub(super) bill_to_company: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(super) invoice_number: String,
    #[serde(default)]
    pub(super) billing_terms: Reference,
    #[serde(default, deserialize_with = "optional_money")]
    pub(super) total: Option<Money>,
    #[serde(default, deserialize_with = "text")]
    pub(super) date_closed: String,
}

/// The answer of `/finance/accounting/export`, as far as invoices go.
#[derive(Debug, Deserialize)]
pub(super) struct Export {
    #[serde(default, deserialize_with = "list")]
    pub(super) transactions: Vec<Transaction>,
}

/// `GLExportTransaction`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transaction {
    #[serde(default, deserialize_with = "text")]
    pub(super) document_number: String,
    #[serde(default, deserialize_with = "ids")]
    pub(super) gl_entry_ids: Vec<i64>,
    #[serde(default)]
    pub(super) currency: Reference,
    #[serde(deserialize_with = "money")]
    pub(super) total: Money,
    #[serde(default, deserialize_with = "optional_money")]
    pub(super) sales_tax: Option<Money>,
    #[serde(default)]
    pub(super) tax_code: Reference,
    #[serde(default)]
    pub(super) billing_terms: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(super) billing_terms_xref: String,
    #[serde(default, deserialize_with = "list")]
    pub(super) tax_levels: Vec<TaxLevel>,
    #[serde(default, deserialize_with = "list")]
    pub(super) detail: Vec<Detail>,
}

/// A tax level of a transaction or of one of its rows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaxLevel {
    #[serde(rename = "taxLevel", deserialize_with = "id")]
    pub(super) level: i64,
    #[serde(default, deserialize_with = "text")]
    pub(super) tax_code_xref: String,
    #[serde(default, deserialize_with = "flag")]
    pub(super) taxable_flag: Option<bool>,
}

/// `GLExportTransactionDetail`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Detail {
    /// The GL entry.
    #[serde(deserialize_with = "id")]
    pub(super) id: i64,
    #[serde(default, deserialize_with = "text")]
    pub(super) gl_type_id: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) gl_item_id: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) account_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) gl_class: String,
    #[serde(default, deserialize_with = "optional_decimal")]
    pub(super) quantity: Option<rust_decimal::Decimal>,
    #[serde(deserialize_with = "money")]
    pub(super) total: Money,
    #[serde(default, deserialize_with = "optional_money")]
    pub(super) item_price: Option<Money>,
    #[serde(default, deserialize_with = "optional_money")]
    pub(super) cost: Option<Money>,
    #[serde(default, deserialize_with = "optional_money")]
    pub(super) item_cost: Option<Money>,
    #[serde(default, deserialize_with = "text")]
    pub(super) cost_account_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) inventory_account_number: String,
    #[serde(default)]
    pub(super) currency: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(super) sales_description: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) item_description: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) description: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) memo: String,
    #[serde(default)]
    pub(super) item: Reference,
    #[serde(default)]
    pub(super) tax_code: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(super) tax_code_xref: String,
    #[serde(default, deserialize_with = "flag")]
    pub(super) item_taxable_flag: Option<bool>,
    #[serde(default, deserialize_with = "flag")]
    pub(super) taxable_flag: Option<bool>,
    #[serde(default, deserialize_with = "list")]
    pub(super) tax_levels: Vec<TaxLevel>,
}

/// A row with `segment1` to `segment10`: a GL entry, a GL account, or the captions of all.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Segmented(Map<String, Value>);

impl Segmented {
    pub(super) fn id(&self) -> Option<i64> {
        self.0.get("id").and_then(|id| integer_of(id).ok())
    }

    /// The segments in order, blanks included.
    pub(super) fn segments(&self) -> Vec<String> {
        (1..=SEGMENTS_MAX).map(|number| self.text(&format!("segment{number}"))).collect()
    }

    /// The captions in order, up to the last one that has a name; those between keep their place.
    ///
    /// Where ConnectWise does not say a type, the first is taken as the account and the others as classes.
    pub(super) fn captions(&self) -> Vec<Caption> {
        let names = self.segments();
        let count = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last.saturating_add(1));
        let caption = |(number, name): (usize, String)| {
            let kind = match self.text(&format!("segment{number}type")).to_ascii_lowercase().as_str() {
                "account" => SegmentType::Account,
                "class" => SegmentType::Class,
                _ if number == 1 => SegmentType::Account,
                _ => SegmentType::Class,
            };
            Caption { name, kind }
        };
        (1..).zip(names).take(count).map(caption).collect()
    }

    /// The row as one of the GL mapping.
    pub(super) fn mapping(&self) -> GlMapping {
        let name = |record: &Value| record.get("name").and_then(text_of);
        let record = self.0.get("mappedRecord").and_then(name).unwrap_or_default();
        GlMapping { gl_type: self.text("glType"), record, segments: self.segments() }
    }

    /// The field of this name, in any case: the specification is not sure of `segment1Type`.
    fn text(&self, name: &str) -> String {
        let found = self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| text_of(value)).unwrap_or_default()
    }
}

/// `/company/companies/{id}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Company {
    #[serde(deserialize_with = "id")]
    pub(super) id: i64,
    #[serde(default, deserialize_with = "text")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) account_number: String,
    #[serde(default)]
    pub(super) default_contact: Reference,
    #[serde(default)]
    pub(super) billing_contact: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(super) invoice_to_email_address: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) phone_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) tax_identifier: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) address_line1: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) address_line2: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) city: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) state: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) zip: String,
    #[serde(default)]
    pub(super) country: Reference,
}

/// `/company/contacts/{id}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Contact {
    #[serde(default, deserialize_with = "text")]
    pub(super) first_name: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) last_name: String,
    #[serde(default, deserialize_with = "list")]
    pub(super) communication_items: Vec<CommunicationItem>,
}

/// A telephone number, fax number or e-mail address.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommunicationItem {
    #[serde(default, deserialize_with = "text")]
    pub(super) value: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) communication_type: String,
    #[serde(default, deserialize_with = "flag")]
    pub(super) default_flag: Option<bool>,
}

/// A row of `/finance/accounting/batches`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Batch {
    #[serde(default, deserialize_with = "optional_id")]
    pub(super) id: Option<i64>,
    #[serde(default, deserialize_with = "text")]
    pub(super) batch_identifier: String,
}

/// A row of `/finance/accounting/batches/{id}/entries`.
#[derive(Debug, Deserialize)]
pub(super) struct BatchEntry {
    #[serde(default, deserialize_with = "optional_id")]
    pub(super) id: Option<i64>,
}

/// The answer of a signing key's address; without Debug, as it is a secret.
#[derive(Deserialize)]
pub(super) struct SigningKey {
    pub(super) signing_key: String,
}

/// The request for the preview of one row of the unposted list, by its billing log id.
///
/// "Default" leaves the level of detail to the tenant's accounting package set-up, as a working
/// integration does it; the identifiers are dummies, because an export only reads.
pub(super) fn export_request(billing_log_id: i64) -> Value {
    json!({
        "batchIdentifier": "0", "glInterfaceIdentifier": "0", "locationId": 0, "summarizeInvoices": "Default",
        "exportInvoicesFlag": true, "exportExpensesFlag": false, "exportProductsFlag": false,
        "includedInvoiceIds": [billing_log_id],
    })
}

/// What a batch or a preview is about; ConnectWise wants at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exports {
    Invoices,
    Expenses,
    Products,
}

/// The request for a batch of these GL entries.
pub(super) fn batch_request(name: &str, exports: Exports, entry_ids: &[i64]) -> Value {
    json!({
        "batchIdentifier": name, "glInterfaceIdentifier": name, "exportInvoicesFlag": exports == Exports::Invoices,
        "exportExpensesFlag": exports == Exports::Expenses, "exportProductsFlag": exports == Exports::Products,
        "processedRecordIds": entry_ids, "summarizeExpenses": exports == Exports::Expenses,
    })
}
