//! The statement of a month: what ConnectWise closed and what Xero has, next to each other, to the cent.
//!
//! For each ledger and currency: closed in ConnectWise = in Xero + held + waiting + skipped + missing + explained +
//! unexplained. The equation holds by construction, because each closed record puts all that it is worth into these
//! sums; a month is in balance when nothing is missing and nothing unexplained.

mod csv;
mod month;
mod state;
mod told;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub(super) use csv::csv_cell;
pub use month::Month;
pub use state::sections;
pub use told::{BalanceRow, Concern};

use super::delivery::{Posted, State};
use super::draft::DocumentKind;
use super::money::Money;
use super::record::{CompanyId, RecordKey};
use super::text::Sentence;

/// Which books a section is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ledger {
    /// Invoices and credit memos.
    Sales,
    /// Purchases.
    Purchases,
    /// Expense reports and entries.
    Expenses,
}

impl Ledger {
    /// Every ledger.
    pub const ALL: [Self; 3] = [Self::Sales, Self::Purchases, Self::Expenses];

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sales => "sales",
            Self::Purchases => "purchases",
            Self::Expenses => "expenses",
        }
    }
}

/// A record that ConnectWise closed, or that the store knows to be closed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Which.
    pub key: RecordKey,
    /// Its number.
    pub number: String,
    /// Whose it is.
    pub party: Sentence,
    /// The day that its document is dated.
    pub date: Option<Date>,
    /// ISO code; empty when ConnectWise gives none.
    pub currency: String,
    /// What it is worth; negative for credits.
    pub total: Money,
    /// What was paid on it in ConnectWise, credits included; none where that is not asked.
    pub paid: Option<Money>,
    /// What the store knows of it; none when readypost never heard of it.
    pub known: Option<Known>,
    /// Where ConnectWise shows whose it is.
    pub page: Option<String>,
}

/// What the store says of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Where it stands.
    pub state: State,
    /// The document that it became.
    pub posted: Option<Posted>,
}

/// A document in Xero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Xero's id.
    pub id: Uuid,
    /// What it is.
    pub kind: DocumentKind,
    /// Its number.
    pub number: String,
    /// Its contact's name.
    pub party: Sentence,
    /// Its date.
    pub date: Option<Date>,
    /// Xero's status.
    pub status: String,
    /// ISO code.
    pub currency: String,
    /// Its total; negative for credits.
    pub total: Money,
    /// What was paid on it, credits included.
    pub paid: Money,
    /// What it is marked with, if it is: see [`mark`](crate::domain::facts::mark).
    pub mark: Option<String>,
}

impl Document {
    /// Whether it counts: it is neither voided nor deleted.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.status.as_str(), "VOIDED" | "DELETED")
    }
}

/// Which of the sums a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = StatementStanding)]
pub enum Standing {
    /// Its document is in Xero.
    InXero,
    /// It waits for a person.
    Held,
    /// It waits for a worker.
    Waiting,
    /// It needs no posting.
    Skipped,
    /// It should be in Xero and is not, and nobody was told.
    Missing,
    /// It is in Xero alone.
    OnlyInXero,
    /// It is in Xero, carries the mark of readypost, and is not the document of any closed record.
    Stray,
}

impl Standing {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InXero => "in_xero",
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::Skipped => "skipped",
            Self::Missing => "missing",
            Self::OnlyInXero => "only_in_xero",
            Self::Stray => "stray",
        }
    }
}

/// One record, one document, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StatementLine)]
pub struct Line {
    /// The record; none of what is in Xero alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<RecordKey>,
    /// Its number.
    pub number: String,
    /// Whose it is.
    pub party: Sentence,
    /// The day of its document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Which of the sums it belongs to.
    pub standing: Standing,
    /// What ConnectWise closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Money>,
    /// What Xero has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_xero: Option<Money>,
    /// What is between the two and is neither held nor waiting.
    #[serde(default, skip_serializing_if = "Money::is_nothing")]
    pub difference: Money,
    /// Both sides are as they were when it was posted, so the difference was seen then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explained: bool,
    /// What was paid in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_in_connectwise: Option<Money>,
    /// What was paid in Xero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid_in_xero: Option<Money>,
    /// Why it stands so; empty when all is well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Where Xero shows its document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xero_link: Option<String>,
    /// Where ConnectWise shows whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connectwise_link: Option<String>,
}

