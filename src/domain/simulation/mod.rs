//! What posting would do, found out without doing it: one row for each record, and what they come to together.

mod csv;
mod told;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::content::Difference;
use super::draft::DocumentKind;
use super::hold::{HoldReason, SkipReason};
use super::money::Money;
use super::record::{CompanyId, RecordKey};
use super::statement::{Calls, Month};
use super::text::Sentence;
use super::warning::Warning;

/// Rows that are kept; what needs nobody makes room for what does, and the rest is counted only.
pub const ROWS_MAX: usize = 1_000;
/// Bytes of request bodies that are kept; rows after them are without.
const BODY_BYTES_MAX: usize = 8 << 20;
/// Records that are named for one reason.
const EXAMPLES_MAX: usize = 5;

/// What is simulated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SimulationScope)]
pub enum Scope {
    /// One record; a purchase order with all of its purchases.
    Record {
        /// Which.
        key: RecordKey,
    },
    /// What a company's documents of a month would be, or are.
    Month {
        /// Whose.
        company: CompanyId,
        /// By the dates of documents.
        month: Month,
    },
    /// Everything of a company that ConnectWise lists as unposted.
    Unposted {
        /// Whose.
        company: CompanyId,
    },
}

/// What would become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SimulationVerdict)]
pub enum Verdict {
    /// It would be posted.
    Post,
    /// Its document is in Xero already and would be linked.
    Adopt,
    /// It would be held.
    Hold,
    /// It would be skipped.
    Skip,
    /// It is posted, and its document in Xero says the same.
    Posted,
    /// It is posted, and its document in Xero says something else.
    Differs,
    /// It is in a batch in ConnectWise, and Xero has no live document of its number.
    Missing,
    /// It could not be read now, or not in full.
    Unread,
}

impl Verdict {
    /// Every verdict, what needs somebody last.
    pub const ALL: [Self; 8] =
        [Self::Post, Self::Adopt, Self::Posted, Self::Skip, Self::Hold, Self::Differs, Self::Missing, Self::Unread];

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Adopt => "adopt",
            Self::Hold => "hold",
            Self::Skip => "skip",
            Self::Posted => "posted",
            Self::Differs => "differs",
            Self::Missing => "missing",
            Self::Unread => "unread",
        }
    }

    /// Whether somebody has to act.
    #[must_use]
    pub fn needs_somebody(self) -> bool {
        matches!(self, Self::Hold | Self::Differs | Self::Missing | Self::Unread)
    }
}

/// A request that would be sent to Xero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Planned {
    /// What it makes.
    pub kind: DocumentKind,
    /// Where it goes, below the address of the Accounting API; it is a PUT.
    pub path: String,
    /// What the document is worth; zero or more.
    pub total: Money,
    /// The body, byte by byte; empty where it was left out because the result has too many. The id of a contact that
    /// would be created first is all zeros.
    pub body: String,
}

/// A document that is in Xero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InXero {
    /// Xero's id.
    pub id: Uuid,
    /// What it is.
    pub kind: DocumentKind,
    /// Its number.
    pub number: String,
    /// `DRAFT`, `AUTHORISED`, `PAID`, ...
    pub status: String,
    /// Total with tax; zero or more.
    pub total: Money,
    /// Where Xero shows it.
    pub link: String,
}

/// A field in which the document in Xero is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unlike {
    /// Its name, such as `total` or `line 2 account`.
    pub field: String,
    /// What readypost would send, or ConnectWise says; empty for nothing.
    pub wanted: String,
    /// What Xero says; empty for nothing.
    pub xero: String,
}

impl From<Difference> for Unlike {
    fn from(difference: Difference) -> Self {
        Self { field: difference.field, wanted: difference.posted, xero: difference.now }
    }
}

