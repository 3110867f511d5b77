//! Expenses: one bill for each report, or for each entry.
//!
//! What the member paid is a line, and owed to them. What the company paid for the member is a line below zero.
//! What the company paid for itself is never owed: it is left out, or stands in the bill beside a line that takes
//! all of it to a clearing account.

use rust_decimal::Decimal;

use super::lines::{self, Scope};
use super::reference;
use super::segments::{self, Segments};
use super::tax::Taxes;
use crate::domain::draft::{DocumentKind, Draft, Line};
use crate::domain::facts::{
    Detail, Expense, ExpenseClass, ExpenseEntry, Facts, ListedExpense, TaxLevel, TaxRate, is_approved,
};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::money::Money;
use crate::domain::rules::{PartialReports, Rules};
use crate::domain::text::shorten;
use crate::domain::warning::{Flagged, Part, Warning, WarningCode};

/// Makes the draft of a report or an entry.
pub(super) fn map(facts: &Facts, expense: &Expense, rules: &Rules) -> Result<Flagged<Draft>, HoldReason> {
    complete(expense, rules)?;
    for (entry, listed) in expense.listed() {
        readable(entry, listed)?;
        same_sums(entry, listed)?;
    }
    let date = expense.date().ok_or_else(|| lines::unreadable("date of the bill for expenses"))?;
    let kind = expense.becomes();
    let mut warnings = Vec::new();
    let bill = Bill { scope: Scope { facts, rules }, expense, kind };
    let lines = bill.lines(&mut warnings)?;
    let codes: Vec<Option<String>> = expense.listed().flat_map(|(entry, listed)| currencies(entry, listed)).collect();
    let code = codes.iter().flatten().next();
    let currency = lines::currency("expense", code, codes.iter(), &facts.organisation)?;
    let due_date = match kind {
        DocumentKind::Bill => {
            let due = date.checked_add(jiff::Span::new().days(rules.expense_due_days));
            Some(due.map_err(|_| lines::unreadable("date of the bill for expenses"))?)
        }
        _ => None,
    };
    let sign = |amount: Money| if kind.is_credit() && !amount.is_zero() { -amount } else { amount }.to_cents();
    let draft = Draft {
        kind,
        number: expense.number(),
        date,
        due_date,
        reference: bill.reference(),
        currency,
        status: rules.bill_status.unwrap_or(rules.document_status),
        sent: false,
        branding_theme: None,
        lines,
        tax: sign(facts.record.tax(rules)),
        total: sign(facts.record.total()),
        rounding: lines::rounding_place(&facts.organisation, rules),
    };
    Ok(Flagged { value: draft, warnings })
}

fn currencies(entry: &ExpenseEntry, listed: &ListedExpense) -> Vec<Option<String>> {
    let rows = listed.rows.iter().map(|row| row.currency.clone());
    rows.chain([entry.currency.clone(), listed.preview_currency.clone()]).collect()
}

/// A report of which ConnectWise lists a part would be posted in part, and the rest could not follow.
fn complete(expense: &Expense, rules: &Rules) -> Result<(), HoldReason> {
    let missing: Vec<String> = expense.unlisted().map(|entry| format!("{} ({})", entry.id, entry.kind)).collect();
    if missing.is_empty() || rules.partial_reports == PartialReports::Post {
        return Ok(());
    }
    let named = shorten(&missing.join(", "), 200);
    let sentence = format!(
        "{} is approved, but ConnectWise lists only {} of its {} entries as unposted. Missing: {named}.",
        expense.title(),
        expense.listed().count(),
        expense.entries.len()
    );
    Err(HoldReason::new(HoldCode::NotUnposted, sentence))
}

