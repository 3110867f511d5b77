//! Makes a draft agree with ConnectWise to the cent, as Xero will calculate it.
//!
//! Xero's arithmetic (its rounding guide): the price is rounded to 4 decimals, quantity times price to
//! cents, tax to cents on every line, and the document is the sum. ConnectWise rounds tax once. What
//! differs is corrected in the least visible honest way: first the tax amount of one line, then a
//! rounding line per line, last one adjustment line, each under its ceiling and each explained.

use rust_decimal::Decimal;
use serde::Serialize;

use super::draft::{Draft, Line};
use super::hold::{HoldCode, HoldReason};
use super::money::{Money, is_tie, round};
use super::text::shorten;
use super::warning::{Flagged, Part, Warning, WarningCode};

/// Decimals of a price in Xero with `unitdp=4`.
const PRICE_PLACES: u32 = 4;
/// Xero's longest line description.
const DESCRIPTION_CHARS_MAX: usize = 4000;

/// The most that may be made up for, by kind of correction; zero forbids it.
#[derive(Clone, Copy, Debug)]
pub struct Ceilings {
    /// For a rounding line and for a stated tax amount.
    pub rounding: Money,
    /// For the adjustment line.
    pub adjustment: Money,
}

/// A draft that Xero will calculate to exactly ConnectWise's total; only [`balance`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Balanced {
    draft: Draft,
    sub_total: Money,
    total_tax: Money,
}

impl Balanced {
    /// The document.
    #[must_use]
    pub fn draft(&self) -> &Draft {
        &self.draft
    }

    /// The same document with a mark at the end of its first line, which is read where numbers are not unique.
    #[must_use]
    pub fn marked(mut self, mark: &str) -> Self {
        if let Some(first) = self.draft.lines.first_mut() {
            let room = DESCRIPTION_CHARS_MAX.saturating_sub(mark.chars().count().saturating_add(1));
            first.description = format!("{} {mark}", shorten(&first.description, room));
        }
        self
    }

    /// Sum of the lines without tax, as Xero will calculate it.
    #[must_use]
    pub fn sub_total(&self) -> Money {
        self.sub_total
    }

    /// Tax, as Xero will calculate it.
    #[must_use]
    pub fn total_tax(&self) -> Money {
        self.total_tax
    }

    /// Total, as Xero will calculate it: the one of ConnectWise.
    #[must_use]
    pub fn total(&self) -> Money {
        self.draft.total
    }
}

/// A line's amount as Xero calculates it.
#[must_use]
pub fn line_amount(line: &Line) -> Money {
    Money::new(line.quantity.saturating_mul(round(line.unit_amount, PRICE_PLACES))).unwrap_or_default().to_cents()
}

/// A line's tax as Xero calculates it, or as it is stated.
#[must_use]
pub fn line_tax(line: &Line) -> Money {
    line.tax_amount.unwrap_or_else(|| exact_tax(line).to_cents())
}

fn exact_tax(line: &Line) -> Money {
    line_amount(line) * line.tax_rate * Decimal::new(1, 2)
}

/// Corrects `draft` until Xero's total is ConnectWise's.
///
/// # Errors
/// `out_of_balance` when a correction would exceed its ceiling or has no account to go to.
pub fn balance(mut draft: Draft, ceilings: Ceilings) -> Result<Flagged<Balanced>, HoldReason> {
    let mut warnings = Vec::new();
    settle_ties(&mut draft);
    round_lines(&mut draft, ceilings, &mut warnings)?;
    round_tax(&mut draft, ceilings, &mut warnings);
    adjust(&mut draft, ceilings, &mut warnings)?;
    let sub_total = draft.lines.iter().map(line_amount).sum();
    let total_tax = draft.lines.iter().map(line_tax).sum();
    Ok(Flagged { value: Balanced { draft, sub_total, total_tax }, warnings })
}

