//! What was paid on documents, and payments as they are written.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::money::Money;

/// `GET /Invoices`, as far as payments go.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct PaidDocuments {
    pub(in super::super) invoices: Vec<PaidRow>,
}

/// An invoice or bill with what was paid on it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct PaidRow {
    #[serde(rename = "InvoiceID")]
    pub(in super::super) id: Uuid,
    #[serde(rename = "Type", default)]
    pub(in super::super) kind: String,
    #[serde(rename = "InvoiceNumber", default)]
    pub(in super::super) number: Option<String>,
    #[serde(default)]
    pub(in super::super) reference: Option<String>,
    #[serde(default)]
    pub(in super::super) status: String,
    #[serde(default)]
    pub(in super::super) contact: Option<Named>,
    #[serde(default)]
    pub(in super::super) currency_code: Option<String>,
    #[serde(default)]
    pub(in super::super) total: Option<Money>,
    #[serde(default)]
    pub(in super::super) amount_due: Option<Money>,
    #[serde(default)]
    pub(in super::super) amount_paid: Option<Money>,
    #[serde(default)]
    pub(in super::super) amount_credited: Option<Money>,
    #[serde(rename = "UpdatedDateUTC", default)]
    pub(in super::super) updated: Option<String>,
    #[serde(default)]
    pub(in super::super) payments: Option<Vec<PaymentRow>>,
    #[serde(default)]
    pub(in super::super) credit_notes: Option<Vec<CreditRow>>,
    #[serde(default)]
    pub(in super::super) overpayments: Option<Vec<CreditRow>>,
    #[serde(default)]
    pub(in super::super) prepayments: Option<Vec<CreditRow>>,
}

/// A contact of which only the name is read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Named {
    #[serde(default)]
    pub(in super::super) name: Option<String>,
}

/// A payment, in a list of payments or within its invoice.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct PaymentRow {
    #[serde(rename = "PaymentID", default)]
    pub(in super::super) id: Uuid,
    #[serde(default)]
    pub(in super::super) date: Option<String>,
    #[serde(default)]
    pub(in super::super) amount: Option<Money>,
    #[serde(default)]
    pub(in super::super) reference: Option<String>,
    #[serde(default)]
    pub(in super::super) status: Option<String>,
    #[serde(default)]
    pub(in super::super) has_validation_errors: Option<bool>,
    #[serde(default)]
    pub(in super::super) validation_errors: Option<Vec<Value>>,
}

/// What a credit note, an overpayment or a prepayment gave to an invoice.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct CreditRow {
    #[serde(rename = "CreditNoteID", alias = "OverpaymentID", alias = "PrepaymentID")]
    pub(in super::super) id: Uuid,
    #[serde(rename = "CreditNoteNumber", default)]
    pub(in super::super) number: Option<String>,
    #[serde(default)]
    pub(in super::super) date: Option<String>,
    #[serde(default)]
    pub(in super::super) date_string: Option<String>,
    #[serde(default)]
    pub(in super::super) applied_amount: Option<Money>,
}

/// `GET /Payments`, and the answer to a PUT of it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Payments {
    pub(in super::super) payments: Vec<PaymentRow>,
}

/// What gives credit, with what it was given to.
#[derive(Deserialize)]
pub(in super::super) struct AllocatedDocuments {
    #[serde(rename = "CreditNotes", alias = "Overpayments", alias = "Prepayments")]
    pub(in super::super) rows: Vec<AllocatedRow>,
}

/// One of them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct AllocatedRow {
    #[serde(rename = "CreditNoteID", default)]
    pub(in super::super) id: Uuid,
    #[serde(rename = "CreditNoteNumber", default)]
    pub(in super::super) number: Option<String>,
    #[serde(rename = "Type", default)]
    pub(in super::super) kind: String,
    #[serde(default)]
    pub(in super::super) status: String,
    #[serde(default)]
    pub(in super::super) remaining_credit: Option<Money>,
    #[serde(default)]
    pub(in super::super) allocations: Option<Vec<AllocationRow>>,
}

/// A share that was given to an invoice.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct AllocationRow {
    #[serde(default)]
    pub(in super::super) amount: Option<Money>,
    #[serde(default)]
    pub(in super::super) invoice: Option<InvoiceRef>,
}

/// The invoice of an allocation.
#[derive(Deserialize)]
pub(in super::super) struct InvoiceRef {
    #[serde(rename = "InvoiceID")]
    pub(in super::super) id: Uuid,
}

/// The body of a write of payments.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct NewPayments<'a> {
    pub(in super::super) payments: [NewPayment<'a>; 1],
}

/// A payment as it is written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct NewPayment<'a> {
    pub(in super::super) invoice: NewPaymentInvoice,
    pub(in super::super) account: NewPaymentAccount<'a>,
    pub(in super::super) date: Date,
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    pub(in super::super) amount: Decimal,
    pub(in super::super) reference: &'a str,
}

/// The body of a write of allocations.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct NewAllocations {
    pub(in super::super) allocations: [NewAllocation; 1],
}

/// An allocation as it is written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct NewAllocation {
    pub(in super::super) invoice: NewPaymentInvoice,
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    pub(in super::super) amount: Decimal,
    pub(in super::super) date: Date,
}

/// The answer to a write of allocations.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct Allocations {
    pub(in super::super) allocations: Vec<AllocationRow>,
}

/// What is paid, by its id.
#[derive(Serialize)]
pub(in super::super) struct NewPaymentInvoice {
    #[serde(rename = "InvoiceID")]
    pub(in super::super) id: Uuid,
}

/// Where the money went, by the account's code.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(in super::super) struct NewPaymentAccount<'a> {
    pub(in super::super) code: &'a str,
}
