//! What was said with both systems, beside the journal: one deflated text for each journal entry that names it.
//!
//! The journal has place, length and SHA-256 of each text, and is written after the text is durable. So the chain of
//! hashes covers them, and still whole files of them can be taken away when they are old: the chain stays as it is,
//! and says by an entry of its own which files went. A file is begun anew at a size and at an age, so that the age
//! rule finds files of which everything is old.
//!
//! ```text
//! file: 16 bytes name and version | i64 time of the first text, in seconds | deflated texts, one after another
//! ```

mod file;
mod writer;

use std::io;
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

pub(super) use file::{FIRST, copy, expired, read, remove};
pub(super) use writer::run;

use super::StoreError;
use super::event::Exchanged;
use crate::domain::exchange::Exchange;
use crate::domain::text::hex;

/// The folder, beside that of the journal.
pub(super) const FOLDER: &str = "exchanges";

/// Exchanges to be made durable, and whom to tell where they are.
#[derive(Debug)]
pub(super) struct Keep {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) at: Timestamp,
    pub(super) answer: oneshot::Sender<Result<Exchanged, StoreError>>,
}

/// The text that a journal entry names, as it was kept.
///
/// # Errors
/// What is wrong with it.
pub(super) fn text(folder: &Path, place: &Exchanged) -> Result<String, String> {
    let bytes = read(folder, place).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("file {} of exchanges is not there", place.file),
        _ => format!("file {} of exchanges at {}: {error}", place.file, place.offset),
    })?;
    is_what(&bytes, place)?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// Whether a text is the one that a journal entry names.
///
/// # Errors
/// What is wrong with it.
pub(super) fn is_what(text: &[u8], place: &Exchanged) -> Result<(), String> {
    if hex(&Sha256::digest(text)) == place.sha256 {
        return Ok(());
    }
    Err(format!("file {} of exchanges at {} is not what the journal says", place.file, place.offset))
}
