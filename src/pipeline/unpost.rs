//! Unposts a record: its document, the document of its cost, its batch; one remote write a step, each looked at before.
//!
//! Nothing is remembered but what is undone: a step that was cut off is repeated, finds what it had done, and goes on.
//! Voiding twice is voiding once, and an answer that was lost is never believed either way.

use uuid::Uuid;

use super::deliver::{Ended, read};
use super::edited;
use super::failure::{hold, of_connectwise, of_xero};
use super::parts::{Company, Connection, Parts};
use super::post::{RESEND_FOR, hash};
use super::unknown::no_longer_at_work;
use crate::domain::batch;
use crate::domain::content::Content;
use crate::domain::delivery::{About, CostJournal, Intent, Posted, Purpose, Undo, Undone};
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{ExpenseUnit, RecordFacts, cost_mark};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::map;
use crate::domain::plan::dated_after_locks;
use crate::domain::record::RecordKind;
use crate::domain::settle::{Blame, Failure, IntentFate, Outcome};
use crate::domain::text::Sentence;
use crate::store::{ArmRequest, Lease, StoreError};
use crate::xero::{Standing, XeroError, void_body};

/// Why a step does not go on.
enum Stop {
    /// It cannot be undone, and nothing of it was changed.
    Refused(String),
    /// It did not work.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What a step needs.
struct Undoing<'parts> {
    undo: Undo,
    posted: Posted,
    connection: &'parts Connection,
    company: &'parts Company,
    parts: &'parts Parts,
}

/// Does one step of an unposting.
pub(super) async fn deliver(lease: Lease, connection: &Connection, parts: &Parts) -> Result<Ended, StoreError> {
    let about = lease.record.about.clone();
    let (undo, posted) = (lease.record.undo.clone(), lease.record.posted.clone());
    let (Some(undo), Some(posted), Some(known)) = (undo, posted, about.clone()) else {
        let outcome = refused("Nothing of it is known to be posted.");
        return Ok(Ended { lease, outcome, about });
    };
    let Some(company) = parts.companies.iter().find(|company| company.id == posted.company) else {
        let sentence = format!("The company '{}' is not in the configuration any more.", posted.company);
        let stop = Stop::Failed(hold(HoldCode::NoCompany, sentence));
        let outcome = told(&undo, &posted, lease.record.intent.is_some(), stop);
        return Ok(Ended { lease, outcome, about });
    };
    let undoing = Undoing { undo, posted, connection, company, parts };
    let unknown = lease.record.intent.is_some();
    let (lease, outcome) = match undoing.next(&lease).await {
        Ok(Next::Void(part, standing)) => {
            let (lease, sent) = undoing.void(lease, &standing, known).await?;
            (lease, sent.map(|()| Outcome::Undone(part)))
        }
        Ok(Next::Is(outcome)) => (lease, Ok(*outcome)),
        Err(stop) => (lease, Err(stop)),
    };
    let outcome = outcome.unwrap_or_else(|stop| told(&undoing.undo, &undoing.posted, unknown, stop));
    Ok(Ended { lease, outcome, about })
}

/// What there is to do next.
enum Next {
    /// Void this.
    Void(Undone, Box<Standing>),
    /// Nothing; the step ends so.
    Is(Box<Outcome>),
}

