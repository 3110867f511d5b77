//! Finds documents that are already in Xero: what an earlier request did is asked, never assumed.

use uuid::Uuid;

use super::budget::Purpose;
use super::client::{Call, Xero};
use super::error::XeroError;
use super::journals;
use super::wire::{self, DocumentRow, Documents};
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{Existing, ExistingDocument, mark_in};
use crate::remote::Answer;

/// Rows of one page of a look-up; a number has few documents, live and deleted ones.
const PAGE_ROWS: usize = 100;
/// Pages of one look-up.
const PAGES_MAX: usize = 10;

impl Xero {
    /// Finds what of this number, or of a journal with this mark, is worth something; voided and deleted documents are left out.
    ///
    /// A sales document is the only one of its number; whether Xero frees the number of a voided one is not known;
    /// where it does not, it says so. Of bills there may be many: all are given, whoever's contact they have,
    /// because a vendor may have been merged meanwhile.
    ///
    /// # Errors
    /// Those of reading; nothing is refused.
    pub async fn find(&self, kind: DocumentKind, number: &str, mark: Option<&str>) -> Result<Existing, XeroError> {
        if kind == DocumentKind::Journal {
            // Without a mark nothing would be found, and a journal be made a second time.
            let missing = || XeroError::Malformed { cause: format!("the journal of {number} has no mark") };
            return Ok(Existing::Among(self.find_journals(mark.ok_or_else(missing)?).await?));
        }
        let mut found = Vec::new();
        for page in 1..=PAGES_MAX {
            let (rows, live) = self.find_page(kind, number, page).await?;
            found.extend(live);
            if !kind.is_purchase() || rows < PAGE_ROWS {
                if kind.is_purchase() {
                    return Ok(Existing::Among(found));
                }
                // Xero's rule of unique numbers ignores case, so a number that differs in case is taken, too.
                found.sort_by_key(|document| document.number != number);
                return Ok(found.into_iter().next().map_or(Existing::None, Existing::Found));
            }
        }
        Err(XeroError::Malformed { cause: format!("there are too many documents of the number {number}") })
    }

    /// One page of a look-up: how many rows it has, and those that count.
    async fn find_page(
        &self,
        kind: DocumentKind,
        number: &str,
        page: usize,
    ) -> Result<(usize, Vec<ExistingDocument>), XeroError> {
        let (field, page, rows) = (number_field(kind), page.to_string(), PAGE_ROWS.to_string());
        // By where and not by InvoiceNumbers: that lists documents of the other side, too, and splits a number at
        // commas.
        let clause = format!("Type==\"{}\" AND {field}==\"{}\"", type_name(kind), number.replace('"', "\"\""));
        let query = [("where", clause.as_str()), ("page", &page), ("pageSize", &rows), ("unitdp", "4")];
        let call = Call { path: collection(kind), query: &query, ..Call::default() };
        let answer = self.read(Purpose::LookUp, call).await?;
        let rows = documents(&answer)?.rows;
        let count = rows.len();
        let live = rows
            .into_iter()
            .filter(|row| row.kind == type_name(kind) && !matches!(row.status.as_str(), "VOIDED" | "DELETED"))
            .filter(|row| row.number.as_deref().is_some_and(|held| held.eq_ignore_ascii_case(number)))
            .map(existing)
            .collect::<Result<_, _>>()?;
        Ok((count, live))
    }

    /// Reads one document by Xero's id; none when there is none. A journal is looked for only among journals, and all
    /// else only among invoices and credit notes, because the app need not have the right to see journals.
    ///
    /// # Errors
    /// Those of reading; nothing is refused.
    pub async fn document(&self, kind: DocumentKind, id: Uuid) -> Result<Option<ExistingDocument>, XeroError> {
        if kind == DocumentKind::Journal {
            return self.journal(id).await;
        }
        for collection in ["Invoices", "CreditNotes"] {
            let path = format!("{collection}/{id}");
            let call = Call { path: &path, query: &[("unitdp", "4")], ..Call::default() };
            let answer = self.read(Purpose::LookUp, call).await?;
            if answer.status == reqwest::StatusCode::NOT_FOUND {
                continue;
            }
            let row = documents(&answer)?.rows.into_iter().find(|row| kind_named(&row.kind).is_some() && row.id == id);
            return row.map(existing).transpose();
        }
        Ok(None)
    }
}

/// Where documents of this kind are.
pub(super) fn collection(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Invoice | DocumentKind::Bill => "Invoices",
        DocumentKind::CreditNote | DocumentKind::BillCredit => "CreditNotes",
        DocumentKind::Journal => journals::COLLECTION,
    }
}

/// Xero's name of the kind; a journal has no type.
pub(super) fn type_name(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Invoice => "ACCREC",
        DocumentKind::CreditNote => "ACCRECCREDIT",
        DocumentKind::Bill => "ACCPAY",
        DocumentKind::BillCredit => "ACCPAYCREDIT",
        DocumentKind::Journal => "",
    }
}

/// The kind that Xero names so; none for kinds that records do not become.
pub(super) fn kind_named(name: &str) -> Option<DocumentKind> {
    let kinds = [DocumentKind::Invoice, DocumentKind::CreditNote, DocumentKind::Bill, DocumentKind::BillCredit];
    kinds.into_iter().find(|kind| type_name(*kind) == name)
}

fn number_field(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Invoice | DocumentKind::Bill => "InvoiceNumber",
        DocumentKind::CreditNote | DocumentKind::BillCredit => "CreditNoteNumber",
        DocumentKind::Journal => "Narration",
    }
}

/// The documents of an answer.
pub(super) fn documents(answer: &Answer) -> Result<Documents, XeroError> {
    let malformed = || XeroError::Malformed { cause: format!("{}: {}", answer.status, answer.excerpt()) };
    let body = Some(&answer.body).filter(|_| answer.status.is_success()).ok_or_else(malformed)?;
    wire::parse::<Documents>(body).ok_or_else(malformed)
}

pub(super) fn existing(row: DocumentRow) -> Result<ExistingDocument, XeroError> {
    let strange = || XeroError::Malformed { cause: format!("{} is a document of the type '{}'", row.id, row.kind) };
    let kind = kind_named(&row.kind).ok_or_else(strange)?;
    let marks = row.line_items.iter().flatten().filter_map(|line| mark_in(line.description.as_deref()?));
    let marks = marks.map(str::to_owned).collect();
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
        marks,
    })
}
