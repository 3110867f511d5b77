//! Backup while the service runs, and restore.
//!
//! A backup has the journal up to some entry and the exchanges that it names; the index is made anew from it. It is
//! marked as a backup: whoever opens it, restored or copied by hand, notes a gap, so that what was posted since is
//! looked up in Xero before it is posted again.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AuditError, Verdict, at, journal_of, verify};
use crate::clock::Clock;
use crate::store::event::{Entry, Event};
use crate::store::journal::{self, Journal};
use crate::store::open::RESTORED;
use crate::store::{Head, exchanges};

/// What a backup says of itself.
const LABEL: &str = "backup.json";

/// A label of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// When it was made.
    pub at: Timestamp,
    /// The version of readypost.
    pub version: String,
    /// Its last entry.
    pub head: Head,
}

/// Copies a store, also while a service uses it, and verifies the copy.
///
/// A store that is damaged is copied all the same; what is wrong with it is in the verdict.
///
/// # Errors
/// When `to` is not empty, or something cannot be read or written; then there is no backup.
pub fn backup(store: &Path, to: &Path, clock: &dyn Clock) -> Result<Verdict, AuditError> {
    journal_of(store)?;
    into(to, |partial| {
        copy(store, partial)?;
        let verdict = verify(partial, &[])?;
        let label = Backup { at: clock.now(), version: env!("CARGO_PKG_VERSION").to_owned(), head: verdict.head };
        let text = serde_json::to_string_pretty(&label).map_err(|error| AuditError::Unsound(error.to_string()))?;
        write(&partial.join(LABEL), &text)?;
        write(&partial.join(RESTORED), "This is a backup. The next start notes a gap and removes this file.\n")?;
        Ok(verdict)
    })
}

/// Copies a backup, or the folder of a store that nobody uses, into a new folder, and notes the gap.
///
/// # Errors
/// When `to` is not empty, something cannot be read or written, or the backup is not what it was when it was made;
/// then nothing is restored.
pub fn restore(from: &Path, to: &Path, clock: &dyn Clock) -> Result<Verdict, AuditError> {
    journal_of(from)?;
    let label =
        match std::fs::read_to_string(from.join(LABEL)) {
            Ok(text) => Some(serde_json::from_str::<Backup>(&text).map_err(|error| {
                AuditError::Unsound(format!("{} cannot be read: {error}", from.join(LABEL).display()))
            })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(&from.join(LABEL))(error)),
        };
    let noted: Vec<Head> = label.iter().map(|label| label.head).collect();
    sound(from, &verify(from, &noted)?)?;
    into(to, |partial| {
        copy(from, partial)?;
        note_gap(partial, label.as_ref(), clock)?;
        write(&partial.join(RESTORED), "This was restored. The next start notes a gap and removes this file.\n")?;
        let verdict = verify(partial, &noted)?;
        sound(partial, &verdict)?;
        Ok(verdict)
    })
}

fn sound(folder: &Path, verdict: &Verdict) -> Result<(), AuditError> {
    match verdict.findings.first() {
        None => Ok(()),
        Some(first) => Err(AuditError::Unsound(format!(
            "{} is not as it was written ({}). `readypost history verify --path {}` lists what is wrong; restore another \
             backup, or copy this one by hand: the start then notes what is damaged.",
            folder.display(),
            first.sentence,
            folder.display()
        ))),
    }
}

/// Fills a new folder beside `to`, which gets its name when everything in it is durable.
fn into<T>(to: &Path, fill: impl FnOnce(&Path) -> Result<T, AuditError>) -> Result<T, AuditError> {
    let is_empty = match std::fs::read_dir(to) {
        Ok(mut files) => files.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => !to.exists(),
        Err(error) => return Err(at(to)(error)),
    };
    if !is_empty {
        return Err(AuditError::NotEmpty(to.display().to_string()));
    }
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    // What an attempt left behind that was cut off.
    let _ = std::fs::remove_dir_all(&partial);
    std::fs::create_dir_all(&partial).map_err(at(&partial))?;
    let filled = fill(&partial).and_then(|filled| {
        File::open(&partial).and_then(|folder| folder.sync_all()).map_err(at(&partial))?;
        // An empty folder is replaced.
        std::fs::rename(&partial, to).map_err(at(to))?;
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(at(parent))?;
        Ok(filled)
    });
    if filled.is_err() {
        let _ = std::fs::remove_dir_all(&partial);
    }
    filled
}

/// Copies what cannot be made anew. The exchanges come before the journal, because the age rule may take files away
/// meanwhile, and once more after it, because the journal names only what was durable before it.
fn copy(from: &Path, to: &Path) -> Result<(), AuditError> {
    let (said, kept) = (from.join(exchanges::FOLDER), to.join(exchanges::FOLDER));
    exchanges::copy(&said, &kept).map_err(at(&said))?;
    let (directory, copied) = (from.join("journal"), to.join("journal"));
    journal::copy(&directory, &copied).map_err(at(&directory))?;
    File::open(&copied).and_then(|folder| folder.sync_all()).map_err(at(&copied))?;
    exchanges::copy(&said, &kept).map_err(at(&said))
}

fn write(path: &Path, text: &str) -> Result<(), AuditError> {
    let written = std::fs::write(path, text).and_then(|()| File::open(path)?.sync_all());
    written.map_err(at(path))
}

/// Says in the journal that it is a backup from here on.
fn note_gap(store: &Path, label: Option<&Backup>, clock: &dyn Clock) -> Result<(), AuditError> {
    let directory = store.join("journal");
    let scan = Journal::scan(&directory, None, &mut |_| ()).map_err(at(&directory))?;
    let scan = scan.ok_or_else(|| AuditError::NoJournal(store.display().to_string()))?;
    let after = scan.sequence();
    let made = label.map(|label| format!(" of {}", label.at)).unwrap_or_default();
    let found = format!("restored from a backup{made}; what was posted since is looked up in Xero");
    let entry = Entry { at: clock.now(), before: None, event: Event::Gap { after, found: found.into() } };
    let unsound = |error: String| AuditError::Unsound(error);
    let payload = serde_json::to_vec(&entry).map_err(|error| unsound(error.to_string()))?;
    let mut journal = Journal::begin(&directory, scan, journal::SEGMENT_BYTES).map_err(at(&directory))?.journal;
    journal.append(&payload).map_err(|error| unsound(error.to_string()))?;
    journal.sync().map_err(at(&directory))
}
