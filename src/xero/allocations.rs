//! Allocates credit notes to invoices: the second call that a credit takes in Xero, after the look-up.

use jiff::civil::Date;
use uuid::Uuid;

use super::budget::Purpose;
use super::client::{Call, How, Permit, Write, Xero};
use super::error::XeroError;
use super::payments::{body, refused};
use super::wire;
use crate::domain::money::Money;

/// A sales credit note, as far as its allocations go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditNote {
    /// Xero's id.
    pub id: Uuid,
    /// Status in Xero's words.
    pub status: String,
    /// What of it is not used yet; none when Xero does not say.
    pub remaining: Option<Money>,
    /// To which invoices it was allocated, and how much.
    pub allocated: Vec<(Uuid, Money)>,
}

impl CreditNote {
    /// How much of it an invoice has.
    #[must_use]
    pub fn given_to(&self, invoice: Uuid) -> Money {
        self.allocated.iter().filter(|(given, _)| *given == invoice).map(|(_, amount)| *amount).sum()
    }
}

impl Xero {
    /// The live sales credit note of this number; none when there is none.
    ///
    /// # Errors
    /// Those of reading; nothing is refused.
    pub async fn credit_note(&self, number: &str) -> Result<Option<CreditNote>, XeroError> {
        let clause = format!("Type==\"ACCRECCREDIT\" AND CreditNoteNumber==\"{}\"", number.replace('"', "\"\""));
        let query = [("where", clause.as_str()), ("page", "1")];
        let call = Call { path: "CreditNotes", query: &query, ..Call::default() };
        let rows = body::<wire::AllocatedDocuments>(&self.read(Purpose::LookUp, call).await?)?.rows;
        let mut live = rows.into_iter().filter(|row| {
            row.kind == "ACCRECCREDIT"
                && row.number.as_deref() == Some(number)
                && !matches!(row.status.as_str(), "VOIDED" | "DELETED")
        });
        let Some(row) = live.next() else { return Ok(None) };
        let mut allocated = Vec::new();
        for given in row.allocations.unwrap_or_default() {
            let both = given.invoice.map(|invoice| invoice.id).zip(given.amount);
            allocated.push(both.ok_or_else(|| XeroError::Malformed {
                cause: format!("an allocation of the credit note {number} names no invoice or amount"),
            })?);
        }
        Ok(Some(CreditNote { id: row.id, status: row.status, remaining: row.remaining_credit, allocated }))
    }

    /// Allocates by this body, or gets the answer of the first time under the same key.
    ///
    /// # Errors
    /// [`XeroError::Unknown`] and [`XeroError::ServerError`] when it may be done; all others say that
    /// this request did nothing.
    pub async fn allocate(&self, permit: Permit, credit: Uuid, (key, body): (&str, &str)) -> Result<(), XeroError> {
        let path = format!("CreditNotes/{credit}/Allocations");
        let call = Call { path: &path, write: Some(Write { how: How::Create, key, body }), ..Call::default() };
        let answer = self.exchange(permit, call).await?;
        let doubtful = || XeroError::ServerError {
            cause: format!("{} without a clear result: {}", answer.status, answer.excerpt()),
        };
        match answer.status.as_u16() {
            200..=299 => match wire::parse::<wire::Allocations>(&answer.body) {
                Some(done) if done.allocations.len() == 1 && wire::problems(&answer.body).is_empty() => Ok(()),
                _ => Err(doubtful()),
            },
            300..=399 => Err(XeroError::Malformed { cause: format!("{}, is `api_url` right?", answer.status) }),
            _ => Err(refused(&answer)),
        }
    }
}

/// The JSON of an allocation: pure, and the same bytes for the same allocation.
#[must_use]
pub fn allocation_body(invoice: Uuid, amount: Money, date: Date) -> String {
    let invoice = wire::NewPaymentInvoice { id: invoice };
    let allocation = wire::NewAllocation { invoice, amount: amount.decimal().normalize(), date };
    // Ids, dates and decimals are all written; an empty body would be refused, not misread.
    serde_json::to_string(&wire::NewAllocations { allocations: [allocation] }).unwrap_or_default()
}
