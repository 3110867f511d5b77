//! What is known about one record when it is planned: read fresh, or slow-moving and cached.
//!
//! The shapes are readypost's own; the wire names of both systems stay in the clients.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::contact::ContactMatch;
use super::draft::DocumentKind;
use super::money::Money;

/// Everything that planning an invoice needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The invoice itself.
    pub invoice: Invoice,
    /// Its preview from the accounting interface; none when it is not in the unposted list.
    pub transaction: Option<Transaction>,
    /// GL segments by GL entry id, raw; empty when ConnectWise did not give them.
    #[serde(default)]
    pub segments: BTreeMap<i64, Vec<String>>,
    /// What each GL segment is called and of which type it is, in order.
    #[serde(default)]
    pub captions: Vec<Caption>,
    /// The company that is billed.
    pub client: Client,
    /// The Xero organisation's settings.
    pub organisation: Organisation,
    /// The contact of the company in Xero.
    pub contact: ContactMatch,
    /// What a look-up of the document's number in Xero found.
    #[serde(default)]
    pub existing: Existing,
}

/// An invoice or credit memo as `/finance/invoices/{id}` gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// ConnectWise id.
    pub id: i64,
    /// Invoice number, at most 15 characters.
    pub number: String,
    /// Type.
    pub kind: InvoiceType,
    /// Billing status.
    pub status: BillingStatus,
    /// Id of the company billed.
    pub client_id: i64,
    /// Name of the company billed.
    pub client_name: String,
    /// Location, for the routing to a Xero organisation.
    #[serde(default)]
    pub location_id: Option<i64>,
    /// Invoice date.
    pub date: Option<Date>,
    /// Due date.
    #[serde(default)]
    pub due_date: Option<Date>,
    /// The customer's purchase order.
    #[serde(default)]
    pub customer_po: String,
    /// Project name.
    #[serde(default)]
    pub project: String,
    /// Agreement name.
    #[serde(default)]
    pub agreement: String,
    /// Free reference.
    #[serde(default)]
    pub reference: String,
    /// ISO code; none when ConnectWise has no multi-currency.
    #[serde(default)]
    pub currency: Option<String>,
    /// Name of the tax code.
    #[serde(default)]
    pub tax_code: String,
    /// Sales tax.
    pub sales_tax: Money,
    /// Total with tax.
    pub total: Money,
    /// Name of the accounting batch it is in.
    #[serde(default)]
    pub batch: Option<String>,
}

impl Invoice {
    /// A hash of what a bookkeeper would call the invoice's content; status and batch are left out.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        let day = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
        let amount = |money: Money| money.decimal().normalize().to_string();
        // Each part by its own text and length, so that no two contents read alike.
        let parts = [
            String::from(self.kind.clone()),
            self.client_id.to_string(),
            self.number.clone(),
            day(self.date),
            day(self.due_date),
            self.customer_po.clone(),
            self.project.clone(),
            self.agreement.clone(),
            self.reference.clone(),
            self.tax_code.clone(),
            self.currency.clone().unwrap_or_default(),
            amount(self.sales_tax),
            amount(self.total),
        ];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(format!("{}:{part};", part.len()));
        }
        ContentHash(super::text::hex(hash.finalize().get(..16).unwrap_or_default()))
    }
}

/// A hash of an invoice's content, to notice edits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHash(pub String);

/// The invoice types of ConnectWise (2026.4), and whatever comes after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum InvoiceType {
    /// Time, expenses and products of tickets.
    Standard,
    /// A recurring agreement.
    Agreement,
    /// A credit memo.
    CreditMemo,
    /// A payment asked before the work.
    DownPayment,
    /// Anything else by hand.
    Miscellaneous,
    /// A part of a project's price.
    Progress,
    /// Several invoices in one, new in 2026.4.
    Consolidated,
    /// A type this version does not know.
    Unknown(String),
}

impl From<String> for InvoiceType {
    fn from(text: String) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "standard" => Self::Standard,
            "agreement" => Self::Agreement,
            "creditmemo" => Self::CreditMemo,
            "downpayment" => Self::DownPayment,
            "miscellaneous" => Self::Miscellaneous,
            "progress" => Self::Progress,
            "consolidated" => Self::Consolidated,
            _ => Self::Unknown(text),
        }
    }
}

impl From<InvoiceType> for String {
    fn from(kind: InvoiceType) -> Self {
        match kind {
            InvoiceType::Unknown(text) => text,
            known => format!("{known:?}"),
        }
    }
}

/// A billing status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingStatus {
    /// ConnectWise id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Whether it closes the invoice, which is when GL entries are made.
    pub closed: bool,
}

/// The accounting interface's preview of one invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Header GL entries: receivable and tax.
    #[serde(default)]
    pub entry_ids: Vec<i64>,
    /// ISO code.
    #[serde(default)]
    pub currency: Option<String>,
    /// Total with tax; its sign for credit memos is not documented, so only its size is used.
    pub total: Money,
    /// Sales tax.
    #[serde(default)]
    pub sales_tax: Money,
    /// Name of the tax code.
    #[serde(default)]
    pub tax_code: String,
    /// XRef of the billing terms.
    #[serde(default)]
    pub terms_xref: String,
    /// Name of the billing terms.
    #[serde(default)]
    pub terms_name: String,
    /// Tax of each level.
    #[serde(default)]
    pub tax_levels: Vec<TaxLevel>,
    /// The rows, sales tax included.
    pub details: Vec<Detail>,
}

/// The tax of one level of a tax code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxLevel {
    /// 1 to 6.
    pub level: i64,
    /// Its XRef.
    #[serde(default)]
    pub xref: String,
}

