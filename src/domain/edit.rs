//! A record that was edited after it was posted: in what, and what may become of its document.

use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::content::{Content, Difference, told};
use super::delivery::Posted;
use super::facts::RecordFacts;
use super::hold::{HoldCode, HoldReason};

/// Says in what a record is not what was posted; `before` is what ConnectWise said then, where that was kept.
#[must_use]
pub fn edited(record: &RecordFacts, posted: &Posted, before: Option<&Content>) -> HoldReason {
    let (now, title) = (Content::of(record), record.title());
    let differences = match before {
        Some(before) => before.differences(&now),
        None => total_alone(record, posted),
    };
    let mut what = if differences.is_empty() { "its details were changed".to_owned() } else { told(&differences) };
    if before.is_none() {
        what.push_str(". What else it said then was not kept");
    }
    let sentence = format!("{title} was posted with {} and changed in ConnectWise since: {what}.", posted.total);
    HoldReason::new(HoldCode::EditedAfterPost, sentence).with(differences)
}

/// All that is known of what was posted by a version that kept no more.
fn total_alone(record: &RecordFacts, posted: &Posted) -> Vec<Difference> {
    let total = record.total().abs();
    // Of a change of the inventory the document's sum is another one than the net.
    if total == posted.total || matches!(record, RecordFacts::Movement(_)) {
        return Vec::new();
    }
    vec![Difference { field: "total".to_owned(), posted: posted.total.to_string(), now: total.to_string() }]
}

/// What a document says in Xero, beside its kind, sums and status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InXero {
    /// Due date; credit notes have none.
    pub due_date: Option<Date>,
    /// Reference; Xero keeps none of purchases.
    pub reference: String,
    /// The lines, in order.
    pub lines: Vec<LineInXero>,
}

/// A line in Xero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineInXero {
    /// Xero's id of the line.
    pub id: Option<Uuid>,
    /// What was sold.
    pub description: String,
    /// Quantity.
    pub quantity: Decimal,
    /// Price of one.
    pub unit_amount: Decimal,
    /// Account code.
    pub account: String,
    /// Item code; empty for none.
    pub item: String,
    /// Tax rate's code.
    pub tax_type: String,
    /// Tax, calculated or stated.
    pub tax_amount: Option<Decimal>,
    /// Tracking categories and options, sorted.
    pub tracking: Vec<(String, String)>,
}
