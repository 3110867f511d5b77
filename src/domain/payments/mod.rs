//! Payments: what both systems know of how an invoice was paid, and what to do about the difference.
//!
//! A record is the payments of one sales invoice in Xero. Xero's webhook, the sweeps and ConnectWise all lead to that
//! one record, so that no two workers ever change the payments of one invoice, and what was made on one side
//! is known when the other side is looked at.

mod choose;
mod weigh;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::facts::InvoiceType;
use super::money::Money;
use super::record::{CompanyId, SourceId};

pub use choose::{choose, memo, numbers};
pub use weigh::{Books, Next, Verdict, allocated, found_after, weigh};

/// Links that are remembered of one invoice; older ones are forgotten first, and found again by amount and day.
pub const LINKS_MAX: usize = 200;

/// What begins the reference of a payment that readypost makes in Xero; ConnectWise's id follows.
const MARK: &str = "CW payment ";

/// The reference of a payment in Xero that was entered in ConnectWise.
#[must_use]
pub fn mark(payment: i64) -> String {
    format!("{MARK}{payment}")
}

/// The payment in ConnectWise that a reference in Xero names.
#[must_use]
pub fn marked(reference: &str) -> Option<i64> {
    reference.trim().strip_prefix(MARK).and_then(|id| id.parse().ok())
}

/// What the payments of a record are about; its text is the record's source id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A sales invoice in Xero, `acme-au/<uuid>`: the record that does the work.
    Invoice(CompanyId, Uuid),
    /// What gives credit in Xero, `acme-au/CreditNotes/<uuid>`: it only leads to the invoices that it was given to.
    Credit(CompanyId, Family, Uuid),
    /// An invoice in ConnectWise by its id, `1042`: it only leads to its invoice in Xero.
    ConnectWise(i64),
}

/// What gives credit to invoices in Xero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Credit notes.
    CreditNotes,
    /// What was paid beyond an invoice.
    Overpayments,
    /// What was paid before there was an invoice.
    Prepayments,
}

impl Family {
    const ALL: [Self; 3] = [Self::CreditNotes, Self::Overpayments, Self::Prepayments];

    /// Xero's name of the collection.
    #[must_use]
    pub fn collection(self) -> &'static str {
        match self {
            Self::CreditNotes => "CreditNotes",
            Self::Overpayments => "Overpayments",
            Self::Prepayments => "Prepayments",
        }
    }
}

impl Subject {
    /// Reads a source id; none when it names nothing.
    #[must_use]
    pub fn parse(source: &SourceId) -> Option<Self> {
        let parts: Vec<&str> = source.as_str().split('/').collect();
        // Another spelling of the same id would be another record.
        let id = |text: &str| text.parse::<Uuid>().ok().filter(|id| id.to_string() == text);
        match parts.as_slice() {
            [company, document] => Some(Self::Invoice(company.parse().ok()?, id(document)?)),
            [company, family, document] => {
                let family = Family::ALL.into_iter().find(|known| known.collection() == *family)?;
                Some(Self::Credit(company.parse().ok()?, family, id(document)?))
            }
            [invoice] => {
                invoice.parse().ok().filter(|id: &i64| *id > 0 && id.to_string() == *invoice).map(Self::ConnectWise)
            }
            _ => None,
        }
    }

    /// The source id; none only if a company's name were too long for one.
    #[must_use]
    pub fn source(&self) -> Option<SourceId> {
        let text = match self {
            Self::Invoice(company, document) => format!("{company}/{document}"),
            Self::Credit(company, family, document) => format!("{company}/{}/{document}", family.collection()),
            Self::ConnectWise(invoice) => invoice.to_string(),
        };
        SourceId::try_from(text).ok()
    }
}

/// A sales invoice in Xero with everything that was paid on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidDocument {
    /// Xero's id.
    pub id: Uuid,
    /// Whether it is a sales invoice: nothing else has payments here.
    pub is_sale: bool,
    /// Its number.
    pub number: String,
    /// Its reference.
    pub reference: String,
    /// Name of its contact.
    pub client: String,
    /// Status in Xero's words.
    pub status: String,
    /// ISO code.
    pub currency: String,
    /// Total with tax; none when Xero does not say.
    pub total: Option<Money>,
    /// What is still to be paid; none when Xero does not say.
    pub due: Option<Money>,
    /// When it changed last.
    pub updated: Option<Timestamp>,
    /// What was paid on it.
    pub items: Vec<Item>,
    /// Fields that are missing or cannot be read.
    pub unreadable: Vec<String>,
}

impl PaidDocument {
    /// What was paid, together.
    #[must_use]
    pub fn paid(&self) -> Money {
        self.items.iter().map(|item| item.amount).sum()
    }
}

/// One thing that paid a part of an invoice in Xero. It never changes there; what is corrected is another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Xero's id of the payment, or of the document that gives the credit.
    pub id: Uuid,
    /// What it is.
    pub origin: Origin,
    /// How much of it went to this invoice.
    pub amount: Money,
    /// On which day.
    pub date: Date,
    /// Number of the credit note; empty for all else.
    pub number: String,
    /// Reference of the payment; empty for all else.
    pub reference: String,
}