/// What would become of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Simulated {
    /// Which.
    pub key: RecordKey,
    /// Its number in ConnectWise.
    pub number: String,
    /// Whose it is.
    pub party: Sentence,
    /// The day of its document.
    pub date: Option<Date>,
    /// ISO code; empty when ConnectWise gives none.
    pub currency: String,
    /// What it is worth in ConnectWise; negative for credits.
    pub total: Money,
    /// What would become of it.
    pub verdict: Verdict,
    /// The stable code of the hold or the skip; empty for none.
    pub code: String,
    /// Why; empty where there is nothing to say.
    pub sentence: String,
    /// What to do about a hold; empty for nothing.
    pub cure: String,
    /// Which warnings it would have.
    pub warnings: Vec<Warning>,
    /// The name of the contact that would be created first; empty for none.
    pub new_contact: String,
    /// The requests that would be sent, in order.
    pub requests: Vec<Planned>,
    /// The document that is in Xero already.
    pub in_xero: Option<InXero>,
    /// In what that is another one.
    pub differences: Vec<Unlike>,
    /// What posting it would cost; of ConnectWise as far as it was read, with the batch.
    pub calls: Calls,
}

impl Simulated {
    /// A record of which nothing but its key is known.
    #[must_use]
    pub fn of(key: RecordKey) -> Self {
        Self {
            number: key.source.as_str().to_owned(),
            key,
            party: "".into(),
            date: None,
            currency: String::new(),
            total: Money::ZERO,
            verdict: Verdict::Unread,
            code: String::new(),
            sentence: String::new(),
            cure: String::new(),
            warnings: Vec::new(),
            new_contact: String::new(),
            requests: Vec::new(),
            in_xero: None,
            differences: Vec::new(),
            calls: Calls::default(),
        }
    }

    /// The same, held.
    #[must_use]
    pub fn held(mut self, reason: &HoldReason) -> Self {
        self.verdict = Verdict::Hold;
        reason.code.as_str().clone_into(&mut self.code);
        self.sentence = reason.sentence.to_string();
        reason.code.cure().clone_into(&mut self.cure);
        self
    }

    /// The same, skipped.
    #[must_use]
    pub fn skipped(mut self, reason: SkipReason) -> Self {
        self.verdict = Verdict::Skip;
        reason.as_str().clone_into(&mut self.code);
        reason.sentence().clone_into(&mut self.sentence);
        self
    }
}

/// How many records share a verdict and a currency, and what they are worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SimulationTotal)]
pub struct Total {
    /// The verdict.
    pub verdict: Verdict,
    /// ISO code; empty where ConnectWise gives none.
    pub currency: String,
    /// How many.
    pub records: u32,
    /// What they are worth together; credits are negative.
    pub total: Money,
}

/// What a reason does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SimulationEffect)]
pub enum Effect {
    /// It holds the record.
    Hold,
    /// It leaves a warning.
    Warning,
    /// It skips the record.
    Skip,
}

/// A reason that records share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SimulationReason)]
pub struct Reason {
    /// What it does.
    pub effect: Effect,
    /// Its stable code.
    pub code: String,
    /// How many records have it.
    pub records: u32,
    /// The sentence of the first of them.
    pub sentence: String,
    /// What to do about it; empty for nothing.
    pub cure: String,
    /// The first of them.
    pub examples: Vec<RecordKey>,
}

/// What the budget of Xero says about posting all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SimulationEstimate)]
pub struct Estimate {
    /// Calls to Xero that 60 seconds take.
    pub minute_limit: u32,
    /// Calls that may still be used to post today; none before Xero's first answer.
    pub today: Option<u32>,
    /// Minutes that the calls take at least, were there no end of the day.
    pub minutes: u32,
    /// Calls that do not fit into today.
    pub not_today: u32,
}

impl Estimate {
    /// Of so many calls; `today` are those that may still be used.
    #[must_use]
    pub fn of(calls: u32, minute_limit: u32, today: Option<u32>) -> Self {
        let minute_limit = minute_limit.max(1);
        let not_today = today.map_or(0, |today| calls.saturating_sub(today));
        Self { minute_limit, today, minutes: calls.div_ceil(minute_limit), not_today }
    }
}

/// What posting would come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Simulation {
    /// What was simulated.
    pub scope: Scope,
    /// When it ended.
    pub at: Timestamp,
    /// How many records were looked at.
    pub records: u32,
    /// By verdict and currency.
    pub totals: Vec<Total>,
    /// Why, the most frequent first.
    pub reasons: Vec<Reason>,
    /// Contacts that would be created.
    pub new_contacts: u32,
    /// What posting would cost.
    pub calls: Calls,
    /// What the simulation cost.
    pub spent: Calls,
    /// What the budget says; none where several companies take the records.
    pub estimate: Option<Estimate>,
    /// What was not looked at.
    pub notes: Vec<String>,
    /// The first records, at most [`ROWS_MAX`]; when there are more, before all those that need somebody.
    pub rows: Vec<Simulated>,
    /// How many records have no row.
    pub rows_left_out: u32,
}

