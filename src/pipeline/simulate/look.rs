//! What would become of one record: a step without the right to write.

use super::{Candidate, Seen, Simulating, facts_of, from_ever, known};
use crate::connectwise::ConnectWise;
use crate::domain::contact::ContactMatch;
use crate::domain::delivery::{About, Record, State};
use crate::domain::document::Document;
use crate::domain::draft::ContactChoice;
use crate::domain::facts::{Existing, Facts, RecordFacts};
use crate::domain::hold::{HoldCode, SkipReason};
use crate::domain::map::cost_document;
use crate::domain::plan::{Action, Plan, triage};
use crate::domain::record::RecordKind;
use crate::domain::rules::CostOfGoods;
use crate::domain::settle::{Failure, Outcome};
use crate::domain::simulation::{Planned, Simulated, Verdict};
use crate::pipeline::contact::contact_warning;
use crate::pipeline::deliver::{Part, Subject, about, kept, no_company, read};
use crate::pipeline::failure::{hold, of_connectwise};
use crate::pipeline::gather;
use crate::pipeline::met::Pays;
use crate::pipeline::parts::{Company, Connection};
use crate::pipeline::post::{Look, Stop, decide, due_look, looked, planned};
use crate::pipeline::report;
use crate::xero;

/// What the look at a record is about: whether it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Yes,
    No,
}

/// What was read of a record.
enum Read {
    /// The record.
    Record(RecordFacts),
    /// Nothing is posted by it.
    Ended(Box<Outcome>, Option<About>),
}

