//! One step for one lease: read the record, decide, act, settle.

use std::time::Instant;

use jiff::Timestamp;

use crate::domain::delivery::{About, CostJournal, Intent, Posted, Record};
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{ExistingDocument, MovementKind, RecordFacts, mark_of};
use crate::domain::hold::{HoldCode, HoldReason, SkipReason};
use crate::domain::map;
use crate::domain::plan::{Action, AfterPost, after_post, triage};
use crate::domain::record::{CompanyId, RecordKey, RecordKind};
use crate::domain::rules::Rules;
use crate::domain::settle::{Attempts, Blame, Failure, IntentFate, Outcome, Paid, settle};
use crate::domain::text::{Sentence, shorten};
use crate::remote::RemoteError;
use crate::store::{Event, Lane, Lease, Rest, StoreError};
use crate::xero::{Xero, XeroError};

use super::again::{self, Again};
use super::failure::{hold, of_connectwise, of_xero};
use super::lanes::enter;
use super::order;
use super::parts::{Company, Connection, Parts};
use super::report::{self, Begun};
use super::slots::Slot;
use super::{payment, post, relations, unknown, unpost, update};

/// What a step needs to know of its record, once it was read.
pub(super) struct Subject<'parts> {
    pub(super) key: RecordKey,
    pub(super) record: RecordFacts,
    pub(super) connection: &'parts Connection,
    pub(super) company: &'parts Company,
    pub(super) part: Part,
}

/// Which of its documents a step is about.
pub(super) enum Part {
    /// The one that it becomes.
    Main,
    /// The journal of what it costs, beside its posted document.
    Cost(Box<Posted>),
}

impl Subject<'_> {
    /// The number that its document has in Xero.
    pub(super) fn number(&self) -> String {
        let (number, rules) = (map::number(&self.record, &self.company.rules), &self.company.rules);
        match self.part {
            Part::Main => number,
            Part::Cost(_) => map::cost_number(&number, rules),
        }
    }

    /// What its document is in Xero.
    pub(super) fn kind(&self) -> DocumentKind {
        match self.part {
            Part::Main => map::kind(&self.record, &self.company.rules),
            Part::Cost(_) => map::cost_kind(&self.company.rules),
        }
    }

    /// What its document is marked with, where numbers are not unique.
    pub(super) fn mark(&self) -> Option<String> {
        mark_of(&self.key, self.kind())
    }
}

/// The end of a step: the lease to settle, how it ended, and what the record is about.
pub(super) struct Ended {
    pub(super) lease: Lease,
    pub(super) outcome: Outcome,
    pub(super) about: Option<About>,
}

