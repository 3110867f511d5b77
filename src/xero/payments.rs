//! Reads what was paid on documents, and enters payments: by PUT, which can only create.
//!
//! Payments never change in Xero and have no uniqueness: what is wrong is deleted by a person and entered again.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::budget::Purpose;
use super::client::{Call, How, Permit, Write, Xero};
use super::error::XeroError;
use super::refusal::refusal;
use super::wire;
use crate::domain::money::Money;
use crate::domain::payments::{Family, Item, Origin, PaidDocument};
use crate::remote::Answer;

/// Rows of one page of changes.
const PAGE_ROWS: usize = 100;
/// Pages of payments of one invoice.
const PAGES_MAX: usize = 10;

/// A sales invoice that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedInvoice {
    /// Xero's id.
    pub id: Uuid,
    /// When it changed last, by Xero's clock.
    pub updated: Timestamp,
    /// Whether something is paid on it now.
    pub is_paid: bool,
}

/// A payment of an invoice, standing or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastPayment {
    /// Xero's id.
    pub id: Uuid,
    /// How much.
    pub amount: Option<Money>,
    /// On which day.
    pub date: Option<Date>,
    /// Its reference.
    pub reference: String,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

impl Xero {
    /// An invoice with what was paid on it; none when there is none of this id.
    ///
    /// # Errors
    /// Those of reading; nothing is refused.
    pub async fn paid_document(&self, id: Uuid) -> Result<Option<PaidDocument>, XeroError> {
        let path = format!("Invoices/{id}");
        let call = Call { path: &path, query: &[("unitdp", "4")], ..Call::default() };
        let answer = self.read(Purpose::Post, call).await?;
        if answer.status == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let rows = body::<wire::PaidDocuments>(&answer)?.invoices;
        Ok(rows.into_iter().find(|row| row.id == id).map(paid))
    }

    /// The invoices that a credit note, an overpayment or a prepayment was given to; none when there is none of this id.
    ///
    /// # Errors
    /// Those of reading; nothing is refused.
    pub async fn allocated_to(&self, family: Family, id: Uuid) -> Result<Option<Vec<Uuid>>, XeroError> {
        let path = format!("{}/{id}", family.collection());
        let answer = self.read(Purpose::Post, Call { path: &path, ..Call::default() }).await?;
        if answer.status == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let rows = body::<wire::AllocatedDocuments>(&answer)?.rows;
        let allocations = rows.into_iter().flat_map(|row| row.allocations.unwrap_or_default());
        let mut invoices: Vec<Uuid> = allocations.filter_map(|row| row.invoice.map(|invoice| invoice.id)).collect();
        invoices.sort_unstable();
        invoices.dedup();
        Ok(Some(invoices))
    }

    /// Sales invoices that changed since an instant, in the order of their changes: one page, and whether there are more.
    ///
    /// A payment and an allocation change their invoice, so this one list tells of all of them.
    ///
    /// # Errors
    /// Those of reading; nothing is refused. [`XeroError::Company`] when only the day's reserve is left.
    pub async fn changed_invoices(
        &self,
        since: Timestamp,
        page: usize,
    ) -> Result<(Vec<ChangedInvoice>, bool), XeroError> {
        let (page, rows) = (page.to_string(), PAGE_ROWS.to_string());
        let query =
            [("where", "Type==\"ACCREC\""), ("order", "UpdatedDateUTC ASC"), ("page", &page), ("pageSize", &rows)];
        let call = Call { path: "Invoices", query: &query, modified_since: Some(since), ..Call::default() };
        let answer = self.read(Purpose::Post, call).await?;
        let rows = body::<wire::PaidDocuments>(&answer)?.invoices;
        let more = rows.len() >= PAGE_ROWS;
        let mut changed = Vec::new();
        for row in rows.into_iter().filter(|row| row.kind == "ACCREC") {
            let updated = row.updated.as_deref().and_then(wire::instant);
            let updated = updated.ok_or_else(|| XeroError::Malformed {
                cause: format!("the invoice {} does not say when it changed", row.id),
            })?;
            let some = |amount: Option<Money>| amount.is_some_and(|amount| !amount.is_zero());
            changed.push(ChangedInvoice {
                id: row.id,
                updated,
                is_paid: some(row.amount_paid) || some(row.amount_credited),
            });
        }
        Ok((changed, more))
    }

    /// All payments that an invoice has or had; those that were deleted are among them.
    ///
    /// # Errors
    /// Those of reading; nothing is refused.
    pub async fn past_payments(&self, invoice: Uuid) -> Result<Vec<PastPayment>, XeroError> {
        let mut found = Vec::new();
        let clause = format!("Invoice.InvoiceID==guid(\"{invoice}\")");
        for page in 1..=PAGES_MAX {
            let (page, rows) = (page.to_string(), PAGE_ROWS.to_string());
            let query = [("where", clause.as_str()), ("page", &page), ("pageSize", &rows)];
            let call = Call { path: "Payments", query: &query, ..Call::default() };
            let rows = body::<wire::Payments>(&self.read(Purpose::LookUp, call).await?)?.payments;
            let count = rows.len();
            found.extend(rows.into_iter().map(|row| PastPayment {
                id: row.id,
                amount: row.amount.map(Money::to_cents),
                date: row.date.as_deref().and_then(wire::day),
                reference: row.reference.unwrap_or_default(),
                is_deleted: row.status.is_some_and(|status| status.eq_ignore_ascii_case("DELETED")),
            }));
            if count < PAGE_ROWS {
                return Ok(found);
            }
        }
        Err(XeroError::Malformed { cause: format!("there are too many payments of the invoice {invoice}") })
    }

