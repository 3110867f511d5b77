//! Records that were accepted and not worked on yet: many of them share one value of the index.
//!
//! The door makes nothing else, and an insertion costs sled twenty microseconds however small it is. All that is
//! known of such a record is its first journal entry, so the index keeps only where that is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{FORMAT, IndexError, VALUE_BYTES_MAX, unreadable};
use crate::domain::delivery::State;
use crate::domain::record::RecordKey;
use crate::store::journal::Position;
use crate::store::memory::Row;

/// Bytes of a record besides its key: length of the key, sequence, segment, offset, due time.
const FIXED_BYTES: usize = 2 + 8 + 4 + 8 + 16;

/// Where a record's only entry is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(super) sequence: u64,
    pub(super) position: Position,
    due: Timestamp,
    /// The value that says so.
    sheaf: u64,
}

/// The fresh records by key, and how many of them each value still stands for.
#[derive(Debug, Default)]
pub(super) struct Fresh(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    places: HashMap<Box<str>, Place>,
    standing: HashMap<u64, usize>,
}

impl Records {
    fn insert(&mut self, key: Box<str>, place: Place) {
        self.places.insert(key, place);
        let standing = self.standing.entry(place.sheaf).or_default();
        *standing = standing.saturating_add(1);
    }
}

impl Fresh {
    fn lock(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn place(&self, key: &str) -> Option<Place> {
        self.lock().places.get(key).copied()
    }

    /// Gives keys and due times of all to `visit`.
    pub(super) fn visit(&self, visit: &mut dyn FnMut(RecordKey, Timestamp)) -> Result<(), IndexError> {
        for (key, place) in &self.lock().places {
            visit(key.parse().map_err(|_| unreadable())?, place.due);
        }
        Ok(())
    }

    /// Takes a record that is not fresh any more, and returns the key of the value that stands for nothing then.
    pub(super) fn remove(&self, key: &str) -> Removed {
        let mut records = self.lock();
        let Some(place) = records.places.remove(key) else { return Removed::NotThere };
        match records.standing.get_mut(&place.sheaf) {
            Some(count) if *count > 1 => {
                *count = count.saturating_sub(1);
                Removed::Others
            }
            _ => {
                records.standing.remove(&place.sheaf);
                Removed::Last(sheaf_key(place.sheaf))
            }
        }
    }

    /// Adds fresh rows and returns the values that say so, with their keys.
    pub(super) fn add<'rows>(&self, rows: impl Iterator<Item = &'rows Arc<Row>>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut sheaves: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut places: Vec<(Box<str>, Place)> = Vec::new();
        let mut sheaf = 0;
        for row in rows {
            let State::Queued { due, .. } = row.record.state else { continue };
            let key = row.record.key.to_string();
            let bytes = key.len().saturating_add(FIXED_BYTES);
            if sheaves.last().is_none_or(|(_, value)| value.len().saturating_add(bytes) > VALUE_BYTES_MAX) {
                // Sequences are given once, so no other value has this key.
                sheaf = row.sequence;
                sheaves.push((sheaf_key(sheaf), vec![FORMAT]));
            }
            let place = Place { sequence: row.sequence, position: row.last, due, sheaf };
            if let Some((_, value)) = sheaves.last_mut() {
                encode(value, &key, &place);
            }
            places.push((key.into(), place));
        }
        // Last, and for no longer than it takes: whoever asks for a record waits for this lock.
        let mut records = self.lock();
        for (key, place) in places {
            records.insert(key, place);
        }
        sheaves
    }

    /// Reads one value of the index; `is_row` says whether a record has a row of its own, which is later.
    pub(super) fn read(
        &self,
        key: &[u8],
        value: &[u8],
        is_row: &mut dyn FnMut(&str) -> Result<bool, IndexError>,
    ) -> Result<Vec<(RecordKey, u64)>, IndexError> {
        let sheaf = key.get(1..).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let sheaf = sheaf.ok_or_else(unreadable)?;
        let Some((&FORMAT, mut rest)) = value.split_first() else { return Err(unreadable()) };
        let mut records = self.lock();
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (key, place) = decode(&mut rest, sheaf).ok_or_else(unreadable)?;
            if is_row(key)? {
                continue;
            }
            found.push((key.parse().map_err(|_| unreadable())?, place.sequence));
            records.insert(key.into(), place);
        }
        Ok(found)
    }
}

/// What the removal of a fresh record means for the value that stood for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// The record was not fresh.
    NotThere,
    /// The value stands for others, too.
    Others,
    /// It was the last one of the value of this key.
    Last(Vec<u8>),
}

fn sheaf_key(sheaf: u64) -> Vec<u8> {
    [b"f", &sheaf.to_be_bytes()[..]].concat()
}

fn encode(value: &mut Vec<u8>, key: &str, place: &Place) {
    value.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
    value.extend_from_slice(key.as_bytes());
    value.extend_from_slice(&place.sequence.to_be_bytes());
    value.extend_from_slice(&place.position.segment.to_be_bytes());
    value.extend_from_slice(&place.position.offset.to_be_bytes());
    value.extend_from_slice(&place.due.as_nanosecond().to_be_bytes());
}

/// Takes one record off the front of a value.
fn decode<'value>(rest: &mut &'value [u8], sheaf: u64) -> Option<(&'value str, Place)> {
    let (length, after) = rest.split_first_chunk::<2>()?;
    let (key, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (sequence, after) = after.split_first_chunk::<8>()?;
    let (segment, after) = after.split_first_chunk::<4>()?;
    let (offset, after) = after.split_first_chunk::<8>()?;
    let (due, after) = after.split_first_chunk::<16>()?;
    *rest = after;
    let position = Position { segment: u32::from_be_bytes(*segment), offset: u64::from_be_bytes(*offset) };
    let due = Timestamp::from_nanosecond(i128::from_be_bytes(*due)).ok()?;
    Some((std::str::from_utf8(key).ok()?, Place { sequence: u64::from_be_bytes(*sequence), position, due, sheaf }))
}
