//! The organisation's call budget: 5 at a time, 60 a minute, and a day whose size only Xero knows.
//!
//! Xero counts a fixed window that begins at an unknown time, so ours rolls: a call counts from before
//! it is sent until 60 s after its answer, which is at most 60 calls in any fixed minute.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::{CompanyFault, XeroError};
use super::modest::is_modest;
use crate::clock::Clock;
use crate::remote::Answer;

/// Calls in progress per tenant, by Xero's limits page.
const CONCURRENT_MAX: usize = 5;
/// The window of the minute limit.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);
/// When the day may have a fresh look after its reserve was reached.
const PROBE_EVERY: SignedDuration = SignedDuration::from_mins(30);
/// The least that is kept of a day, in calls.
const RESERVE_MIN: u32 = 10;
/// A 429 that asks for more is the day's, whatever it calls itself.
const MINUTE_WAIT_MAX: SignedDuration = SignedDuration::from_mins(10);
/// A day's limit ends within a day.
const WAIT_MAX: SignedDuration = SignedDuration::from_hours(25);
/// Xero gives no `Retry-After` for too many calls at the same time.
const CONCURRENT_WAIT: SignedDuration = SignedDuration::from_millis(1500);

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To post, or to prepare it.
    Post,
    /// To find out what an earlier call did: may use the day's reserve.
    LookUp,
    /// To know what posting would do: leaves to it a third of each minute and of the day.
    Modest,
}

/// What is left of the calls, for the status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetView {
    /// Calls of the last 60 s, those in progress included.
    pub minute_used: u32,
    /// The most in 60 s.
    pub minute_limit: u32,
    /// Calls left today as Xero said last; none before its first answer.
    pub day_remaining: Option<u32>,
    /// The most that Xero ever said was left of a day; none before its first answer.
    pub day_limit_seen: Option<u32>,
    /// Calls of a day that are kept for look-ups.
    pub day_reserve: u32,
    /// Nothing is sent before, because Xero said so.
    pub blocked_until: Option<Timestamp>,
    /// Calls since the start.
    pub calls_total: u64,
}

/// The budget of one organisation.
#[derive(Debug)]
pub(super) struct Budget {
    clock: Arc<dyn Clock>,
    minute_limit: u32,
    slots: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_progress: u32,
    /// When calls of the last minute were answered; calls of others that Xero told of are among them.
    answered: VecDeque<Timestamp>,
    day_remaining: Option<u32>,
    day_largest: u32,
    /// From then on one call may find out whether the day is better.
    probe_at: Timestamp,
    blocked: Option<(Timestamp, Limit)>,
    calls_total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Minute,
    Day,
}

/// The right to one call; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    budget: Arc<Budget>,
    sent: bool,
    _one_of_five: OwnedSemaphorePermit,
}

