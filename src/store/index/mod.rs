//! The index in sled: a fold of the journal, kept for fast questions and never needed for the truth.
//!
//! One tree, so that a group of rows and the mark of how far the journal is applied are one atomic batch.
//! Keys: `r` + record key = row; `x` + record key + number = the rest of a long row; `f` + number = many records that
//! were accepted and not worked on yet; `s`, `p`, `n`, `g`, `i`, `w` = what settled records are listed by, see [`strands`] (the
//! queued ones are in memory); `m` = the mark; `c` = the companies; `b` = the last
//! decisions about many records. Values start with a version byte and stay under
//! [`VALUE_BYTES_MAX`], so that sled never makes a blob file.

mod fresh;
mod handle;
mod mark;
mod seen;
mod strands;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fresh::{Fresh, Place, Removed};
use handle::Handle;
use jiff::Timestamp;

pub(crate) use mark::Mark;
use seen::Seen;
pub(crate) use strands::{By, Group, Strands};

use super::event::Entry;
use super::fold::{self, Folded};
use super::journal;
use super::memory::{Beside, Companies, Row, fingerprint};
use crate::domain::bulk::Bulks;
use crate::domain::delivery::StateName;
use crate::domain::record::RecordKey;

/// Version of keys and values; another one is rebuilt from the journal. It changes, too, when `delivery::accept`
/// makes another record of the same entry: the rows of fresh records are not stored.
const FORMAT: u8 = 4;
/// The largest value: sled writes larger ones into files of their own, which it does not sync.
const VALUE_BYTES_MAX: usize = 4000;
/// What stands in front of a row: version, sequence, state, number of further pieces.
const FRONT_BYTES: usize = 1 + 8 + 1 + 2;
/// Memory that sled may use for pages; its own default is 1 GiB.
const CACHE_BYTES: u64 = 16 << 20;

/// What went wrong with the index; it is then moved aside and rebuilt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    /// sled reports an error.
    #[error("sled: {0}")]
    Sled(#[from] sled::Error),
    /// sled panicked.
    #[error("sled panicked")]
    Panicked,
    /// The journal cannot be read now, for a passing reason such as too many open files. The index is sound.
    #[error("the journal cannot be read now: {0}")]
    Busy(std::io::Error),
    /// It was written by an earlier version.
    #[error("it is of an earlier version")]
    Older,
    /// A key or value is not what was written.
    #[error("the index is not readable: {0}")]
    Unreadable(String),
}

/// What the index knows of a record.
#[derive(Debug)]
pub(crate) enum Found {
    /// All.
    Row(Box<Row>),
    /// Where its only entry is, for [`Index::first`].
    First(Place),
}

/// A record that waits.
#[derive(Debug)]
pub(crate) enum Queued {
    /// One that was worked on.
    Row(Box<Row>),
    /// One that was not, and when it is due.
    First(RecordKey, Timestamp),
}

/// The index, open.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    db: Handle,
    seen: Arc<Seen>,
    fresh: Arc<Fresh>,
    /// The folder of the journal, which has what the index leaves out of fresh records.
    journal: Arc<Path>,
}

impl Index {
    /// Opens the index of a journal and checks that it holds exactly the records its mark speaks of.
    pub(crate) fn open(path: &Path, journal: &Path) -> Result<(Self, Option<Mark>), IndexError> {
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        guarded(|| {
            let (db, seen, fresh) = (Handle::from(config.open()?), Arc::new(Seen::new()), Arc::default());
            let index = Self { db, seen, fresh, journal: journal.into() };
            let Some(mark) = mark::decode::<Mark>(index.db.scan_prefix(b"m"))? else {
                let empty = index.db.is_empty();
                return if empty {
                    Ok((index, None))
                } else {
                    Err(IndexError::Unreadable("there is no mark".to_owned()))
                };
            };
            let mut found = 0;
            for item in index.db.scan_prefix(b"r") {
                let (key, value) = item?;
                index.seen.insert(&key);
                found ^= fingerprint(&record_key(&key)?, sequence(&value)?);
            }
            for item in index.db.scan_prefix(b"f") {
                let (key, value) = item?;
                for (key, sequence) in index.fresh.read(&key, &value, &mut |key| index.has_row(key))? {
                    index.seen.insert(&row_key(&key.to_string()));
                    found ^= fingerprint(&key, sequence);
                }
            }
            if found != mark.totals.fingerprint {
                return Err(IndexError::Unreadable("rows are missing or stale".to_owned()));
            }
            Ok((index, Some(mark)))
        })
    }

