//! The files of exchanges: names, header, one text of one file, and which are old.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use jiff::{SignedDuration, Timestamp};

use crate::store::event::Exchanged;

/// First bytes of every file: name and format version.
const MAGIC: &[u8; 16] = b"readypost-xchg\0\x01";
/// Offset of the first text.
pub(in crate::store) const FIRST: u64 = 24;
/// How the names of files end.
const ENDING: &str = ".xchg";
/// A longer text is not believed, deflated or not: many times what a step may keep, with room for escapes.
const TEXT_BYTES_MAX: u32 = 8 << 20;

/// Where a file is.
pub(super) fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:08}{ENDING}"))
}

/// The numbers of the files that are there, ascending.
///
/// # Errors
/// When the folder cannot be read; one that is not there is empty.
pub(in crate::store) fn numbers(folder: &Path) -> io::Result<Vec<u32>> {
    let files = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        files => files?,
    };
    let mut numbers = Vec::new();
    for file in files {
        let name = file?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(ENDING));
        numbers.extend(number.and_then(|number| number.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Copies the files that `to` has not, or not as long; each copy is synced. One that goes meanwhile is not copied.
///
/// # Errors
/// When a file cannot be read or written.
pub(in crate::store) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for number in numbers(from)? {
        let mut original = match File::open(path(from, number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            original => original?,
        };
        let kept = std::fs::metadata(path(to, number)).map_or(0, |kept| kept.len());
        if kept < original.metadata()?.len() {
            let mut copy = File::create(path(to, number))?;
            io::copy(&mut original, &mut copy)?;
            copy.sync_all()?;
        }
    }
    File::open(to)?.sync_all()
}

/// Creates a file; it and the folder are synced.
pub(super) fn create(folder: &Path, number: u32, at: Timestamp) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path(folder, number))?;
    file.write_all_at(&[&MAGIC[..], &at.as_second().to_le_bytes()].concat(), 0)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// Opens the last file to go on with it; none when it cannot be gone on with.
pub(super) fn open_end(folder: &Path, number: u32) -> io::Result<Option<(File, u64, Timestamp)>> {
    let file = OpenOptions::new().read(true).write(true).open(path(folder, number))?;
    let length = file.metadata()?.len();
    Ok(begun(&file)?.map(|at| (file, length, at)))
}

/// When a file was begun; none when its header is damaged.
fn begun(file: &File) -> io::Result<Option<Timestamp>> {
    let mut header = [0; 24];
    match file.read_exact_at(&mut header, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let time = header.strip_prefix(MAGIC).and_then(|time| <[u8; 8]>::try_from(time).ok()).map(i64::from_le_bytes);
    Ok(time.and_then(|time| Timestamp::from_second(time).ok()))
}

/// Reads and inflates one text.
///
/// # Errors
/// When the file is not there, is shorter, or does not inflate.
pub(in crate::store) fn read(folder: &Path, place: &Exchanged) -> io::Result<Vec<u8>> {
    let mut file = File::open(path(folder, place.file))?;
    file.seek(SeekFrom::Start(place.offset))?;
    let mut packed = vec![0; usize::try_from(place.length.min(TEXT_BYTES_MAX)).unwrap_or_default()];
    file.read_exact(&mut packed)?;
    if crc32c::crc32c(&packed) != place.crc {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the bytes are not those that the journal names"));
    }
    let mut text = Vec::new();
    DeflateDecoder::new(&packed[..]).take(TEXT_BYTES_MAX.into()).read_to_end(&mut text)?;
    Ok(text)
}

/// The files of which everything is older than `days`, and the time before which it is. The last file stays.
///
/// # Errors
/// When a file cannot be read.
pub(in crate::store) fn expired(folder: &Path, days: u32, now: Timestamp) -> io::Result<Option<(Vec<u32>, Timestamp)>> {
    let Ok(before) = now.checked_sub(SignedDuration::from_hours(i64::from(days).saturating_mul(24))) else {
        return Ok(None);
    };
    if days == 0 {
        return Ok(None);
    }
    let numbers = numbers(folder)?;
    let mut old = Vec::new();
    // What is in a file was said before the next one was begun.
    for (number, next) in numbers.iter().zip(numbers.iter().skip(1)) {
        let begun = begun(&File::open(path(folder, *next))?)?;
        if begun.is_none_or(|begun| begun >= before) {
            break;
        }
        old.push(*number);
    }
    Ok((!old.is_empty()).then_some((old, before)))
}

/// Removes files.
///
/// # Errors
/// When one cannot be removed.
pub(in crate::store) fn remove(folder: &Path, numbers: &[u32]) -> io::Result<()> {
    for number in numbers {
        match std::fs::remove_file(path(folder, *number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