impl Simulating<'_> {
    /// Looks at one record.
    pub(super) async fn look(&self, candidate: &Candidate) -> Result<Seen, String> {
        let mut row = Simulated::of(candidate.key.clone());
        match Box::pin(self.fill(candidate, &mut row)).await {
            Ok(Counts::Yes) => Ok(Seen::row(row)),
            Ok(Counts::No) => Ok(Seen::Other),
            Err(Stop::Store(error)) => Err(error.to_string()),
            Err(Stop::Failed(failure)) => failed(failure, row),
        }
    }

    /// Fills the row; what stops it is told by its failure, as a step would tell it.
    async fn fill(&self, candidate: &Candidate, row: &mut Simulated) -> Result<Counts, Stop> {
        let known = known(&candidate.key, self.parts).await?;
        let before = self.calls().connectwise;
        let Some(connection) = self.parts.connections.get(&candidate.key.connection) else {
            let sentence = format!("The connection '{}' is not in the configuration.", candidate.key.connection);
            return Err(hold(HoldCode::NoCompany, sentence).into());
        };
        let record = match self.read(candidate, &known, connection).await? {
            Read::Record(record) => record,
            Read::Ended(outcome, about) => return self.ended(*outcome, about, row),
        };
        let company = kept(&known, &record, self.parts).or_else(|| self.parts.company(&known.key, record.location()));
        describe(row, about(&record, company, known.about.as_ref()));
        if !self.counts(company, row) {
            return Ok(Counts::No);
        }
        let company = company.ok_or_else(|| Stop::Failed(no_company(record.location())))?;
        let ever = self.month.map(|_| from_ever(company));
        let company = ever.as_ref().unwrap_or(company);
        if let Some(decided) = decided(&known, row) {
            *row = decided;
            return Ok(Counts::Yes);
        }
        let subject = Subject { key: known.key.clone(), record, connection, company, part: Part::Main };
        let batched = Some(Action::Skip(SkipReason::PostedBefore));
        let elsewhere = Some(Action::Skip(SkipReason::BatchedElsewhere));
        let triaged = triage(&subject.record, &company.rules);
        if known.posted.is_some() || triaged == batched || triaged == elsewhere {
            self.compare_posted(&known, &subject, row).await?;
            return Ok(Counts::Yes);
        }
        match triaged {
            Some(action) => settled(action, row),
            None => self.post(&known, subject, (row, candidate.invoice.is_some(), before)).await?,
        }
        Ok(Counts::Yes)
    }

    /// Reads the record as a step does; an invoice that was listed is there already.
    async fn read(&self, candidate: &Candidate, known: &Record, connection: &Connection) -> Result<Read, Stop> {
        if let Some(invoice) = &candidate.invoice {
            return Ok(Read::Record(facts_of(invoice)));
        }
        if matches!(known.key.kind, RecordKind::Expense | RecordKind::ExpenseReport) {
            return Ok(match Box::pin(report::look(known, connection, self.parts)).await? {
                report::Looked::Own(record) => Read::Record(record),
                report::Looked::Gone => gone(known),
                report::Looked::Ended { outcome, about, .. } => Read::Ended(outcome, about),
            });
        }
        let read = read(known, connection).await;
        let read = read.map_err(|error| Stop::Failed(of_connectwise(&error, self.parts.clock.now())))?;
        Ok(read.map_or_else(|| gone(known), Read::Record))
    }

    /// Whether a record of this company and day was asked for. One that no company takes is everybody's.
    fn counts(&self, company: Option<&Company>, row: &Simulated) -> bool {
        let of_company = company.is_none_or(|company| self.company.is_none_or(|wanted| wanted.id == company.id));
        let of_month = row.date.is_none_or(|date| self.month.is_none_or(|month| month.has(date)));
        of_company && of_month
    }

    /// A record by which nothing is posted.
    fn ended(&self, outcome: Outcome, about: Option<About>, row: &mut Simulated) -> Result<Counts, Stop> {
        if let Some(about) = about {
            let company = self.parts.companies.iter().find(|known| about.company.as_ref() == Some(&known.id));
            describe(row, about);
            if !self.counts(company, row) {
                return Ok(Counts::No);
            }
        }
        match outcome {
            Outcome::Failed(failure) => return Err(failure.into()),
            Outcome::Skipped(reason) => *row = row.clone().skipped(reason),
            _ => *row = row.clone().skipped(SkipReason::PostedWithReport),
        }
        Ok(Counts::Yes)
    }

    /// A record that is to be posted.
    async fn post(
        &self,
        known: &Record,
        subject: Subject<'_>,
        (row, listed, before): (&mut Simulated, bool, u32),
    ) -> Result<(), Stop> {
        let gather::Gathered { mut facts, closed_at, .. } =
            Box::pin(gather::facts_with(known, &subject, self.parts, Some(&self.met))).await?;
        let read = self.calls().connectwise.saturating_sub(before).saturating_add(u32::from(listed));
        let due = due_look(known, (&facts, closed_at), &subject, self.parts);
        let asked = known.asked.max(Some(self.begun));
        let mut plan = decide(&mut facts, asked, &subject, self.parts).await?;
        // Whether it is there already matters only to what would be sent, or what a lock date stops.
        let matters = |plan: &Plan| match &plan.action {
            Action::Create { .. } | Action::Adopt(_) => true,
            Action::Hold(reason) => reason.code == HoldCode::PeriodLocked,
            Action::Skip(_) => false,
        };
        if plan.as_ref().is_some_and(matters) && facts.record.is_unposted() {
            let listed = self.in_list(&subject).map(|stated| Existing::Found(stated.document.clone()));
            facts.existing = match listed {
                Some(found) => found,
                None => looked(&facts, due.max(Look::Number), &subject).await?,
            };
            plan = planned(&facts, &subject);
        }
        let Some(Plan { action, warnings }) = plan else {
            return Err(hold(HoldCode::UnreadableField, "Nothing was planned for the record.").into());
        };
        row.warnings = warnings;
        match action {
            Action::Create { document, contact, .. } => {
                row.verdict = Verdict::Post;
                let creates = matches!(contact, Some(ContactChoice::Create(_)));
                let party = facts.party.as_ref();
                let pays = party.map(|party| self.met.pays(&subject.company.id, party, (known, creates)));
                let pays = pays.unwrap_or_default();
                row.calls.xero = cost(&facts, (pays, due), &subject);
                row.calls.connectwise = read.saturating_add(ConnectWise::MARKING_CALLS);
                requests(&facts, (&document, contact, pays), &subject, row);
            }
            Action::Adopt(existing) => {
                row.verdict = Verdict::Adopt;
                row.calls.xero = 2;
                row.calls.connectwise = read.saturating_add(ConnectWise::MARKING_CALLS);
                self.compare_planned(&facts, &existing, &subject, row).await?;
            }
            Action::Skip(reason) => *row = row.clone().skipped(reason),
            Action::Hold(reason) => {
                *row = row.clone().held(&reason);
                if let (HoldCode::DocumentDiffers, Existing::Found(existing)) = (reason.code, &facts.existing) {
                    self.compare_planned(&facts, existing, &subject, row).await?;
                }
            }
        }
        Ok(())
    }
}

