//! The part of the state that is kept in memory: what is queued, leased, counted, and not yet indexed.
//!
//! It is bounded by the number of queued records, contacts and companies, not by the number of all records.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::activity::Activity;
use super::event::{Pause, Rest};
use super::journal::{Link, Position};
use super::queue::Queue;
use super::{Head, Overview};
use crate::domain::bulk::Bulks;
use crate::domain::delivery::{Record, State, StateName, Sweep};
use crate::domain::record::{CompanyId, ConnectionId, RecordKey, RecordKind};
use crate::domain::sweep::SweepStanding;

/// A record with its place in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Sequence of its last entry.
    pub(crate) sequence: u64,
    /// Where that entry lies.
    pub(crate) last: Position,
    pub(crate) record: Record,
    /// Whether that entry is its only one, and says all that the row says.
    #[serde(skip)]
    pub(crate) first: bool,
}

/// How far a list of changes was gone through, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// How far: what that is depends on the list.
    pub mark: i64,
    /// When.
    pub at: Timestamp,
}

/// What is known of one Xero organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Company {
    /// Set while nothing can be posted.
    #[serde(default, rename = "pause", skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
    /// What operators let not be posted, at most once for each kind and once for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<Pause>,
    /// How far lists of changes were gone through.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub swept: BTreeMap<Sweep, Swept>,
    /// The last refresh token, encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// When it was received; none of one that an older version received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_at: Option<Timestamp>,
    /// Contacts by ConnectWise company id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) contacts: BTreeMap<i64, Uuid>,
}

impl Company {
    /// All but its contacts, which may be thousands.
    pub(crate) fn without_contacts(&self) -> Self {
        let Self { rest, pauses, swept, token, token_at, contacts: _ } = self;
        let (rest, pauses, swept, token) = (rest.clone(), pauses.clone(), swept.clone(), token.clone());
        Self { rest, pauses, swept, token, token_at: *token_at, contacts: BTreeMap::new() }
    }

    /// The pause that stops records of a kind.
    #[must_use]
    pub fn paused(&self, kind: RecordKind) -> Option<&Pause> {
        self.pauses.iter().find(|pause| pause.kind.is_none_or(|paused| paused == kind))
    }

    /// A pause of the same records stands as it was begun.
    pub(crate) fn pause(&mut self, pause: Pause) {
        if self.pauses.iter().all(|standing| standing.kind != pause.kind) {
            self.pauses.push(pause);
        }
    }

    /// Ends the pause of a kind, or all of them.
    pub(crate) fn resume(&mut self, kind: Option<RecordKind>) {
        self.pauses.retain(|pause| kind.is_some() && pause.kind != kind);
    }

    /// The last refresh token, encrypted.
    #[must_use]
    pub fn sealed_token(&self) -> Option<String> {
        self.token.clone()
    }
}

/// The Xero organisations by id.
pub(crate) type Companies = BTreeMap<CompanyId, Company>;

/// How many records are in which state, per company.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// By company (empty for records that were not read yet) and state.
    pub states: BTreeMap<String, BTreeMap<StateName, u64>>,
    /// Held records by reason code.
    pub held: BTreeMap<String, u64>,
    /// Warnings that nobody has acknowledged, by code.
    pub warnings: BTreeMap<String, u64>,
}

impl Counts {
    /// Records in `state`, over all companies.
    #[must_use]
    pub fn state(&self, state: StateName) -> u64 {
        self.states.values().filter_map(|states| states.get(&state)).sum()
    }

    fn add(&mut self, record: &Record) {
        self.change(record, |count| *count = count.saturating_add(1));
    }

    fn remove(&mut self, record: &Record) {
        self.change(record, |count| *count = count.saturating_sub(1));
    }

    fn change(&mut self, record: &Record, step: impl Fn(&mut u64)) {
        let company =
            record.about.as_ref().and_then(|about| about.company.as_ref()).map(CompanyId::as_str).unwrap_or_default();
        let states = match self.states.get_mut(company) {
            Some(states) => states,
            None => self.states.entry(company.to_owned()).or_default(),
        };
        step(states.entry(record.state.name()).or_default());
        if let State::Held { reason } = &record.state {
            step(self.held.entry(reason.code.as_str().to_owned()).or_default());
        }
        for open in record.warnings.iter().filter(|open| open.acknowledged.is_none()) {
            step(self.warnings.entry(open.warning.code.as_str().to_owned()).or_default());
        }
    }
}

/// Whether something changed.
#[derive(Clone, Copy, Debug, Default)]
struct Changed {
    companies: bool,
    bulks: bool,
}

/// What the index keeps besides rows and totals; none = as it has it.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub(crate) companies: Option<Companies>,
    pub(crate) bulks: Option<Bulks>,
}

/// Who works on a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder {
    pub(crate) fence: u64,
    pub(crate) until: Timestamp,
}

