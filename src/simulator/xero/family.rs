//! The four endpoints that hold documents, and what each of them calls its own.

use super::records::Kind;

/// An endpoint that holds documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Invoices,
    CreditNotes,
    Overpayments,
    Prepayments,
}

impl Family {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Accrec | Kind::Accpay => Self::Invoices,
            Kind::AccrecCredit | Kind::AccpayCredit => Self::CreditNotes,
            Kind::ReceiveOverpayment | Kind::SpendOverpayment => Self::Overpayments,
            Kind::ReceivePrepayment | Kind::SpendPrepayment => Self::Prepayments,
        }
    }

    /// The family whose collection has this name in a path.
    pub(super) fn named(collection: &str) -> Option<Self> {
        let all = [Self::Invoices, Self::CreditNotes, Self::Overpayments, Self::Prepayments];
        all.into_iter().find(|family| family.collection() == collection)
    }

    pub(super) fn collection(self) -> &'static str {
        match self {
            Self::Invoices => "Invoices",
            Self::CreditNotes => "CreditNotes",
            Self::Overpayments => "Overpayments",
            Self::Prepayments => "Prepayments",
        }
    }

    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Invoices => "Invoice",
            Self::CreditNotes => "CreditNote",
            Self::Overpayments => "Overpayment",
            Self::Prepayments => "Prepayment",
        }
    }

    pub(super) fn id_field(self) -> &'static str {
        match self {
            Self::Invoices => "InvoiceID",
            Self::CreditNotes => "CreditNoteID",
            Self::Overpayments => "OverpaymentID",
            Self::Prepayments => "PrepaymentID",
        }
    }

    pub(super) fn number_field(self) -> &'static str {
        match self {
            Self::Invoices => "InvoiceNumber",
            Self::CreditNotes => "CreditNoteNumber",
            Self::Overpayments => "OverpaymentNumber",
            Self::Prepayments => "PrepaymentNumber",
        }
    }

    pub(super) fn holds(self, kind: Kind) -> bool {
        Self::of(kind) == self
    }
}
