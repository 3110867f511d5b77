//! Names that both systems must share: tax codes and accounts.

use std::collections::BTreeSet;

use super::Findings;
use crate::connectwise::ConnectWise;
use crate::domain::facts::Organisation;
use crate::domain::map::{self, Used};
use crate::domain::rules::{Rules, TaxSource};

/// Names that are listed in one note.
const LISTED_MAX: usize = 10;

/// What ConnectWise may name on an invoice.
#[derive(Debug, Default)]
pub(super) struct Names {
    tax_codes: Vec<String>,
    accounts: Vec<String>,
}

/// Reads the names; a list that cannot be read is a finding.
pub(super) async fn names(client: &ConnectWise, about: &str, findings: &mut Findings) -> Names {
    let tax_codes = client.tax_code_names().await.unwrap_or_else(|error| {
        findings.note(about, &format!("tax codes cannot be read, so they are not compared: {error}"));
        Vec::new()
    });
    let mapping = match (client.captions().await, client.gl_mappings().await) {
        (Ok(captions), Ok(mappings)) => Ok((captions, mappings)),
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    let accounts = match mapping {
        Ok((captions, mappings)) => {
            let codes = mappings.iter().map(|row| row.account(&captions)).filter(|code| !code.is_empty());
            codes.collect::<BTreeSet<String>>().into_iter().collect()
        }
        Err(error) => {
            findings.note(about, &format!("GL accounts cannot be read, so they are not compared: {error}"));
            Vec::new()
        }
    };
    Names { tax_codes, accounts }
}

/// Notes what the organisation does not have: not every name of a list is used, so nothing is wrong yet.
pub(super) fn compare(names: &Names, organisation: &Organisation, rules: &Rules, about: &str, findings: &mut Findings) {
    if rules.tax == TaxSource::Code {
        let missing = missing_taxes(&names.tax_codes, organisation, rules);
        if missing.is_empty() && !names.tax_codes.is_empty() {
            findings.good(about, "every tax code of ConnectWise names an active sales tax rate");
        }
        for name in missing {
            let text = format!(
                "the tax code '{name}' names no active sales tax rate (an invoice may name it differently): \
                 add it to `tax_names` if invoices use it"
            );
            findings.note(about, &text);
        }
    }
    let missing = missing_accounts(&names.accounts, organisation);
    if missing.is_empty() {
        if !names.accounts.is_empty() {
            findings.good(about, "every account of ConnectWise's GL mapping is active in Xero");
        }
        return;
    }
    let listed: Vec<&str> = missing.iter().take(LISTED_MAX).copied().collect();
    let more = match missing.len().saturating_sub(LISTED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!("accounts of ConnectWise that are not active here: {}{more}", listed.join(", "));
    findings.note(about, &text);
}

fn missing_taxes<'names>(codes: &'names [String], organisation: &Organisation, rules: &Rules) -> Vec<&'names str> {
    let missing = |code: &&str| map::tax_code(code, Used::Sales, organisation, rules).is_err();
    codes.iter().map(String::as_str).filter(missing).collect()
}

fn missing_accounts<'names>(codes: &'names [String], organisation: &Organisation) -> Vec<&'names str> {
    let known =
        |code: &str| organisation.accounts.iter().any(|account| account.active && account.code.trim() == code.trim());
    codes.iter().map(String::as_str).filter(|code| !known(code)).collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::facts::{Account, TaxRate};

    use super::*;

    #[test]
    fn names_that_xero_does_not_have_are_found() {
        let account = |code: &str, active| Account {
            code: code.to_owned(),
            name: String::new(),
            kind: "REVENUE".to_owned(),
            active,
            system: None,
        };
        let rate = |name: &str, for_sales| TaxRate {
            name: name.to_owned(),
            tax_type: String::new(),
            rate: rust_decimal::Decimal::TEN,
            active: true,
            for_sales,
            for_purchases: !for_sales,
        };
        let organisation = Organisation {
            name: String::new(),
            base_currency: "AUD".to_owned(),
            currencies: Vec::new(),
            country: "AU".to_owned(),
            period_lock: None,
            year_lock: None,
            accounts: vec![account("200", true), account("210", false)],
            tax_rates: vec![rate("GST on Income", true), rate("GST on Expenses", false)],
            items: Vec::new(),
            tracking: Vec::new(),
        };
        let mut rules = Rules::default();
        rules.tax_names.insert("GST".to_owned(), "gst on income".to_owned());
        let texts = |texts: &[&str]| -> Vec<String> { texts.iter().map(|text| (*text).to_owned()).collect() };
        let codes = texts(&["GST", "GST on Income", "GST on Expenses", "VAT"]);
        assert_eq!(missing_taxes(&codes, &organisation, &rules), ["GST on Expenses", "VAT"]);
        assert_eq!(missing_accounts(&texts(&["200", "210", "999"]), &organisation), ["210", "999"]);
    }
}
