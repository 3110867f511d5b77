//! One journal entry on disk: length, checksum, sequence, hash of the previous entry, payload.
//!
//! ```text
//! u32 length of what follows the checksum | u32 CRC32C of it | u64 sequence | 32 bytes hash | payload
//! ```
//! Integers are little-endian. The hash of an entry is SHA-256 over sequence, previous hash and
//! payload, so no entry can be changed, removed or moved without breaking the chain.

use sha2::{Digest, Sha256};

use super::Link;

/// Hash of an entry, which the next one carries.
pub(crate) type Hash = [u8; 32];

/// Bytes before the payload.
pub(crate) const HEADER_BYTES: usize = 4 + 4 + 8 + 32;
/// The largest payload that is written or believed.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 8 << 20;

/// A decoded frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'bytes> {
    /// Place in the journal, from 1.
    pub(crate) sequence: u64,
    /// Hash of the entry before.
    pub(crate) previous: Hash,
    /// What was journalled.
    pub(crate) payload: &'bytes [u8],
    /// Bytes on disk.
    pub(crate) length: usize,
}

impl Frame<'_> {
    /// The hash that the next entry carries.
    pub(crate) fn hash(&self) -> Hash {
        hash(self.sequence, &self.previous, self.payload)
    }

    /// What ties it to the chain.
    pub(super) fn link(&self) -> Link {
        Link { sequence: self.sequence, hash: self.hash() }
    }

    /// Whether it is the entry behind `last`.
    pub(super) fn continues(&self, last: &Link) -> bool {
        self.sequence == last.sequence.saturating_add(1) && self.previous == last.hash
    }
}

/// What an entry's successor carries: SHA-256 over the sequence in little-endian, the previous hash and the payload.
pub(crate) fn hash(sequence: u64, previous: &Hash, payload: &[u8]) -> Hash {
    Sha256::new().chain_update(sequence.to_le_bytes()).chain_update(previous).chain_update(payload).finalize().into()
}

/// Appends an entry to `buffer` and returns its hash.
pub(crate) fn encode(buffer: &mut Vec<u8>, sequence: u64, previous: &Hash, payload: &[u8]) -> Hash {
    let length = u32::try_from(payload.len().saturating_add(HEADER_BYTES).saturating_sub(8)).unwrap_or(u32::MAX);
    let sequence_bytes = sequence.to_le_bytes();
    let crc =
        [&sequence_bytes[..], &previous[..], payload].iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part));
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&crc.to_le_bytes());
    buffer.extend_from_slice(&sequence_bytes);
    buffer.extend_from_slice(previous);
    buffer.extend_from_slice(payload);
    hash(sequence, previous, payload)
}

/// Reads the entry at the start of `bytes`; none when it is cut short or damaged.
pub(crate) fn decode(bytes: &[u8]) -> Option<Frame<'_>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if !(HEADER_BYTES - 8..=PAYLOAD_BYTES_MAX + HEADER_BYTES).contains(&length) {
        return None;
    }
    let body = rest.get(..length)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (sequence, body) = body.split_first_chunk::<8>()?;
    let (previous, payload) = body.split_first_chunk::<32>()?;
    Some(Frame {
        sequence: u64::from_le_bytes(*sequence),
        previous: *previous,
        payload,
        length: length.saturating_add(8),
    })
}

/// The sequence that an entry at the start of `bytes` would have, unchecked.
pub(super) fn peek_sequence(bytes: &[u8]) -> Option<u64> {
    bytes.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_survives_and_any_damage_is_noticed() {
        let mut bytes = Vec::new();
        let hash = encode(&mut bytes, 7, &[3; 32], b"payload");
        let frame = decode(&bytes).unwrap();
        assert_eq!((frame.sequence, frame.payload, frame.length), (7, &b"payload"[..], bytes.len()));
        assert_eq!(frame.hash(), hash);
        for at in 0..bytes.len() {
            assert_eq!(decode(&bytes[..at]), None, "cut at {at}");
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert_eq!(decode(&damaged), None, "bit {bit} of byte {at}");
            }
        }
    }
}