/// Calls to Xero that posting costs: the document, its journal, a look where it is due, and what it pays for its contact.
fn cost(facts: &Facts, (pays, due): (Pays, Look), subject: &Subject<'_>) -> u32 {
    let rules = &subject.company.rules;
    let with_cost = rules.cost_of_goods != CostOfGoods::Off && matches!(cost_document(facts, rules), Ok(Some(_)));
    let looks = match due {
        Look::None => 0,
        Look::Number => 1,
        Look::Both => 2,
    };
    let calls = [true, with_cost, pays.directory, pays.created].into_iter().filter(|call| *call).count();
    u32::try_from(calls).unwrap_or(u32::MAX).saturating_add(looks)
}

/// The requests that would be sent.
fn requests(
    facts: &Facts,
    (document, contact, pays): (&Document, Option<ContactChoice>, Pays),
    subject: &Subject<'_>,
    row: &mut Simulated,
) {
    let rules = &subject.company.rules;
    let contact = match contact {
        Some(ContactChoice::Known(contact)) => Some(contact),
        // The first record of a client creates its contact, and has the warning.
        Some(ContactChoice::Create(_)) if !pays.created => None,
        Some(ContactChoice::Create(whom)) => {
            row.warnings.push(contact_warning(&whom));
            row.new_contact.clone_from(&whom.name);
            None
        }
        None => None,
    };
    row.requests.push(request(document, contact));
    if rules.cost_of_goods != CostOfGoods::Off
        && let Ok(Some(cost)) = cost_document(facts, rules)
    {
        let known = facts.contact.as_ref().filter(|_| facts.party.as_ref().is_some_and(|party| party.id == 0));
        let known = if let Some(ContactMatch::Known(contact)) = known { Some(*contact) } else { None };
        row.warnings.extend(cost.warnings);
        row.requests.push(request(&cost.value, known));
    }
}

fn request(document: &Document, contact: Option<uuid::Uuid>) -> Planned {
    Planned {
        kind: document.kind(),
        path: xero::path(document.kind()),
        total: document.total(),
        body: xero::body(document, contact),
    }
}

/// What an operator decided about a record, which posting would not touch.
fn decided(known: &Record, row: &Simulated) -> Option<Simulated> {
    match &known.state {
        State::Held { reason } if reason.code == HoldCode::Operator => Some(row.clone().held(reason)),
        State::Skipped { reason } if reason.is_decided() => Some(row.clone().skipped(*reason)),
        _ => None,
    }
}

/// A verdict that needs no document.
fn settled(action: Action, row: &mut Simulated) {
    match action {
        Action::Skip(reason) => *row = row.clone().skipped(reason),
        Action::Hold(reason) => *row = row.clone().held(&reason),
        Action::Create { .. } | Action::Adopt(_) => {}
    }
}

fn gone(known: &Record) -> Read {
    Read::Ended(Box::new(Outcome::Skipped(SkipReason::Deleted)), known.about.clone())
}

fn describe(row: &mut Simulated, about: About) {
    let About { number, client, total, currency, date, .. } = about;
    (row.number, row.party, row.total, row.currency, row.date) = (number, client, total, currency, date);
}

/// The row of a record that a failure stops; what stops all of them is an error.
fn failed(failure: Failure, mut row: Simulated) -> Result<Seen, String> {
    match failure {
        Failure::Never { reason, .. } => Ok(Seen::row(row.held(&reason))),
        Failure::Everyone { cause, .. } => Err(cause.to_string()),
        Failure::Later { not_before: Some(until), .. } => Ok(Seen::Waits(until)),
        Failure::Later { cause, .. } => {
            row.verdict = Verdict::Unread;
            row.sentence = cause.to_string();
            Ok(Seen::row(row))
        }
    }
}