/// Adds rows up.
#[derive(Debug, Default)]
pub struct Adding {
    records: u32,
    totals: BTreeMap<(Verdict, String), (u32, Money)>,
    reasons: BTreeMap<(Effect, String), Reason>,
    contacts: std::collections::BTreeSet<String>,
    calls: Calls,
    rows: Vec<Simulated>,
    body_bytes: usize,
    rows_left_out: u32,
}

impl Adding {
    /// How many rows there are.
    #[must_use]
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Adds one row.
    pub fn add(&mut self, mut row: Simulated) {
        self.records = self.records.saturating_add(1);
        let (count, total) = self.totals.entry((row.verdict, row.currency.clone())).or_default();
        (*count, *total) = (count.saturating_add(1), *total + row.total);
        match row.verdict {
            Verdict::Hold => self.reason((Effect::Hold, &row.code), (&row.sentence, &row.cure), &row.key),
            Verdict::Skip => self.reason((Effect::Skip, &row.code), (&row.sentence, ""), &row.key),
            _ => {}
        }
        let mut seen = Vec::new();
        for warning in &row.warnings {
            let code = warning.code;
            if !seen.contains(&code) {
                self.reason((Effect::Warning, code.as_str()), (warning.sentence.as_str(), code.meaning()), &row.key);
                seen.push(code);
            }
        }
        if !row.new_contact.is_empty() {
            self.contacts.insert(row.new_contact.clone());
        }
        if matches!(row.verdict, Verdict::Post | Verdict::Adopt) {
            self.calls.connectwise = self.calls.connectwise.saturating_add(row.calls.connectwise);
            self.calls.xero = self.calls.xero.saturating_add(row.calls.xero);
        }
        if self.rows.len() >= ROWS_MAX {
            self.rows_left_out = self.rows_left_out.saturating_add(1);
            if !self.make_room_for(&row) {
                return;
            }
        }
        for request in &mut row.requests {
            let bytes = self.body_bytes.saturating_add(request.body.len());
            if bytes > BODY_BYTES_MAX {
                request.body.clear();
            } else {
                self.body_bytes = bytes;
            }
        }
        self.rows.push(row);
    }

    /// Takes out the last row that needs nobody, for one that does; says whether there is room now.
    fn make_room_for(&mut self, row: &Simulated) -> bool {
        let last = || self.rows.iter().rposition(|row| !row.verdict.needs_somebody());
        let Some(place) = row.verdict.needs_somebody().then(last).flatten() else { return false };
        let out = self.rows.remove(place);
        let bytes: usize = out.requests.iter().map(|request| request.body.len()).sum();
        self.body_bytes = self.body_bytes.saturating_sub(bytes);
        true
    }

    fn reason(&mut self, (effect, code): (Effect, &str), (sentence, cure): (&str, &str), key: &RecordKey) {
        let new = || Reason {
            effect,
            code: code.to_owned(),
            records: 0,
            sentence: sentence.to_owned(),
            cure: cure.to_owned(),
            examples: Vec::new(),
        };
        let reason = self.reasons.entry((effect, code.to_owned())).or_insert_with(new);
        reason.records = reason.records.saturating_add(1);
        if reason.examples.len() < EXAMPLES_MAX {
            reason.examples.push(key.clone());
        }
    }

    /// All of it; the estimate, the notes and what it cost are for the caller to fill in.
    #[must_use]
    pub fn end(self, scope: Scope, at: Timestamp) -> Simulation {
        let totals = self.totals.into_iter();
        let totals = totals.map(|((verdict, currency), (records, total))| Total { verdict, currency, records, total });
        let mut reasons: Vec<Reason> = self.reasons.into_values().collect();
        reasons.sort_by_key(|reason| (reason.effect, std::cmp::Reverse(reason.records)));
        Simulation {
            scope,
            at,
            records: self.records,
            totals: totals.collect(),
            reasons,
            new_contacts: u32::try_from(self.contacts.len()).unwrap_or(u32::MAX),
            calls: self.calls,
            spent: Calls::default(),
            estimate: None,
            notes: Vec::new(),
            rows: self.rows,
            rows_left_out: self.rows_left_out,
        }
    }
}

