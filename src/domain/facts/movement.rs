//! Changes of the inventory: adjustments and transfers, which become journals.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::invoice::ContentHash;
use crate::domain::money::Money;

/// One change of the inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// ConnectWise's `unpostedProductId`.
    pub id: String,
    /// Which sort of change.
    pub kind: MovementKind,
    /// What ConnectWise says of it; none when it is not in the unposted list, which alone knows it.
    #[serde(default)]
    pub unposted: Option<Unposted>,
    /// Name of our batch that it is in; known only for what is not unposted.
    #[serde(default)]
    pub batch: Option<String>,
}

/// The sorts of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// Counts are corrected.
    Adjustment,
    /// Something moves from one warehouse to another.
    Transfer,
}

impl MovementKind {
    /// As a person says it.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Adjustment => "adjustment",
            Self::Transfer => "transfer",
        }
    }
}

/// A change of the inventory: its row of the unposted list and its preview, taken together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unposted {
    /// Id of the row, which is the one that marks it as posted.
    #[serde(default)]
    pub entry: Option<i64>,
    /// Its number, as people know it.
    #[serde(default)]
    pub name: String,
    /// Location, for the routing to a Xero organisation.
    #[serde(default)]
    pub location_id: Option<i64>,
    /// Date.
    #[serde(default)]
    pub date: Option<Date>,
    /// The earliest instant at which it may have been closed.
    #[serde(default)]
    pub closed_at: Option<Timestamp>,
    /// ISO code; none when ConnectWise has no multi-currency.
    #[serde(default)]
    pub currency: Option<String>,
    /// Total in the unposted list; its sign is not documented, so only its size is used.
    #[serde(default)]
    pub listed_total: Option<Money>,
    /// What comes, goes or moves.
    pub stock: Stock,
    /// Fields that hold something unreadable, with what they hold.
    #[serde(default)]
    pub unreadable: Vec<String>,
}

/// What comes, goes or moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    /// What a count found.
    Adjusted {
        /// Segments of the header's account, joined by ':'.
        #[serde(default)]
        account: String,
        /// The rows.
        rows: Vec<Adjusted>,
    },
    /// What moves.
    Shifted(Shifted),
}

/// One row of an adjustment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjusted {
    /// What it is.
    #[serde(default)]
    pub description: String,
    /// How much comes; below zero for what goes.
    #[serde(default)]
    pub quantity: Option<Decimal>,
    /// Its cost. Whether the sign is that of the quantity or of a GL entry is not documented, so only its size is used.
    pub total: Money,
    /// Segments of the account, joined by ':'.
    #[serde(default)]
    pub account: String,
    /// Segments of the account of the inventory, joined by ':'.
    #[serde(default)]
    pub inventory: String,
    /// Class segments, joined by ':'.
    #[serde(default)]
    pub class: String,
}

/// A transfer: one side, and the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shifted {
    /// What it is.
    #[serde(default)]
    pub description: String,
    /// Debits are above zero.
    pub total: Money,
    /// Segments of the account, joined by ':'.
    #[serde(default)]
    pub account: String,
    /// Class segments, joined by ':'.
    #[serde(default)]
    pub class: String,
    /// The other side.
    #[serde(default)]
    pub offset: Option<Offset>,
}

/// The other side of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    /// Debits are above zero.
    pub total: Money,
    /// Segments of the account, joined by ':'.
    #[serde(default)]
    pub account: String,
    /// Class segments, joined by ':'.
    #[serde(default)]
    pub class: String,
}

impl Adjusted {
    /// What the inventory gains, in cents; nothing when nobody can tell whether it comes or goes.
    #[must_use]
    pub fn gain(&self) -> Option<Money> {
        let size = self.total.abs().to_cents();
        match self.quantity {
            _ if size.is_zero() => Some(size),
            Some(quantity) if quantity > Decimal::ZERO => Some(size),
            Some(quantity) if quantity < Decimal::ZERO => Some(-size),
            _ => None,
        }
    }
}

impl Movement {
    /// What it is called in sentences.
    #[must_use]
    pub fn title(&self) -> String {
        let noun = match self.kind {
            MovementKind::Adjustment => "Adjustment",
            MovementKind::Transfer => "Transfer",
        };
        format!("{noun} {}", self.number())
    }

    /// Its name; without one its id.
    pub(super) fn number(&self) -> String {
        let name = self.unposted.as_ref().map(|unposted| unposted.name.trim()).filter(|name| !name.is_empty());
        name.unwrap_or(&self.id).to_owned()
    }

    pub(super) fn date(&self) -> Option<Date> {
        self.unposted.as_ref().and_then(|unposted| unposted.date)
    }

    /// What comes less what goes, in cents; of a transfer what moves.
    #[must_use]
    pub fn net(&self) -> Money {
        match self.unposted.as_ref().map(|unposted| &unposted.stock) {
            Some(Stock::Adjusted { rows, .. }) => rows.iter().filter_map(Adjusted::gain).sum(),
            Some(Stock::Shifted(shifted)) => shifted.total.to_cents(),
            None => Money::ZERO,
        }
    }

    /// What comes and what goes together, in cents: what its journal is worth.
    #[must_use]
    pub fn turnover(&self) -> Money {
        match self.unposted.as_ref().map(|unposted| &unposted.stock) {
            Some(Stock::Adjusted { rows, .. }) => rows.iter().map(|row| row.total.abs().to_cents()).sum(),
            Some(Stock::Shifted(shifted)) => shifted.total.abs().to_cents(),
            None => Money::ZERO,
        }
    }

    /// Whether all that comes, goes or moves is worth nothing; what comes and what goes may cancel out and is not.
    /// What is not listed, not there or unreadable is not known to be free.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let Some(unposted) = &self.unposted else { return false };
        let is_empty = matches!(&unposted.stock, Stock::Adjusted { rows, .. } if rows.is_empty());
        !is_empty && unposted.unreadable.is_empty() && self.turnover().is_zero()
    }

    /// A hash of what a bookkeeper would call its content.
    pub(super) fn content_hash(&self) -> ContentHash {
        let Some(unposted) = &self.unposted else { return ContentHash(String::new()) };
        let amount = |money: Money| money.decimal().normalize().to_string();
        let mut parts = vec![
            unposted.date.map(|date| date.to_string()).unwrap_or_default(),
            unposted.currency.clone().unwrap_or_default(),
        ];
        match &unposted.stock {
            Stock::Adjusted { account, rows } => {
                parts.push(account.clone());
                for row in rows {
                    let quantity = row.quantity.map(|quantity| quantity.normalize().to_string()).unwrap_or_default();
                    parts.extend([quantity, amount(row.total)]);
                    parts.extend([&row.account, &row.inventory, &row.class].map(Clone::clone));
                }
            }
            Stock::Shifted(shifted) => {
                parts.extend([amount(shifted.total), shifted.account.clone(), shifted.class.clone()]);
                let offset = shifted.offset.iter();
                parts.extend(offset.flat_map(|side| [amount(side.total), side.account.clone(), side.class.clone()]));
            }
        }
        ContentHash::of(parts)
    }
}
