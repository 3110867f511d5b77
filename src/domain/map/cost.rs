//! The cost of goods of a sale: one journal for each invoice or credit memo, beside it.

use rust_decimal::Decimal;

use super::invoice;
use super::lines::{self, Scope};
use super::{movement, segments};
use crate::domain::balance::{Ceilings, balance};
use crate::domain::document::Document;
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{Caption, Cost, Detail, Facts, Invoice, InvoiceFacts, RecordFacts, Transaction};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::journal::{Heading, Journal, JournalLine};
use crate::domain::money::Money;
use crate::domain::rules::{CostOfGoods, Rules};
use crate::domain::text::shorten;
use crate::domain::warning::{Flagged, Warning};

/// Makes the journal of what an invoice sells; none when it costs nothing, or the rules post no costs.
///
/// Debits cost of goods and credits the inventory; what comes back does the reverse. A row of which ConnectWise names
/// neither account has no cost in the inventory: labour, what goes from the vendor to the customer, and products that
/// are no inventory.
///
/// # Errors
/// A hold that names what the record or the rules lack.
pub fn cost_of_goods(facts: &Facts, rules: &Rules) -> Result<Option<Flagged<Journal>>, HoldReason> {
    let RecordFacts::Invoice(record) = &facts.record else { return Ok(None) };
    let InvoiceFacts { invoice, transaction: Some(transaction), .. } = record.as_ref() else { return Ok(None) };
    if rules.cost_of_goods == CostOfGoods::Off {
        return Ok(None);
    }
    let scope = Scope { facts, rules };
    let rows = costly(transaction, &facts.captions)?;
    if rows.is_empty() {
        return Ok(None);
    }
    let currency = invoice.currency.as_deref().or(transaction.currency.as_deref());
    let currency = lines::own_currency(&facts.record.title(), currency, &facts.organisation)?;
    let is_credit = invoice.becomes() == DocumentKind::CreditNote;
    let sum: Money = transaction.details.iter().filter(|row| !row.is_tax()).map(|row| row.total).sum();
    // As the lines of the document are read: rows of a credit memo are positive, unless their sum says otherwise.
    let flip = !is_credit || sum.is_negative();
    let (mut warnings, mut lines) = (Vec::new(), Vec::new());
    for costly in rows {
        let amount = if flip { -costly.detail.total } else { costly.detail.total };
        let comes_back = is_credit != amount.is_negative();
        let debit = if comes_back { -costly.amount } else { costly.amount };
        let sides = [(debit, &costly.cost.account), (-debit, &costly.cost.inventory)];
        for (amount, account) in sides {
            add(&mut lines, line((amount, account), &costly, invoice, &scope, &mut warnings)?);
        }
    }
    lines.retain(|line| !line.amount.is_zero());
    if lines.is_empty() {
        return Ok(None);
    }
    let number = invoice::number(invoice, rules).to_owned();
    let what = if is_credit { "Cost of goods returned by credit note" } else { "Cost of goods of invoice" };
    // Without a mark it could not be told from others, and be made twice.
    let mark = facts.cost_mark.as_deref().ok_or_else(|| lines::unreadable("mark"))?;
    let heading = Heading {
        narration: format!("{what} {number} {mark}"),
        number,
        date: invoice.date.ok_or_else(|| lines::unreadable("invoice date"))?,
        currency,
        status: rules.document_status,
    };
    Ok(Some(Flagged { value: Journal::new(heading, lines)?, warnings }))
}

/// What the cost of a sale becomes.
#[must_use]
pub fn cost_kind(rules: &Rules) -> DocumentKind {
    if rules.cost_of_goods == CostOfGoods::Bill { DocumentKind::Bill } else { DocumentKind::Journal }
}

/// The number of the document of what an invoice of this number costs.
#[must_use]
pub fn cost_number(number: &str, rules: &Rules) -> String {
    match cost_kind(rules) {
        DocumentKind::Bill => format!("COGS-{number}"),
        _ => number.to_owned(),
    }
}

