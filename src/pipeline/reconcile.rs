//! Gathers a month of both systems and states it: a read of lists, which writes nothing anywhere.
//!
//! ConnectWise lists its closed invoices by date. It has no such list of purchases and expenses once they are in a
//! batch, so of these the store's records are taken.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::sync::watch;
use uuid::Uuid;

use super::parts::{Company, Parts};
use crate::domain::delivery::{Posted, Record, State};
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{Invoice, RecordFacts, is_of_cost, marked_key};
use crate::domain::hold::SkipReason;
use crate::domain::map;
use crate::domain::plan::{Action, triage};
use crate::domain::record::{CompanyId, RecordKey, RecordKind, SourceId};
use crate::domain::statement::{Calls, Closed, Document, Known, Ledger, Month, Section, Statement, sections};
use crate::remote;
use crate::store::Filter;
use crate::xero::{Listing, XeroError};

/// Records that are read from the store at once.
const PAGE_RECORDS: usize = 500;
/// Pages of one list of Xero; a month has fewer documents.
const PAGES_MAX: u32 = 200;

/// How far a statement has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is being read.
    pub step: String,
    /// Records and documents that were read.
    pub rows: usize,
    /// Calls so far.
    pub calls: Calls,
    /// It waits for the minute's calls until then.
    pub waits_until: Option<Timestamp>,
}

/// Reads a month of a company from both systems.
struct Reading<'parts> {
    company: &'parts Company,
    month: Month,
    parts: &'parts Parts,
    progress: &'parts watch::Sender<Progress>,
    sent: Arc<remote::Calls>,
}

/// States a month of a company.
///
/// # Errors
/// What kept it from being made, for an operator: there is no half statement.
pub async fn reconcile(
    company: &CompanyId,
    month: Month,
    parts: &Parts,
    progress: &watch::Sender<Progress>,
) -> Result<Statement, String> {
    let found = parts.companies.iter().find(|candidate| candidate.id == *company);
    let company = found.ok_or_else(|| format!("the company '{company}' is not in the configuration"))?;
    let sent = Arc::new(remote::Calls::default());
    let reading = Reading { company, month, parts, progress, sent: Arc::clone(&sent) };
    let sections = remote::counted(sent, reading.sections()).await?;
    let calls = reading.calls();
    Ok(Statement { company: company.id.clone(), month, at: parts.clock.now(), sections, calls })
}

fn is_of_expenses(document: &Document, expenses: &[Closed]) -> bool {
    document.mark.as_ref().is_some_and(|mark| mark.contains("/expense"))
        || expenses.iter().any(|record| record.document() == Some(document.id))
}

