//! The thread that keeps exchanges: it takes what waits, writes and syncs it once, and only then answers.
//!
//! It is a thread of its own, so that neither the door nor the journal waits for it.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{FIRST, Keep, file};
use crate::domain::exchange::Exchange;
use crate::domain::text::hex;
use crate::store::StoreError;
use crate::store::event::Exchanged;
use crate::store::journal::create_folder;
use crate::store::local::Shared;

/// A longer file is followed by a new one.
const FILE_BYTES: u64 = 16 << 20;
/// An older file is followed by a new one, so that the age rule never waits long for the end of a file.
const FILE_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Steps whose exchanges are synced together.
const GROUP_MAX: usize = 64;

/// The open end of the files.
struct End {
    file: File,
    number: u32,
    offset: u64,
    begun: Timestamp,
    buffer: Vec<u8>,
}

/// Runs until the channel is closed and empty.
pub(in crate::store) fn run(folder: &Path, shared: &Shared, mut waiting: mpsc::Receiver<Keep>) {
    let mut end = None;
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            group.push(next);
        }
        let kept = if shared.works() {
            keep(&mut end, folder, &group).map_err(|error| error.to_string())
        } else {
            Err("it failed before".to_owned())
        };
        match kept {
            Ok(places) => {
                for (keep, place) in group.into_iter().zip(places) {
                    // Whoever asked may have gone; what no entry names is in nobody's way.
                    let _ = keep.answer.send(Ok(place));
                }
            }
            Err(cause) => {
                // As with the journal: what failed once is not tried again.
                shared.poison(&format!("exchanges cannot be written: {cause}"));
                for keep in group {
                    let _ = keep.answer.send(Err(StoreError::Unavailable(cause.clone())));
                }
            }
        }
    }
}

fn keep(end: &mut Option<End>, folder: &Path, group: &[Keep]) -> io::Result<Vec<Exchanged>> {
    let now = group.iter().map(|keep| keep.at).max().unwrap_or_default();
    let mut open = match end.take() {
        Some(end) if end.is_full(now) => End::create(folder, end.number.saturating_add(1), now)?,
        Some(end) => end,
        None => End::open(folder, now)?,
    };
    let places = group.iter().map(|keep| open.append(&keep.exchanges)).collect::<io::Result<Vec<Exchanged>>>()?;
    open.sync()?;
    *end = Some(open);
    Ok(places)
}

impl End {
    /// Goes on with the last file, or begins one.
    fn open(folder: &Path, now: Timestamp) -> io::Result<Self> {
        create_folder(folder)?;
        let Some(number) = file::numbers(folder)?.last().copied() else { return Self::create(folder, 1, now) };
        let end = match file::open_end(folder, number)? {
            Some((file, offset, begun)) => Self { file, number, offset, begun, buffer: Vec::new() },
            None => return Self::create(folder, number.saturating_add(1), now),
        };
        if end.is_full(now) { Self::create(folder, number.saturating_add(1), now) } else { Ok(end) }
    }

    fn create(folder: &Path, number: u32, now: Timestamp) -> io::Result<Self> {
        let file = file::create(folder, number, now)?;
        Ok(Self { file, number, offset: FIRST, begun: now, buffer: Vec::new() })
    }

    fn is_full(&self, now: Timestamp) -> bool {
        self.offset > FILE_BYTES || now.duration_since(self.begun) > FILE_LIFE
    }

    fn append(&mut self, exchanges: &[Exchange]) -> io::Result<Exchanged> {
        let text = serde_json::to_vec(exchanges)?;
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&text)?;
        let packed = encoder.finish()?;
        let buffered = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        self.buffer.extend_from_slice(&packed);
        let too_long = |_| io::Error::new(io::ErrorKind::FileTooLarge, "exchanges are too long");
        Ok(Exchanged {
            file: self.number,
            offset: self.offset.saturating_add(buffered),
            length: u32::try_from(packed.len()).map_err(too_long)?,
            crc: crc32c::crc32c(&packed),
            sha256: hex(&Sha256::digest(&text)),
            count: u32::try_from(exchanges.len()).map_err(too_long)?,
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.offset)?;
        self.file.sync_data()?;
        self.offset = self.offset.saturating_add(u64::try_from(self.buffer.len()).unwrap_or(u64::MAX));
        self.buffer.clear();
        self.buffer.shrink_to(1 << 20);
        Ok(())
    }
}
