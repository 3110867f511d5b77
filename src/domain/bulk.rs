//! One decision about many records, as the store keeps it: what was begun, how far it came, and how it ended.
//!
//! Each decision carries the id of the bulk that it belongs to, so how many there are is counted from the histories of
//! the records themselves. One that has no end and is not being worked on was interrupted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::record::RecordKey;
use super::text::Sentence;

/// Bulk decisions that are kept; the journal has all of them.
pub const KEPT_MAX: usize = 20;

/// What is to be decided, and about how many records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Which one.
    pub id: Uuid,
    /// Who planned it: each record has the decision under this name.
    pub by: String,
    /// Who had it run.
    pub run_by: String,
    /// What is decided, such as retry.
    pub action: String,
    /// Why.
    #[serde(default)]
    pub note: Sentence,
    /// Which records, as the filter of a list stands in an address.
    pub filter: String,
    /// When it was planned.
    pub planned: Timestamp,
    /// Records of the plan.
    pub records: u64,
    /// Whether these are all that the filter found.
    pub complete: bool,
}

/// What it came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Records that were decided.
    pub done: u64,
    /// Records whose state did not allow it.
    pub refused: u64,
    /// The first of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<NotDecided>,
    /// An operator stopped it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
    /// Why it ended before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Sentence>,
}

/// A record that was not decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotDecided {
    /// Which.
    pub key: RecordKey,
    /// Why.
    pub cause: Sentence,
}

/// A bulk decision, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What was begun.
    pub begun: Begun,
    /// When.
    pub at: Timestamp,
    /// Records that have a decision by it.
    pub decided: u64,
    /// When and how it ended; none while it runs, and for ever when it was interrupted.
    pub end: Option<(Timestamp, Ended)>,
}

/// The last bulk decisions, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bulks(Vec<Kept>);

impl Bulks {
    /// One is begun; the oldest is forgotten for it.
    pub fn begin(&mut self, begun: Begun, at: Timestamp) {
        self.0.push(Kept { begun, at, decided: 0, end: None });
        let surplus = self.0.len().saturating_sub(KEPT_MAX);
        self.0.drain(..surplus);
    }

    /// A record was decided by one.
    pub fn decided(&mut self, id: Uuid) {
        if let Some(kept) = self.find(id) {
            kept.decided = kept.decided.saturating_add(1);
        }
    }

    /// One ended.
    pub fn end(&mut self, id: Uuid, ended: Ended, at: Timestamp) {
        if let Some(kept) = self.find(id) {
            kept.end = Some((at, ended));
        }
    }

    fn find(&mut self, id: Uuid) -> Option<&mut Kept> {
        self.0.iter_mut().rev().find(|kept| kept.begun.id == id)
    }

    /// All that are kept, oldest first.
    #[must_use]
    pub fn all(&self) -> &[Kept] {
        &self.0
    }
}
