//! What an operator may decide about a record, and what is kept of who did.

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
        }
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
}
