//! Payments that nobody told of: a webhook may be lost, and ConnectWise has no callbacks for payments.
//!
//! How far a list was gone through is durable, with an overlap, so that a crash repeats a part and skips none; what was
//! looked at since it changed is not looked at again.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::pass::{FoundRow, Pass};
use crate::domain::delivery::{Record, State, Sweep, Trigger};
use crate::domain::payments::Subject;
use crate::domain::record::{RecordKey, RecordKind};
use crate::pipeline::parts::{Company, Parts};
use crate::store::{Event, StoreError};
use crate::xero::ChangedInvoice;

/// Pages of changes after which a sweep that came further ends; the next one goes on there.
const PAGES_ENOUGH: usize = 3;
/// Pages of changes in one sweep at most: only of so many within the overlap are more than enough needed.
const PAGES_MAX: usize = 50;
/// How far behind its mark a list is asked for: changes may become visible out of order.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);
/// The same of ids in ConnectWise.
const OVERLAP_IDS: i64 = 100;
/// By how much the clocks of Xero and this machine may differ.
const CLOCK_MARGIN: SignedDuration = SignedDuration::from_mins(5);
/// How far back the first sweep of a new store reaches where the rules name no start: the store may have been lost in
/// the middle of a month. Payments are looked up before they are entered.
const REACHES_BACK: SignedDuration = SignedDuration::from_hours(24 * 35);

impl Pass<'_> {
    /// Payments of one company, unless nothing works there or an operator paused them.
    pub(super) async fn payments(&mut self, company: &Company) {
        let standing = self.parts.store.company(&company.id);
        let rests = standing.rest.is_some_and(|rest| rest.until > self.parts.clock.now());
        let paused = standing.pauses.iter().any(|pause| pause.kind.is_none_or(|kind| kind == RecordKind::Payment));
        if rests || paused {
            return;
        }
        if company.rules.payments.from_xero()
            && let Err(cause) = self.xero_invoices(company).await
        {
            self.problem(format!("invoices in Xero of {}: {cause}", company.id));
        }
        if company.rules.tells_xero()
            && let Err(cause) = self.connectwise_payments(company).await
        {
            self.problem(format!("payments in ConnectWise of {}: {cause}", company.id));
        }
    }

    /// Sales invoices that changed in Xero: a payment and an allocation change their invoice.
    async fn xero_invoices(&mut self, company: &Company) -> Result<(), String> {
        let (list, parts) = (Sweep::XeroInvoices, self.parts);
        let swept = parts.store.company(&company.id).swept.get(&list).copied();
        let mut mark = swept.and_then(|swept| Timestamp::from_millisecond(swept.mark).ok());
        let mut since = mark.map_or_else(|| start(company, parts), |mark| before(mark, OVERLAP));
        let (begun, mut page) = (since, 1);
        for pages in 1..=PAGES_MAX {
            let listed = company.client.changed_invoices(since, page).await;
            let (changed, more) = listed.map_err(|error| error.to_string())?;
            for row in &changed {
                if let Some(key) = worth_a_look(row, company, parts).await.map_err(|error| error.to_string())? {
                    self.paid(key, list, String::new(), row.updated.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).await?;
                }
            }
            let sorted = changed.is_sorted_by_key(|row| row.updated);
            let latest = changed.iter().map(|row| row.updated).max();
            // Unless they come in order, only the end of the list says how far it went.
            if sorted || !more {
                mark = mark.max(latest);
                let reached = mark.unwrap_or(since).as_millisecond();
                self.reached(company, (list, reached)).await?;
            }
            // It ends only where the next one begins further on.
            let further = mark.is_some_and(|mark| before(mark, OVERLAP) > begun);
            if !more || (pages >= PAGES_ENOUGH && further) {
                return Ok(());
            }
            // Asked anew from there, because pages shift while invoices change; within one second by pages.
            let second = latest.filter(|_| sorted).and_then(|latest| Timestamp::from_second(latest.as_second()).ok());
            match second.filter(|second| *second > since) {
                Some(second) => (since, page) = (second, 1),
                None => page = page.saturating_add(1),
            }
        }
        Ok(())
    }

    /// Payments that ConnectWise lists as unposted: the only list of those that were entered there.
    async fn connectwise_payments(&mut self, company: &Company) -> Result<(), String> {
        let (list, parts, connection) = (Sweep::ConnectwisePayments, self.parts, self.connection);
        let mark = parts.store.company(&company.id).swept.get(&list).map(|swept| swept.mark);
        let above = mark.map_or(0, |mark| mark.saturating_sub(OVERLAP_IDS).max(0));
        let rows = connection.client.unposted_payments(above).await.map_err(|error| error.to_string())?;
        let first = start(company, parts).to_zoned(TimeZone::UTC).date();
        for row in &rows {
            let fresh = mark.is_some_and(|mark| row.id > mark);
            let begins = if fresh { company.rules.start_date } else { Some(first) };
            if begins.is_some_and(|begins| row.date.is_some_and(|date| date < begins)) {
                continue;
            }
            let Some(source) = row.invoice.and_then(|invoice| Subject::ConnectWise(invoice).source()) else {
                tracing::warn!(company = %company.id, payment = row.id, "a payment in ConnectWise names no invoice");
                continue;
            };
            let key = RecordKey { connection: company.connection.clone(), kind: RecordKind::Payment, source };
            let known = || async { parts.store.record(&key).await.map_err(|error| error.to_string()) };
            if fresh || known().await?.is_none() {
                // To say that it is found each time would be idle: the sweep looks once, and finds it carried.
                if !self.way.act && carried(row.id, invoice_of(row.invoice, company), parts).await? {
                    continue;
                }
                let day = row.date.map(|date| date.to_string()).unwrap_or_default();
                self.paid(key, list, row.id.to_string(), day).await?;
            }
        }
        let reached = rows.iter().map(|row| row.id).chain(mark).max().unwrap_or_default();
        self.reached(company, (list, reached)).await
    }

    /// Hands a record of payments to the queue.
    async fn paid(&mut self, key: RecordKey, list: Sweep, number: String, closed: String) -> Result<(), String> {
        let shown = FoundRow { key, number, why: "payment".to_owned(), closed };
        self.accept(Trigger::Swept { list }, shown, None).await.map_err(|error| error.to_string())
    }

    /// Notes how far a list was gone through.
    async fn reached(&self, company: &Company, (list, mark): (Sweep, i64)) -> Result<(), String> {
        if !self.way.act {
            return Ok(());
        }
        let event = Event::Swept { company: company.id.clone(), list, mark };
        self.parts.store.note(event, self.parts.clock.now()).await.map_err(|error| error.to_string())
    }
}