/// The state in memory; everything in it is journalled and synced.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Rows that the index does not have yet.
    pub(crate) recent: HashMap<RecordKey, Arc<Row>>,
    /// Rows that are being indexed.
    pub(crate) indexing: Arc<HashMap<RecordKey, Arc<Row>>>,
    /// Queued records by due time.
    pub(crate) queue: Queue,
    pub(crate) leases: HashMap<RecordKey, Holder>,
    pub(crate) fence: u64,
    pub(crate) companies: Companies,
    /// The last decisions about many records.
    pub(crate) bulks: Bulks,
    /// What of these changed since it was indexed.
    changed: Changed,
    pub(crate) totals: Totals,
    /// The last entry that is applied here, and where the next one will lie.
    pub(crate) applied: Option<(Link, Position)>,
    /// Sequence of the last entry that is in the index.
    pub(crate) indexed: u64,
    /// Somebody waits for the index.
    pub(crate) awaited: bool,
    /// The writer has stopped.
    pub(crate) closing: bool,
}

/// What is carried along with every change and stored with the index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) counts: Counts,
    /// XOR over all rows of a hash of key and sequence: tells whether the index holds exactly these rows.
    pub(crate) fingerprint: u64,
    /// Records closed before this instant may have been posted without this journal knowing.
    pub(crate) trusted_since: Option<Timestamp>,
    /// Sequences after which entries are known to be missing.
    pub(crate) gaps: BTreeSet<u64>,
    /// When something was posted last, by company.
    pub(crate) last_posted: BTreeMap<CompanyId, Timestamp>,
    /// When ConnectWise last sent a callback, by connection.
    pub(crate) last_callback: BTreeMap<ConnectionId, Timestamp>,
    /// What was posted in the hours gone by.
    #[serde(default)]
    pub(crate) activity: Activity,
    /// What is known of sweeps, by connection.
    #[serde(default)]
    pub(crate) sweeps: BTreeMap<ConnectionId, SweepStanding>,
    /// The newest form that was written, and the version of readypost that did.
    #[serde(default)]
    pub(crate) form: (u32, String),
}

impl Memory {
    /// Replaces `old` by `new`, keeping due times, counts and fingerprint in step.
    pub(crate) fn put(&mut self, old: Option<&Row>, new: Arc<Row>) {
        let key = &new.record.key;
        if let Some(old) = old {
            self.queue.remove(&old.record);
            self.totals.counts.remove(&old.record);
            self.totals.fingerprint ^= fingerprint(key, old.sequence);
        }
        self.queue.insert(&new.record);
        self.totals.counts.add(&new.record);
        self.totals.activity.note(old.map(|old| &old.record), &new.record);
        self.totals.fingerprint ^= fingerprint(key, new.sequence);
        if let (Some(posted), Some(company)) =
            (&new.record.posted, new.record.about.as_ref().and_then(|about| about.company.clone()))
        {
            let last = self.totals.last_posted.entry(company).or_insert(posted.at);
            *last = posted.at.max(*last);
        }
        self.recent.insert(key.clone(), new);
    }

    /// Counts and times.
    pub(crate) fn overview(&self) -> Overview {
        let Totals { counts, activity, last_posted, last_callback, sweeps, .. } = &self.totals;
        Overview {
            counts: counts.clone(),
            oldest_due: self.queue.oldest(),
            leased: self.leases.len(),
            activity: activity.clone(),
            last_posted: last_posted.iter().map(|(company, at)| (company.clone(), *at)).collect(),
            last_callback: last_callback.iter().map(|(connection, at)| (connection.clone(), *at)).collect(),
            sweeps: sweeps.iter().map(|(name, standing)| (name.clone(), standing.clone())).collect(),
            entries: self.applied.map_or(0, |(link, _)| link.sequence),
            head: self.applied.map_or(Head::START, |(link, _)| link.into()),
        }
    }

    /// What is known of an organisation, about to be changed.
    pub(crate) fn company(&mut self, company: &CompanyId) -> &mut Company {
        self.changed.companies = true;
        self.companies.entry(company.clone()).or_default()
    }

    /// The decisions about many records, about to be changed.
    pub(crate) fn bulks(&mut self) -> &mut Bulks {
        self.changed.bulks = true;
        &mut self.bulks
    }

    /// What the index is to keep besides rows: all of it, or what changed since it was told.
    pub(crate) fn beside(&mut self, all: bool) -> Beside {
        let changed = std::mem::take(&mut self.changed);
        Beside {
            companies: (all || changed.companies).then(|| self.companies.clone()),
            bulks: (all || changed.bulks).then(|| self.bulks.clone()),
        }
    }

    /// Whether nobody works on a record, or their lease ran out.
    pub(crate) fn is_free(&self, key: &RecordKey, now: Timestamp) -> bool {
        self.leases.get(key).is_none_or(|holder| holder.until <= now)
    }

    /// The row, if the index does not have its latest version yet.
    pub(crate) fn newer_than_index(&self, key: &RecordKey) -> Option<Arc<Row>> {
        self.recent.get(key).or_else(|| self.indexing.get(key)).cloned()
    }
}

/// FNV-1a over key and sequence: not against forgers, only against rows that were lost or are stale.
pub(crate) fn fingerprint(key: &RecordKey, sequence: u64) -> u64 {
    let mut hash: u64 = 0xCBF2_9CE4_8422_2325;
    let parts = [
        key.connection.as_str().as_bytes(),
        key.kind.as_str().as_bytes(),
        key.source.as_str().as_bytes(),
        &sequence.to_le_bytes(),
    ];
    for byte in parts.iter().flat_map(|part| part.iter().chain([&0xFF])) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    }
    // A final mix, so that rows which differ little do not cancel out.
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    hash ^ (hash >> 33)
}