/// Carries out one step and settles it.
///
/// # Errors
/// When the store does not take the settlement; the lease then runs out and the step is repeated.
pub(super) async fn deliver(lease: Lease, mut slot: Slot, parts: &Parts) -> Result<(), StoreError> {
    let (key, attempts) =
        (lease.record.key.clone(), Attempts { all: lease.record.attempt, faults: lease.record.faults });
    let first_seen = lease.record.first_seen;
    let begun = Instant::now();
    let Ended { lease, outcome, about } = Box::pin(step(lease, &mut slot, parts)).await?;
    let now = parts.clock.now();
    let company = about.as_ref().and_then(|about| about.company.clone());
    let currency = about.as_ref().map_or("", |about| about.currency.as_str());
    parts.metrics.step(key.kind, &outcome, currency, now.duration_since(first_seen));
    tracing::Span::current().record("duration_ms", u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    log(&key, &outcome);
    let (resting, posted) = (resting(&outcome), matches!(outcome, Outcome::Posted { .. }));
    // The settlement comes first: without it the step would be repeated.
    parts.store.settle(lease, settle(outcome, attempts, now, &parts.policy), about, now).await?;
    if let Some((cause, until)) = resting {
        // Before the record was read, its failure is the whole connection's.
        let concerned = parts.companies.iter().filter(|candidate| match &company {
            Some(company) => candidate.id == *company,
            None => candidate.connection == key.connection,
        });
        for company in concerned {
            rest(&company.id, cause.clone(), until, parts).await?;
        }
    }
    match company {
        Some(company) if posted && parts.store.company(&company).rest.is_some() => {
            tracing::info!(%company, "posting goes on");
            parts.store.note(Event::Awoke { company }, now).await
        }
        _ => Ok(()),
    }
}

/// Why and how long nothing works, if that is how the step ended.
fn resting(outcome: &Outcome) -> Option<(Sentence, Timestamp)> {
    match outcome {
        Outcome::Failed(Failure::Everyone { cause, until }) => Some((cause.clone(), *until)),
        _ => None,
    }
}

/// Nothing is posted to the company until then; noted once per rest.
async fn rest(company: &CompanyId, cause: Sentence, until: Timestamp, parts: &Parts) -> Result<(), StoreError> {
    let now = parts.clock.now();
    let resting = parts.store.company(company).rest;
    if resting.as_ref().is_some_and(|rest| rest.until >= until) {
        return Ok(());
    }
    let since = resting.map_or(now, |rest| rest.since);
    tracing::warn!(%company, %cause, %until, "the company rests");
    parts.store.note(Event::Rested { company: company.clone(), rest: Rest { cause, since, until } }, now).await
}

/// One line per step, where it is handled.
fn log(key: &RecordKey, outcome: &Outcome) {
    match outcome {
        Outcome::Posted { posted, .. } => {
            tracing::info!(record.key = %key, xero.id = %posted.id, number = posted.number, total = %posted.total, "posted to Xero");
        }
        Outcome::Marked { batch, .. } => {
            tracing::info!(record.key = %key, batch = batch.as_deref().unwrap_or_default(), "marked in ConnectWise");
        }
        Outcome::Undone(part) => tracing::info!(record.key = %key, part = part.as_str(), "undone"),
        Outcome::Unposted => tracing::info!(record.key = %key, "unposted"),
        Outcome::Skipped(reason) => tracing::info!(record.key = %key, reason = reason.as_str(), "skipped"),
        Outcome::FannedOut { purchases, unnamed } => {
            tracing::info!(record.key = %key, records = purchases.len(), "it leads to records of their own");
            if let Some(reason) = unnamed {
                tracing::warn!(record.key = %key, reason = reason.code.as_str(), sentence = %reason.sentence, "held");
            }
        }
        Outcome::HandedOver { report } => tracing::info!(record.key = %key, report, "it is posted with its report"),
        Outcome::Paid(Paid { links, more, .. }) => {
            tracing::info!(record.key = %key, payments = links.len(), more, "payments are the same in both systems");
        }
        Outcome::Failed(Failure::Never { reason, .. }) => {
            tracing::warn!(record.key = %key, reason = reason.code.as_str(), sentence = %reason.sentence, "held");
        }
        Outcome::Failed(Failure::Later { cause, .. } | Failure::Everyone { cause, .. }) => {
            tracing::warn!(record.key = %key, %cause, "will be tried again");
        }
    }
}

/// Reads the record and does what its step asks for.
async fn step(lease: Lease, slot: &mut Slot, parts: &Parts) -> Result<Ended, StoreError> {
    let key = lease.record.key.clone();
    let now = parts.clock.now();
    let fail = |lease: Lease, failure: Failure| {
        let about = lease.record.about.clone();
        Ok(Ended { lease, outcome: Outcome::Failed(failure), about })
    };
    let Some(connection) = parts.connections.get(&key.connection) else {
        let sentence = format!("The ConnectWise connection '{}' is not in the configuration any more.", key.connection);
        return fail(lease, hold(HoldCode::NoCompany, sentence));
    };
    if lease.record.undo.is_some() {
        return Box::pin(unpost::deliver(lease, connection, parts)).await;
    }
    if key.kind == RecordKind::PurchaseOrder {
        return order::fan_out(lease, connection, parts).await;
    }
    if key.kind == RecordKind::Payment {
        return Box::pin(payment::deliver(lease, slot, connection, parts)).await;
    }
    let (lease, record) = if matches!(key.kind, RecordKind::Expense | RecordKind::ExpenseReport) {
        match Box::pin(report::begin(lease, connection, parts)).await? {
            Begun::Own(lease, record) => (*lease, record),
            Begun::Ended(ended) => return Ok(*ended),
        }
    } else {
        match read(&lease.record, connection).await {
            Ok(Some(record)) => (lease, record),
            Ok(None) => return Ok(gone(lease, parts).await),
            Err(error) => return fail(lease, of_connectwise(&error, now)),
        }
    };
    let company = kept(&lease.record, &record, parts).or_else(|| parts.company(&key, record.location()));
    let mut about = about(&record, company, lease.record.about.as_ref());
    let Some(company) = company else {
        // It stays in the lists of the company that had it, should that be gone.
        about.company = removed(&lease, parts).cloned();
        let outcome = unclaimed(&lease, &record, parts);
        return Ok(Ended { lease, outcome, about: Some(about) });
    };
    let about = Some(about);
    if let Some(lane) = Lane::of(&lease.record)
        && let Err(cause) = enter(slot, company, &lane, parts)
    {
        let failure = Failure::Later { not_before: Some(now), cause, blame: Blame::Outage, intent: IntentFate::Keep };
        return Ok(Ended { lease, outcome: Outcome::Failed(failure), about });
    }
    if let RecordFacts::Invoice(facts) = &record {
        relations::after_look(&key, &facts.invoice, company, parts).await?;
    }
    let mut subject = Subject { key, record, connection, company, part: Part::Main };
    match lease.record.posted.clone() {
        None => Box::pin(fresh(lease, subject, about, parts)).await,
        Some(posted) => match again::look(&lease, &subject, posted, parts).await {
            Ok(Again::Ended(outcome)) => Ok(Ended { lease, outcome: *outcome, about }),
            Ok(Again::Edited(changed)) => Box::pin(update::deliver(lease, subject, *changed, about, parts)).await,
            Ok(Again::Anew) => Box::pin(fresh(lease, subject, about, parts)).await,
            Ok(Again::Cost(posted)) => {
                let title = subject.record.title();
                subject.part = Part::Cost(posted);
                let ended = Box::pin(post::post(lease, subject, about, parts)).await?;
                Ok(Ended { outcome: half(&title, ended.outcome), ..ended })
            }
            Err(failure) => Ok(Ended { lease, outcome: Outcome::Failed(failure), about }),
        },
    }
}

/// The record as ConnectWise has it now; none when it is gone.
pub(super) async fn read(known: &Record, connection: &Connection) -> Result<Option<RecordFacts>, RemoteError> {
    let source = known.key.source.as_str();
    if known.key.kind == RecordKind::Purchase {
        let purchase = connection.client.purchase(source, known.order).await?;
        return Ok(purchase.map(|purchase| RecordFacts::Purchase(Box::new(purchase))));
    }
    let movement = match known.key.kind {
        RecordKind::Adjustment => MovementKind::Adjustment,
        RecordKind::Transfer => MovementKind::Transfer,
        _ => return Ok(connection.client.invoice(source).await?.map(RecordFacts::from)),
    };
    let movement = connection.client.movement(source, movement).await?;
    Ok(Some(RecordFacts::Movement(Box::new(movement))))
}

/// The company that took a record which has left the unposted list: then nothing may say its location any more.
pub(super) fn kept<'parts>(known: &Record, record: &RecordFacts, parts: &'parts Parts) -> Option<&'parts Company> {
    let company = known.about.as_ref()?.company.as_ref()?;
    let gone = !record.has_content();
    parts.companies.iter().find(|candidate| gone && candidate.id == *company)
}

