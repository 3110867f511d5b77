//! The journal: append-only segments of entries, synced before anyone is answered. It is the truth.
//! Closed segments are compressed and kept.
//!
//! A write or sync that failed is never repeated: after a failed fsync the kernel may have dropped the
//! pages and report success the next time. The caller poisons the store and the process restarts.

mod audit;
mod compress;
mod entry;
mod folder;
mod gzip;
mod segment;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};

use serde::{Deserialize, Serialize};

pub(crate) use audit::{Audit, audit, copy};
pub(crate) use compress::{Compressed, compress};
pub(crate) use entry::{Hash, hash};
pub(crate) use folder::create as create_folder;
pub(crate) use segment::{Damage, Scan, Scanned};

/// A new segment is begun when the current one is longer than this: small enough to be held in memory.
pub(crate) const SEGMENT_BYTES: u64 = 16 << 20;

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Number of the segment, from 1.
    pub segment: u32,
    /// Byte offset of the entry in it, before it is compressed.
    pub offset: u64,
}

/// What ties an entry to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Sequence of the last entry; 0 before the first.
    pub(crate) sequence: u64,
    /// Its hash; zeros before the first.
    pub(crate) hash: Hash,
}

impl Link {
    /// Before the first entry.
    pub(crate) const START: Self = Self { sequence: 0, hash: [0; 32] };
}

/// An entry that was not added.
#[derive(Debug, thiserror::Error)]
#[error("an entry of {0} bytes is larger than the journal takes")]
pub(crate) struct TooLarge(usize);

/// The open end of the journal.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    file: File,
    end: Position,
    last: Link,
    buffer: Vec<u8>,
    /// What lies behind the end is damaged, and waits for [`Self::cut_off`].
    damaged_tail: bool,
    /// A longer segment is closed.
    segment_bytes: u64,
    /// Where the numbers of closed segments go.
    closed: Sender<u32>,
}

/// A journal that was opened for writing.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) journal: Journal,
    /// What the scan found damaged.
    pub(crate) damage: Vec<Damage>,
    /// Closed segments that wait to be compressed; it ends with the journal.
    pub(crate) closed: Receiver<u32>,
}

impl Journal {
    /// Reads the journal from `from` on, giving each entry to `visit`. Nothing is written: none when no entry
    /// of this journal ends at `from` with that link, so that the caller can read again from the start.
    ///
    /// # Errors
    /// When files cannot be read. Damage is not an error.
    pub(crate) fn scan(
        directory: &Path,
        from: Option<(Position, Link)>,
        visit: &mut dyn FnMut(Scanned<'_>),
    ) -> io::Result<Option<Scan>> {
        segment::scan(directory, from, visit)
    }

    /// Opens the end that a scan found for writing. Damage is stepped over; at the very end it is copied aside, and
    /// reported, to be cut off by [`Self::cut_off`] once it is journalled. What the scan found is durable then, even
    /// where another process wrote it and did not live to sync it, or could not.
    ///
    /// # Errors
    /// When files cannot be written.
    pub(crate) fn begin(directory: &Path, scan: Scan, segment_bytes: u64) -> io::Result<Begun> {
        folder::create(directory)?;
        for tail in &scan.tails {
            segment::set_aside(directory, tail)?;
        }
        let (file, end) = match scan.writable {
            Some(end) => (segment::open_end(directory, end)?, end),
            None => segment::create(directory, scan.next_segment)?,
        };
        let damaged_tail = scan.tails.iter().any(|tail| tail.position == end);
        let segments = segment::numbers(directory)?;
        compress::remove_stale(directory, &segments);
        let (sender, closed) = mpsc::channel();
        let plain = |segment: &u32| *segment != end.segment && segment::path(directory, *segment).exists();
        for segment in segments.into_iter().filter(plain) {
            let _ = sender.send(segment);
        }
        let directory = directory.to_owned();
        let buffer = Vec::new();
        let last = scan.last;
        let journal = Self { directory, file, end, last, buffer, damaged_tail, segment_bytes, closed: sender };
        Ok(Begun { journal, damage: scan.damage, closed })
    }

    /// Cuts off the damage behind the end, when it is journalled that it was there: a power cut in between must not
    /// hide that something is missing.
    ///
    /// # Errors
    /// When that fails; the journal must not be used then.
    pub(crate) fn cut_off(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.damaged_tail) {
            self.file.set_len(self.end.offset)?;
            self.file.sync_all()?;
        }
        Ok(())
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Link {
        self.last
    }

    /// Where the next entry will lie, and after which.
    pub(crate) fn end(&self) -> Position {
        let buffered = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        Position { segment: self.end.segment, offset: self.end.offset.saturating_add(buffered) }
    }

    /// Adds an entry to the current group and returns its place. Nothing is written before [`Self::sync`].
    ///
    /// # Errors
    /// When the payload is so large that it would not be believed when it is read; then nothing was added.
    pub(crate) fn append(&mut self, payload: &[u8]) -> Result<(Position, u64), TooLarge> {
        if payload.len() > entry::PAYLOAD_BYTES_MAX {
            return Err(TooLarge(payload.len()));
        }
        let position = self.end();
        let sequence = self.last.sequence.saturating_add(1);
        let hash = entry::encode(&mut self.buffer, sequence, &self.last.hash, payload);
        self.last = Link { sequence, hash };
        Ok((position, sequence))
    }

    /// Writes the group with one write and one `fdatasync`.
    ///
    /// # Errors
    /// When either fails; the journal must not be used again then.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.write_all_at(&self.buffer, self.end.offset)?;
        self.file.sync_data()?;
        self.end = self.end();
        self.buffer.clear();
        self.buffer.shrink_to(1 << 20);
        if self.end.offset > self.segment_bytes {
            let closed = self.end.segment;
            (self.file, self.end) = segment::create(&self.directory, closed.saturating_add(1))?;
            // Where nobody listens, it stays plain.
            let _ = self.closed.send(closed);
        }
        Ok(())
    }
}

