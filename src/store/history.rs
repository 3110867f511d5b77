//! The history of one record: its entries, each of which names the one before, and the exchanges beside them.

use std::collections::VecDeque;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::{Entry, Event};
use super::exchanges;
use super::journal::{self, Position};
use crate::domain::exchange::Exchange;
use crate::domain::record::RecordKey;

/// What was said with both systems up to an entry of a record's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Exchanged)]
pub struct Said {
    /// When the entry was made.
    pub at: Timestamp,
    /// `request` before a request is sent, `settled` at the end of a step.
    pub before: String,
    /// The rules that were in force: an entry about the configuration has them.
    pub rules: Option<String>,
    /// How many exchanges there were.
    pub count: u32,
    /// The exchanges; none when they cannot be read any more.
    pub exchanges: Option<Vec<Exchange>>,
    /// Why they cannot be read.
    pub missing: Option<String>,
}

/// The exchanges of these entries.
pub(super) fn said(folder: &Path, entries: &[Entry]) -> Vec<Said> {
    let folder = folder.join(exchanges::FOLDER);
    let said = |entry: &Entry| {
        let place = entry.event.exchanged()?;
        let read = exchanges::text(&folder, place)
            .and_then(|text| serde_json::from_str::<Vec<Exchange>>(&text).map_err(|error| error.to_string()));
        let before = if matches!(entry.event, Event::Armed { .. }) { "request" } else { "settled" };
        let rules = entry.event.rules().map(str::to_owned);
        let (exchanges, missing) = read.map_or_else(|cause| (None, Some(cause)), |read| (Some(read), None));
        Some(Said { at: entry.at, before: before.to_owned(), rules, count: place.count, exchanges, missing })
    };
    entries.iter().filter_map(said).collect()
}

/// The last entries about a record, oldest first. What lies before a gap in the journal cannot be told.
pub(super) fn walk(directory: &Path, key: &RecordKey, last: Position, limit: usize) -> Vec<Entry> {
    let mut entries = VecDeque::new();
    let mut next = Some(last);
    while let Some(position) = next.filter(|_| entries.len() < limit) {
        let read = journal::read(directory, position).map_err(|error| error.to_string());
        let entry =
            read.and_then(|payload| serde_json::from_slice::<Entry>(&payload).map_err(|error| error.to_string()));
        match entry {
            Ok(entry) if entry.event.key() == Some(key) => {
                next = entry.before;
                entries.push_front(entry);
            }
            Ok(_) => return cut_short(key, position, "it is about something else", entries),
            Err(error) => return cut_short(key, position, &error, entries),
        }
    }
    entries.into()
}

fn cut_short(key: &RecordKey, position: Position, cause: &str, entries: VecDeque<Entry>) -> Vec<Entry> {
    tracing::warn!(record.key = %key, ?position, cause, "the history of a record is not readable beyond an entry");
    entries.into()
}
