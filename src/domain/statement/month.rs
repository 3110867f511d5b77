//! A calendar month.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A calendar month: `2026-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month(Date);

impl Month {
    /// Its first day.
    #[must_use]
    pub fn first(self) -> Date {
        self.0
    }

    /// Its last day.
    #[must_use]
    pub fn last(self) -> Date {
        self.0.last_of_month()
    }

    /// Whether a day is in it.
    #[must_use]
    pub fn has(self, day: Date) -> bool {
        day.first_of_month() == self.0
    }
}

impl FromStr for Month {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let day = Some(text).filter(|text| text.len() == 7).and_then(|text| format!("{text}-01").parse::<Date>().ok());
        day.map(Self).ok_or_else(|| format!("{text:?} is no month such as 2026-11"))
    }
}

impl TryFrom<String> for Month {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.strftime("%Y-%m").to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_written_with_four_and_two_digits() {
        for text in ["2026-13", "2026-1", "2026-11-01", "November", ""] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
        let month: Month = "2026-02".parse().unwrap();
        assert_eq!((month.to_string().as_str(), month.last()), ("2026-02", jiff::civil::date(2026, 2, 28)));
        assert!(month.has(month.first()) && month.has(month.last()) && !month.has(jiff::civil::date(2026, 3, 1)));
    }
}
