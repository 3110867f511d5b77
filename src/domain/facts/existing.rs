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
}

/// A document that is in Xero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExistingDocument {
    /// Xero's id.
    pub id: Uuid,
    /// Invoice or credit note.
    pub kind: DocumentKind,
    /// Its number.
    pub number: String,
    /// `DRAFT`, `AUTHORISED`, `PAID`, `VOIDED`, ...
    pub status: String,
    /// Whose it is.
    pub contact_id: Uuid,
    /// Document date.
    pub date: Option<Date>,
    /// ISO code.
    pub currency: String,
    /// Tax.
    pub total_tax: Money,
    /// Total with tax.
    pub total: Money,
}
