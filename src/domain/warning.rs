//! Warnings: the record was posted, and a person should look at it once.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::money::Money;
use super::text::Sentence;

macro_rules! warning_codes {
    ($($(#[$doc:meta])* $code:ident, $name:literal, $meaning:literal;)*) => {
        /// The stable code of a warning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        pub enum WarningCode { $($(#[$doc])* #[serde(rename = $name)] $code,)* }

        impl WarningCode {
            /// Every code, in the order of the README's table.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// The stable name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }

            /// What it means and what to do.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning,)* }
            }
        }
    };
}

warning_codes! {
    /// A rounding line was added for one line.
    RoundingLine, "rounding_line",
        "Quantity times price, calculated by Xero, missed the line's amount by cents; a line on the rounding account makes it up.";
    /// The tax amount of a line was stated.
    TaxRounding, "tax_rounding",
        "Xero rounds tax on every line, ConnectWise on the document; the tax of one line was stated so that both agree.";
    /// An adjustment line was added to the document.
    AdjustmentLine, "adjustment_line",
        "The lines did not add up to ConnectWise's total; a line on the rounding account makes it up. Check the invoice in ConnectWise.";
    /// The terms give another due date than ConnectWise has.
    TermsMismatch, "terms_mismatch",
        "The billing terms give another due date than the invoice has in ConnectWise. Check the terms' XRef.";
    /// The day of the terms does not exist in that month.
    TermsOverflow, "terms_overflow",
        "The billing terms name a day that the month does not have; the due date was moved by the rule `terms_overflow`.";
    /// The terms could not be read.
    TermsUnreadable, "terms_unreadable",
        "The XRef of the billing terms is neither a number of days nor like M+1:D20; ConnectWise's due date was used.";
    /// A contact was created in Xero.
    ContactCreated, "contact_created",
        "The company or member was new to Xero, so a contact was created. Check its details there.";
    /// A tracking value is not in Xero.
    TrackingMissing, "tracking_missing",
        "A tracking value of the GL mapping is not in Xero, so the line was posted without it.";
    /// A tracking segment of the GL mapping is blank.
    TrackingBlank, "tracking_blank",
        "The GL mapping has nothing for a tracking category, so the line was posted without it, and the rules want it to be seen.";
    /// The item code was shortened or left out.
    ItemCodeChanged, "item_code_changed",
        "The product ID is longer than Xero's 30 characters and was shortened or left out, by the rule `long_item_codes`.";
    /// The document is worth 0.00.
    ZeroTotalPaid, "zero_total_paid",
        "The total is 0.00: Xero marks an approved document of 0.00 as paid at once and it cannot be edited.";
    /// Some GL entries stayed unposted in ConnectWise.
    LeftUnposted, "left_unposted",
        "The batch was made, but ConnectWise still lists some of the record's GL entries as unposted.";
    /// Another batch holds the record.
    BatchedElsewhere, "batched_elsewhere",
        "The document is in Xero, but someone else put the record into a batch in ConnectWise.";
    /// The tax of an expense was stated.
    ExpenseTax, "expense_tax",
        "The tax of an expense is not what its tax rate gives, as on receipts that are taxed in part; ConnectWise's tax was stated on its line.";
    /// What the company paid was left out of a bill for expenses.
    CompanyPaidLeftOut, "company_paid_left_out",
        "The company paid part of the expenses. That is not owed to the member, so the bill is without it, and it is marked in ConnectWise all the same: see that the company's card or bank account has it.";
    /// A credit note's allocation became a payment.
    CreditAsPayment, "credit_as_payment",
        "A credit note was allocated in Xero and ConnectWise has it as a payment, because the credit memo was not found or not taken. The invoice is paid in both; settle the credit memo in ConnectWise by hand.";
    /// The document was found in Xero, not created.
    Adopted, "adopted",
        "The document was already in Xero with the same content, so it was linked and not posted again.";
}

/// One part of an amount, named for a bookkeeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WarningPart)]
pub struct Part {
    /// What it is.
    pub label: Sentence,
    /// How much.
    pub amount: Money,
}

impl Part {
    /// A named amount.
    #[must_use]
    pub fn new(label: impl Into<Sentence>, amount: Money) -> Self {
        Self { label: label.into(), amount }
    }
}

/// Something that was posted and needs a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// The stable code.
    pub code: WarningCode,
    /// What happened on this record.
    pub sentence: Sentence,
    /// How a difference is made up, to the cent; empty where no amount is concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

impl Warning {
    /// A warning without amounts.
    #[must_use]
    pub fn new(code: WarningCode, sentence: impl Into<Sentence>) -> Self {
        Self { code, sentence: sentence.into(), parts: Vec::new() }
    }

    /// The same warning, explained to the cent.
    #[must_use]
    pub fn explained(mut self, parts: Vec<Part>) -> Self {
        self.parts = parts;
        self
    }

    /// What was made up for, where the warning is of a difference: the last of its parts.
    #[must_use]
    pub fn made_up(&self) -> Option<Money> {
        match self.code {
            WarningCode::RoundingLine
            | WarningCode::TaxRounding
            | WarningCode::AdjustmentLine
            | WarningCode::ExpenseTax => self.parts.last().map(|part| part.amount),
            _ => None,
        }
    }
}

/// A warning and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenWarning {
    /// The warning.
    pub warning: Warning,
    /// When it was raised.
    pub at: Timestamp,
    /// Who has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
}

/// Who has seen a warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The operator.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they noted.
    #[serde(default)]
    pub note: Sentence,
}

/// A value with what a person should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Flagged<T> {
    /// The value.
    pub value: T,
    /// What was noticed on the way.
    pub warnings: Vec<Warning>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_name() {
        for code in WarningCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
