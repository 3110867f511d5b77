//! Which keys the index may hold: says for sure that a key is new, without asking sled.
//!
//! sled excludes its readers while a batch is applied, so the writer would wait for the index with every
//! new record. The size is fixed: far more records than it is made for cost time, and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

/// 1 MiB: one key in a hundred is asked for in vain at 800,000 records.
const WORDS: usize = 1 << 17;
/// Bits per key.
const PROBES: u32 = 6;

/// A Bloom filter over keys.
#[derive(Debug)]
pub(super) struct Seen {
    words: Box<[AtomicU64]>,
}

impl Seen {
    pub(super) fn new() -> Self {
        Self { words: std::iter::repeat_with(AtomicU64::default).take(WORDS).collect() }
    }

    /// Remembers a key. Whoever is to see it afterwards takes the memory's lock, so no stronger order is needed.
    pub(super) fn insert(&self, key: &[u8]) {
        for (word, bit) in self.bits(key) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// False only for keys that were never inserted.
    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        self.bits(key).all(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    fn bits(&self, key: &[u8]) -> impl Iterator<Item = (&AtomicU64, u64)> {
        let (one, other) = hashes(key);
        (0..PROBES).filter_map(move |probe| {
            let at = one.wrapping_add(u64::from(probe).wrapping_mul(other));
            let word = usize::try_from(at >> 6).ok().map(|word| word % WORDS)?;
            Some((self.words.get(word)?, 1 << (at & 63)))
        })
    }
}

/// FNV-1a, mixed twice: the keys are ours, so nobody can choose them to collide.
fn hashes(key: &[u8]) -> (u64, u64) {
    let mix = |mut hash: u64, factor: u64| {
        hash ^= hash >> 33;
        hash = hash.wrapping_mul(factor);
        hash ^ (hash >> 29)
    };
    let hash = key
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
    (mix(hash, 0xFF51_AFD7_ED55_8CCD), mix(hash, 0xC4CE_B9FE_1A85_EC53) | 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_inserted_is_never_new_and_most_others_are() {
        let seen = Seen::new();
        let key = |number: u32| format!("racme/invoice/{number}").into_bytes();
        (0..100_000).for_each(|number| seen.insert(&key(number)));
        assert!((0..100_000).all(|number| seen.may_hold(&key(number))));
        let vain = (100_000..200_000).filter(|number| seen.may_hold(&key(*number))).count();
        assert!(vain < 100, "{vain} of 100,000 new keys look known");
    }
}
