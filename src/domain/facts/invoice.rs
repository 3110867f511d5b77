//! Invoices and credit memos, and their preview.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::rows::{Detail, Status, TaxLevel};
use crate::domain::draft::DocumentKind;
use crate::domain::money::Money;
use crate::domain::text::hex;

/// An invoice with its preview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceFacts {
    /// The invoice itself.
    pub invoice: Invoice,
    /// Its preview from the accounting interface; none when it is not in the unposted list, or was not read yet.
    #[serde(default)]
    pub transaction: Option<Transaction>,
    /// GL segments by GL entry id, raw; empty when ConnectWise did not give them.
    #[serde(default)]
    pub segments: BTreeMap<i64, Vec<String>>,
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
    pub status: Status,
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
    /// What was invoiced before as a down payment, and is not part of the total.
    #[serde(default)]
    pub down_payment_applied: Money,
    /// What was invoiced before as progress, and is not part of the total.
    #[serde(default)]
    pub progress_applied: Money,
    /// Total with tax.
    pub total: Money,
    /// Name of the accounting batch it is in.
    #[serde(default)]
    pub batch: Option<String>,
    /// What was paid on it or credited to it so far; zero when ConnectWise does not say.
    #[serde(default, skip_serializing_if = "Money::is_nothing")]
    pub paid: Money,
}

impl Invoice {
    /// What it becomes in Xero: credits, and whatever is below zero, become credit notes, because Xero refuses
    /// approved documents below zero.
    #[must_use]
    pub fn becomes(&self) -> DocumentKind {
        if self.kind == InvoiceType::CreditMemo || self.total.is_negative() {
            DocumentKind::CreditNote
        } else {
            DocumentKind::Invoice
        }
    }

    /// A hash of what a bookkeeper would call the invoice's content; status and batch are left out.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        let day = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
        let amount = |money: Money| money.decimal().normalize().to_string();
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
        ContentHash::of(parts)
    }
}

/// A hash of a record's content, to notice edits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHash(pub String);

impl ContentHash {
    /// The hash of these parts, each by its own text and length, so that no two contents read alike.
    #[must_use]
    pub fn of(parts: impl IntoIterator<Item = String>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(format!("{}:{part};", part.len()));
        }
        Self(hex(hash.finalize().get(..16).unwrap_or_default()))
    }
}

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

impl Transaction {
    /// The complete set of GL entry ids that marks the invoice as posted, ascending.
    #[must_use]
    pub fn processed_ids(&self) -> Vec<i64> {
        let all: std::collections::BTreeSet<i64> =
            self.entry_ids.iter().copied().chain(self.details.iter().map(|detail| detail.id)).collect();
        all.into_iter().collect()
    }
}