impl Simulation {
    /// How many records have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> u32 {
        let of = self.totals.iter().filter(|total| total.verdict == verdict);
        of.fold(0, |sum, total| sum.saturating_add(total.records))
    }

    /// Whether somebody has to act before all of it is posted.
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        self.totals.iter().any(|total| total.verdict.needs_somebody() && total.records > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hold::HoldCode;

    fn row(id: u32) -> Simulated {
        Simulated::of(format!("acme/invoice/{id}").parse().unwrap())
    }

    #[test]
    fn rows_and_bodies_are_bounded_and_counts_are_not() {
        let mut adding = Adding::default();
        for id in 0..1_200 {
            let mut row = row(id);
            row.verdict = Verdict::Post;
            row.total = Money::CENT * 110.into();
            row.calls = Calls { connectwise: 2, xero: 1 };
            let body = "x".repeat(10_000);
            row.requests =
                vec![Planned { kind: DocumentKind::Invoice, path: "Invoices".to_owned(), total: row.total, body }];
            adding.add(row);
        }
        let held = HoldReason::new(HoldCode::UnknownTax, "Line 1: tax code 'X' is not known.");
        adding.add(row(1_200).held(&held));
        let found = adding.end(Scope::Unposted { company: "acme-au".parse().unwrap() }, Timestamp::UNIX_EPOCH);
        assert_eq!((found.records, found.rows.len(), found.rows_left_out), (1_201, 1_000, 201));
        assert_eq!((found.count(Verdict::Post), found.count(Verdict::Hold)), (1_200, 1));
        assert_eq!(found.calls, Calls { connectwise: 2_400, xero: 1_200 });
        assert_eq!(found.totals.first().unwrap().total, Money::CENT * 132_000.into());
        let held = found.reasons.first().unwrap();
        assert_eq!((held.code.as_str(), held.records, held.examples.len()), ("unknown_tax", 1, 1));
        let bytes: usize = found.rows.iter().flat_map(|row| &row.requests).map(|request| request.body.len()).sum();
        assert!(bytes <= BODY_BYTES_MAX && bytes > BODY_BYTES_MAX - 10_000, "{bytes}");
        assert!(found.needs_somebody());
    }

    #[test]
    fn what_needs_somebody_has_a_row_however_late_it_comes() {
        let of = |verdict: Verdict, id: u32| {
            let body = "x".repeat(8_388);
            let total = Money::CENT;
            let request = Planned { kind: DocumentKind::Invoice, path: "Invoices".to_owned(), total, body };
            Simulated { verdict, requests: vec![request], ..row(id) }
        };
        let mut adding = Adding::default();
        adding.add(of(Verdict::Unread, 0));
        (1..1_100).for_each(|id| adding.add(of(Verdict::Posted, id)));
        adding.add(of(Verdict::Differs, 1_100));
        adding.add(of(Verdict::Missing, 1_101));
        adding.add(of(Verdict::Posted, 1_102));
        let mut full = Adding::default();
        (0..1_010).for_each(|id| full.add(of(Verdict::Missing, id)));
        let end = |adding: Adding| {
            let found = adding.end(Scope::Unposted { company: "acme-au".parse().unwrap() }, Timestamp::UNIX_EPOCH);
            let ids: Vec<u32> = found.rows.iter().map(|row| row.number.parse().unwrap()).collect();
            let bytes: usize = found.rows.iter().flat_map(|row| &row.requests).map(|request| request.body.len()).sum();
            assert_eq!(bytes, 8_388_000, "what made room has left its body's, too");
            (ids, found.rows_left_out)
        };
        assert_eq!(end(adding), ((0..998).chain([1_100, 1_101]).collect(), 103));
        assert_eq!(end(full), ((0..1_000).collect(), 10), "what needs somebody makes no room");
    }

    #[test]
    fn the_budget_says_how_long_it_takes() {
        assert_eq!(Estimate::of(0, 60, None).minutes, 0);
        assert_eq!(
            Estimate::of(60, 60, Some(60)),
            Estimate { minute_limit: 60, today: Some(60), minutes: 1, not_today: 0 }
        );
        assert_eq!(
            Estimate::of(601, 60, Some(500)),
            Estimate { minute_limit: 60, today: Some(500), minutes: 11, not_today: 101 }
        );
    }
}
