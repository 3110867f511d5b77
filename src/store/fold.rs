//! The fold: what an event makes of the state. The writer and the rebuild both call it, so an index
//! that was lost comes back as it was.

use super::event::{Entry, Event, Pause};
use super::journal::Position;
use super::memory::{Memory, Row, Swept};
use crate::domain::delivery::{self, Accepted, Actor, Record, Refused, Trigger};
use crate::domain::sweep::Found;

/// What an event makes of its record.
#[derive(Debug)]
pub(crate) enum Folded {
    /// Another record; what a trigger came to, if it was one.
    Changed(Box<Record>, Option<Accepted>),
    /// Nothing: the message was accepted before.
    Duplicate,
    /// The decision is not possible.
    Refused(Refused),
    /// There is no such record.
    Missing,
}

/// Applies an event to its record, as entry `sequence` of the journal.
pub(crate) fn record(current: Option<&Row>, entry: &Entry, sequence: u64) -> Folded {
    let changed = |record: Record| Folded::Changed(Box::new(record), None);
    let decided = |outcome: Result<Record, Refused>| outcome.map_or_else(Folded::Refused, changed);
    let current = current.map(|row| row.record.clone());
    match (&entry.event, current) {
        (Event::Accepted { key, trigger }, current) => {
            match delivery::accept(current, key, trigger, sequence, entry.at) {
                (_, Accepted::Duplicate) => Folded::Duplicate,
                (record, accepted) => Folded::Changed(Box::new(record), Some(accepted)),
            }
        }
        (Event::Armed { intent, about, .. }, Some(record)) => {
            decided(delivery::arm(record, intent.clone(), about.clone(), entry.at))
        }
        (Event::CreatingContact { .. }, Some(record)) => decided(delivery::create_contact(record)),
        (Event::Settled { settlement, about, seen, .. }, Some(record)) => {
            changed(delivery::settle(record, settlement.clone(), about.clone(), *seen, entry.at))
        }
        (Event::Resolved { decision, actor, .. }, Some(record)) => {
            decided(delivery::resolve(record, decision, actor, sequence, entry.at))
        }
        _ => Folded::Missing,
    }
}

/// Applies an event to what is not a record: companies, gaps, the last callback,
/// decisions about many records.
pub(crate) fn surroundings(memory: &mut Memory, entry: &Entry) {
    let at = entry.at;
    match &entry.event {
        Event::Opened { .. } => memory.totals.trusted_since = memory.totals.trusted_since.max(Some(at)),
        Event::Gap { after, .. } => {
            memory.totals.gaps.insert(*after);
            memory.totals.trusted_since = memory.totals.trusted_since.max(Some(at));
        }
        Event::Accepted { key, trigger: Trigger::Callback { .. } } => {
            memory.totals.last_callback.insert(key.connection.clone(), at);
        }
        Event::Accepted { key, trigger: Trigger::Compared { found: Found::Missed, .. } } => {
            memory.totals.sweeps.entry(key.connection.clone()).or_default().miss(at);
        }
        Event::Compared { connection, result } => {
            memory.totals.sweeps.entry(connection.clone()).or_default().ended((**result).clone(), at);
        }
        Event::Configured { form, version, .. } if *form > memory.totals.form.0 => {
            memory.totals.form = (*form, version.clone());
        }
        Event::Linked { company, client, contact } => {
            memory.company(company).contacts.insert(*client, *contact);
        }
        Event::Unlinked { company, client } => {
            memory.company(company).contacts.remove(client);
        }
        Event::Rested { company, rest } => memory.company(company).rest = Some(rest.clone()),
        Event::Awoke { company } => memory.company(company).rest = None,
        Event::Paused { company, kind, actor } => {
            memory.company(company).pause(Pause { kind: *kind, actor: actor.clone(), since: at });
        }
        Event::Resumed { company, kind, .. } => memory.company(company).resume(*kind),
        Event::Swept { company, list, mark } => {
            memory.company(company).swept.insert(*list, Swept { mark: *mark, at });
        }
        Event::BulkBegun { bulk } => memory.bulks().begin(bulk.clone(), at),
        Event::Resolved { actor: Actor { bulk: Some(id), .. }, .. } => memory.bulks().decided(*id),
        Event::BulkEnded { id, result } => memory.bulks().end(*id, result.clone(), at),
        Event::TokenKept { company, sealed, .. } => {
            let company = memory.company(company);
            (company.token, company.token_at) = (Some(sealed.clone()), Some(at));
        }
        _ => {}
    }
}

/// The row that the record becomes with an entry, which is its `first` or not.
pub(crate) fn row(record: Record, sequence: u64, last: Position, first: bool) -> Row {
    Row { sequence, last, record, first }
}