/// How a step about the journal ended, told as what it is: one half of a unit is in Xero.
fn half(title: &str, outcome: Outcome) -> Outcome {
    let told = |cause: &Sentence| format!("{title} is in Xero, the journal of its cost of goods is not yet: {cause}");
    match outcome {
        Outcome::Failed(Failure::Later { not_before, cause, blame, intent }) => {
            Outcome::Failed(Failure::Later { not_before, cause: told(&cause).into(), blame, intent })
        }
        Outcome::Failed(Failure::Never { reason, intent }) if reason.code != HoldCode::EditedAfterPost => {
            let sentence = format!("{} {}", told(&reason.sentence), reason.code.cure());
            let reason = HoldReason::new(HoldCode::CostNotPosted, sentence);
            Outcome::Failed(Failure::Never { reason, intent })
        }
        // Done, or both are in Xero and one of them should not be.
        other => other,
    }
}

pub(super) fn about(record: &RecordFacts, company: Option<&Company>, known: Option<&About>) -> About {
    let is_credit = match company {
        Some(company) => map::kind(record, &company.rules).is_credit(),
        None => map::kind(record, &Rules::default()).is_credit(),
    };
    let company = company.map(|company| company.id.clone());
    // What has left the unposted list does not say any more what it is worth.
    if let Some(known) = known.filter(|_| !record.has_content()) {
        return About { company, ..known.clone() };
    }
    About {
        company,
        number: shorten(&record.number(), 40),
        client: record.party().1.into(),
        total: if is_credit { -record.total().abs() } else { record.total() },
        currency: record.currency().unwrap_or_default().to_owned(),
        date: record.date(),
        // Members have ids below zero here.
        party: Some(record.party().0).filter(|party| *party > 0),
    }
}

/// The company that took the record, if it is not in the configuration any more.
fn removed<'lease>(lease: &'lease Lease, parts: &Parts) -> Option<&'lease CompanyId> {
    lease.record.about.as_ref().and_then(|about| about.company.as_ref()).filter(|company| !parts.has(company))
}

/// The end of a step for a record that no company takes.
fn unclaimed(lease: &Lease, record: &RecordFacts, parts: &Parts) -> Outcome {
    let done = |posted: &Posted| !parts.has(&posted.company) && after_post(record, posted) == AfterPost::Nothing;
    if lease.record.posted.as_ref().is_some_and(done) {
        return Outcome::Marked { batch: None, warnings: Vec::new() };
    }
    let location = record.location();
    Outcome::Failed(match removed(lease, parts) {
        Some(company) => of_nobody(
            format!(
                "The company '{company}', which took this record, is not in the configuration any more, and no other one {}.",
                takes(location)
            ),
            location,
        ),
        None => no_company(location),
    })
}

