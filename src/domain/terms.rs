//! Billing terms: the XRef grammar of ConnectWise's billing terms table, and the due date it gives.
//!
//! Grammar, as today's products document it: a number of days (`30`), or `M<+n>:D<day>`, where
//! `D-0` is the last day of the month before: `M+1:D20` from 15 January is 20 February, `M0:D20` is
//! 20 January, `M+1:D-0` is 31 January.

use jiff::ToSpan;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What to do with a day that the month does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// The last day of the month.
    #[default]
    Clamp,
    /// As many days into the next month.
    RollOver,
}

/// Billing terms that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terms {
    /// So many days after the invoice date.
    Days(u16),
    /// A day of the month `months` after the invoice's.
    DayOfMonth {
        /// Months after the invoice's month.
        months: u8,
        /// Day 1 to 31; 0 is the last day of the month before.
        day: u8,
    },
}

/// A due date, and whether the terms' day did not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The date.
    pub date: Date,
    /// The month was too short for the terms' day.
    pub overflowed: bool,
}

impl Terms {
    /// Reads an XRef; `None` when it is neither days nor a construct.
    #[must_use]
    pub fn parse(xref: &str) -> Option<Self> {
        let text = xref.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().filter(|days| *days <= 3660).map(Self::Days);
        }
        let text = text.to_ascii_uppercase();
        let (months, day) = text.strip_prefix('M')?.split_once(":D")?;
        let number =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u8>().ok()).flatten();
        let months = number(months.strip_prefix('+').unwrap_or(months)).filter(|months| *months <= 24)?;
        let day = if day == "-0" { 0 } else { number(day).filter(|day| (1..=31).contains(day))? };
        Some(Self::DayOfMonth { months, day })
    }

    /// The due date for an invoice of `date`; `None` beyond the calendar's end.
    #[must_use]
    pub fn due(self, date: Date, overflow: Overflow) -> Option<Due> {
        let plain = |date| Some(Due { date, overflowed: false });
        match self {
            Self::Days(days) => plain(date.checked_add(i64::from(days).days()).ok()?),
            Self::DayOfMonth { months, day } => {
                let first = date.first_of_month().checked_add(i64::from(months).months()).ok()?;
                if day == 0 {
                    return plain(first.yesterday().ok()?);
                }
                let day = i8::try_from(day).ok()?;
                let last = first.days_in_month();
                if day <= last {
                    return plain(first.with().day(day).build().ok()?);
                }
                let date = match overflow {
                    Overflow::Clamp => first.last_of_month(),
                    Overflow::RollOver => {
                        first.last_of_month().checked_add(i64::from(day.saturating_sub(last)).days()).ok()?
                    }
                };
                Some(Due { date, overflowed: true })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_examples_give_their_dates() {
        let rows = [
            ("30", "2022-02-14", false),
            ("0", "2022-01-15", false),
            ("M+1:D20", "2022-02-20", false),
            ("M0:D20", "2022-01-20", false),
            ("m1:d5", "2022-02-05", false),
            ("M+1:D30", "2022-03-02", true),
            ("M+1:D-0", "2022-01-31", false),
        ];
        for (xref, due, overflowed) in rows {
            let found = Terms::parse(xref).unwrap().due("2022-01-15".parse().unwrap(), Overflow::RollOver).unwrap();
            assert_eq!(found, Due { date: due.parse().unwrap(), overflowed }, "{xref}");
        }
        let clamped = Terms::parse("M+1:D30").unwrap().due("2022-01-15".parse().unwrap(), Overflow::Clamp).unwrap();
        assert_eq!(clamped, Due { date: "2022-02-28".parse().unwrap(), overflowed: true });
    }

    #[test]
    fn anything_else_is_unreadable() {
        for xref in
            ["", "net 30", "-5", "M+1", "M+1:D", "M+1:D32", "M+1:D0", "M+1:D-1", "M++1:D5", "99999", "1.5", "M+99:D1"]
        {
            assert_eq!(Terms::parse(xref), None, "{xref}");
        }
    }
}
