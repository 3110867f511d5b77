//! The sweep: what ConnectWise lists as unposted is compared with what the store knows, row by row.
//!
//! The lists are the truth about what is still to be posted; callbacks only make it quick. A row that nobody told of,
//! one that should not be listed any more, and a record that left the list without readypost's doing are looked at
//! again. What waits for a person, or for the rules, is not looked at at each sweep.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::delivery::{Record, State};
use super::hold::{HoldCode, SkipReason};
use super::record::{RecordKey, RecordKind};
use super::text::Sentence;
use super::warning::{OpenWarning, WarningCode};

/// How long a closed record may be unknown before its callback counts as missed: a callback may be under way, or its
/// sender may try again.
pub const GRACE: SignedDuration = SignedDuration::from_mins(10);
/// What is noted of a record that is looked at because it is not listed any more.
pub const UNLISTED: &str = "unlisted";
/// Keys that the result of a sweep names, of each sort.
pub const NAMED_MAX: usize = 20;

/// Why the sweep hands a record to the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It is ready to be posted, and no callback told of it.
    Missed,
    /// It is ready to be posted, and was closed before the store was begun: no callback of it could be kept.
    BeforeStore,
    /// It has no callback.
    New,
    /// It is listed, though nothing was left to do: its batch was deleted, or it was taken out of it.
    Back,
    /// It was closed since it was looked at.
    ClosedAgain,
    /// It waits for a person, and is not listed any more: somebody put it into a batch by hand, or opened it.
    Gone,
}

impl Found {
    /// Every cause.
    pub const ALL: [Self; 6] = [Self::Missed, Self::BeforeStore, Self::New, Self::Back, Self::ClosedAgain, Self::Gone];

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::BeforeStore => "before_store",
            Self::New => "new",
            Self::Back => "back",
            Self::ClosedAgain => "closed_again",
            Self::Gone => "gone",
        }
    }

    /// What was found, in a sentence about the record.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Missed => "ConnectWise lists it as unposted, and no callback told of it",
            Self::BeforeStore => {
                "ConnectWise lists it as unposted; it was closed before readypost's store was begun, or before entries of it were lost"
            }
            Self::New => "ConnectWise lists it as unposted; it has no callback",
            Self::Back => "ConnectWise lists it as unposted, though nothing was left to do about it",
            Self::ClosedAgain => "It was closed in ConnectWise since it was looked at",
            Self::Gone => "It is held, and ConnectWise does not list it as unposted any more",
        }
    }
}

/// When a row was closed: an instant, or only about when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closing {
    /// As ConnectWise wrote it.
    pub text: String,
    /// Not before.
    pub earliest: Option<Timestamp>,
    /// Not after; none = unknown.
    pub latest: Option<Timestamp>,
}

/// A row of an unposted list, as the record that it is looked at as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The record.
    pub key: RecordKey,
    /// Its number, for people.
    pub number: String,
    /// When it was closed.
    pub closing: Closing,
    /// Whether the rules post such records now.
    pub posts: bool,
}

/// When a list was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Just before the list was asked for: what changed later is newer than the list.
    pub at: Timestamp,
    /// Since when the row is known to be listed.
    pub listed_since: Timestamp,
    /// What was closed before is left alone, unless it is known; none = nothing is.
    pub from: Option<Timestamp>,
    /// When the store was begun, or entries of it were lost: what was told of before is not known.
    pub born: Timestamp,
    /// When it was last looked up which record the row is of; none = never.
    pub looked: Option<Timestamp>,
}

/// In which order unknown rows are looked up: those that wait longest for it first, and of those the newest.
#[must_use]
pub fn turn(closing: &Closing, asked: Asked) -> (Option<Timestamp>, Reverse<Timestamp>) {
    (asked.looked, Reverse(closing.latest.unwrap_or(Timestamp::MAX)))
}

/// Whether an unknown row is left alone because it was closed too long ago: nothing says that it is to be posted.
#[must_use]
pub fn is_older(closing: &Closing, asked: Asked) -> bool {
    closing.latest.zip(asked.from).is_some_and(|(closed, from)| closed < from)
}

