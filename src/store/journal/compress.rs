//! Compressing one closed segment, so that a power cut between any two steps leaves it readable.
//!
//! The plain file goes only when the compressed one is durable, was read back and holds the same bytes. Until
//! then the plain one is the truth, and the compressed one is made again.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{folder, gzip, segment};

/// What became of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Compressed {
    /// It is compressed, from so many bytes to so many.
    Done { from: usize, to: usize },
    /// It does not read as entries from its header to its end. What was damaged stays as it is.
    Damaged,
    /// It was told to stop, and left nothing behind.
    Stopped,
}

/// The file that is written before it gets its name.
fn temporary_path(directory: &Path, segment: u32) -> PathBuf {
    segment::compressed_path(directory, segment).with_extension("gz.tmp")
}

/// Compresses a closed segment; `go_on` is asked first and before each block of it, and may take its time.
///
/// # Errors
/// When a file cannot be read or written, or reads back otherwise. The plain segment is still there then.
pub(crate) fn compress(directory: &Path, segment: u32, go_on: &mut dyn FnMut() -> bool) -> io::Result<Compressed> {
    if !go_on() {
        return Ok(Compressed::Stopped);
    }
    let path = segment::path(directory, segment);
    let plain = std::fs::read(&path)?;
    if !segment::is_whole(&plain) {
        return Ok(Compressed::Damaged);
    }
    let temporary = temporary_path(directory, segment);
    let to = match write(&temporary, &plain, go_on) {
        Ok(Some(to)) => to,
        unfinished => {
            // The cause is what counts; a file that stays is written over, or removed at the next start.
            let _ = std::fs::remove_file(&temporary);
            return unfinished.map(|_| Compressed::Stopped);
        }
    };
    std::fs::rename(&temporary, segment::compressed_path(directory, segment))?;
    folder::sync(directory)?;
    std::fs::remove_file(path)?;
    folder::sync(directory)?;
    Ok(Compressed::Done { from: plain.len(), to })
}

/// Writes the compressed form, reads it back, and returns its length; none when it was told to stop.
fn write(temporary: &Path, plain: &[u8], go_on: &mut dyn FnMut() -> bool) -> io::Result<Option<usize>> {
    let mut file = File::create(temporary)?;
    if !gzip::deflate(plain, &mut file, go_on)? {
        return Ok(None);
    }
    file.sync_all()?;
    let packed = std::fs::read(temporary)?;
    if !gzip::is_of(&packed, plain) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the compressed segment reads back otherwise"));
    }
    Ok(Some(packed.len()))
}

/// Removes what a compression left behind that was cut off.
pub(super) fn remove_stale(directory: &Path, segments: &[u32]) {
    for segment in segments {
        // It is in nobody's way: where it stays, it is written over.
        let _ = std::fs::remove_file(temporary_path(directory, *segment));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Begun, Journal, Position, read};
    use super::*;

    /// A journal of three segments, of which two are closed.
    fn three(directory: &Path) -> Begun {
        let scan = Journal::scan(directory, None, &mut |_| ()).unwrap().unwrap();
        let mut begun = Journal::begin(directory, scan, 100).unwrap();
        for payload in ["one", "two", "three", "four", "five"] {
            begun.journal.append(payload.as_bytes()).unwrap();
            begun.journal.sync().unwrap();
        }
        begun
    }

    fn names(directory: &Path) -> Vec<String> {
        let files = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_closed_segment_becomes_a_compressed_one_that_reads_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let begun = three(folder.path());
        assert_eq!(begun.closed.try_iter().collect::<Vec<_>>(), [1, 2]);
        let position = Position { segment: 1, offset: 16 };
        assert_eq!(read(folder.path(), position).unwrap(), b"one");
        for segment in [1, 2] {
            let done = compress(folder.path(), segment, &mut || true).unwrap();
            assert!(matches!(done, Compressed::Done { from: 118.., to: 1.. }), "{done:?}");
        }
        assert_eq!(names(folder.path()), ["00000001.log.gz", "00000002.log.gz", "00000003.log"]);
        assert_eq!(read(folder.path(), position).unwrap(), b"one");
        let mut seen = Vec::new();
        let scan = Journal::scan(folder.path(), None, &mut |scanned| seen.push(scanned.payload.to_vec())).unwrap();
        assert_eq!((seen.concat().as_slice(), scan.unwrap().damage.len()), (&b"onetwothreefourfive"[..], 0));
    }

    #[test]
    fn what_cannot_be_finished_leaves_the_plain_segment_alone() {
        let folder = tempfile::tempdir().unwrap();
        drop(three(folder.path()));
        assert_eq!(compress(folder.path(), 1, &mut || false).unwrap(), Compressed::Stopped);
        let plain = ["00000001.log", "00000002.log", "00000003.log"];
        assert_eq!(names(folder.path()), plain);
        // Its temporary name is taken by a folder, which stands for a disk that refuses.
        let taken = temporary_path(folder.path(), 1);
        std::fs::create_dir(&taken).unwrap();
        assert!(compress(folder.path(), 1, &mut || true).is_err());
        std::fs::remove_dir(taken).unwrap();
        assert!(compress(folder.path(), 9, &mut || true).is_err(), "there is no such segment");
        let path = segment::path(folder.path(), 2);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[70] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(compress(folder.path(), 2, &mut || true).unwrap(), Compressed::Damaged);
        assert_eq!(names(folder.path()), plain);
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn an_entry_across_a_damaged_checksum_is_read_where_the_scan_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let scan = Journal::scan(folder.path(), None, &mut |_| ()).unwrap().unwrap();
        let mut journal = Journal::begin(folder.path(), scan, 150_000).unwrap().journal;
        let payload = |number: u32| number.to_string().repeat(200).into_bytes();
        let positions: Vec<Position> = (0..400).map(|number| journal.append(&payload(number)).unwrap().0).collect();
        journal.sync().unwrap();
        compress(folder.path(), 1, &mut || true).unwrap();
        let path = segment::compressed_path(folder.path(), 1);
        let packed = std::fs::read(&path).unwrap();
        let second = packed.windows(4).skip(1).position(|bytes| bytes == &packed[..4]).unwrap() + 1;
        for at in second - 8..second {
            let mut damaged = packed.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).unwrap();
            let mut found = 0;
            let mut visit = |scanned: super::super::Scanned<'_>| {
                assert_eq!(read(folder.path(), scanned.position).unwrap(), scanned.payload, "byte {at}");
                found += 1;
            };
            Journal::scan(folder.path(), None, &mut visit).unwrap().unwrap();
            assert_eq!(found, positions.len(), "byte {at}");
        }
    }

    #[test]
    fn what_was_cut_off_is_removed_and_done_again() {
        let folder = tempfile::tempdir().unwrap();
        drop(three(folder.path()));
        std::fs::write(temporary_path(folder.path(), 1), "half").unwrap();
        let scan = Journal::scan(folder.path(), None, &mut |_| ()).unwrap().unwrap();
        let begun = Journal::begin(folder.path(), scan, 100).unwrap();
        assert_eq!(names(folder.path()), ["00000001.log", "00000002.log", "00000003.log"]);
        assert_eq!(begun.closed.try_iter().collect::<Vec<_>>(), [1, 2]);
    }
}