/// Reads the payload of one entry.
///
/// # Errors
/// When it cannot be read now, or is damaged or gone: see [`is_damage`].
pub(crate) fn read(directory: &Path, position: Position) -> io::Result<Vec<u8>> {
    match read_on(directory, position) {
        // A scan believes an entry by its own checksum, also where the block around it is damaged.
        Err(error) if is_damage(&error) => segment::entry_at(directory, position)?.ok_or(error),
        read => read,
    }
}

/// Whether reading failed because of what is on disk, and not for a passing reason such as too many open files.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | NotFound | UnexpectedEof)
}

/// Reads no more of the segment than it must.
fn read_on(directory: &Path, position: Position) -> io::Result<Vec<u8>> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the journal entry is damaged");
    let mut reader = segment::reader_at(directory, position)?;
    let mut prefix = [0; 4];
    reader.read_exact(&mut prefix)?;
    let length = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
    if length > entry::PAYLOAD_BYTES_MAX + entry::HEADER_BYTES {
        return Err(damaged());
    }
    let mut bytes = vec![0; length.saturating_add(8)];
    let (start, rest) = bytes.split_at_mut(prefix.len());
    start.copy_from_slice(&prefix);
    reader.read_exact(rest)?;
    entry::decode(&bytes).map(|frame| frame.payload.to_vec()).ok_or_else(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_refused_when_it_would_not_be_believed() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = Vec::new();
        let mut visit = |scanned: Scanned<'_>| seen.push(scanned.payload.len());
        let scan = Journal::scan(folder.path(), None, &mut visit).unwrap().unwrap();
        let mut journal = Journal::begin(folder.path(), scan, SEGMENT_BYTES).unwrap().journal;
        let (last, end) = (journal.last(), journal.end());
        assert!(journal.append(&vec![b'x'; entry::PAYLOAD_BYTES_MAX + 1]).is_err());
        assert_eq!((journal.last(), journal.end()), (last, end));
        let (position, _) = journal.append(&vec![b'x'; entry::PAYLOAD_BYTES_MAX]).unwrap();
        journal.sync().unwrap();
        assert_eq!(read(folder.path(), position).unwrap().len(), entry::PAYLOAD_BYTES_MAX);
        Journal::scan(folder.path(), None, &mut visit).unwrap().unwrap();
        assert_eq!(seen, [entry::PAYLOAD_BYTES_MAX]);
    }
}
