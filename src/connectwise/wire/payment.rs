//! Payments of invoices, and invoices as far as their payments go.

use std::str::FromStr;

use jiff::civil::Date;
use serde::Deserialize;
use serde_json::{Number, Value, json};

use super::super::lenient::{id, optional_id, optional_money, text};
use super::Reference;
use crate::domain::money::Money;

/// A row of `/finance/invoices`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct InvoiceRow {
    #[serde(deserialize_with = "id")]
    pub(in super::super) id: i64,
    #[serde(default, rename = "invoiceNumber", deserialize_with = "text")]
    pub(in super::super) number: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) r#type: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) date: String,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) reference: String,
    #[serde(default)]
    pub(in super::super) company: Reference,
    #[serde(default)]
    pub(in super::super) bill_to_company: Reference,
    #[serde(default)]
    pub(in super::super) currency: Reference,
    #[serde(default, deserialize_with = "optional_money")]
    pub(in super::super) total: Option<Money>,
    #[serde(default, deserialize_with = "optional_id")]
    pub(in super::super) location_id: Option<i64>,
    #[serde(default)]
    pub(in super::super) location: Reference,
}

/// A row of `/finance/invoices/{id}/payments`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct InvoicePayment {
    #[serde(default, deserialize_with = "optional_id")]
    pub(in super::super) id: Option<i64>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) r#type: String,
    #[serde(default, deserialize_with = "optional_money")]
    pub(in super::super) amount: Option<Money>,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) payment_date: String,
    #[serde(default)]
    pub(in super::super) credit: Reference,
}

/// A row of `/finance/accounting/unpostedpayments`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct UnpostedPayment {
    /// Of this list; that it is the payment's is not documented.
    #[serde(deserialize_with = "id")]
    pub(in super::super) id: i64,
    #[serde(default)]
    pub(in super::super) invoice: Reference,
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) payment_date: String,
}

/// The request for a payment; money, or a credit memo that is applied.
///
/// A working integration sends money as type `P` at midnight UTC. Of a credit only the reference to its memo is sent: its
/// type is not documented.
pub(in super::super) fn payment_request(invoice: i64, (amount, date): (Money, Date), memo: Option<i64>) -> Value {
    // As a number, digit by digit.
    let amount = Number::from_str(&amount.decimal().normalize().to_string()).ok();
    let mut request = json!({
        "amount": amount, "paymentDate": format!("{date}T00:00:00Z"), "invoice": {"id": invoice},
    });
    if let Some(fields) = request.as_object_mut() {
        match memo {
            None => fields.insert("type".to_owned(), json!("P")),
            Some(memo) => fields.insert("credit".to_owned(), json!({ "id": memo })),
        };
    }
    request
}
