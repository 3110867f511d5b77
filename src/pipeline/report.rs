//! Expenses: which record posts them, an entry or the report that it is in.
//!
//! ConnectWise calls back about entries alone, so the entry's record hands the report to the queue. What is
//! accepted here is accepted once more when the step is repeated, which changes nothing. No entry is ever in two
//! bills: what an entry has posted by itself its report does not post, and the other way round.

use std::collections::BTreeSet;

use super::deliver::{Ended, gone};
use super::failure::{hold, of_connectwise};
use super::parts::{Company, Connection, Parts};
use crate::domain::delivery::{About, Record, State, Step, Trigger};
use crate::domain::facts::{Expense, ExpenseUnit, RecordFacts};
use crate::domain::hold::{HoldCode, SkipReason};
use crate::domain::map::{unapproved, unreadable};
use crate::domain::record::{RecordKey, RecordKind, SourceId};
use crate::domain::rules::ExpensesBy;
use crate::domain::settle::{Blame, Failure, IntentFate, Outcome};
use crate::store::{Lease, StoreError};

/// What the first look at expenses came to.
pub(super) enum Begun {
    /// The step ends here.
    Ended(Box<Ended>),
    /// The record is the one to be posted.
    Own(Box<Lease>, RecordFacts),
}

/// Reads the entry or report, and what the accounting interface has of it if it is to be posted by itself; hands what
/// others post to them.
pub(super) async fn begin(lease: Lease, connection: &Connection, parts: &Parts) -> Result<Begun, StoreError> {
    match look(&lease.record, connection, parts).await? {
        Looked::Own(record) => Ok(Begun::Own(Box::new(lease), record)),
        Looked::Gone => {
            // Its report may have been posted with it.
            if let Some(report) = lease.record.report {
                accept_report(&lease.record.key, report, parts).await?;
            }
            Ok(Begun::Ended(Box::new(gone(lease, parts).await)))
        }
        Looked::Ended { outcome, about, others } => {
            for (key, trigger) in others {
                parts.store.accept(&key, trigger, parts.clock.now()).await?;
            }
            Ok(Begun::Ended(Box::new(Ended { lease, outcome: *outcome, about })))
        }
    }
}

/// What expenses are found to be.
pub(super) enum Looked {
    /// They are to be posted by this record.
    Own(RecordFacts),
    /// They are not in ConnectWise any more.
    Gone,
    /// Nothing is posted by this record.
    Ended {
        outcome: Box<Outcome>,
        about: Option<About>,
        /// The records that post them instead, and why these are looked at.
        others: Vec<(RecordKey, Trigger)>,
    },
}

impl Looked {
    fn ended(outcome: Outcome, about: Option<About>) -> Self {
        Self::Ended { outcome: Box::new(outcome), about, others: Vec::new() }
    }
}

/// The same as a read, which changes nothing.
pub(super) async fn look(known: &Record, connection: &Connection, parts: &Parts) -> Result<Looked, StoreError> {
    let source = known.key.source.as_str();
    let read = match known.key.kind {
        RecordKind::ExpenseReport => connection.client.expense_report(source).await,
        _ => connection.client.expense_entry(source).await,
    };
    let about = known.about.clone();
    let expense = match read {
        Ok(Some(expense)) => expense,
        Ok(None) => return Ok(Looked::Gone),
        Err(error) => {
            let failure = of_connectwise(&error, parts.clock.now());
            return Ok(Looked::ended(Outcome::Failed(failure), about));
        }
    };
    if expense.entries.is_empty() && !has_posted(known) {
        let about = Some(about_expense(&expense, None));
        return Ok(Looked::ended(Outcome::Skipped(SkipReason::NothingUnposted), about));
    }
    let company = match company(&known.key, &expense, parts) {
        Ok(company) => company,
        Err(failure) => {
            let about = Some(about_expense(&expense, None));
            return Ok(Looked::ended(Outcome::Failed(failure), about));
        }
    };
    if let Some((outcome, others)) = elsewhere(known, &expense, company, parts).await? {
        let about = Some(about_expense(&expense, company));
        return Ok(Looked::Ended { outcome: Box::new(outcome), about, others });
    }
    // What waits for an approval need not be previewed.
    let waits = company.is_some_and(|company| unapproved(&expense, &company.rules).is_some());
    if waits && !has_posted(known) {
        return Ok(Looked::Own(RecordFacts::Expense(Box::new(expense))));
    }
    let expense = match connection.client.listed(expense).await {
        Ok(expense) => expense,
        Err(error) => {
            let failure = of_connectwise(&error, parts.clock.now());
            return Ok(Looked::ended(Outcome::Failed(failure), about));
        }
    };
    if expense.unit == ExpenseUnit::Report
        && !has_posted(known)
        && let Some(failure) = posted_apart(&known.key, &expense, parts).await?
    {
        let about = Some(about_expense(&expense, company));
        return Ok(Looked::ended(Outcome::Failed(failure), about));
    }
    Ok(Looked::Own(RecordFacts::Expense(Box::new(expense))))
}

/// The organisation that takes all entries; none when none takes them.
fn company<'parts>(
    key: &RecordKey,
    expense: &Expense,
    parts: &'parts Parts,
) -> Result<Option<&'parts Company>, Failure> {
    let companies: Vec<Option<&Company>> =
        expense.locations().into_iter().map(|location| parts.company(key, location)).collect();
    let name = |company: Option<&Company>| company.map_or("none", |company| company.id.as_str()).to_owned();
    let names: BTreeSet<String> = companies.iter().copied().map(name).collect();
    if names.len() > 1 {
        let sentence = format!(
            "The entries of {} are of locations that several Xero organisations take: {}. Set `expenses` to entry for all of them, or move the entries.",
            expense.title(),
            names.into_iter().collect::<Vec<_>>().join(", ")
        );
        return Err(hold(HoldCode::NoCompany, sentence));
    }
    Ok(companies.into_iter().next().flatten())
}

