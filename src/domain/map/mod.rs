//! From facts to a draft: one file a kind of record, with what they share beside them.

mod expense;
mod invoice;
mod lines;
mod purchase;
mod reference;
mod segments;
mod tax;
mod terms;

use super::draft::Draft;
use super::facts::{Facts, RecordFacts};
use super::hold::HoldReason;
use super::rules::Rules;
use super::warning::Flagged;

pub use expense::unapproved;
pub use lines::{rounding_place, unreadable};
pub use segments::is_non_product_id;

/// Makes the draft of a record.
///
/// # Errors
/// A hold that names what the record or the rules lack.
pub fn map(facts: &Facts, rules: &Rules) -> Result<Flagged<Draft>, HoldReason> {
    match &facts.record {
        RecordFacts::Invoice(record) => invoice::map(facts, record, rules),
        RecordFacts::Purchase(record) => purchase::map(facts, record, rules),
        RecordFacts::Expense(record) => expense::map(facts, record, rules),
    }
}

/// The number of the document in Xero.
#[must_use]
pub fn number(record: &RecordFacts, rules: &Rules) -> String {
    match record {
        RecordFacts::Invoice(facts) => invoice::number(&facts.invoice, rules).to_owned(),
        RecordFacts::Purchase(purchase) => purchase.number(),
        RecordFacts::Expense(expense) => expense.number(),
    }
}
