//! Reads an invoice and everything that posting it needs from ConnectWise.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use super::client::{ConnectWise, SYSTEM, malformed};
use super::dates;
use super::failure::Denied;
use super::unposted::some_text;
use super::wire;
use crate::domain::facts::{Caption, Invoice, InvoiceFacts, InvoiceType, Party, RecordFacts, Status, Transaction};
use crate::domain::text::shorten;
use crate::remote::RemoteError;

/// What posting a record needs of ConnectWise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// The record, now with its preview if it is in the unposted list, and with its GL segments as far as the API
    /// member may see them.
    pub record: RecordFacts,
    /// The earliest instant at which it may have been closed; none when ConnectWise does not say.
    ///
    /// A time without a zone may lie up to 14 hours before the same digits in UTC, and a day has no time.
    pub closed_at: Option<Timestamp>,
    /// Captions of the GL segments, in order; kept for 10 minutes.
    pub captions: Vec<Caption>,
    /// The company that it is about, read now; a change of the inventory is about none.
    pub party: Option<Party>,
}

impl ConnectWise {
    /// The invoice or credit memo with this id; none when there is no such record.
    ///
    /// The tax code is the `name` of ConnectWise's reference, which is what the invoice screen shows.
    ///
    /// # Errors
    /// As [`RemoteError`] says; an API that is not found at all is [`RemoteError::Unauthorized`], never none.
    pub async fn invoice(&self, id: &str) -> Result<Option<Invoice>, RemoteError> {
        // Anything but digits could change the path.
        let Some(number) = id.parse::<i64>().ok().filter(|_| id.bytes().all(|byte| byte.is_ascii_digit())) else {
            let cause = format!("'{}' is not an invoice id", shorten(id, 64));
            return Err(RemoteError::Refused { system: SYSTEM, cause });
        };
        let found: wire::Invoice = match self.record(&format!("finance/invoices/{number}")).await? {
            Ok(invoice) => invoice,
            Err(Denied::NoRecord(_)) => return Ok(None),
            Err(denied) => return Err(denied.into()),
        };
        if found.id != number {
            return Err(malformed(format!("invoice {} was given for {number}", found.id)));
        }
        let closed = match found.status.is_closed {
            Some(closed) => closed,
            None => self.is_closed(found.status.id).await?,
        };
        into_facts(found, closed).map(Some)
    }

    /// The closed invoices and credit memos that are dated from one day to another.
    ///
    /// # Errors
    /// As [`RemoteError`] says; [`RemoteError::Malformed`] when one of them cannot be read, so that none is passed over.
    pub async fn closed_invoices(&self, from: Date, last: Date) -> Result<Vec<Invoice>, RemoteError> {
        // A day more on each side, because the zone of dates is not documented.
        let (before, after) = (from.checked_sub(1.day()), last.checked_add(2.days()));
        let day = |date: Result<Date, jiff::Error>, fallback: Date| {
            date.unwrap_or(fallback).strftime("%Y-%m-%dT00:00:00Z").to_string()
        };
        let conditions = format!("date>=[{}] and date<[{}]", day(before, from), day(after, last));
        let rows: Vec<wire::Invoice> = self.list("finance/invoices", Some(&conditions)).await??;
        let mut closed = Vec::new();
        let mut statuses = None;
        for row in rows {
            let is_closed = match (row.status.is_closed, &statuses) {
                (Some(closed), _) => closed,
                (None, None) => closes(row.status.id, statuses.insert(self.read_statuses().await?))?,
                (None, Some(known)) => closes(row.status.id, known)?,
            };
            if is_closed {
                closed.push(into_facts(row, true)?);
            }
        }
        closed.retain(|invoice| invoice.date.is_some_and(|date| date >= from && date <= last));
        Ok(closed)
    }

    /// Whether a billing status closes invoices, for invoices that do not say so.
    async fn is_closed(&self, status: i64) -> Result<bool, RemoteError> {
        closes(status, &self.read_statuses().await?)
    }

