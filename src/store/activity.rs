//! What was posted in the hours gone by: how much, how soon, and with how many cents made up.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::{Deserialize, Serialize};

use crate::domain::delivery::{OpenWarning, Record};
use crate::domain::money::Money;
use crate::domain::warning::WarningCode;

/// Hours that are kept.
const HOURS_MAX: usize = 48;
const HOUR_SECONDS: i64 = 3600;
/// The upper ends of [`Hour::took`], in seconds; what takes longer is in the last place.
pub const TOOK_SECONDS: [i64; 6] = [1, 5, 15, 60, 600, 3600];
/// The upper ends of [`Hour::adjusted`], in cents; what is more is in the last place.
pub const ADJUSTED_CENTS: [i64; 4] = [1, 2, 5, 10];

/// What was posted, by hours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity(BTreeMap<i64, Hour>);

/// What was posted in one hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hour {
    /// Documents.
    #[serde(default, rename = "p")]
    pub posted: u32,
    /// Of these, by how long after the last callback (or the first word of it), see [`TOOK_SECONDS`].
    #[serde(default, rename = "t")]
    pub took: [u32; TOOK_SECONDS.len() + 1],
    /// Amounts that were made up, by their size, see [`ADJUSTED_CENTS`].
    #[serde(default, rename = "a")]
    pub adjusted: [u32; ADJUSTED_CENTS.len() + 1],
}

impl Activity {
    /// The last `count` hours, oldest first, each with when it began; the last one is not over yet.
    #[must_use]
    pub fn last(&self, count: usize, now: Timestamp) -> Vec<(Timestamp, Hour)> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let last = hour(now);
        let hours = last.saturating_sub(count.saturating_sub(1))..=last;
        let began = |hour: i64| Timestamp::from_second(hour.saturating_mul(HOUR_SECONDS)).unwrap_or(now);
        hours.map(|hour| (began(hour), self.0.get(&hour).cloned().unwrap_or_default())).collect()
    }

    /// Notes what a record has become.
    pub(crate) fn note(&mut self, old: Option<&Record>, new: &Record) {
        let before = old.and_then(|old| old.posted.as_ref());
        let Some(posted) = new.posted.as_ref().filter(|posted| before.is_none_or(|before| before.id != posted.id))
        else {
            return;
        };
        let heard = new.messages.last().map_or(new.first_seen, |(_, at)| *at);
        let known: &[OpenWarning] = old.map(|old| old.warnings.as_slice()).unwrap_or_default();
        let of_hour = self.0.entry(hour(posted.at)).or_default();
        of_hour.posted = of_hour.posted.saturating_add(1);
        count(&mut of_hour.took, &TOOK_SECONDS, posted.at.duration_since(heard).as_secs());
        for open in new.warnings.iter().filter(|open| !known.contains(open)) {
            if let Some(amount) = made_up(open) {
                count(&mut of_hour.adjusted, &ADJUSTED_CENTS, cents(amount));
            }
        }
        while self.0.len() > HOURS_MAX {
            self.0.pop_first();
        }
    }
}

/// The amount that a warning says was made up, without its sign.
fn made_up(open: &OpenWarning) -> Option<Money> {
    let warning = &open.warning;
    let codes = [WarningCode::RoundingLine, WarningCode::TaxRounding, WarningCode::AdjustmentLine];
    warning.parts.last().filter(|_| codes.contains(&warning.code)).map(|part| part.amount.abs())
}

/// Whole cents, begun ones included.
fn cents(amount: Money) -> i64 {
    let cents = amount.decimal().checked_mul(Decimal::ONE_HUNDRED).map(|cents| cents.ceil());
    cents.and_then(|cents| cents.to_i64()).unwrap_or(i64::MAX)
}

fn count(places: &mut [u32], ends: &[i64], value: i64) {
    let place = ends.iter().position(|end| value <= *end).unwrap_or(ends.len());
    if let Some(count) = places.get_mut(place) {
        *count = count.saturating_add(1);
    }
}

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(HOUR_SECONDS)
}
