//! The `where` language: comparisons and `Field.Contains("text")`, joined by AND. Anything else is refused, as Xero's fast path is no wider.

use std::iter::Peekable;
use std::str::Chars;

use jiff::civil::DateTime;
use rust_decimal::Decimal;
use uuid::Uuid;

/// The method that looks for a part of a text.
const CONTAINS: &str = "Contains";

/// A value in a comparison.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(super) enum Operand {
    /// Folded text, see [`Operand::text`].
    Text(String),
    Guid(Uuid),
    Date(DateTime),
    Number(Decimal),
    Flag(bool),
}

impl Operand {
    /// Text as Xero compares it: without case and accents.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(fold(text))
    }
}

/// Lower case without the accents of Western European names.
pub(super) fn fold(text: &str) -> String {
    let plain = |letter: char| match letter {
        'à'..='å' | 'ā' => 'a',
        'ç' | 'č' => 'c',
        'è'..='ë' | 'ē' => 'e',
        'ì'..='ï' | 'ī' => 'i',
        'ñ' => 'n',
        'ò'..='ö' | 'ō' => 'o',
        'ù'..='ü' | 'ū' => 'u',
        'ý' | 'ÿ' => 'y',
        other => other,
    };
    text.to_lowercase().chars().map(plain).collect()
}

/// One comparison.
#[derive(Debug)]
pub(super) struct Term {
    pub(super) field: String,
    operator: String,
    value: Operand,
}

impl Term {
    /// Whether a row with this value passes; comparing unlike types is an error, as in Xero.
    pub(super) fn holds(&self, value: Option<&Operand>) -> Result<bool, String> {
        let Some(value) = value else { return Ok(self.operator == "!=") };
        if std::mem::discriminant(value) != std::mem::discriminant(&self.value) {
            return Err(format!("Operator '{}' incompatible with the operand types of {}", self.operator, self.field));
        }
        match self.operator.as_str() {
            "==" | "=" => Ok(*value == self.value),
            "!=" => Ok(*value != self.value),
            "<" => Ok(*value < self.value),
            "<=" => Ok(*value <= self.value),
            ">" => Ok(*value > self.value),
            ">=" => Ok(*value >= self.value),
            CONTAINS => match (value, &self.value) {
                (Operand::Text(value), Operand::Text(part)) => Ok(value.contains(part)),
                _ => Err(format!("No method 'Contains' exists for {}", self.field)),
            },
            other => Err(format!("Unknown operator '{other}'")),
        }
    }
}

/// Reads a whole `where` clause.
pub(super) fn parse(text: &str) -> Result<Vec<Term>, String> {
    let mut chars = text.chars().peekable();
    let mut terms = Vec::new();
    loop {
        skip_spaces(&mut chars);
        let field = take(&mut chars, |letter| letter.is_ascii_alphanumeric() || letter == '.');
        skip_spaces(&mut chars);
        if let Some(field) = field.strip_suffix(".Contains").filter(|_| chars.next_if_eq(&'(').is_some()) {
            let part = quoted(&mut chars).filter(|_| chars.next_if_eq(&')').is_some());
            let value = Operand::text(&part.ok_or_else(|| format!("Syntax error in '{text}'"))?);
            terms.push(Term { field: field.to_owned(), operator: CONTAINS.to_owned(), value });
            if joined(&mut chars, text)? {
                continue;
            }
            return Ok(terms);
        }
        let operator = take(&mut chars, |letter| "=!<>".contains(letter));
        if field.is_empty() || operator.is_empty() {
            return Err(format!("Syntax error in '{text}'"));
        }
        skip_spaces(&mut chars);
        let value = literal(&mut chars).ok_or_else(|| format!("Syntax error in '{text}'"))?;
        terms.push(Term { field, operator, value });
        if !joined(&mut chars, text)? {
            return Ok(terms);
        }
    }
}

/// Whether another comparison follows.
fn joined(chars: &mut Peekable<Chars<'_>>, text: &str) -> Result<bool, String> {
    skip_spaces(chars);
    match take(chars, |letter| letter.is_ascii_alphabetic() || letter == '&').as_str() {
        "" if chars.peek().is_none() => Ok(false),
        "AND" | "and" | "And" | "&&" => Ok(true),
        _ => Err(format!("Syntax error in '{text}'")),
    }
}

fn skip_spaces(chars: &mut Peekable<Chars<'_>>) {
    take(chars, char::is_whitespace);
}

fn take(chars: &mut Peekable<Chars<'_>>, wanted: impl Fn(char) -> bool) -> String {
    let mut taken = String::new();
    while let Some(letter) = chars.next_if(|letter| wanted(*letter)) {
        taken.push(letter);
    }
    taken
}

fn literal(chars: &mut Peekable<Chars<'_>>) -> Option<Operand> {
    if chars.peek() == Some(&'"') {
        return quoted(chars).map(|text| Operand::text(&text));
    }
    let word = take(chars, |letter| letter.is_ascii_alphanumeric() || letter == '.' || letter == '-');
    match word.to_ascii_lowercase().as_str() {
        "true" => Some(Operand::Flag(true)),
        "false" => Some(Operand::Flag(false)),
        "guid" => {
            chars.next_if_eq(&'(')?;
            let id = quoted(chars)?;
            chars.next_if_eq(&')')?;
            id.parse().ok().map(Operand::Guid)
        }
        "datetime" => {
            chars.next_if_eq(&'(')?;
            let inner = take(chars, |letter| letter != ')');
            chars.next_if_eq(&')')?;
            let mut parts = inner.split(',').map(|part| part.trim().parse::<i16>());
            let mut part = |fallback: i16| parts.next().unwrap_or(Ok(fallback)).ok();
            let (year, month, day) = (part(0)?, part(1)?, part(1)?);
            let (hour, minute, second) = (part(0)?, part(0)?, part(0)?);
            let small = |number: i16| i8::try_from(number).ok();
            let at = DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, 0);
            at.ok().map(Operand::Date)
        }
        other => other.parse().ok().map(Operand::Number),
    }
}

/// A quoted text; a doubled quote stands for one, a backslash for itself.
fn quoted(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    chars.next_if_eq(&'"')?;
    let mut text = String::new();
    loop {
        match chars.next()? {
            '"' if chars.next_if_eq(&'"').is_some() => text.push('"'),
            '"' => return Some(text),
            letter => text.push(letter),
        }
    }
}