/// Whether a listed row is looked at, and why.
#[must_use]
pub fn compare(record: Option<&Record>, row: &Row, asked: Asked) -> Option<Found> {
    let settled = is_settled(&row.closing, asked);
    let Some(record) = record else {
        if is_older(&row.closing, asked) {
            return None;
        }
        return if has_callback(row.key.kind) { settled.then(|| untold(row, asked)) } else { Some(Found::New) };
    };
    if record.changed > asked.at {
        return None;
    }
    let missed = || (settled && is_unseen(record, row)).then_some(Found::Missed);
    // It goes on being listed though there was nothing to do: that is looked at once.
    let news = || is_unseen(record, row) || asked.listed_since > record.changed;
    let back = || news().then_some(Found::Back);
    let closed_again = || closed_since(record, row).then_some(Found::ClosedAgain);
    match &record.state {
        State::Queued { .. } => None,
        // Unless ConnectWise did not take it out of the list when it was put into its batch.
        State::Done if left_unposted(record) => None,
        State::Done => back(),
        State::Held { reason } if reason.code == HoldCode::Operator => None,
        State::Held { .. } => closed_again(),
        State::Skipped { reason } => match reason {
            reason if reason.is_decided() => None,
            // It was in a batch then, or in no list.
            SkipReason::NotListed | SkipReason::Deleted | SkipReason::PostedBefore | SkipReason::BatchedElsewhere => {
                back()
            }
            // That it was closed is news.
            SkipReason::StatusOpen | SkipReason::NothingUnposted => missed(),
            SkipReason::ByRule => (row.posts && news()).then_some(Found::ClosedAgain),
            _ => closed_again(),
        },
    }
}

/// Whether a listed purchase that is not known by itself is looked at, by the order that leads to it: `order`.
#[must_use]
pub fn compare_purchase(order: Option<&Record>, row: &Row, asked: Asked) -> Option<Found> {
    let apart = |order: &&Record| {
        matches!(order.state, State::Skipped { reason: SkipReason::PurchasesApart }) && order.changed <= asked.at
    };
    // The order led to others: this one came later.
    if order.as_ref().is_some_and(apart) {
        return is_settled(&row.closing, asked).then(|| untold(row, asked));
    }
    compare(order, row, asked)
}

/// Whether a record that is not listed is looked at: it waits for a person who may have settled it in ConnectWise.
#[must_use]
pub fn is_gone(record: &Record, asked_at: Timestamp) -> bool {
    let State::Held { reason } = &record.state else { return false };
    let marked = record.posted.as_ref().is_some_and(|posted| posted.batch.is_some());
    let listed = !matches!(record.key.kind, RecordKind::Payment);
    listed
        && reason.code != HoldCode::Operator
        && !marked
        && record.compared.as_deref() != Some(UNLISTED)
        && asked_at.duration_since(record.changed) >= GRACE
}

/// Whether a callback tells of such records.
#[must_use]
pub fn has_callback(kind: RecordKind) -> bool {
    !matches!(kind, RecordKind::Adjustment | RecordKind::Transfer | RecordKind::Payment)
}

/// Whether it was closed so long ago that its callback must have come.
fn is_settled(closing: &Closing, asked: Asked) -> bool {
    // Not before it was closed, and not after it was listed first.
    let listed = closing.earliest.map_or(asked.listed_since, |earliest| earliest.max(asked.listed_since));
    let since = closing.latest.map_or(listed, |latest| latest.min(listed));
    asked.at.duration_since(since) >= GRACE
}

/// What an unknown row is: a miss, unless nobody could have been told of it.
fn untold(row: &Row, asked: Asked) -> Found {
    let before = row.closing.latest.is_some_and(|closed| closed < asked.born);
    if before { Found::BeforeStore } else { Found::Missed }
}

/// Whether the sweep has not looked at this row of the record before.
fn is_unseen(record: &Record, row: &Row) -> bool {
    record.compared.as_deref() != Some(row.closing.text.as_str())
}

/// Whether it was closed since the record changed last. Where only the day is known, it is looked at once more.
fn closed_since(record: &Record, row: &Row) -> bool {
    let surely = row.closing.earliest.is_some_and(|closed| closed > record.changed);
    let perhaps = row.closing.latest.is_some_and(|closed| closed > record.changed);
    surely || (perhaps && is_unseen(record, row))
}

