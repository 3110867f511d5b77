//! The journal: append-only segments of entries, synced before anyone is answered. It is the truth.
//!
//! A write or sync that failed is never repeated: after a failed fsync the kernel may have dropped the
//! pages and report success the next time. The caller poisons the store and the process restarts.

mod entry;
mod segment;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use entry::Hash;
pub(crate) use segment::{Damage, Scanned};

/// A new segment is begun when the current one is longer than this.
const SEGMENT_BYTES: u64 = 64 << 20;

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Number of the segment, from 1.
    pub segment: u32,
    /// Byte offset of the entry in it.
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

/// The open end of the journal.
#[derive(Debug)]
pub(crate) struct Journal {
    directory: PathBuf,
    file: File,
    end: Position,
    last: Link,
    buffer: Vec<u8>,
}

impl Journal {
    /// Reads the journal from `from` on, giving each entry to `visit`, and opens its end for writing.
    ///
    /// # Errors
    /// When files cannot be read or written. Damage is not an error: it is cut off (at the very end) or
    /// stepped over (before it), copied aside and reported.
    pub(crate) fn open(
        directory: &Path,
        from: Option<(Position, Link)>,
        visit: &mut dyn FnMut(Scanned<'_>),
    ) -> io::Result<(Self, Vec<Damage>)> {
        std::fs::create_dir_all(directory)?;
        let scan = segment::scan(directory, from, visit)?;
        let (file, end) = match scan.writable {
            Some(end) => (segment::open_end(directory, end)?, end),
            None => segment::create(directory, scan.next_segment)?,
        };
        Ok((Self { directory: directory.to_owned(), file, end, last: scan.last, buffer: Vec::new() }, scan.damage))
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
    pub(crate) fn append(&mut self, payload: &[u8]) -> (Position, u64) {
        let position = self.end();
        let sequence = self.last.sequence.saturating_add(1);
        let hash = entry::encode(&mut self.buffer, sequence, &self.last.hash, payload);
        self.last = Link { sequence, hash };
        (position, sequence)
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
        if self.end.offset > SEGMENT_BYTES {
            (self.file, self.end) = segment::create(&self.directory, self.end.segment.saturating_add(1))?;
        }
        Ok(())
    }
}

/// Reads the payload of one entry.
///
/// # Errors
/// When it cannot be read, or is damaged ([`io::ErrorKind::InvalidData`]).
pub(crate) fn read(directory: &Path, position: Position) -> io::Result<Vec<u8>> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the journal entry is damaged");
    let file = File::open(segment::path(directory, position.segment))?;
    let mut length = [0; 4];
    file.read_exact_at(&mut length, position.offset)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > entry::PAYLOAD_BYTES_MAX + entry::HEADER_BYTES {
        return Err(damaged());
    }
    let mut bytes = vec![0; length.saturating_add(8)];
    file.read_exact_at(&mut bytes, position.offset)?;
    entry::decode(&bytes).map(|frame| frame.payload.to_vec()).ok_or_else(damaged)
}
