//! Asks both systems at intervals, and when an operator wants it, for what nobody told of: callbacks and webhooks get
//! lost, and some changes have none.
//!
//! A sweep goes through one ConnectWise system and the Xero organisations that take its records: see `pass`. It only
//! hands records to the queue, so that whatever it gets wrong costs a look and nothing else.

mod callbacks;
mod lists;
mod pass;
mod payments;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use callbacks::{CallbackCheck, CallbackRow, check_callbacks, sync_callbacks};
pub use pass::{FoundRow, PassReport};

use super::parts::{Live, Parts};
use crate::domain::facts::MovementKind;
use crate::domain::record::ConnectionId;
use crate::remote::RemoteError;
use crate::store::StoreError;
use pass::{Memory, Part, Pass, Way};

/// The longest time for each part of the sweep of one connection.
const SWEEP_MAX: Duration = Duration::from_mins(5);
/// The longest wait without a look at what is configured.
const LOOK_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// Why a list was not taken in; what was accepted before stays accepted.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// ConnectWise did not give the list.
    #[error(transparent)]
    ConnectWise(#[from] RemoteError),
    /// The store did not take a record.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What sweeps share as long as the process lives.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    /// Of each connection: since when rows are listed; locked while it is swept.
    connections: Mutex<BTreeMap<ConnectionId, Arc<tokio::sync::Mutex<Memory>>>>,
    /// The sweep that an operator asked for last.
    asked: Mutex<Option<AskedSweep>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A sweep that an operator asked for, under way or ended.
#[derive(Clone, Debug)]
pub struct AskedSweep {
    /// Who.
    pub by: String,
    /// Nothing is changed.
    pub dry_run: bool,
    /// When it was asked for.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Connections that it goes through.
    pub connections: usize,
    /// What it is doing now.
    pub stage: String,
    /// Rows that were compared so far.
    pub rows: u32,
    /// What came out, of each connection that was gone through.
    pub reports: Vec<PassReport>,
}

impl Sweeps {
    fn memory(&self, connection: &ConnectionId) -> Arc<tokio::sync::Mutex<Memory>> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(connections.entry(connection.clone()).or_default())
    }

    fn asked(&self) -> MutexGuard<'_, Option<AskedSweep>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sweeps each connection when its time has come, until `shutdown`; at the start at once.
pub async fn run(live: Arc<Live>, shutdown: CancellationToken) {
    let (tasks, mut exchanged) = (live.sweeps.tasks.clone(), live.exchanged());
    let mut next: BTreeMap<ConnectionId, Timestamp> = BTreeMap::new();
    while !shutdown.is_cancelled() {
        exchanged.mark_unchanged();
        let (parts, now) = (live.current(), live.clock.now());
        let mut look = now.saturating_add(LOOK_EVERY).unwrap_or(Timestamp::MAX);
        for connection in parts.connections.keys() {
            let Some(every) = interval(connection, &parts) else { continue };
            let due = next.entry(connection.clone()).or_insert(now);
            if *due <= now {
                *due = now.saturating_add(every).unwrap_or(Timestamp::MAX);
                let (live, connection) = (Arc::clone(&live), connection.clone());
                // Apart, so that a slow connection keeps no other one waiting.
                tasks.spawn(async move {
                    let report = once(&live, &connection, &Way::act(None)).await;
                    if let Some(problem) = report.and_then(|report| report.result.problems.first().cloned()) {
                        tracing::warn!(%connection, %problem, "the sweep could not compare everything; it is tried again next time");
                    }
                });
            }
            look = look.min(*due);
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            _ = exchanged.changed() => {}
            () = live.clock.sleep_until(look) => {}
        }
    }
    live.sweeps.stop.cancel();
    tasks.close();
    // What is cut off here is swept again at the next start.
    let _ = tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await;
}

/// How often a connection is swept: as often as one of its companies wants; none = never.
fn interval(connection: &ConnectionId, parts: &Parts) -> Option<SignedDuration> {
    let ours = parts.companies.iter().filter(|company| company.connection == *connection);
    let minutes = ours.map(|company| company.rules.sweep_minutes).filter(|minutes| *minutes > 0).min()?;
    Some(SignedDuration::from_mins(i64::from(minutes)))
}

/// Sweeps every connection once.
///
/// # Errors
/// What could not be compared; the rest was compared all the same.
pub async fn sweep(live: &Live) -> Result<(), String> {
    sweep_within(SWEEP_MAX, live).await
}

/// The same, with this limit for each part of a connection.
///
/// # Errors
/// As there; a part that took longer, too.
pub async fn sweep_within(limit: Duration, live: &Live) -> Result<(), String> {
    let mut problems = Vec::new();
    for connection in live.current().connections.keys() {
        let report = once_within(limit, live, connection, &Way::act(None)).await;
        problems
            .extend(report.into_iter().flat_map(|report| report.result.problems).map(|problem| problem.to_string()));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

/// Begins a sweep of every connection because an operator asks for it; with `dry_run` nothing is changed.
///
/// # Errors
/// When the one that was asked for before is still under way, as it stands.
pub fn ask(live: &Arc<Live>, by: String, dry_run: bool) -> Result<Box<AskedSweep>, Box<AskedSweep>> {
    let connections: Vec<ConnectionId> = live.current().connections.keys().cloned().collect();
    let began = live.clock.now();
    let asked = AskedSweep {
        by: by.clone(),
        dry_run,
        began,
        ended: None,
        connections: connections.len(),
        stage: "waiting".to_owned(),
        rows: 0,
        reports: Vec::new(),
    };
    {
        let mut standing = live.sweeps.asked();
        if let Some(running) = standing.as_ref().filter(|running| running.ended.is_none()) {
            return Err(Box::new(running.clone()));
        }
        *standing = Some(asked.clone());
    }
    let (task, live) = (Arc::clone(live), Arc::clone(live));
    let going = async move {
        for connection in connections {
            let way = if dry_run { Way::dry(by.clone()) } else { Way::act(Some(by.clone())) };
            let report = once(&task, &connection, &way).await;
            if let Some(asked) = task.sweeps.asked().as_mut() {
                asked.reports.extend(report);
            }
        }
    };
    live.sweeps.tasks.clone().spawn(async move {
        let stage = to_its_end(going).await;
        let now = live.clock.now();
        if let Some(asked) = live.sweeps.asked().as_mut() {
            (asked.ended, asked.stage) = (Some(now), stage.to_owned());
        }
    });
    Ok(Box::new(asked))
}

/// How it ended: in a task of its own, so that a panic is an end, too, and the next one can be asked for.
async fn to_its_end(going: impl Future<Output = ()> + Send + 'static) -> &'static str {
    match tokio::spawn(going).await {
        Ok(()) => "ended",
        Err(_) => "it failed inside readypost; its log says where",
    }
}

/// The sweep that an operator asked for last, as it stands.
#[must_use]
pub fn asked(live: &Live) -> Option<AskedSweep> {
    live.sweeps.asked().clone()
}

/// One sweep of a connection, after whatever goes through it already; none when it is not in the configuration.
async fn once(live: &Live, connection: &ConnectionId, way: &Way) -> Option<PassReport> {
    once_within(SWEEP_MAX, live, connection, way).await
}

async fn once_within(limit: Duration, live: &Live, connection: &ConnectionId, way: &Way) -> Option<PassReport> {
    let memory = live.sweeps.memory(connection);
    let mut memory = memory.lock().await;
    let parts = live.current();
    let known = parts.connections.get(connection)?;
    let show = |stage: &str, rows: u32| {
        if way.by.is_some()
            && let Some(asked) = live.sweeps.asked().as_mut()
        {
            (asked.stage, asked.rows) = (format!("{connection}: {stage}"), rows);
        }
    };
    let mut pass = Pass::new(&parts, (connection, known), way, &mut memory).shown_by(&show);
    for part in Part::ALL {
        let cut = tokio::select! {
            biased;
            () = live.sweeps.stop.cancelled() => Some("readypost was stopped".to_owned()),
            ended = tokio::time::timeout(limit, pass.go(part)) => ended.is_err().then(|| part.took_longer(limit)),
        };
        if let Some(cause) = cut {
            pass.cut_off(&cause);
        }
    }
    Some(pass.end().await)
}

/// Takes in the adjustments and transfers that a ConnectWise system lists as unposted; gives how many were queued.
///
/// # Errors
/// When ConnectWise does not give the list, or the store takes no record; the next call takes in what this one has not.
pub async fn accept_movements(connection: &ConnectionId, parts: &Parts) -> Result<usize, ListError> {
    let Some(known) = parts.connections.get(connection) else { return Ok(0) };
    let (mut memory, way) = (Memory::default(), Way::act(None));
    let mut pass = Pass::new(parts, (connection, known), &way, &mut memory);
    for kind in [MovementKind::Adjustment, MovementKind::Transfer] {
        pass.movements(kind).await?;
    }
    Ok(pass.handed())
}

#[cfg(test)]
mod tests {
    use super::to_its_end;

    #[tokio::test]
    async fn a_sweep_that_panics_ends_all_the_same() {
        assert_eq!(to_its_end(async {}).await, "ended");
        let failed = to_its_end(async { panic!("boom") }).await;
        assert!(failed.contains("its log says where"), "{failed}");
    }
}