/// Xero's rule for exactly half a cent is not documented, so no such amount is left to it: a line's
/// price becomes its amount, and a line's tax is stated.
fn settle_ties(draft: &mut Draft) {
    for line in &mut draft.lines {
        line.unit_amount = round(line.unit_amount, PRICE_PLACES);
        let product = line.quantity.saturating_mul(line.unit_amount);
        if is_tie(product, 2) {
            let suffix = format!(" ({} × {})", line.quantity.normalize(), line.unit_amount.normalize());
            line.description = format!("{}{suffix}", shorten(&line.description, 3900));
            line.unit_amount = round(product, 2);
            line.quantity = Decimal::ONE;
        }
        if line.tax_amount.is_none() && is_tie(exact_tax(line).decimal(), 2) {
            line.tax_amount = Some(exact_tax(line).to_cents());
        }
    }
}

/// A line for each line whose quantity times price misses its amount.
fn round_lines(draft: &mut Draft, ceilings: Ceilings, warnings: &mut Vec<Warning>) -> Result<(), HoldReason> {
    let (mut added, mut amounts) = (Vec::new(), Vec::new());
    for (index, line) in draft.lines.iter().enumerate() {
        let (theirs, xeros) = (line.amount.to_cents(), line_amount(line));
        let missing = theirs - xeros;
        if missing.is_zero() {
            continue;
        }
        let row = index + 1;
        if missing.abs() > ceilings.rounding {
            let sentence = format!(
                "Line {row}: ConnectWise has {theirs}, Xero would calculate {xeros} ({} × {}); the difference of {missing} is above the rounding ceiling of {}.",
                line.quantity.normalize(),
                line.unit_amount.normalize(),
                ceilings.rounding
            );
            return Err(HoldReason::new(HoldCode::OutOfBalance, sentence));
        }
        let name = shorten(&line.description, 60);
        amounts.push((index, xeros));
        added.push(correction(draft, format!("Rounding of line {row}: {name}"), missing)?);
        let parts = vec![
            Part::new(format!("Line {row} in ConnectWise"), theirs),
            Part::new(
                format!("Line {row} in Xero: {} × {}", line.quantity.normalize(), line.unit_amount.normalize()),
                xeros,
            ),
            Part::new("Rounding line", missing),
        ];
        let sentence = format!("A rounding line of {missing} was added for line {row} ('{name}').");
        warnings.push(Warning::new(WarningCode::RoundingLine, sentence).explained(parts));
    }
    for (index, amount) in amounts {
        if let Some(line) = draft.lines.get_mut(index) {
            line.amount = amount;
        }
    }
    draft.lines.extend(added);
    Ok(())
}

/// States the tax of the most taxed line, if rounding per line explains the whole difference.
fn round_tax(draft: &mut Draft, ceilings: Ceilings, warnings: &mut Vec<Warning>) {
    let xeros: Money = draft.lines.iter().map(line_tax).sum();
    let missing = draft.tax - xeros;
    let taxed = draft.lines.iter().filter(|line| !exact_tax(line).is_zero()).count();
    // Each line's rounding moves the tax by at most half a cent, the document's own by half a cent more.
    let explained = Money::CENT * Decimal::new(5, 1) * Decimal::from(taxed.saturating_add(1));
    if missing.is_zero() || missing.abs() > explained.min(ceilings.rounding) {
        return;
    }
    let most_taxed = draft.lines.iter_mut().enumerate().max_by_key(|(_, line)| line_tax(line).abs());
    let Some((index, line)) = most_taxed else { return };
    let (before, after) = (line_tax(line), line_tax(line) + missing);
    if before.is_zero() || after.is_negative() != before.is_negative() || after.abs() > line_amount(line).abs() {
        return;
    }
    line.tax_amount = Some(after);
    let row = index + 1;
    let parts = vec![
        Part::new("Tax in ConnectWise, rounded on the document", draft.tax),
        Part::new("Tax in Xero, rounded on every line", xeros),
        Part::new(format!("Line {row}: tax stated as {after} instead of {before}"), missing),
    ];
    let sentence = format!(
        "The tax of line {row} was stated as {after} instead of {before}, because tax is rounded per line in Xero."
    );
    warnings.push(Warning::new(WarningCode::TaxRounding, sentence).explained(parts));
}