/// Says that no organisation is configured for records of a location.
pub(super) fn no_company(location: Option<i64>) -> Failure {
    of_nobody(format!("No configured Xero organisation {}.", takes(location)), location)
}

fn of_nobody(sentence: String, location: Option<i64>) -> Failure {
    let location = location.map_or_else(|| "no location".to_owned(), |location| format!("location {location}"));
    let reason = HoldReason::new(HoldCode::NoCompany, sentence).caused_by(location);
    Failure::Never { reason, intent: IntentFate::LookFirst }
}

fn takes(location: Option<i64>) -> String {
    match location {
        Some(location) => format!("takes records of location {location}"),
        None => "takes records without a location".to_owned(),
    }
}

/// The record is not in ConnectWise any more: what it may have left in Xero decides.
pub(super) async fn gone(lease: Lease, parts: &Parts) -> Ended {
    let about = lease.record.about.clone();
    let left = match (&lease.record.posted, &lease.record.intent) {
        (None, None) => Ok(None),
        (Some(posted), intent) => {
            let look = async |xero: &Xero| {
                let found = xero.document(posted.kind, posted.id).await?.filter(ExistingDocument::is_live);
                match (found, posted.journal.as_deref()) {
                    (None, Some(CostJournal::Posted { id, kind, .. })) => xero.document(*kind, *id).await,
                    (None, Some(CostJournal::Due { .. })) => match intent {
                        Some(intent) => find_left(xero, intent, &lease.record.key).await,
                        None => Ok(None),
                    },
                    (found, _) => Ok(found),
                }
            };
            left_in_xero(&posted.company, parts, look).await
        }
        (None, Some(intent)) => {
            let look = async |xero: &Xero| find_left(xero, intent, &lease.record.key).await;
            left_in_xero(&intent.company, parts, look).await
        }
    };
    let outcome = match left {
        Ok(None) => Outcome::Skipped(SkipReason::Deleted),
        Ok(Some(document)) => {
            let sentence = format!(
                "The record was deleted in ConnectWise, but its {} {} of {} is in Xero: void it there, then retry.",
                document.kind.noun(),
                document.number,
                document.total
            );
            Outcome::Failed(hold(HoldCode::EditedAfterPost, sentence))
        }
        Err(failure) => Outcome::Failed(failure),
    };
    Ended { lease, outcome, about }
}

/// What a request of unknown outcome made for a record that ConnectWise does not have any more.
async fn find_left(xero: &Xero, intent: &Intent, key: &RecordKey) -> Result<Option<ExistingDocument>, XeroError> {
    let mark = mark_of(key, intent.kind);
    Ok(xero.find(intent.kind, &intent.number, mark.as_deref()).await?.marked(mark.as_deref()))
}

/// The live document that a look finds in the company, if there is one.
async fn left_in_xero(
    company: &CompanyId,
    parts: &Parts,
    look: impl AsyncFnOnce(&Xero) -> Result<Option<ExistingDocument>, XeroError>,
) -> Result<Option<ExistingDocument>, Failure> {
    let Some(company) = parts.companies.iter().find(|candidate| candidate.id == *company) else {
        let sentence =
            format!("The record was deleted in ConnectWise; look for its document in the company '{company}'.");
        return Err(hold(HoldCode::EditedAfterPost, sentence));
    };
    let found = look(&company.client).await.map_err(|error| of_xero(error, IntentFate::Keep))?;
    Ok(found.filter(ExistingDocument::is_live))
}

/// A record that was not posted yet, as far as the store knows.
async fn fresh(lease: Lease, subject: Subject<'_>, about: Option<About>, parts: &Parts) -> Result<Ended, StoreError> {
    match triage(&subject.record, &subject.company.rules) {
        None => Box::pin(post::post(lease, subject, about, parts)).await,
        Some(action) => {
            let unfinished = match &lease.record.intent {
                Some(intent) => unknown::unfinished(&subject, intent, parts).await,
                None => Ok(()),
            };
            let outcome = unfinished.map_or_else(Outcome::Failed, |()| verdict(action));
            Ok(Ended { lease, outcome, about })
        }
    }
}

/// A verdict that needs no document.
pub(super) fn verdict(action: Action) -> Outcome {
    match action {
        Action::Skip(reason) => Outcome::Skipped(reason),
        Action::Hold(reason) => Outcome::Failed(Failure::Never { reason, intent: IntentFate::LookFirst }),
        Action::Create { .. } | Action::Adopt(_) => {
            Outcome::Failed(hold(HoldCode::AttemptsSpent, "A verdict was expected, but there is a document."))
        }
    }
}
