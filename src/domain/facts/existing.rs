//! Documents that are in Xero already.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::draft::DocumentKind;
use crate::domain::money::Money;
use crate::domain::record::{RecordKey, RecordKind};
use crate::domain::text::hex;

/// What a look-up of the document's number found in Xero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// No look-up was needed.
    #[default]
    NotLookedUp,
    /// There is no document of this number.
    None,
    /// There is.
    Found(ExistingDocument),
    /// An operator says that it is this one.
    Chosen(ExistingDocument),
    /// There are these, by a number that others may share: marks tell which of them it is.
    Among(Vec<ExistingDocument>),
}

impl Existing {
    /// The document of the record that is marked with `mark`, or the only one of its number.
    #[must_use]
    pub fn marked(self, mark: Option<&str>) -> Option<ExistingDocument> {
        match self {
            Self::NotLookedUp | Self::None => None,
            Self::Found(document) | Self::Chosen(document) => Some(document),
            Self::Among(documents) => {
                documents.into_iter().find(|document| mark.is_some_and(|mark| document.has(mark)))
            }
        }
    }

    /// What was found by either of two numbers.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Among(mut found), Self::Among(more)) => {
                found.extend(more);
                Self::Among(found)
            }
            (Self::NotLookedUp | Self::None, other) => other,
            (found, _) => found,
        }
    }

    /// Whether a look-up found no document that could be the one of the record marked with `mark`.
    #[must_use]
    pub fn is_none_of(&self, mark: Option<&str>) -> bool {
        match self {
            Self::None => true,
            Self::Among(documents) => !documents.iter().any(|document| mark.is_some_and(|mark| document.has(mark))),
            Self::NotLookedUp | Self::Found(_) | Self::Chosen(_) => false,
        }
    }
}

/// How a mark begins.
const MARK: &str = "[ConnectWise ";

/// The longest key that a mark carries as it is, in characters.
const KEY_CHARS_MAX: usize = 80;

/// What tells a document from others of its number: the key of its record, at the end of its first line; none for
/// kinds whose numbers are unique.
///
/// Numbers of bills are not unique in Xero, their references are not kept, and a vendor's invoice over two equal
/// deliveries gives two bills of the same number, contact and total. That Xero gives a description back letter by
/// letter is not documented, so an id that is long or holds what a person typed is hashed.
#[must_use]
pub fn mark(key: &RecordKey) -> Option<String> {
    if matches!(key.kind, RecordKind::Invoice | RecordKind::PurchaseOrder | RecordKind::Payment) {
        return None;
    }
    let text = key.to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/');
    if text.len() <= KEY_CHARS_MAX && text.chars().all(is_plain) {
        return Some(format!("{MARK}{text}]"));
    }
    let hash = hex(Sha256::digest(key.source.as_str().as_bytes()).get(..10).unwrap_or_default());
    Some(format!("{MARK}{}/{}/~{hash}]", key.connection, key.kind.as_str()))
}

/// What tells the journal or bill of the cost of an invoice from others; none for other kinds.
#[must_use]
pub fn cost_mark(key: &RecordKey) -> Option<String> {
    (key.kind == RecordKind::Invoice).then(|| format!("{MARK}cost of {key}]"))
}

/// What tells the document of this kind that a record becomes from others.
#[must_use]
pub fn mark_of(key: &RecordKey, kind: DocumentKind) -> Option<String> {
    let of_cost = matches!(kind, DocumentKind::Journal | DocumentKind::Bill);
    mark(key).or_else(|| cost_mark(key).filter(|_| of_cost))
}

/// The record that a mark names; none of one that is hashed, and of what is no record's own document.
#[must_use]
pub fn marked_key(mark: &str) -> Option<RecordKey> {
    let key = mark.strip_prefix(MARK)?.strip_suffix(']')?.parse::<RecordKey>().ok()?;
    // Only a mark that this key would get: a hash is no id.
    (self::mark(&key).as_deref() == Some(mark)).then_some(key)
}

/// Whether a mark is that of the cost of an invoice.
#[must_use]
pub fn is_of_cost(mark: &str) -> bool {
    mark.strip_prefix(MARK).is_some_and(|rest| rest.starts_with("cost of "))
}

/// What of a line's description is a mark, if it has one.
#[must_use]
pub fn mark_in(description: &str) -> Option<&str> {
    description.rfind(MARK).and_then(|at| description.get(at..))
}

/// A document that is in Xero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExistingDocument {
    /// Xero's id.
    pub id: Uuid,
    /// What it is.
    pub kind: DocumentKind,
    /// Its number.
    pub number: String,
    /// `DRAFT`, `AUTHORISED`, `PAID`, `VOIDED`, ...
    pub status: String,
    /// Whose it is; nil of a journal.
    pub contact_id: Uuid,
    /// Document date.
    pub date: Option<Date>,
    /// ISO code.
    pub currency: String,
    /// Tax.
    pub total_tax: Money,
    /// Total with tax.
    pub total: Money,
    /// The marks in its lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<String>,
}

impl ExistingDocument {
    /// Whether it is marked so.
    #[must_use]
    pub fn has(&self, mark: &str) -> bool {
        self.marks.iter().any(|held| held.starts_with(mark))
    }

    /// Whether it is worth something.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.status.as_str(), "VOIDED" | "DELETED")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_has_a_mark_of_its_own_that_is_read_back() {
        let marked = |key: &str| mark(&key.parse().unwrap());
        assert_eq!(marked("acme/invoice/7"), None);
        let plain = marked("acme/purchase/3-SLIP7-purchase").unwrap();
        assert_eq!(plain, "[ConnectWise acme/purchase/3-SLIP7-purchase]");
        let strange = [
            "3-SLIP 7-purchase",
            "3-SLIP  7-purchase",
            "3-[ConnectWise -purchase",
            "3-<b>-purchase",
            "3-Größe-purchase",
        ];
        let mut marks: Vec<String> =
            strange.iter().map(|id| marked(&format!("acme/purchase/{id}")).unwrap()).chain([plain]).collect();
        for mark in &marks {
            assert!(mark.is_ascii() && mark.len() <= 100, "{mark}");
            assert_eq!(mark_in(&format!("Disks [ConnectWise x] {mark}")), Some(mark.as_str()));
        }
        marks.sort_unstable();
        marks.dedup();
        assert_eq!(marks.len(), 6);
        assert_ne!(marked("acme/purchase/3-a b-purchase"), marked("other/purchase/3-a b-purchase"));
        let kinds = ["purchase/17", "expense/17", "expense/171", "expense_report/17"];
        let kinds = kinds.map(|key| marked(&format!("acme/{key}")).unwrap());
        for one in &kinds {
            assert_eq!(kinds.iter().filter(|other| other.starts_with(one)).count(), 1, "{one}");
        }
    }
}
