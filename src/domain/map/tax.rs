//! The Xero tax rate of a line.

use crate::domain::facts::{Detail, Facts, Organisation, TaxLevel, TaxRate, Transaction};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::rules::{Rules, TaxSource};

/// The tax rate of `detail`, which people know as line `row` of the invoice.
pub(super) fn of<'facts>(
    detail: &Detail,
    row: usize,
    facts: &'facts Facts,
    transaction: &Transaction,
    rules: &Rules,
) -> Result<&'facts TaxRate, HoldReason> {
    let Some(name) = name(detail, facts, transaction, rules) else {
        if rules.untaxed.is_empty() {
            let sentence =
                format!("Line {row} is not taxable and the rules name no tax rate for such lines (set `untaxed`).");
            return Err(HoldReason::new(HoldCode::UnknownTax, sentence));
        }
        return rate(&rules.untaxed, row, &facts.organisation);
    };
    let renamed = rules.tax_names.iter().find(|(from, _)| from.eq_ignore_ascii_case(&name)).map(|(_, to)| to);
    rate(renamed.unwrap_or(&name), row, &facts.organisation)
}

/// ConnectWise's name for the line's tax; none when the line is not taxable.
fn name(detail: &Detail, facts: &Facts, transaction: &Transaction, rules: &Rules) -> Option<String> {
    if detail.taxable == Some(false) {
        return None;
    }
    let first = |names: [&str; 3]| {
        names.iter().map(|name| name.trim()).find(|name| !name.is_empty()).unwrap_or_default().to_owned()
    };
    match rules.tax {
        TaxSource::Code => Some(first([&detail.tax_code, &transaction.tax_code, &facts.invoice.tax_code])),
        TaxSource::GlEntry => {
            let mut rows: Vec<&str> =
                transaction.details.iter().filter(|row| row.is_tax()).map(|row| row.tax_xref.trim()).collect();
            rows.dedup();
            let shared = if let [one] = rows.as_slice() { one } else { "" };
            Some(first([&detail.tax_xref, shared, ""]))
        }
        TaxSource::Level => {
            let applies = |level: &&TaxLevel| detail.tax_levels.contains(&level.level);
            let names: Vec<&str> =
                transaction.tax_levels.iter().filter(applies).map(|level| level.xref.trim()).collect();
            if names.is_empty() && detail.taxable != Some(true) { None } else { Some(names.join("+")) }
        }
    }
}

fn rate<'facts>(name: &str, row: usize, organisation: &'facts Organisation) -> Result<&'facts TaxRate, HoldReason> {
    let of_name = |rate: &&TaxRate| rate.name.trim().eq_ignore_ascii_case(name.trim());
    let found = organisation.tax_rates.iter().filter(of_name).max_by_key(|rate| rate.active && rate.for_sales);
    let Some(found) = found.filter(|_| !name.trim().is_empty()) else {
        let sentence = format!("Line {row}: tax code '{name}' is not the name of a tax rate in Xero.");
        return Err(HoldReason::new(HoldCode::UnknownTax, sentence));
    };
    if !found.active {
        let sentence = format!("Line {row}: the tax rate '{}' is archived or deleted in Xero.", found.name);
        return Err(HoldReason::new(HoldCode::UnusableTax, sentence));
    }
    if !found.for_sales {
        let sentence = format!("Line {row}: the tax rate '{}' cannot be used on sales in Xero.", found.name);
        return Err(HoldReason::new(HoldCode::UnusableTax, sentence));
    }
    Ok(found)
}