impl Undoing<'_> {
    async fn next(&self, lease: &Lease) -> Result<Next, Stop> {
        if !self.undo.has(Undone::Document) {
            let missing = || {
                let (kind, id) = (self.posted.kind.noun(), self.posted.id);
                Stop::Refused(format!("Xero knows no {kind} {id} any more."))
            };
            let document = self.standing(self.posted.kind, self.posted.id).await?.ok_or_else(missing)?;
            if !document.document.is_live() {
                self.has_no_other(lease).await?;
                return Ok(Next::Is(Box::new(Outcome::Undone(Undone::Document))));
            }
            if let Err(stop) = self.check(lease, &document).await {
                return Err(self.in_time(lease, stop));
            }
            return Ok(Next::Void(Undone::Document, Box::new(document)));
        }
        if !self.undo.has(Undone::Cost) && self.posted.journal.is_some() {
            let Some(cost) = self.cost(lease).await? else {
                return Ok(Next::Is(Box::new(Outcome::Undone(Undone::Cost))));
            };
            return match self.may_be_voided(&cost).await {
                Ok(()) => Ok(Next::Void(Undone::Cost, Box::new(cost))),
                Err(stop) => Err(self.in_time(lease, stop)),
            };
        }
        for name in self.batches(lease).into_iter().chain(self.last_batch(lease).await?) {
            let deleted = self.connection.client.unmark(&name).await;
            deleted.map_err(|error| of_connectwise(&error, self.parts.clock.now()))?;
        }
        self.is_back(lease).await?;
        Ok(Next::Is(Box::new(Outcome::Unposted)))
    }

    /// Whether all of it can be undone, before any of it is.
    async fn check(&self, lease: &Lease, document: &Standing) -> Result<(), Stop> {
        self.may_be_voided(document).await?;
        if let Some(cost) = self.cost(lease).await? {
            self.may_be_voided(&cost).await?;
        }
        let Some(record) = self.record(lease).await? else { return Ok(()) };
        self.is_marked_by_it(&record)?;
        if matches!(record, RecordFacts::Invoice(_)) {
            return Ok(());
        }
        // Of all others ConnectWise names no batches but ours.
        let failed = |error| Stop::Failed(of_connectwise(&error, self.parts.clock.now()));
        let ours = self.connection.client.entries_in(&self.batches(lease)).await.map_err(failed)?;
        let posted = edited::posted_content(lease, self.parts).await;
        let is_whole = if ours.is_empty() {
            self.is_listed_again(&record, posted.as_ref()).await?
        } else {
            // Where the entries of a batch have other ids than GL entries, the rest is told when ours is deleted.
            let entries = posted.as_ref().map(Content::entry_ids).unwrap_or_default();
            let (in_ours, others): (Vec<i64>, Vec<i64>) = entries.iter().partition(|id| ours.contains(&Some(**id)));
            in_ours.is_empty() || others.iter().all(|id| record.entries().contains(id))
        };
        if is_whole {
            return Ok(());
        }
        let sentence = "ConnectWise has not all of it listed as unposted or in a batch of readypost: close it there if it is open, or take it out of the batch that somebody else made.";
        Err(Stop::Refused(sentence.to_owned()))
    }

    async fn is_listed_again(&self, record: &RecordFacts, posted: Option<&Content>) -> Result<bool, Stop> {
        let again = edited::is_listed_again(record, posted, &self.connection.client).await;
        again.map_err(|error| Stop::Failed(of_connectwise(&error, self.parts.clock.now())))
    }

    /// Whether the batch that ConnectWise has it in, if any, was made because this document had been posted.
    fn is_marked_by_it(&self, record: &RecordFacts) -> Result<(), Stop> {
        let Some(name) = record.batch().filter(|_| !batch::marks(record, self.posted.id)) else { return Ok(()) };
        let sentence = if batch::is_ours(record, name) {
            format!(
                "ConnectWise has it in the batch '{name}', which readypost made for another document of it: adopt that document here, by its id in Xero, then unpost the record again."
            )
        } else {
            format!("ConnectWise has it in the batch '{name}', which readypost did not make: take it out there.")
        };
        Err(Stop::Refused(sentence))
    }

    /// Whether no other document of it was posted, of which a store that was restored may not know.
    async fn has_no_other(&self, lease: &Lease) -> Result<(), Stop> {
        let is_ours = |record: &RecordFacts| record.batch().is_some_and(|name| batch::is_ours(record, name));
        self.record(lease).await?.filter(is_ours).map_or(Ok(()), |record| self.is_marked_by_it(&record))
    }

    /// The batch of this document that ConnectWise names: a store that was restored may know an earlier one.
    async fn last_batch(&self, lease: &Lease) -> Result<Option<String>, Stop> {
        let record = self.record(lease).await?.filter(|record| batch::marks(record, self.posted.id));
        Ok(record.and_then(|record| record.batch().map(str::to_owned)))
    }

    /// Whether ConnectWise does not call it posted any more, now that its batch is gone.
    async fn is_back(&self, lease: &Lease) -> Result<(), Stop> {
        let Some(record) = self.record(lease).await? else { return Ok(()) };
        if let Some(name) = record.batch() {
            return Err(Stop::Refused(format!("ConnectWise has it in the batch '{name}': take it out there.")));
        }
        let listed = match record {
            RecordFacts::Invoice(_) => true,
            RecordFacts::Movement(_) => record.is_unposted(),
            RecordFacts::Purchase(_) | RecordFacts::Expense(_) => {
                let posted = edited::posted_content(lease, self.parts).await;
                !record.is_closed() || self.is_listed_again(&record, posted.as_ref()).await?
            }
        };
        let sentence = "ConnectWise does not list all of it as unposted: close it there if it is open, or take it out of the batch that somebody else made.";
        if listed { Ok(()) } else { Err(Stop::Refused(sentence.to_owned())) }
    }

    /// The record as ConnectWise has it now; none when it is gone.
    async fn record(&self, lease: &Lease) -> Result<Option<RecordFacts>, Stop> {
        let unit = match lease.record.key.kind {
            RecordKind::Expense => Some(ExpenseUnit::Entry),
            RecordKind::ExpenseReport => Some(ExpenseUnit::Report),
            _ => None,
        };
        let record = match unit {
            Some(unit) => {
                let expense = self.connection.client.expense(unit, lease.record.key.source.as_str()).await;
                expense.map(|expense| expense.map(|expense| RecordFacts::Expense(Box::new(expense))))
            }
            None => read(&lease.record, self.connection).await,
        };
        record.map_err(|error| Stop::Failed(of_connectwise(&error, self.parts.clock.now())))
    }

    /// The batches of ours that it may be in.
    fn batches(&self, lease: &Lease) -> Vec<String> {
        batch::names_of(&lease.record.key, self.posted.id, self.posted.batch.as_deref())
    }

    /// What Xero would refuse, by name.
    async fn may_be_voided(&self, standing: &Standing) -> Result<(), Stop> {
        let document = &standing.document;
        let name = format!("The {} {}", document.kind.noun(), document.number);
        if !standing.settled.is_zero() {
            let how = if document.kind.is_credit() { "allocated or paid back" } else { "paid or credited" };
            return Err(Stop::Refused(format!(
                "{name} has {} {how} in Xero: take that back there first.",
                standing.settled
            )));
        }
        match document.status.as_str() {
            "DRAFT" | "SUBMITTED" => return Ok(()),
            "AUTHORISED" | "POSTED" => {}
            status => {
                return Err(Stop::Refused(format!("{name} is {status} in Xero, which voids no such document.")));
            }
        }
        let Some(date) = document.date else { return Ok(()) };
        let xero = &self.company.client;
        let failed = |error| Stop::Failed(of_xero(error, IntentFate::Keep));
        let organisation = xero.organisation().await.map_err(failed)?;
        if dated_after_locks(document.kind.noun(), date, &organisation).is_ok() {
            return Ok(());
        }
        // Somebody may have moved the date for just this.
        xero.refresh_organisation(jiff::SignedDuration::ZERO).await.map_err(failed)?;
        let organisation = xero.organisation().await.map_err(failed)?;
        dated_after_locks(document.kind.noun(), date, &organisation)
            .map_err(|reason| Stop::Refused(reason.sentence.to_string()))
    }

    /// A request to void it may still be on its way: then it is not refused yet.
    fn in_time(&self, lease: &Lease, stop: Stop) -> Stop {
        match (&lease.record.intent, stop) {
            (Some(intent), Stop::Refused(sentence)) => no_longer_at_work(intent, self.parts.clock.now())
                .map_or_else(Stop::Failed, |()| Stop::Refused(sentence)),
            (_, stop) => stop,
        }
    }

    async fn standing(&self, kind: DocumentKind, id: Uuid) -> Result<Option<Standing>, Stop> {
        let standing = self.company.client.standing(kind, id).await;
        standing.map_err(|error| Stop::Failed(of_xero(error, IntentFate::Keep)))
    }

    /// The document of its cost of goods, if there is one that is worth something.
    async fn cost(&self, lease: &Lease) -> Result<Option<Standing>, Stop> {
        let found = match self.posted.journal.as_deref() {
            None => return Ok(None),
            Some(CostJournal::Posted { id, kind, .. }) => Some((*kind, *id)),
            // It may have been made all the same.
            Some(CostJournal::Due { .. }) => {
                let (rules, mark) = (&self.company.rules, cost_mark(&lease.record.key));
                let (kind, number) = (map::cost_kind(rules), map::cost_number(&self.posted.number, rules));
                let found = self.company.client.find(kind, &number, mark.as_deref()).await;
                let found = found.map_err(|error| Stop::Failed(of_xero(error, IntentFate::Keep)))?;
                found.marked(mark.as_deref()).map(|document| (document.kind, document.id))
            }
        };
        let Some((kind, id)) = found else { return Ok(None) };
        Ok(self.standing(kind, id).await?.filter(|standing| standing.document.is_live()))
    }

    /// Makes the intent durable and sends it, once.
    async fn void(
        &self,
        lease: Lease,
        standing: &Standing,
        about: About,
    ) -> Result<(Lease, Result<(), Stop>), StoreError> {
        let (document, body) = (&standing.document, void_body(&standing.document));
        let xero = &self.company.client;
        let permit = match xero.permit().await {
            Ok(permit) => permit,
            Err(error) => return Ok((lease, Err(Stop::Failed(of_xero(error, IntentFate::Keep))))),
        };
        let (intent, repeated) = self.intent(&lease, standing, &body);
        let request = ArmRequest { intent, about, body };
        let armed = self.parts.store.arm(lease, request, self.parts.clock.now()).await?;
        let what = (document.kind, document.id);
        let answer = xero.change(permit, what, (armed.idempotency_key(), armed.body())).await;
        let sent = match answer {
            Ok(_) => Ok(()),
            Err(XeroError::Refused(reason)) if !repeated => {
                Err(Stop::Refused(format!("Xero does not void it. {}", reason.sentence)))
            }
            // It has changed since it was looked at, or one of two requests was refused: look again.
            Err(XeroError::NumberTaken { message: cause }) => Err(self.look_again(cause.into())),
            Err(XeroError::Refused(reason)) => Err(self.look_again(reason.sentence)),
            Err(error) => {
                // A first request that was not handled changed nothing; of a repeated one the first may have.
                let not_handled = if repeated { IntentFate::LookFirst } else { IntentFate::Clear };
                Err(Stop::Failed(of_xero(error, not_handled)))
            }
        };
        Ok((armed.into_lease(), sent))
    }

    fn look_again(&self, cause: Sentence) -> Stop {
        let not_before = Some(self.parts.clock.now());
        Stop::Failed(Failure::Later { not_before, cause, blame: Blame::Record, intent: IntentFate::LookFirst })
    }

    /// The same request again while Xero remembers its key, else a new one.
    fn intent(&self, lease: &Lease, standing: &Standing, body: &str) -> (Intent, bool) {
        let (now, body_hash) = (self.parts.clock.now(), hash(body));
        let same = |intent: &&Intent| {
            let alive = now.duration_since(intent.at) < RESEND_FOR && now >= intent.at;
            intent.purpose == Purpose::Void && intent.resend && alive && intent.body_hash == body_hash
        };
        if let Some(intent) = lease.record.intent.as_ref().filter(same) {
            return (intent.clone(), true);
        }
        let short = body_hash.get(..32).unwrap_or_default();
        let key = format!("rp:{}:{}:{}:{short}", self.company.id, lease.record.key, lease.record.generation);
        let intent = Intent {
            key: format!("rp:{}", hash(&key)),
            body_hash,
            company: self.company.id.clone(),
            kind: standing.document.kind,
            number: self.posted.number.clone(),
            at: now,
            resend: true,
            change: None,
            purpose: Purpose::Void,
        };
        (intent, lease.record.intent.is_some())
    }
}

