//! Lists documents by their dates, for the statement of a month: one call of the day for each thousand.

use jiff::ToSpan;
use jiff::civil::Date;
use uuid::Uuid;

use super::budget::Purpose;
use super::client::{Call, Xero};
use super::error::XeroError;
use super::lookup::{documents, kind_named};
use super::wire::{self, DocumentRow, Documents};
use crate::domain::facts::mark_in;
use crate::domain::money::Money;
use crate::domain::statement::Document;
use crate::remote::Answer;

/// Rows of one page; Xero gives no more.
const PAGE_ROWS: &str = "1000";

/// A list of documents that is asked for page by page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// `Invoices` or `CreditNotes`.
    collection: &'static str,
    /// Xero's name of the kind.
    kind: &'static str,
    from: Date,
    until: Date,
}

impl Listing {
    /// Documents that are asked for by their ids at once: an address stays below 2,000 characters.
    pub const IDS_MAX: usize = 40;

    /// What customers owe, or what is owed to vendors, dated from one day to another: invoices, then credit notes.
    #[must_use]
    pub fn between(from: Date, last: Date, purchases: bool) -> [Self; 2] {
        let until = last.checked_add(1.day()).unwrap_or(Date::MAX);
        let (invoices, credits) = if purchases { ("ACCPAY", "ACCPAYCREDIT") } else { ("ACCREC", "ACCRECCREDIT") };
        [("Invoices", invoices), ("CreditNotes", credits)].map(|(collection, kind)| Self {
            collection,
            kind,
            from,
            until,
        })
    }
}

impl Xero {
    /// One page of a list, counted from 1, and whether there are more. Void documents are among them.
    ///
    /// # Errors
    /// Those of reading; [`XeroError::Company`] when only the day's reserve is left.
    pub async fn documents_of(&self, listing: Listing, page: u32) -> Result<(Vec<Document>, bool), XeroError> {
        let (answer, rows, more) = self.listed_page(listing, page).await?;
        drop(answer);
        let listed: Result<Vec<Document>, XeroError> = rows.iter().map(listed).collect();
        Ok((listed?, more))
    }

    /// One page of a list as Xero gives it, its rows of the kind, and whether there are more.
    pub(super) async fn listed_page(
        &self,
        listing: Listing,
        page: u32,
    ) -> Result<(Answer, Vec<DocumentRow>, bool), XeroError> {
        let Listing { collection, kind, from, until } = listing;
        let day = |date: Date| format!("DateTime({},{:02},{:02})", date.year(), date.month(), date.day());
        let clause = format!("Type==\"{kind}\" AND Date>={} AND Date<{}", day(from), day(until));
        let number = page.to_string();
        let query = [
            ("where", clause.as_str()),
            ("order", "Date ASC"),
            ("page", &number),
            ("pageSize", PAGE_ROWS),
            ("unitdp", "4"),
        ];
        let answer = self.read(Purpose::Post, Call { path: collection, query: &query, ..Call::default() }).await?;
        let Documents { rows, pagination } = documents(&answer)?;
        // Only the last page says for certain that it is the last; without a word about pages, an empty one does.
        let more = pagination.map_or(!rows.is_empty(), |pages| page < pages.page_count);
        let rows = rows.into_iter().filter(|row| row.kind == kind).collect();
        Ok((answer, rows, more))
    }

    /// The documents of these ids that Xero has, wherever they are dated; at most [`Listing::IDS_MAX`] at once.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn documents_by_ids(&self, ids: &[Uuid], credits: bool) -> Result<Vec<Document>, XeroError> {
        let ids = ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",");
        let path = if credits { "CreditNotes" } else { "Invoices" };
        let query = [("IDs", ids.as_str()), ("page", "1"), ("pageSize", "100"), ("unitdp", "4")];
        let answer = self.read(Purpose::Post, Call { path, query: &query, ..Call::default() }).await?;
        documents(&answer)?.rows.iter().map(listed).collect()
    }
}

fn listed(row: &DocumentRow) -> Result<Document, XeroError> {
    let strange = |what: &str| XeroError::Malformed { cause: format!("the document {} has {what}", row.id) };
    let kind = kind_named(&row.kind).ok_or_else(|| strange("a type that is not known"))?;
    let total = row.total.ok_or_else(|| strange("no total"))?;
    let paid = row.amount_paid.unwrap_or_default() + row.amount_credited.unwrap_or_default();
    let signed = |money: Money| if kind.is_credit() { -money } else { money };
    let mut marks = row.line_items.iter().flatten().filter_map(|line| mark_in(line.description.as_deref()?));
    Ok(Document {
        id: row.id,
        kind,
        number: row.number.clone().unwrap_or_default(),
        party: row.contact.as_ref().and_then(|contact| contact.name.clone()).unwrap_or_default().into(),
        date: row.date_string.as_deref().or(row.date.as_deref()).and_then(wire::day),
        status: row.status.clone(),
        currency: row.currency_code.clone().unwrap_or_default(),
        total: signed(total),
        paid,
        mark: marks.next_back().map(str::to_owned),
    })
}
