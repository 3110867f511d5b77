//! Members, expense reports and entries, and what the accounting interface says of them.
//!
//! What a record may hold that cannot be read is taken as it is and read later, so that its name can be told.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::lenient::{flag, list, optional_id, text};
use super::Reference;

/// `/system/members/{id}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Member {
    #[serde(default, deserialize_with = "optional_id")]
    pub(in super::super) id: Option<i64>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) identifier: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) first_name: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) last_name: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) vendor_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) primary_email: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) office_email: String,
}

/// `/expense/reports/{id}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ExpenseReport {
    #[serde(default, deserialize_with = "optional_id")]
    pub(in super::super) id: Option<i64>,
    #[serde(default)]
    pub(in super::super) member: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) date_end: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) status: String,
}

/// `/expense/entries/{id}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ExpenseEntry {
    #[serde(default, deserialize_with = "optional_id")]
    pub(in super::super) id: Option<i64>,
    #[serde(default)]
    pub(in super::super) expense_report: Reference,
    #[serde(default)]
    pub(in super::super) member: Reference,
    #[serde(default)]
    pub(in super::super) r#type: Reference,
    #[serde(default)]
    pub(in super::super) classification: Reference,
    #[serde(default)]
    pub(in super::super) amount: Value,
    #[serde(default, deserialize_with = "list")]
    pub(in super::super) taxes: Vec<ExpenseTax>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) date: String,
    #[serde(default, deserialize_with = "optional_id")]
    pub(in super::super) location_id: Option<i64>,
    #[serde(default)]
    pub(in super::super) currency: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) status: String,
}

/// A tax of an entry.
#[derive(Debug, Deserialize)]
pub(in super::super) struct ExpenseTax {
    #[serde(default)]
    pub(in super::super) amount: Value,
}

/// A row of `/finance/accounting/unpostedexpenses`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct UnpostedExpense {
    /// The id to export it by; `id` is another one.
    #[serde(default)]
    pub(in super::super) expense_detail_id: Value,
    #[serde(default)]
    pub(in super::super) member: Reference,
    #[serde(default)]
    pub(in super::super) expense_type: Reference,
    #[serde(default)]
    pub(in super::super) classification: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) date_expense: String,
    #[serde(default)]
    pub(in super::super) total: Value,
    #[serde(default)]
    pub(in super::super) tax_code: Reference,
    #[serde(default)]
    pub(in super::super) sales_tax_amount: Value,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) state_tax_flag: Option<bool>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) state_tax_xref: String,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) county_tax_flag: Option<bool>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) county_tax_xref: String,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) city_tax_flag: Option<bool>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) city_tax_xref: String,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) country_tax_flag: Option<bool>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) country_tax_xref: String,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) composite_tax_flag: Option<bool>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) composite_tax_xref: String,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) level_six_tax_flag: Option<bool>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) level_six_tax_xref: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) date_closed: String,
}

/// The answer of `/finance/accounting/export`, as far as expenses go: one of the two lists is empty.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ExpenseExport {
    #[serde(default, deserialize_with = "list")]
    pub(in super::super) expense_bills: Vec<ExpenseBill>,
    #[serde(default, deserialize_with = "list")]
    pub(in super::super) expenses: Vec<ExpenseJournal>,
}

/// `GLExportExpenseBill`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ExpenseBill {
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) document_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) document_date: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) memo: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) gl_class: String,
    #[serde(default)]
    pub(in super::super) member: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) vendor_number: String,
    #[serde(default)]
    pub(in super::super) currency: Reference,
    #[serde(default)]
    pub(in super::super) total: Value,
    #[serde(default, deserialize_with = "list")]
    pub(in super::super) detail: Vec<ExpenseRow>,
}

/// `GLExportExpenseBillDetail`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ExpenseRow {
    /// One id in version 3.0.0 of the specification, an array of them since.
    #[serde(default)]
    pub(in super::super) id: Value,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) gl_type_id: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) memo: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) account_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) gl_class: String,
    #[serde(default)]
    pub(in super::super) expense_class: Reference,
    #[serde(default)]
    pub(in super::super) currency: Reference,
    #[serde(default)]
    pub(in super::super) total: Value,
    #[serde(default, deserialize_with = "flag")]
    pub(in super::super) reimbursable: Option<bool>,
}

/// `GLExportExpense`: a row of a journal, with its other side.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ExpenseJournal {
    #[serde(default)]
    pub(in super::super) id: Value,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) gl_type_id: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) account_number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) gl_class: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) memo: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) description: String,
    #[serde(default)]
    pub(in super::super) member: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) vendor_number: String,
    #[serde(default)]
    pub(in super::super) currency: Reference,
    #[serde(default)]
    pub(in super::super) total: Value,
    #[serde(default)]
    pub(in super::super) offset: Option<ExpenseOffset>,
}

/// The other side of a row of a journal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct ExpenseOffset {
    #[serde(default)]
    pub(in super::super) id: Value,
}

/// The request for the preview of one expense.
pub(in super::super) fn expense_export_request(expense_detail_id: i64) -> Value {
    json!({
        "batchIdentifier": "0", "glInterfaceIdentifier": "0", "locationId": 0, "summarizeInvoices": "Detailed",
        "exportInvoicesFlag": false, "exportExpensesFlag": true, "exportProductsFlag": false,
        "includedExpenseIds": [expense_detail_id],
    })
}
