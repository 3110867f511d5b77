//! The state machine of one record: every transition, as a pure function of the record and an event.
//!
//! The store folds journalled events with these functions, so an index that was lost is rebuilt to
//! the same state, and two stores cannot disagree.

mod settling;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use super::decision::{Actor, Decision};
use super::hold::{HoldCode, HoldReason, SkipReason};
use super::money::Money;
use super::payments::Link;
pub use super::posted::{CostJournal, Intent, Posted, Purpose};
use super::record::{CompanyId, RecordKey, RecordKind, SourceId};
use super::settle::{IntentFate, Settlement};
use super::text::Sentence;
pub use super::trigger::{Accepted, Sweep, Trigger};
use super::undo;
pub use super::undo::{Undo, Undone};
use super::warning::Warning;
pub use super::warning::{Acknowledged, OpenWarning};

/// Message ids kept per record; older ones are forgotten first.
const MESSAGES_MAX: usize = 16;
/// Message ids are forgotten after this many hours; a replay then costs one more look, nothing else.
const MESSAGE_HOURS: i64 = 24 * 30;
/// Purchases of one order that are remembered; older ones are forgotten first.
const PURCHASES_MAX: usize = 200;
/// Warnings kept open per record.
const WARNINGS_MAX: usize = 16;

/// All that is known of one record, bounded in size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which one.
    pub key: RecordKey,
    /// Where it stands.
    pub state: State,
    /// What it is about; none before it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// The first time it was heard of.
    pub first_seen: Timestamp,
    /// The last change.
    pub changed: Timestamp,
    /// Attempts since it was last queued afresh.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// Of these, failures that were the record's own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub faults: u32,
    /// Number of the intents so far: part of the idempotency key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
    /// Sequence of the last trigger.
    pub triggered: u64,
    /// Recent message ids, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<(Uuid, Timestamp)>,
    /// A request to Xero whose outcome is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The document in Xero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted: Option<Posted>,
    /// The document that an operator says is this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopt: Option<Uuid>,
    /// When an operator asked for another look that has not ended yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Timestamp>,
    /// The purchase order that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<i64>,
    /// The purchases that it was found to have, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purchases: Vec<SourceId>,
    /// It was changed in ConnectWise after it was posted, and nobody has said that the document is right.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
    /// The expense report that it was handed over to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<i64>,
    /// Payments of both systems that are one, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// When what was looked at last had changed, by the clock of the system that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked: Option<Timestamp>,
    /// What the sweep saw when it handed the record to the queue, if that was the last trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<String>,
    /// An operator wants all that was posted of it to be undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// Who looks after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Until when nobody wants to see it among what needs a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed: Option<Timestamp>,
    /// A contact was about to be created for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub creating_contact: bool,
    /// What a person should look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<OpenWarning>,
}

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for a worker.
    Queued {
        /// Not before.
        due: Timestamp,
        /// What is to be done.
        step: Step,
        /// Why it waits, after a failure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Sentence>,
    },
    /// Posted and marked.
    Done,
    /// Needs no posting.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// Waits for a person.
    Held {
        /// Why.
        reason: HoldReason,
    },
}

impl State {
    /// The stable name.
    #[must_use]
    pub fn name(&self) -> StateName {
        match self {
            Self::Queued { .. } => StateName::Queued,
            Self::Done => StateName::Done,
            Self::Skipped { .. } => StateName::Skipped,
            Self::Held { .. } => StateName::Held,
        }
    }
}

/// The name of a state, for filters, counts and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// Waits for a worker.
    Queued,
    /// Waits for a person.
    Held,
    /// Posted and marked.
    Done,
    /// Needs no posting.
    Skipped,
}

impl StateName {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Held, Self::Done, Self::Skipped];

    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Done => "done",
            Self::Skipped => "skipped",
        }
    }
}

/// What is to be done next about a queued record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Create the document in Xero.
    Post,
    /// Create the journal of what it costs in Xero.
    Journal,
    /// Create the batch in ConnectWise.
    Mark,
    /// Take back what was posted.
    Unpost,
}

/// What a record is about, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The Xero organisation; none when no rule claims the record.
    pub company: Option<CompanyId>,
    /// Its number.
    pub number: String,
    /// Whose it is.
    pub client: Sentence,
    /// What it is worth; negative for credits.
    pub total: Money,
    /// ISO code; empty when ConnectWise gives none.
    pub currency: String,
    /// The day that its document is dated; none when nothing says it, as with payments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// ConnectWise's id of the company whose it is; none of members, and of what an older version read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<i64>,
}

