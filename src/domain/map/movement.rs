//! Changes of the inventory: a journal, or a bill of 0.00 with the same lines.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::lines::{self, Scope};
use super::segments::{self, Segments};
use crate::domain::draft::{DocumentKind, Draft, Line};
use crate::domain::facts::{Adjusted, Facts, Movement, MovementKind, Organisation, Shifted, Stock, Unposted};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::journal::{Heading, Journal, JournalLine};
use crate::domain::money::Money;
use crate::domain::rules::{Adjustments, Rules};
use crate::domain::text::shorten;
use crate::domain::warning::{Flagged, Warning};

/// The longest description of a line.
const DESCRIPTION_CHARS_MAX: usize = 4000;
/// The longest name in a narration: Xero allows 4,000 characters, people read the first.
const NAME_CHARS_MAX: usize = 200;

/// What a change of the inventory becomes.
pub(super) fn kind(kind: MovementKind, rules: &Rules) -> DocumentKind {
    match (kind, rules.adjustments) {
        (MovementKind::Adjustment, Adjustments::Bill) => DocumentKind::Bill,
        _ => DocumentKind::Journal,
    }
}

/// Makes the journal of a change of the inventory.
pub(super) fn journal(facts: &Facts, movement: &Movement, rules: &Rules) -> Result<Flagged<Journal>, HoldReason> {
    let (unposted, date) = readable(movement)?;
    let currency = lines::own_currency(&movement.title(), unposted.currency.as_deref(), &facts.organisation)?;
    let mut warnings = Vec::new();
    let lines = Sides { scope: Scope { facts, rules }, movement }.all(unposted, &mut warnings)?;
    let number = facts.record.number();
    // Without a mark it could not be told from others, and be made twice.
    let mark = facts.mark.as_deref().ok_or_else(|| lines::unreadable("mark"))?;
    let narration = format!("Inventory {} {} {}", movement.kind.noun(), shorten(&number, NAME_CHARS_MAX), mark);
    let heading = Heading { number, narration, date, currency, status: rules.document_status };
    Ok(Flagged { value: Journal::new(heading, lines)?, warnings })
}

/// Makes the bill of an adjustment: what the inventory gains, and its other side taken off.
pub(super) fn bill(facts: &Facts, movement: &Movement, rules: &Rules) -> Result<Flagged<Draft>, HoldReason> {
    let Flagged { value: journal, warnings } = journal(facts, movement, rules)?;
    let number = journal.heading().number.clone();
    Ok(Flagged { value: as_bill(&journal, number, &facts.organisation, rules)?, warnings })
}

/// A bill of 0.00 with the lines of a journal.
pub(super) fn as_bill(
    journal: &Journal,
    number: String,
    organisation: &Organisation,
    rules: &Rules,
) -> Result<Draft, HoldReason> {
    let heading = journal.heading();
    let rounding = lines::rounding_place(organisation, rules);
    let Some(tax_type) = rounding.tax_type.clone() else {
        let sentence = "The organisation has no active tax rate of 0 % for lines without tax (set `rounding_tax`).";
        return Err(HoldReason::new(HoldCode::UnknownTax, sentence).caused_by("rule `rounding_tax`"));
    };
    let line = |line: &JournalLine| Line {
        description: line.description.clone(),
        quantity: Decimal::ONE,
        unit_amount: line.amount.decimal(),
        amount: line.amount,
        account: line.account.clone(),
        item: None,
        tax_type: tax_type.clone(),
        tax_rate: Decimal::ZERO,
        tax_amount: None,
        tracking: line.tracking.clone(),
    };
    Ok(Draft {
        kind: DocumentKind::Bill,
        number,
        date: heading.date,
        due_date: Some(heading.date),
        reference: String::new(),
        currency: heading.currency.clone(),
        status: rules.bill_status.unwrap_or(rules.document_status),
        sent: false,
        branding_theme: None,
        lines: journal.lines().iter().map(line).collect(),
        tax: Money::ZERO,
        total: Money::ZERO,
        rounding,
    })
}

/// What no journal can be without, and what ConnectWise holds but nobody can read.
fn readable(movement: &Movement) -> Result<(&Unposted, Date), HoldReason> {
    let Some(unposted) = &movement.unposted else {
        let sentence = format!("ConnectWise does not list the {} {} as unposted.", movement.kind.noun(), movement.id);
        return Err(HoldReason::new(HoldCode::NotUnposted, sentence));
    };
    if let Some(field) = unposted.unreadable.first() {
        return Err(lines::unreadable(field));
    }
    if unposted.entry.is_none() {
        return Err(lines::unreadable("id of the unposted record"));
    }
    let date = unposted.date.ok_or_else(|| lines::unreadable("document date"))?;
    Ok((unposted, date))
}

/// A change of the inventory whose two sides are made.
struct Sides<'facts> {
    scope: Scope<'facts>,
    movement: &'facts Movement,
}

/// One side: its amount, its account and what it is called when it has none.
struct Side<'facts> {
    amount: Money,
    account: &'facts str,
    class: &'facts str,
    field: &'static str,
}

