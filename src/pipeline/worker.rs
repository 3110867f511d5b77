//! The loop: wait, lease, deliver. It only waits; [`turn`] does one thing and is public for tests.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::deliver::deliver;
use super::lanes::open;
use super::parts::{Live, Parts};
use super::slots::Slot;
use crate::domain::settle::{Attempts, Blame, Failure, IntentFate, Outcome, settle};
use crate::remote::recorded;
use crate::store::{Lease, StoreError};

/// The longest step; its lease lives longer, so a step is never done by two workers.
const STEP_MAX: Duration = Duration::from_mins(4);
const LEASE_LIFE: SignedDuration = SignedDuration::from_secs(300);
/// The longest wait for steps under way at shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(75);
/// The longest wait without a look.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// What a turn found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A step was done.
    Worked,
    /// Nothing is due.
    Idle,
}

/// Leases the record that has been due longest, of those that can be worked on, and does its step.
///
/// # Errors
/// When the store fails, or another worker took the record.
pub async fn turn(live: &Live) -> Result<Turn, StoreError> {
    match next(live)? {
        Next::Nothing { .. } => Ok(Turn::Idle),
        Next::Work(begun) => work(*begun).await.map(|()| Turn::Worked),
    }
}

/// A step that is about to be done, with the parts that it keeps to its end.
struct Begun {
    lease: Lease,
    slot: Slot,
    parts: Arc<Parts>,
}

/// What there is to do.
enum Next {
    Work(Box<Begun>),
    /// Nothing can be worked on before the time, unless something happens.
    Nothing {
        look: Option<Timestamp>,
    },
}

fn next(live: &Live) -> Result<Next, StoreError> {
    let (parts, now) = (live.current(), live.clock.now());
    let mut look: Option<Timestamp> = None;
    for (lane, due) in parts.store.waiting(now)? {
        let slot = if due > now { Err(Some(due)) } else { open(&lane, &parts, &live.slots, now) };
        match slot {
            Ok(slot) => {
                let until = now.saturating_add(LEASE_LIFE).unwrap_or(Timestamp::MAX);
                if let Some(lease) = parts.store.lease_in(&lane, now, until)? {
                    return Ok(Next::Work(Box::new(Begun { lease, slot, parts })));
                }
            }
            Err(until) => look = look.into_iter().chain(until).min(),
        }
    }
    Ok(Next::Nothing { look })
}

/// Does one step; one that panics or takes too long is settled as a failure, so that it is counted and seen.
async fn work(Begun { lease, slot, parts }: Begun) -> Result<(), StoreError> {
    // The history says which rules a step was done by, and what it said with both systems, however it ended.
    let lease = lease.under(&parts.rules);
    let spare = lease.spare();
    let (key, attempt) = (&lease.record.key, lease.record.attempt);
    let span = tracing::info_span!("step", record.key = %key, attempt, duration_ms = tracing::field::Empty);
    let mine = Arc::clone(&parts);
    let mut step = tokio::spawn(
        recorded(lease.recorder(), Arc::clone(&parts.clock), async move { deliver(lease, slot, &mine).await })
            .instrument(span),
    );
    let cause = match tokio::time::timeout(STEP_MAX, &mut step).await {
        Ok(Ok(settled)) => return settled,
        Ok(Err(_)) => "the step failed inside readypost; its log says where",
        Err(_) => {
            step.abort();
            // It must have stopped before somebody else may begin.
            let _ = step.await;
            "the step took longer than 4 minutes"
        }
    };
    tracing::error!(record.key = %spare.record.key, cause, "a step did not come to its end");
    let failure =
        Failure::Later { not_before: None, cause: cause.into(), blame: Blame::Record, intent: IntentFate::Keep };
    let attempts = Attempts { all: spare.record.attempt, faults: spare.record.faults };
    let now = parts.clock.now();
    parts.store.settle(spare, settle(Outcome::Failed(failure), attempts, now, &parts.policy), None, now).await
}

/// Works until `shutdown`, then lets the steps that were begun finish.
pub async fn run(live: Arc<Live>, shutdown: CancellationToken) {
    let steps = TaskTracker::new();
    let (mut changed, mut exchanged) = (live.store.changed(), live.exchanged());
    while !shutdown.is_cancelled() {
        changed.mark_unchanged();
        exchanged.mark_unchanged();
        let look = match next(&live) {
            Ok(Next::Work(begun)) => {
                steps.spawn(async move {
                    let key = begun.lease.record.key.clone();
                    if let Err(error) = work(*begun).await {
                        tracing::error!(record.key = %key, %error, "a step was not settled; it will be repeated");
                    }
                });
                continue;
            }
            Ok(Next::Nothing { look }) => look,
            Err(error) => {
                tracing::error!(%error, "no record can be leased");
                None
            }
        };
        let now = live.clock.now();
        let latest = now.saturating_add(LOOK_EVERY).unwrap_or(Timestamp::MAX);
        let soonest = now.saturating_add(SignedDuration::from_millis(5)).unwrap_or(now);
        let until = look.map_or(latest, |look| look.clamp(soonest, latest));
        tokio::select! {
            () = shutdown.cancelled() => {}
            _ = changed.changed() => {}
            _ = exchanged.changed() => {}
            () = live.slots.freed() => {}
            () = live.clock.sleep_until(until) => {}
        }
    }
    steps.close();
    // What is cut off here is durable as an intent, and taken up at the next start.
    if tokio::time::timeout(DRAIN_MAX, steps.wait()).await.is_err() {
        tracing::warn!(steps = steps.len(), "steps were cut off at shutdown");
    }
}
