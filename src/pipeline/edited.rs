//! What was posted of a record against what ConnectWise says now: read only once it is known that they differ.

use super::deliver::Subject;
use super::failure::of_connectwise;
use super::parts::Parts;
use crate::domain::content::{Content, lines_hash};
use crate::domain::delivery::Posted;
use crate::domain::edit;
use crate::domain::facts::RecordFacts;
use crate::domain::hold::HoldReason;
use crate::domain::settle::{Failure, Settlement};
use crate::store::{Entry, Event, Lease};

/// Entries of a record's history that are gone through, the newest first.
const HISTORY_MAX: usize = 5_000;

/// Says in what the record is not what was posted.
pub(super) async fn told(
    lease: &Lease,
    subject: &Subject<'_>,
    posted: &Posted,
    parts: &Parts,
) -> Result<HoldReason, Failure> {
    let history = history(lease, parts).await;
    let now = in_full(subject, parts).await?;
    Ok(edit::edited(&now, posted, content(&history)))
}

/// The history of the record, oldest first; none of it where it cannot be read, which takes nothing but words away.
pub(super) async fn history(lease: &Lease, parts: &Parts) -> Vec<Entry> {
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
