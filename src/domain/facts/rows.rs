//! What the accounting interface says of records of every kind: rows, tax levels, GL captions, statuses.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::domain::money::Money;

/// One row of a preview. Signs are ConnectWise's: revenue is negative on an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    /// GL entry id.
    pub id: i64,
    /// GL type: R, RA, RD, RE, RP, AP, ST, ... of invoices; P, PF, PT, FT of purchases; EE, EI, ET of expenses.
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
    /// What it cost, where ConnectWise keeps that on accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// What a row cost, and the accounts that its cost moves between; blank accounts are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cost {
    /// Cost of the row, or of one: which of them is not documented.
    pub cost: Option<Money>,
    /// Cost of one.
    pub of_one: Option<Money>,
    /// Segments of the account for the cost of goods, joined by ':'.
    pub account: String,
    /// Segments of the account of the inventory, joined by ':'.
    pub inventory: String,
}

impl Detail {
    /// Whether the row is sales tax and not a line of the document.
    #[must_use]
    pub fn is_tax(&self) -> bool {
        self.gl_type.eq_ignore_ascii_case("ST")
    }

    /// Whether the row is tax on a purchase or its freight, and not a line of the bill.
    #[must_use]
    pub fn is_purchase_tax(&self) -> bool {
        ["PT", "FT", "ST"].iter().any(|kind| self.gl_type.eq_ignore_ascii_case(kind))
    }

    /// Whether the row is tax on an expense, and not a line of the bill.
    #[must_use]
    pub fn is_expense_tax(&self) -> bool {
        ["ET", "ST"].iter().any(|kind| self.gl_type.eq_ignore_ascii_case(kind))
    }

    /// Whether the row is what an expense cost, billed on or not.
    #[must_use]
    pub fn is_expense_cost(&self) -> bool {
        ["EE", "EI"].iter().any(|kind| self.gl_type.eq_ignore_ascii_case(kind))
    }

    /// Whether the row is freight of a purchase.
    #[must_use]
    pub fn is_freight(&self) -> bool {
        self.gl_type.eq_ignore_ascii_case("PF")
    }
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

/// A status of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// ConnectWise id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Whether it closes the record, which is when GL entries are made.
    pub closed: bool,
}
