//! The Xero tax rate of a line.

use std::collections::BTreeMap;

use super::lines::at;
use crate::domain::facts::{Detail, Organisation, TaxLevel, TaxRate};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::rules::TaxSource;

/// What decides about the tax of every line of one document.
pub(super) struct Taxes<'facts> {
    /// Where the name comes from.
    pub(super) source: TaxSource,
    /// Names of the document's tax code, the best first.
    pub(super) codes: [&'facts str; 2],
    /// The XRef that all its tax entries share; empty when they differ.
    pub(super) xref: &'facts str,
    /// The levels of its tax code.
    pub(super) levels: &'facts [TaxLevel],
    /// ConnectWise's names, and Xero's for them.
    pub(super) names: &'facts BTreeMap<String, String>,
    /// The rule about lines that are not taxable, and what it says.
    pub(super) untaxed: (&'static str, &'facts str),
    /// Whether a rate may be used on such documents.
    pub(super) usable: fn(&TaxRate) -> bool,
    /// What such documents are.
    pub(super) used_on: &'static str,
}

impl Taxes<'_> {
    /// The tax rate of `detail`, which people know as line `row` of the record.
    pub(super) fn of<'organisation>(
        &self,
        detail: &Detail,
        row: usize,
        organisation: &'organisation Organisation,
    ) -> Result<&'organisation TaxRate, HoldReason> {
        let Some(name) = self.name(detail) else {
            return self.of_untaxed(row, organisation);
        };
        self.of_name(&name, row, organisation)
    }

    /// The tax rate that ConnectWise's name for a tax stands for.
    pub(super) fn of_name<'organisation>(
        &self,
        name: &str,
        row: usize,
        organisation: &'organisation Organisation,
    ) -> Result<&'organisation TaxRate, HoldReason> {
        let renamed = self.names.iter().find(|(from, _)| from.eq_ignore_ascii_case(name)).map(|(_, to)| to.as_str());
        self.rate(renamed.unwrap_or(name), row, organisation)
    }

    /// The tax rate of a line that is not taxable.
    pub(super) fn of_untaxed<'organisation>(
        &self,
        row: usize,
        organisation: &'organisation Organisation,
    ) -> Result<&'organisation TaxRate, HoldReason> {
        let (rule, untaxed) = self.untaxed;
        if untaxed.is_empty() {
            let sentence =
                format!("Line {row} is not taxable and the rules name no tax rate for such lines (set `{rule}`).");
            return Err(HoldReason::new(HoldCode::UnknownTax, sentence).caused_by(format!("rule `{rule}`")));
        }
        self.rate(untaxed, row, organisation)
    }

    /// ConnectWise's name for the line's tax; none when the line is not taxable.
    fn name(&self, detail: &Detail) -> Option<String> {
        if detail.taxable == Some(false) {
            return None;
        }
        let first = |names: [&str; 3]| {
            names.iter().map(|name| name.trim()).find(|name| !name.is_empty()).unwrap_or_default().to_owned()
        };
        let [best, other] = self.codes;
        match self.source {
            TaxSource::Code => Some(first([&detail.tax_code, best, other])),
            TaxSource::GlEntry => Some(first([&detail.tax_xref, self.xref, ""])),
            TaxSource::Level => {
                let applies = |level: &&TaxLevel| detail.tax_levels.contains(&level.level);
                let names: Vec<&str> = self.levels.iter().filter(applies).map(|level| level.xref.trim()).collect();
                if names.is_empty() && detail.taxable != Some(true) { None } else { Some(names.join("+")) }
            }
        }
    }

    /// The tax rate of this name in Xero.
    pub(super) fn rate<'organisation>(
        &self,
        name: &str,
        row: usize,
        organisation: &'organisation Organisation,
    ) -> Result<&'organisation TaxRate, HoldReason> {
        let of_name = |rate: &&TaxRate| rate.name.trim().eq_ignore_ascii_case(name.trim());
        let found = organisation.tax_rates.iter().filter(of_name).max_by_key(|rate| rate.active && (self.usable)(rate));
        let Some(found) = found.filter(|_| !name.trim().is_empty()) else {
            let sentence = format!("{}tax code '{name}' is not the name of a tax rate in Xero.", at(row));
            return Err(HoldReason::new(HoldCode::UnknownTax, sentence).caused_by(format!("tax code '{name}'")));
        };
        let unusable = |what: String| {
            let sentence = format!("{}the tax rate '{}' {what} in Xero.", at(row), found.name);
            Err(HoldReason::new(HoldCode::UnusableTax, sentence).caused_by(format!("tax rate '{}'", found.name)))
        };
        if !found.active {
            return unusable("is archived or deleted".to_owned());
        }
        if !(self.usable)(found) {
            return unusable(format!("cannot be used on {}", self.used_on));
        }
        Ok(found)
    }
}
