//! Everything about one record, whatever its kind.

use serde::{Deserialize, Serialize};

use super::existing::Existing;
use super::invoice::{ContentHash, Invoice, InvoiceFacts, InvoiceType};
use super::organisation::Organisation;
use super::party::Party;
use super::rows::{Caption, Status};
use crate::domain::contact::ContactMatch;
use crate::domain::draft::DocumentKind;
use crate::domain::money::Money;

/// Everything that planning a record needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// What the record itself says.
    pub record: RecordFacts,
    /// What each GL segment is called and of which type it is, in order.
    #[serde(default)]
    pub captions: Vec<Caption>,
    /// Whom it is about.
    pub party: Party,
    /// The Xero organisation's settings.
    pub organisation: Organisation,
    /// The contact of the party in Xero.
    pub contact: ContactMatch,
    /// What a look-up of the document in Xero found.
    #[serde(default)]
    pub existing: Existing,
}

/// What a record of its kind says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordFacts {
    /// An invoice or credit memo.
    Invoice(Box<InvoiceFacts>),
}

impl From<Invoice> for RecordFacts {
    fn from(invoice: Invoice) -> Self {
        Self::Invoice(Box::new(InvoiceFacts {
            invoice,
            transaction: None,
            segments: std::collections::BTreeMap::new(),
        }))
    }
}

impl RecordFacts {
    /// What the record becomes in Xero: credits, and whatever is below zero, become credit notes, because Xero
    /// refuses approved documents below zero.
    #[must_use]
    pub fn becomes(&self) -> DocumentKind {
        match self {
            Self::Invoice(facts) => {
                let invoice = &facts.invoice;
                if invoice.kind == InvoiceType::CreditMemo || invoice.total.is_negative() {
                    DocumentKind::CreditNote
                } else {
                    DocumentKind::Invoice
                }
            }
        }
    }

    /// The record as a sentence begins with it.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Invoice(facts) => format!("Invoice {}", facts.invoice.number),
        }
    }

    /// Whether its preview was read, which is so only for what ConnectWise lists as unposted.
    #[must_use]
    pub fn is_unposted(&self) -> bool {
        match self {
            Self::Invoice(facts) => facts.transaction.is_some(),
        }
    }

    /// Its number in ConnectWise.
    #[must_use]
    pub fn number(&self) -> &str {
        match self {
            Self::Invoice(facts) => facts.invoice.number.trim(),
        }
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> &Status {
        match self {
            Self::Invoice(facts) => &facts.invoice.status,
        }
    }

    /// Whether it is in a batch: its name.
    #[must_use]
    pub fn batch(&self) -> Option<&str> {
        match self {
            Self::Invoice(facts) => facts.invoice.batch.as_deref(),
        }
    }

    /// ConnectWise's id and name of the company that it is about.
    #[must_use]
    pub fn party(&self) -> (i64, &str) {
        match self {
            Self::Invoice(facts) => (facts.invoice.client_id, &facts.invoice.client_name),
        }
    }

    /// Its location, for the routing to a Xero organisation.
    #[must_use]
    pub fn location(&self) -> Option<i64> {
        match self {
            Self::Invoice(facts) => facts.invoice.location_id,
        }
    }

    /// ISO code of its currency; none when ConnectWise has no multi-currency.
    #[must_use]
    pub fn currency(&self) -> Option<&str> {
        match self {
            Self::Invoice(facts) => facts.invoice.currency.as_deref(),
        }
    }

    /// Its total with tax; its sign is ConnectWise's.
    #[must_use]
    pub fn total(&self) -> Money {
        match self {
            Self::Invoice(facts) => facts.invoice.total,
        }
    }

    /// Its tax.
    #[must_use]
    pub fn tax(&self) -> Money {
        match self {
            Self::Invoice(facts) => facts.invoice.sales_tax,
        }
    }

    /// A hash of its content, to notice edits.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        match self {
            Self::Invoice(facts) => facts.invoice.content_hash(),
        }
    }
}