/// A decision that the record's state does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {decision} a record that is {state}: {advice}")]
pub struct Refused {
    decision: &'static str,
    state: &'static str,
    advice: &'static str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn queued(step: Step, due: Timestamp) -> State {
    State::Queued { due, step, cause: None }
}

/// A trigger arrives as entry `sequence` of the journal.
#[must_use]
pub fn accept(
    record: Option<Record>,
    key: &RecordKey,
    trigger: &Trigger,
    sequence: u64,
    now: Timestamp,
) -> (Record, Accepted) {
    let message = match trigger {
        Trigger::Callback { message, .. } => *message,
        _ => None,
    };
    let order = if let Trigger::Order { order } = trigger { Some(*order) } else { None };
    let compared = if let Trigger::Compared { seen, .. } = trigger { Some(seen.clone()) } else { None };
    let Some(mut record) = record else {
        let record = Record {
            key: key.clone(),
            state: queued(Step::Post, now),
            about: None,
            first_seen: now,
            changed: now,
            attempt: 0,
            faults: 0,
            generation: 0,
            triggered: sequence,
            messages: message.map(|id| (id, now)).into_iter().collect(),
            intent: None,
            posted: None,
            adopt: None,
            asked: None,
            order,
            purchases: Vec::new(),
            edited: false,
            report: None,
            links: Vec::new(),
            looked: None,
            compared,
            undo: None,
            owner: None,
            snoozed: None,
            creating_contact: false,
            warnings: Vec::new(),
        };
        return (record, Accepted::Queued);
    };
    if message.is_some_and(|message| record.messages.iter().any(|(id, _)| *id == message)) {
        return (record, Accepted::Duplicate);
    }
    record.triggered = sequence;
    record.order = order.or(record.order);
    record.compared = compared;
    let fresh = |at: Timestamp| now.duration_since(at).as_hours() < MESSAGE_HOURS;
    record.messages.retain(|(_, at)| fresh(*at));
    record.messages.extend(message.map(|id| (id, now)));
    let surplus = record.messages.len().saturating_sub(MESSAGES_MAX);
    record.messages.drain(..surplus);
    let merged = match &record.state {
        State::Queued { .. } => true,
        State::Held { reason } => reason.code == HoldCode::Operator,
        // Skipped by a person is for good, often because it was posted by hand: only a person undoes it.
        State::Skipped { reason } => reason.is_decided(),
        State::Done => false,
    };
    if merged {
        return (record, Accepted::Merged);
    }
    record.queue(Step::Post, now);
    (record, Accepted::Queued)
}

/// The request `intent` is about to be sent.
///
/// # Errors
/// [`Refused`] when an operator stopped the record during the step.
pub fn arm(mut record: Record, intent: Intent, about: About, now: Timestamp) -> Result<Record, Refused> {
    not_stopped(&record)?;
    not_adopted(&record)?;
    record.generation = record.generation.saturating_add(1);
    record.intent = Some(intent);
    record.about = Some(about);
    record.changed = now;
    Ok(record)
}

/// A contact is about to be created for the record.
///
/// # Errors
/// [`Refused`] when an operator stopped the record during the step.
pub fn create_contact(record: Record) -> Result<Record, Refused> {
    not_stopped(&record)?;
    not_adopted(&record)?;
    Ok(Record { creating_contact: true, ..record })
}

/// Only a decision takes a record out of the queue while a worker has it.
fn not_stopped(record: &Record) -> Result<(), Refused> {
    match record.state {
        State::Queued { .. } => Ok(()),
        _ => Err(Refused { decision: "send", state: record.state.name().as_str(), advice: "an operator stopped it" }),
    }
}

/// A record that an operator says is in Xero already is not sent.
fn not_adopted(record: &Record) -> Result<(), Refused> {
    match record.adopt {
        None => Ok(()),
        Some(_) => Err(Refused { decision: "send", state: "adopted", advice: "an operator named its document" }),
    }
}

