//! What makes a record be looked at, and what became of that.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::record::RecordKey;
use super::sweep::Found;

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
    /// An expense entry of it was looked at.
    Entry {
        /// ConnectWise's id of the entry.
        entry: i64,
    },
    /// The expense report that it is in was looked at, whose entries are posted one by one.
    Report {
        /// ConnectWise's id of the report.
        report: i64,
    },
    /// Xero said so.
    Xero {
        /// What sort of document changed, such as `INVOICE`.
        category: String,
        /// `CREATE` or `UPDATE`, in Xero's words.
        action: String,
        /// When it changed, as Xero wrote it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        at: String,
    },
    /// It was in a list of what changed.
    Swept {
        /// Which list.
        list: Sweep,
    },
    /// What it belongs to was looked at.
    Related {
        /// The record that was looked at.
        key: RecordKey,
    },
    /// ConnectWise lists it as unposted; it has no callback.
    Listed,
    /// The sweep compared what ConnectWise lists as unposted with what is known of it.
    Compared {
        /// What was found.
        found: Found,
        /// When the row was closed, as ConnectWise wrote it; or that there is no row.
        seen: String,
    },
    /// An operator said so, about a record that nobody had heard of.
    Operator {
        /// Who.
        name: String,
    },
}

/// A list that is asked at intervals for what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sweep {
    /// Sales invoices in Xero, by when they changed; the mark is in milliseconds since 1970.
    XeroInvoices,
    /// Payments that ConnectWise lists as unposted, by their ids.
    ConnectwisePayments,
}

impl Sweep {
    /// What is listed, in a sentence.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::XeroInvoices => "changed invoices in Xero",
            Self::ConnectwisePayments => "unposted payments in ConnectWise",
        }
    }
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
