//! Bounded text: what comes from outside and is kept cannot grow a stored value without limit.

use serde::{Deserialize, Serialize};

/// A sentence of at most [`Sentence::CHARS_MAX`] characters; longer ones end in `…`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct Sentence(String);

impl Sentence {
    /// The longest sentence, in characters.
    pub const CHARS_MAX: usize = 400;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Sentence {
    fn from(text: String) -> Self {
        Self(shorten(&text, Self::CHARS_MAX))
    }
}

impl From<&str> for Sentence {
    fn from(text: &str) -> Self {
        Self(shorten(text, Self::CHARS_MAX))
    }
}

impl std::fmt::Display for Sentence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first `chars_max` characters of `text`, the last one replaced by `…` when something was cut.
#[must_use]
pub fn shorten(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
