//! Reads a journal to its end, also while a service writes it, and writes nothing.
//!
//! A service that writes may be in the middle of a group: bytes at the end that are no entry are looked at again until
//! they are, or until it is clear that nobody writes them. Compressing harms nobody: the compressed file has its name
//! before the plain one goes, and each segment is opened in the form that it has then.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::segment::{self, Scan};
use super::{Damage, Link, Position, Scanned};

/// How often, and after which time, an unfinished end is looked at again.
const LOOKS: u32 = 10;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What was found.
#[derive(Debug)]
pub(crate) struct Audit {
    /// Bytes that hold no entry, and entries that do not continue the chain.
    pub(crate) damage: Vec<Damage>,
    /// The last entry.
    pub(crate) last: Link,
    /// The segments that are there.
    pub(crate) segments: Vec<u32>,
}

/// Reads all entries.
///
/// # Errors
/// When files cannot be read. Damage is not an error.
pub(crate) fn audit(directory: &Path, visit: &mut dyn FnMut(Scanned<'_>)) -> io::Result<Audit> {
    let mut behind: Option<(Position, Link)> = None;
    let mut read = |from: Option<(Position, Link)>, behind: &mut Option<(Position, Link)>| {
        segment::scan(directory, from, &mut |scanned| {
            *behind = Some((scanned.next(), scanned.link));
            visit(scanned);
        })
    };
    let changed = || io::Error::new(io::ErrorKind::InvalidData, "the journal was changed while it was read");
    let mut scan = read(None, &mut behind)?.ok_or_else(changed)?;
    let mut damage = Vec::new();
    for _ in 0..LOOKS {
        let Some(unfinished) = unfinished(&scan) else { break };
        std::thread::sleep(LOOK_EVERY);
        damage.extend(scan.damage.into_iter().filter(|damage| *damage != unfinished));
        let from = behind;
        scan = read(from, &mut behind)?.ok_or_else(changed)?;
    }
    damage.extend(scan.damage);
    Ok(Audit { damage, last: scan.last, segments: segment::numbers(directory)? })
}

/// What may be an entry that is being written: bytes at the end of the last segment.
fn unfinished(scan: &Scan) -> Option<Damage> {
    let last = scan.next_segment.checked_sub(1)?;
    scan.tails.last().filter(|tail| tail.position.segment == last).cloned()
}

/// Copies all segments that are there, each in the form that it has; the last one until it ends with an entry.
///
/// # Errors
/// When files cannot be read or written, or the journal does not end with an entry.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    let numbers = segment::numbers(from)?;
    for number in &numbers {
        segment::copy(from, to, *number)?;
    }
    for _ in 0..LOOKS {
        let scan = segment::scan(to, None, &mut |_| ())?;
        if scan.as_ref().and_then(unfinished).is_none() {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
        if let Some(last) = numbers.last() {
            segment::copy(from, to, *last)?;
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the journal does not end with an entry"))
}
