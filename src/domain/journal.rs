//! A manual journal to be made: debits and credits that cancel out, in the organisation's own currency.

use jiff::civil::Date;
use serde::Serialize;

use super::hold::{HoldCode, HoldReason};
use super::money::Money;
use super::rules::DocumentStatus;

/// A journal whose debits are its credits; only [`Journal::new`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Journal {
    heading: Heading,
    /// The sum of its debits.
    total: Money,
    lines: Vec<JournalLine>,
}

/// What a journal says above its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heading {
    /// The number of its record, for people: Xero gives a journal none that could be looked up.
    pub number: String,
    /// What Xero shows of it; ends with the mark that tells whose it is.
    pub narration: String,
    /// Date.
    pub date: Date,
    /// ISO code: the organisation's own.
    pub currency: String,
    /// Draft or posted.
    pub status: DocumentStatus,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct JournalLine {
    /// What it is about.
    pub description: String,
    /// Account code.
    pub account: String,
    /// Debits are above zero, credits below; in cents.
    pub amount: Money,
    /// Tracking category and option, at most two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tracking: Vec<(String, String)>,
}

impl Journal {
    /// A journal of these lines, in cents.
    ///
    /// # Errors
    /// `out_of_balance` with both sums, when debits and credits differ.
    pub fn new(heading: Heading, mut lines: Vec<JournalLine>) -> Result<Self, HoldReason> {
        for line in &mut lines {
            line.amount = line.amount.to_cents();
        }
        let side = |is_credit: bool| -> Money {
            lines.iter().map(|line| line.amount).filter(|amount| amount.is_negative() == is_credit).sum()
        };
        let (debits, credits) = (side(false), -side(true));
        if debits != credits {
            let sentence =
                format!("The debits of {} come to {debits}, its credits to {credits} in ConnectWise.", heading.number);
            return Err(HoldReason::new(HoldCode::OutOfBalance, sentence));
        }
        Ok(Self { heading, total: debits, lines })
    }

    /// What it says above its lines.
    #[must_use]
    pub fn heading(&self) -> &Heading {
        &self.heading
    }

    /// Its lines.
    #[must_use]
    pub fn lines(&self) -> &[JournalLine] {
        &self.lines
    }

    /// The sum of its debits, which is that of its credits.
    #[must_use]
    pub fn total(&self) -> Money {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(amounts: &[&str]) -> Result<Journal, HoldReason> {
        let heading = Heading {
            number: "ADJ-1".to_owned(),
            narration: "ADJ-1".to_owned(),
            date: jiff::civil::date(2026, 11, 30),
            currency: "AUD".to_owned(),
            status: DocumentStatus::Authorised,
        };
        let line = |amount: &&str| JournalLine {
            description: String::new(),
            account: "310".to_owned(),
            amount: Money::new(amount.parse().unwrap()).unwrap(),
            tracking: Vec::new(),
        };
        Journal::new(heading, amounts.iter().map(line).collect())
    }

    #[test]
    fn debits_are_credits_to_the_cent_or_there_is_no_journal() {
        assert_eq!(journal(&["80", "20.005", "-100.01"]).unwrap().total().to_string(), "100.01");
        assert_eq!(journal(&[]).unwrap().total(), Money::ZERO);
        let held = journal(&["80", "-79.99"]).unwrap_err();
        assert_eq!(held.code, HoldCode::OutOfBalance);
        assert!(held.sentence.as_str().contains("80.00") && held.sentence.as_str().contains("79.99"), "{held:?}");
    }
}
