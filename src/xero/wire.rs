//! Xero's own names and number formats: the only file of the client that knows them.

mod payment;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::money::Money;

pub(super) use payment::{
    AllocatedDocuments, Allocations, NewAllocation, NewAllocations, NewPayment, NewPaymentAccount, NewPaymentInvoice,
    NewPayments, PaidDocuments, PaidRow, Payments,
};

/// Reads a body; none when it is not what Xero promises.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

// No `Debug`: it would print secrets.
/// `POST /connect/token`.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) access_token: String,
    /// Seconds.
    #[serde(default)]
    pub(super) expires_in: Option<u32>,
    #[serde(default)]
    pub(super) refresh_token: Option<String>,
}

/// The `error` of a token endpoint's answer; empty when there is none.
pub(super) fn token_error(body: &[u8]) -> String {
    let value: Value = parse(body).unwrap_or_default();
    field(&value, "error").unwrap_or_default().to_ascii_lowercase()
}

/// The `Detail` of a gateway's 401 or 403; some gateways write it in lower case.
pub(super) fn problem_detail(body: &[u8]) -> String {
    let value: Value = parse(body).unwrap_or_default();
    let said = field(&value, "detail").or_else(|| field(&value, "title"));
    crate::domain::text::shorten(said.unwrap_or("no reason given"), 200)
}

fn field<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    let fields = value.as_object()?;
    fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).and_then(|(_, held)| held.as_str())
}

/// Everything that an answer has against a write: of elements, of their lines and contacts, or of the whole.
pub(super) fn problems(body: &[u8]) -> Vec<String> {
    let value: Value = parse(body).unwrap_or_default();
    let mut found = Vec::new();
    collect(&value, &mut found);
    if found.is_empty() {
        found.extend(field(&value, "message").or_else(|| field(&value, "detail")).map(str::to_owned));
    }
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(rows) => rows.iter().for_each(|row| collect(row, found)),
        Value::Object(fields) => {
            for (key, held) in fields {
                let rows = held.as_array().filter(|_| key.eq_ignore_ascii_case("ValidationErrors"));
                // One of Xero's examples says Description instead of Message.
                let said = rows.into_iter().flatten();
                let said = said.filter_map(|row| field(row, "message").or_else(|| field(row, "description")));
                for text in said.map(str::trim).filter(|text| !text.is_empty()) {
                    if !found.iter().any(|known| known == text) {
                        found.push(text.to_owned());
                    }
                }
                collect(held, found);
            }
        }
        _ => {}
    }
}

/// A document as it is written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewDocument<'a> {
    #[serde(rename = "Type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) invoice_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) credit_note_number: Option<&'a str>,
    pub(super) contact: ContactRef,
    pub(super) date: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) due_date: Option<Date>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) reference: &'a str,
    pub(super) currency_code: &'a str,
    pub(super) status: &'static str,
    pub(super) line_amount_types: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sent_to_contact: Option<bool>,
    #[serde(rename = "BrandingThemeID", skip_serializing_if = "Option::is_none")]
    pub(super) branding_theme: Option<Uuid>,
    pub(super) line_items: Vec<NewLine<'a>>,
}

/// Only the id: any other field would change the contact.
#[derive(Serialize)]
pub(super) struct ContactRef {
    #[serde(rename = "ContactID")]
    pub(super) id: Uuid,
}

/// A line as it is written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewLine<'a> {
    pub(super) description: &'a str,
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    pub(super) quantity: Decimal,
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    pub(super) unit_amount: Decimal,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_code: Option<&'a str>,
    pub(super) account_code: &'a str,
    pub(super) tax_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none", with = "rust_decimal::serde::arbitrary_precision_option")]
    pub(super) tax_amount: Option<Decimal>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tracking: Vec<NewTracking<'a>>,
}

/// A tracking option of a line, by names.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewTracking<'a> {
    pub(super) name: &'a str,
    pub(super) option: &'a str,
}

/// The body of a write of invoices.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewInvoices<'a> {
    pub(super) invoices: [NewDocument<'a>; 1],
}

/// The body of a write of credit notes.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewCreditNotes<'a> {
    pub(super) credit_notes: [NewDocument<'a>; 1],
}

/// Documents as they are read.
#[derive(Deserialize)]
pub(super) struct Documents {
    #[serde(rename = "Invoices", alias = "CreditNotes")]
    pub(super) rows: Vec<DocumentRow>,
    #[serde(default)]
    pub(super) pagination: Option<Pagination>,
}

/// An invoice or a credit note as it is read; Xero leaves out what is null.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DocumentRow {
    #[serde(rename = "InvoiceID", alias = "CreditNoteID")]
    pub(super) id: Uuid,
    #[serde(rename = "Type", default)]
    pub(super) kind: String,
    #[serde(rename = "InvoiceNumber", alias = "CreditNoteNumber", default)]
    pub(super) number: Option<String>,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) contact: Option<ContactRow>,
    #[serde(default)]
    pub(super) date_string: Option<String>,
    #[serde(default)]
    pub(super) date: Option<String>,
    #[serde(default)]
    pub(super) currency_code: Option<String>,
    #[serde(default)]
    pub(super) total_tax: Option<Money>,
    #[serde(default)]
    pub(super) total: Option<Money>,
    #[serde(default)]
    pub(super) amount_paid: Option<Money>,
    #[serde(default)]
    pub(super) amount_credited: Option<Money>,
    #[serde(default)]
    pub(super) line_items: Option<Vec<LineRow>>,
    #[serde(default)]
    pub(super) has_errors: Option<bool>,
    #[serde(default)]
    pub(super) status_attribute_string: Option<String>,
    #[serde(default)]
    pub(super) validation_errors: Option<Vec<Value>>,
}

