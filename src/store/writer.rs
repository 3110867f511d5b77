//! The writer thread: the only one that changes the state.
//!
//! It takes what waits (bounded), decides each command against the state and the commands before it in
//! the group, writes and syncs the group once, applies it, and only then answers anybody. After a failed
//! write or sync nothing is tried again: the store is poisoned and every answer is `Unavailable`.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::event::{Entry, Event};
use super::fold::{self, Folded};
use super::journal::Journal;
use super::local::Shared;
use super::memory::Row;
use super::{ResolveError, StoreError};
use crate::domain::delivery::{Accepted, Record};
use crate::domain::record::RecordKey;

/// Commands per group.
const GROUP_MAX: usize = 512;
/// Rows that may wait for the index before the writer waits too.
const UNINDEXED_MAX: usize = 20_000;

/// Whom to tell.
pub(super) type Answer = oneshot::Sender<Result<Done, ResolveError>>;

/// Something to be journalled, and whom to tell.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) event: Event,
    pub(super) at: Timestamp,
    /// The lease it needs.
    pub(super) fence: Option<u64>,
    /// The lease ends with it.
    pub(super) releases: bool,
    pub(super) answer: Answer,
}

/// What became of a command.
#[derive(Debug)]
pub(super) enum Done {
    Accepted(Accepted),
    Changed(Box<Record>),
    Noted,
}

/// What a group will change once it is durable.
#[derive(Default)]
struct Group {
    rows: HashMap<RecordKey, Arc<Row>>,
    changes: Vec<(Option<Arc<Row>>, Arc<Row>)>,
    surroundings: Vec<Entry>,
    released: Vec<RecordKey>,
    answers: Vec<(Answer, Result<Done, ResolveError>)>,
}

/// Runs until the channel is closed and empty.
pub(super) fn run(mut journal: Journal, shared: &Shared, mut commands: mpsc::Receiver<Command>) {
    while let Some(first) = commands.blocking_recv() {
        let mut group = Group::default();
        group.decide(first, &mut journal, shared);
        while group.answers.len() < GROUP_MAX {
            let Ok(command) = commands.try_recv() else { break };
            group.decide(command, &mut journal, shared);
        }
        let failed = if shared.works() {
            journal.sync().err().map(|error| error.to_string())
        } else {
            Some("it failed before".to_owned())
        };
        if let Some(cause) = failed {
            shared.poison(&format!("the journal cannot be written: {cause}"));
            for (answer, _) in group.answers {
                let _ = answer.send(Err(StoreError::Unavailable(cause.clone()).into()));
            }
            continue;
        }
        apply(&mut group, &journal, shared);
        for (answer, outcome) in group.answers {
            // Whoever asked may have gone; what was asked is stored all the same.
            let _ = answer.send(outcome);
        }
    }
}

impl Group {
    fn decide(&mut self, command: Command, journal: &mut Journal, shared: &Shared) {
        let Command { event, at, fence, releases, answer } = command;
        if !shared.works() {
            // Nothing is written any more, so nothing is gathered for writing either.
            let refused = StoreError::Unavailable("it failed before".to_owned());
            self.answers.push((answer, Err(refused.into())));
            return;
        }
        let entry = Entry { at, before: None, event };
        let outcome = match entry.event.key().cloned() {
            None => append(&entry, journal).map(|_| {
                self.surroundings.push(entry);
                Done::Noted
            }),
            Some(key) if fence.is_some_and(|fence| self.released.contains(&key) || !shared.holds(&key, fence)) => {
                Err(StoreError::LeaseLost.into())
            }
            Some(key) => {
                let outcome = self.change(&key, entry, journal, shared);
                // A worker that is refused gives the record back, too: it stops.
                if releases || (fence.is_some() && matches!(outcome, Err(ResolveError::Refused(_)))) {
                    self.released.push(key);
                }
                outcome
            }
        };
        self.answers.push((answer, outcome));
    }

    fn change(
        &mut self,
        key: &RecordKey,
        mut entry: Entry,
        journal: &mut Journal,
        shared: &Shared,
    ) -> Result<Done, ResolveError> {
        let current = match self.rows.get(key) {
            Some(row) => Some(Arc::clone(row)),
            None => shared.row(key)?,
        };
        let sequence = journal.last().sequence.saturating_add(1);
        let (record, accepted) = match fold::record(current.as_deref(), &entry, sequence) {
            Folded::Changed(record, accepted) => (record, accepted),
            Folded::Duplicate => return Ok(Done::Accepted(Accepted::Duplicate)),
            Folded::Refused(refused) => return Err(refused.into()),
            Folded::Missing => return Err(ResolveError::Missing),
        };
        entry.before = current.as_ref().map(|row| row.last);
        let (position, sequence) = append(&entry, journal)?;
        let done = accepted.map_or_else(|| Done::Changed(record.clone()), Done::Accepted);
        let row = Arc::new(fold::row(*record, sequence, position, current.is_none()));
        self.rows.insert(key.clone(), Arc::clone(&row));
        self.changes.push((current, row));
        if accepted.is_some() || entry.event.bulk().is_some() {
            self.surroundings.push(entry);
        }
        Ok(done)
    }
}

fn append(entry: &Entry, journal: &mut Journal) -> Result<(super::Position, u64), ResolveError> {
    let payload = serde_json::to_vec(entry).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    Ok(journal.append(&payload).map_err(|error| StoreError::Unavailable(error.to_string()))?)
}

fn apply(group: &mut Group, journal: &Journal, shared: &Shared) {
    let mut memory = shared.memory();
    for (old, new) in group.changes.drain(..) {
        memory.put(old.as_deref(), new);
    }
    for entry in &group.surroundings {
        fold::surroundings(&mut memory, entry);
    }
    for key in &group.released {
        memory.leases.remove(key);
    }
    memory.applied = Some((journal.last(), journal.end()));
    shared.work.notify_one();
    while memory.recent.len() > UNINDEXED_MAX && shared.works() {
        memory = shared.wait_for_index(memory);
    }
    drop(memory);
    shared.changed.send_modify(|version| *version = version.wrapping_add(1));
}
