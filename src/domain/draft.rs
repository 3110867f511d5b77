//! The Xero document to be made, in readypost's own terms.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::facts::Party;
use super::money::Money;
use super::rules::DocumentStatus;

/// What the document is in Xero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// A sales invoice (ACCREC).
    Invoice,
    /// A sales credit note (ACCRECCREDIT), with positive amounts.
    CreditNote,
    /// A bill (ACCPAY).
    Bill,
    /// A credit note of a vendor (ACCPAYCREDIT), with positive amounts.
    BillCredit,
    /// A manual journal, which has no number: its narration holds one.
    Journal,
}

impl DocumentKind {
    /// As a person says it.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditNote => "credit note",
            Self::Bill => "bill",
            Self::BillCredit => "vendor's credit note",
            Self::Journal => "manual journal",
        }
    }

    /// Where Xero shows a document of this kind.
    #[must_use]
    pub fn page(self, id: Uuid) -> String {
        let page = match self {
            Self::Invoice => "AccountsReceivable/View.aspx?InvoiceID",
            Self::CreditNote => "AccountsReceivable/ViewCreditNote.aspx?creditNoteID",
            Self::Bill => "AccountsPayable/View.aspx?InvoiceID",
            Self::BillCredit => "AccountsPayable/ViewCreditNote.aspx?creditNoteID",
            Self::Journal => "Journal/View.aspx?invoiceID",
        };
        format!("https://go.xero.com/{page}={id}")
    }

    /// Whether it takes back what another document charged.
    #[must_use]
    pub fn is_credit(self) -> bool {
        matches!(self, Self::CreditNote | Self::BillCredit)
    }

    /// Whether a vendor charges it.
    #[must_use]
    pub fn is_purchase(self) -> bool {
        matches!(self, Self::Bill | Self::BillCredit)
    }
}

/// A document whose totals have not been compared yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// What it is.
    pub kind: DocumentKind,
    /// Its number, the one of ConnectWise.
    pub number: String,
    /// Document date.
    pub date: Date,
    /// Due date; credit notes have none.
    pub due_date: Option<Date>,
    /// Reference; empty for none.
    pub reference: String,
    /// ISO code.
    pub currency: String,
    /// Draft or approved.
    pub status: DocumentStatus,
    /// Mark it as sent.
    pub sent: bool,
    /// Branding theme.
    pub branding_theme: Option<Uuid>,
    /// The lines, in ConnectWise's order.
    pub lines: Vec<Line>,
    /// Tax as ConnectWise has it.
    pub tax: Money,
    /// Total as ConnectWise has it: zero or more.
    pub total: Money,
    /// Where rounding and adjustment lines go.
    pub rounding: RoundingPlace,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// 1 to 4,000 characters.
    pub description: String,
    /// Never negative: the sign is on the price.
    pub quantity: Decimal,
    /// Price of one.
    pub unit_amount: Decimal,
    /// Amount without tax: ConnectWise's, less what a rounding line makes up for.
    pub amount: Money,
    /// Account code.
    pub account: String,
    /// Item code, if Xero has the item.
    pub item: Option<String>,
    /// Tax rate's code.
    pub tax_type: String,
    /// Percent.
    pub tax_rate: Decimal,
    /// The tax, when it is stated instead of left to Xero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_amount: Option<Money>,
    /// Tracking category and option, at most two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tracking: Vec<(String, String)>,
}

/// Account and tax of the lines that readypost adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoundingPlace {
    /// Account code; none when the organisation has none.
    pub account: Option<String>,
    /// Code of a tax rate of 0 %; none when the organisation has none.
    pub tax_type: Option<String>,
}

/// The contact of the document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactChoice {
    /// This one.
    Known(Uuid),
    /// One that has to be created first.
    Create(Box<Party>),
}