    /// What posting `record` needs, read side by side.
    ///
    /// # Errors
    /// As [`RemoteError`] says; [`RemoteError::Malformed`] when the accounting interface is about another
    /// document, or lists several that could be meant.
    pub async fn posting(&self, record: &RecordFacts) -> Result<Posting, RemoteError> {
        let invoice = match record {
            RecordFacts::Invoice(facts) => &facts.invoice,
            RecordFacts::Purchase(purchase) => {
                // Its preview was read with it, because without that not even its total is known.
                let (captions, mut party) = tokio::try_join!(self.kept_captions(), self.party(record.party().0))?;
                let received = purchase.received.as_ref();
                let closed_at = received.and_then(|received| received.closed_at);
                party.vendor_number = received.map(|received| received.vendor_number.clone()).unwrap_or_default();
                let captions = captions.as_ref().clone();
                return Ok(Posting { record: record.clone(), closed_at, captions, party: Some(party) });
            }
            RecordFacts::Movement(movement) => {
                let captions = self.kept_captions().await?.as_ref().clone();
                let closed_at = movement.unposted.as_ref().and_then(|unposted| unposted.closed_at);
                return Ok(Posting { record: record.clone(), closed_at, captions, party: None });
            }
            RecordFacts::Expense(expense) => {
                let member = self.member(expense.member_id.unwrap_or_default(), &expense.member_name);
                let (captions, mut party) = tokio::try_join!(self.kept_captions(), member)?;
                if party.vendor_number.is_empty() {
                    let numbers = expense.listed().map(|(_, listed)| &listed.vendor_number);
                    party.vendor_number = numbers.max().cloned().unwrap_or_default();
                    party.account_number.clone_from(&party.vendor_number);
                }
                let (closed_at, captions) = (expense.closed_at(), captions.as_ref().clone());
                return Ok(Posting { record: record.clone(), closed_at, captions, party: Some(party) });
            }
        };
        let (preview, segments, captions, party) = tokio::try_join!(
            self.preview(invoice),
            self.segments(invoice.id),
            self.kept_captions(),
            self.party(invoice.client_id),
        )?;
        let (transaction, closed_at) = preview.map_or((None, None), |(found, closed)| (Some(found), closed));
        let facts = InvoiceFacts { invoice: invoice.clone(), transaction, segments };
        let record = RecordFacts::Invoice(Box::new(facts));
        Ok(Posting { record, closed_at, captions: captions.as_ref().clone(), party: Some(party) })
    }

    /// The preview and when the invoice was closed at the earliest.
    async fn preview(&self, invoice: &Invoice) -> Result<Option<(Transaction, Option<Timestamp>)>, RemoteError> {
        let Some(row) = self.unposted_row(invoice).await? else { return Ok(None) };
        let transaction = self.export(invoice, &row).await?;
        let terms = [&transaction.billing_terms, &row.billing_terms];
        let name = terms.iter().map(|terms| &terms.name).find(|name| !name.is_empty()).cloned().unwrap_or_default();
        let xref = if transaction.billing_terms_xref.is_empty() {
            self.terms_xref(terms.iter().find_map(|terms| terms.id)).await?
        } else {
            transaction.billing_terms_xref.clone()
        };
        Ok(Some((transaction.into_facts(xref, name), dates::earliest(&row.date_closed))))
    }

    /// The segments of the invoice's GL entries; they are optional, because the preview has them too.
    async fn segments(&self, invoice: i64) -> Result<BTreeMap<i64, Vec<String>>, RemoteError> {
        // The slash at the end is part of the documented path.
        match self.list::<wire::Segmented>(&format!("finance/invoices/{invoice}/glEntries/"), None).await? {
            Ok(rows) => Ok(rows.iter().filter_map(|row| Some((row.id()?, row.segments()))).collect()),
            Err(denied) => {
                tracing::debug!(?denied, invoice.id = invoice, "GL entries cannot be read; the preview is used");
                Ok(BTreeMap::new())
            }
        }
    }
}

fn into_facts(found: wire::Invoice, closed: bool) -> Result<Invoice, RemoteError> {
    let billed = if found.bill_to_company.id.is_some() { found.bill_to_company } else { found.company };
    let Some(client_id) = billed.id else { return Err(malformed(format!("invoice {} has no company", found.id))) };
    let gl_batch = found.gl_batch;
    let batch = some_text(gl_batch.name).or_else(|| gl_batch.id.map(|id| id.to_string()));
    Ok(Invoice {
        id: found.id,
        number: found.number,
        kind: InvoiceType::from(found.r#type),
        status: Status { id: found.status.id, name: found.status.name, closed },
        client_id,
        client_name: billed.name,
        location_id: found.location_id.or(found.location.id),
        date: dates::civil(&found.date),
        due_date: dates::civil(&found.due_date),
        customer_po: found.customer_po,
        project: found.project.name,
        agreement: found.agreement.name,
        reference: found.reference,
        currency: some_text(found.currency.currency_code),
        tax_code: found.tax_code.name,
        sales_tax: found.sales_tax.unwrap_or_default(),
        down_payment_applied: found.downpayment_applied.unwrap_or_default(),
        progress_applied: found.previous_progress_applied.unwrap_or_default(),
        total: found.total,
        batch,
        paid: found.payments.unwrap_or_default().abs() + found.credits.unwrap_or_default().abs(),
    })
}

/// Whether one of the billing statuses closes invoices.
fn closes(status: i64, known: &[Status]) -> Result<bool, RemoteError> {
    let found = known.iter().find(|known| known.id == status);
    found.map(|known| known.closed).ok_or_else(|| malformed(format!("there is no billing status {status}")))
}
