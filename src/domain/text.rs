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
        Self::from(text.as_str())
    }
}

impl From<&str> for Sentence {
    fn from(text: &str) -> Self {
        Self(printable(&shorten(text, Self::CHARS_MAX)))
    }
}

impl std::fmt::Display for Sentence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text as it can be shown anywhere: what breaks a line becomes a space, and what steers a terminal or turns the
/// direction of writing becomes the replacement character.
#[must_use]
pub fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
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

/// The text with a capital at its beginning.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Compares without telling by time where two texts differ.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_steers_no_terminal() {
        let sentence = Sentence::from("a\0b\u{1b}[2Jc\nd\u{202e}e\u{85}f");
        assert_eq!(sentence.as_str(), "a\u{fffd}b\u{fffd}[2Jc d\u{fffd}e\u{fffd}f");
        assert_eq!(Sentence::from("…".repeat(500)).as_str().chars().count(), Sentence::CHARS_MAX);
        assert_eq!(Sentence::from("München – 7 €").as_str(), "München – 7 €");
    }
}
