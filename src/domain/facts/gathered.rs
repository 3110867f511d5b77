//! Everything about one record, whatever its kind.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::existing::Existing;
use super::expense::Expense;
use super::invoice::{ContentHash, Invoice, InvoiceFacts, Transaction};
use super::movement::Movement;
use super::organisation::Organisation;
use super::party::{Party, PartyKind};
use super::purchase::{Purchase, Received};
use super::rows::Caption;
use crate::domain::contact::ContactMatch;
use crate::domain::money::Money;
use crate::domain::rules::Rules;

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
    /// The expenses of a report or one entry.
    Expense(Box<Expense>),
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
            Self::Expense(expense) => expense.title(),
            Self::Movement(movement) => movement.title(),
        }
    }

    /// Whether its preview was read, which is so only for what ConnectWise lists as unposted.
    #[must_use]
    pub fn is_unposted(&self) -> bool {
        match self {
            Self::Invoice(facts) => facts.transaction.is_some(),
            Self::Purchase(purchase) => purchase.received.is_some(),
            Self::Expense(expense) => expense.listed().next().is_some(),
            Self::Movement(movement) => movement.unposted.is_some(),
        }
    }

    /// Whether its content is known: only of an invoice it is once it has left the unposted list.
    #[must_use]
    pub fn has_content(&self) -> bool {
        match self {
            Self::Invoice(_) => true,
            Self::Purchase(_) | Self::Expense(_) | Self::Movement(_) => self.is_unposted(),
        }
    }

    /// The GL entries that are listed of it now, ascending; of an invoice only with its preview.
    #[must_use]
    pub fn entries(&self) -> Vec<i64> {
        match self {
            Self::Invoice(facts) => facts.transaction.as_ref().map(Transaction::processed_ids).unwrap_or_default(),
            Self::Purchase(purchase) => purchase.received.as_ref().map(Received::processed_ids).unwrap_or_default(),
            Self::Expense(expense) => expense.processed_ids(),
            Self::Movement(movement) => movement.unposted.iter().filter_map(|unposted| unposted.entry).collect(),
        }
    }

    /// Its number in ConnectWise, for people.
    #[must_use]
    pub fn number(&self) -> String {
        match self {
            Self::Invoice(facts) => facts.invoice.number.trim().to_owned(),
            Self::Purchase(purchase) => purchase.number(),
            Self::Expense(expense) => expense.number(),
            Self::Movement(movement) => movement.number(),
        }
    }

    /// The day that its document is dated.
    #[must_use]
    pub fn date(&self) -> Option<Date> {
        match self {
            Self::Invoice(facts) => facts.invoice.date,
            Self::Purchase(purchase) => purchase.date(),
            Self::Expense(expense) => expense.date(),
            Self::Movement(movement) => movement.date(),
        }
    }

    /// Another number that its document may have got, when less was known of the record.
    #[must_use]
    pub fn earlier_number(&self) -> Option<String> {
        match self {
            Self::Invoice(_) | Self::Expense(_) | Self::Movement(_) => None,
            Self::Purchase(purchase) => Some(purchase.own_number()).filter(|number| *number != purchase.number()),
        }
    }

    /// Name of its status; a change of the inventory has none.
    #[must_use]
    pub fn status(&self) -> Option<&str> {
        match self {
            Self::Invoice(facts) => Some(&facts.invoice.status.name),
            Self::Purchase(purchase) => Some(&purchase.order.status.name),
            Self::Expense(expense) => Some(&expense.status),
            Self::Movement(_) => None,
        }
    }

    /// Whether it has come to the accounting interface to stay: its status closes it, or somebody approved it. Of a
    /// change of the inventory only the list of what is unposted says so.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Invoice(facts) => facts.invoice.status.closed,
            Self::Purchase(purchase) => purchase.order.status.closed,
            Self::Expense(expense) => expense.is_approved(),
            Self::Movement(_) => self.is_unposted() || self.batch().is_some(),
        }
    }

    /// Whether it is in a batch: its name.
    #[must_use]
    pub fn batch(&self) -> Option<&str> {
        match self {
            Self::Invoice(facts) => facts.invoice.batch.as_deref(),
            Self::Purchase(purchase) => purchase.batch.as_deref(),
            Self::Expense(expense) => expense.batch.as_deref(),
            Self::Movement(movement) => movement.batch.as_deref(),
        }
    }

    /// Whom it is about: the id under which the store keeps their contact, which is 0 when ConnectWise names nobody,
    /// and their name.
    #[must_use]
    pub fn party(&self) -> (i64, &str) {
        match self {
            Self::Invoice(facts) => (facts.invoice.client_id, &facts.invoice.client_name),
            Self::Purchase(purchase) => (purchase.order.vendor_id.unwrap_or_default(), &purchase.order.vendor_name),
            Self::Expense(expense) => {
                (PartyKind::Member.link(expense.member_id.unwrap_or_default()), &expense.member_name)
            }
            Self::Movement(_) => (0, ""),
        }
    }

    /// Its location, for the routing to a Xero organisation; of several the first.
    #[must_use]
    pub fn location(&self) -> Option<i64> {
        match self {
            Self::Invoice(facts) => facts.invoice.location_id,
            Self::Purchase(purchase) => purchase.order.location_id,
            Self::Expense(expense) => expense.locations().into_iter().next().flatten(),
            Self::Movement(movement) => movement.unposted.as_ref().and_then(|unposted| unposted.location_id),
        }
    }

    /// ISO code of its currency; none when ConnectWise has no multi-currency.
    #[must_use]
    pub fn currency(&self) -> Option<&str> {
        match self {
            Self::Invoice(facts) => facts.invoice.currency.as_deref(),
            Self::Purchase(purchase) => purchase.order.currency.as_deref(),
            Self::Expense(expense) => expense.currency(),
            Self::Movement(movement) => movement.unposted.as_ref().and_then(|unposted| unposted.currency.as_deref()),
        }
    }

    /// Its total with tax; its sign is ConnectWise's. Of a change of the inventory what comes less what goes.
    #[must_use]
    pub fn total(&self) -> Money {
        match self {
            Self::Invoice(facts) => facts.invoice.total,
            Self::Purchase(purchase) => purchase.total(),
            Self::Expense(expense) => expense.total(),
            Self::Movement(movement) => movement.net(),
        }
    }

    /// The tax in its document.
    #[must_use]
    pub fn tax(&self, rules: &Rules) -> Money {
        match self {
            Self::Invoice(facts) => facts.invoice.sales_tax,
            Self::Purchase(purchase) => purchase.tax(),
            Self::Expense(expense) => expense.tax(rules),
            Self::Movement(_) => Money::ZERO,
        }
    }

    /// A hash of its content, to notice edits.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        match self {
            Self::Invoice(facts) => facts.invoice.content_hash(),
            Self::Purchase(purchase) => purchase.content_hash(),
            Self::Expense(expense) => expense.content_hash(),
            Self::Movement(movement) => movement.content_hash(),
        }
    }
}