fn left_unposted(record: &Record) -> bool {
    let is_it = |open: &OpenWarning| open.warning.code == WarningCode::LeftUnposted && open.acknowledged.is_none();
    record.warnings.iter().any(is_it)
}

/// How a sweep of a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SweepResult {
    /// Who asked for it; none = its time had come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it began.
    pub began: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Rows of the unposted lists, by the sort of record.
    #[serde(default)]
    pub listed: BTreeMap<RecordKind, u32>,
    /// Records that were handed to the queue, by why.
    #[serde(default)]
    pub found: BTreeMap<Found, u32>,
    /// Rows that were left for the next sweep, because this one had looked up or handed over enough.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub deferred: u32,
    /// Unknown records that were closed long before the store was begun, and are left alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub older: u32,
    /// Of those that no callback told of, the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<RecordKey>,
    /// Calls to ConnectWise.
    #[serde(default)]
    pub calls: u32,
    /// Calls to Xero.
    #[serde(default)]
    pub xero_calls: u32,
    /// What could not be compared, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Sentence>,
    /// What was done about callbacks, or could not be, or is to be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callbacks: Vec<Sentence>,
    /// Whether all callbacks that are needed are registered and switched on; none = not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callbacks_good: Option<bool>,
}

impl SweepResult {
    /// A sweep that has just begun.
    #[must_use]
    pub fn begun(by: Option<String>, began: Timestamp) -> Self {
        Self {
            by,
            began,
            took_ms: 0,
            listed: BTreeMap::new(),
            found: BTreeMap::new(),
            deferred: 0,
            older: 0,
            missed: Vec::new(),
            calls: 0,
            xero_calls: 0,
            problems: Vec::new(),
            callbacks: Vec::new(),
            callbacks_good: None,
        }
    }

    /// Records of this cause.
    #[must_use]
    pub fn count(&self, found: Found) -> u32 {
        self.found.get(&found).copied().unwrap_or_default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Days for which misses are counted.
const MISS_DAYS: i64 = 56;

/// What is known of the sweeps of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepStanding {
    /// How the last one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<SweepResult>,
    /// When the last one ended that could compare everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<Timestamp>,
    /// Records that no callback told of, by day in UTC, for eight weeks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub misses: BTreeMap<Date, u32>,
}

impl SweepStanding {
    /// A record was found that no callback had told of.
    pub fn miss(&mut self, at: Timestamp) {
        let today = TimeZone::UTC.to_datetime(at).date();
        let count = self.misses.entry(today).or_default();
        *count = count.saturating_add(1);
        let first = today.checked_sub(SignedDuration::from_hours(24 * MISS_DAYS)).unwrap_or(Date::MIN);
        self.misses.retain(|day, _| *day > first);
    }

    /// A sweep ended.
    pub fn ended(&mut self, result: SweepResult, at: Timestamp) {
        if result.problems.is_empty() && result.deferred == 0 {
            self.complete = Some(at);
        }
        self.last = Some(result);
    }

    /// Misses of the last seven days.
    #[must_use]
    pub fn misses_of_week(&self, now: Timestamp) -> u32 {
        self.misses_since(now, 7)
    }

    /// Misses per week, in tenths, over the last eight weeks or since `began`, if that is later.
    #[must_use]
    pub fn misses_per_week_tenths(&self, began: Timestamp, now: Timestamp) -> u64 {
        let days = now.duration_since(began).as_hours().saturating_div(24).saturating_add(1);
        let days = u64::try_from(days.clamp(7, MISS_DAYS)).unwrap_or(7);
        u64::from(self.misses_since(now, MISS_DAYS)).saturating_mul(70).saturating_div(days)
    }

    /// The last day in UTC on which records were found that no callback told of, and how many.
    #[must_use]
    pub fn last_miss(&self) -> Option<(Date, u32)> {
        self.misses.iter().next_back().map(|(day, count)| (*day, *count))
    }

    fn misses_since(&self, now: Timestamp, days: i64) -> u32 {
        let today = TimeZone::UTC.to_datetime(now).date();
        let first = today.checked_sub(SignedDuration::from_hours(days.saturating_mul(24))).unwrap_or(Date::MIN);
        self.misses.iter().filter(|(day, _)| **day > first).fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

#[cfg(test)]
mod tests;
