//! Lists of records: what to show, and where the next page begins.

use jiff::Timestamp;

use super::index::By;
use crate::domain::delivery::{Record, State, StateName};
use crate::domain::issue::IssueId;
use crate::domain::record::{CompanyId, RecordKey, RecordKind};

/// The most records on one page.
pub const LIMIT_MAX: usize = 500;
/// The most records that one page looks at; a selective filter then gives a short page with a cursor.
pub(super) const EXAMINED_MAX: usize = 5_000;

/// Which records to list; every condition that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state; without it, all states, those that need somebody first.
    pub state: Option<StateName>,
    /// Of this kind.
    pub kind: Option<RecordKind>,
    /// Of this Xero organisation.
    pub company: Option<String>,
    /// Held with this issue.
    pub issue: Option<IssueId>,
    /// Looked after by this person; empty = by nobody.
    pub owner: Option<String>,
    /// Without what is snoozed at this time.
    pub awake: Option<Timestamp>,
    /// Held or skipped for this reason code.
    pub reason: Option<String>,
    /// With an unacknowledged warning of this code, or of any for `any`.
    pub warning: Option<String>,
    /// Changed since.
    pub since: Option<Timestamp>,
    /// The beginning of the number or the packing slip, part of the client's name, or the key or its last part, whatever
    /// the case.
    pub q: Option<String>,
    /// Where the page begins: [`Page::next`] of the page before.
    pub cursor: Option<String>,
    /// Records per page; 0 = 50.
    pub limit: usize,
}

/// Some records.
#[derive(Clone, Debug)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// Where the next page begins; none at the end.
    pub next: Option<String>,
}

/// Records that wait for the same thing.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Which one.
    pub id: IssueId,
    /// How many wait.
    pub count: usize,
    /// The one that changed last, as an example.
    pub newest: Record,
    /// When the first of them was held.
    pub since: Timestamp,
}

/// Where a page begins: behind this record of this state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) state: StateName,
    /// The time by which it is listed, exactly as the queue or the index has it.
    pub(super) after: Option<(Timestamp, RecordKey)>,
}

/// The order in which states are listed.
pub(super) const ORDER: [StateName; 4] = [StateName::Held, StateName::Queued, StateName::Done, StateName::Skipped];

impl Filter {
    pub(super) fn limit(&self) -> usize {
        if self.limit == 0 { 50 } else { self.limit.min(LIMIT_MAX) }
    }

    pub(super) fn matches(&self, record: &Record) -> bool {
        let about = record.about.as_ref();
        let company = || about.and_then(|about| about.company.as_ref()).map(CompanyId::as_str);
        let reason = || match &record.state {
            State::Held { reason } => Some(reason.code.as_str()),
            State::Skipped { reason } => Some(reason.as_str()),
            _ => None,
        };
        let warned = |code: &String| {
            let open = record.warnings.iter().filter(|open| open.acknowledged.is_none());
            open.into_iter().any(|open| code == "any" || open.warning.code.as_str() == code)
        };
        let found = |text: &String| {
            let text = text.to_lowercase();
            let in_about = about.is_some_and(|about| {
                about.number.to_lowercase().starts_with(&text) || about.client.as_str().to_lowercase().contains(&text)
            });
            let key = &record.key;
            let slip = key.packing_slip().is_some_and(|slip| slip.to_lowercase().starts_with(&text));
            in_about || slip || key.source.as_str().to_lowercase() == text || key.to_string().to_lowercase() == text
        };
        self.kind.is_none_or(|wanted| record.key.kind == wanted)
            && self.company.as_ref().is_none_or(|wanted| company() == Some(wanted))
            && self.issue.as_ref().is_none_or(|wanted| IssueId::of(record).as_ref() == Some(wanted))
            && self.owner.as_ref().is_none_or(|wanted| record.owner.as_deref().unwrap_or_default() == wanted)
            && self.awake.is_none_or(|now| record.snoozed.is_none_or(|until| until <= now))
            && self.reason.as_ref().is_none_or(|wanted| reason() == Some(wanted))
            && self.warning.as_ref().is_none_or(warned)
            && self.since.is_none_or(|since| record.changed >= since)
            && self.q.as_ref().is_none_or(found)
    }

    /// By what the records that match are found; the rest of the conditions is looked at record by record.
    pub(super) fn by(&self) -> By<'_> {
        match (&self.issue, &self.reason, &self.warning, &self.q) {
            (Some(issue), ..) => By::Issue(issue),
            (None, Some(reason), ..) => By::Reason(reason),
            (None, None, Some(warning), _) => By::Warning(warning),
            (None, None, None, Some(text)) => By::Text(text),
            (None, None, None, None) => By::Place(self.company.as_deref(), self.kind.map(RecordKind::as_str)),
        }
    }

    /// Where the page begins; none when the cursor is not one of ours.
    pub(super) fn start(&self) -> Option<Cursor> {
        let Some(text) = &self.cursor else {
            let first = self.state.unwrap_or(StateName::Held);
            return Some(Cursor { state: first, after: None });
        };
        let mut parts = text.splitn(3, '~');
        let state = ORDER.into_iter().find(|state| Some(state.as_str()) == parts.clone().next())?;
        parts.next();
        let at = parts.next()?.parse().ok().and_then(|at| Timestamp::from_nanosecond(at).ok())?;
        Some(Cursor { state, after: Some((at, parts.next()?.parse().ok()?)) })
    }
}

impl Cursor {
    pub(super) fn text(&self) -> Option<String> {
        let (at, key) = self.after.as_ref()?;
        Some(format!("{}~{}~{key}", self.state.as_str(), at.as_nanosecond()))
    }
}
