//! Changes of the inventory have no callback: what ConnectWise lists as unposted is accepted into the queue.

use jiff::Timestamp;

use super::parts::Parts;
use crate::domain::delivery::{Record, State, Trigger};
use crate::domain::facts::MovementKind;
use crate::domain::hold::{HoldCode, SkipReason};
use crate::domain::plan::posts;
use crate::domain::record::{ConnectionId, RecordKey, RecordKind, SourceId};
use crate::domain::warning::WarningCode;
use crate::remote::RemoteError;
use crate::store::StoreError;

/// Why a list was not taken in; what was accepted before stays accepted.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// ConnectWise did not give the list.
    #[error(transparent)]
    ConnectWise(#[from] RemoteError),
    /// The store did not take a record.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes in the adjustments and transfers that a ConnectWise system lists as unposted; gives how many were queued.
///
/// A record is queued when it is new, when it should not be in the list any more, or when it was closed again after it
/// was looked at last. One that waits for a person, or is skipped by rule, is not looked at each time; a retry looks.
///
/// # Errors
/// When ConnectWise does not give the list, or the store takes no record; the next call takes in what this one has not.
pub async fn accept_movements(connection: &ConnectionId, parts: &Parts) -> Result<usize, ListError> {
    let Some(client) = parts.connections.get(connection).map(|connection| &connection.client) else { return Ok(0) };
    let (mut queued, mut nameless) = (0_usize, Vec::new());
    for (kind, of) in
        [(MovementKind::Adjustment, RecordKind::Adjustment), (MovementKind::Transfer, RecordKind::Transfer)]
    {
        for listed in client.unposted_movements(kind).await? {
            let Ok(source) = SourceId::try_from(listed.id.clone()) else {
                nameless.push(listed.id);
                continue;
            };
            let key = RecordKey { connection: connection.clone(), kind: of, source };
            let posts = parts.company(&key, listed.location_id).is_none_or(|company| posts(kind, &company.rules));
            if wakes(parts.store.record(&key).await?.as_ref(), listed.closed_at, posts) {
                parts.store.accept(&key, Trigger::Listed, parts.clock.now()).await?;
                queued = queued.saturating_add(1);
            }
        }
    }
    match nameless.first() {
        None => Ok(queued),
        Some(id) => {
            let cause = format!("the unposted list has {} ids that name no record, such as {id:?}", nameless.len());
            Err(RemoteError::Malformed { system: "ConnectWise", cause }.into())
        }
    }
}

/// Whether a record that is listed as unposted is looked at.
fn wakes(record: Option<&Record>, closed_at: Option<Timestamp>, posts: bool) -> bool {
    let Some(record) = record else { return true };
    let closed_since = closed_at.is_some_and(|closed| closed > record.changed);
    match &record.state {
        State::Queued { .. } => false,
        // It was taken out of its batch, unless ConnectWise did not take it out of the list when it was put there.
        State::Done => !record.warnings.iter().any(|open| open.warning.code == WarningCode::LeftUnposted),
        State::Held { reason } => reason.code != HoldCode::Operator && closed_since,
        State::Skipped { reason } => match reason {
            SkipReason::Operator | SkipReason::Unposted => false,
            // It was not in the list then, or in a batch.
            SkipReason::NotListed | SkipReason::Deleted | SkipReason::PostedBefore | SkipReason::BatchedElsewhere => {
                true
            }
            SkipReason::ByRule => posts,
            _ => closed_since,
        },
    }
}