/// How the step ends, and the records that post the expenses.
type Elsewhere = (Outcome, Vec<(RecordKey, Trigger)>);

/// The end of the step where the rules have the expenses posted by other records, or not at all.
async fn elsewhere(
    known: &Record,
    expense: &Expense,
    company: Option<&Company>,
    parts: &Parts,
) -> Result<Option<Elsewhere>, StoreError> {
    let Some(company) = company.filter(|_| !has_posted(known)) else { return Ok(None) };
    let key = &known.key;
    let alone = |outcome: Outcome| Some((outcome, Vec::new()));
    match (expense.unit, company.rules.expenses) {
        (_, ExpensesBy::Off) => Ok(alone(Outcome::Skipped(SkipReason::ExpensesOff))),
        (ExpenseUnit::Report, ExpensesBy::Report) => Ok(None),
        (ExpenseUnit::Report, ExpensesBy::Entry) => {
            let entries = expense.entries.iter().map(|entry| {
                let source = SourceId::from(entry.id);
                let key = RecordKey { connection: key.connection.clone(), kind: RecordKind::Expense, source };
                (key, Trigger::Report { report: expense.id })
            });
            Ok(Some((Outcome::Skipped(SkipReason::EntriesApart), entries.collect())))
        }
        (ExpenseUnit::Entry, by) => {
            let Some(report) = expense.report else {
                let reason = unreadable("expense report of the expense");
                let failure = Failure::Never { reason, intent: IntentFate::LookFirst };
                return Ok(alone(Outcome::Failed(failure)).filter(|_| by == ExpensesBy::Report));
            };
            let own = parts.store.record(&report_key(key, report)).await?;
            if by == ExpensesBy::Entry && !own.as_ref().is_some_and(has_posted) {
                let waits = own.is_some_and(|own| may_post(&own));
                let failure = || wait(format!("Its report {report} is being looked at."));
                return Ok(alone(Outcome::Failed(failure())).filter(|_| waits));
            }
            // One that it has left has to be looked at, too.
            let reports = known.report.into_iter().filter(|before| *before != report).chain([report]);
            let others = reports.map(|report| (report_key(key, report), of_entry(key))).collect();
            Ok(Some((Outcome::HandedOver { report }, others)))
        }
    }
}

/// Whether a record has put a document into Xero, or may have.
fn has_posted(record: &Record) -> bool {
    record.posted.is_some() || record.intent.is_some()
}

/// Whether a record may be about to put a document into Xero: a step that began before the rules were changed ends
/// by the old ones.
fn may_post(record: &Record) -> bool {
    record.intent.is_some() || matches!(record.state, State::Queued { step: Step::Post, .. })
}

/// Whether an operator decided that nothing of a record is posted.
fn is_stopped(state: &State) -> bool {
    match state {
        State::Held { reason } => reason.code == HoldCode::Operator,
        State::Skipped { reason } => reason.is_decided(),
        State::Queued { .. } | State::Done => false,
    }
}

/// The other record of the same expenses comes first.
fn wait(cause: String) -> Failure {
    Failure::Later { not_before: None, cause: cause.into(), blame: Blame::Outage, intent: IntentFate::Keep }
}

/// Why a report cannot be posted: an entry that it would take in has a bill of its own, or may have, or an operator
/// stopped it.
async fn posted_apart(key: &RecordKey, expense: &Expense, parts: &Parts) -> Result<Option<Failure>, StoreError> {
    for (entry, _) in expense.listed() {
        let source = SourceId::from(entry.id);
        let key = RecordKey { connection: key.connection.clone(), kind: RecordKind::Expense, source };
        let Some(known) = parts.store.record(&key).await? else { continue };
        if let Some(posted) = &known.posted {
            let sentence = format!(
                "The entry {} of {} was posted by itself as {} {}; the rule `expenses` was changed since.",
                entry.id,
                expense.title(),
                posted.kind.noun(),
                posted.number
            );
            return Ok(Some(hold(HoldCode::EditedAfterPost, sentence)));
        }
        if is_stopped(&known.state) {
            let sentence = format!("An operator holds or skipped the entry {} of {}.", entry.id, expense.title());
            return Ok(Some(hold(HoldCode::EntryStopped, sentence)));
        }
        if may_post(&known) {
            return Ok(Some(wait(format!("Its entry {} is being looked at.", entry.id))));
        }
    }
    Ok(None)
}

fn report_key(entry: &RecordKey, report: i64) -> RecordKey {
    RecordKey { connection: entry.connection.clone(), kind: RecordKind::ExpenseReport, source: SourceId::from(report) }
}

async fn accept_report(entry: &RecordKey, report: i64, parts: &Parts) -> Result<(), StoreError> {
    parts.store.accept(&report_key(entry, report), of_entry(entry), parts.clock.now()).await.map(drop)
}

fn of_entry(entry: &RecordKey) -> Trigger {
    Trigger::Entry { entry: entry.source.as_str().parse().unwrap_or_default() }
}

fn about_expense(expense: &Expense, company: Option<&Company>) -> About {
    About {
        company: company.map(|company| company.id.clone()),
        number: expense.id.to_string(),
        client: expense.member_name.as_str().into(),
        total: expense.entries.iter().filter_map(|entry| entry.amount).sum(),
        currency: expense.entries.iter().find_map(|entry| entry.currency.clone()).unwrap_or_default(),
        date: expense.date(),
        party: None,
    }
}