/// A step ended. `seen` is the last trigger the worker knew of: a later one asks for one more look.
#[must_use]
pub fn settle(mut record: Record, settlement: Settlement, about: Option<About>, seen: u64, now: Timestamp) -> Record {
    let held_meanwhile = matches!(&record.state, State::Held { reason } if reason.code == HoldCode::Operator);
    let skipped_meanwhile = record.state == State::Skipped { reason: SkipReason::Operator };
    record.about = about.or(record.about);
    record.changed = now;
    record.attempt = record.attempt.saturating_add(1);
    let again = record.triggered > seen;
    let state = settling::come_to(&mut record, settlement, again, now);
    // A skip decided meanwhile stands too, unless the step has put a document into Xero or may have.
    if held_meanwhile || (skipped_meanwhile && record.posted.is_none() && record.intent.is_none()) {
        return record;
    }
    record.state = state;
    if !again && !matches!(record.state, State::Queued { .. }) {
        record.asked = None;
    }
    // Its batch was deleted a moment ago, and ConnectWise says so.
    let unposted = record.state == State::Skipped { reason: SkipReason::Unposted };
    if again && !unposted && !matches!(record.state, State::Queued { .. }) {
        record.queue(Step::Post, now);
    }
    record
}

/// An operator decides.
///
/// # Errors
/// [`Refused`] when the state does not allow it.
pub fn resolve(
    mut record: Record,
    decision: &Decision,
    actor: &Actor,
    sequence: u64,
    now: Timestamp,
) -> Result<Record, Refused> {
    let refuse = |advice| Err(Refused { decision: decision.as_str(), state: record.state.name().as_str(), advice });
    let operator_hold = matches!(&record.state, State::Held { reason } if reason.code == HoldCode::Operator);
    let edited = matches!(&record.state, State::Held { reason }
        if matches!(reason.code, HoldCode::EditedAfterPost | HoldCode::CostNotPosted));
    let against = Some(decision).filter(|decision| !decision.is_about_attention());
    if let Some(advice) = against.and_then(|decision| undo::against(&record, decision)) {
        return refuse(advice);
    }
    match decision {
        Decision::Unpost => {
            let begun = record.undo.take();
            record.undo = begun.or(Some(Undo { by: actor.by.clone(), at: now, done: Vec::new() }));
            record.queue(Step::Unpost, now);
        }
        Decision::Retry if operator_hold => return refuse("release it first"),
        Decision::Hold | Decision::Adopt { .. } if record.state == State::Done => {
            return refuse("it is posted already");
        }
        Decision::Hold => {
            let note = if actor.note.as_str().is_empty() { "no reason given" } else { actor.note.as_str() };
            let reason = HoldReason::new(HoldCode::Operator, format!("Held by {}: {note}", actor.by));
            record.state = State::Held { reason };
        }
        Decision::Release if !operator_hold => return refuse("no operator holds it; use retry"),
        Decision::Retry | Decision::Release => record.queue(Step::Post, now),
        Decision::Skip if record.posted.is_some() && !edited => {
            return refuse("its document is in Xero; void it there first");
        }
        Decision::Skip if record.intent.is_some() => {
            return refuse("a request to Xero has no known outcome yet; retry it first");
        }
        Decision::Skip => record.state = State::Skipped { reason: SkipReason::Operator },
        Decision::Adopt { .. } if record.key.kind == RecordKind::Payment => {
            return refuse("payments have no document to adopt; make both systems agree and retry it");
        }
        Decision::Adopt { .. } if !record.key.kind.has_document() => return refuse("it has no document of its own"),
        Decision::Adopt { .. } if record.intent.is_some() && matches!(record.state, State::Queued { .. }) => {
            return refuse("a request to Xero has no known outcome yet; wait until it has");
        }
        Decision::Adopt { document } => {
            record.adopt = Some(*document);
            record.queue(Step::Post, now);
        }
        Decision::Assign { owner } => record.owner.clone_from(owner),
        Decision::Snooze { until } => record.snoozed = *until,
        Decision::Acknowledge => {
            for open in record.warnings.iter_mut().filter(|open| open.acknowledged.is_none()) {
                open.acknowledged = Some(Acknowledged { by: actor.by.clone(), at: now, note: actor.note.clone() });
            }
        }
    }
    if decision.is_about_attention() {
        // That is no news about the record itself.
        return Ok(record);
    }
    if !matches!(decision, Decision::Acknowledge) {
        record.triggered = sequence;
        record.asked = Some(now);
        record.compared = None;
    }
    record.changed = now;
    Ok(record)
}

impl Record {
    /// Whatever it is looked at for: what is being undone is undone first.
    fn queue(&mut self, step: Step, now: Timestamp) {
        self.state = queued(if self.undo.is_some() { Step::Unpost } else { step }, now);
        self.attempt = 0;
        self.faults = 0;
        self.changed = now;
    }

