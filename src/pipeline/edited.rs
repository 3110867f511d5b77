//! What was posted of a record against what ConnectWise says now: read only once it is known that they differ.

use super::deliver::Subject;
use super::failure::of_connectwise;
use super::parts::Parts;
use crate::connectwise::ConnectWise;
use crate::domain::batch;
use crate::domain::content::{Content, Difference, lines_hash};
use crate::domain::delivery::{Posted, Purpose};
use crate::domain::edit::{self, InXero};
use crate::domain::facts::RecordFacts;
use crate::domain::hold::HoldReason;
use crate::domain::settle::{Failure, Settlement};
use crate::remote::RemoteError;
use crate::store::{Entry, Event, Lease};
use crate::xero::{self, Standing};

/// Entries of a record's history that are gone through, the newest first.
const HISTORY_MAX: usize = 5_000;

/// What is known of a record that is not what was posted.
pub(super) struct Told {
    /// In what it differs.
    pub(super) reason: HoldReason,
    /// What Xero was sent.
    pub(super) sent: Sent,
    /// Whether it is what one of our own batches did not take.
    pub(super) is_rest: bool,
}

/// Says in what the record is not what was posted.
pub(super) async fn told(
    lease: &Lease,
    subject: &Subject<'_>,
    posted: &Posted,
    parts: &Parts,
) -> Result<Told, Failure> {
    let history = history(lease, parts).await;
    let now = in_full(subject, parts).await?;
    let is_rest = is_left(&now, &history, posted) && is_in_our_batch(subject, posted, parts).await?;
    let reason = edit::edited(&now, posted, content(&history));
    let content = content(&history).cloned();
    Ok(Told { reason, sent: Sent { content, ..Sent::of(&history, posted) }, is_rest })
}

/// Whether what ConnectWise lists of the record is what one of our own batches did not take.
pub(super) async fn is_rest(
    lease: &Lease,
    subject: &Subject<'_>,
    posted: &Posted,
    parts: &Parts,
) -> Result<bool, Failure> {
    let history = history(lease, parts).await;
    let now = in_full(subject, parts).await?;
    Ok(is_left(&now, &history, posted) && is_in_our_batch(subject, posted, parts).await?)
}

/// Whether the record as it is now is a proper part of exactly what was posted.
fn is_left(now: &RecordFacts, history: &[Entry], posted: &Posted) -> bool {
    let before = history.iter().rev().find_map(|entry| match &entry.event {
        Event::Settled { settlement: Settlement::Mark { posted, content, .. }, .. } => {
            content.as_deref().map(|content| (posted, content))
        }
        _ => None,
    });
    // An adopted document was settled without a content, where that could not be read.
    let of_it = before.filter(|(settled, _)| settled.id == posted.id && settled.content == posted.content);
    of_it.is_some_and(|(_, before)| before.is_left(&Content::of(now)))
}

/// Whether anything is in a batch that was made because this document had been posted.
async fn is_in_our_batch(subject: &Subject<'_>, posted: &Posted, parts: &Parts) -> Result<bool, Failure> {
    let name = batch::name(&subject.record, posted.id, None);
    let found = subject.connection.client.is_any_batched(&name).await;
    found.map_err(|error| of_connectwise(&error, parts.clock.now()))
}

/// A record that was changed in ConnectWise, with its document as it stands in Xero.
pub(super) struct Changed {
    /// What was posted.
    pub(super) posted: Posted,
    /// In what the record differs from it.
    pub(super) reason: HoldReason,
    /// What Xero was sent.
    pub(super) sent: Sent,
    /// The document now.
    pub(super) standing: Standing,
}

impl Changed {
    /// In what the document is not what it was posted as; none where that cannot be told.
    pub(super) fn changes(&self) -> Option<Vec<Difference>> {
        self.sent.before.as_ref().map(|before| before.differences(&self.standing.content))
    }

    /// Whether it is what a request of ours made of it since.
    pub(super) fn is_sent(&self) -> bool {
        let since = self.sent.since.as_ref();
        since.is_some_and(|since| since.differences(&self.standing.content).is_empty())
    }
}

/// What Xero was sent of a document; none where that is not known.
pub(super) struct Sent {
    /// What it was posted as.
    pub(super) before: Option<InXero>,
    /// What it was to become since, by a request whose outcome may not be known.
    pub(super) since: Option<InXero>,
    /// What ConnectWise said when it was posted.
    pub(super) content: Option<Content>,
}

