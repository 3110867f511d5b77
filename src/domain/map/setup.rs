//! What the set-up of both systems would do to records, by the same code that maps a record.

use super::lines;
use super::segments;
use super::tax::Taxes;
use crate::domain::facts::{Caption, Organisation};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::rules::Rules;
use crate::domain::terms::Terms;
use crate::domain::warning::{Warning, WarningCode};

/// What a tax rate is used on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// Invoices and credit notes of customers.
    Sales,
    /// Bills.
    Purchases,
}

fn taxes(rules: &Rules, used: Used) -> Taxes<'_> {
    let (names, untaxed) = match used {
        Used::Sales => (&rules.tax_names, ("untaxed", rules.untaxed.as_str())),
        Used::Purchases => (&rules.purchase_tax_names, ("untaxed_purchases", rules.untaxed_purchases.as_str())),
    };
    Taxes {
        source: rules.tax,
        codes: ["", ""],
        xref: "",
        levels: &[],
        names,
        untaxed,
        usable: match used {
            Used::Sales => |rate| rate.for_sales,
            Used::Purchases => |rate| rate.for_purchases,
        },
        used_on: match used {
            Used::Sales => "sales",
            Used::Purchases => "purchases",
        },
    }
}

/// A tax code of ConnectWise, by the rules' names for it.
///
/// # Errors
/// The hold of a record that uses it.
pub fn tax_code(code: &str, used: Used, organisation: &Organisation, rules: &Rules) -> Result<(), HoldReason> {
    taxes(rules, used).of_name(code.trim(), 0, organisation).map(drop)
}

/// A tax rate that the rules name in Xero's words.
///
/// # Errors
/// The hold of a record that needs it.
pub fn named_tax(name: &str, used: Used, organisation: &Organisation, rules: &Rules) -> Result<(), HoldReason> {
    taxes(rules, used).rate(name, 0, organisation).map(drop)
}

/// An account that lines may name.
///
/// # Errors
/// The hold of a record that names it.
pub fn account(code: &str, organisation: &Organisation) -> Result<(), HoldReason> {
    lines::usable(code, 0, organisation)
}

/// The account code of segments that are not joined; empty when nothing is mapped.
#[must_use]
pub fn mapped_account(values: &[String], captions: &[Caption]) -> String {
    segments::sorted(values, captions).account
}

/// A currency of ConnectWise.
///
/// # Errors
/// The hold of a record in it.
pub fn currency(code: &str, organisation: &Organisation) -> Result<(), HoldReason> {
    lines::enabled(&code.trim().to_ascii_uppercase(), organisation)
}

/// One row of the GL mapping: the account, the tracking and the item of every line that it maps; the warnings of a
/// record that uses it.
///
/// # Errors
/// The hold of a record that uses it.
pub fn mapping(
    values: &[String],
    captions: &[Caption],
    organisation: &Organisation,
    rules: &Rules,
) -> Result<Vec<Warning>, HoldReason> {
    let segments = segments::sorted(values, captions);
    if segments.account.is_empty() {
        return Err(HoldReason::new(HoldCode::NoGlAccount, "GL mapping is empty: no account."));
    }
    lines::usable(&segments.account, 0, organisation)?;
    let mut warnings = Vec::new();
    lines::item_code(segments.non_product_id.as_deref().unwrap_or_default(), 0, rules, &mut warnings)?;
    lines::tracking_of(&segments, 0, (captions, organisation, rules), &mut warnings)?;
    Ok(warnings)
}

/// The XRef of billing terms: the warning of a record that has them.
#[must_use]
pub fn terms(name: &str, xref: &str) -> Option<Warning> {
    let xref = xref.trim();
    if xref.is_empty() || Terms::parse(xref).is_some() {
        return None;
    }
    let sentence =
        format!("The XRef '{xref}' of the terms '{name}' is unreadable; ConnectWise's due date would be used.");
    Some(Warning::new(WarningCode::TermsUnreadable, sentence))
}