impl Sides<'_> {
    fn all(&self, unposted: &Unposted, warnings: &mut Vec<Warning>) -> Result<Vec<JournalLine>, HoldReason> {
        let lines = match &unposted.stock {
            Stock::Adjusted { account, rows } => self.adjusted(account, rows, warnings)?,
            Stock::Shifted(shifted) => self.shifted(shifted, warnings)?,
        };
        // After the rows, because what is wrong with one of them says more.
        let (listed, rows) = (unposted.listed_total, self.movement.net());
        match listed.filter(|listed| listed.abs().to_cents() != rows.abs()) {
            None => Ok(lines),
            Some(listed) => {
                let sentence = format!(
                    "ConnectWise disagrees with itself: its total is {}, but its rows come to {}.",
                    listed.abs(),
                    rows.abs()
                );
                Err(HoldReason::new(HoldCode::OutOfBalance, sentence))
            }
        }
    }

    fn adjusted(
        &self,
        header: &str,
        rows: &[Adjusted],
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<JournalLine>, HoldReason> {
        if rows.is_empty() {
            return Err(HoldReason::new(HoldCode::UnreadableField, "The accounting preview has no lines."));
        }
        one_convention(rows)?;
        let mut lines = Vec::new();
        for (row, adjusted) in (1..).zip(rows) {
            let gain = adjusted.gain().ok_or_else(|| {
                let sentence = format!(
                    "The field 'quantity' of line {row} ('{}') is missing, so whether {} comes or goes cannot be told.",
                    shorten(&adjusted.description, 40),
                    adjusted.total.abs()
                );
                HoldReason::new(HoldCode::UnreadableField, sentence)
            })?;
            let class = adjusted.class.as_str();
            let (inventory, other) = (adjusted.inventory.as_str(), self.other(adjusted, header));
            let sides = [
                Side { amount: gain, account: inventory, class, field: "inventory account" },
                Side { amount: -gain, account: other, class, field: "account" },
            ];
            for side in sides {
                lines.push(self.line(&side, row, &adjusted.description, warnings)?);
            }
        }
        Ok(lines)
    }

    /// The other side of the inventory: which of the two accounts a row has there is not documented, so the one that
    /// is not the inventory's is taken.
    fn other<'row>(&self, adjusted: &'row Adjusted, header: &'row str) -> &'row str {
        let inventory = self.segments(&adjusted.inventory, "").account;
        let is_other = |joined: &&str| {
            let account = self.segments(joined, "").account;
            !account.is_empty() && account != inventory
        };
        [adjusted.account.as_str(), header].into_iter().find(is_other).unwrap_or_default()
    }

    fn shifted(&self, shifted: &Shifted, warnings: &mut Vec<Warning>) -> Result<Vec<JournalLine>, HoldReason> {
        let offset = shifted.offset.as_ref().ok_or_else(|| lines::unreadable("offset"))?;
        let (total, other) = (shifted.total.to_cents(), offset.total.to_cents());
        if !(total + other).is_zero() {
            let sentence = format!("ConnectWise disagrees with itself: {total} moves, and its other side is {other}.");
            return Err(HoldReason::new(HoldCode::OutOfBalance, sentence));
        }
        let sides = [
            Side { amount: total, account: &shifted.account, class: &shifted.class, field: "account" },
            Side { amount: other, account: &offset.account, class: &offset.class, field: "offset account" },
        ];
        let line = |(row, side): (usize, &Side<'_>)| self.line(side, row, &shifted.description, warnings);
        (1..).zip(&sides).map(line).collect()
    }

    fn line(
        &self,
        side: &Side<'_>,
        row: usize,
        description: &str,
        warnings: &mut Vec<Warning>,
    ) -> Result<JournalLine, HoldReason> {
        let segments = self.segments(side.account, side.class);
        if segments.account.is_empty() {
            let sentence =
                format!("GL mapping is empty: no {} on line {row} ('{}').", side.field, shorten(description, 40));
            return Err(HoldReason::new(HoldCode::NoGlAccount, sentence));
        }
        lines::usable_in_journals(&segments.account, row, &self.scope.facts.organisation)?;
        let mut of_line = Vec::new();
        let tracking = lines::tracking(&segments, row, &self.scope, &mut of_line)?;
        // Both sides of a row have the same class and would say the same.
        of_line.retain(|warning| !warnings.contains(warning));
        warnings.extend(of_line);
        let description = if description.trim().is_empty() { self.movement.title() } else { description.to_owned() };
        Ok(JournalLine {
            description: shorten(&description, DESCRIPTION_CHARS_MAX),
            account: segments.account,
            amount: side.amount,
            tracking,
        })
    }

    fn segments(&self, account: &str, class: &str) -> Segments {
        segments::of_joined(account, class, &self.scope.facts.captions)
    }
}

/// Whatever the sign of a total means, it must mean the same on every row.
fn one_convention(rows: &[Adjusted]) -> Result<(), HoldReason> {
    let same = |row: &Adjusted| {
        let quantity = row.quantity.filter(|quantity| !quantity.is_zero())?;
        (!row.total.is_zero()).then(|| row.total.is_negative() == quantity.is_sign_negative())
    };
    let mut found = (1..).zip(rows).filter_map(|(row, adjusted)| Some((row, same(adjusted)?)));
    let Some((_, first)) = found.next() else { return Ok(()) };
    match found.find(|(_, same)| *same != first) {
        None => Ok(()),
        Some((row, _)) => {
            let sentence = format!(
                "The fields 'quantity' and 'total' of line {row} have signs that contradict those of the lines before: a gain cannot be told from a loss."
            );
            Err(HoldReason::new(HoldCode::UnreadableField, sentence))
        }
    }
}