impl Reading<'_> {
    fn calls(&self) -> Calls {
        Calls { connectwise: self.sent.to("ConnectWise"), xero: self.sent.to("Xero") }
    }

    fn tell(&self, step: &str, rows: usize) {
        self.progress.send_modify(|progress| {
            step.clone_into(&mut progress.step);
            progress.rows = progress.rows.saturating_add(rows);
            progress.calls = self.calls();
            progress.waits_until = None;
        });
    }

    async fn sections(&self) -> Result<Vec<Section>, String> {
        let (month, mut stated) = (self.month, Vec::new());
        let sales = self.sales().await?;
        let documents = self.documents(false, &sales).await?;
        stated.extend(sections(Ledger::Sales, &sales, &documents, month));
        let purchases = self.known(&[RecordKind::Purchase]).await?;
        let expenses = self.known(&[RecordKind::ExpenseReport, RecordKind::Expense]).await?;
        let both: Vec<Closed> = purchases.iter().chain(&expenses).cloned().collect();
        let mut documents = self.documents(true, &both).await?;
        // The bill of a cost is worth 0.00 and one unit with its invoice.
        documents.retain(|document| !document.mark.as_deref().is_some_and(is_of_cost));
        let elsewhere = self.of_other_months(&documents, &both).await?;
        documents.retain(|document| !elsewhere.contains(&document.id));
        if !purchases.is_empty() || !expenses.is_empty() || !documents.is_empty() {
            let is_of_expenses = |document: &Document| is_of_expenses(document, &expenses);
            let (of_expenses, others): (Vec<Document>, Vec<Document>) = documents.into_iter().partition(is_of_expenses);
            stated.extend(sections(Ledger::Purchases, &purchases, &others, month));
            stated.extend(sections(Ledger::Expenses, &expenses, &of_expenses, month));
        }
        Ok(stated)
    }

    /// The invoices that ConnectWise closed, with what the store knows of each.
    async fn sales(&self) -> Result<Vec<Closed>, String> {
        self.tell("closed invoices in ConnectWise", 0);
        let id = &self.company.connection;
        let connection = self.parts.connections.get(id);
        let connection = connection.ok_or_else(|| format!("the connection '{id}' is not in the configuration"))?;
        let listed = connection.client.closed_invoices(self.month.first(), self.month.last()).await;
        let listed = listed.map_err(|error| error.to_string())?;
        self.tell("records of the store", listed.len());
        let mut closed = Vec::new();
        for invoice in listed {
            let key =
                RecordKey { connection: id.clone(), kind: RecordKind::Invoice, source: SourceId::from(invoice.id) };
            if self.parts.company(&key, invoice.location_id).is_some_and(|takes| takes.id == self.company.id) {
                let record = self.parts.store.record(&key).await.map_err(|error| error.to_string())?;
                let page = connection.client.company_page(invoice.client_id);
                closed.push(of_invoice(invoice, key, (record.as_ref(), page), self.company));
            }
        }
        Ok(closed)
    }

    /// The records of these kinds that the store knows, dated in the month.
    async fn known(&self, kinds: &[RecordKind]) -> Result<Vec<Closed>, String> {
        let mut closed = Vec::new();
        for kind in kinds {
            let company = Some(self.company.id.to_string());
            let mut filter = Filter { kind: Some(*kind), company, limit: PAGE_RECORDS, ..Filter::default() };
            loop {
                let page = self.parts.store.records(filter.clone()).await.map_err(|error| error.to_string())?;
                self.tell("records of the store", page.records.len());
                closed.extend(page.records.iter().filter(|record| self.is_dated(record)).filter_map(of_record));
                match page.next {
                    Some(next) => filter.cursor = Some(next),
                    None => break,
                }
            }
        }
        Ok(closed)
    }

    /// Documents of this month whose records are of another one, and are stated there: their marks name them.
    async fn of_other_months(&self, documents: &[Document], known: &[Closed]) -> Result<BTreeSet<Uuid>, String> {
        let known: BTreeSet<&RecordKey> = known.iter().map(|record| &record.key).collect();
        let mut found = BTreeSet::new();
        for document in documents {
            let Some(key) = document.mark.as_deref().and_then(marked_key).filter(|key| !known.contains(key)) else {
                continue;
            };
            let record = self.parts.store.record(&key).await.map_err(|error| error.to_string())?;
            let posted = record.and_then(|record| record.posted).map(|posted| posted.id);
            found.extend(posted.filter(|id| *id == document.id));
        }
        Ok(found)
    }

    /// By the day of its document; what was read by a version that did not keep it counts by when it was posted.
    fn is_dated(&self, record: &Record) -> bool {
        self.month.has(day(record))
    }

    /// The documents of the month, and those of the records wherever they are dated.
    async fn documents(&self, purchases: bool, records: &[Closed]) -> Result<Vec<Document>, String> {
        let mut documents: Vec<Document> = Vec::new();
        let mut seen = BTreeSet::new();
        for listing in Listing::between(self.month.first(), self.month.last(), purchases) {
            for page in 1..=PAGES_MAX {
                let (rows, more) = loop {
                    let answer = self.company.client.documents_of(listing, page).await;
                    if let Some(answer) = self.waited(answer).await? {
                        break answer;
                    }
                };
                self.tell("documents in Xero", rows.len());
                documents.extend(rows.into_iter().filter(|row| seen.insert(row.id)));
                if !more {
                    break;
                }
                if page == PAGES_MAX {
                    return Err(format!("Xero lists more than {PAGES_MAX} pages of documents for the month"));
                }
            }
        }
        let posted = records.iter().filter_map(|record| record.known.as_ref()?.posted.as_ref());
        let elsewhere: Vec<&Posted> = posted.filter(|posted| !seen.contains(&posted.id)).collect();
        for credits in [false, true] {
            let of_family =
                |posted: &&&Posted| posted.kind != DocumentKind::Journal && posted.kind.is_credit() == credits;
            let ids: Vec<Uuid> = elsewhere.iter().filter(of_family).map(|posted| posted.id).collect();
            for ids in ids.chunks(Listing::IDS_MAX) {
                let rows = loop {
                    let answer = self.company.client.documents_by_ids(ids, credits).await;
                    if let Some(rows) = self.waited(answer).await? {
                        break rows;
                    }
                };
                self.tell("documents of other months in Xero", rows.len());
                documents.extend(rows.into_iter().filter(|row| seen.insert(row.id)));
            }
        }
        Ok(documents)
    }

    /// The answer; none when it has waited for the minute's calls, so that it is time to ask again. The day's calls are
    /// not waited for.
    async fn waited<T>(&self, answer: Result<T, XeroError>) -> Result<Option<T>, String> {
        match answer {
            Err(XeroError::Wait { until, .. }) => {
                self.progress.send_modify(|progress| progress.waits_until = Some(until));
                self.parts.clock.sleep_until(until).await;
                Ok(None)
            }
            answer => answer.map(Some).map_err(|error| error.to_string()),
        }
    }
}

