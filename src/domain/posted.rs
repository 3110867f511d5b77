//! What is kept of requests to Xero and of the documents that they made.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::draft::DocumentKind;
use super::facts::ContentHash;
use super::money::Money;
use super::payments::Change;
use super::record::CompanyId;

/// A request to Xero that was about to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The idempotency key.
    pub key: String,
    /// SHA-256 of the body, in hex.
    pub body_hash: String,
    /// The Xero organisation it went to.
    pub company: CompanyId,
    /// What it asked for; the record in ConnectWise may become another one meanwhile.
    pub kind: DocumentKind,
    /// The number it asked for.
    pub number: String,
    /// When it was first sent.
    pub at: Timestamp,
    /// Whether the same bytes may be sent again while Xero remembers the key; else look first.
    pub resend: bool,
    /// The change of payments that it is; none for a document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// The document that a record became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// Xero's id.
    pub id: Uuid,
    /// The Xero organisation it is in.
    pub company: CompanyId,
    /// Invoice or credit note.
    pub kind: DocumentKind,
    /// Its number.
    pub number: String,
    /// ConnectWise's total.
    pub total: Money,
    /// The total that Xero calculated.
    pub xero_total: Money,
    /// When it was posted or adopted.
    pub at: Timestamp,
    /// What ConnectWise said then.
    pub content: ContentHash,
    /// The batch in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
}
