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
use crate::store::{Lease, StoreError};

/// Steps at the same time, over all companies; Xero itself takes 5 per organisation.
const STEPS_MAX: usize = 8;
/// The longest step; its lease lives longer, so a step is never done by two workers.
const STEP_MAX: Duration = Duration::from_mins(4);
const LEASE_LIFE: SignedDuration = SignedDuration::from_secs(300);
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
pub async fn turn(parts: &Parts) -> Result<Turn, StoreError> {
    match lease(parts)? {
        None => Ok(Turn::Idle),
        Some(lease) => work(lease, parts).await.map(|()| Turn::Worked),
    }
}

fn lease(parts: &Parts) -> Result<Option<Lease>, StoreError> {
    let now = parts.clock.now();
    parts.store.lease(now, now.saturating_add(LEASE_LIFE).unwrap_or(Timestamp::MAX))
}

async fn work(lease: Lease, parts: &Parts) -> Result<(), StoreError> {
    let span = tracing::info_span!("step", record.key = %lease.record.key, attempt = lease.record.attempt);
    let step = tokio::time::timeout(STEP_MAX, deliver(lease, parts)).instrument(span).await;
    // A step that took too long keeps its lease until that runs out; its intent is durable.
    step.unwrap_or(Err(StoreError::LeaseLost))
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
    steps.wait().await;
}
