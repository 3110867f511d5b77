//! Finds documents that are already in Xero: what an earlier request did is asked, never assumed.

use uuid::Uuid;

use super::budget::Purpose;
use super::client::{Call, Xero};
use super::error::XeroError;
use super::wire::{self, DocumentRow};
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{Existing, ExistingDocument};
use crate::remote::Answer;

/// Rows of one look-up; a number has one live document and perhaps some deleted ones.
const PAGE_SIZE: &str = "100";

impl Xero {
    /// Finds the document of this number that is worth something; voided and deleted ones are left out.
    ///
    /// Whether Xero frees the number of a voided document is not known; where it does not, it says so.
    ///
    /// # Errors
    /// Those of reading; nothing is refused.
    pub async fn find(&self, kind: DocumentKind, number: &str) -> Result<Existing, XeroError> {
        let field = number_field(kind);
        // By where and not by InvoiceNumbers: that lists suppliers' bills, too, and splits a number at commas.
        let clause = format!("Type==\"{}\" AND {field}==\"{}\"", type_name(kind), number.replace('"', "\"\""));
        let query = [("where", clause.as_str()), ("page", "1"), ("pageSize", PAGE_SIZE), ("unitdp", "4")];
        let call = Call { path: collection(kind), query: &query, ..Call::default() };
        let answer = self.read(Purpose::LookUp, call).await?;
        let mut found: Vec<ExistingDocument> = documents(&answer)?
            .into_iter()
            .filter(|row| row.kind == type_name(kind) && !matches!(row.status.as_str(), "VOIDED" | "DELETED"))
            .filter(|row| row.number.as_deref().is_some_and(|held| held.eq_ignore_ascii_case(number)))
            .map(existing)
            .collect::<Result<_, _>>()?;
        // Xero's rule of unique numbers ignores case, so a number that differs in case is taken, too.
        found.sort_by_key(|document| document.number != number);
        Ok(found.into_iter().next().map_or(Existing::None, Existing::Found))
    }

    /// Reads one sales invoice or credit note by Xero's id; none when there is neither.
    ///
    /// # Errors
    /// Those of reading; nothing is refused.
    pub async fn document(&self, id: Uuid) -> Result<Option<ExistingDocument>, XeroError> {
        for kind in [DocumentKind::Invoice, DocumentKind::CreditNote] {
            let path = format!("{}/{id}", collection(kind));
            let call = Call { path: &path, query: &[("unitdp", "4")], ..Call::default() };
            let answer = self.read(Purpose::LookUp, call).await?;
            if answer.status == reqwest::StatusCode::NOT_FOUND {
                continue;
            }
            let row = documents(&answer)?.into_iter().find(|row| row.kind == type_name(kind) && row.id == id);
            return row.map(existing).transpose();
        }
        Ok(None)
    }
}

/// Where documents of this kind are.
pub(super) fn collection(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Invoice => "Invoices",
        DocumentKind::CreditNote => "CreditNotes",
    }
}

/// Xero's name of the kind.
pub(super) fn type_name(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Invoice => "ACCREC",
        DocumentKind::CreditNote => "ACCRECCREDIT",
    }
}

fn number_field(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Invoice => "InvoiceNumber",
        DocumentKind::CreditNote => "CreditNoteNumber",
    }
}

fn documents(answer: &Answer) -> Result<Vec<DocumentRow>, XeroError> {
    let malformed = || XeroError::Malformed { cause: format!("{}: {}", answer.status, answer.excerpt()) };
    let body = Some(&answer.body).filter(|_| answer.status.is_success()).ok_or_else(malformed)?;
    wire::parse::<wire::Documents>(body).map(|documents| documents.rows).ok_or_else(malformed)
}

fn existing(row: DocumentRow) -> Result<ExistingDocument, XeroError> {
    let kind =
        if row.kind == type_name(DocumentKind::Invoice) { DocumentKind::Invoice } else { DocumentKind::CreditNote };
    let missing = |what: &str| XeroError::Malformed { cause: format!("the {} {} has no {what}", kind.noun(), row.id) };
    Ok(ExistingDocument {
        id: row.id,
        kind,
        contact_id: row.contact.as_ref().map(|contact| contact.id).ok_or_else(|| missing("contact"))?,
        date: row.date_string.as_deref().or(row.date.as_deref()).and_then(wire::day),
        total_tax: row.total_tax.ok_or_else(|| missing("tax"))?,
        total: row.total.ok_or_else(|| missing("total"))?,
        number: row.number.unwrap_or_default(),
        status: row.status,
        currency: row.currency_code.unwrap_or_default(),
    })
}
