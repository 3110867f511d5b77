//! Purchases: what came with one packing slip of a purchase order, and becomes one bill.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::invoice::ContentHash;
use super::rows::{Detail, Status, TaxLevel};
use crate::domain::draft::DocumentKind;
use crate::domain::money::Money;
use crate::domain::text::hex;

/// One purchase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// ConnectWise's `unpostedProductId`, which names the order and the packing slip.
    pub id: String,
    /// Its order.
    pub order: PurchaseOrder,
    /// What came, as the accounting interface has it; none when it is not in the unposted list.
    #[serde(default)]
    pub received: Option<Received>,
    /// Name of the batch that it is in, as far as ConnectWise says; known only for what is not unposted.
    #[serde(default)]
    pub batch: Option<String>,
}

/// A purchase order as `/procurement/purchaseorders/{id}` gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurchaseOrder {
    /// ConnectWise id.
    pub id: i64,
    /// Number.
    pub number: String,
    /// Status; closed by the order's own flag.
    pub status: Status,
    /// Id of the vendor; none when ConnectWise names no vendor.
    #[serde(default)]
    pub vendor_id: Option<i64>,
    /// Name of the vendor.
    #[serde(default)]
    pub vendor_name: String,
    /// Location, for the routing to a Xero organisation.
    #[serde(default)]
    pub location_id: Option<i64>,
    /// ISO code; none when ConnectWise has no multi-currency.
    #[serde(default)]
    pub currency: Option<String>,
    /// What all of it comes to, for people.
    #[serde(default)]
    pub total: Option<Money>,
}

/// What came with a packing slip: its row of the unposted list and its preview, taken together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The packing slip.
    #[serde(default)]
    pub packing_slip: String,
    /// The vendor's number in the books, as ConnectWise has it.
    #[serde(default)]
    pub vendor_number: String,
    /// The vendor's number of its invoice; empty until somebody types it in.
    #[serde(default)]
    pub vendor_invoice_number: String,
    /// Date of the vendor's invoice.
    #[serde(default)]
    pub vendor_invoice_date: Option<Date>,
    /// Date of the purchase.
    #[serde(default)]
    pub date: Option<Date>,
    /// The earliest instant at which it may have come to the accounting interface, or the purchase may have been made.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    /// It goes from the vendor to the customer.
    #[serde(default)]
    pub drop_ship: bool,
    /// ISO code.
    #[serde(default)]
    pub currency: Option<String>,
    /// Total in the preview. Whether it counts tax and freight is not documented.
    pub total: Money,
    /// Total in the unposted list.
    #[serde(default)]
    pub listed_total: Option<Money>,
    /// Tax on the lines, by the unposted list.
    #[serde(default)]
    pub tax_total: Option<Money>,
    /// Tax on freight, by the unposted list.
    #[serde(default)]
    pub freight_tax_total: Option<Money>,
    /// Freight, by the preview's header.
    #[serde(default)]
    pub freight: Option<Money>,
    /// The packing slip that freight came with; empty = this one.
    #[serde(default)]
    pub freight_packing_slip: String,
    /// Name of the tax code.
    #[serde(default)]
    pub tax_code: String,
    /// XRef of the billing terms.
    #[serde(default)]
    pub terms_xref: String,
    /// Name of the billing terms.
    #[serde(default)]
    pub terms_name: String,
    /// Days of the billing terms, for terms without an XRef.
    #[serde(default)]
    pub due_days: Option<u16>,
    /// Tax of each level.
    #[serde(default)]
    pub tax_levels: Vec<TaxLevel>,
    /// The rows of products and freight.
    pub details: Vec<Detail>,
    /// The rows of tax.
    #[serde(default)]
    pub taxes: Vec<PurchaseTax>,
    /// Fields that hold something unreadable, with what they hold.
    #[serde(default)]
    pub unreadable: Vec<String>,
}

/// A row of purchase tax.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurchaseTax {
    /// GL entry id.
    pub id: i64,
    /// The tax.
    pub total: Money,
}

