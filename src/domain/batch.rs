//! The names of the batches that mark records as posted in ConnectWise.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::facts::{ExpenseUnit, RecordFacts};
use super::record::{RecordKey, RecordKind};
use super::text::hex;

/// The longest id of what is procured that its batches carry as it is, so that 50 characters are enough for all.
const ID_MAX: usize = 28;

/// Names of batches of one document that are listed at most.
const NAMES_MAX: usize = 50;

/// Whether the record is in a batch that was made because this document had been posted.
#[must_use]
pub fn marks(record: &RecordFacts, document: Uuid) -> bool {
    let own = name(record, document, None);
    let rest = record.batch().and_then(|batch| batch.strip_prefix(&own));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The name of the batch that marks a record as posted; at most 50 characters.
///
/// It is made of the record, the document and the batch `before`, so it is the same on every attempt, and
/// another one after the document was voided and posted anew, or after the record was taken out of its batch:
/// that batch keeps its name, empty.
#[must_use]
pub fn name(record: &RecordFacts, document: Uuid, before: Option<&str>) -> String {
    named(&prefix(record), document, before)
}

/// The names of the batches of ours that a record may be in: the one that is known, and those that a request of unknown
/// outcome may have made. None of what is never in a batch.
#[must_use]
pub fn names_of(key: &RecordKey, document: Uuid, known: Option<&str>) -> Vec<String> {
    let Some(prefix) = prefix_of_key(key) else { return Vec::new() };
    let ours = known.filter(|name| name.starts_with(&prefix)).map(str::to_owned);
    let last = named(&prefix, document, known);
    let mut names = vec![named(&prefix, document, None)];
    // ConnectWise may have taken only a part into each.
    while let Some(name) = names.last().filter(|name| **name != last && names.len() < NAMES_MAX) {
        names.push(named(&prefix, document, Some(name)));
    }
    names.push(last);
    names.extend(ours);
    names.sort_unstable();
    names.dedup();
    names
}

fn prefix_of_key(key: &RecordKey) -> Option<String> {
    let source = key.source.as_str();
    match key.kind {
        RecordKind::Invoice => Some(format!("RP-I-{source}-")),
        RecordKind::Purchase => Some(prefix_of_purchase(source)),
        RecordKind::Adjustment | RecordKind::Transfer => Some(prefix_of_movement(source)),
        RecordKind::Expense => Some(prefix_of_expense(ExpenseUnit::Entry, source.parse().ok()?)),
        RecordKind::ExpenseReport => Some(prefix_of_expense(ExpenseUnit::Report, source.parse().ok()?)),
        RecordKind::PurchaseOrder | RecordKind::Payment => None,
    }
}

fn named(prefix: &str, document: Uuid, before: Option<&str>) -> String {
    let short: String = document.simple().to_string().chars().take(8).collect();
    let first = format!("{prefix}{short}");
    let number = |name: &str| match name.strip_prefix(&first)? {
        "" => Some(1_u32),
        rest => rest.strip_prefix('-')?.parse().ok(),
    };
    match before.and_then(number) {
        None => first,
        Some(number) => format!("{first}-{}", number.saturating_add(1)),
    }
}

/// Whether a batch of this name is one that readypost makes for the record.
#[must_use]
pub fn is_ours(record: &RecordFacts, name: &str) -> bool {
    name.starts_with(&prefix(record))
}

fn prefix(record: &RecordFacts) -> String {
    match record {
        RecordFacts::Invoice(facts) => format!("RP-I-{}-", facts.invoice.id),
        RecordFacts::Purchase(purchase) => prefix_of('P', &purchase.id),
        RecordFacts::Movement(movement) => prefix_of_movement(&movement.id),
        RecordFacts::Expense(expense) => prefix_of_expense(expense.unit, expense.id),
    }
}

/// How the batches of expenses begin.
#[must_use]
pub fn prefix_of_expense(unit: ExpenseUnit, id: i64) -> String {
    match unit {
        ExpenseUnit::Report => format!("RP-R-{id}-"),
        ExpenseUnit::Entry => format!("RP-E-{id}-"),
    }
}

/// How the batches of a purchase begin.
#[must_use]
pub fn prefix_of_purchase(id: &str) -> String {
    prefix_of('P', id)
}

/// How the batches of a change of the inventory begin.
#[must_use]
pub fn prefix_of_movement(id: &str) -> String {
    prefix_of('S', id)
}

/// An id that is long or holds what a person typed is hashed.
fn prefix_of(letter: char, id: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if id.len() <= ID_MAX && id.chars().all(plain) {
        return format!("RP-{letter}-{id}-");
    }
    let hash = hex(Sha256::digest(id.as_bytes()).get(..10).unwrap_or_default());
    format!("RP-{letter}-{hash}-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::facts::{Invoice, InvoiceType, Status};
    use crate::domain::money::Money;

    fn invoice(id: i64) -> RecordFacts {
        RecordFacts::from(Invoice {
            id,
            number: id.to_string(),
            kind: InvoiceType::Standard,
            status: Status { id: 4, name: "Ready to Post".to_owned(), closed: true },
            client_id: 250,
            client_name: "Acme".to_owned(),
            location_id: None,
            date: None,
            due_date: None,
            customer_po: String::new(),
            project: String::new(),
            agreement: String::new(),
            reference: String::new(),
            currency: None,
            tax_code: String::new(),
            sales_tax: Money::ZERO,
            down_payment_applied: Money::ZERO,
            progress_applied: Money::ZERO,
            total: Money::ZERO,
            batch: None,
            paid: Money::ZERO,
        })
    }

    #[test]
    fn a_batch_name_changes_only_when_the_batch_before_cannot_be_used_again() {
        let document = Uuid::from_u128(0x1e6c_5fc3 << 96);
        let named = |before| name(&invoice(5041), document, before);
        assert_eq!(named(None), "RP-I-5041-1e6c5fc3");
        assert_eq!(named(Some("RP-I-5041-1e6c5fc3")), "RP-I-5041-1e6c5fc3-2");
        assert_eq!(named(Some("RP-I-5041-1e6c5fc3-2")), "RP-I-5041-1e6c5fc3-3");
        assert_eq!(named(Some("M-2026-11")), "RP-I-5041-1e6c5fc3", "a batch of others does not count");
        let longest = invoice(i64::MAX);
        assert!(name(&longest, document, Some(&name(&longest, document, None))).len() <= 50);
    }

    #[test]
    fn all_batches_that_a_document_may_be_in_are_named() {
        let (key, document) = ("acme/invoice/5041".parse().unwrap(), Uuid::from_u128(0x1e6c_5fc3 << 96));
        let named = |known| names_of(&key, document, known);
        let first = "RP-I-5041-1e6c5fc3";
        let numbered = |last: u32| (2..=last).map(|number| format!("{first}-{number}"));
        assert_eq!(named(None), [first]);
        for (known, last) in [(first, 2), ("RP-I-5041-1e6c5fc3-2", 3), ("RP-I-5041-1e6c5fc3-3", 4)] {
            let wanted: Vec<String> = std::iter::once(first.to_owned()).chain(numbered(last)).collect();
            assert_eq!(named(Some(known)), wanted);
        }
        assert_eq!(named(Some("M-2026-11")), [first]);
        let other = "RP-I-5041-00000007-2";
        assert_eq!(named(Some(other)), [other, first]);
        assert!(named(Some("RP-I-5041-1e6c5fc3-4000000000")).len() < 55, "nobody is kept busy by a strange name");
    }

    #[test]
    fn a_purchase_with_a_long_or_strange_id_is_named_by_a_hash() {
        assert_eq!(prefix_of_purchase("3-SLIP7-purchase"), "RP-P-3-SLIP7-purchase-");
        for id in ["3-SLIP 7/a-purchase", "3-SLIP-7-of-a-very-long-number-purchase", "3-\"*-purchase"] {
            let prefix = prefix_of_purchase(id);
            assert!(prefix.len() == 26 && prefix.starts_with("RP-P-"), "{prefix}");
        }
        // Document, a dash and the number of the batch follow.
        assert!(prefix_of_purchase(&"x".repeat(ID_MAX)).len() + 8 + 1 + 6 <= 50);
    }
}
