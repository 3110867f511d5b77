//! One file for an auditor: a JSON object a line, so that it can be read and checked with ordinary tools.
//!
//! The first line says what the file is, the last one which entry was the last. Each line between is an entry: its
//! `sequence`, the `previous` hash, its `payload` letter by letter, its `hash`, and the `exchanges` that it names. The
//! hash is SHA-256 over the sequence (eight bytes, little-endian), the previous hash and the payload; the SHA-256 of
//! the exchanges is in the payload. Of entries that were not chosen there is only the hash.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::check::{Checker, Texts};
use super::{AuditError, Verdict, at, journal_of};
use crate::domain::record::RecordKey;
use crate::domain::text::hex;
use crate::store::event::{Entry, Event};
use crate::store::head::hash_of;
use crate::store::journal::{self, Link, Scanned};
use crate::store::{Head, exchanges};

/// What the first line begins with.
const FORMAT: &str = "readypost history";
/// A longer line is not believed: the largest entry and its exchanges, escaped.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Which entries go into a file with all that they say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Those about a record, and those about no record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordKey>,
    /// Those made at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Those made before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Choice {
    fn takes(&self, entry: &Entry) -> bool {
        let mine = match (&self.record, entry.event.key()) {
            (Some(wanted), Some(key)) => wanted == key,
            // What is not about the record may say why it waited and by which rules, and nothing of others.
            (Some(_), None) => matches!(
                entry.event,
                Event::Opened { .. }
                    | Event::Gap { .. }
                    | Event::Configured { .. }
                    | Event::ExchangesRemoved { .. }
                    | Event::Rested { .. }
                    | Event::Awoke { .. }
                    | Event::Paused { .. }
                    | Event::Resumed { .. }
            ),
            (None, _) => true,
        };
        mine && self.since.is_none_or(|since| entry.at >= since) && self.until.is_none_or(|until| entry.at < until)
    }

    fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Begin {
    format: String,
    version: u32,
    /// The version of readypost.
    readypost: String,
    chosen: Choice,
}

/// A line of an entry; without a payload, of its hash.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    sequence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exchanges: Option<String>,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    end: Head,
}

/// Writes lines; compressed when the name of the file ends in `.gz`.
enum Out {
    Plain(BufWriter<File>),
    Packed(Box<GzEncoder<BufWriter<File>>>),
}

impl Out {
    fn create(path: &Path, packed: bool) -> io::Result<Self> {
        let file = BufWriter::new(File::create_new(path)?);
        Ok(if packed {
            Self::Packed(Box::new(GzEncoder::new(file, Compression::default())))
        } else {
            Self::Plain(file)
        })
    }

    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        match self {
            Self::Plain(file) => file.write_all(&text),
            Self::Packed(file) => file.write_all(&text),
        }
    }

    fn finish(self) -> io::Result<()> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Packed(file) => file.finish()?,
        };
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

/// Writes the history of a store into one file, and says what it found on the way.
///
/// # Errors
/// When the file is there already, or something cannot be read or written; then there is no file.
pub fn export(store: &Path, out: &Path, choice: &Choice) -> Result<Verdict, AuditError> {
    let directory = journal_of(store)?;
    if out.exists() {
        return Err(AuditError::NotEmpty(out.display().to_string()));
    }
    let mut name = out.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let _ = std::fs::remove_file(&partial);
    let is_packed = out.extension().is_some_and(|ending| ending == "gz");
    let file = Out::create(&partial, is_packed).map_err(at(&partial))?;
    let verdict = write(store, &directory, file, choice).and_then(|verdict| {
        std::fs::rename(&partial, out).map_err(at(out))?;
        Ok(verdict)
    });
    if verdict.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    verdict
}

fn write(store: &Path, directory: &Path, mut out: Out, choice: &Choice) -> Result<Verdict, AuditError> {
    let folder = store.join(exchanges::FOLDER);
    let begin = Begin {
        format: FORMAT.to_owned(),
        version: 1,
        readypost: env!("CARGO_PKG_VERSION").to_owned(),
        chosen: choice.clone(),
    };
    let mut checker = Checker::new(&[]);
    let mut outcome = out.line(&begin);
    let audit = journal::audit(directory, &mut |scanned| {
        if outcome.is_ok() {
            outcome = entry(&scanned, &folder, choice, &mut checker).and_then(|line| out.line(&line));
        }
    })
    .map_err(at(directory))?;
    checker.damaged(&audit);
    let finished = outcome.and_then(|()| out.line(&End { end: audit.last.into() })).and_then(|()| out.finish());
    finished.map_err(|error| AuditError::File { path: "the file".to_owned(), error })?;
    Ok(checker.finish())
}