    /// Remembers what it led to; where it stands itself.
    fn fan_out(&mut self, purchases: Vec<SourceId>, unnamed: Option<HoldReason>) -> State {
        self.purchases.retain(|known| !purchases.contains(known));
        self.purchases.extend(purchases);
        let surplus = self.purchases.len().saturating_sub(PURCHASES_MAX);
        self.purchases.drain(..surplus);
        let payments = self.key.kind == RecordKind::Payment;
        let reason = if payments { SkipReason::PaymentsApart } else { SkipReason::PurchasesApart };
        unnamed.map_or(State::Skipped { reason }, |reason| State::Held { reason })
    }

    fn progress(&mut self) {
        self.intent = None;
        self.adopt = None;
        self.creating_contact = false;
        self.attempt = 0;
        self.faults = 0;
    }

    fn decide_intent(&mut self, fate: IntentFate) {
        match (fate, &mut self.intent) {
            (IntentFate::Clear, intent) => *intent = None,
            (IntentFate::LookFirst, Some(intent)) => intent.resend = false,
            _ => {}
        }
    }

    fn warn(&mut self, warnings: Vec<Warning>, at: Timestamp) {
        for warning in warnings {
            if !self.warnings.iter().any(|open| open.warning == warning) {
                self.warnings.push(OpenWarning { warning, at, acknowledged: None });
                self.snoozed = None;
            }
        }
        let surplus = self.warnings.len().saturating_sub(WARNINGS_MAX);
        self.warnings.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::domain::draft::DocumentKind;
    use crate::domain::facts::ContentHash;
    use crate::domain::money::Money;
    use crate::domain::warning::WarningCode;

    #[expect(clippy::large_enum_variant, reason = "a few of them live at a time")]
    #[derive(Clone, Debug)]
    enum Act {
        Accept(Option<u128>),
        Order(i64),
        Lease,
        Arm,
        Settle(Settlement),
        Resolve(Decision),
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + i64::try_from(second).unwrap()).unwrap()
    }

    fn posted() -> Posted {
        Posted {
            id: Uuid::from_u128(7),
            company: "acme-au".parse().unwrap(),
            kind: DocumentKind::Invoice,
            number: "1042".to_owned(),
            total: Money::CENT,
            xero_total: Money::CENT,
            at: at(0),
            content: ContentHash("x".to_owned()),
            lines: None,
            batch: None,
            journal: None,
        }
    }

    fn intent() -> Intent {
        let (kind, number) = (DocumentKind::Invoice, "1042".to_owned());
        Intent {
            key: "rp:x".to_owned(),
            body_hash: "x".to_owned(),
            company: posted().company,
            kind,
            number,
            at: at(0),
            resend: true,
            change: None,
            purpose: Purpose::Create,
        }
    }

    fn about() -> About {
        About {
            company: None,
            number: "1042".to_owned(),
            client: "Blue Gum Widgets".into(),
            total: Money::CENT,
            currency: String::new(),
            date: None,
            party: None,
        }
    }

    fn hold(posted: Option<Posted>, intent: IntentFate) -> Settlement {
        Settlement::Hold {
            reason: HoldReason::new(HoldCode::UnknownTax, "no tax"),
            posted,
            intent,
            warnings: Vec::new(),
        }
    }

    fn settlement() -> impl Strategy<Value = Settlement> {
        let warnings = prop::collection::vec(0_u32..40, 0..12).prop_map(|numbers| {
            let warning = |number| Warning::new(WarningCode::TermsMismatch, format!("terms {number}"));
            numbers.into_iter().map(warning).collect::<Vec<_>>()
        });
        let fate = select(vec![IntentFate::Keep, IntentFate::LookFirst, IntentFate::Clear]);
        let batch = select(vec![None, Some("RP-I-1-00000000".to_owned())]);
        let retry = |(fate, counts)| Settlement::Retry { due: at(9), cause: "slow".into(), counts, intent: fate };
        prop_oneof![
            warnings.clone().prop_map(|warnings| Settlement::Mark { posted: posted(), content: None, warnings }),
            (batch, warnings).prop_map(|(batch, warnings)| Settlement::Done { batch, warnings }),
            select(vec![SkipReason::StatusOpen, SkipReason::Deleted]).prop_map(|reason| Settlement::Skip { reason }),
            (1_i64..3).prop_map(|report| Settlement::HandedOver { report }),
            select(vec![Undone::Document, Undone::Cost]).prop_map(|part| Settlement::Undone { part }),
            Just(Settlement::Unposted),
            (select(vec![None, Some(posted())]), fate.clone()).prop_map(|(posted, fate)| hold(posted, fate)),
            (fate, any::<bool>()).prop_map(retry),
            Just(edited()),
            (prop::collection::vec(0_i64..400, 0..150), any::<bool>()).prop_map(|(ids, unnamed)| {
                let unnamed = unnamed.then(|| HoldReason::new(HoldCode::UnreadableField, "no name"));
                let ids: std::collections::BTreeSet<i64> = ids.into_iter().collect();
                Settlement::FannedOut { purchases: ids.into_iter().map(SourceId::from).collect(), unnamed }
            }),
        ]
    }

