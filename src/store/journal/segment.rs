//! Segment files: their names, their headers, and the scan that finds where the journal ends.
//!
//! A segment is a plain file, or a compressed one once it is closed. Where both are there, compressing was not
//! finished and the plain one is the truth: so it is looked for first, and removed last.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::entry::{self, Frame};
use super::{Link, Position, folder, gzip};

/// First bytes of every segment: name and format version.
const MAGIC: &[u8; 16] = b"readypost-jrnl\0\x01";
/// Offset of the first entry.
const FIRST: u64 = 16;
/// How the names of plain segments end.
const PLAIN: &str = ".log";
/// How the names of compressed segments end.
const COMPRESSED: &str = ".log.gz";

/// An entry met by a scan.
#[derive(Debug)]
pub(crate) struct Scanned<'bytes> {
    pub(crate) position: Position,
    /// Place and hash of this entry.
    pub(crate) link: Link,
    /// Hash of the entry before, as this entry has it.
    pub(crate) previous: entry::Hash,
    pub(crate) payload: &'bytes [u8],
    /// Bytes on disk.
    length: u64,
}

impl Scanned<'_> {
    /// Where the next entry lies.
    pub(crate) fn next(&self) -> Position {
        Position { segment: self.position.segment, offset: self.position.offset.saturating_add(self.length) }
    }
}

/// Bytes that hold no valid entry, or an entry that does not continue the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Where it begins.
    pub(crate) position: Position,
    /// How many bytes.
    pub(crate) bytes: u64,
    /// Sequence of the last good entry before it.
    pub(crate) after: u64,
}

/// Where a scan ended. A scan only reads; [`super::Journal::begin`] then cuts and creates.
pub(crate) struct Scan {
    pub(super) last: Link,
    /// The end of the last segment, when it can be written on.
    pub(super) writable: Option<Position>,
    pub(super) next_segment: u32,
    pub(super) damage: Vec<Damage>,
    /// The part of the damage that lies at the end of a segment, to be copied aside.
    pub(super) tails: Vec<Damage>,
}

impl Scan {
    /// Sequence of the last entry.
    pub(crate) fn sequence(&self) -> u64 {
        self.last.sequence
    }
}

/// The plain file of a segment.
pub(super) fn path(directory: &Path, segment: u32) -> PathBuf {
    directory.join(format!("{segment:08}{PLAIN}"))
}

/// The compressed file of a segment.
pub(super) fn compressed_path(directory: &Path, segment: u32) -> PathBuf {
    directory.join(format!("{segment:08}{COMPRESSED}"))
}

/// The file of a segment in the form that it has.
enum Stored {
    Plain(File),
    Compressed(File),
}

fn open(directory: &Path, segment: u32) -> io::Result<Stored> {
    match File::open(path(directory, segment)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            File::open(compressed_path(directory, segment)).map(Stored::Compressed)
        }
        plain => plain.map(Stored::Plain),
    }
}

/// Reads on from a position, in either form.
///
/// # Errors
/// When the segment is not there or cannot be read.
pub(super) fn reader_at(directory: &Path, position: Position) -> io::Result<Box<dyn Read>> {
    match open(directory, position.segment)? {
        Stored::Plain(mut file) => {
            file.seek(SeekFrom::Start(position.offset))?;
            Ok(Box::new(BufReader::new(file)))
        }
        Stored::Compressed(file) => gzip::reader_at(file, position.offset),
    }
}

/// The payload of the entry at a position, as a scan would find it; none when there is none.
///
/// # Errors
/// When the segment is not there or cannot be read.
pub(super) fn entry_at(directory: &Path, position: Position) -> io::Result<Option<Vec<u8>>> {
    let content = content(directory, position.segment)?;
    let at = usize::try_from(position.offset).unwrap_or(usize::MAX);
    Ok(content.bytes.get(at..).and_then(entry::decode).map(|frame| frame.payload.to_vec()))
}