    /// Moves the folder of an index aside, which is `broken` or `older`; it is never deleted.
    pub(crate) fn set_aside(path: &Path, why: &str) -> std::io::Result<Option<PathBuf>> {
        if !path.exists() {
            return Ok(None);
        }
        let aside =
            (1_u32..100_000).map(|number| path.with_extension(format!("{why}-{number}"))).find(|aside| !aside.exists());
        let aside = aside.unwrap_or_else(|| path.with_extension(why));
        std::fs::rename(path, &aside)?;
        Ok(Some(aside))
    }

    /// A row.
    pub(crate) fn row(&self, key: &RecordKey) -> Result<Option<Row>, IndexError> {
        match self.find(key)? {
            Some(Found::Row(row)) => Ok(Some(*row)),
            Some(Found::First(place)) => self.first(key, place).map(Some),
            None => Ok(None),
        }
    }

    /// What the index itself knows of a record, without a look at the journal.
    pub(crate) fn find(&self, key: &RecordKey) -> Result<Option<Found>, IndexError> {
        let text = key.to_string();
        let place = row_key(&text);
        if !self.seen.may_hold(&place) {
            return Ok(None);
        }
        if let Some(place) = self.fresh.place(&text) {
            return Ok(Some(Found::First(place)));
        }
        let row = guarded(|| self.db.get(place)?.map(|value| self.decode(key, &value)).transpose())?;
        Ok(row.map(|row| Found::Row(Box::new(row))))
    }

    /// What its first journal entry made of a record. An entry never moves, so no lock is needed.
    pub(crate) fn first(&self, key: &RecordKey, place: Place) -> Result<Row, IndexError> {
        let Place { position, sequence, .. } = place;
        let unreadable = |cause: &dyn std::fmt::Display| IndexError::Unreadable(format!("the entry of {key}: {cause}"));
        let payload = journal::read(&self.journal, position)
            .map_err(|error| if journal::is_damage(&error) { unreadable(&error) } else { IndexError::Busy(error) })?;
        let entry: Entry = serde_json::from_slice(&payload).map_err(|error| unreadable(&error))?;
        match fold::record(None, &entry, sequence) {
            Folded::Changed(record, _) if record.key == *key => Ok(fold::row(*record, sequence, position, true)),
            _ => Err(unreadable(&"it is about something else")),
        }
    }

    /// Whether a record has a row of its own; `key` is its text.
    fn has_row(&self, key: &str) -> Result<bool, IndexError> {
        let place = row_key(key);
        Ok(self.seen.may_hold(&place) && self.db.contains_key(place)?)
    }

    /// A row from its first value and the pieces that the others are.
    fn decode(&self, key: &RecordKey, value: &[u8]) -> Result<Row, IndexError> {
        let (front, json) = value.split_at_checked(FRONT_BYTES).ok_or_else(unreadable)?;
        let mut json = json.to_vec();
        for number in 1..=more(value)? {
            let piece = self.db.get(piece_key(key, number))?.ok_or_else(unreadable)?;
            // Of the same version of the row.
            let (sequence, rest) = piece.split_at_checked(8).ok_or_else(unreadable)?;
            if front.get(1..9) != Some(sequence) {
                return Err(unreadable());
            }
            json.extend_from_slice(rest);
        }
        serde_json::from_slice(&json).map_err(|error| IndexError::Unreadable(error.to_string()))
    }

