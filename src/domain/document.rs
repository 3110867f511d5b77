//! What a record becomes in Xero: a document with a contact, or a journal without one.

use jiff::civil::Date;
use serde::Serialize;

use super::balance::Balanced;
use super::draft::DocumentKind;
use super::journal::Journal;
use super::money::Money;
use super::rules::DocumentStatus;

/// A document that agrees with ConnectWise to the cent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Document {
    /// An invoice, a bill or a credit note.
    Invoice(Balanced),
    /// A manual journal.
    Journal(Journal),
}

impl Document {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> DocumentKind {
        match self {
            Self::Invoice(document) => document.draft().kind,
            Self::Journal(_) => DocumentKind::Journal,
        }
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> &str {
        match self {
            Self::Invoice(document) => &document.draft().number,
            Self::Journal(journal) => &journal.heading().number,
        }
    }

    /// Its date.
    #[must_use]
    pub fn date(&self) -> Date {
        match self {
            Self::Invoice(document) => document.draft().date,
            Self::Journal(journal) => journal.heading().date,
        }
    }

    /// ISO code of its currency.
    #[must_use]
    pub fn currency(&self) -> &str {
        match self {
            Self::Invoice(document) => &document.draft().currency,
            Self::Journal(journal) => &journal.heading().currency,
        }
    }

    /// Draft or approved.
    #[must_use]
    pub fn status(&self) -> DocumentStatus {
        match self {
            Self::Invoice(document) => document.draft().status,
            Self::Journal(journal) => journal.heading().status,
        }
    }

    /// Total with tax, as Xero will calculate it; of a journal the sum of its debits.
    #[must_use]
    pub fn total(&self) -> Money {
        match self {
            Self::Invoice(document) => document.total(),
            Self::Journal(journal) => journal.total(),
        }
    }

    /// Tax, as Xero will calculate it; a journal has none.
    #[must_use]
    pub fn total_tax(&self) -> Money {
        match self {
            Self::Invoice(document) => document.total_tax(),
            Self::Journal(_) => Money::ZERO,
        }
    }
}
