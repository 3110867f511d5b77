//! What the books hold, as a test or a person wants to read it.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use uuid::Uuid;

/// The documents of sales and purchases, and the money that waits for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sales invoice.
    Accrec,
    /// Bill.
    Accpay,
    /// Credit note to a customer.
    AccrecCredit,
    /// Credit note from a supplier.
    AccpayCredit,
    /// What a customer paid beyond an invoice.
    ReceiveOverpayment,
    /// What a supplier was paid beyond a bill.
    SpendOverpayment,
    /// What a customer paid before the invoice.
    ReceivePrepayment,
    /// What a supplier was paid before the bill.
    SpendPrepayment,
}

impl Kind {
    /// Xero's name, such as `ACCREC`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accrec => "ACCREC",
            Self::Accpay => "ACCPAY",
            Self::AccrecCredit => "ACCRECCREDIT",
            Self::AccpayCredit => "ACCPAYCREDIT",
            Self::ReceiveOverpayment => "RECEIVE-OVERPAYMENT",
            Self::SpendOverpayment => "SPEND-OVERPAYMENT",
            Self::ReceivePrepayment => "RECEIVE-PREPAYMENT",
            Self::SpendPrepayment => "SPEND-PREPAYMENT",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let all = [Self::Accrec, Self::Accpay, Self::AccrecCredit, Self::AccpayCredit];
        all.into_iter().find(|kind| kind.name() == name)
    }

    pub(super) fn is_sale(self) -> bool {
        matches!(self, Self::Accrec | Self::AccrecCredit | Self::ReceiveOverpayment | Self::ReceivePrepayment)
    }

    /// What is owed, rather than what may be set against it.
    pub(super) fn is_owed(self) -> bool {
        matches!(self, Self::Accrec | Self::Accpay)
    }

    pub(super) fn is_credit(self) -> bool {
        matches!(self, Self::AccrecCredit | Self::AccpayCredit)
    }
}

/// Where a document is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not yet in the ledger.
    Draft,
    /// Awaiting approval.
    Submitted,
    /// In the ledger, awaiting payment.
    Authorised,
    /// Fully paid or credited; also what a 0.00 document becomes at once.
    Paid,
    /// Taken back after approval.
    Voided,
    /// Taken back before approval.
    Deleted,
}

impl Status {
    /// Xero's name, such as `AUTHORISED`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Submitted => "SUBMITTED",
            Self::Authorised => "AUTHORISED",
            Self::Paid => "PAID",
            Self::Voided => "VOIDED",
            Self::Deleted => "DELETED",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let all = [Self::Draft, Self::Submitted, Self::Authorised, Self::Paid, Self::Voided, Self::Deleted];
        all.into_iter().find(|status| status.name() == name)
    }

    pub(super) fn is_gone(self) -> bool {
        matches!(self, Self::Voided | Self::Deleted)
    }
}

/// How the amounts of the lines relate to tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineAmounts {
    /// Tax is added to the lines.
    Exclusive,
    /// Tax is contained in the lines.
    Inclusive,
    /// No tax at all.
    NoTax,
}

impl LineAmounts {
    /// Xero's name, such as `Exclusive`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exclusive => "Exclusive",
            Self::Inclusive => "Inclusive",
            Self::NoTax => "NoTax",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Exclusive, Self::Inclusive, Self::NoTax].into_iter().find(|way| way.name() == name)
    }
}

/// One option of one tracking category, on a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// Category name.
    pub category: String,
    /// Option name.
    pub option: String,
    /// Category id.
    pub category_id: Uuid,
    /// Option id.
    pub option_id: Uuid,
}

/// One line of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `LineItemID`.
    pub id: Uuid,
    /// What was sold.
    pub description: String,
    /// Quantity; 0 on a line with a description only.
    pub quantity: Decimal,
    /// Price as kept, rounded to 2 or 4 places.
    pub unit_amount: Decimal,
    /// Discount in percent.
    pub discount_rate: Option<Decimal>,
    /// Discount as an amount.
    pub discount_amount: Option<Decimal>,
    /// Account code.
    pub account_code: Option<String>,
    /// Item code.
    pub item_code: Option<String>,
    /// Tax type.
    pub tax_type: Option<String>,
    /// Tax, computed or as sent.
    pub tax_amount: Decimal,
    /// Quantity times price less discount.
    pub line_amount: Decimal,
    /// Tracking, at most two.
    pub tracking: Vec<Tracking>,
}

/// A credit note's share given to one invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allocation {
    pub(super) id: Uuid,
    pub(super) invoice: Uuid,
    pub(super) amount: Decimal,
    pub(super) date: Date,
}