/// One line for what is still missing.
fn adjust(draft: &mut Draft, ceilings: Ceilings, warnings: &mut Vec<Warning>) -> Result<(), HoldReason> {
    let lines: Money = draft.lines.iter().map(line_amount).sum();
    let tax: Money = draft.lines.iter().map(line_tax).sum();
    let (missing, missing_tax) = (draft.total - (lines + tax), draft.tax - tax);
    let net = draft.total - draft.tax;
    // The tax return is filed from the tax, so only rounding may move it; no line makes up for another tax.
    let why = if !missing_tax.is_zero() {
        format!(
            "the difference in tax of {missing_tax} is not explained by rounding or above its ceiling of {}",
            ceilings.rounding
        )
    } else if missing.abs() > ceilings.adjustment {
        format!("the difference of {missing} is above the adjustment ceiling of {}", ceilings.adjustment)
    } else {
        String::new()
    };
    if !why.is_empty() {
        let sentence = format!(
            "ConnectWise has {} ({net} + tax {}), Xero would calculate {} ({lines} + tax {tax}); {why}.",
            draft.total,
            draft.tax,
            lines + tax,
        );
        return Err(HoldReason::new(HoldCode::OutOfBalance, sentence));
    }
    if missing.is_zero() {
        return Ok(());
    }
    let line = correction(draft, "Adjustment to the total in ConnectWise".to_owned(), missing)?;
    draft.lines.push(line);
    let parts = vec![
        Part::new("Total in ConnectWise", draft.total),
        Part::new("Total in Xero before the adjustment", lines + tax),
        Part::new("Adjustment line", missing),
    ];
    let sentence = format!("An adjustment line of {missing} was added, so that the total is {}.", draft.total);
    warnings.push(Warning::new(WarningCode::AdjustmentLine, sentence).explained(parts));
    Ok(())
}