/// Makes the document of what an invoice sells: the journal of [`cost_of_goods`], or a bill of 0.00 with its lines.
///
/// # Errors
/// As [`cost_of_goods`].
pub fn cost_document(facts: &Facts, rules: &Rules) -> Result<Option<Flagged<Document>>, HoldReason> {
    let Some(Flagged { value: journal, mut warnings }) = cost_of_goods(facts, rules)? else { return Ok(None) };
    if cost_kind(rules) == DocumentKind::Journal {
        return Ok(Some(Flagged { value: Document::Journal(journal), warnings }));
    }
    let number = cost_number(&journal.heading().number, rules);
    let draft = movement::as_bill(&journal, number, &facts.organisation, rules)?;
    let ceilings = Ceilings { rounding: rules.rounding_ceiling, adjustment: rules.adjustment_ceiling };
    let Flagged { value: bill, warnings: of_balance } = balance(draft, ceilings)?;
    warnings.extend(of_balance);
    let mark = facts.cost_mark.as_deref().ok_or_else(|| lines::unreadable("mark"))?;
    Ok(Some(Flagged { value: Document::Invoice(bill.marked(mark)), warnings }))
}

/// A row that costs something in the inventory.
struct Costly<'facts> {
    row: usize,
    detail: &'facts Detail,
    cost: &'facts Cost,
    /// In cents, above zero.
    amount: Money,
}

fn costly<'facts>(transaction: &'facts Transaction, captions: &[Caption]) -> Result<Vec<Costly<'facts>>, HoldReason> {
    let mut found = Vec::new();
    for (row, detail) in lines::numbered(&transaction.details, Detail::is_tax) {
        let Some(cost) = &detail.cost else { continue };
        let is_blank = |joined: &str| segments::of_joined(joined, "", captions).account.is_empty();
        let missing = match (is_blank(&cost.account), is_blank(&cost.inventory)) {
            (true, true) => continue,
            (true, false) => Some("cost of goods account"),
            (false, true) => Some("inventory account"),
            (false, false) => None,
        };
        let amount = amount(row, detail, cost)?;
        if amount.is_zero() {
            continue;
        }
        if let Some(field) = missing {
            let sentence =
                format!("GL mapping is empty: no {field} on line {row} ('{}').", shorten(&detail.description, 40));
            return Err(HoldReason::new(HoldCode::NoGlAccount, sentence));
        }
        found.push(Costly { row, detail, cost, amount });
    }
    Ok(found)
}

/// What a row costs, in cents: whether `cost` is of the row or of one is not documented, so the cost of one decides.
fn amount(row: usize, detail: &Detail, cost: &Cost) -> Result<Money, HoldReason> {
    let quantity = detail.quantity.map_or(Decimal::ONE, |quantity| quantity.abs());
    let missing = || {
        let name = shorten(&detail.description, 40);
        lines::unreadable(&format!("itemCost of line {row} ('{name}')"))
    };
    let of_row = |of_one: Money| (of_one.abs() * quantity).to_cents();
    match (cost.cost.map(Money::abs), cost.of_one.map(Money::abs)) {
        (None, Some(of_one)) => Ok(of_row(of_one)),
        (Some(cost), None) if quantity == Decimal::ONE || cost.is_zero() => Ok(cost.to_cents()),
        (_, None) => Err(missing()),
        (Some(cost), Some(of_one)) if cost == of_one || cost.to_cents() == of_row(of_one) => Ok(of_row(of_one)),
        (Some(cost), Some(of_one)) => {
            let sentence = format!(
                "Line {row} costs {cost} in ConnectWise, but {} at {of_one} come to {}.",
                quantity.normalize(),
                of_row(of_one)
            );
            Err(HoldReason::new(HoldCode::OutOfBalance, sentence))
        }
    }
}

fn line(
    (amount, account): (Money, &str),
    costly: &Costly<'_>,
    invoice: &Invoice,
    scope: &Scope<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<JournalLine, HoldReason> {
    let segments = segments::of_joined(account, &costly.detail.class, &scope.facts.captions);
    lines::usable_in_journals(&segments.account, costly.row, &scope.facts.organisation)?;
    let mut of_line = Vec::new();
    let tracking = lines::tracking(&segments, costly.row, scope, &mut of_line)?;
    of_line.retain(|warning| !warnings.contains(warning));
    warnings.extend(of_line);
    let description = format!("Cost of goods, {}", invoice.number.trim());
    Ok(JournalLine { description, account: segments.account, amount, tracking })
}

/// Adds a line to the one of its account and tracking.
fn add(lines: &mut Vec<JournalLine>, line: JournalLine) {
    let same = |held: &&mut JournalLine| held.account == line.account && held.tracking == line.tracking;
    match lines.iter_mut().find(same) {
        Some(held) => held.amount = held.amount + line.amount,
        None => lines.push(line),
    }
}