fn day(record: &Record) -> Date {
    let known = record.about.as_ref().and_then(|about| about.date);
    let at = record.posted.as_ref().map_or(record.first_seen, |posted| posted.at);
    known.unwrap_or_else(|| at.to_zoned(jiff::tz::TimeZone::UTC).date())
}

fn known(record: &Record) -> Known {
    Known { state: record.state.clone(), posted: record.posted.clone() }
}

fn of_invoice(
    invoice: Invoice,
    key: RecordKey,
    (record, page): (Option<&Record>, Option<String>),
    company: &Company,
) -> Closed {
    let (paid, facts) = (invoice.paid, RecordFacts::from(invoice));
    let is_credit = map::kind(&facts, &company.rules).is_credit();
    let total = facts.total().to_cents();
    let unheard = || match triage(&facts, &company.rules) {
        // In a batch of ours it was posted, by a store that was lost: then its document has to be there.
        Some(Action::Skip(reason)) if reason != SkipReason::PostedBefore => {
            Some(Known { state: State::Skipped { reason }, posted: None })
        }
        _ => None,
    };
    Closed {
        key,
        number: map::number(&facts, &company.rules),
        party: facts.party().1.into(),
        date: facts.date(),
        currency: facts.currency().unwrap_or_default().to_owned(),
        total: if is_credit { -total.abs() } else { total },
        // What of a credit memo was given away is said by the invoices that got it.
        paid: (!is_credit).then_some(paid.to_cents()),
        known: record.map(known).or_else(unheard),
        page,
    }
}

/// A record that the store alone tells of; none of those whose worth is another record's.
fn of_record(record: &Record) -> Option<Closed> {
    let about = record.about.as_ref()?;
    let elsewhere = matches!(
        record.state,
        State::Skipped {
            reason: SkipReason::PostedWithReport
                | SkipReason::EntriesApart
                | SkipReason::ExpensesOff
                | SkipReason::NothingUnposted
                | SkipReason::NotApproved
                | SkipReason::StatusOpen
                | SkipReason::Deleted
        }
    );
    (!elsewhere).then(|| Closed {
        key: record.key.clone(),
        number: record.posted.as_ref().map_or_else(|| about.number.clone(), |posted| posted.number.clone()),
        party: about.client.clone(),
        date: about.date,
        currency: about.currency.clone(),
        total: about.total.to_cents(),
        paid: None,
        known: Some(known(record)),
        page: None,
    })
}