fn correction(draft: &Draft, description: String, amount: Money) -> Result<Line, HoldReason> {
    let (Some(account), Some(tax_type)) = (&draft.rounding.account, &draft.rounding.tax_type) else {
        let sentence = format!(
            "{amount} would have to be made up for, but the organisation has no active rounding account or no 0 % tax rate for it (set `rounding_account` and `rounding_tax`)."
        );
        return Err(HoldReason::new(HoldCode::OutOfBalance, sentence));
    };
    Ok(Line {
        description,
        quantity: Decimal::ONE,
        unit_amount: amount.decimal(),
        amount,
        account: account.clone(),
        item: None,
        tax_type: tax_type.clone(),
        tax_rate: Decimal::ZERO,
        tax_amount: None,
        tracking: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::draft::{DocumentKind, RoundingPlace};
    use crate::domain::rules::DocumentStatus;

    const CEILINGS: Ceilings = Ceilings { rounding: Money::CENT, adjustment: Money::CENT };

    fn money(text: &str) -> Money {
        Money::new(text.parse().unwrap()).unwrap()
    }

    fn line(quantity: &str, price: &str, amount: &str, rate: u32) -> Line {
        Line {
            description: "x".to_owned(),
            quantity: quantity.parse().unwrap(),
            unit_amount: price.parse().unwrap(),
            amount: money(amount),
            account: "200".to_owned(),
            item: None,
            tax_type: "OUTPUT".to_owned(),
            tax_rate: rate.into(),
            tax_amount: None,
            tracking: Vec::new(),
        }
    }

    fn draft(lines: Vec<Line>, tax: Money, total: Money) -> Draft {
        Draft {
            kind: DocumentKind::Invoice,
            number: "1".to_owned(),
            date: "2026-11-30".parse().unwrap(),
            due_date: None,
            reference: String::new(),
            currency: "AUD".to_owned(),
            status: DocumentStatus::Authorised,
            sent: false,
            branding_theme: None,
            lines,
            tax,
            total,
            rounding: RoundingPlace { account: Some("860".to_owned()), tax_type: Some("NONE".to_owned()) },
        }
    }

    fn xeros_total(balanced: &Balanced) -> Money {
        balanced.draft().lines.iter().map(|line| line_amount(line) + line_tax(line)).sum()
    }

    #[test]
    fn tax_per_line_is_as_in_xeros_own_example() {
        let lines =
            vec![line("1", "25.06", "25.06", 15), line("1", "25.61", "25.61", 15), line("1", "25.63", "25.63", 15)];
        let tax: Money = lines.iter().map(line_tax).sum();
        assert_eq!(tax, money("11.44"));
        let balanced = balance(draft(lines, money("11.45"), money("87.75")), CEILINGS).unwrap();
        assert_eq!(balanced.warnings.len(), 1);
        assert_eq!(balanced.warnings[0].code, WarningCode::TaxRounding);
        assert_eq!(xeros_total(&balanced.value), money("87.75"));
        assert_eq!(balanced.value.draft().lines.len(), 3);
    }

    #[test]
    fn ceilings_hold() {
        let off_by_two = || draft(vec![line("1", "10", "10", 0)], Money::ZERO, money("10.02"));
        assert_eq!(balance(off_by_two(), CEILINGS).unwrap_err().code, HoldCode::OutOfBalance);
        let two_cents = Ceilings { rounding: Money::CENT, adjustment: money("0.02") };
        let adjusted = balance(off_by_two(), two_cents).unwrap();
        assert_eq!(adjusted.warnings[0].code, WarningCode::AdjustmentLine);
        let never = Ceilings { rounding: Money::ZERO, adjustment: Money::ZERO };
        assert!(balance(draft(vec![line("1", "10", "10.01", 0)], Money::ZERO, money("10.01")), never).is_err());
    }

    #[test]
    fn half_cents_are_not_left_to_xero() {
        let tied = draft(vec![line("0.5", "0.25", "0.13", 10)], money("0.01"), money("0.14"));
        let balanced = balance(tied, CEILINGS).unwrap().value;
        assert_eq!(balanced.draft().lines[0].quantity, Decimal::ONE);
        let tied_tax = draft(vec![line("1", "0.25", "0.25", 10)], money("0.03"), money("0.28"));
        let balanced = balance(tied_tax, CEILINGS).unwrap();
        assert_eq!(balanced.value.draft().lines[0].tax_amount, Some(money("0.03")));
        assert!(balanced.warnings.is_empty());
    }

    proptest! {
        #[test]
        fn a_balanced_document_is_always_worth_what_connectwise_says(
            rows in prop::collection::vec((1_i64..5000, -2_000_000_i64..2_000_000, 0_u32..4, -20_i64..20, 0_usize..4), 1..20),
            off in -300_i64..300,
            rounding in 0_i64..50,
            adjustment in 0_i64..500,
        ) {
            let rates = [0_u32, 5, 10, 20];
            let lines: Vec<Line> = rows.iter().map(|(quantity, price, scale, cents, rate)| {
                let (quantity, price) = (Decimal::new(*quantity, 2), Decimal::new(*price, *scale + 2));
                let amount = Money::new(quantity * price).unwrap().to_cents() + Money::CENT * Decimal::from(*cents);
                Line { quantity, unit_amount: price, amount, tax_rate: rates[*rate].into(), ..line("1", "1", "1", 0) }
            }).collect();
            let net: Money = lines.iter().map(|line| line.amount).sum();
            let tax: Money = lines.iter().map(|line| line.amount * line.tax_rate * Decimal::new(1, 2)).sum::<Money>().to_cents();
            let total = net + tax + Money::CENT * Decimal::from(off);
            let ceilings = Ceilings {
                rounding: Money::CENT * Decimal::from(rounding),
                adjustment: Money::CENT * Decimal::from(adjustment),
            };
            let before = draft(lines, tax, total);
            let Ok(Flagged { value, warnings }) = balance(before.clone(), ceilings) else { return Ok(()) };
            prop_assert_eq!(xeros_total(&value), total);
            prop_assert_eq!(value.sub_total() + value.total_tax(), total);
            prop_assert!((value.total_tax() - tax).abs() <= ceilings.adjustment, "no tax is moved into the net");
            prop_assert_eq!(warnings.is_empty(), value.draft().lines.len() == before.lines.len()
                && value.total_tax() == before.lines.iter().map(|line| line_tax(&Line { unit_amount: round(line.unit_amount, 4), ..line.clone() })).sum());
            let again = balance(value.draft().clone(), ceilings).unwrap();
            prop_assert!(again.warnings.is_empty(), "balance is idempotent");
            prop_assert_eq!(again.value, value);
        }
    }
}
