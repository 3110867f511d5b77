//! The loop: wait, lease, deliver. It only waits; [`turn`] does one thing and is public for tests.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::deliver::deliver;
use super::parts::Parts;
use crate::domain::settle::{Attempts, Blame, Failure, IntentFate, Outcome, settle};
use crate::store::{Lease, StoreError};

/// Steps at the same time, over all companies; Xero itself takes 5 per organisation.
const STEPS_MAX: usize = 8;
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

/// Leases the record that has been due longest and does its step.
///
/// # Errors
/// When the store fails, or another worker took the record.
pub async fn turn(parts: &Arc<Parts>) -> Result<Turn, StoreError> {
    match lease(parts)? {
        None => Ok(Turn::Idle),
        Some(lease) => work(lease, parts).await.map(|()| Turn::Worked),
    }
}

fn lease(parts: &Parts) -> Result<Option<Lease>, StoreError> {
    let now = parts.clock.now();
    parts.store.lease(now, now.saturating_add(LEASE_LIFE).unwrap_or(Timestamp::MAX))
}

/// Does one step; one that panics or takes too long is settled as a failure, so that it is counted and seen.
async fn work(lease: Lease, parts: &Arc<Parts>) -> Result<(), StoreError> {
    let spare = lease.spare();
    let span = tracing::info_span!("step", record.key = %lease.record.key, attempt = lease.record.attempt);
    let mine = Arc::clone(parts);
    let mut step = tokio::spawn(async move { deliver(lease, &mine).await }.instrument(span));
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
pub async fn run(parts: Arc<Parts>, shutdown: CancellationToken) {
    let (slots, steps) = (Arc::new(Semaphore::new(STEPS_MAX)), TaskTracker::new());
    let mut changed = parts.store.changed();
    while !shutdown.is_cancelled() {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break };
        changed.mark_unchanged();
        match lease(&parts) {
            Ok(Some(lease)) => {
                let parts = Arc::clone(&parts);
                steps.spawn(async move {
                    if let Err(error) = work(lease, &parts).await {
                        tracing::error!(%error, "a step was not settled; it will be repeated");
                    }
                    drop(slot);
                });
                continue;
            }
            Ok(None) => drop(slot),
            Err(error) => {
                tracing::error!(%error, "no record can be leased");
                drop(slot);
            }
        }
        let now = parts.clock.now();
        let look = now.saturating_add(LOOK_EVERY).unwrap_or(Timestamp::MAX);
        let until = parts
            .store
            .next_due()
            .map_or(look, |due| due.clamp(now.saturating_add(SignedDuration::from_millis(5)).unwrap_or(now), look));
        tokio::select! {
            () = shutdown.cancelled() => {}
            _ = changed.changed() => {}
            () = parts.clock.sleep_until(until) => {}
        }
    }
    steps.close();
    // What is cut off here is durable as an intent, and taken up at the next start.
    if tokio::time::timeout(DRAIN_MAX, steps.wait()).await.is_err() {
        tracing::warn!(steps = steps.len(), "steps were cut off at shutdown");
    }
}