    /// Enters the payment of this body, or gets the answer of the first time under the same key; its id.
    ///
    /// # Errors
    /// [`XeroError::Unknown`] and [`XeroError::ServerError`] when it may be there; all others say that
    /// this request made nothing.
    pub async fn enter_payment(&self, permit: Permit, key: &str, body: &str) -> Result<Uuid, XeroError> {
        let call = Call { path: "Payments", write: Some(Write { how: How::Create, key, body }), ..Call::default() };
        let answer = self.exchange(permit, call).await?;
        match answer.status.as_u16() {
            200..=299 => entered(&answer),
            300..=399 => Err(XeroError::Malformed { cause: format!("{}, is `api_url` right?", answer.status) }),
            _ => Err(refused(&answer)),
        }
    }
}

/// The JSON of a payment: pure, and the same bytes for the same payment.
#[must_use]
pub fn payment_body(invoice: Uuid, account: &str, (amount, date): (Money, Date), reference: &str) -> String {
    let payment = wire::NewPayment {
        invoice: wire::NewPaymentInvoice { id: invoice },
        account: wire::NewPaymentAccount { code: account },
        date,
        amount: amount.decimal().normalize(),
        reference,
    };
    // Texts, ids, dates and decimals are all written; an empty body would be refused, not misread.
    serde_json::to_string(&wire::NewPayments { payments: [payment] }).unwrap_or_default()
}

pub(super) fn body<T: DeserializeOwned>(answer: &Answer) -> Result<T, XeroError> {
    let malformed = || XeroError::Malformed { cause: format!("{}: {}", answer.status, answer.excerpt()) };
    let bytes = Some(&answer.body).filter(|_| answer.status.is_success()).ok_or_else(malformed)?;
    wire::parse(bytes).ok_or_else(malformed)
}

fn paid(row: wire::PaidRow) -> PaidDocument {
    let (mut items, mut unreadable) = (Vec::new(), Vec::new());
    let mut take = |item: Option<Item>, what: &str, id: Uuid| match item {
        Some(item) => items.push(item),
        None => unreadable.push(format!("amount or date of the {what} {id}")),
    };
    for payment in row.payments.unwrap_or_default() {
        let day = payment.date.as_deref().and_then(wire::day);
        let item = payment.amount.zip(day).map(|(amount, date)| Item {
            id: payment.id,
            origin: Origin::Payment,
            amount: amount.to_cents(),
            date,
            number: String::new(),
            reference: payment.reference.clone().unwrap_or_default(),
        });
        take(item, Origin::Payment.noun(), payment.id);
    }
    let credits = [
        (Origin::CreditNote, row.credit_notes),
        (Origin::Overpayment, row.overpayments),
        (Origin::Prepayment, row.prepayments),
    ];
    for (origin, credit) in credits
        .into_iter()
        .flat_map(|(origin, rows)| rows.unwrap_or_default().into_iter().map(move |row| (origin, row)))
    {
        let day = credit.date_string.as_deref().or(credit.date.as_deref()).and_then(wire::day);
        let item = credit.applied_amount.zip(day).map(|(amount, date)| Item {
            id: credit.id,
            origin,
            amount: amount.to_cents(),
            date,
            number: credit.number.clone().unwrap_or_default(),
            reference: String::new(),
        });
        take(item, origin.noun(), credit.id);
    }
    // Nothing was given: it was taken back, and the row only remembers it.
    items.retain(|item| !item.amount.is_zero());
    PaidDocument {
        id: row.id,
        is_sale: row.kind == "ACCREC",
        number: row.number.unwrap_or_default(),
        reference: row.reference.unwrap_or_default(),
        client: row.contact.and_then(|contact| contact.name).unwrap_or_default(),
        status: row.status,
        currency: row.currency_code.unwrap_or_default(),
        total: row.total,
        due: row.amount_due,
        updated: row.updated.as_deref().and_then(wire::instant),
        items,
        unreadable,
    }
}

/// A 200 is not success: an answer that leaves a doubt may have entered the payment.
fn entered(answer: &Answer) -> Result<Uuid, XeroError> {
    let doubtful =
        || XeroError::ServerError { cause: format!("{} without a clear result: {}", answer.status, answer.excerpt()) };
    let rows = wire::parse::<wire::Payments>(&answer.body).ok_or_else(doubtful)?.payments;
    let [row] = rows.as_slice() else { return Err(doubtful()) };
    let has_errors = row.has_validation_errors == Some(true)
        || row.validation_errors.as_ref().is_some_and(|errors| !errors.is_empty());
    match (row.id.is_nil(), has_errors) {
        (false, false) => Ok(row.id),
        (true, _) if !wire::problems(&answer.body).is_empty() => Err(refusal(&wire::problems(&answer.body))),
        _ => Err(doubtful()),
    }
}

pub(super) fn refused(answer: &Answer) -> XeroError {
    match wire::problems(&answer.body).as_slice() {
        [] => refusal(&[format!("{} {}", answer.status, answer.excerpt())]),
        problems => refusal(problems),
    }
}
