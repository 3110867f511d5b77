//! The store on the local disk: journal, memory and index put together.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::mpsc::error::{SendTimeoutError, TrySendError};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use super::event::{Entry, Event, Exchanged};
use super::exchanges::Keep;
use super::index::{Found, Index, IndexError};
use super::lease::{ArmRequest, Armed, Lease};
use super::memory::{Company, Holder, Memory, Row};
use super::open::BROKEN;
use super::page::{Filter, Issue, Page};
use super::queue::Lane;
use super::writer::{self, Command, Done};
use super::{
    Health, Incident, Options, Overview, ResolveError, Said, Store, StoreError, compressor, exchanges, history,
    incident, indexer, listing, open,
};
use crate::clock::Clock;
use crate::domain::bulk::Kept;
use crate::domain::delivery::{About, Accepted, Actor, Decision, Record, StateName, Trigger};
use crate::domain::exchange::Recorder;
use crate::domain::record::{CompanyId, RecordKey};
use crate::domain::settle::Settlement;

/// Commands that may wait for the writer; more are refused, which is a 429 at the door.
const QUEUE_MAX: usize = 4096;
/// How long everything but the door waits for a place in the queue.
const PATIENCE: Duration = Duration::from_secs(30);
/// Steps whose exchanges may wait for the disk.
const EXCHANGES_MAX: usize = 256;
/// How long closing waits for the threads, together.
const CLOSE_MAX: Duration = Duration::from_secs(20);
/// How often those who wait for the index look whether the store still works.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What the threads of one store share.
#[derive(Debug)]
pub(super) struct Shared {
    memory: Mutex<Memory>,
    pub(super) index: Index,
    folder: PathBuf,
    /// Tells the indexing thread that there is work.
    pub(super) work: Condvar,
    /// Tells it that somebody waits for what it has.
    pub(super) hurry: Condvar,
    /// Tells everybody that the index has caught up with what it was given.
    pub(super) indexed: Condvar,
    pub(super) changed: watch::Sender<u64>,
    pub(super) health: watch::Sender<Health>,
}

impl Shared {
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn works(&self) -> bool {
        *self.health.borrow() == Health::Good
    }

    /// Whether a thread panicked while it changed the memory, which may be half changed then.
    pub(super) fn memory_is_torn(&self) -> bool {
        self.memory.is_poisoned()
    }

    /// Waits for the index. Health is not under the lock, so its change may be missed: hence not for ever.
    pub(super) fn wait_for_index<'memory>(
        &self,
        mut memory: MutexGuard<'memory, Memory>,
    ) -> MutexGuard<'memory, Memory> {
        memory.awaited = true;
        self.hurry.notify_one();
        self.indexed.wait_timeout(memory, LOOK_EVERY).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Nothing is stored any more; the first cause is kept.
    pub(super) fn poison(&self, cause: &str) {
        let fresh = self.health.send_if_modified(|health| {
            let good = *health == Health::Good;
            if good {
                *health = Health::Poisoned(cause.to_owned());
            }
            good
        });
        if fresh {
            tracing::error!(cause, "the store failed; nothing more is accepted");
        }
        self.indexed.notify_all();
    }

    /// Whether the lease still stands.
    pub(super) fn holds(&self, key: &RecordKey, fence: u64) -> bool {
        self.memory().leases.get(key).is_some_and(|holder| holder.fence == fence)
    }

    /// The latest version of a row.
    pub(super) fn row(&self, key: &RecordKey) -> Result<Option<Arc<Row>>, StoreError> {
        // The lock is held over the index's answer, so that a row cannot slip past between the two, but not while
        // the journal is read.
        let memory = self.memory();
        if let Some(row) = memory.newer_than_index(key) {
            return Ok(Some(row));
        }
        let found = self.index.find(key);
        drop(memory);
        let row = match found {
            Ok(Some(Found::Row(row))) => Ok(Some(*row)),
            Ok(Some(Found::First(place))) => self.index.first(key, place).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        Ok(row.map_err(|error| self.index_failed(&error))?.map(Arc::new))
    }

    /// The same under the lock, for those who change the memory by what they find.
    fn row_in(&self, memory: &MutexGuard<'_, Memory>, key: &RecordKey) -> Result<Option<Arc<Row>>, StoreError> {
        match memory.newer_than_index(key) {
            Some(row) => Ok(Some(row)),
            None => Ok(self.index.row(key).map_err(|error| self.index_failed(&error))?.map(Arc::new)),
        }
    }

    /// Drops leases that ran out on records which nobody will lease again, for example because they were skipped.
    fn forget_ended(&self, memory: &mut MutexGuard<'_, Memory>, now: Timestamp) -> Result<(), StoreError> {
        let ended = memory.leases.iter().filter(|(_, holder)| holder.until <= now);
        let ended: Vec<RecordKey> = ended.map(|(key, _)| key.clone()).collect();
        for key in ended {
            let row = self.row_in(memory, &key)?;
            if row.is_none_or(|row| row.record.state.name() != StateName::Queued) {
                memory.leases.remove(&key);
            }
        }
        Ok(())
    }

    /// The index cannot be used any more: the process ends, and the next one rebuilds it. Where only a file cannot be
    /// opened now, the store goes on.
    pub(super) fn index_failed(&self, error: &IndexError) -> StoreError {
        if matches!(error, IndexError::Busy(_)) {
            return StoreError::Unavailable(error.to_string());
        }
        if let Err(unwritten) = std::fs::write(self.folder.join(BROKEN), error.to_string()) {
            tracing::error!(%unwritten, "the broken index could not be marked; remove its folder by hand");
        }
        self.poison(&format!("the index failed: {error}"));
        StoreError::Unavailable(format!("the index failed: {error}"))
    }
}

