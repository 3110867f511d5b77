//! Accounts that the rules name, and what goes with rules that are off unless asked for.

use super::Findings;
use crate::config::Company;
use crate::domain::facts::Organisation;
use crate::domain::mapcheck::rule_accounts;

/// Compares the rules with the organisation's accounts.
pub(super) fn check(organisation: &Organisation, company: &Company, about: &str, findings: &mut Findings) {
    let rules = &company.rules;
    for (rule, code) in rule_accounts(rules) {
        match organisation.accounts.iter().find(|account| account.code == code) {
            None => findings.wrong(about, &format!("there is no account {code} (set `{rule}`)")),
            Some(account) if !account.active => {
                findings.wrong(about, &format!("the account {code} {} of `{rule}` is archived", account.name));
            }
            Some(account) => findings.good(about, &format!("`{rule}` is {code} {}", account.name)),
        }
    }
    if rules.payments.from_xero() && company.xero.webhook_key.is_none() {
        let text = format!(
            "`webhook_key` is not set: payments in Xero are found by the sweep alone, every {} minutes",
            rules.sweep_minutes
        );
        findings.note(about, &text);
    }
    if rules.sweep_minutes == 0 {
        findings.note(about, "`sweep_minutes` is 0: what nobody calls back about is never found");
    }
    if rules.sweep_minutes > 0 && rules.start_date.is_none() {
        findings
            .note(about, "`start_date` is not set: the sweep posts what was closed from 35 days before the store was begun on, and leaves older records alone");
    }
}
