//! Whether every name that both systems share is the same on both sides: tomorrow's holds and warnings, found today.
//!
//! The rows of the set-up are judged by the code that maps records, so a finding has the code that a record would have.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::facts::{Account, Caption, Organisation, Status};
use super::hold::{HoldCode, HoldReason, Place};
use super::map::{self, Used};
use super::plan::{Action, of_status};
use super::record::CompanyId;
use super::rules::{NonProductId, Rules, TaxSource};
use super::statement::Calls;
use super::text::{capital, shorten};
use super::warning::Warning;

/// GL types whose accounts are never on a line of a document: receivables, payables, and taxes, which Xero calculates.
const NO_LINES: [&str; 7] = ["AR", "AP", "ST", "PT", "FT", "ET", "IT"];
/// Places that are named in one finding.
const NAMED_MAX: usize = 5;

/// A row of ConnectWise's GL mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GlMapping {
    /// Its type, such as `R` or `P`.
    pub gl_type: String,
    /// What is mapped, such as a work type or a location; empty when ConnectWise does not say.
    pub record: String,
    /// The segments, in order.
    pub segments: Vec<String>,
}

impl GlMapping {
    /// Whether lines of documents get its account.
    #[must_use]
    pub fn maps_lines(&self) -> bool {
        !NO_LINES.iter().any(|no_line| self.gl_type.trim().eq_ignore_ascii_case(no_line))
    }

    /// The account code; empty when nothing is mapped.
    #[must_use]
    pub fn account(&self, captions: &[Caption]) -> String {
        map::mapped_account(&self.segments, captions)
    }

    fn named(&self) -> String {
        let record = if self.record.is_empty() { "its only row" } else { &self.record };
        format!("{} {record}", self.gl_type)
    }
}

/// Billing terms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TermsRow {
    /// Their name.
    pub name: String,
    /// Their XRef.
    pub xref: String,
}

/// A list of ConnectWise, or why it could not be read.
pub type List<T> = Result<Vec<T>, String>;

/// The set-up of ConnectWise as it was read.
#[derive(Clone, Debug)]
pub struct SetUp {
    /// Billing statuses.
    pub billing_statuses: List<Status>,
    /// Statuses of purchase orders.
    pub order_statuses: List<Status>,
    /// Identifiers of tax codes.
    pub tax_codes: List<String>,
    /// Captions of the GL segments.
    pub captions: List<Caption>,
    /// The GL mapping.
    pub mappings: List<GlMapping>,
    /// Billing terms.
    pub terms: List<TermsRow>,
    /// ISO codes of currencies.
    pub currencies: List<String>,
}

/// What a finding would do to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = MapCheckSeverity)]
pub enum Severity {
    /// It would be held.
    WouldHold,
    /// It would be skipped: nothing would ever be posted.
    WouldSkip,
    /// It would be posted with a warning.
    WouldWarn,
}

impl Severity {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WouldHold => "would_hold",
            Self::WouldSkip => "would_skip",
            Self::WouldWarn => "would_warn",
        }
    }
}

/// Something that is not the same on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MapCheckFinding)]
pub struct Finding {
    /// What it would do to a record that uses it.
    pub severity: Severity,
    /// The code of the hold, skip or warning that it would become.
    pub code: String,
    /// What it is about, such as `tax code on sales`.
    pub about: String,
    /// What is wrong.
    pub sentence: String,
    /// What to do about it.
    pub cure: String,
    /// Where that is done.
    pub place: Place,
    /// Where it was found, the first of them.
    pub found_at: Vec<String>,
    /// How many rows of the set-up have it.
    pub rows: u32,
}

impl Finding {
    /// Where it was found and is mended, in words.
    #[must_use]
    pub fn whereabouts(&self) -> String {
        let more = usize::try_from(self.rows).unwrap_or(usize::MAX).saturating_sub(self.found_at.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}: {}{more}; mended in {}", self.about, self.found_at.join(", "), self.place.name())
    }
}

/// A list that was compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MapCheckList)]
pub struct Looked {
    /// Which.
    pub list: String,
    /// How many rows were compared.
    pub rows: u32,
    /// How many are fine.
    pub fine: u32,
}