/// The line of an entry, which is checked on the way.
fn entry(scanned: &Scanned<'_>, folder: &Path, choice: &Choice, checker: &mut Checker) -> io::Result<Line> {
    let Link { sequence, hash } = scanned.link;
    let read = serde_json::from_slice::<Entry>(scanned.payload).ok();
    let hash = hex(&hash);
    // What cannot be read cannot be chosen, and is not left out in silence either.
    if let Some(entry) = read.as_ref().filter(|entry| !choice.takes(entry)) {
        checker.hash_only(scanned.link);
        checker.left_out(entry.event.exchanged().map_or(0, |place| place.count.into()));
        return Ok(Line { sequence, previous: None, payload: None, hash, exchanges: None });
    }
    let place = read.as_ref().and_then(|entry| entry.event.exchanged());
    let exchanges = place.and_then(|place| exchanges::text(folder, place).ok());
    checker.entry(scanned.link, scanned.payload, &Texts::Given(exchanges.clone()));
    let payload = std::str::from_utf8(scanned.payload)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("entry {sequence} is no text: {error}")))?;
    Ok(Line { sequence, previous: Some(hex(&scanned.previous)), payload: Some(payload.to_owned()), hash, exchanges })
}

/// Verifies an exported file by itself, against heads that were noted elsewhere.
///
/// # Errors
/// When it cannot be read. What is wrong with it is in the verdict.
pub fn verify_export(file: &Path, noted: &[Head]) -> Result<Verdict, AuditError> {
    let mut lines = Lines::open(file).map_err(at(file))?;
    let mut checker = Checker::new(noted);
    let first = lines.next().map_err(at(file))?;
    let begin = first.as_deref().and_then(|line| serde_json::from_slice::<Begin>(line).ok());
    let begin = begin.filter(|begin| begin.format == FORMAT && begin.version == 1).ok_or_else(|| {
        AuditError::Unsound(format!("{} is not a file that this version of `history export` makes", file.display()))
    })?;
    let mut end = None;
    while let Some(text) = lines.next().map_err(at(file))? {
        if end.is_some() {
            checker.found(checker.last().sequence, "the file goes on behind its last line".to_owned());
            break;
        }
        if let Ok(End { end: head }) = serde_json::from_slice(&text) {
            end = Some(head);
        } else if let Ok(line) = serde_json::from_slice::<Line>(&text) {
            check(line, &mut checker, begin.chosen.is_all());
        } else {
            let sentence = format!("the line behind entry {} cannot be read", checker.last().sequence);
            checker.found(checker.last().sequence, sentence);
        }
    }
    let last = Head::from(checker.last());
    if let Some(cause) = &lines.torn {
        checker.found(last.sequence, format!("the file cannot be read to its end: {cause}"));
    }
    match end {
        Some(head) if head == last => {}
        Some(head) => checker.found(last.sequence, format!("the file ends with {last}, but was made up to {head}")),
        None => checker.found(last.sequence, format!("the file was cut off behind entry {}", last.sequence)),
    }
    if !begin.chosen.is_all() {
        checker.note(
            "Of entries that were not chosen there is only the hash: that these hashes are of one chain is proven by an \
             export of everything, or by the store, and not by this file."
                .to_owned(),
        );
    }
    Ok(checker.finish())
}

fn check(read: Line, checker: &mut Checker, all: bool) {
    let Line { sequence, previous, payload, hash, exchanges } = read;
    let last = checker.last();
    let Some(claimed) = hash_of(&hash) else {
        return checker.found(sequence, format!("entry {sequence} has no readable hash"));
    };
    if sequence != last.sequence.saturating_add(1) {
        let sentence = format!("behind entry {} comes entry {sequence}: entries were removed or moved", last.sequence);
        checker.found(sequence, sentence);
    }
    let link = Link { sequence, hash: claimed };
    let (Some(previous), Some(payload)) = (previous, payload) else {
        if all {
            checker.found(sequence, format!("of entry {sequence} there is only the hash: its content was removed"));
        }
        return checker.hash_only(link);
    };
    let previous = hash_of(&previous).unwrap_or_default();
    if previous != last.hash {
        let sentence = format!("entry {sequence} does not continue the chain: it or the entry before it was changed");
        checker.found(sequence, sentence);
    }
    if journal::hash(sequence, &previous, payload.as_bytes()) != claimed {
        checker.found(sequence, format!("entry {sequence} is not what its hash says: it was changed"));
    }
    checker.entry(link, payload.as_bytes(), &Texts::Given(exchanges));
}

/// The lines of a file, compressed or not.
struct Lines {
    text: BufReader<Box<dyn Read>>,
    /// Why what is compressed cannot be read to its end.
    torn: Option<String>,
}

impl Lines {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::new(File::open(path)?);
        let is_packed = file.fill_buf()?.starts_with(b"\x1f\x8b");
        let text: Box<dyn Read> = if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        Ok(Self { text: BufReader::new(text), torn: None })
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        match (&mut self.text).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Err(error) if journal::is_damage(&error) => self.torn = Some(error.to_string()),
            read => {
                read?;
            }
        }
        Ok(Some(line).filter(|line| !line.is_empty()))
    }
}
