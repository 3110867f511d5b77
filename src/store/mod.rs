//! The store: durable before acknowledged.
//!
//! The `journal` is the truth; `memory` holds what is queued and not yet indexed; the
//! `index` in sled answers questions about all records and is rebuilt from the journal whenever it
//! is missing, behind, stale or broken; `exchanges` holds what was said with both systems. One `writer` thread decides, journals, syncs once per
//! group, applies, and answers; one indexing thread follows it, and one that compresses closed segments.

mod activity;
pub mod audit;
mod compressor;
mod event;
mod exchanges;
mod fold;
mod head;
mod history;
mod incident;
mod index;
mod indexer;
mod journal;
mod lease;
mod listing;
mod local;
mod memory;
mod open;
mod page;
mod queue;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

pub use activity::{ADJUSTED_CENTS, Activity, Hour, TOOK_SECONDS};
pub use event::{Entry, Event, Exchanged, Pause, Rest};
pub use head::Head;
pub use history::Said;
pub use incident::Incident;
pub use journal::Position;
pub use lease::{ArmRequest, Armed, Lease};
pub use memory::{Company, Counts, Swept};
pub use page::{Filter, Issue, LIMIT_MAX, Page};
pub use queue::Lane;

use crate::clock::Clock;
use crate::domain::bulk::Kept;
use crate::domain::delivery::{About, Accepted, Actor, Decision, Record, Refused, Trigger};
use crate::domain::record::{CompanyId, ConnectionId, RecordKey};
use crate::domain::settle::Settlement;
use crate::domain::sweep::SweepStanding;

/// Why the store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot take anything now: its queue is full, or its disk failed. Nothing was stored.
    #[error("the store cannot take anything now: {0}")]
    Unavailable(String),
    /// What is on disk cannot be read.
    #[error("the store cannot be read: {0}")]
    Corrupt(String),
    /// Another worker has the record by now, or the lease ran out.
    #[error("the lease on the record was lost")]
    LeaseLost,
    /// Whoever asked for a page made up where it begins.
    #[error("the cursor is not one that a page before gave")]
    BadCursor,
}

/// Why an operator's decision was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such record.
    #[error("there is no such record")]
    Missing,
    /// Its state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether the store works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Good,
    /// A write, a sync or the index failed; nothing is stored any more and the process should restart.
    Poisoned(String),
}

/// What an operator asks of all records at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Records by state, holds by reason, open warnings.
    pub counts: Counts,
    /// When the record that has waited longest was due.
    pub oldest_due: Option<Timestamp>,
    /// Records in a worker's hands.
    pub leased: usize,
    /// When something was posted last, by company.
    pub last_posted: Vec<(CompanyId, Timestamp)>,
    /// What was posted in the hours gone by.
    pub activity: Activity,
    /// When a callback was last accepted, by connection.
    pub last_callback: Vec<(ConnectionId, Timestamp)>,
    /// What is known of sweeps, by connection.
    pub sweeps: Vec<(ConnectionId, SweepStanding)>,
    /// Entries in the journal.
    pub entries: u64,
    /// The last entry of the journal.
    pub head: Head,
}

