//! Amounts of money: decimal, bounded, with one rounding function.
//!
//! The bound makes arithmetic safe by construction: an amount read from outside is at most
//! [`Money::LIMIT`], so no sum or product of a document can leave the range of [`Decimal`].

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Mul, Neg, Sub};
use std::str::FromStr;

use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// Rounds half away from zero to `places` decimals: the only rounding in the crate.
///
/// Xero's tie rule is not documented; a tie that matters is taken out of its hands (see `balance`).
#[must_use]
pub fn round(value: Decimal, places: u32) -> Decimal {
    value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero)
}

/// Whether `value` lies exactly half way between two amounts of `places` decimals.
#[must_use]
pub fn is_tie(value: Decimal, places: u32) -> bool {
    let to_even = value.round_dp_with_strategy(places, RoundingStrategy::MidpointNearestEven);
    let up = value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    let down = value.round_dp_with_strategy(places, RoundingStrategy::MidpointTowardZero);
    up != down && (to_even == up || to_even == down)
}

/// An amount outside of ±[`Money::LIMIT`], or no number at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount of money must be a number between -1,000,000,000,000 and 1,000,000,000,000")]
pub struct MoneyError;

/// An amount in the currency of its document.
///
/// The currency is a property of the whole document and is checked once, when facts are mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value", into = "Decimal")]
pub struct Money(Decimal);

/// The longest number that is read, in bytes; a binary fraction written out in full has less than 60.
const NUMBER_BYTES_MAX: usize = 64;

/// The decimal that a text from outside is, plain or with an exponent; none for anything else.
///
/// The length is looked at first: the parser of [`Decimal`] goes one call deeper for each digit, so that a number of
/// some thousand digits would end the process.
#[must_use]
pub fn decimal(text: &str) -> Option<Decimal> {
    if text.len() > NUMBER_BYTES_MAX {
        return None;
    }
    Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// One cent.
    pub const CENT: Self = Self(Decimal::from_parts(1, 0, 0, false, 2));
    /// The largest amount accepted from outside, in either direction.
    pub const LIMIT: Decimal = Decimal::from_parts(0xD4A5_1000, 0xE8, 0, false, 0);

    /// Takes a decimal as an amount.
    ///
    /// # Errors
    /// When it is outside of ±[`Money::LIMIT`].
    pub fn new(value: Decimal) -> Result<Self, MoneyError> {
        if value.abs() <= Self::LIMIT { Ok(Self(value)) } else { Err(MoneyError) }
    }

    /// The amount as a decimal.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// The amount rounded to cents.
    #[must_use]
    pub fn to_cents(self) -> Self {
        Self(round(self.0, 2))
    }

    /// The amount without its sign.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// Its size in whole cents, without its sign.
    #[must_use]
    pub fn cents(self) -> u64 {
        (self.to_cents().abs().0 * Decimal::ONE_HUNDRED).to_u64().unwrap_or_default()
    }

    /// Whether it is zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The same for serde, which passes what it asks about by reference.
    pub(crate) fn is_nothing(&self) -> bool {
        self.0.is_zero()
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.0 < Decimal::ZERO
    }
}

impl TryFrom<serde_json::Value> for Money {
    type Error = MoneyError;

    /// Reads a number, or a number as text.
    fn try_from(value: serde_json::Value) -> Result<Self, MoneyError> {
        let number = match value {
            serde_json::Value::Number(number) => decimal(&number.to_string()),
            serde_json::Value::String(text) => decimal(&text),
            _ => None,
        };
        number.ok_or(MoneyError).and_then(Self::new)
    }
}

impl TryFrom<Decimal> for Money {
    type Error = MoneyError;

    fn try_from(value: Decimal) -> Result<Self, MoneyError> {
        Self::new(value)
    }
}

impl From<Money> for Decimal {
    fn from(money: Money) -> Self {
        money.0
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Money {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Mul<Decimal> for Money {
    type Output = Self;

    fn mul(self, factor: Decimal) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    /// At least two decimals, more only when they are there: `12.50`, `0.1651`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut value = self.0.normalize();
        if value.scale() < 2 {
            value.rescale(2);
        }
        f.pad(&value.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dec(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn halves_round_away_from_zero() {
        for (value, rounded) in [("0.005", "0.01"), ("-0.005", "-0.01"), ("2.675", "2.68"), ("1.0049", "1.00")] {
            assert_eq!(round(dec(value), 2), dec(rounded));
        }
        assert!(is_tie(dec("0.125"), 2) && !is_tie(dec("0.1251"), 2) && !is_tie(dec("0.12"), 2));
    }

    #[test]
    fn json_numbers_keep_every_digit() {
        let money: Money = serde_json::from_str("999999999999.9999999995").unwrap();
        assert_eq!(money.decimal(), dec("999999999999.9999999995"));
        assert_eq!(serde_json::to_string(&money).unwrap(), "\"999999999999.9999999995\"");
        assert!(serde_json::from_str::<Money>("1000000000000.01").is_err());
        let binary: Money = serde_json::from_str("0.1000000000000000055511151231257827021181583404541015625").unwrap();
        assert_eq!(binary.to_string(), "0.1000000000000000055511151231");
        for digits in [100, 1_000_000] {
            for text in [format!("0.{}", "0".repeat(digits)), format!("\"{}\"", "1".repeat(digits)), "[0]".to_owned()] {
                assert!(serde_json::from_str::<Money>(&text).is_err(), "{digits} digits end no process");
            }
        }
        assert_eq!(Money::LIMIT, dec("1000000000000"));
    }

    proptest! {
        #[test]
        fn rounding_is_idempotent_and_moves_at_most_half_a_cent(mantissa in -1_000_000_000_i64..1_000_000_000, scale in 0_u32..8) {
            let value = Decimal::new(mantissa, scale);
            let rounded = round(value, 2);
            prop_assert_eq!(round(rounded, 2), rounded);
            prop_assert!((rounded - value).abs() <= dec("0.005"));
            prop_assert_eq!(is_tie(value, 2), (rounded - value).abs() == dec("0.005"));
        }
    }
}