pub(super) fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

fn full() -> StoreError {
    StoreError::Unavailable("its queue is full".to_owned())
}

fn stopped() -> StoreError {
    StoreError::Unavailable("its writer has stopped".to_owned())
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    thread.map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// Of the index thread, from 0 to 19: it gives way to whoever answers a callback, and still gets a tenth of a core
/// when all are busy, because pages and in the end the writer wait for it.
const INDEX_NICENESS: i32 = 10;
/// Of the compressing thread, for which nobody waits.
const COMPRESS_NICENESS: i32 = 19;

/// A thread that gives way to others.
fn spawn_nice(
    name: &'static str,
    niceness: i32,
    body: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreError> {
    spawn(name, move || {
        // Only on Linux a priority is a thread's own; threads that it begins inherit it.
        if cfg!(target_os = "linux")
            && let Err(error) = rustix::process::setpriority_process(None, niceness)
        {
            tracing::debug!(%error, name, "a thread keeps its priority");
        }
        body();
    })
}

/// A thread that panicked must not leave a store behind that looks healthy and does nothing.
fn guarded(name: &str, shared: &Shared, body: impl FnOnce()) {
    if std::panic::catch_unwind(AssertUnwindSafe(body)).is_err() {
        shared.poison(&format!("its {name} thread panicked"));
    }
}

/// Waits for a thread, but not for ever: a disk that hangs must not keep the process from ending.
fn join(thread: JoinHandle<()>, at_most: Duration) {
    let begun = std::time::Instant::now();
    while !thread.is_finished() {
        if begun.elapsed() > at_most {
            let name = thread.thread().name().unwrap_or_default();
            tracing::error!(name, "a thread of the store does not end; what it had not answered may not be stored");
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // A panic was reported when it happened.
    let _ = thread.join();
}

/// Journal and sled index in one folder.
#[derive(Debug)]
pub(super) struct LocalStore {
    shared: Arc<Shared>,
    commands: Mutex<Option<mpsc::Sender<Command>>>,
    exchanges: Mutex<Option<mpsc::Sender<Keep>>>,
    exchanges_days: u32,
    threads: Mutex<Vec<JoinHandle<()>>>,
    _lock: Arc<std::fs::File>,
}

impl LocalStore {
    pub(super) fn open(path: &Path, clock: &dyn Clock, options: Options) -> Result<Self, StoreError> {
        let exchanges_days = options.exchanges_days;
        let opened = open::open(path, clock, options)?;
        let shared = Arc::new(Shared {
            memory: Mutex::new(opened.memory),
            index: opened.index,
            folder: path.to_owned(),
            work: Condvar::new(),
            hurry: Condvar::new(),
            indexed: Condvar::new(),
            changed: watch::Sender::new(0),
            health: watch::Sender::new(Health::Good),
        });
        let (commands, waiting) = mpsc::channel(QUEUE_MAX);
        let (for_writer, for_indexer) = (Arc::clone(&shared), Arc::clone(&shared));
        let journal = opened.journal;
        let writer = spawn("journal", move || {
            guarded("journal", &for_writer, || writer::run(journal, &for_writer, waiting));
            for_writer.memory().closing = true;
            for_writer.work.notify_all();
            for_writer.hurry.notify_all();
        })?;
        let indexer =
            spawn_nice("index", INDEX_NICENESS, move || guarded("index", &for_indexer, || indexer::run(&for_indexer)))?;
        let (directory, closed, lock) = (path.join("journal"), opened.closed, Arc::downgrade(&opened.lock));
        // Not guarded: nothing needs it, so it may even panic without harm to the store.
        let compressor = spawn_nice("compress", COMPRESS_NICENESS, move || compressor::run(&directory, closed, &lock))?;
        let (keeps, kept) = mpsc::channel(EXCHANGES_MAX);
        let (for_keeper, folder) = (Arc::clone(&shared), path.join(exchanges::FOLDER));
        let keeper = spawn("exchanges", move || {
            guarded("exchanges", &for_keeper, || exchanges::run(&folder, &for_keeper, kept));
        })?;
        let threads = Mutex::new(vec![keeper, writer, indexer, compressor]);
        let (commands, exchanges) = (Mutex::new(Some(commands)), Mutex::new(Some(keeps)));
        Ok(Self { shared, commands, exchanges, exchanges_days, threads, _lock: opened.lock })
    }

    async fn submit(&self, event: Event, at: Timestamp, lease: Option<(u64, bool)>) -> Result<Done, ResolveError> {
        let (answer, outcome) = oneshot::channel();
        let command = Command {
            event,
            at,
            fence: lease.map(|(fence, _)| fence),
            releases: lease.is_some_and(|(_, ends)| ends),
            answer,
        };
        let sender = self.commands.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sender = sender.ok_or_else(|| StoreError::Unavailable("it is closed".to_owned()))?;
        if matches!(command.event, Event::Accepted { .. }) {
            // ConnectWise sends a refused callback again, and the sweep finds what it does not.
            sender.try_send(command).map_err(|error| match error {
                TrySendError::Full(_) => full(),
                TrySendError::Closed(_) => stopped(),
            })?;
        } else {
            // The outcome of a call to Xero must not be lost because the door is flooded; places are given in turn.
            sender.send_timeout(command, PATIENCE).await.map_err(|error| match error {
                SendTimeoutError::Timeout(_) => full(),
                SendTimeoutError::Closed(_) => stopped(),
            })?;
        }
        outcome.await.map_err(|_| stopped())?
    }

    /// Makes durable what a step has said so far; the entry that names it comes after it.
    async fn keep(&self, recorder: &Recorder, at: Timestamp) -> Result<Option<Exchanged>, StoreError> {
        let exchanges = recorder.take();
        if exchanges.is_empty() {
            return Ok(None);
        }
        let (answer, place) = oneshot::channel();
        let sender = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sender = sender.ok_or_else(|| StoreError::Unavailable("it is closed".to_owned()))?;
        sender.send_timeout(Keep { exchanges, at, answer }, PATIENCE).await.map_err(|_| full())?;
        place.await.map_err(|_| stopped())?.map(Some)
    }

    async fn submit_plainly(
        &self,
        event: Event,
        at: Timestamp,
        lease: Option<(u64, bool)>,
    ) -> Result<Done, StoreError> {
        self.submit(event, at, lease).await.map_err(|error| match error {
            ResolveError::Store(error) => error,
            // An operator stopped the record while a worker had it.
            ResolveError::Refused(_) => StoreError::LeaseLost,
            ResolveError::Missing => StoreError::Corrupt("the record is gone".to_owned()),
        })
    }
}

#[async_trait]
impl Store for LocalStore {
    async fn accept(&self, key: &RecordKey, trigger: Trigger, now: Timestamp) -> Result<Accepted, StoreError> {
        match self.submit_plainly(Event::Accepted { key: key.clone(), trigger }, now, None).await? {
            Done::Accepted(accepted) => Ok(accepted),
            other => Err(corrupt(format!("{other:?}"))),
        }
    }

    fn waiting(&self, now: Timestamp) -> Result<Vec<(Lane, Timestamp)>, StoreError> {
        let mut memory = self.shared.memory();
        self.shared.forget_ended(&mut memory, now)?;
        Ok(memory.queue.waiting(|key| memory.is_free(key, now)))
    }

    fn lease_in(&self, lane: &Lane, now: Timestamp, until: Timestamp) -> Result<Option<Lease>, StoreError> {
        let mut memory = self.shared.memory();
        let due = memory.queue.first(lane, now, |key| memory.is_free(key, now));
        let Some(key) = due.cloned() else { return Ok(None) };
        let row = self.shared.row_in(&memory, &key)?;
        let row = row.ok_or_else(|| corrupt(format!("{key} is queued but not there")))?;
        memory.fence = memory.fence.saturating_add(1);
        let fence = memory.fence;
        memory.leases.insert(key, Holder { fence, until });
        let recorder = Recorder::default();
        Ok(Some(Lease { record: row.record.clone(), until, fence, recorder, rules: None }))
    }

    async fn arm(&self, lease: Lease, request: ArmRequest, now: Timestamp) -> Result<Armed, StoreError> {
        let ArmRequest { intent, about, body } = request.clone();
        let (key, rules) = (lease.record.key.clone(), lease.rules.clone());
        let exchanges = self.keep(&lease.recorder, now).await?;
        let event = Event::Armed { key, intent, about, body, rules, exchanges };
        self.submit_plainly(event, now, Some((lease.fence, false))).await?;
        Ok(Armed { lease, request })
    }

    async fn creating_contact(&self, lease: &Lease, name: &str, now: Timestamp) -> Result<(), StoreError> {
        let event = Event::CreatingContact { key: lease.record.key.clone(), name: name.to_owned() };
        self.submit_plainly(event, now, Some((lease.fence, false))).await.map(drop)
    }

    async fn settle(
        &self,
        lease: Lease,
        settlement: Settlement,
        about: Option<About>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let exchanges = self.keep(&lease.recorder, now).await?;
        let (key, seen, rules) = (lease.record.key.clone(), lease.record.triggered, lease.rules);
        let event = Event::Settled { key, settlement, about, seen, rules, exchanges };
        self.submit_plainly(event, now, Some((lease.fence, true))).await.map(drop)
    }

    async fn resolve(
        &self,
        key: &RecordKey,
        decision: Decision,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Record, ResolveError> {
        match self.submit(Event::Resolved { key: key.clone(), decision, actor }, now, None).await? {
            Done::Changed(record) => Ok(*record),
            other => Err(corrupt(format!("{other:?}")).into()),
        }
    }

    async fn record(&self, key: &RecordKey) -> Result<Option<Record>, StoreError> {
        Ok(self.shared.row(key)?.map(|row| row.record.clone()))
    }

    async fn records(&self, filter: Filter) -> Result<Page, StoreError> {
        listing::list(Arc::clone(&self.shared), filter).await
    }

    async fn issues(&self) -> Result<(Vec<Issue>, bool), StoreError> {
        listing::issues(Arc::clone(&self.shared)).await
    }

    async fn history(&self, key: &RecordKey, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let Some(row) = self.shared.row(key)? else { return Ok(Vec::new()) };
        let (directory, key) = (self.shared.folder.join("journal"), key.clone());
        tokio::task::spawn_blocking(move || history::walk(&directory, &key, row.last, limit)).await.map_err(corrupt)
    }

    async fn said(&self, key: &RecordKey, limit: usize) -> Result<Vec<Said>, StoreError> {
        let (entries, folder) = (self.history(key, limit).await?, self.shared.folder.clone());
        tokio::task::spawn_blocking(move || history::said(&folder, &entries)).await.map_err(corrupt)
    }

    async fn expire(&self, now: Timestamp) -> Result<usize, StoreError> {
        let unavailable = |error: std::io::Error| StoreError::Unavailable(error.to_string());
        let folder = self.shared.folder.join(exchanges::FOLDER);
        let Some((files, before)) = exchanges::expired(&folder, self.exchanges_days, now).map_err(unavailable)? else {
            return Ok(0);
        };
        // The entry comes first: a file that is missing without one was taken away by somebody else.
        self.note(Event::ExchangesRemoved { files: files.clone(), before }, now).await?;
        exchanges::remove(&folder, &files).map_err(unavailable)?;
        Ok(files.len())
    }

    fn overview(&self) -> Overview {
        self.shared.memory().overview()
    }

    fn trusted_since(&self) -> Timestamp {
        self.shared.memory().totals.trusted_since.unwrap_or(Timestamp::MAX)
    }

    fn incidents(&self) -> Vec<Incident> {
        let gaps = incident::gaps(&self.shared.memory().totals);
        incident::set_aside(&self.shared.folder).into_iter().chain(gaps).collect()
    }

    fn company(&self, company: &CompanyId) -> Company {
        self.shared.memory().companies.get(company).map(Company::without_contacts).unwrap_or_default()
    }

    fn bulks(&self) -> Vec<Kept> {
        self.shared.memory().bulks.all().to_vec()
    }

    fn contact(&self, company: &CompanyId, client: i64) -> Option<Uuid> {
        self.shared.memory().companies.get(company).and_then(|company| company.contacts.get(&client)).copied()
    }

    async fn note(&self, event: Event, now: Timestamp) -> Result<(), StoreError> {
        self.submit_plainly(event, now, None).await.map(drop)
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    async fn close(&self) {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).take();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        let begun = std::time::Instant::now();
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                join(thread, CLOSE_MAX.saturating_sub(begun.elapsed()));
            }
        });
        // Only a runtime that ends meanwhile cancels it.
        let _ = joined.await;
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::clock::ManualClock;

    fn key(id: u64) -> RecordKey {
        format!("acme/invoice/{id}").parse().unwrap()
    }

    #[tokio::test]
    async fn a_thread_that_panics_poisons_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let store =
            LocalStore::open(folder.path(), &ManualClock::new(Timestamp::UNIX_EPOCH), Options::default()).unwrap();
        guarded("index", &store.shared, || panic!("of the test"));
        assert!(matches!(&*store.health().borrow(), Health::Poisoned(cause) if cause.contains("index")));
        let refused = store.accept(&key(1), Trigger::Operator { name: "o".to_owned() }, Timestamp::UNIX_EPOCH).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))));
        assert!(store.records(Filter::default()).await.unwrap().records.is_empty());
        store.close().await;
    }

    #[tokio::test]
    async fn the_door_is_refused_when_the_queue_is_full_and_a_worker_waits() {
        let folder = tempfile::tempdir().unwrap();
        let (at, later) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let store = LocalStore::open(folder.path(), &ManualClock::new(at), Options::default()).unwrap();
        store.accept(&key(0), Trigger::Operator { name: "o".to_owned() }, at).await.unwrap();
        let lease = store.lease(at, later).unwrap().unwrap();
        let settlement = Settlement::Skip { reason: crate::domain::hold::SkipReason::Deleted };
        let mut settled = std::pin::pin!(store.settle(lease, settlement, None, at));
        let mut context = Context::from_waker(Waker::noop());
        {
            // The writer needs the memory, so nothing leaves the queue meanwhile but the one command it has taken.
            let _memory = store.shared.memory();
            let commands = store.commands.lock().unwrap().clone().unwrap();
            let mut refused = 0;
            while refused < 3 {
                let (answer, _) = oneshot::channel();
                let event = Event::Accepted { key: key(1), trigger: Trigger::Operator { name: "o".to_owned() } };
                let full = commands.try_send(Command { event, at, fence: None, releases: false, answer }).is_err();
                refused = if full { refused + 1 } else { 0 };
                std::thread::sleep(Duration::from_millis(if full { 5 } else { 0 }));
            }
            let other = key(2);
            let mut accepted = std::pin::pin!(store.accept(&other, Trigger::Operator { name: "o".to_owned() }, at));
            assert_eq!(accepted.as_mut().poll(&mut context), Poll::Ready(Err(full())));
            assert!(settled.as_mut().poll(&mut context).is_pending());
        }
        settled.await.unwrap();
        store.close().await;
    }
}
