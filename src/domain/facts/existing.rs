//! Documents that are in Xero already.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::draft::DocumentKind;
use crate::domain::money::Money;

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

/// What tells a document from others of its number: the id of its record, at the end of its first line.
///
/// Numbers of bills are not unique in Xero, their references are not kept, and a vendor's invoice over two equal
/// deliveries gives two bills of the same number, contact and total.
#[must_use]
pub fn mark(source: &str) -> String {
    format!("{MARK}{source}]")
}

/// What tells the journal of the cost of an invoice from others.
#[must_use]
pub fn cost_mark(invoice: i64) -> String {
    mark(&format!("cost of invoice {invoice}"))
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
