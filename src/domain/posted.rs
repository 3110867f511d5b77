//! What is kept of requests to Xero and of the documents that they made.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::delivery::Step;
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
    /// What it is to do with the document.
    #[serde(default, skip_serializing_if = "Purpose::is_create")]
    pub purpose: Purpose,
}

/// What a request is to do with a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Make it.
    #[default]
    Create,
    /// Change it to what ConnectWise says now.
    Update,
    /// Void it; a draft is deleted.
    Void,
}

impl Purpose {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
    fn is_create(&self) -> bool {
        *self == Self::Create
    }

    /// What is about to happen, as a sentence begins with it.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Self::Create => "About to be sent to Xero",
            Self::Update => "About to be changed in Xero",
            Self::Void => "About to be voided in Xero",
        }
    }
}

/// The document that a record became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// Xero's id.
    pub id: Uuid,
    /// The Xero organisation it is in.
    pub company: CompanyId,
    /// What it is.
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
    /// What its lines said then, where `content` leaves them out; none where they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<ContentHash>,
    /// The batch in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// The journal of its cost of goods, which is one unit with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<Box<CostJournal>>,
}

/// Where the journal of a posted invoice's cost of goods stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CostJournal {
    /// It is still to be made.
    Due {
        /// It may be in Xero already, so it is looked for before it is made.
        look: bool,
    },
    /// It is in Xero.
    Posted {
        /// Xero's id.
        id: Uuid,
        /// A journal, or a bill by rule.
        #[serde(default = "journal", skip_serializing_if = "is_journal")]
        kind: DocumentKind,
        /// The sum of its debits.
        total: Money,
        /// What ConnectWise said of the costs then.
        content: ContentHash,
        /// When it was posted or adopted.
        at: Timestamp,
    },
}

fn journal() -> DocumentKind {
    DocumentKind::Journal
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
fn is_journal(kind: &DocumentKind) -> bool {
    *kind == DocumentKind::Journal
}

impl Posted {
    /// What is still to be done about it.
    #[must_use]
    pub fn step(&self) -> Step {
        if matches!(self.journal.as_deref(), Some(CostJournal::Due { .. })) { Step::Journal } else { Step::Mark }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_posted_before_there_were_journals_of_costs_is_read_and_written_as_it_was() {
        let text = r#"{"id":"00000000-0000-0000-0000-000000000007","company":"acme-au","kind":"invoice","number":"1042","total":"1.00","xero_total":"1.00","at":"2026-11-30T09:00:00Z","content":"x"}"#;
        let mut posted: Posted = serde_json::from_str(text).unwrap();
        assert_eq!((posted.step(), serde_json::to_string(&posted).unwrap().as_str()), (Step::Mark, text));
        posted.journal = Some(Box::new(CostJournal::Due { look: true }));
        assert_eq!(posted.step(), Step::Journal);
        let written = serde_json::to_string(&posted).unwrap();
        assert!(written.ends_with(r#""journal":{"due":{"look":true}}}"#), "{written}");
        assert_eq!(serde_json::from_str::<Posted>(&written).unwrap(), posted);
    }
}
