//! From facts to a draft: one file a kind of record, with what they share beside them.

mod cost;
mod expense;
mod invoice;
mod lines;
mod movement;
mod purchase;
mod reference;
mod segments;
mod setup;
mod tax;
mod terms;

use super::balance::{Ceilings, balance};
use super::document::Document;
use super::draft::DocumentKind;
use super::facts::{Facts, RecordFacts};
use super::hold::HoldReason;
use super::money::Money;
use super::rules::Rules;
use super::warning::Flagged;

pub use cost::{cost_document, cost_kind, cost_number, cost_of_goods};
pub use expense::unapproved;
pub use lines::{rounding_place, unreadable};
pub use segments::is_non_product_id;
pub use setup::{Used, account, currency, mapped_account, mapping, named_tax, tax_code, terms};

/// Makes the document of a record: one that Xero will calculate to the cent as ConnectWise has it.
///
/// # Errors
/// A hold that names what the record or the rules lack.
pub fn map(facts: &Facts, rules: &Rules) -> Result<Flagged<Document>, HoldReason> {
    let Flagged { value: draft, mut warnings } = match &facts.record {
        RecordFacts::Invoice(record) => invoice::map(facts, record, rules)?,
        RecordFacts::Purchase(record) => purchase::map(facts, record, rules)?,
        RecordFacts::Expense(record) => expense::map(facts, record, rules)?,
        RecordFacts::Movement(record) if kind(&facts.record, rules) == DocumentKind::Journal => {
            let Flagged { value, warnings } = movement::journal(facts, record, rules)?;
            return Ok(Flagged { value: Document::Journal(value), warnings });
        }
        RecordFacts::Movement(record) => movement::bill(facts, record, rules)?,
    };
    let ceilings = Ceilings { rounding: rules.rounding_ceiling, adjustment: rules.adjustment_ceiling };
    let Flagged { value: document, warnings: of_balance } = balance(draft, ceilings)?;
    warnings.extend(of_balance);
    let document = match &facts.mark {
        Some(mark) => document.marked(mark),
        None => document,
    };
    Ok(Flagged { value: Document::Invoice(document), warnings })
}

/// The number of the document in Xero.
#[must_use]
pub fn number(record: &RecordFacts, rules: &Rules) -> String {
    match record {
        RecordFacts::Invoice(facts) => invoice::number(&facts.invoice, rules).to_owned(),
        RecordFacts::Purchase(_) | RecordFacts::Expense(_) | RecordFacts::Movement(_) => record.number(),
    }
}

/// What a record becomes in Xero.
#[must_use]
pub fn kind(record: &RecordFacts, rules: &Rules) -> DocumentKind {
    match record {
        RecordFacts::Invoice(facts) => facts.invoice.becomes(),
        RecordFacts::Purchase(purchase) => purchase.becomes(),
        RecordFacts::Expense(expense) => expense.becomes(),
        RecordFacts::Movement(movement) => movement::kind(movement.kind, rules),
    }
}

/// What the document of a record is worth in Xero, in cents: never below zero.
#[must_use]
pub fn worth(record: &RecordFacts, rules: &Rules) -> Money {
    match record {
        RecordFacts::Invoice(_) | RecordFacts::Purchase(_) | RecordFacts::Expense(_) => record.total().abs().to_cents(),
        RecordFacts::Movement(movement) if kind(record, rules) == DocumentKind::Journal => movement.turnover(),
        RecordFacts::Movement(_) => Money::ZERO,
    }
}