/// Copies a segment in the form that it has, and syncs the copy; a copy of another form goes.
pub(super) fn copy(from: &Path, to: &Path, segment: u32) -> io::Result<()> {
    let (mut stored, kept, other) = match open(from, segment)? {
        Stored::Plain(file) => (file, path(to, segment), compressed_path(to, segment)),
        Stored::Compressed(file) => (file, compressed_path(to, segment), path(to, segment)),
    };
    let mut copy = File::create(kept)?;
    io::copy(&mut stored, &mut copy)?;
    copy.sync_all()?;
    match std::fs::remove_file(other) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What a segment holds, in either form.
struct Content {
    bytes: Vec<u8>,
    /// Whether it can be written on.
    plain: bool,
    /// What of a compressed one is damaged, although its entries may be whole.
    flaw: Option<Range<u64>>,
}

fn content(directory: &Path, segment: u32) -> io::Result<Content> {
    let mut bytes = Vec::new();
    match open(directory, segment)? {
        Stored::Plain(mut file) => {
            file.read_to_end(&mut bytes)?;
            Ok(Content { bytes, plain: true, flaw: None })
        }
        Stored::Compressed(mut file) => {
            file.read_to_end(&mut bytes)?;
            let gzip::Inflated { bytes, flaw } = gzip::inflate(&bytes);
            Ok(Content { bytes, plain: false, flaw })
        }
    }
}

/// Whether these are a header and nothing but entries that continue each other.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else { return false };
    let mut last: Option<Link> = None;
    while !rest.is_empty() {
        let Some(frame) = entry::decode(rest) else { return false };
        if last.is_some_and(|last| !frame.continues(&last)) {
            return false;
        }
        last = Some(frame.link());
        rest = rest.get(frame.length..).unwrap_or_default();
    }
    true
}

/// Creates an empty segment; file and directory are synced.
pub(super) fn create(directory: &Path, segment: u32) -> io::Result<(File, Position)> {
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(path(directory, segment))?;
    file.write_all(MAGIC)?;
    file.sync_all()?;
    folder::sync(directory)?;
    Ok((file, Position { segment, offset: FIRST }))
}

/// Opens the last segment for writing behind `end`.
///
/// All before it is written and synced once more. A process that died after a write left pages that nobody synced; and
/// one whose sync failed left pages that look clean and are not on the disk, so that a sync alone would not do.
pub(super) fn open_end(directory: &Path, end: Position) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(path(directory, end.segment))?;
    let mut bytes = vec![0; usize::try_from(end.offset).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, 0)?;
    file.write_all_at(&bytes, 0)?;
    file.sync_all()?;
    folder::sync(directory)?;
    Ok(file)
}

/// Reads all segments from `from` on; none when no entry of this journal ends there with that link.
pub(super) fn scan(
    directory: &Path,
    from: Option<(Position, Link)>,
    visit: &mut dyn FnMut(Scanned<'_>),
) -> io::Result<Option<Scan>> {
    let numbers = numbers(directory)?;
    let (start, last) = from.unwrap_or((Position { segment: 1, offset: FIRST }, Link::START));
    if from.is_some() && !ends_at(directory, start, last)? {
        return Ok(None);
    }
    let mut scan = Scan {
        last,
        writable: None,
        next_segment: numbers.last().map_or(1, |last| last.saturating_add(1)),
        damage: Vec::new(),
        tails: Vec::new(),
    };
    for segment in numbers.iter().copied().filter(|segment| *segment >= start.segment) {
        let offset = if segment == start.segment { start.offset } else { FIRST };
        let Content { bytes, plain, flaw } = content(directory, segment)?;
        let known = scan.damage.len();
        let end = read_segment(&bytes, Position { segment, offset }, &mut scan, visit);
        let cut = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let is_last = Some(&segment) == numbers.last();
        if end < cut {
            let damage = Damage {
                position: Position { segment, offset: end },
                bytes: cut.saturating_sub(end),
                after: scan.last.sequence,
            };
            scan.tails.push(damage.clone());
            scan.damage.push(damage);
        }
        if let Some(flaw) = flaw.filter(|_| scan.damage.len() == known) {
            let position = Position { segment, offset: flaw.start };
            let bytes = flaw.end.saturating_sub(flaw.start);
            scan.damage.push(Damage { position, bytes, after: scan.last.sequence });
        }
        if is_last && plain && end >= FIRST {
            scan.writable = Some(Position { segment, offset: end });
        }
    }
    Ok(Some(scan))
}

/// Whether entry `last` is there and ends at `position`: otherwise what follows is not what follows it.
fn ends_at(directory: &Path, position: Position, last: Link) -> io::Result<bool> {
    let at = usize::try_from(position.offset).unwrap_or(usize::MAX);
    let read = |segment| match content(directory, segment) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        content => content.map(|content| Some(content.bytes)),
    };
    let Some(bytes) = read(position.segment)? else { return Ok(false) };
    let Some(before) = bytes.get(..at) else { return Ok(false) };
    if position.offset > FIRST {
        return Ok(last_entry(before) == Some((last, before.len())));
    }
    // The segment had just been begun: the entry is the last one of the segment before.
    match position.segment.checked_sub(1) {
        None | Some(0) => Ok(last == Link::START),
        Some(segment) => {
            Ok(read(segment)?.and_then(|bytes| last_entry(&bytes)).is_some_and(|(found, _)| found == last))
        }
    }
}