/// What no bill can be without, and what ConnectWise holds but nobody can read.
fn readable(entry: &ExpenseEntry, listed: &ListedExpense) -> Result<(), HoldReason> {
    let of_entry = |field: &str| lines::unreadable(&format!("{field} of the expense {}", entry.id));
    if let Some(field) = entry.unreadable.first() {
        return Err(of_entry(field));
    }
    if let ExpenseClass::Unknown(class) = &listed.class {
        return Err(of_entry(&format!("classification ('{}')", shorten(class, 40))));
    }
    let owed = listed.class == ExpenseClass::Reimbursable;
    let other = |class: &ExpenseClass| !matches!(class, ExpenseClass::Unknown(_)) && *class != listed.class;
    if listed.reimbursable.iter().any(|says| *says != owed) || listed.row_classes.iter().any(other) {
        let sentence = format!(
            "The field 'classification' of the expense {} is '{}' in the unposted list, but its accounting preview says otherwise.",
            entry.id,
            String::from(listed.class.clone())
        );
        return Err(HoldReason::new(HoldCode::UnreadableField, sentence));
    }
    let known = |row: &&Detail| row.is_expense_cost() || row.is_expense_tax();
    if let Some(row) = listed.rows.iter().find(|row| !known(row)) {
        let sentence = format!(
            "The accounting preview has a row of the GL type '{}' ('{}'), which readypost does not know on an expense.",
            row.gl_type,
            shorten(&row.description, 40)
        );
        return Err(HoldReason::new(HoldCode::UnknownType, sentence));
    }
    if listed.rows.iter().all(Detail::is_expense_tax) {
        let sentence = format!("The accounting preview of the expense {} has no lines.", entry.id);
        return Err(HoldReason::new(HoldCode::UnreadableField, sentence));
    }
    Ok(())
}

/// ConnectWise says the same sums several times; the rows must be all of them, and nothing twice.
fn same_sums(entry: &ExpenseEntry, listed: &ListedExpense) -> Result<(), HoldReason> {
    let disagree = |what: &str, says: Money, rows: Money| {
        let sentence = format!(
            "ConnectWise disagrees with itself: the {what} of the expense {} is {says}, but its rows come to {rows}.",
            entry.id
        );
        Err(HoldReason::new(HoldCode::OutOfBalance, sentence))
    };
    let (gross, tax) = (listed.gross().to_cents(), listed.tax_rows().to_cents());
    if let Some(total) = listed.preview_total.filter(|total| total.to_cents() != gross) {
        return disagree("total in the preview", total, gross);
    }
    // Neither the sign of what is personal is documented, nor whether the list's total counts tax.
    let readings = [gross.abs(), (gross - tax).abs()];
    if let Some(total) = listed.total.filter(|total| !readings.contains(&total.to_cents().abs())) {
        return disagree("total in the unposted list", total, gross);
    }
    // Nor whether the list's tax is the one that was paid, which the entry itself says, too.
    let taxes: Vec<Money> = [listed.tax, entry.tax].into_iter().flatten().collect();
    if let Some(said) = taxes.first()
        && !taxes.iter().any(|said| said.to_cents().abs() == tax.abs())
    {
        return disagree("tax", *said, tax);
    }
    if entry.amount.is_none() {
        return Err(lines::unreadable(&format!("amount of the expense {}", entry.id)));
    }
    if entry.direction().is_none() {
        return disagree("amount", entry.amount.unwrap_or_default(), gross);
    }
    Ok(())
}

/// A bill whose lines are made.
struct Bill<'facts> {
    scope: Scope<'facts>,
    expense: &'facts Expense,
    kind: DocumentKind,
}

/// A row that becomes a line, with the entry that it is of.
#[derive(Clone, Copy)]
struct Row<'facts> {
    number: usize,
    detail: &'facts Detail,
    entry: &'facts ExpenseEntry,
    listed: &'facts ListedExpense,
}

