//! The due date by the billing terms.

use jiff::civil::Date;

use super::lines::unreadable;
use crate::domain::hold::HoldReason;
use crate::domain::terms::{Overflow, Terms};
use crate::domain::warning::{Warning, WarningCode};

/// The billing terms of a record.
pub(super) struct TermsOf<'facts> {
    pub(super) name: &'facts str,
    pub(super) xref: &'facts str,
    /// The due date in ConnectWise.
    pub(super) theirs: Option<Date>,
    /// What is missing when there is none.
    pub(super) missing: &'static str,
}

/// The due date by the terms' XRef; where that says nothing, ConnectWise's own.
pub(super) fn due_date(
    terms: &TermsOf<'_>,
    date: Date,
    overflow: Overflow,
    warnings: &mut Vec<Warning>,
) -> Result<Date, HoldReason> {
    let theirs = || terms.theirs.ok_or_else(|| unreadable(terms.missing));
    let (name, xref) = (terms.name, terms.xref.trim());
    if xref.is_empty() {
        return theirs();
    }
    let Some(due) = Terms::parse(xref).and_then(|terms| terms.due(date, overflow)) else {
        let theirs = theirs()?;
        let sentence =
            format!("The XRef '{xref}' of the terms '{name}' is unreadable; due {theirs} as in ConnectWise.");
        warnings.push(Warning::new(WarningCode::TermsUnreadable, sentence));
        return Ok(theirs);
    };
    if due.overflowed {
        let sentence =
            format!("The terms '{name}' ({xref}) name a day that the month does not have; due {}.", due.date);
        warnings.push(Warning::new(WarningCode::TermsOverflow, sentence));
    }
    if let Some(theirs) = terms.theirs.filter(|theirs| *theirs != due.date) {
        let sentence =
            format!("The terms '{name}' ({xref}) give {}; ConnectWise says {theirs}. Xero has {}.", due.date, due.date);
        warnings.push(Warning::new(WarningCode::TermsMismatch, sentence));
    }
    Ok(due.date)
}