    fn edited() -> Settlement {
        let reason = HoldReason::new(HoldCode::EditedAfterPost, "changed");
        Settlement::Hold { reason, posted: None, intent: IntentFate::Keep, warnings: Vec::new() }
    }

    fn act() -> impl Strategy<Value = Act> {
        let adopt = Decision::Adopt { document: Uuid::from_u128(7) };
        let decisions =
            vec![Decision::Retry, Decision::Hold, Decision::Release, Decision::Skip, adopt, Decision::Acknowledge]
                .into_iter()
                .chain([Decision::Unpost])
                .collect::<Vec<_>>();
        prop_oneof![
            4 => prop::option::of(0_u128..40).prop_map(Act::Accept),
            1 => (1_i64..4).prop_map(Act::Order),
            3 => Just(Act::Lease),
            1 => Just(Act::Arm),
            4 => settlement().prop_map(Act::Settle),
            2 => select(decisions).prop_map(Act::Resolve),
        ]
    }

    fn by_operator(state: &State) -> bool {
        match state {
            State::Held { reason } => reason.code == HoldCode::Operator,
            State::Skipped { reason } => reason.is_decided(),
            State::Queued { .. } | State::Done => false,
        }
    }

    fn is_queued(state: &State) -> bool {
        state.name() == StateName::Queued
    }

    fn trigger(message: Option<u128>) -> Trigger {
        let message = message.map(Uuid::from_u128);
        Trigger::Callback { message, action: "updated".to_owned(), member: None }
    }

    fn first() -> Record {
        accept(None, &"acme/invoice/1".parse().unwrap(), &trigger(None), 0, at(0)).0
    }

    fn decide(record: Record, decision: &Decision, sequence: u64) -> Result<Record, Refused> {
        let actor = Actor { by: "finance-desk".to_owned(), note: "as agreed".into(), bulk: None };
        resolve(record, decision, &actor, sequence, at(sequence))
    }

    /// The record after `act`; the laws that hold for this one transition are checked on the way.
    fn apply(before: &Record, act: Act, seen: u64, sequence: u64) -> Result<Record, TestCaseError> {
        let now = at(sequence);
        match act {
            Act::Lease => Ok(before.clone()),
            Act::Arm => Ok(arm(before.clone(), intent(), about(), now).unwrap_or_else(|_| before.clone())),
            Act::Accept(message) => {
                let (after, accepted) = accept(Some(before.clone()), &before.key, &trigger(message), sequence, now);
                match accepted {
                    Accepted::Duplicate => prop_assert_eq!(&after, before, "a duplicate changes nothing"),
                    Accepted::Merged => prop_assert_eq!(&after.state, &before.state),
                    Accepted::Queued => {
                        let queued = queued(if before.undo.is_some() { Step::Unpost } else { Step::Post }, now);
                        prop_assert_eq!((&after.state, after.attempt, after.faults), (&queued, 0, 0));
                    }
                }
                if accepted != Accepted::Duplicate {
                    prop_assert_eq!(after.triggered, sequence);
                    prop_assert!(is_queued(&after.state) || by_operator(&after.state));
                }
                Ok(after)
            }
            Act::Order(order) => {
                let (after, accepted) =
                    accept(Some(before.clone()), &before.key, &Trigger::Order { order }, sequence, now);
                prop_assert!(accepted != Accepted::Duplicate && after.order == Some(order));
                prop_assert_eq!(&after.messages, &before.messages);
                Ok(after)
            }
            Act::Settle(settlement) => {
                let (posts, edits) = (matches!(settlement, Settlement::Mark { .. }), settlement == edited());
                let unposts = settlement == Settlement::Unposted;
                if unposts && before.undo.is_none() {
                    // Only a record that is being unposted comes to that.
                    return Ok(before.clone());
                }
                let after = settle(before.clone(), settlement, None, seen, now);
                let held = matches!(&before.state, State::Held { .. }) && by_operator(&before.state);
                prop_assert!(!held || after.state == before.state, "an operator's hold is not settled away");
                let missed = before.triggered > seen && !by_operator(&after.state);
                prop_assert!(!missed || is_queued(&after.state), "a trigger was lost");
                prop_assert!(unposts || before.posted.is_none() || after.posted.is_some(), "a document was forgotten");
                let known = after.purchases.iter().collect::<std::collections::BTreeSet<_>>();
                prop_assert!(known.len() == after.purchases.len() && known.len() <= PURCHASES_MAX);
                prop_assert!(!edits || after.edited, "an edit was forgotten");
                prop_assert!(!before.edited || after.edited || posts || unposts, "an edit was forgotten");
                Ok(after)
            }
            Act::Resolve(decision) => {
                let Ok(after) = decide(before.clone(), &decision, sequence) else { return Ok(before.clone()) };
                let skipped = after.state == State::Skipped { reason: SkipReason::Operator };
                let edited =
                    matches!(&before.state, State::Held { reason } if reason.code == HoldCode::EditedAfterPost);
                let has_document = (after.posted.is_some() && !edited) || after.intent.is_some();
                prop_assert!(decision != Decision::Skip || skipped && !has_document);
                let seen = after.warnings.iter().all(|open| open.acknowledged.is_some());
                prop_assert!(decision != Decision::Acknowledge || seen);
                let undoing = after.undo.is_some() && after.posted.is_some();
                prop_assert!(decision != Decision::Unpost || undoing && after.state == queued(Step::Unpost, now));
                Ok(after)
            }
        }
    }

