//! What makes a record be looked at, and what became of that.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a record is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// ConnectWise said so.
    Callback {
        /// The message's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<Uuid>,
        /// `added`, `updated` or `deleted`.
        action: String,
        /// Who changed the record in ConnectWise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<String>,
    },
    /// Its purchase order was looked at.
    Order {
        /// ConnectWise's id of the order.
        order: i64,
    },
    /// ConnectWise lists it as unposted; it has no callback.
    Listed,
    /// An operator said so, about a record that nobody had heard of.
    Operator {
        /// Who.
        name: String,
    },
}

/// What became of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accepted {
    /// The record is queued.
    Queued,
    /// It was queued or leased already, or an operator has decided about it.
    Merged,
    /// This message was accepted before.
    Duplicate,
}

impl Accepted {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Merged => "merged",
            Self::Duplicate => "duplicate",
        }
    }
}