/// Where the first sweep of a company begins.
pub(super) fn start(company: &Company, parts: &Parts) -> Timestamp {
    let midnight = |date: Date| TimeZone::UTC.to_timestamp(date.to_datetime(Time::midnight())).ok();
    // A day begins up to 14 hours earlier than in UTC.
    let day = company.rules.start_date.and_then(midnight).map(|day| before(day, SignedDuration::from_hours(14)));
    day.unwrap_or_else(|| before(parts.store.trusted_since(), REACHES_BACK))
}

fn invoice_of(id: Option<i64>, company: &Company) -> Option<RecordKey> {
    let source = id?.into();
    Some(RecordKey { connection: company.connection.clone(), kind: RecordKind::Invoice, source })
}

/// Whether the payment of this id is linked with one in Xero already, and nothing is left to do for its invoice.
async fn carried(payment: i64, invoice: Option<RecordKey>, parts: &Parts) -> Result<bool, String> {
    let known = async |key: &RecordKey| parts.store.record(key).await.map_err(|error| error.to_string());
    let Some(invoice) = invoice else { return Ok(false) };
    let Some(posted) = known(&invoice).await?.and_then(|record| record.posted) else { return Ok(false) };
    let Some(source) = Subject::Invoice(posted.company, posted.id).source() else { return Ok(false) };
    let record = known(&RecordKey { kind: RecordKind::Payment, source, ..invoice }).await?;
    let linked = |record: &Record| record.links.iter().any(|link| link.payment == payment);
    Ok(record.is_some_and(|record| record.state == State::Done && linked(&record)))
}

fn before(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

/// The record of a changed invoice, if its payments may have changed since they were looked at.
async fn worth_a_look(row: &ChangedInvoice, company: &Company, parts: &Parts) -> Result<Option<RecordKey>, StoreError> {
    let Some(source) = Subject::Invoice(company.id.clone(), row.id).source() else { return Ok(None) };
    let key = RecordKey { connection: company.connection.clone(), kind: RecordKind::Payment, source };
    let worth = match parts.store.record(&key).await? {
        None => row.is_paid,
        Some(record) => {
            let queued = matches!(record.state, State::Queued { .. });
            let looked = record.looked.is_some_and(|looked| looked >= row.updated);
            let later = record.changed > row.updated.saturating_add(CLOCK_MARGIN).unwrap_or(Timestamp::MAX);
            !queued && !looked && !later
        }
    };
    Ok(worth.then_some(key))
}