/// One row of a [`Transaction`]. Signs are ConnectWise's: revenue is negative on an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// GL entry id.
    pub id: i64,
    /// GL type: R, RA, RD, RE, RP, AP, ST, ...
    pub gl_type: String,
    /// Account segments, joined by ':'.
    #[serde(default)]
    pub account: String,
    /// Class segments, joined by ':'.
    #[serde(default)]
    pub class: String,
    /// Quantity; 1 when ConnectWise gives none.
    #[serde(default)]
    pub quantity: Option<Decimal>,
    /// Amount without tax.
    pub total: Money,
    /// Price of one, for products.
    #[serde(default)]
    pub price: Option<Money>,
    /// ISO code.
    #[serde(default)]
    pub currency: Option<String>,
    /// The best description ConnectWise gives.
    #[serde(default)]
    pub description: String,
    /// Product code, for product lines.
    #[serde(default)]
    pub item: Option<String>,
    /// Name of the line's own tax code.
    #[serde(default)]
    pub tax_code: String,
    /// XRef of the line's tax.
    #[serde(default)]
    pub tax_xref: String,
    /// Whether it is taxable, when said.
    #[serde(default)]
    pub taxable: Option<bool>,
    /// The tax levels that apply to the line.
    #[serde(default)]
    pub tax_levels: Vec<i64>,
}

impl Detail {
    /// Whether the row is sales tax and not a line of the document.
    #[must_use]
    pub fn is_tax(&self) -> bool {
        self.gl_type.eq_ignore_ascii_case("ST")
    }
}

impl Transaction {
    /// The complete set of GL entry ids that marks the invoice as posted, ascending.
    #[must_use]
    pub fn processed_ids(&self) -> Vec<i64> {
        let all: std::collections::BTreeSet<i64> =
            self.entry_ids.iter().copied().chain(self.details.iter().map(|detail| detail.id)).collect();
        all.into_iter().collect()
    }
}

/// What one GL segment is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caption {
    /// Its title in ConnectWise.
    pub name: String,
    /// Account or Class.
    pub kind: SegmentType,
}

/// The two types of GL segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentType {
    /// Part of the account number.
    Account,
    /// Part of the class.
    Class,
}

/// The company that is billed, as ConnectWise has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// ConnectWise id: the contact number in Xero.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Account number.
    #[serde(default)]
    pub account_number: String,
    /// Name of the primary contact.
    #[serde(default)]
    pub primary_contact: Option<Person>,
    /// Name of the billing contact.
    #[serde(default)]
    pub billing_contact: Option<Person>,
    /// Where invoices go by e-mail.
    #[serde(default)]
    pub invoice_email: String,
    /// Telephone.
    #[serde(default)]
    pub phone: String,
    /// Tax number.
    #[serde(default)]
    pub tax_number: String,
    /// Postal address.
    #[serde(default)]
    pub address: Address,
}

/// A contact person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Full name.
    pub name: String,
    /// E-mail address.
    #[serde(default)]
    pub email: String,
}

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    /// First line.
    pub line1: String,
    /// Second line.
    pub line2: String,
    /// City.
    pub city: String,
    /// State or region.
    pub region: String,
    /// Postal code.
    pub postal_code: String,
    /// Country.
    pub country: String,
}

/// What a Xero organisation allows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organisation {
    /// Name.
    pub name: String,
    /// ISO code of its own currency.
    pub base_currency: String,
    /// ISO codes of all its currencies.
    pub currencies: Vec<String>,
    /// ISO code of its country.
    pub country: String,
    /// Nothing dated on or before it may be posted, but by advisers.
    #[serde(default)]
    pub period_lock: Option<Date>,
    /// Nothing dated on or before it may be posted.
    #[serde(default)]
    pub year_lock: Option<Date>,
    /// Chart of accounts.
    pub accounts: Vec<Account>,
    /// Tax rates.
    pub tax_rates: Vec<TaxRate>,
    /// Item codes.
    #[serde(default)]
    pub items: Vec<String>,
    /// Active tracking categories, at most two.
    #[serde(default)]
    pub tracking: Vec<TrackingCategory>,
}

/// A Xero account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Code, at most 10 characters.
    pub code: String,
    /// Name.
    pub name: String,
    /// Type, for example `REVENUE` or `BANK`.
    pub kind: String,
    /// Not archived.
    pub active: bool,
    /// System role, for example `DEBTORS` or `ROUNDING`.
    #[serde(default)]
    pub system: Option<String>,
}

/// A Xero tax rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaxRate {
    /// Name, as people see it.
    pub name: String,
    /// Code, as documents carry it.
    pub tax_type: String,
    /// Percent.
    pub rate: Decimal,
    /// Not deleted or archived.
    pub active: bool,
    /// Usable on sales.
    pub for_sales: bool,
}

/// A Xero tracking category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackingCategory {
    /// Name.
    pub name: String,
    /// Names of the active options.
    pub options: Vec<String>,
}

/// What a look-up of the document's number found in Xero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// No look-up was needed.
    #[default]
    NotLookedUp,
    /// There is no document of this number.
    None,
    /// There is.
    Found(ExistingDocument),
    /// An operator says that it is this one.
    Chosen(ExistingDocument),
}

/// A document that is in Xero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExistingDocument {
    /// Xero's id.
    pub id: Uuid,
    /// Invoice or credit note.
    pub kind: DocumentKind,
    /// Its number.
    pub number: String,
    /// `DRAFT`, `AUTHORISED`, `PAID`, `VOIDED`, ...
    pub status: String,
    /// Whose it is.
    pub contact_id: Uuid,
    /// Document date.
    pub date: Option<Date>,
    /// ISO code.
    pub currency: String,
    /// Tax.
    pub total_tax: Money,
    /// Total with tax.
    pub total: Money,
}
