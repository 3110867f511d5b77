//! Reads what planning needs, both systems side by side. It writes nothing, so that a simulation reads the same.

use jiff::Timestamp;

use super::contact::{known_contact, whom};
use super::deliver::Subject;
use super::failure::of_connectwise;
use super::met::Met;
use super::parts::Parts;
use super::post::{Stop, xero_failed};
use crate::connectwise::Posting;
use crate::domain::delivery::Record;
use crate::domain::facts::{Existing, Facts, cost_mark, mark};
use crate::store::{Event, StoreError};

/// What was read.
pub(super) struct Gathered {
    /// The facts without what is in Xero already.
    pub(super) facts: Facts,
    /// The earliest instant at which the record may have been closed.
    pub(super) closed_at: Option<Timestamp>,
    /// The contact that was found in Xero's directory, where the store does not know it yet.
    found: Option<Event>,
}

impl Gathered {
    /// The facts and the instant, once the store knows the contact, too.
    pub(super) async fn kept(self, parts: &Parts) -> Result<(Facts, Option<Timestamp>), StoreError> {
        if let Some(found) = self.found {
            parts.store.note(found, parts.clock.now()).await?;
        }
        Ok((self.facts, self.closed_at))
    }
}

/// Reads all that planning needs but what is in Xero already.
pub(super) async fn facts(known: &Record, subject: &Subject<'_>, parts: &Parts) -> Result<Gathered, Stop> {
    Box::pin(facts_with(known, subject, parts, None)).await
}

/// The same; whom a simulation has met before is not looked for again.
pub(super) async fn facts_with(
    known: &Record,
    subject: &Subject<'_>,
    parts: &Parts,
    met: Option<&Met>,
) -> Result<Gathered, Stop> {
    let now = parts.clock.now();
    if known.asked.is_some() {
        subject.connection.client.forget_tables().await;
    }
    let (posting, organisation) =
        tokio::join!(subject.connection.client.posting(&subject.record), subject.company.client.organisation());
    let Posting { record, closed_at, captions, party } = posting.map_err(|error| of_connectwise(&error, now))?;
    let organisation = (*organisation.map_err(xero_failed)?).clone();
    let client = whom(party, subject);
    let (contact, found) = match &client {
        Some(whom) => {
            let (contact, found) = known_contact(known, whom, subject, parts, met).await?;
            (Some(contact), found)
        }
        None => (None, None),
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
    Ok(Gathered { facts, closed_at, found })
}
