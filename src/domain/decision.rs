//! What an operator may decide about a record, and what is kept of who did.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::text::Sentence;

/// What an operator decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Look again now.
    Retry,
    /// Post nothing until released.
    Hold,
    /// End an operator's hold.
    Release,
    /// Never post it.
    Skip,
    /// This document in Xero is the record.
    Adopt {
        /// Xero's id.
        document: Uuid,
    },
    /// The warnings were seen.
    Acknowledge,
    /// Take back all that was posted.
    Unpost,
    /// Somebody looks after it; none = nobody any more.
    Assign {
        /// Who.
        owner: Option<String>,
    },
    /// Nobody wants to see it before then; none = at once.
    Snooze {
        /// When it is shown again.
        until: Option<Timestamp>,
    },
}

impl Decision {
    /// The stable name.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Skip => "skip",
            Self::Adopt { .. } => "adopt",
            Self::Acknowledge => "acknowledge",
            Self::Unpost => "unpost",
            Self::Assign { .. } => "assign",
            Self::Snooze { .. } => "snooze",
        }
    }

    /// Whether it is only about who looks at the record and when, and changes nothing about its posting.
    #[must_use]
    pub fn is_about_attention(&self) -> bool {
        matches!(self, Self::Assign { .. } | Self::Snooze { .. })
    }
}

/// Who decided, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The operator's name.
    pub by: String,
    /// What they noted.
    #[serde(default)]
    pub note: Sentence,
    /// The decision about many records that this one is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk: Option<Uuid>,
}