impl Budget {
    pub(super) fn new(minute_limit: u32, clock: Arc<dyn Clock>) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(CONCURRENT_MAX));
        Arc::new(Self { clock, minute_limit: minute_limit.max(1), slots, state: Mutex::default() })
    }

    /// Waits for one of the five, and reserves a call of the minute and the day.
    pub(super) async fn slot(self: &Arc<Self>, purpose: Purpose) -> Result<Slot, XeroError> {
        let closed = |_| XeroError::Wait { until: self.clock.now(), cause: "the client is closing".to_owned() };
        let one_of_five = Arc::clone(&self.slots).acquire_owned().await.map_err(closed)?;
        let (purpose, limit) =
            if is_modest() { (Purpose::Modest, self.modest_limit()) } else { (purpose, self.minute_limit) };
        self.lock().reserve(purpose, limit, self.clock.now())?;
        Ok(Slot { budget: Arc::clone(self), sent: false, _one_of_five: one_of_five })
    }

    /// How many calls the minute has left.
    ///
    /// The day is not asked: the call that reaches its end says so for the whole company, once.
    pub(super) fn room(&self) -> Result<u32, XeroError> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.expire(now);
        if let Some((until, Limit::Minute)) = state.blocked {
            return Err(minute_limit(until));
        }
        match self.minute_limit.saturating_sub(state.used()) {
            0 => Err(minute_limit(state.free_at(now))),
            left => Ok(left),
        }
    }

    /// When whoever is modest has so many calls; none when that is now.
    pub(super) fn spare_at(&self, wanted: u32) -> Option<Timestamp> {
        let now = self.clock.now();
        let mut state = self.lock();
        state.expire(now);
        let limit = self.modest_limit();
        match state.blocked {
            Some((until, Limit::Minute)) => Some(until),
            _ if limit.saturating_sub(state.used()) >= wanted.min(limit) => None,
            _ => Some(state.free_at(now)),
        }
    }

    fn modest_limit(&self) -> u32 {
        self.minute_limit.saturating_sub(self.minute_limit.div_ceil(3)).max(1)
    }

    pub(super) fn view(&self) -> BudgetView {
        let now = self.clock.now();
        let mut state = self.lock();
        state.expire(now);
        BudgetView {
            minute_used: state.used(),
            minute_limit: self.minute_limit,
            day_remaining: state.day_remaining,
            day_limit_seen: state.day_remaining.map(|_| state.day_largest),
            day_reserve: state.reserve_of_day(),
            blocked_until: state.blocked.map(|(until, _)| until),
            calls_total: state.calls_total,
        }
    }

    /// Takes note of what an answer says is left.
    pub(super) fn note(&self, answer: &Answer) {
        let now = self.clock.now();
        let left = |name: &str| answer.header(name).and_then(|text| text.trim().parse::<u32>().ok());
        let mut state = self.lock();
        if let Some(remaining) = left("x-daylimit-remaining") {
            state.day_remaining = Some(remaining);
            state.day_largest = state.day_largest.max(remaining);
            state.probe_at = later(now, PROBE_EVERY);
        }
        if let Some(remaining) = left("x-minlimit-remaining") {
            state.expire(now);
            // Less than we think: somebody else calls as this app.
            let ours = self.minute_limit.saturating_sub(state.used());
            let foreign = ours.saturating_sub(remaining);
            state.answered.extend(std::iter::repeat_n(now, usize::try_from(foreign).unwrap_or(0)));
        }
    }

    /// What a 429 means, and that nothing is sent while it lasts.
    pub(super) fn throttled(&self, answer: &Answer) -> XeroError {
        let now = self.clock.now();
        let problem = answer.header("x-rate-limit-problem").unwrap_or_default().to_ascii_lowercase();
        let asked = answer.retry_after().map(|wait| SignedDuration::try_from(wait).unwrap_or(WAIT_MAX).min(WAIT_MAX));
        let mut state = self.lock();
        if problem.contains("day") || problem.contains("daily") || asked.is_some_and(|wait| wait > MINUTE_WAIT_MAX) {
            let until = later(now, asked.unwrap_or(PROBE_EVERY));
            state.blocked = Some((until, Limit::Day));
            state.probe_at = until;
            return day_limit(until);
        }
        if problem.contains("concurrent") {
            let until = later(now, asked.unwrap_or(CONCURRENT_WAIT));
            return XeroError::Wait { until, cause: "Xero has too many calls at the same time (429)".to_owned() };
        }
        let until = later(now, asked.unwrap_or(MINUTE));
        state.blocked = Some((until, Limit::Minute));
        minute_limit(until)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expire(&mut self, now: Timestamp) {
        // A clock that was set back would else keep calls of the future for as long.
        for at in &mut self.answered {
            *at = (*at).min(now);
        }
        while self.answered.front().is_some_and(|at| now.duration_since(*at) >= MINUTE) {
            self.answered.pop_front();
        }
        if self.blocked.is_some_and(|(until, _)| now >= until) {
            self.blocked = None;
        }
    }

    fn used(&self) -> u32 {
        self.in_progress.saturating_add(u32::try_from(self.answered.len()).unwrap_or(u32::MAX))
    }

    /// When the minute has a call again.
    fn free_at(&self, now: Timestamp) -> Timestamp {
        self.answered.front().map_or(later(now, SignedDuration::from_secs(1)), |at| later(*at, MINUTE))
    }

    fn reserve_of_day(&self) -> u32 {
        (self.day_largest / 10).max(RESERVE_MIN)
    }

    /// How many calls of a day are not for this purpose.
    fn kept_from(&self, purpose: Purpose) -> Option<u32> {
        match purpose {
            Purpose::Post => Some(self.reserve_of_day()),
            Purpose::LookUp => None,
            Purpose::Modest => Some((self.day_largest / 3).max(self.reserve_of_day())),
        }
    }

    fn reserve(&mut self, purpose: Purpose, limit: u32, now: Timestamp) -> Result<(), XeroError> {
        self.expire(now);
        match self.blocked {
            Some((until, Limit::Day)) => return Err(day_limit(until)),
            Some((until, Limit::Minute)) => return Err(minute_limit(until)),
            None => {}
        }
        if self.used() >= limit {
            return Err(minute_limit(self.free_at(now)));
        }
        let left = self.day_remaining.map(|remaining| remaining.saturating_sub(self.in_progress));
        if let (Some(kept), Some(left)) = (self.kept_from(purpose), left)
            && left <= kept
        {
            if now < self.probe_at {
                let is_modest = purpose == Purpose::Modest;
                return Err(if is_modest { modest_day_limit(self.probe_at) } else { day_limit(self.probe_at) });
            }
            self.probe_at = later(now, PROBE_EVERY);
        }
        self.in_progress = self.in_progress.saturating_add(1);
        Ok(())
    }
}

impl Slot {
    /// Counts a sending, which is about to happen.
    pub(super) fn send(&mut self) {
        let now = self.budget.clock.now();
        let mut state = self.budget.lock();
        state.calls_total = state.calls_total.saturating_add(1);
        if self.sent {
            // A second sending under the same right: the first one is answered.
            state.answered.push_back(now);
        }
        self.sent = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let now = self.budget.clock.now();
        let mut state = self.budget.lock();
        state.in_progress = state.in_progress.saturating_sub(1);
        if self.sent {
            state.answered.push_back(now);
        }
    }
}

/// `by` after `now`.
pub(super) fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn minute_limit(until: Timestamp) -> XeroError {
    XeroError::Wait { until, cause: "the calls of this minute are used".to_owned() }
}

fn day_limit(until: Timestamp) -> XeroError {
    let cause = "Xero's calls of this day are used, but for a reserve for look-ups; posting goes on by itself when Xero's day is over. A larger Xero app plan has more.";
    XeroError::Company { kind: CompanyFault::DayLimit, cause: cause.to_owned(), until }
}

/// Posting goes on: only whoever is modest stops.
fn modest_day_limit(until: Timestamp) -> XeroError {
    let cause = "Of Xero's calls of this day only the third is left that is kept for posting, which goes on. Ask again when Xero's day is over; a larger Xero app plan has more.";
    XeroError::Company { kind: CompanyFault::DayLimit, cause: cause.to_owned(), until }
}