    /// Gives all queued records to `visit`, for the memory.
    pub(crate) fn queued(&self, visit: &mut dyn FnMut(Queued)) -> Result<(), IndexError> {
        guarded(|| {
            self.fresh.visit(&mut |key, due| visit(Queued::First(key, due)))?;
            for item in self.db.scan_prefix(b"r") {
                let (key, value) = item?;
                // The state's byte spares reading the rows of the settled ones.
                if value.get(9) == Some(&state_byte(StateName::Queued)) {
                    visit(Queued::Row(Box::new(self.decode(&record_key(&key)?, &value)?)));
                }
            }
            Ok(())
        })
    }

    /// What is known of the Xero organisations.
    pub(crate) fn companies(&self) -> Result<Companies, IndexError> {
        guarded(|| Ok(mark::decode(self.db.scan_prefix(b"c"))?.unwrap_or_default()))
    }

    /// The last decisions about many records.
    pub(crate) fn bulks(&self) -> Result<Bulks, IndexError> {
        guarded(|| Ok(mark::decode(self.db.scan_prefix(b"b"))?.unwrap_or_default()))
    }

    /// Applies rows, the mark and what changed beside them in one atomic batch.
    pub(crate) fn apply<'rows>(
        &self,
        rows: impl Iterator<Item = &'rows Arc<Row>>,
        mark: &Mark,
        beside: &Beside,
    ) -> Result<(), IndexError> {
        guarded(|| self.apply_unguarded(rows, mark, beside))
    }

    fn apply_unguarded<'rows>(
        &self,
        rows: impl Iterator<Item = &'rows Arc<Row>>,
        mark: &Mark,
        beside: &Beside,
    ) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        let (fresh, worked_on): (Vec<_>, Vec<_>) = rows.partition(|row| row.first);
        for row in &fresh {
            self.seen.insert(&row_key(&row.record.key.to_string()));
        }
        for (key, value) in self.fresh.add(fresh.into_iter()) {
            batch.insert(key, value);
        }
        for row in worked_on {
            let text = row.record.key.to_string();
            let key = row_key(&text);
            let known = self.seen.may_hold(&key);
            self.seen.insert(&key);
            let removed = self.fresh.remove(&text);
            if let Removed::Last(sheaf) = &removed {
                batch.remove(sheaf.as_slice());
            }
            if removed == Removed::NotThere
                && known
                && let Some(old) = self.db.get(&key)?
            {
                for number in 1..=more(&old)? {
                    batch.remove(piece_key(&row.record.key, number));
                }
                let old = self.decode(&row.record.key, &old)?.record;
                for listed in strands::keys(&old) {
                    batch.remove(listed);
                }
            }
            for listed in strands::keys(&row.record) {
                batch.insert(listed, &[]);
            }
            // Later changes of a batch win, so a piece that was removed above may come back here.
            for (key, value) in encode(key, row)? {
                batch.insert(key, value);
            }
        }
        let companies = beside.companies.as_ref().map(|companies| mark::encode(b'c', companies)).transpose()?;
        let bulks = beside.bulks.as_ref().map(|bulks| mark::encode(b'b', bulks)).transpose()?;
        let beside = companies.into_iter().chain(bulks).flatten();
        for (key, value) in mark::encode(b'm', mark)?.into_iter().chain(beside) {
            batch.insert(key, value);
        }
        self.db.apply_batch(batch)?;
        Ok(())
    }

    /// Makes what was applied durable; losing it costs only time at the next start.
    pub(crate) fn flush(&self) -> Result<(), IndexError> {
        guarded(|| {
            self.db.flush()?;
            Ok(())
        })
    }
}

/// sled 0.34 can panic, at open and later, where its files are damaged; that is an error like any other.
fn guarded<T>(work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(Err(IndexError::Panicked))
}

/// Key of the row of the record whose key reads so.
fn row_key(key: &str) -> Vec<u8> {
    [b"r", key.as_bytes()].concat()
}

fn record_key(key: &[u8]) -> Result<RecordKey, IndexError> {
    text_key(key.get(1..).unwrap_or_default())
}