impl Sent {
    fn of(history: &[Entry], posted: &Posted) -> Self {
        let is_mark =
            |entry: &&Entry| matches!(&entry.event, Event::Settled { settlement: Settlement::Mark { .. }, .. });
        let since = history.iter().rev().take_while(|entry| !is_mark(entry)).find_map(|entry| match &entry.event {
            Event::Armed { intent, body, .. } if intent.purpose == Purpose::Update => Some(body),
            _ => None,
        });
        Self {
            before: before(history, posted),
            since: since.and_then(|body| xero::sent(posted.kind, body)),
            content: None,
        }
    }
}

/// The last request that made the document what it was posted as.
fn before(history: &[Entry], posted: &Posted) -> Option<InXero> {
    let settled = history.iter().rposition(|entry| match &entry.event {
        Event::Settled { settlement: Settlement::Mark { content, .. }, .. } => content.is_some(),
        _ => false,
    })?;
    let earlier = history.get(..settled)?.iter().rev();
    // Behind an earlier settlement it would be a request of something else: what was adopted was never sent.
    let own = earlier.take_while(|entry| {
        !matches!(&entry.event, Event::Settled { settlement: Settlement::Mark { .. } | Settlement::Unposted, .. })
    });
    let body = own.into_iter().find_map(|entry| match &entry.event {
        Event::Armed { intent, body, .. } if intent.kind == posted.kind && intent.purpose != Purpose::Void => {
            Some(body)
        }
        _ => None,
    })?;
    xero::sent(posted.kind, body)
}

/// The history of the record, oldest first; nothing of it where it cannot be read, which takes nothing but words away.
async fn history(lease: &Lease, parts: &Parts) -> Vec<Entry> {
    match parts.store.history(&lease.record.key, HISTORY_MAX).await {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(record.key = %lease.record.key, %error, "the history cannot be read");
            Vec::new()
        }
    }
}

/// What ConnectWise said when the record was posted last.
fn content(history: &[Entry]) -> Option<&Content> {
    history.iter().rev().find_map(|entry| match &entry.event {
        Event::Settled { settlement: Settlement::Mark { content, .. }, .. } => content.as_deref(),
        _ => None,
    })
}

/// What ConnectWise said when the record was posted; none where that is not known.
pub(super) async fn posted_content(lease: &Lease, parts: &Parts) -> Option<Content> {
    content(&history(lease, parts).await).cloned()
}

/// Whether all that was posted of a record is listed as unposted again. What is listed may be another part of it, that
/// came later: of all but invoices what is in a batch is not listed with the rest.
pub(super) async fn is_listed_again(
    record: &RecordFacts,
    posted: Option<&Content>,
    client: &ConnectWise,
) -> Result<bool, RemoteError> {
    if !record.is_unposted() {
        return Ok(false);
    }
    if let Some(told) = posted.and_then(|posted| posted.is_all_in(&Content::of(record))) {
        return Ok(told);
    }
    match record {
        RecordFacts::Invoice(facts) => Ok(facts.invoice.batch.is_none()),
        RecordFacts::Purchase(purchase) => client.is_slip_free(&purchase.id, &purchase.order).await,
        RecordFacts::Expense(expense) => {
            Ok(expense.entries.iter().all(|entry| {
                let Some(before) = posted.map_or(Some(Vec::new()), |posted| posted.of_expense(entry.id)) else {
                    // What came later may be anywhere.
                    return true;
                };
                let has = |id: &i64| entry.listed.as_ref().is_some_and(|listed| listed.entry_ids.contains(id));
                entry.listed.is_some() && (before.iter().all(has) || !before.iter().any(has))
            }))
        }
        // It is one GL entry.
        RecordFacts::Movement(_) => Ok(true),
    }
}

/// Whether the lines of an invoice that is to be marked once more are other ones than were posted, for the same total.
pub(super) async fn has_other_lines(subject: &Subject<'_>, posted: &Posted, parts: &Parts) -> Result<bool, Failure> {
    // One that was never marked has been posted a moment ago.
    let Some(lines) = posted.lines.as_ref().filter(|_| posted.batch.is_some()) else { return Ok(false) };
    let now = lines_hash(&in_full(subject, parts).await?);
    Ok(now.is_some_and(|now| now != *lines))
}

/// The record with its preview, if ConnectWise lists it as unposted.
async fn in_full(subject: &Subject<'_>, parts: &Parts) -> Result<RecordFacts, Failure> {
    let record = &subject.record;
    let has_preview = record.is_unposted() || !record.is_closed() || record.batch().is_some();
    if has_preview || !matches!(record, RecordFacts::Invoice(_)) {
        return Ok(record.clone());
    }
    let posting = subject.connection.client.posting(record).await;
    Ok(posting.map_err(|error| of_connectwise(&error, parts.clock.now()))?.record)
}
