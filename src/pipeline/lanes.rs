//! Which lanes are worked on now: not those of a company that is paused, rests, or has no call left.
//!
//! It is decided before a record is leased, so that a record that waits costs neither a call nor an entry
//! in the journal, however long it waits and however many wait with it.

use std::sync::Arc;

use jiff::Timestamp;

use super::parts::{Company, Parts};
use super::slots::{Place, Slot, Slots};
use crate::domain::delivery::Step;
use crate::domain::record::RecordKind;
use crate::domain::text::Sentence;
use crate::store::Lane;
use crate::xero::XeroError;

/// Why nothing of a lane is worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// What is the cause.
    pub cause: Sentence,
    /// When it is over; none when a person ends it.
    pub until: Option<Timestamp>,
}

impl Parts {
    /// Why no record of the lane is worked on now, if none is.
    #[must_use]
    pub fn closed(&self, lane: &Lane, now: Timestamp) -> Option<Closed> {
        let mut closed = None;
        for company in self.candidates(lane) {
            let this = self.shut(company, (lane.kind, lane.step), now)?;
            closed = Some(match closed {
                Some(Closed { cause, until }) => Closed { cause, until: earlier(until, this.until) },
                None => this,
            });
        }
        closed
    }

    /// The companies that may take records of the lane: the one that took them before, or any of the connection.
    fn candidates(&self, lane: &Lane) -> Vec<&Company> {
        let known = self.companies.iter().find(|company| lane.company.as_ref() == Some(&company.id));
        match known {
            Some(known) => vec![known],
            None => self.companies.iter().filter(|company| company.connection == lane.connection).collect(),
        }
    }

    /// Why the company's records of this kind wait for this step, if they do.
    fn shut(&self, company: &Company, (kind, step): (RecordKind, Step), now: Timestamp) -> Option<Closed> {
        let standing = self.store.company(&company.id);
        if let Some(pause) = standing.paused(kind) {
            return Some(Closed { cause: pause.sentence(&company.id), until: None });
        }
        if let Some(rest) = standing.rest.filter(|rest| rest.until > now) {
            return Some(Closed { cause: rest.cause, until: Some(rest.until) });
        }
        match (step, company.client.room()) {
            (Step::Post | Step::Journal | Step::Unpost, Err(XeroError::Wait { until, cause })) => {
                Some(Closed { cause: cause.into(), until: Some(until) })
            }
            _ => None,
        }
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// A slot for a step in the lane, or when to ask again; none when a step that ends or a person changes it.
pub(super) fn open(lane: &Lane, parts: &Parts, slots: &Arc<Slots>, now: Timestamp) -> Result<Slot, Option<Timestamp>> {
    if let Some(closed) = parts.closed(lane, now) {
        return Err(closed.until);
    }
    let candidates = parts.candidates(lane);
    if !candidates.is_empty() && candidates.iter().all(|company| is_full(company, lane.step, slots)) {
        return Err(None);
    }
    let place = match candidates.as_slice() {
        [only] => Place::Company(only.id.clone()),
        _ => Place::Reading(lane.connection.clone()),
    };
    slots.take(place).ok_or(None)
}

/// Whether the steps that are under way will use all that is left.
fn is_full(company: &Company, step: Step, slots: &Slots) -> bool {
    let place = Place::Company(company.id.clone());
    let calls = match step {
        Step::Post | Step::Journal | Step::Unpost => company.client.room().unwrap_or(u32::MAX),
        Step::Mark => u32::MAX,
    };
    slots.left(&place) == 0 || slots.taken(&place) >= calls
}

/// Goes on as a step of the company that takes the record, or says why it cannot now.
///
/// Only here is it known whose the record is when several companies could have taken it.
pub(super) fn enter(slot: &mut Slot, company: &Company, lane: &Lane, parts: &Parts) -> Result<(), Sentence> {
    let place = Place::Company(company.id.clone());
    if slot.is_in(&place) {
        return Ok(());
    }
    if let Some(closed) = parts.shut(company, (lane.kind, lane.step), parts.clock.now()) {
        return Err(closed.cause);
    }
    if is_full(company, lane.step, slot.slots()) || !slot.move_to(place) {
        return Err(format!("It waits for its turn in {}.", company.id).into());
    }
    Ok(())
}