impl Line {
    /// Whether somebody should look at it.
    #[must_use]
    pub fn needs_look(&self) -> bool {
        match self.standing {
            Standing::InXero => !self.difference.is_zero() && !self.explained,
            Standing::Held | Standing::Missing | Standing::Stray => true,
            Standing::Waiting | Standing::Skipped | Standing::OnlyInXero => false,
        }
    }

    /// Whether both systems have other payments of it.
    #[must_use]
    pub fn pays_differ(&self) -> bool {
        matches!((self.paid_in_connectwise, self.paid_in_xero), (Some(one), Some(other)) if one != other)
    }
}

/// The sums of a section. Everything but `closed`, `only_in_xero` and the payments adds up to `closed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StatementSums)]
pub struct Sums {
    /// Closed in ConnectWise.
    pub closed: Money,
    /// Of these, in Xero.
    pub in_xero: Money,
    /// Waits for a person.
    pub held: Money,
    /// Waits for a worker.
    pub waiting: Money,
    /// Needs no posting.
    pub skipped: Money,
    /// Should be in Xero and is not.
    pub missing: Money,
    /// Differences that were seen when the record was posted.
    pub explained: Money,
    /// Differences that nobody knows of.
    pub unexplained: Money,
    /// In Xero alone, strays included.
    pub only_in_xero: Money,
    /// Paid in ConnectWise, of what is in Xero.
    pub paid_in_connectwise: Money,
    /// Paid in Xero, of the same.
    pub paid_in_xero: Money,
}

impl Sums {
    fn with_cents(mut self) -> Self {
        let Self { closed, in_xero, held, waiting, skipped, missing, .. } = &mut self;
        for sum in [closed, in_xero, held, waiting, skipped, missing] {
            *sum = with_cents(*sum);
        }
        let Self { explained, unexplained, only_in_xero, paid_in_connectwise, paid_in_xero, .. } = &mut self;
        for sum in [explained, unexplained, only_in_xero, paid_in_connectwise, paid_in_xero] {
            *sum = with_cents(*sum);
        }
        self
    }

    /// What the parts come to.
    #[must_use]
    pub fn parts(&self) -> Money {
        let Self { in_xero, held, waiting, skipped, missing, explained, unexplained, .. } = *self;
        [in_xero, held, waiting, skipped, missing, explained, unexplained].into_iter().sum()
    }
}

/// One ledger in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StatementSection)]
pub struct Section {
    /// Which ledger.
    pub ledger: Ledger,
    /// ISO code; empty when neither system gives one.
    pub currency: String,
    /// What it comes to.
    pub sums: Sums,
    /// Every record and document, by number.
    pub lines: Vec<Line>,
    /// Documents of the month that are no record's, counted only: bills that were entered by hand have no mark.
    #[serde(default)]
    pub unrelated: Unrelated,
}

/// Documents that are not listed one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StatementUnrelated)]
pub struct Unrelated {
    /// How many.
    pub documents: u32,
    /// What they come to.
    pub total: Money,
}

impl Section {
    /// Whether nothing is missing and nothing unexplained.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        // Two errors that cancel each other are still two errors.
        self.lines.iter().all(|line| match line.standing {
            Standing::Missing | Standing::Stray => false,
            _ => line.difference.is_zero() || line.explained,
        })
    }
}

/// Calls that a statement cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Calls {
    /// Of ConnectWise: lists; each page of a long one is one more.
    pub connectwise: u32,
    /// Of Xero's day.
    pub xero: u32,
}

/// A month of one company, both systems next to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Statement {
    /// The Xero organisation.
    pub company: CompanyId,
    /// The month, by the dates of documents.
    pub month: Month,
    /// When it was made.
    pub at: Timestamp,
    /// By ledger and currency; those with nothing are left out.
    pub sections: Vec<Section>,
    /// What it cost.
    pub calls: Calls,
}

impl Statement {
    /// Whether every section is in balance.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.sections.iter().all(Section::is_balanced)
    }
}

/// The amount with both of its decimals, as people write it.
fn with_cents(money: Money) -> Money {
    let mut amount = money.to_cents().decimal();
    amount.rescale(2);
    Money::new(amount).unwrap_or(money)
}