/// A line as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct LineRow {
    #[serde(default)]
    pub(super) description: Option<String>,
}

/// A contact as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContactRow {
    #[serde(rename = "ContactID")]
    pub(super) id: Uuid,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) contact_number: Option<String>,
    #[serde(default)]
    pub(super) account_number: Option<String>,
    #[serde(default)]
    pub(super) contact_status: Option<String>,
    #[serde(default)]
    pub(super) has_validation_errors: Option<bool>,
    #[serde(default)]
    pub(super) status_attribute_string: Option<String>,
    #[serde(default)]
    pub(super) validation_errors: Option<Vec<Value>>,
}

/// Contacts as they are read.
#[derive(Deserialize)]
pub(super) struct Contacts {
    /// When Xero answered, by its own clock.
    #[serde(rename = "DateTimeUTC", default)]
    pub(super) at: Option<String>,
    #[serde(default)]
    pub(super) pagination: Option<Pagination>,
    #[serde(rename = "Contacts")]
    pub(super) rows: Vec<ContactRow>,
}

/// Which page it is, counted from 1.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pagination {
    pub(super) page_count: u32,
}

/// A contact as it is written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewContact {
    pub(super) name: String,
    pub(super) contact_number: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) account_number: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) email_address: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) tax_number: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) addresses: Vec<NewAddress>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) phones: Vec<NewPhone>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) contact_persons: Vec<NewPerson>,
}

/// An address as it is written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewAddress {
    pub(super) address_type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) address_line1: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) address_line2: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) city: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) region: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) postal_code: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) country: String,
}

/// A telephone as it is written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewPhone {
    pub(super) phone_type: &'static str,
    pub(super) phone_number: String,
}

/// A contact person as it is written.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewPerson {
    pub(super) first_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) last_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) email_address: String,
    pub(super) include_in_emails: bool,
}

/// The body of a write of contacts.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewContacts<'a> {
    pub(super) contacts: [&'a NewContact; 1],
}

/// `GET /Organisation`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Organisations {
    pub(super) organisations: Vec<OrganisationRow>,
}

/// The organisation.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OrganisationRow {
    #[serde(default)]
    pub(super) name: String,
    pub(super) base_currency: String,
    #[serde(default)]
    pub(super) country_code: String,
    #[serde(default)]
    pub(super) period_lock_date: Option<String>,
    #[serde(default)]
    pub(super) end_of_year_lock_date: Option<String>,
}

/// `GET /Accounts`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Accounts {
    pub(super) accounts: Vec<AccountRow>,
}

/// An account; bank accounts may lack a code.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AccountRow {
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(rename = "Type", default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) system_account: Option<String>,
}

/// `GET /TaxRates`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TaxRates {
    pub(super) tax_rates: Vec<TaxRateRow>,
}

/// A tax rate.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TaxRateRow {
    #[serde(default)]
    pub(super) name: String,
    pub(super) tax_type: String,
    #[serde(default)]
    pub(super) status: String,
    /// Percent, its components taken together.
    #[serde(default)]
    pub(super) effective_rate: Option<Money>,
    #[serde(default)]
    pub(super) can_apply_to_revenue: Option<bool>,
    #[serde(default)]
    pub(super) can_apply_to_expenses: Option<bool>,
}

/// `GET /Items`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Items {
    pub(super) items: Vec<ItemRow>,
}

/// An item.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ItemRow {
    pub(super) code: String,
}

/// `GET /TrackingCategories`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TrackingCategories {
    pub(super) tracking_categories: Vec<TrackingRow>,
}

/// A tracking category or one of its options.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TrackingRow {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) options: Vec<TrackingRow>,
}

/// `GET /Currencies`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Currencies {
    pub(super) currencies: Vec<CurrencyRow>,
}

/// A currency.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CurrencyRow {
    pub(super) code: String,
}

/// The instant of `/Date(1789378199160+0000)/`; the offset is for show, the number is UTC.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let inner = text.strip_prefix("/Date(")?.strip_suffix(")/")?;
    let digits = inner.char_indices().find(|(at, letter)| *at > 0 && matches!(letter, '+' | '-'));
    let number = digits.map_or(Some(inner), |(at, _)| inner.get(..at))?;
    Timestamp::from_millisecond(number.parse().ok()?).ok()
}

/// The day of `/Date(ms+0000)/`, `2026-03-01` or `2026-03-01T00:00:00`.
pub(super) fn day(text: &str) -> Option<Date> {
    match instant(text) {
        Some(at) => Some(at.to_zoned(TimeZone::UTC).date()),
        None => text.split('T').next()?.parse().ok(),
    }
}
