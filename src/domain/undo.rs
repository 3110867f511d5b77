//! Unposting: all that a record put into both systems is taken back, part by part, and never half unseen.
//!
//! The order is fixed: what can be refused comes first, and ConnectWise lists the record as unposted again only when
//! nothing of it is in Xero any more. Each part is looked at before it is undone, so that each can be repeated.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decision::Decision;
use super::delivery::{Record, State};
use super::hold::HoldCode;
use super::record::RecordKind;

/// An operator's wish to have a record unposted, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Who asked for it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What is undone already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<Undone>,
}

/// One part of what was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undone {
    /// The document in Xero is void, or deleted while it was a draft.
    Document,
    /// So is the journal or bill of its cost of goods.
    Cost,
}

impl Undone {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Cost => "cost",
        }
    }

    /// What it is, in a sentence.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Self::Document => "its document in Xero is void",
            Self::Cost => "the document of its cost of goods is void",
        }
    }
}

impl Undo {
    /// Whether this part is undone.
    #[must_use]
    pub fn has(&self, part: Undone) -> bool {
        self.done.contains(&part)
    }

    /// Notes that a part is undone.
    pub(super) fn note(&mut self, part: Undone) {
        if !self.has(part) {
            self.done.push(part);
        }
    }
}

/// Why a record cannot be unposted now, or why something else cannot be decided while it is.
#[must_use]
pub(super) fn against(record: &Record, decision: &Decision) -> Option<&'static str> {
    let is_queued = matches!(record.state, State::Queued { .. });
    let operator_hold = matches!(&record.state, State::Held { reason } if reason.code == HoldCode::Operator);
    match (decision, &record.undo) {
        (Decision::Unpost, None) => match record.key.kind {
            RecordKind::Payment => Some("delete the payment in both systems; what is deleted in one is held here"),
            _ if record.posted.is_none() => Some("it has put no document into Xero"),
            _ if operator_hold => Some("release it first"),
            _ if is_queued => Some("it is being worked on; wait until it is done or held"),
            _ if record.intent.is_some() => Some("a request to Xero has no known outcome yet; retry it first"),
            _ => None,
        },
        (Decision::Unpost | Decision::Retry | Decision::Hold, Some(_)) if is_queued => {
            Some("it is being unposted already")
        }
        (Decision::Unpost, Some(_)) if operator_hold => Some("release it first"),
        (Decision::Skip | Decision::Adopt { .. }, Some(_)) => {
            Some("it is being unposted; retry it, and it is finished")
        }
        _ => None,
    }
}
