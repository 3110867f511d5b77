//! A statement in words, the same on every surface.

use jiff::Timestamp;

use super::{Calls, Line, Section, Standing, Statement};
use crate::domain::money::Money;
use crate::domain::text::capital;

/// Whether somebody has to do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// Nobody.
    None,
    /// It is worth a look.
    Look,
    /// It has to be put right.
    Act,
}

/// A row of a section's balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceRow {
    /// What is summed.
    pub label: &'static str,
    /// What it comes to.
    pub sum: Money,
    /// Of how many lines; none where that is not counted.
    pub lines: Option<usize>,
    /// Whether the row as such is a concern.
    pub concern: Concern,
}

impl Calls {
    /// How many there were, and until when Xero's calls of the minute are waited for.
    #[must_use]
    pub fn told(self, waits_until: Option<Timestamp>) -> String {
        let waits = waits_until.map(|until| format!(", waits for calls until {}", until.strftime("%H:%M:%S")));
        format!("{} calls to ConnectWise, {} to Xero{}", self.connectwise, self.xero, waits.unwrap_or_default())
    }
}

impl Statement {
    /// What it comes to, in a sentence.
    #[must_use]
    pub fn told(&self) -> &'static str {
        if self.sections.is_empty() {
            "Nothing was closed in ConnectWise, and Xero has no documents of this month."
        } else if self.is_balanced() {
            "In balance: nothing is missing, nothing unexplained, nothing twice."
        } else {
            "NOT in balance: see the lines that are missing, stray or unexplained."
        }
    }
}

impl Section {
    /// Its name: the ledger and the currency.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", capital(self.ledger.as_str()), self.currency).trim_end().to_owned()
    }

    /// Its sums, those that are nothing left out.
    #[must_use]
    pub fn balance(&self) -> Vec<BalanceRow> {
        let sums = &self.sums;
        let count = |standing: Standing| self.lines.iter().filter(|line| line.standing == standing).count();
        let closed = self.lines.iter().filter(|line| line.closed.is_some()).count();
        let alone = count(Standing::OnlyInXero).saturating_add(count(Standing::Stray));
        let unrelated = usize::try_from(self.unrelated.documents).unwrap_or(usize::MAX);
        // The first two are there always, the others when there is something.
        let rows = [
            ("closed in ConnectWise", sums.closed, Some(closed), Concern::None),
            ("= in Xero", sums.in_xero, Some(count(Standing::InXero)), Concern::None),
            ("+ held", sums.held, Some(count(Standing::Held)), Concern::Act),
            ("+ waiting", sums.waiting, Some(count(Standing::Waiting)), Concern::Look),
            ("+ skipped", sums.skipped, Some(count(Standing::Skipped)), Concern::None),
            ("+ missing", sums.missing, Some(count(Standing::Missing)), Concern::Act),
            ("+ explained differences", sums.explained, None, Concern::Look),
            ("+ unexplained differences", sums.unexplained, None, Concern::Act),
            ("in Xero alone", sums.only_in_xero, Some(alone), Concern::None),
            ("other documents in Xero", self.unrelated.total, Some(unrelated), Concern::None),
            ("paid on these in ConnectWise", sums.paid_in_connectwise, None, Concern::None),
            ("paid on these in Xero", sums.paid_in_xero, None, Concern::None),
        ];
        let rows = rows.map(|(label, sum, lines, concern)| BalanceRow { label, sum, lines, concern });
        let is_something = |row: &BalanceRow| !row.sum.is_zero() || row.lines.is_some_and(|lines| lines > 0);
        rows.into_iter()
            .enumerate()
            .filter(|(place, row)| *place < 2 || is_something(row))
            .map(|(_, row)| row)
            .collect()
    }

    /// The lines that are worth listing, under their headings; one without lines is left out.
    #[must_use]
    pub fn lists(&self) -> Vec<(&'static str, Vec<&Line>)> {
        let list = |title, wanted: fn(&Line) -> bool| {
            let lines: Vec<&Line> = self.lines.iter().filter(|line| wanted(line)).collect();
            (title, lines)
        };
        let lists = [
            list("Needs a look", Line::needs_look),
            list("In Xero alone", |line| line.standing == Standing::OnlyInXero),
            list("Paid otherwise in the other system", Line::pays_differ),
            list("Waiting", |line| line.standing == Standing::Waiting),
        ];
        lists.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
    }
}

impl Line {
    /// What it is worth: what was closed, or what Xero has alone.
    #[must_use]
    pub fn amount(&self) -> Money {
        self.closed.or(self.in_xero).unwrap_or_default()
    }

    /// Whether its standing is a concern.
    #[must_use]
    pub fn concern(&self) -> Concern {
        match self.standing {
            Standing::Held | Standing::Missing | Standing::Stray => Concern::Act,
            Standing::Waiting => Concern::Look,
            Standing::InXero | Standing::Skipped | Standing::OnlyInXero => Concern::None,
        }
    }

    /// What there is to say about it: payments that differ, and why it stands so.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let paid = |paid: Option<Money>| paid.unwrap_or_default();
        let (ours, xero) = (paid(self.paid_in_connectwise), paid(self.paid_in_xero));
        let payments = self.pays_differ().then(|| format!("paid {ours} in ConnectWise, {xero} in Xero"));
        payments.into_iter().chain(Some(self.note.clone()).filter(|note| !note.is_empty())).collect()
    }
}