    proptest! {
        #[test]
        fn no_trigger_decision_or_document_is_lost_and_nothing_grows(acts in prop::collection::vec(act(), 1..80)) {
            let mut record = first();
            let mut seen = record.triggered;
            for (act, sequence) in acts.into_iter().zip(1..) {
                if matches!(act, Act::Lease) {
                    seen = record.triggered;
                }
                let after = apply(&record, act, seen, sequence)?;
                prop_assert!(after.triggered >= record.triggered);
                prop_assert!(after.messages.len() <= MESSAGES_MAX && after.warnings.len() <= WARNINGS_MAX);
                let json = serde_json::to_string(&after).unwrap();
                prop_assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), after.clone());
                record = after;
            }
        }
    }

    #[test]
    fn a_skip_by_an_operator_ends_only_by_an_operator() {
        let skipped = decide(first(), &Decision::Skip, 1).unwrap();
        let (after, accepted) = accept(Some(skipped.clone()), &skipped.key, &trigger(Some(1)), 2, at(2));
        assert_eq!((accepted, &after.state), (Accepted::Merged, &skipped.state));
        assert!(is_queued(&decide(after, &Decision::Retry, 3).unwrap().state));

        let retry = |intent| Settlement::Retry { due: at(9), cause: "slow".into(), counts: false, intent };
        for late in
            [retry(IntentFate::Keep), hold(None, IntentFate::Keep), Settlement::Skip { reason: SkipReason::StatusOpen }]
        {
            assert_eq!(settle(skipped.clone(), late, None, 0, at(2)).state, skipped.state);
        }
        let mark = Settlement::Mark { posted: posted(), content: None, warnings: Vec::new() };
        let after = settle(skipped.clone(), mark, None, 0, at(2)).state;
        assert_eq!(after, queued(Step::Mark, at(2)), "what is in Xero has to be marked");
        assert!(arm(skipped, intent(), about(), at(2)).is_err(), "nothing is sent for a record that was stopped");
        let armed = arm(first(), intent(), about(), at(2)).unwrap();
        assert!(decide(armed, &Decision::Skip, 3).is_err(), "a request of unknown outcome has to be cleared up");
    }

    #[test]
    fn message_ids_are_forgotten_by_age() {
        let mut record = accept(Some(first()), &first().key, &trigger(Some(1)), 1, at(1)).0;
        let month = u64::try_from(MESSAGE_HOURS * 3600).unwrap();
        record = accept(Some(record), &first().key, &trigger(Some(2)), 2, at(month)).0;
        assert_eq!(record.messages.len(), 2);
        assert_eq!(
            accept(Some(record.clone()), &first().key, &trigger(Some(1)), 3, at(month + 1)).1,
            Accepted::Duplicate
        );
        record = accept(Some(record), &first().key, &trigger(Some(3)), 4, at(month + 1)).0;
        assert_eq!(accept(Some(record), &first().key, &trigger(Some(1)), 5, at(month + 2)).1, Accepted::Merged);
    }
}
