//! Reads what planning needs, both systems side by side.

use jiff::Timestamp;

use super::contact::{known_contact, whom};
use super::deliver::Subject;
use super::failure::of_connectwise;
use super::parts::Parts;
use super::post::{Stop, xero_failed};
use crate::connectwise::Posting;
use crate::domain::facts::{Existing, Facts, cost_mark, mark};
use crate::store::Lease;

/// The facts without what is in Xero already, and the earliest instant at which the record may have been closed.
pub(super) async fn facts(
    lease: &Lease,
    subject: &Subject<'_>,
    parts: &Parts,
) -> Result<(Facts, Option<Timestamp>), Stop> {
    let now = parts.clock.now();
    if lease.record.asked.is_some() {
        subject.connection.client.forget_tables().await;
    }
    let (posting, organisation) =
        tokio::join!(subject.connection.client.posting(&subject.record), subject.company.client.organisation());
    let Posting { record, closed_at, captions, party } = posting.map_err(|error| of_connectwise(&error, now))?;
    let organisation = (*organisation.map_err(xero_failed)?).clone();
    let client = whom(party, subject);
    let contact = match &client {
        Some(whom) => Some(known_contact(lease, whom, subject, parts).await?),
        None => None,
    };
    let facts = Facts {
        record,
        captions,
        party: client,
        organisation,
        contact,
        mark: mark(&subject.key),
        cost_mark: cost_mark(&subject.key),
        existing: Existing::NotLookedUp,
    };
    Ok((facts, closed_at))
}
