//! Creates invoices, bills and credit notes: one PUT, whose answer is believed only when it leaves no doubt.

use uuid::Uuid;

use super::client::{Call, How, Permit, Write, Xero};
use super::error::XeroError;
use super::journals::{self, JournalRow};
use super::lookup::{collection, type_name};
use super::refusal::refusal;
use super::wire::{self, ContactRef, NewCreditNotes, NewDocument, NewInvoices, NewLine, NewTracking};
use crate::domain::balance::Balanced;
use crate::domain::document::Document;
use crate::domain::draft::{DocumentKind, Draft, Line};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::money::{Money, round};
use crate::domain::rules::DocumentStatus;
use crate::remote::Answer;

/// What every creation asks for: prices with four decimals.
const CREATE_QUERY: [(&str, &str); 1] = [("unitdp", "4")];
/// Decimals of a price that `unitdp=4` keeps.
const PRICE_PLACES: u32 = 4;

/// One document to be created; the same request is the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it is.
    pub kind: DocumentKind,
    /// At most 128 characters, and never used for other bytes.
    pub idempotency_key: String,
    /// What [`body`] gave.
    pub body: String,
}

/// A document that Xero has created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// Xero's id.
    pub id: Uuid,
    /// Total with tax as Xero calculated it.
    pub total: Money,
}

impl Xero {
    /// Creates the document, or gets the answer of its first creation under the same key.
    ///
    /// # Errors
    /// [`XeroError::Unknown`] and [`XeroError::ServerError`] when it may be there; all others say that
    /// this request made nothing.
    pub async fn create(&self, permit: Permit, request: &Request) -> Result<Created, XeroError> {
        let call = Call {
            path: collection(request.kind),
            query: &CREATE_QUERY,
            write: Some(Write { how: How::Create, key: &request.idempotency_key, body: &request.body }),
            ..Call::default()
        };
        let answer = self.exchange(permit, call).await?;
        match answer.status.as_u16() {
            200..=299 if request.kind == DocumentKind::Journal => saved_journal(&answer),
            200..=299 => saved(&answer),
            300..=399 => Err(XeroError::Malformed { cause: format!("{}, is `api_url` right?", answer.status) }),
            _ => Err(refused(&answer)),
        }
    }
}

/// The document's JSON: pure, and the same bytes for the same document. A journal has no contact.
#[must_use]
pub fn body(document: &Document, contact: Option<Uuid>) -> String {
    match document {
        Document::Invoice(document) => invoice(document, contact.unwrap_or_default()),
        Document::Journal(journal) => journals::body(journal),
    }
}

/// Where a document of this kind is created, below the base of the API.
#[must_use]
pub fn path(kind: DocumentKind) -> String {
    let [(name, value)] = CREATE_QUERY;
    format!("{}?{name}={value}", collection(kind))
}

fn invoice(document: &Balanced, contact: Uuid) -> String {
    let draft = document.draft();
    let (is_credit, is_sale) = (draft.kind.is_credit(), !draft.kind.is_purchase());
    let number = Some(draft.number.as_str());
    let row = NewDocument {
        kind: type_name(draft.kind),
        invoice_number: number.filter(|_| !is_credit),
        credit_note_number: number.filter(|_| is_credit),
        contact: ContactRef { id: contact },
        date: draft.date,
        due_date: draft.due_date.filter(|_| !is_credit),
        reference: &draft.reference,
        currency_code: &draft.currency,
        status: status(draft),
        line_amount_types: "Exclusive",
        sent_to_contact: (draft.kind == DocumentKind::Invoice
            && draft.sent
            && draft.status == DocumentStatus::Authorised)
            .then_some(true),
        branding_theme: draft.branding_theme.filter(|_| is_sale),
        line_items: draft.lines.iter().map(line).collect(),
    };
    // Texts, ids, dates and decimals are all written; an empty body would be refused, not misread.
    if is_credit {
        serde_json::to_string(&NewCreditNotes { credit_notes: [row] }).unwrap_or_default()
    } else {
        serde_json::to_string(&NewInvoices { invoices: [row] }).unwrap_or_default()
    }
}

fn status(draft: &Draft) -> &'static str {
    match draft.status {
        DocumentStatus::Authorised => "AUTHORISED",
        DocumentStatus::Draft => "DRAFT",
    }
}

fn line(line: &Line) -> NewLine<'_> {
    NewLine {
        description: &line.description,
        // Normalised: 1.0 and 1.00 are equal and must be the same bytes.
        quantity: line.quantity.normalize(),
        unit_amount: round(line.unit_amount, PRICE_PLACES).normalize(),
        item_code: line.item.as_deref(),
        account_code: &line.account,
        tax_type: &line.tax_type,
        tax_amount: line.tax_amount.map(|tax| tax.decimal().normalize()),
        tracking: line.tracking.iter().map(|(name, option)| NewTracking { name, option }).collect(),
    }
}

/// A 200 is not success: Xero has answered so with an all-zero id, and with errors.
pub(super) fn saved(answer: &Answer) -> Result<Created, XeroError> {
    let rows = wire::parse::<wire::Documents>(&answer.body).map(|documents| documents.rows).unwrap_or_default();
    let [row] = rows.as_slice() else { return Err(doubtful(answer)) };
    let said = row.status_attribute_string.as_deref().is_some_and(|status| status.eq_ignore_ascii_case("ERROR"));
    let listed = row.validation_errors.as_ref().is_some_and(|errors| !errors.is_empty());
    judged(answer, Saved { id: row.id, has_errors: row.has_errors == Some(true) || listed || said, total: row.total })
}

pub(super) fn saved_journal(answer: &Answer) -> Result<Created, XeroError> {
    let rows = journals::read(answer).unwrap_or_default();
    let [row] = rows.as_slice() else { return Err(doubtful(answer)) };
    let JournalRow { id, has_errors, status_attribute_string, validation_errors, .. } = row;
    let said = status_attribute_string.as_deref().is_some_and(|status| status.eq_ignore_ascii_case("ERROR"));
    let listed = validation_errors.as_ref().is_some_and(|errors| !errors.is_empty());
    judged(answer, Saved { id: *id, has_errors: *has_errors == Some(true) || listed || said, total: row.total() })
}

/// What an answer says of the one document that was written.
#[derive(Clone, Copy)]
struct Saved {
    id: Uuid,
    has_errors: bool,
    total: Option<Money>,
}

fn judged(answer: &Answer, saved: Saved) -> Result<Created, XeroError> {
    match (saved.id.is_nil(), saved.has_errors, saved.total) {
        (false, false, Some(total)) => Ok(Created { id: saved.id, total }),
        (true, _, _) => match wire::problems(&answer.body).as_slice() {
            [] => Err(doubtful(answer)),
            problems => Err(refusal(problems)),
        },
        // It has an id, so it may well be there.
        _ => Err(doubtful(answer)),
    }
}

fn doubtful(answer: &Answer) -> XeroError {
    XeroError::ServerError { cause: format!("{} without a clear result: {}", answer.status, answer.excerpt()) }
}

pub(super) fn refused(answer: &Answer) -> XeroError {
    if answer.status == reqwest::StatusCode::NOT_FOUND {
        let sentence = "Xero does not know the contact of this document any more (404).";
        return XeroError::Refused(HoldReason::new(HoldCode::RefusedByXero, sentence));
    }
    match wire::problems(&answer.body).as_slice() {
        [] => refusal(&[format!("{} {}", answer.status, answer.excerpt())]),
        problems => refusal(problems),
    }
}