fn text_key(text: &[u8]) -> Result<RecordKey, IndexError> {
    let text = std::str::from_utf8(text).map_err(|error| IndexError::Unreadable(error.to_string()))?;
    text.parse().map_err(|error: crate::domain::record::KeyError| IndexError::Unreadable(error.to_string()))
}

fn state_byte(state: StateName) -> u8 {
    match state {
        StateName::Queued => b'q',
        StateName::Held => b'h',
        StateName::Done => b'd',
        StateName::Skipped => b'k',
    }
}

/// A row, unchanged, in values that fit into the index: in front of the first one stand version, sequence, state
/// and the number of the others, so that a scan need not read the rest; in front of the others the sequence.
fn encode(key: Vec<u8>, row: &Row) -> Result<mark::Pieces, IndexError> {
    let json = serde_json::to_vec(row).map_err(|error| IndexError::Unreadable(error.to_string()))?;
    let pieces: Vec<&[u8]> = json.chunks(VALUE_BYTES_MAX.saturating_sub(FRONT_BYTES)).collect();
    let (first, others) = pieces.split_first().ok_or_else(unreadable)?;
    let more = u16::try_from(others.len()).map_err(|error| IndexError::Unreadable(error.to_string()))?;
    let sequence = row.sequence.to_be_bytes();
    let state = [state_byte(row.record.state.name())];
    let mut values = vec![(key, [&[FORMAT], &sequence[..], &state, &more.to_be_bytes(), first].concat())];
    let others = (1..=more).zip(others);
    values.extend(others.map(|(number, piece)| (piece_key(&row.record.key, number), [&sequence, *piece].concat())));
    Ok(values)
}

/// Key of a further piece of a row.
fn piece_key(key: &RecordKey, number: u16) -> Vec<u8> {
    // No key contains the byte in between.
    [b"x", key.to_string().as_bytes(), &[0xFF], &number.to_be_bytes()].concat()
}

/// How many further pieces a row has.
fn more(value: &[u8]) -> Result<u16, IndexError> {
    sequence(value)?;
    value.get(10..FRONT_BYTES).and_then(|more| more.try_into().ok()).map(u16::from_be_bytes).ok_or_else(unreadable)
}

fn sequence(value: &[u8]) -> Result<u64, IndexError> {
    match value.split_first_chunk::<9>() {
        Some(([FORMAT, sequence @ ..], _)) => Ok(u64::from_be_bytes(*sequence)),
        _ => Err(unreadable()),
    }
}

fn unreadable() -> IndexError {
    IndexError::Unreadable("a key or value is of another format".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::{Trigger, accept};
    use crate::store::journal::{Link, Position};

    #[test]
    fn a_sheaf_goes_with_its_last_record() {
        let folder = tempfile::tempdir().unwrap();
        let (index, _) = Index::open(&folder.path().join("index"), folder.path()).unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let rows: Vec<Arc<Row>> = (1..=200)
            .map(|sequence| {
                let key = format!("acme/invoice/{sequence}").parse().unwrap();
                let record = accept(None, &key, &Trigger::Operator { name: "o".to_owned() }, sequence, at).0;
                Arc::new(fold::row(record, sequence, Position { segment: 1, offset: sequence }, true))
            })
            .collect();
        let mark = Mark::new(Link::START, Position { segment: 1, offset: 16 }, crate::store::memory::Totals::default());
        let sheaves = || index.db.scan_prefix(b"f").count();
        index.apply(rows.iter(), &mark, &Beside::default()).unwrap();
        let full = sheaves();
        assert!((2..10).contains(&full), "{full}");
        for (done, row) in rows.iter().enumerate() {
            assert!(sheaves() > 0, "after {done}");
            let worked_on = Arc::new(Row { sequence: row.sequence + 1_000, first: false, ..(**row).clone() });
            index.apply([&worked_on].into_iter(), &mark, &Beside::default()).unwrap();
            assert_eq!(index.row(&row.record.key).unwrap().unwrap(), *worked_on);
        }
        assert_eq!(sheaves(), 0);
    }
}
