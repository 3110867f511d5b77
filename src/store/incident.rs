//! What happened to the store that a person should know of, long after the log of it was read.

use std::path::Path;

use jiff::Timestamp;

use super::memory::Totals;

/// What the name of an index begins with that was moved aside.
const ASIDE: &str = "index.broken";

/// Something that happened to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incident {
    /// An index was broken: it was moved aside and made anew. It is told of as long as its folder is there.
    SetAside {
        /// How many are there.
        count: u64,
        /// The folder of one of them, below the store's.
        folder: String,
    },
    /// Entries of the journal are missing, or may be.
    Gap {
        /// At how many places.
        count: u64,
        /// When that was found the last time: records that were closed before may have been posted.
        at: Timestamp,
    },
}

/// The indexes that were moved aside and are still in the store's folder.
pub(super) fn set_aside(folder: &Path) -> Option<Incident> {
    let names = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut aside: Vec<String> = names.filter(|name| name.starts_with(ASIDE)).collect();
    aside.sort_unstable();
    let count = u64::try_from(aside.len()).unwrap_or(u64::MAX);
    Some(Incident::SetAside { count, folder: aside.pop()? })
}

/// The places at which the journal lacks entries.
pub(super) fn gaps(totals: &Totals) -> Option<Incident> {
    let count = u64::try_from(totals.gaps.len()).unwrap_or(u64::MAX);
    totals.trusted_since.filter(|_| count > 0).map(|at| Incident::Gap { count, at })
}
