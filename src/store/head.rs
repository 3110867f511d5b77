//! The head of the journal: sequence and hash of its last entry.
//!
//! The hash covers every entry before it. Whoever owns the disk can write a whole chain anew, but not one that has the
//! head which somebody noted elsewhere.

use serde::{Deserialize, Serialize};

use super::journal::{Hash, Link};
use crate::domain::text::hex;

/// Sequence and hash of an entry, as `4711:9f86d0…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Head {
    /// Place of the entry in the journal, from 1; 0 before the first.
    pub sequence: u64,
    pub(crate) hash: Hash,
}

impl Head {
    /// Of an empty journal.
    pub const START: Self = Self { sequence: 0, hash: [0; 32] };
}

impl From<Link> for Head {
    fn from(link: Link) -> Self {
        Self { sequence: link.sequence, hash: link.hash }
    }
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.sequence, hex(&self.hash))
    }
}

impl From<Head> for String {
    fn from(head: Head) -> Self {
        head.to_string()
    }
}

impl TryFrom<String> for Head {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::str::FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no head: it is a number, a colon and 64 hexadecimal digits");
        let (sequence, hash) = text.trim().split_once(':').ok_or_else(wrong)?;
        let sequence = sequence.parse().map_err(|_| wrong())?;
        Ok(Self { sequence, hash: hash_of(hash).ok_or_else(wrong)? })
    }
}

/// 64 hexadecimal digits as bytes.
pub(super) fn hash_of(text: &str) -> Option<Hash> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let pairs = digits?.chunks(2).map(|pair| pair.iter().fold(0_u8, |byte, digit| (byte << 4) | digit)).collect();
    Vec::try_into(pairs).ok().filter(|_| text.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = Head { sequence: 4711, hash: std::array::from_fn(|at| u8::try_from(at * 7).unwrap()) };
        assert_eq!(head.to_string().parse(), Ok(head));
        let text = head.to_string();
        for wrong in ["", "7", "7:", "x:00", &text[..text.len() - 1], &format!("{text}0"), &text.replace('0', "g")] {
            assert!(wrong.parse::<Head>().is_err(), "{wrong}");
        }
    }
}