/// Durable, deduplicated, leased records.
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync {
    /// Stores that a record may need work; durable when it returns.
    async fn accept(&self, key: &RecordKey, trigger: Trigger, now: Timestamp) -> Result<Accepted, StoreError>;

    /// The lanes in which records wait, with when the first that nobody works on is due; the earliest first.
    fn waiting(&self, now: Timestamp) -> Result<Vec<(Lane, Timestamp)>, StoreError>;

    /// Gives the record of a lane that has been due longest to one worker until `until`.
    fn lease_in(&self, lane: &Lane, now: Timestamp, until: Timestamp) -> Result<Option<Lease>, StoreError>;

    /// The same over all lanes.
    fn lease(&self, now: Timestamp, until: Timestamp) -> Result<Option<Lease>, StoreError> {
        for (lane, _) in self.waiting(now)?.into_iter().take_while(|(_, due)| *due <= now) {
            if let Some(lease) = self.lease_in(&lane, now, until)? {
                return Ok(Some(lease));
            }
        }
        Ok(None)
    }

    /// Makes the intent to send a request durable; the only way to an [`Armed`].
    async fn arm(&self, lease: Lease, request: ArmRequest, now: Timestamp) -> Result<Armed, StoreError>;

    /// Notes that a contact is about to be created for a record.
    async fn creating_contact(&self, lease: &Lease, name: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Ends a lease with what happens next.
    async fn settle(
        &self,
        lease: Lease,
        settlement: Settlement,
        about: Option<About>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Carries out an operator's decision and returns the record as it is then.
    async fn resolve(
        &self,
        key: &RecordKey,
        decision: Decision,
        actor: Actor,
        now: Timestamp,
    ) -> Result<Record, ResolveError>;

    /// One record.
    async fn record(&self, key: &RecordKey) -> Result<Option<Record>, StoreError>;

    /// Records, newest first within a state, and where the next page begins.
    async fn records(&self, filter: Filter) -> Result<Page, StoreError>;

    /// What records wait for, those first that the most wait for, and whether those are all.
    async fn issues(&self) -> Result<(Vec<Issue>, bool), StoreError>;

    /// The last entries about a record, oldest first, at most `limit`.
    async fn history(&self, key: &RecordKey, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// What was said with both systems about a record, by its last `limit` entries, oldest first.
    async fn said(&self, key: &RecordKey, limit: usize) -> Result<Vec<Said>, StoreError>;

    /// Takes away exchanges that are older than the age rule says; how many files.
    async fn expire(&self, now: Timestamp) -> Result<usize, StoreError>;

    /// Counts and times.
    fn overview(&self) -> Overview;

    /// When the next record is due.
    fn next_due(&self) -> Option<Timestamp> {
        self.waiting(Timestamp::MIN).ok()?.first().map(|(_, due)| *due)
    }

    /// Records closed before this instant may have been posted without this store knowing.
    fn trusted_since(&self) -> Timestamp;

    /// What happened to the store that a person should know of.
    fn incidents(&self) -> Vec<Incident>;

    /// What is known of a Xero organisation, but for its contacts.
    fn company(&self, company: &CompanyId) -> Company;

    /// The last decisions about many records, oldest first.
    fn bulks(&self) -> Vec<Kept>;

    /// The Xero contact of a ConnectWise company.
    fn contact(&self, company: &CompanyId, client: i64) -> Option<Uuid>;

    /// Stores an event that is about no record: links, rests, pauses, tokens, bulks.
    async fn note(&self, event: Event, now: Timestamp) -> Result<(), StoreError>;

    /// Changes whenever something was applied; subscribe before looking.
    fn changed(&self) -> watch::Receiver<u64>;

    /// Whether the store works.
    fn health(&self) -> watch::Receiver<Health>;

    /// Stores what was asked so far, refuses more, and makes the index durable.
    async fn close(&self);
}

/// The form of the journal and the index. A version that writes what the one before would misread, or not read at all,
/// raises it by one; then the one before refuses the folder at its start instead of finding out in the middle.
pub const FORM: u32 = 2;

/// What may be chosen when a store is opened. The service keeps to the defaults; tests need them smaller.
#[derive(Clone, Debug)]
pub struct Options {
    /// A new segment of the journal is begun when the current one is longer than this, in bytes.
    pub segment_bytes: u64,
    /// Rows that are kept in memory before they are written to the index while it is rebuilt.
    pub rebuild_rows: usize,
    /// Exchanges are kept for so many days; 0 = for ever.
    pub exchanges_days: u32,
    /// What the journal says of the configuration that the store is opened with.
    pub configured: Option<Event>,
}

impl Default for Options {
    fn default() -> Self {
        let (segment_bytes, rebuild_rows) = (journal::SEGMENT_BYTES, 10_000);
        Self { segment_bytes, rebuild_rows, exchanges_days: 0, configured: None }
    }
}

/// Opens the store in a folder: the one place where the kind of store is chosen.
///
/// # Errors
/// When the folder is in use, cannot be read or written, or holds a journal of a newer version.
pub fn open(path: &Path, clock: &dyn Clock) -> Result<Arc<dyn Store>, StoreError> {
    open_with(path, clock, Options::default())
}

/// The same with other sizes.
///
/// # Errors
/// As [`open()`].
pub fn open_with(path: &Path, clock: &dyn Clock, options: Options) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(local::LocalStore::open(path, clock, options)?))
}