/// An invoice, bill or credit note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// `InvoiceID` or `CreditNoteID`.
    pub id: Uuid,
    /// Which of the four documents.
    pub kind: Kind,
    /// Number; may be empty on a bill.
    pub number: String,
    /// Whom it is for.
    pub contact_id: Uuid,
    /// That contact's present name.
    pub contact_name: String,
    /// Where it is in its life.
    pub status: Status,
    /// Document date.
    pub date: Date,
    /// Due date.
    pub due_date: Option<Date>,
    /// Reference; always empty on purchases.
    pub reference: String,
    /// Currency code.
    pub currency: String,
    /// Currency rate.
    pub currency_rate: Decimal,
    /// Sum without tax.
    pub sub_total: Decimal,
    /// Sum of the lines' tax.
    pub total_tax: Decimal,
    /// Sum with tax.
    pub total: Decimal,
    /// Paid so far.
    pub amount_paid: Decimal,
    /// Credited to an invoice, or allocated from a credit note, so far.
    pub amount_credited: Decimal,
    /// How the lines relate to tax.
    pub line_amounts: LineAmounts,
    /// The lines in order.
    pub lines: Vec<Line>,
    /// Marked as sent.
    pub sent_to_contact: bool,
    /// Branding theme.
    pub branding_theme: Option<Uuid>,
    /// Link back to the source.
    pub url: Option<String>,
    /// Last change.
    pub updated: Timestamp,
    pub(super) allocations: Vec<Allocation>,
}

impl Document {
    /// What is still open: to be paid, or of a credit note to be allocated.
    #[must_use]
    pub fn amount_due(&self) -> Decimal {
        if self.status.is_gone() { Decimal::ZERO } else { self.total - self.amount_paid - self.amount_credited }
    }

    pub(super) fn is_touched(&self) -> bool {
        !self.amount_paid.is_zero() || !self.amount_credited.is_zero()
    }

    /// Becomes PAID when nothing is left open, which a 0.00 document does at once, and is opened again
    /// when a payment or an allocation is taken back.
    pub(super) fn settle(&mut self) {
        self.status = match (self.status, self.amount_due().is_zero()) {
            (Status::Authorised, true) => Status::Paid,
            (Status::Paid, false) => Status::Authorised,
            (status, _) => status,
        };
    }
}

/// Money that was paid on a document, or paid back on what gives credit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// `PaymentID`.
    pub id: Uuid,
    /// What was paid.
    pub document: Uuid,
    /// The kind of that document.
    pub kind: Kind,
    /// Day of the payment.
    pub date: Date,
    /// How much.
    pub amount: Decimal,
    /// Code of the account that it went to or came from.
    pub account: String,
    /// Reference.
    pub reference: String,
    /// Currency rate.
    pub currency_rate: Decimal,
    /// Matched with a line of the bank statement.
    pub is_reconciled: bool,
    /// Taken back.
    pub is_deleted: bool,
    /// The batch that it belongs to.
    pub batch: Option<Uuid>,
    /// Last change.
    pub updated: Timestamp,
}

impl Payment {
    pub(super) fn payment_type(&self) -> &'static str {
        match self.kind {
            Kind::Accrec => "ACCRECPAYMENT",
            Kind::Accpay => "ACCPAYPAYMENT",
            Kind::AccrecCredit => "ARCREDITPAYMENT",
            Kind::AccpayCredit => "APCREDITPAYMENT",
            Kind::ReceiveOverpayment => "AROVERPAYMENTPAYMENT",
            Kind::SpendOverpayment => "APOVERPAYMENTPAYMENT",
            Kind::ReceivePrepayment => "ARPREPAYMENTPAYMENT",
            Kind::SpendPrepayment => "APPREPAYMENTPAYMENT",
        }
    }

    pub(super) fn status(&self) -> &'static str {
        if self.is_deleted { "DELETED" } else { "AUTHORISED" }
    }
}

/// One deposit for many documents; the payments name it.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) id: Uuid,
    pub(super) account: String,
    pub(super) date: Date,
    pub(super) reference: String,
}

/// A customer or supplier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// `ContactID`.
    pub id: Uuid,
    /// Name, unique among active contacts.
    pub name: String,
    /// Contact number, unique among all contacts.
    pub number: Option<String>,
    /// Account number, unique among all contacts.
    pub account_number: Option<String>,
    /// Email address.
    pub email: Option<String>,
    /// Still in use.
    pub active: bool,
    /// Has had a sales document.
    pub is_customer: bool,
    /// Has had a purchase document.
    pub is_supplier: bool,
    /// Everything else under Xero's field names: `Addresses`, `Phones`, `PaymentTerms`, `TaxNumber`...
    pub details: Map<String, Value>,
    /// Last change.
    pub updated: Timestamp,
}

/// A contact to be set up.
#[derive(Clone, Debug, Default)]
pub struct NewContact {
    /// Name.
    pub name: String,
    /// Contact number.
    pub number: Option<String>,
    /// Account number.
    pub account_number: Option<String>,
    /// Email address.
    pub email: Option<String>,
    /// Xero's `PaymentTerms` object, such as `{"Sales":{"Day":30,"Type":"DAYSAFTERBILLDATE"}}`.
    pub payment_terms: Option<Value>,
}
