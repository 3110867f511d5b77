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

impl Begun {
    fn ended(lease: Lease, outcome: Outcome, about: Option<About>) -> Self {
        Self::Ended(Box::new(Ended { lease, outcome, about }))
    }
}

/// Reads the entry or report, and what the accounting interface has of it if it is to be posted by itself.
pub(super) async fn begin(lease: Lease, connection: &Connection, parts: &Parts) -> Result<Begun, StoreError> {
    let source = lease.record.key.source.as_str();
    let read = match lease.record.key.kind {
        RecordKind::ExpenseReport => connection.client.expense_report(source).await,
        _ => connection.client.expense_entry(source).await,
    };
    let about = lease.record.about.clone();
    let expense = match read {
        Ok(Some(expense)) => expense,
        Ok(None) => {
            // Its report may have been posted with it.
            if let Some(report) = lease.record.report {
                accept_report(&lease.record.key, report, parts).await?;
            }
            return Ok(Begun::Ended(Box::new(gone(lease, parts).await)));
        }
        Err(error) => {
            let failure = of_connectwise(&error, parts.clock.now());
            return Ok(Begun::ended(lease, Outcome::Failed(failure), about));
        }
    };
    if expense.entries.is_empty() && !has_posted(&lease.record) {
        let about = Some(about_expense(&expense, None));
        return Ok(Begun::ended(lease, Outcome::Skipped(SkipReason::NothingUnposted), about));
    }
    let company = match company(&lease.record.key, &expense, parts) {
        Ok(company) => company,
        Err(failure) => {
            let about = Some(about_expense(&expense, None));
            return Ok(Begun::ended(lease, Outcome::Failed(failure), about));
        }
    };
    if let Some(outcome) = elsewhere(&lease, &expense, company, parts).await? {
        let about = Some(about_expense(&expense, company));
        return Ok(Begun::ended(lease, outcome, about));
    }
    // What waits for an approval need not be previewed.
    let waits = company.is_some_and(|company| unapproved(&expense, &company.rules).is_some());
    if waits && !has_posted(&lease.record) {
        return Ok(Begun::Own(Box::new(lease), RecordFacts::Expense(Box::new(expense))));
    }
    let expense = match connection.client.listed(expense).await {
        Ok(expense) => expense,
        Err(error) => {
            let failure = of_connectwise(&error, parts.clock.now());
            return Ok(Begun::ended(lease, Outcome::Failed(failure), about));
        }
    };
    if expense.unit == ExpenseUnit::Report
        && !has_posted(&lease.record)
        && let Some(failure) = posted_apart(&lease.record.key, &expense, parts).await?
    {
        let about = Some(about_expense(&expense, company));
        return Ok(Begun::ended(lease, Outcome::Failed(failure), about));
    }
    Ok(Begun::Own(Box::new(lease), RecordFacts::Expense(Box::new(expense))))
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

/// The end of the step where the rules have the expenses posted by other records, or not at all.
async fn elsewhere(
    lease: &Lease,
    expense: &Expense,
    company: Option<&Company>,
    parts: &Parts,
) -> Result<Option<Outcome>, StoreError> {
    let Some(company) = company.filter(|_| !has_posted(&lease.record)) else { return Ok(None) };
    let key = &lease.record.key;
    match (expense.unit, company.rules.expenses) {
        (_, ExpensesBy::Off) => Ok(Some(Outcome::Skipped(SkipReason::ExpensesOff))),
        (ExpenseUnit::Report, ExpensesBy::Report) => Ok(None),
        (ExpenseUnit::Report, ExpensesBy::Entry) => {
            for entry in &expense.entries {
                let source = SourceId::from(entry.id);
                let key = RecordKey { connection: key.connection.clone(), kind: RecordKind::Expense, source };
                parts.store.accept(&key, Trigger::Report { report: expense.id }, parts.clock.now()).await?;
            }
            Ok(Some(Outcome::Skipped(SkipReason::EntriesApart)))
        }
        (ExpenseUnit::Entry, by) => {
            let Some(report) = expense.report else {
                let reason = unreadable("expense report of the expense");
                let failure = Failure::Never { reason, intent: IntentFate::LookFirst };
                return Ok(Some(Outcome::Failed(failure)).filter(|_| by == ExpensesBy::Report));
            };
            let known = parts.store.record(&report_key(key, report)).await?;
            if by == ExpensesBy::Entry && !known.as_ref().is_some_and(has_posted) {
                let waits = known.is_some_and(|known| may_post(&known));
                let failure = || wait(format!("Its report {report} is being looked at."));
                return Ok(waits.then(|| Outcome::Failed(failure())));
            }
            // One that it has left has to be looked at, too.
            for report in lease.record.report.into_iter().filter(|before| *before != report).chain([report]) {
                accept_report(key, report, parts).await?;
            }
            Ok(Some(Outcome::HandedOver { report }))
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
    let id = entry.source.as_str().parse().unwrap_or_default();
    parts.store.accept(&report_key(entry, report), Trigger::Entry { entry: id }, parts.clock.now()).await.map(drop)
}

fn about_expense(expense: &Expense, company: Option<&Company>) -> About {
    About {
        company: company.map(|company| company.id.clone()),
        number: expense.id.to_string(),
        client: expense.member_name.as_str().into(),
        total: expense.entries.iter().filter_map(|entry| entry.amount).sum(),
        currency: expense.entries.iter().find_map(|entry| entry.currency.clone()).unwrap_or_default(),
        date: expense.date(),
    }
}