impl Purchase {
    /// A bill, or a credit of the vendor when more goes back than comes.
    #[must_use]
    pub fn becomes(&self) -> DocumentKind {
        if self.total().is_negative() { DocumentKind::BillCredit } else { DocumentKind::Bill }
    }

    /// What it is called in sentences.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.received {
            Some(received) if !received.packing_slip.is_empty() => {
                format!("Packing slip {} of purchase order {}", received.packing_slip, self.order.number)
            }
            _ => format!("Purchase {}", self.id),
        }
    }

    /// The vendor's invoice number; without one the order's number and the packing slip.
    #[must_use]
    pub fn number(&self) -> String {
        let invoice = self.received.as_ref().map(|received| received.vendor_invoice_number.trim()).unwrap_or_default();
        if invoice.is_empty() { self.own_number() } else { invoice.to_owned() }
    }

    /// The order's number and the packing slip, unless they are the same.
    pub(super) fn own_number(&self) -> String {
        let order = self.order.number.trim();
        let slip = self.received.as_ref().map(|received| received.packing_slip.trim()).unwrap_or_default();
        if slip.is_empty() || slip == order { order.to_owned() } else { format!("{order}-{slip}") }
    }

    /// Everything that came, with freight and tax; below zero for what goes back.
    pub(super) fn total(&self) -> Money {
        self.received.as_ref().map(|received| received.net() + received.tax()).unwrap_or_default()
    }

    /// Tax, with the sign of its rows.
    pub(super) fn tax(&self) -> Money {
        self.received.as_ref().map(Received::tax).unwrap_or_default()
    }

    /// The date of the bill.
    pub(super) fn date(&self) -> Option<Date> {
        self.received.as_ref().and_then(Received::bill_date)
    }

    /// A hash of what a bookkeeper would call its content, and of its GL entries: a second receipt under the same
    /// packing slip has the same name, and may have the same amounts.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        let Some(received) = &self.received else { return ContentHash(String::new()) };
        let day = |date: Option<Date>| date.map(|date| date.to_string()).unwrap_or_default();
        let amount = |money: Money| money.decimal().normalize().to_string();
        let mut parts = vec![
            self.order.number.clone(),
            self.order.vendor_id.map(|id| id.to_string()).unwrap_or_default(),
            received.vendor_invoice_number.clone(),
            day(received.vendor_invoice_date),
            received.currency.clone().unwrap_or_default(),
            amount(self.total()),
            amount(self.tax()),
        ];
        parts.extend(received.processed_ids().iter().map(ToString::to_string));
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(format!("{}:{part};", part.len()));
        }
        ContentHash(hex(hash.finalize().get(..16).unwrap_or_default()))
    }
}

impl Received {
    /// Products and freight without tax.
    #[must_use]
    pub fn net(&self) -> Money {
        self.details.iter().filter(|row| !row.is_purchase_tax()).map(|row| row.total).sum()
    }

    /// All tax; a row that is listed twice counts once.
    #[must_use]
    pub fn tax(&self) -> Money {
        let is_new = |row: &&Detail| row.is_purchase_tax() && self.taxes.iter().all(|tax| tax.id != row.id);
        let among_rows: Money = self.details.iter().filter(is_new).map(|row| row.total).sum();
        self.taxes.iter().map(|tax| tax.total).sum::<Money>() + among_rows
    }

    /// The vendor's date; until there is one, the date of the purchase.
    #[must_use]
    pub fn bill_date(&self) -> Option<Date> {
        self.vendor_invoice_date.or(self.date)
    }

    /// The complete set of GL entry ids that marks the purchase as posted, ascending.
    #[must_use]
    pub fn processed_ids(&self) -> Vec<i64> {
        let taxes = self.taxes.iter().map(|tax| tax.id);
        let all: std::collections::BTreeSet<i64> = self.details.iter().map(|row| row.id).chain(taxes).collect();
        all.into_iter().collect()
    }
}
