//! The settings of a Xero organisation that a document has to fit.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

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
    /// Usable on purchases.
    #[serde(default)]
    pub for_purchases: bool,
}

/// A Xero tracking category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackingCategory {
    /// Name.
    pub name: String,
    /// Names of the active options.
    pub options: Vec<String>,
}