/// What a map check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MapCheck {
    /// The Xero organisation.
    pub company: CompanyId,
    /// When.
    pub at: Timestamp,
    /// What is not the same, what holds first.
    pub findings: Vec<Finding>,
    /// What was compared.
    pub looked_at: Vec<Looked>,
    /// What could not be compared, and what sees it instead.
    pub not_looked_at: Vec<String>,
    /// What it cost.
    pub calls: Calls,
}

impl MapCheck {
    /// Whether a record would be held or never posted.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity != Severity::WouldWarn)
    }

    /// What it comes to, in a sentence.
    #[must_use]
    pub fn told(&self) -> String {
        match self.findings.len() {
            0 => "Every name that was compared is the same on both sides.".to_owned(),
            1 => "One thing to correct before it meets a record.".to_owned(),
            many => format!("{many} things to correct before they meet records."),
        }
    }

    /// What it cost, in a sentence.
    #[must_use]
    pub fn cost(&self) -> String {
        format!("{}; nothing was written.", self.calls.told(None))
    }
}

/// The accounts that the rules name, by their settings; those that are not set are left out.
#[must_use]
pub fn rule_accounts(rules: &Rules) -> Vec<(&'static str, &str)> {
    let named = [
        ("payment_account", rules.payment_account.trim()),
        ("down_payment_account", rules.down_payment_account.trim()),
        ("drop_ship_account", rules.drop_ship_account.trim()),
        ("company_paid_account", rules.company_paid_account.trim()),
    ];
    named.into_iter().filter(|(_, code)| !code.is_empty()).collect()
}

