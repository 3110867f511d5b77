//! Everything about one record, whatever its kind.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::existing::Existing;
use super::invoice::{ContentHash, Invoice, InvoiceFacts};
use super::movement::Movement;
use super::organisation::Organisation;
use super::party::Party;
use super::purchase::Purchase;
use super::rows::{Caption, Status};
use crate::domain::contact::ContactMatch;
use crate::domain::money::Money;

/// Everything that planning a record needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// What the record itself says.
    pub record: RecordFacts,
    /// What each GL segment is called and of which type it is, in order.
    #[serde(default)]
    pub captions: Vec<Caption>,
    /// Whom it is about; none of what becomes a journal.
    #[serde(default)]
    pub party: Option<Party>,
    /// The Xero organisation's settings.
    pub organisation: Organisation,
    /// The contact of the party in Xero.
    #[serde(default)]
    pub contact: Option<ContactMatch>,
    /// What its document is marked with in Xero, where numbers are not unique; none where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// What the journal of its cost is marked with; none of records that sell nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_mark: Option<String>,
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
    /// What came with one packing slip.
    Purchase(Box<Purchase>),
    /// A change of the inventory.
    Movement(Box<Movement>),
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
    /// The record as a sentence begins with it.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Invoice(facts) => format!("Invoice {}", facts.invoice.number),
            Self::Purchase(purchase) => purchase.title(),
            Self::Movement(movement) => movement.title(),
        }
    }

    /// Whether its preview was read, which is so only for what ConnectWise lists as unposted.
    #[must_use]
    pub fn is_unposted(&self) -> bool {
        match self {
            Self::Invoice(facts) => facts.transaction.is_some(),
            Self::Purchase(purchase) => purchase.received.is_some(),
            Self::Movement(movement) => movement.unposted.is_some(),
        }
    }

    /// Whether its content is known: only of an invoice it is once it has left the unposted list.
    #[must_use]
    pub fn has_content(&self) -> bool {
        match self {
            Self::Invoice(_) => true,
            Self::Purchase(purchase) => purchase.received.is_some(),
            Self::Movement(movement) => movement.unposted.is_some(),
        }
    }

    /// Its number in ConnectWise, for people.
    #[must_use]
    pub fn number(&self) -> String {
        match self {
            Self::Invoice(facts) => facts.invoice.number.trim().to_owned(),
            Self::Purchase(purchase) => purchase.number(),
            Self::Movement(movement) => movement.number(),
        }
    }

    /// The day that its document is dated.
    #[must_use]
    pub fn date(&self) -> Option<Date> {
        match self {
            Self::Invoice(facts) => facts.invoice.date,
            Self::Purchase(purchase) => purchase.date(),
            Self::Movement(movement) => movement.date(),
        }
    }

    /// Another number that its document may have got, when less was known of the record.
    #[must_use]
    pub fn earlier_number(&self) -> Option<String> {
        match self {
            Self::Invoice(_) | Self::Movement(_) => None,
            Self::Purchase(purchase) => Some(purchase.own_number()).filter(|number| *number != purchase.number()),
        }
    }

    /// Its status; a change of the inventory has none.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Invoice(facts) => Some(&facts.invoice.status),
            Self::Purchase(purchase) => Some(&purchase.order.status),
            Self::Movement(_) => None,
        }
    }

    /// Whether it is closed, so that ConnectWise has GL entries of it; of a change of the inventory only the list of
    /// what is unposted says so.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.status().map_or_else(|| self.is_unposted() || self.batch().is_some(), |status| status.closed)
    }

    /// Whether it is in a batch: its name.
    #[must_use]
    pub fn batch(&self) -> Option<&str> {
        match self {
            Self::Invoice(facts) => facts.invoice.batch.as_deref(),
            Self::Purchase(purchase) => purchase.batch.as_deref(),
            Self::Movement(movement) => movement.batch.as_deref(),
        }
    }

    /// ConnectWise's id and name of the company that it is about; the id is 0 when ConnectWise names none.
    #[must_use]
    pub fn party(&self) -> (i64, &str) {
        match self {
            Self::Invoice(facts) => (facts.invoice.client_id, &facts.invoice.client_name),
            Self::Purchase(purchase) => (purchase.order.vendor_id.unwrap_or_default(), &purchase.order.vendor_name),
            Self::Movement(_) => (0, ""),
        }
    }

    /// Its location, for the routing to a Xero organisation.
    #[must_use]
    pub fn location(&self) -> Option<i64> {
        match self {
            Self::Invoice(facts) => facts.invoice.location_id,
            Self::Purchase(purchase) => purchase.order.location_id,
            Self::Movement(movement) => movement.unposted.as_ref().and_then(|unposted| unposted.location_id),
        }
    }

    /// ISO code of its currency; none when ConnectWise has no multi-currency.
    #[must_use]
    pub fn currency(&self) -> Option<&str> {
        match self {
            Self::Invoice(facts) => facts.invoice.currency.as_deref(),
            Self::Purchase(purchase) => purchase.order.currency.as_deref(),
            Self::Movement(movement) => movement.unposted.as_ref().and_then(|unposted| unposted.currency.as_deref()),
        }
    }

    /// Its total with tax; its sign is ConnectWise's. Of a change of the inventory what comes less what goes.
    #[must_use]
    pub fn total(&self) -> Money {
        match self {
            Self::Invoice(facts) => facts.invoice.total,
            Self::Purchase(purchase) => purchase.total(),
            Self::Movement(movement) => movement.net(),
        }
    }

    /// Its tax.
    #[must_use]
    pub fn tax(&self) -> Money {
        match self {
            Self::Invoice(facts) => facts.invoice.sales_tax,
            Self::Purchase(purchase) => purchase.tax(),
            Self::Movement(_) => Money::ZERO,
        }
    }

    /// A hash of its content, to notice edits.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        match self {
            Self::Invoice(facts) => facts.invoice.content_hash(),
            Self::Purchase(purchase) => purchase.content_hash(),
            Self::Movement(movement) => movement.content_hash(),
        }
    }
}
