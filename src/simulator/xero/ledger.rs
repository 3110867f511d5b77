//! Manual journals, as a test or a person wants to read them.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use uuid::Uuid;

use super::records::{LineAmounts, Tracking};

/// Where a journal is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalStatus {
    /// Not yet in the ledger.
    Draft,
    /// In the ledger.
    Posted,
    /// Taken back before it was posted.
    Deleted,
    /// Taken back after it was posted.
    Voided,
}

impl JournalStatus {
    /// Xero's name, such as `POSTED`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Posted => "POSTED",
            Self::Deleted => "DELETED",
            Self::Voided => "VOIDED",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Draft, Self::Posted, Self::Deleted, Self::Voided].into_iter().find(|status| status.name() == name)
    }

    pub(super) fn is_gone(self) -> bool {
        matches!(self, Self::Deleted | Self::Voided)
    }
}

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalLine {
    /// What it is for.
    pub description: String,
    /// Account code.
    pub account_code: String,
    /// Positive is a debit, negative a credit.
    pub line_amount: Decimal,
    /// Tax type.
    pub tax_type: String,
    /// Tax, with the sign of the line.
    pub tax_amount: Decimal,
    /// Tracking, at most two.
    pub tracking: Vec<Tracking>,
}

/// A manual journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// `ManualJournalID`.
    pub id: Uuid,
    /// What it is for; the only text to find it by.
    pub narration: String,
    /// Day of the journal.
    pub date: Date,
    /// Where it is in its life.
    pub status: JournalStatus,
    /// How the lines relate to tax.
    pub line_amounts: LineAmounts,
    /// The lines in order.
    pub lines: Vec<JournalLine>,
    /// Link back to the source.
    pub url: Option<String>,
    /// Last change.
    pub updated: Timestamp,
}

impl Journal {
    pub(super) fn blank(date: Date, now: Timestamp) -> Self {
        Self {
            id: Uuid::new_v4(),
            narration: String::new(),
            date,
            status: JournalStatus::Draft,
            line_amounts: LineAmounts::NoTax,
            lines: Vec::new(),
            url: None,
            updated: now,
        }
    }

    /// The sums of the debits and of the credits, both positive.
    #[must_use]
    pub fn sides(&self) -> (Decimal, Decimal) {
        let amounts = self.lines.iter().map(|line| match self.line_amounts {
            LineAmounts::Exclusive => line.line_amount + line.tax_amount,
            LineAmounts::Inclusive | LineAmounts::NoTax => line.line_amount,
        });
        let (debits, credits): (Vec<Decimal>, Vec<Decimal>) = amounts.partition(Decimal::is_sign_positive);
        (debits.into_iter().sum(), -credits.into_iter().sum::<Decimal>())
    }
}