fn refused(sentence: &str) -> Outcome {
    let reason = HoldReason::new(HoldCode::UnpostRefused, sentence);
    Outcome::Failed(Failure::Never { reason, intent: IntentFate::Clear })
}

/// How a step ended that did not come through: what is done, what is not, and why.
fn told(undo: &Undo, posted: &Posted, unknown: bool, stop: Stop) -> Outcome {
    let (kind, number) = (posted.kind.noun(), &posted.number);
    let done: Vec<&str> = undo.done.iter().map(|part| part.told()).collect();
    let done = if done.is_empty() {
        "nothing is undone yet".to_owned()
    } else {
        format!("{}, the rest is not", done.join(", "))
    };
    let so_far = format!("Unposting the {kind} {number}: {done}.");
    match stop {
        Stop::Refused(sentence) if undo.done.is_empty() => {
            refused(&format!("The {kind} {number} was not unposted, and nothing was changed. {sentence}"))
        }
        Stop::Refused(sentence) => {
            let reason = HoldReason::new(HoldCode::UnpostUnfinished, format!("{so_far} {sentence}"));
            Outcome::Failed(Failure::Never { reason, intent: IntentFate::Clear })
        }
        Stop::Failed(Failure::Never { reason, .. }) if undo.done.is_empty() && !unknown => {
            refused(&format!("The {kind} {number} was not unposted, and nothing was changed. {}", reason.sentence))
        }
        Stop::Failed(Failure::Never { reason, intent }) => {
            let reason = HoldReason::new(HoldCode::UnpostUnfinished, format!("{so_far} {}", reason.sentence));
            Outcome::Failed(Failure::Never { reason, intent })
        }
        Stop::Failed(Failure::Later { not_before, cause, blame, intent }) => {
            let cause = format!("{so_far} {cause}").into();
            Outcome::Failed(Failure::Later { not_before, cause, blame, intent })
        }
        Stop::Failed(everyone) => Outcome::Failed(everyone),
    }
}
