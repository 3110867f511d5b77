//! One channel: whether it is being told something, how it has failed, and when it is tried again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::letter::Letter;
use super::line::{Line, Refusal};
use crate::clock::Clock;
use crate::config;
use crate::domain::alert::{Alert, AlertKey, AlertKind, Rule};

/// The longest time for telling one channel, with all tries.
const DELIVERY_MAX: Duration = Duration::from_secs(25);
/// The longest wait after failures.
const PAUSE_MAX: SignedDuration = SignedDuration::from_mins(30);

/// One channel of the configuration.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) line: Line,
    pub(super) rule: Rule,
    pub(super) details: bool,
    /// It is being told something.
    busy: AtomicBool,
    failing: Mutex<Option<Failing>>,
}

/// How a channel has failed since it was told something the last time.
#[derive(Clone, Debug)]
pub(super) struct Failing {
    pub(super) cause: String,
    since: Timestamp,
    times: u32,
    /// When it is tried again.
    pub(super) until: Timestamp,
}

impl Channel {
    pub(super) fn new(alert: &config::Alert) -> anyhow::Result<Self> {
        Ok(Self {
            name: alert.name.clone(),
            line: Line::new(&alert.channel)?,
            rule: alert.rule.clone(),
            details: alert.details,
            busy: AtomicBool::new(false),
            failing: Mutex::default(),
        })
    }

    /// Takes it, unless it is being told something.
    pub(super) fn take(&self) -> bool {
        !self.busy.swap(true, Ordering::AcqRel)
    }

    pub(super) fn give(&self) {
        self.busy.store(false, Ordering::Release);
    }

    pub(super) fn failing(&self) -> MutexGuard<'_, Option<Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is left alone after a failure. A time too far ahead was noted under a clock that was wrong.
    pub(super) fn rests(&self, now: Timestamp) -> bool {
        let left = self.failing().as_ref().map(|failing| failing.until.duration_since(now));
        left.is_some_and(|left| left.is_positive() && left <= PAUSE_MAX)
    }

    pub(super) async fn send(&self, letter: &Letter, clock: &dyn Clock) -> Result<String, Refusal> {
        in_time(self.line.send(letter, clock)).await
    }

    pub(super) async fn greet(&self) -> Result<String, Refusal> {
        in_time(self.line.greet()).await
    }

    pub(super) fn failed(&self, refusal: Refusal, now: Timestamp) {
        let mut failing = self.failing();
        let times = failing.as_ref().map_or(1, |failing| failing.times.saturating_add(1));
        let since = failing.as_ref().map_or(now, |failing| failing.since);
        let minutes = 1_i64.checked_shl(times.saturating_sub(1)).unwrap_or(i64::MAX);
        let pause = SignedDuration::from_mins(minutes.clamp(1, 60)).min(PAUSE_MAX);
        let asked = refusal.wait.and_then(|wait| SignedDuration::try_from(wait).ok()).unwrap_or_default();
        let until = now.saturating_add(pause.max(asked.min(PAUSE_MAX))).unwrap_or(now);
        tracing::warn!(channel = self.name, times, cause = refusal.cause, %until, "a channel of alerts cannot be told");
        *failing = Some(Failing { cause: refusal.cause, since, times, until });
    }

    /// That it cannot be told is an alert, too.
    pub(super) fn alert(&self) -> Option<Alert> {
        let failing = self.failing().clone()?;
        let (name, cause) = (&self.name, failing.cause);
        let until = failing.until.strftime("%Y-%m-%d %H:%M UTC");
        let sentence = format!(
            "The channel {name} ({}) cannot be told of alerts: {cause}. It is tried again at {until}; nothing is lost. \
             `readypost alerts test --channel {name}` tries it now.",
            self.line.name()
        );
        let key = AlertKey { kind: AlertKind::Delivery, subject: name.clone() };
        Some(Alert { key, level: 0, sentence, since: failing.since })
    }
}

async fn in_time(telling: impl Future<Output = Result<String, Refusal>>) -> Result<String, Refusal> {
    let told = tokio::time::timeout(DELIVERY_MAX, telling);
    told.await.unwrap_or_else(|_| Err(Refusal::new(format!("no answer within {} s", DELIVERY_MAX.as_secs()))))
}

/// Gives a channel back, however the telling ended.
pub(super) struct Giving<'a>(pub(super) &'a Channel);

impl Drop for Giving<'_> {
    fn drop(&mut self) {
        self.0.give();
    }
}
