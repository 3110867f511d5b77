//! Asks both systems at intervals for what nobody told of: a webhook of a payment may be lost, and ConnectWise has no
//! callbacks for payments and for changes of the inventory.
//!
//! A sweep only hands records to the queue. How far it came is durable, with an overlap, so that a crash repeats a part
//! and skips none; what was looked at since it changed is not looked at again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::movements::accept_movements;
use super::parts::{Company, Live, Parts};
use crate::domain::delivery::{State, Sweep, Trigger};
use crate::domain::payments::Subject;
use crate::domain::record::{CompanyId, RecordKey, RecordKind};
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
/// The longest time for one company.
const SWEEP_MAX: Duration = Duration::from_mins(5);
/// The longest wait without a look at what is configured.
const LOOK_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// Sweeps each company when its time has come, until `shutdown`; at the start at once.
pub async fn run(live: Arc<Live>, shutdown: CancellationToken) {
    let (sweeps, mut exchanged) = (TaskTracker::new(), live.exchanged());
    let mut next: BTreeMap<CompanyId, Timestamp> = BTreeMap::new();
    while !shutdown.is_cancelled() {
        exchanged.mark_unchanged();
        let (parts, now) = (live.current(), live.clock.now());
        let mut look = now.saturating_add(LOOK_EVERY).unwrap_or(Timestamp::MAX);
        for company in parts.companies.iter().filter(|company| is_swept(company)) {
            let every = SignedDuration::from_mins(i64::from(company.rules.sweep_minutes));
            let due = next.entry(company.id.clone()).or_insert(now);
            if *due <= now {
                *due = now.saturating_add(every).unwrap_or(Timestamp::MAX);
                let (parts, id) = (Arc::clone(&parts), company.id.clone());
                // Apart, so that a slow company keeps no other one waiting.
                sweeps.spawn(async move {
                    let swept = tokio::time::timeout(SWEEP_MAX, of_company(&id, &parts)).await;
                    if let Err(cause) = swept.unwrap_or_else(|_| Err("it took too long".to_owned())) {
                        tracing::warn!(company = %id, cause, "the sweep did not end; it is tried again next time");
                    }
                });
            }
            look = look.min(*due);
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            _ = exchanged.changed() => {}
            () = live.clock.sleep_until(look) => {}
        }
    }
    sweeps.close();
    // What is cut off here is swept again at the next start.
    let _ = tokio::time::timeout(Duration::from_secs(5), sweeps.wait()).await;
}

/// Sweeps every company once.
///
/// # Errors
/// What went wrong with the first company that failed; the others are swept all the same.
pub async fn sweep(live: &Live) -> Result<(), String> {
    let parts = live.current();
    let mut failed = Ok(());
    for company in parts.companies.iter().filter(|company| is_swept(company)) {
        let swept = of_company(&company.id, &parts).await;
        failed = failed.and(swept);
    }
    failed
}

fn is_swept(company: &Company) -> bool {
    (company.rules.carries_payments() || company.rules.posts_movements()) && company.rules.sweep_minutes > 0
}

async fn of_company(id: &CompanyId, parts: &Parts) -> Result<(), String> {
    let standing = parts.store.company(id);
    let rests = standing.rest.is_some_and(|rest| rest.until > parts.clock.now());
    let Some(company) = parts.companies.iter().find(|company| company.id == *id).filter(|_| !rests) else {
        return Ok(());
    };
    // Each list for itself: what is wrong with one must not hide the others.
    let mut causes = Vec::new();
    if company.rules.posts_movements()
        && let Err(error) = accept_movements(&company.connection, parts).await
    {
        causes.push(format!("changes of the inventory: {error}"));
    }
    let paused = standing.pauses.iter().any(|pause| pause.kind.is_none_or(|kind| kind == RecordKind::Payment));
    if company.rules.payments.from_xero() && !paused {
        causes.extend(xero_invoices(company, parts).await.err().map(|cause| format!("invoices in Xero: {cause}")));
    }
    if company.rules.tells_xero() && !paused {
        let listed = connectwise_payments(company, parts).await;
        causes.extend(listed.err().map(|cause| format!("payments in ConnectWise: {cause}")));
    }
    if causes.is_empty() { Ok(()) } else { Err(causes.join("; ")) }
}

/// Where the first sweep of a company begins.
fn start(company: &Company, parts: &Parts) -> Timestamp {
    let midnight = |date: Date| TimeZone::UTC.to_timestamp(date.to_datetime(Time::midnight())).ok();
    // A day begins up to 14 hours earlier than in UTC.
    let day = company.rules.start_date.and_then(midnight).map(|day| before(day, SignedDuration::from_hours(14)));
    day.unwrap_or_else(|| parts.store.trusted_since())
}

fn before(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

/// Sales invoices that changed in Xero: a payment and an allocation change their invoice.
async fn xero_invoices(company: &Company, parts: &Parts) -> Result<(), String> {
    let list = Sweep::XeroInvoices;
    let swept = parts.store.company(&company.id).swept.get(&list).copied();
    let mut mark = swept.and_then(|swept| Timestamp::from_millisecond(swept.mark).ok());
    let mut since = mark.map_or_else(|| start(company, parts), |mark| before(mark, OVERLAP));
    let (begun, mut page) = (since, 1);
    for pages in 1..=PAGES_MAX {
        let listed = company.client.changed_invoices(since, page).await;
        let (changed, more) = listed.map_err(|error| error.to_string())?;
        for row in &changed {
            if let Some(key) = worth_a_look(row, company, parts).await.map_err(|error| error.to_string())? {
                accept(&key, list, parts).await?;
            }
        }
        let sorted = changed.is_sorted_by_key(|row| row.updated);
        let latest = changed.iter().map(|row| row.updated).max();
        // Unless they come in order, only the end of the list says how far it went.
        if sorted || !more {
            mark = mark.max(latest);
            let reached = mark.unwrap_or(since).as_millisecond();
            note(company, (list, reached), parts).await?;
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

/// Payments that ConnectWise lists as unposted: the only list of those that were entered there.
async fn connectwise_payments(company: &Company, parts: &Parts) -> Result<(), String> {
    let list = Sweep::ConnectwisePayments;
    let Some(connection) = parts.connections.get(&company.connection) else { return Ok(()) };
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
            accept(&key, list, parts).await?;
        }
    }
    let reached = rows.iter().map(|row| row.id).chain(mark).max().unwrap_or_default();
    note(company, (list, reached), parts).await
}

async fn accept(key: &RecordKey, list: Sweep, parts: &Parts) -> Result<(), String> {
    let accepted = parts.store.accept(key, Trigger::Swept { list }, parts.clock.now()).await;
    accepted.map(drop).map_err(|error| error.to_string())
}

async fn note(company: &Company, (list, mark): (Sweep, i64), parts: &Parts) -> Result<(), String> {
    let event = Event::Swept { company: company.id.clone(), list, mark };
    parts.store.note(event, parts.clock.now()).await.map_err(|error| error.to_string())
}