impl Bill<'_> {
    /// What the preview says of the bill as a whole.
    fn reference(&self) -> String {
        let number = self.expense.number();
        let of_preview = |(_, listed): (_, &ListedExpense)| [listed.document_number.clone(), listed.memo.clone()];
        let [document, memo] = self.expense.listed().map(of_preview).next().unwrap_or_default();
        let values = [("{document}", document.as_str()), ("{memo}", memo.as_str())];
        let template = if document == number { "{memo}" } else { "{document} | {memo}" };
        reference::reference(template, &values)
    }

    /// The lines, seen from the bill.
    fn lines(&self, warnings: &mut Vec<Warning>) -> Result<Vec<Line>, HoldReason> {
        let clears = !self.scope.rules.company_paid_account.is_empty();
        let (mut rows, mut paid) = (Vec::new(), Vec::new());
        for (entry, listed) in self.expense.listed() {
            let company_paid = listed.class == ExpenseClass::CompanyPaid;
            if company_paid {
                paid.push(listed.gross());
            }
            let costs = listed.rows.iter().filter(|row| row.is_expense_cost() && (clears || !company_paid));
            rows.extend(costs.map(|detail| (detail, entry, listed)));
        }
        let rows: Vec<Row<'_>> =
            (1..).zip(rows).map(|(number, (detail, entry, listed))| Row { number, detail, entry, listed }).collect();
        let numbered: Vec<(usize, &Detail)> = rows.iter().map(|row| (row.number, row.detail)).collect();
        lines::have_accounts(&numbered, |row| self.segments(row))?;
        let mut lines = rows.iter().map(|row| self.line(row, warnings)).collect::<Result<Vec<Line>, HoldReason>>()?;
        let total: Money = paid.iter().copied().sum();
        if clears && !paid.is_empty() {
            lines.push(self.clearing(total, rows.len().saturating_add(1))?);
        } else if !paid.is_empty() {
            let sentence =
                format!("{} has {total} that the company paid itself; the bill is without it.", self.expense.title());
            warnings.push(Warning::new(WarningCode::CompanyPaidLeftOut, sentence));
        }
        Ok(lines)
    }

    fn segments(&self, row: &Detail) -> Segments {
        segments::of(row, None, &self.scope.facts.captions)
    }

    /// An amount of an entry as the bill has it.
    fn seen(&self, entry: &ExpenseEntry, amount: Money) -> Money {
        let turned = entry.turned(amount);
        if self.kind.is_credit() { -turned } else { turned }
    }

    fn line(&self, row: &Row<'_>, warnings: &mut Vec<Warning>) -> Result<Line, HoldReason> {
        let Scope { facts, rules } = self.scope;
        let segments = self.segments(row.detail);
        lines::usable(&segments.account, row.number, &facts.organisation)?;
        let tax = self.rate(row)?;
        let amount = self.seen(row.entry, row.detail.total);
        let fallback = if row.entry.kind.is_empty() { self.expense.title() } else { row.entry.kind.clone() };
        let mut description = reference::description(&rules.description, row.detail, &fallback);
        let (quantity, unit_amount) = lines::price(row.detail, amount, rules, &mut description);
        Ok(Line {
            description,
            quantity,
            unit_amount,
            amount,
            item: None,
            tracking: lines::tracking(&segments, row.number, &self.scope, warnings)?,
            account: segments.account,
            tax_type: tax.tax_type.clone(),
            tax_rate: tax.rate,
            tax_amount: self.stated_tax(row, amount, tax, warnings)?,
        })
    }

    fn rate(&self, row: &Row<'_>) -> Result<&TaxRate, HoldReason> {
        let (rules, listed) = (self.scope.rules, row.listed);
        let mut detail = row.detail.clone();
        detail.taxable = Some(!listed.tax_rows().is_zero());
        detail.tax_levels = listed.tax_levels.iter().map(|level| level.level).collect();
        let mut xrefs: Vec<&str> = listed.tax_levels.iter().map(|TaxLevel { xref, .. }| xref.trim()).collect();
        xrefs.dedup();
        let taxes = Taxes {
            source: rules.tax,
            codes: [&listed.tax_code, ""],
            xref: if let [one] = xrefs.as_slice() { one } else { "" },
            levels: &listed.tax_levels,
            names: &rules.purchase_tax_names,
            untaxed: ("untaxed_purchases", &rules.untaxed_purchases),
            usable: |rate| rate.for_purchases,
            used_on: "purchases",
        };
        taxes.of(&detail, row.number, &self.scope.facts.organisation)
    }

    /// The tax of an entry with one cost, where it is not what the rate gives; a receipt may be taxed in part.
    fn stated_tax(
        &self,
        row: &Row<'_>,
        amount: Money,
        rate: &TaxRate,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Money>, HoldReason> {
        let alone = row.listed.rows.iter().filter(|row| row.is_expense_cost()).count() == 1;
        let theirs = self.seen(row.entry, row.listed.tax_rows()).to_cents();
        let by_rate = (amount.to_cents() * rate.rate * Decimal::new(1, 2)).to_cents();
        if !alone || theirs == by_rate {
            return Ok(None);
        }
        let number = row.number;
        let turned = !amount.is_zero() && theirs.is_negative() != amount.is_negative();
        if rate.rate.is_zero() || turned || theirs.abs() > amount.abs() {
            let sentence = format!(
                "Line {number}: ConnectWise has a tax of {theirs} on {amount}, which the tax rate '{}' of {} % cannot be.",
                rate.name,
                rate.rate.normalize()
            );
            return Err(HoldReason::new(HoldCode::OutOfBalance, sentence));
        }
        let parts = vec![
            Part::new("Tax in ConnectWise", theirs),
            Part::new(format!("Tax by the rate {}", rate.name), by_rate),
            Part::new(format!("Line {number}: tax stated as it is in ConnectWise"), theirs - by_rate),
        ];
        let sentence = format!("The tax of line {number} was stated as {theirs} instead of {by_rate}.");
        warnings.push(Warning::new(WarningCode::ExpenseTax, sentence).explained(parts));
        Ok(Some(theirs))
    }

    /// The line that takes what the company paid to its clearing account, so that it is not owed to the member.
    fn clearing(&self, paid: Money, row: usize) -> Result<Line, HoldReason> {
        let Scope { facts, rules } = self.scope;
        let account = &rules.company_paid_account;
        lines::usable(account, row, &facts.organisation)?;
        let Some(tax_type) = lines::rounding_place(&facts.organisation, rules).tax_type else {
            let sentence = "What the company paid has to be cleared, but the organisation has no 0 % tax rate for it (set `rounding_tax`).";
            return Err(HoldReason::new(HoldCode::UnknownTax, sentence).caused_by("rule `rounding_tax`"));
        };
        let amount = if self.kind.is_credit() { paid } else { -paid };
        Ok(Line {
            description: "Paid by the company".to_owned(),
            quantity: Decimal::ONE,
            unit_amount: amount.decimal(),
            amount,
            account: account.clone(),
            item: None,
            tax_type,
            tax_rate: Decimal::ZERO,
            tax_amount: None,
            tracking: Vec::new(),
        })
    }
}

/// The status that keeps expenses from being posted, and whether somebody has approved it.
#[must_use]
pub fn unapproved<'facts>(expense: &'facts Expense, rules: &Rules) -> Option<(&'facts str, Option<bool>)> {
    let wanted = |status: &str| rules.expense_statuses.iter().any(|name| name.trim().eq_ignore_ascii_case(status));
    let statuses = expense.entries.iter().map(|entry| entry.status.trim()).chain([expense.status.trim()]);
    let mut others = statuses
        .map(|status| (status, is_approved(status)))
        .filter(|(status, approved)| *approved != Some(true) || !wanted(status));
    let first = others.next()?;
    // What nobody knows comes first: a person has to see it. Then what is not approved.
    let rest: Vec<_> = std::iter::once(first).chain(others).collect();
    rest.into_iter().min_by_key(|(_, approved)| *approved)
}
