//! The history in the hands of an auditor: verified, exported, backed up and restored, by reading the folder.
//!
//! All of it works beside a running service: it reads only, and takes no lock.
//!
//! What the chain of hashes proves: nobody changed, removed, moved or added an entry in the middle, nor an exchange
//! that an entry names. What it does not prove by itself: that the end is not cut off, and that not all of it was
//! written anew by whoever owns the disk. A [`Head`] that was noted elsewhere proves both, up to that head.

mod backup;
mod check;
mod export;

use std::io;
use std::path::Path;

pub use backup::{Backup, backup, restore};
pub use check::{Exchanges, Finding, Verdict};
pub use export::{Choice, export, verify_export};

use super::{Head, exchanges, journal};
use check::{Checker, Texts};

/// Why a history could not be read or written at all.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A file.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: String,
        /// What happened.
        error: io::Error,
    },
    /// It would be lost.
    #[error("{0} is there already and not empty; name another one")]
    NotEmpty(String),
    /// There is none.
    #[error("{0} has no journal: name the folder that [store] path names, or one that `readypost backup` made")]
    NoJournal(String),
    /// It is not what it should be.
    #[error("{0}")]
    Unsound(String),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> AuditError {
    let path = path.display().to_string();
    move |error| AuditError::File { path, error }
}

/// The folder of the journal, if there is one.
fn journal_of(store: &Path) -> Result<std::path::PathBuf, AuditError> {
    let journal = store.join("journal");
    if journal.is_dir() { Ok(journal) } else { Err(AuditError::NoJournal(store.display().to_string())) }
}

/// Verifies the history in a store's folder, against heads that were noted elsewhere.
///
/// # Errors
/// When it cannot be read. What is wrong with it is in the verdict.
pub fn verify(store: &Path, noted: &[Head]) -> Result<Verdict, AuditError> {
    let directory = journal_of(store)?;
    let texts = Texts::Folder(store.join(exchanges::FOLDER));
    let mut checker = Checker::new(noted);
    let audit = journal::audit(&directory, &mut |scanned| {
        checker.entry(scanned.link, scanned.payload, &texts);
    })
    .map_err(at(&directory))?;
    checker.damaged(&audit);
    Ok(checker.finish())
}