impl Item {
    fn is(&self, link: &Link) -> bool {
        // Which day Xero shows for an allocation is not known for sure.
        let day = self.date == link.date || self.origin != Origin::Payment;
        self.id == link.item && self.amount == link.amount && day
    }

    /// What it is, for people.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{} of {} on {}", self.origin.noun(), self.amount, self.date)
    }
}

/// How a part of an invoice was paid in Xero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Money.
    Payment,
    /// A credit note.
    CreditNote,
    /// What was left of a payment of another invoice.
    Overpayment,
    /// Money that came before the invoice.
    Prepayment,
}

impl Origin {
    /// What it is, in a sentence.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::CreditNote => "credit note allocation",
            Self::Overpayment => "overpayment allocation",
            Self::Prepayment => "prepayment allocation",
        }
    }
}

/// An invoice in ConnectWise, as far as its payments go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaidInvoice {
    /// ConnectWise id.
    pub id: i64,
    /// Number.
    pub number: String,
    /// Free reference.
    pub reference: String,
    /// Type.
    pub kind: InvoiceType,
    /// Invoice date.
    pub date: Option<Date>,
    /// Total with tax.
    pub total: Money,
    /// ISO code; none when ConnectWise has no multi-currency.
    pub currency: Option<String>,
    /// Location, for the routing to a Xero organisation.
    pub location_id: Option<i64>,
}

/// A payment of an invoice in ConnectWise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// ConnectWise id.
    pub id: i64,
    /// Amount.
    pub amount: Money,
    /// Day.
    pub date: Date,
    /// Number of the credit memo that it comes from; none for money.
    pub credit: Option<String>,
}

impl Entry {
    /// What it is, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let what = if self.credit.is_some() { "credit" } else { "payment" };
        format!("{what} {} of {} on {}", self.id, self.amount, self.date)
    }
}

/// Payments of both systems that are one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Xero's id, as of [`Item::id`].
    pub item: Uuid,
    /// Amount on both sides.
    pub amount: Money,
    /// Day in Xero.
    pub date: Date,
    /// ConnectWise's id of the invoice.
    pub invoice: i64,
    /// ConnectWise's id of the payment.
    pub payment: i64,
    /// Which of the two readypost made.
    pub made: Made,
}

/// Which of two linked payments readypost made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Made {
    /// None: both were there.
    Neither,
    /// The one in ConnectWise.
    InConnectwise,
    /// The one in Xero.
    InXero,
}

/// One change of payments, as it is made durable before it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Enter a payment in ConnectWise.
    Enter {
        /// The payment as it will be linked; its ConnectWise id is not known yet.
        link: Link,
        /// ConnectWise's payments of the invoice before.
        before: Vec<i64>,
    },
    /// Delete a payment of ours in ConnectWise.
    Remove {
        /// ConnectWise's id of the invoice.
        invoice: i64,
        /// ConnectWise's id of the payment.
        payment: i64,
    },
    /// Enter a payment in Xero.
    Send {
        /// ConnectWise's id of the payment, which is its mark in Xero.
        payment: i64,
    },
    /// Allocate a credit note in Xero.
    Allocate {
        /// Its number.
        number: String,
        /// How much of it the invoice has afterwards.
        until: Money,
    },
}

impl Change {
    /// What is about to be done, for people.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Enter { link, .. } => {
                format!("About to enter a payment of {} on {} in ConnectWise", link.amount, link.date)
            }
            Self::Remove { payment, .. } => format!("About to delete the payment {payment} in ConnectWise"),
            Self::Allocate { number, until } => {
                format!("About to allocate the credit note {number} in Xero, up to {until}")
            }
            Self::Send { payment } => format!("About to enter ConnectWise's payment {payment} in Xero"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_names_one_subject_in_one_spelling() {
        let id = "7f0d3c5a-6a55-4c0c-9d0b-0c8f3a7d2e11";
        for text in [format!("acme-au/{id}"), format!("acme-au/CreditNotes/{id}"), "1042".to_owned()] {
            let subject = Subject::parse(&SourceId::try_from(text.clone()).unwrap()).unwrap();
            assert_eq!(subject.source().unwrap().as_str(), text);
        }
        let upper = format!("acme-au/{}", id.to_uppercase());
        let simple = format!("acme-au/{}", id.replace('-', ""));
        for text in [&upper, &simple, "acme-au/Invoices/x", "acme-au", "0", "-1", "01", "a/b/c/d", &format!("A/{id}")] {
            assert_eq!(Subject::parse(&SourceId::try_from(text.to_owned()).unwrap()), None, "{text}");
        }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        assert_eq!(marked(&mark(88_001)), Some(88_001));
        for other in ["", "CW payment", "CW payment x", "Re: CW payment 1", "cw payment 1"] {
            assert_eq!(marked(other), None, "{other}");
        }
    }
}
