//! How far the journal is applied to the index, and the state that has no row of its own.
//!
//! Both may outgrow one value, so they are stored in pieces.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{FORMAT, IndexError, VALUE_BYTES_MAX};
use crate::domain::text::hex;
use crate::store::journal::{Link, Position};
use crate::store::memory::Totals;

/// Everything up to `sequence` is in the index.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mark {
    sequence: u64,
    /// Hash of that entry, in hex: an index of another journal is not believed.
    hash: String,
    segment: u32,
    offset: u64,
    pub(crate) totals: Totals,
}

impl Mark {
    /// The mark behind entry `link`, with the next one at `next`.
    pub(crate) fn new(link: Link, next: Position, totals: Totals) -> Self {
        Self { sequence: link.sequence, hash: hex(&link.hash), segment: next.segment, offset: next.offset, totals }
    }

    /// Sequence of the last entry in the index.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Where to go on reading the journal, and after which entry; none when the hash is unreadable.
    pub(crate) fn resume(&self) -> Option<(Position, Link)> {
        let digits: Vec<u8> = self
            .hash
            .bytes()
            .filter_map(|digit| char::from(digit).to_digit(16))
            .filter_map(|digit| u8::try_from(digit).ok())
            .collect();
        let bytes: Vec<u8> =
            digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        let hash = bytes.try_into().ok()?;
        Some((Position { segment: self.segment, offset: self.offset }, Link { sequence: self.sequence, hash }))
    }
}

/// Keys and values of one value that was cut up.
pub(super) type Pieces = Vec<(Vec<u8>, Vec<u8>)>;

/// A value in pieces that fit into the index, under keys that begin with `prefix`; the first holds their number.
pub(super) fn encode<T: Serialize>(prefix: u8, value: &T) -> Result<Pieces, IndexError> {
    let json = serde_json::to_vec(value).map_err(|error| IndexError::Unreadable(error.to_string()))?;
    let pieces: Vec<&[u8]> = json.chunks(VALUE_BYTES_MAX).collect();
    let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
    let mut entries = vec![(vec![prefix], [&[FORMAT][..], &count.to_be_bytes()].concat())];
    let numbered = (0_u32..).zip(pieces);
    entries.extend(numbered.map(|(number, piece)| ([&[prefix][..], &number.to_be_bytes()].concat(), piece.to_vec())));
    Ok(entries)
}

/// A value from its pieces; none when there is none.
pub(super) fn decode<T: DeserializeOwned>(mut entries: sled::Iter) -> Result<Option<T>, IndexError> {
    let unreadable = || IndexError::Unreadable("a value is of another format".to_owned());
    let Some(first) = entries.next() else { return Ok(None) };
    let count = match first?.1.split_first() {
        Some((&FORMAT, count)) => u32::from_be_bytes(count.try_into().map_err(|_| unreadable())?),
        Some((other, _)) if (1..FORMAT).contains(other) => return Err(IndexError::Older),
        _ => return Err(unreadable()),
    };
    let mut json = Vec::new();
    for _ in 0..count {
        json.extend_from_slice(&entries.next().ok_or_else(unreadable)??.1);
    }
    serde_json::from_slice(&json).map(Some).map_err(|error| IndexError::Unreadable(error.to_string()))
}