/// Compares; when, whose and at what cost is for the caller to fill in.
#[must_use]
pub fn check(set_up: &SetUp, organisation: &Organisation, rules: &Rules) -> Checking {
    let mut checking = Checking::default();
    checking.statuses(&set_up.billing_statuses, (&rules.invoice_statuses, "invoice_statuses", "invoices"));
    checking.statuses(&set_up.order_statuses, (&rules.purchase_statuses, "purchase_statuses", "purchases"));
    checking.tax_codes(&set_up.tax_codes, organisation, rules);
    checking.mappings(set_up, organisation, rules);
    checking.terms(&set_up.terms);
    checking.currencies(&set_up.currencies, organisation);
    checking.rules(organisation, rules);
    checking.not_looked_at.push(
        "Product IDs, contacts and lock dates depend on the record: `readypost simulate --unposted` sees them."
            .to_owned(),
    );
    checking.findings.sort_by_key(|finding| finding.severity);
    checking
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Checking {
    /// As in [`MapCheck`].
    pub findings: Vec<Finding>,
    /// As in [`MapCheck`].
    pub looked_at: Vec<Looked>,
    /// As in [`MapCheck`].
    pub not_looked_at: Vec<String>,
}

impl Checking {
    fn looked<T>(&mut self, list: &str, rows: &[T], wrong: usize) {
        let many = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX);
        let fine = many(rows.len().saturating_sub(wrong));
        self.looked_at.push(Looked { list: list.to_owned(), rows: many(rows.len()), fine });
    }

    fn unread(&mut self, list: &str, cause: &str, instead: &str) {
        self.not_looked_at.push(format!("{list} could not be read ({}). {instead}", shorten(cause, 200)));
    }

    fn found(&mut self, finding: Finding, place: String) {
        let same = |known: &Finding| {
            (&known.code, &known.sentence, &known.about) == (&finding.code, &finding.sentence, &finding.about)
        };
        let known = self.findings.iter().position(same);
        if known.is_none() {
            self.findings.push(finding);
        }
        let index = known.unwrap_or(self.findings.len().saturating_sub(1));
        let Some(at) = self.findings.get_mut(index) else { return };
        at.rows = at.rows.saturating_add(1);
        if at.found_at.len() < NAMED_MAX {
            at.found_at.push(place);
        }
    }

    fn held(&mut self, about: &str, place: String, reason: &HoldReason) {
        let code = reason.code;
        let finding = Finding {
            severity: Severity::WouldHold,
            code: code.as_str().to_owned(),
            about: about.to_owned(),
            sentence: capital(reason.sentence.as_str()),
            cure: code.cure().to_owned(),
            place: code.place(),
            found_at: Vec::new(),
            rows: 0,
        };
        self.found(finding, place);
    }

    fn warned(&mut self, about: &str, place: String, warning: &Warning) {
        let finding = Finding {
            severity: Severity::WouldWarn,
            code: warning.code.as_str().to_owned(),
            about: about.to_owned(),
            sentence: capital(warning.sentence.as_str()),
            cure: warning.code.meaning().to_owned(),
            place: Place::ConnectWise,
            found_at: Vec::new(),
            rows: 0,
        };
        self.found(finding, place);
    }

    fn statuses(&mut self, known: &List<Status>, (wanted, rule, records): (&[String], &str, &str)) {
        let list = format!("statuses of {records}");
        let known = match known {
            Ok(known) => known,
            Err(cause) => return self.unread(&capital(&list), cause, "Give the API member the right to read them."),
        };
        let mut wrong = 0_usize;
        for wanted in wanted {
            let name = wanted.trim();
            let means =
                |status: &&Status| status.name.trim().eq_ignore_ascii_case(name) || name.parse() == Ok(status.id);
            let place = format!("`{rule}`");
            let Some(status) = known.iter().find(means) else {
                wrong = wrong.saturating_add(1);
                let finding = Finding {
                    severity: Severity::WouldSkip,
                    code: super::hold::SkipReason::StatusNotWanted.as_str().to_owned(),
                    about: list.clone(),
                    sentence: format!("There is no status '{name}' in ConnectWise, so no {records} get it."),
                    cure: format!("Correct `{rule}`, or add the status in ConnectWise as a closed one."),
                    place: Place::Configuration,
                    found_at: Vec::new(),
                    rows: 0,
                };
                self.found(finding, place);
                continue;
            };
            if let Some(Action::Hold(reason)) = of_status(status, std::slice::from_ref(wanted), records) {
                wrong = wrong.saturating_add(1);
                self.held(&list, place, &reason);
            }
        }
        if wanted.is_empty() && !known.iter().any(|status| status.closed) {
            let sentence = format!("ConnectWise has no closed status, so no {records} are ever posted.");
            self.held(&list, format!("`{rule}`"), &HoldReason::new(HoldCode::StatusNotClosed, sentence));
        }
        self.looked(&list, wanted, wrong);
    }

    fn tax_codes(&mut self, codes: &List<String>, organisation: &Organisation, rules: &Rules) {
        let instead = "`readypost simulate --unposted` sees those that unposted records use.";
        if rules.tax != TaxSource::Code {
            let sentence = format!("XRefs of tax levels, which `tax` says are used. {}", capital(instead));
            return self.not_looked_at.push(sentence);
        }
        let codes = match codes {
            Ok(codes) => codes,
            Err(cause) => return self.unread("Tax codes", cause, instead),
        };
        // Who maps no purchase tax buys nothing through readypost.
        let buys = !rules.purchase_tax_names.is_empty() || !rules.untaxed_purchases.is_empty();
        for (used, about, checked) in
            [(Used::Sales, "tax code on sales", true), (Used::Purchases, "tax code on purchases", buys)]
        {
            if !checked {
                continue;
            }
            let mut wrong = 0_usize;
            for code in codes {
                if let Err(reason) = map::tax_code(code, used, organisation, rules) {
                    wrong = wrong.saturating_add(1);
                    self.held(about, format!("tax code {code}"), &reason);
                }
            }
            self.looked(about, codes, wrong);
        }
    }

    fn mappings(&mut self, set_up: &SetUp, organisation: &Organisation, rules: &Rules) {
        let instead = "`readypost simulate --unposted` sees the accounts that unposted records use.";
        let (captions, mappings) = match (&set_up.captions, &set_up.mappings) {
            (Ok(captions), Ok(mappings)) => (captions, mappings),
            (Err(cause), _) => return self.unread("The captions of GL segments", cause, instead),
            (_, Err(cause)) => return self.unread("The GL mapping", cause, instead),
        };
        if rules.non_product_id == NonProductId::Required && !captions.iter().any(map::is_non_product_id) {
            let sentence = "No GL segment is titled Non-Product ID, so lines without a product have no item.";
            let reason = HoldReason::new(HoldCode::NoNonProductId, sentence);
            self.held("GL segments", "captions".to_owned(), &reason);
        }
        let rows: Vec<&GlMapping> = mappings.iter().filter(|row| row.maps_lines()).collect();
        let mut wrong = 0_usize;
        for row in &rows {
            match map::mapping(&row.segments, captions, organisation, rules) {
                Ok(warnings) => {
                    wrong = wrong.saturating_add(usize::from(!warnings.is_empty()));
                    for warning in &warnings {
                        self.warned("GL mapping", row.named(), warning);
                    }
                }
                Err(reason) => {
                    wrong = wrong.saturating_add(1);
                    self.held("GL mapping", row.named(), &reason);
                }
            }
        }
        self.looked("GL mapping", &rows, wrong);
        if rows.is_empty() {
            self.not_looked_at.push(format!("ConnectWise lists no GL mapping. {}", capital(instead)));
        }
    }

    fn terms(&mut self, terms: &List<TermsRow>) {
        let terms = match terms {
            Ok(terms) => terms,
            Err(cause) => {
                return self.unread("Billing terms", cause, "Due dates are then those that ConnectWise shows.");
            }
        };
        let mut wrong = 0_usize;
        for row in terms {
            if let Some(warning) = map::terms(&row.name, &row.xref) {
                wrong = wrong.saturating_add(1);
                self.warned("billing terms", format!("terms {}", row.name), &warning);
            }
        }
        self.looked("billing terms", terms, wrong);
    }

    fn currencies(&mut self, currencies: &List<String>, organisation: &Organisation) {
        let currencies = match currencies {
            Ok(currencies) => currencies,
            Err(cause) => {
                let instead = "`readypost simulate --unposted` sees those of unposted records.";
                return self.unread("Currencies", cause, instead);
            }
        };
        let mut wrong = 0_usize;
        for code in currencies {
            if let Err(reason) = map::currency(code, organisation) {
                wrong = wrong.saturating_add(1);
                self.held("currencies", format!("currency {code}"), &reason);
            }
        }
        self.looked("currencies", currencies, wrong);
    }

    /// What the rules name in Xero's words.
    fn rules(&mut self, organisation: &Organisation, rules: &Rules) {
        for (rule, code) in rule_accounts(rules) {
            // Payments go to a bank account, on which no line is.
            let is_bank = |reason: &HoldReason| {
                let active = |account: &Account| account.code == code && account.active;
                rule == "payment_account"
                    && reason.code == HoldCode::UnusableAccount
                    && organisation.accounts.iter().any(active)
            };
            if let Err(reason) = map::account(code, organisation)
                && !is_bank(&reason)
            {
                self.held("account of a rule", format!("`{rule}`"), &reason);
            }
        }
        let (sales, purchases) =
            ((&rules.tax_names, &rules.untaxed), (&rules.purchase_tax_names, &rules.untaxed_purchases));
        for (used, (names, untaxed), [list, rule]) in [
            (Used::Sales, sales, ["tax_names", "untaxed"]),
            (Used::Purchases, purchases, ["purchase_tax_names", "untaxed_purchases"]),
        ] {
            let named = names.values().map(|name| (list, name)).chain([(rule, untaxed)]);
            for (rule, name) in named.filter(|(_, name)| !name.is_empty()) {
                if let Err(reason) = map::named_tax(name, used, organisation, rules) {
                    self.held("tax rate of a rule", format!("`{rule}`"), &reason);
                }
            }
        }
        let place = map::rounding_place(organisation, rules);
        if place.account.is_none() || place.tax_type.is_none() {
            let sentence = "There is no active rounding account, or no 0 % tax rate for it: what is off by cents is held (set `rounding_account` and `rounding_tax`).";
            self.held("rounding", "`rounding_account`".to_owned(), &HoldReason::new(HoldCode::OutOfBalance, sentence));
        }
    }
}