/// The last valid entry of a segment, and where it ends.
fn last_entry(bytes: &[u8]) -> Option<(Link, usize)> {
    let mut found = None;
    let mut at = MAGIC.len();
    let mut after = 0;
    while let Some(rest) = bytes.get(at..) {
        let Some(frame) = entry::decode(rest) else {
            let Some(skipped) = resync(rest, after) else { break };
            at = at.saturating_add(skipped);
            continue;
        };
        at = at.saturating_add(frame.length);
        after = frame.sequence;
        found = Some((frame.link(), at));
    }
    found
}

/// Reads one segment's bytes and returns the offset behind its last valid entry.
fn read_segment(bytes: &[u8], start: Position, scan: &mut Scan, visit: &mut dyn FnMut(Scanned<'_>)) -> u64 {
    if bytes.len() < MAGIC.len() {
        return 0;
    }
    if start.offset == FIRST && !bytes.starts_with(MAGIC) {
        let position = Position { segment: start.segment, offset: 0 };
        scan.damage.push(Damage { position, bytes: FIRST, after: scan.last.sequence });
    }
    let mut offset = start.offset;
    loop {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = bytes.get(at..).unwrap_or_default();
        let continues = |frame: &Frame<'_>| frame.continues(&scan.last);
        let here = entry::decode(rest);
        let skipped = match &here {
            Some(frame) if continues(frame) => 0,
            _ => match resync(rest, scan.last.sequence) {
                Some(skipped) => skipped,
                None => return offset,
            },
        };
        let Some(frame) = rest.get(skipped..).and_then(entry::decode) else { return offset };
        if here.as_ref().is_none_or(|frame| !continues(frame)) {
            let bytes = u64::try_from(skipped).unwrap_or(u64::MAX);
            scan.damage.push(Damage {
                position: Position { segment: start.segment, offset },
                bytes,
                after: scan.last.sequence,
            });
            offset = offset.saturating_add(bytes);
        }
        scan.last = frame.link();
        let length = u64::try_from(frame.length).unwrap_or(u64::MAX);
        visit(Scanned {
            position: Position { segment: start.segment, offset },
            link: scan.last,
            previous: frame.previous,
            payload: frame.payload,
            length,
        });
        offset = offset.saturating_add(length);
    }
}

/// The nearest valid entry in `bytes` that is later than `after`.
fn resync(bytes: &[u8], after: u64) -> Option<usize> {
    // A later entry has a later sequence, but not an absurd one; checked first, because it is cheap.
    let plausible = after.saturating_add(1)..after.saturating_add(1 << 32);
    (0..bytes.len()).find(|at| {
        let Some(rest) = bytes.get(*at..) else { return false };
        entry::peek_sequence(rest).is_some_and(|sequence| plausible.contains(&sequence))
            && entry::decode(rest).is_some()
    })
}

/// Keeps a copy of what is about to be cut off, for whoever wants to know.
pub(super) fn set_aside(directory: &Path, damage: &Damage) -> io::Result<()> {
    let Position { segment, offset } = damage.position;
    let Content { mut bytes, .. } = content(directory, segment)?;
    let lost = bytes.split_off(usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len()));
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(format!("{segment:08}-{offset}.damaged")))?;
    file.write_all(&lost)?;
    file.sync_all()
}

/// The numbers of the segments that exist in either form, ascending.
pub(super) fn numbers(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    let files = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(numbers),
        files => files?,
    };
    for file in files {
        let name = file?.file_name();
        let name = name.to_str().unwrap_or_default();
        let number = name.strip_suffix(PLAIN).or_else(|| name.strip_suffix(COMPRESSED));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}
