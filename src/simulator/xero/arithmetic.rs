//! How Xero computes a line: the price is rounded first, then the line, then the tax of each line.

use rust_decimal::{Decimal, RoundingStrategy};

use super::records::LineAmounts;

/// What happens to exactly half a cent; Xero does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HalfCent {
    /// Away from zero.
    #[default]
    Up,
    /// To the even cent.
    Even,
}

impl HalfCent {
    pub(super) fn round(self, amount: Decimal, places: u32) -> Decimal {
        let strategy = match self {
            Self::Up => RoundingStrategy::MidpointAwayFromZero,
            Self::Even => RoundingStrategy::MidpointNearestEven,
        };
        amount.round_dp_with_strategy(places, strategy)
    }
}

/// The amounts of a line as sent; what is absent is derived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) quantity: Option<Decimal>,
    pub(super) unit_amount: Option<Decimal>,
    pub(super) line_amount: Option<Decimal>,
    pub(super) discount_rate: Option<Decimal>,
    pub(super) discount_amount: Option<Decimal>,
}

impl Sent {
    /// A line may be a description only.
    pub(super) fn is_empty(&self) -> bool {
        self.quantity.is_none() && self.unit_amount.is_none() && self.line_amount.is_none()
    }
}

/// The amounts of a line as kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Priced {
    pub(super) quantity: Decimal,
    pub(super) unit_amount: Decimal,
    pub(super) line_amount: Decimal,
}

/// Prices a line, adding to `problems` what Xero would refuse.
pub(super) fn price(sent: Sent, half_cent: HalfCent, unit_places: u32, problems: &mut Vec<String>) -> Priced {
    let hundred = Decimal::ONE_HUNDRED;
    let rate = sent.discount_rate.unwrap_or_default();
    let kept = hundred - rate;
    let derived = |by: Decimal| {
        let line = sent.line_amount.unwrap_or_default() + sent.discount_amount.unwrap_or_default();
        let line = if kept.is_zero() { line } else { line * hundred / kept };
        line.checked_div(by).unwrap_or_default()
    };
    let (quantity, unit) = match (sent.quantity, sent.unit_amount) {
        (Some(quantity), Some(unit)) => (quantity, unit),
        (Some(quantity), None) => (quantity, derived(quantity)),
        (None, Some(unit)) if sent.line_amount.is_some() => (half_cent.round(derived(unit), 4), unit),
        (None, Some(unit)) => (Decimal::ONE, unit),
        (None, None) => (Decimal::ONE, derived(Decimal::ONE)),
    };
    if quantity.is_sign_negative() && !quantity.is_zero() {
        problems.push(format!("The quantity value '{quantity:.4}' is invalid. Quantity must not be less than zero."));
    }
    let unit_amount = half_cent.round(unit, unit_places);
    let full = quantity * unit_amount;
    // Also what refuses a discount of 0 on a negative price.
    let too_much = rate > hundred || sent.discount_amount.is_some_and(|discount| discount > full);
    if too_much {
        let shown = sent.discount_amount.unwrap_or(rate);
        let text =
            format!("The discount rate '{shown:.2}' is invalid. Discount must not be greater than the line total.");
        problems.push(text);
    }
    let computed = half_cent.round(full * kept / hundred - sent.discount_amount.unwrap_or_default(), 2);
    let line_amount = match sent.line_amount {
        Some(given) if sent.quantity.is_none() || sent.unit_amount.is_none() => half_cent.round(given, 2),
        Some(given) if half_cent.round(given, 2) != computed => {
            problems.push(format!("The line total {given:.2} does not match the expected line total {computed:.2}"));
            computed
        }
        _ => computed,
    };
    Priced { quantity, unit_amount, line_amount }
}

/// The tax that Xero computes for a line.
pub(super) fn tax(line_amount: Decimal, percent: Decimal, way: LineAmounts, half_cent: HalfCent) -> Decimal {
    let base = match way {
        LineAmounts::Exclusive => Decimal::ONE_HUNDRED,
        LineAmounts::Inclusive => Decimal::ONE_HUNDRED + percent,
        LineAmounts::NoTax => return Decimal::ZERO,
    };
    half_cent.round(line_amount * percent / base, 2)
}
