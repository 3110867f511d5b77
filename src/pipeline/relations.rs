//! Records that only lead to payments: what gives credit in Xero, and invoices of which ConnectWise said something.
//!
//! They hand the invoices in Xero to the queue. What is accepted here is accepted once more when the step is repeated,
//! which changes nothing.

use uuid::Uuid;

use super::deliver::Ended;
use super::failure::{hold, of_connectwise as failed, of_xero};
use super::parts::{Company, Connection, Parts};
use crate::domain::delivery::{About, Trigger};
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{Existing, Invoice, InvoiceType, RecordFacts};
use crate::domain::hold::{HoldCode, SkipReason};
use crate::domain::map::number;
use crate::domain::payments::{Family, Subject};
use crate::domain::record::{RecordKey, RecordKind, SourceId};
use crate::domain::settle::{Failure, IntentFate, Outcome};
use crate::domain::text::shorten;
use crate::store::{Lease, StoreError};

/// The invoices that a credit was given to now, and those that it was given to before.
pub(super) async fn of_credit(
    lease: &Lease,
    (family, id): (Family, Uuid),
    company: &Company,
    parts: &Parts,
) -> Result<Outcome, StoreError> {
    let invoices = match company.client.allocated_to(family, id).await {
        Ok(invoices) => invoices.unwrap_or_default(),
        Err(error) => return Ok(Outcome::Failed(of_xero(error, IntentFate::Keep))),
    };
    let subjects = invoices.into_iter().map(|invoice| Subject::Invoice(company.id.clone(), invoice));
    let mut sources: Vec<SourceId> = subjects.filter_map(|subject| subject.source()).collect();
    // What was taken back is not named any more.
    let before = lease.record.purchases.iter().filter(|known| !sources.contains(*known));
    let before: Vec<SourceId> = before.cloned().collect();
    for source in sources.iter().chain(&before) {
        relate(&lease.record.key, source, parts).await?;
    }
    sources.extend(before);
    let none = sources.is_empty();
    let found = Outcome::FannedOut { purchases: sources, unnamed: None };
    Ok(if none { Outcome::Skipped(SkipReason::NothingPaid) } else { found })
}

/// The invoice in Xero of an invoice in ConnectWise.
pub(super) async fn of_connectwise(
    lease: Lease,
    invoice: i64,
    connection: &Connection,
    parts: &Parts,
) -> Result<Ended, StoreError> {
    let mut about = lease.record.about.clone();
    let outcome = match posted(&lease.record.key, invoice, parts).await? {
        Some((source, known)) => {
            about = known.or(about);
            Ok(source)
        }
        None => in_xero(&lease, invoice, (connection, parts), &mut about).await,
    };
    let outcome = match outcome {
        Ok(source) => {
            relate(&lease.record.key, &source, parts).await?;
            Outcome::FannedOut { purchases: vec![source], unnamed: None }
        }
        Err(outcome) => *outcome,
    };
    Ok(Ended { lease, outcome, about })
}

/// The record of the payments of an invoice that is looked for in Xero, or why there is none.
async fn in_xero(
    lease: &Lease,
    id: i64,
    (connection, parts): (&Connection, &Parts),
    about: &mut Option<About>,
) -> Result<SourceId, Box<Outcome>> {
    let stop = |failure: Failure| Box::new(Outcome::Failed(failure));
    let skip = |reason| Box::new(Outcome::Skipped(reason));
    let read = connection.client.invoice(&id.to_string()).await;
    let read = read.map_err(|error| stop(failed(&error, parts.clock.now())))?;
    let invoice = read.ok_or_else(|| skip(SkipReason::Deleted))?;
    let company = parts.company(&lease.record.key, invoice.location_id);
    *about = Some(About {
        company: company.map(|company| company.id.clone()),
        number: shorten(&invoice.number, 40),
        client: invoice.client_name.as_str().into(),
        total: invoice.paid,
        currency: invoice.currency.clone().unwrap_or_default(),
        date: None,
        party: Some(invoice.client_id),
    });
    let none = "No configured Xero organisation takes the invoice of this payment.";
    let company = company.ok_or_else(|| stop(hold(HoldCode::NoCompany, none)))?;
    if !company.rules.tells_xero() {
        return Err(skip(SkipReason::PaymentsOff));
    }
    if invoice.kind == InvoiceType::CreditMemo {
        return Err(skip(SkipReason::NotASale));
    }
    let number = number(&RecordFacts::from(invoice), &company.rules);
    let found = company.client.find(DocumentKind::Invoice, &number, None).await;
    match found.map_err(|error| stop(of_xero(error, IntentFate::Keep)))? {
        Existing::Found(document) => {
            let source = Subject::Invoice(company.id.clone(), document.id).source();
            source.ok_or_else(|| skip(SkipReason::NoInvoice))
        }
        _ => Err(skip(SkipReason::NoInvoice)),
    }
}

/// The record of the payments of an invoice that this store posted, which spares a look-up.
async fn posted(key: &RecordKey, invoice: i64, parts: &Parts) -> Result<Option<(SourceId, Option<About>)>, StoreError> {
    let key = RecordKey { connection: key.connection.clone(), kind: RecordKind::Invoice, source: invoice.into() };
    let Some(record) = parts.store.record(&key).await? else { return Ok(None) };
    let source = record.posted.and_then(|posted| {
        let company = parts.companies.iter().find(|company| company.id == posted.company)?;
        let carries = company.rules.tells_xero() && posted.kind == DocumentKind::Invoice;
        carries.then(|| Subject::Invoice(company.id.clone(), posted.id).source()).flatten()
    });
    Ok(source.map(|source| (source, record.about)))
}

/// Hands a record of payments to the queue, because another record led to it.
async fn relate(from: &RecordKey, source: &SourceId, parts: &Parts) -> Result<(), StoreError> {
    let key = RecordKey { connection: from.connection.clone(), kind: RecordKind::Payment, source: source.clone() };
    parts.store.accept(&key, Trigger::Related { key: from.clone() }, parts.clock.now()).await.map(drop)
}

/// An invoice was looked at that says it was paid: its payments may have to go to Xero.
pub(super) async fn after_look(
    key: &RecordKey,
    invoice: &Invoice,
    company: &Company,
    parts: &Parts,
) -> Result<(), StoreError> {
    if !company.rules.tells_xero() {
        return Ok(());
    }
    let Some((source, _)) = posted(key, invoice.id, parts).await? else { return Ok(()) };
    let payments = RecordKey { connection: key.connection.clone(), kind: RecordKind::Payment, source: source.clone() };
    if invoice.paid.is_zero() && parts.store.record(&payments).await?.is_none() {
        return Ok(());
    }
    relate(key, &source, parts).await
}
