//! Changes the document of a record that was edited after it was posted, where the rules and Xero let that be.
//!
//! The change is a request like a creation: its intent is durable before it is sent, the same bytes are repeated while
//! Xero remembers the key, and after that the document is looked at. One that says what is wanted is done, however it
//! came to that; one that says neither what was posted nor what is wanted was changed by a person, and is theirs.

use jiff::Timestamp;
use uuid::Uuid;

use super::contact::{contact_warning, create_contact};
use super::deliver::{Ended, Subject};
use super::edited::{self, Changed};
use super::failure::{hold, of_connectwise, of_xero};
use super::gather;
use super::parts::Parts;
use super::post::{RESEND_FOR, Stop, decide, hash, xero_failed};
use super::unknown::no_longer_at_work;
use crate::domain::balance::Balanced;
use crate::domain::content::{Content, lines_hash};
use crate::domain::delivery::{About, Intent, Posted, Purpose};
use crate::domain::document::Document;
use crate::domain::draft::ContactChoice;
use crate::domain::edit::{Edit, Verdict, verdict};
use crate::domain::facts::{Facts, Organisation, Party, RecordFacts};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::map;
use crate::domain::money::Money;
use crate::domain::plan::{Action, Plan, dated_after_locks};
use crate::domain::settle::{Blame, Failure, IntentFate, Outcome};
use crate::domain::warning::Warning;
use crate::store::{ArmRequest, Lease, StoreError};
use crate::xero::{self, Created, XeroError};

/// What the record would become now.
struct Wanted {
    document: Balanced,
    /// What would create it; without its contact while that is to be created.
    body: String,
    /// Who has no contact in Xero yet.
    unknown: Option<Box<Party>>,
    facts: Facts,
    warnings: Vec<Warning>,
}

/// What a step comes to before anything is sent.
enum Prepared {
    /// It ends so.
    Is(Box<Outcome>),
    /// This is to be sent.
    Send(Box<Wanted>),
}

/// Changes the document, or holds the record with what stands against that.
pub(super) async fn deliver(
    lease: Lease,
    subject: Subject<'_>,
    changed: Changed,
    about: Option<About>,
    parts: &Parts,
) -> Result<Ended, StoreError> {
    let prepared = match Box::pin(prepare(&lease, &subject, &changed, parts)).await {
        Ok(prepared) => prepared,
        Err(Stop::Failed(failure)) => return Ok(Ended { lease, outcome: Outcome::Failed(failure), about }),
        Err(Stop::Store(error)) => return Err(error),
    };
    match prepared {
        Prepared::Is(outcome) => Ok(Ended { lease, outcome: *outcome, about }),
        Prepared::Send(wanted) => send(lease, &subject, (&changed, *wanted), about, parts).await,
    }
}

async fn prepare(lease: &Lease, subject: &Subject<'_>, changed: &Changed, parts: &Parts) -> Result<Prepared, Stop> {
    let rules = &subject.company.rules;
    // Something else of the record is on its way to Xero and comes first.
    if lease.record.intent.as_ref().is_some_and(|intent| intent.purpose != Purpose::Update) {
        return Err(Failure::Never { reason: changed.reason.clone(), intent: IntentFate::Keep }.into());
    }
    let ours = lease.record.intent.as_ref().filter(|intent| intent.purpose == Purpose::Update);
    let organisation = subject.company.client.organisation().await.map_err(xero_failed)?;
    // What only a person can decide needs no further call.
    let edit = edit(changed, subject, &organisation);
    let first = verdict(&Edit { in_xero: Some(Vec::new()), ..edit.clone() }, rules);
    if let (Verdict::Hold { .. }, None) = (&first, ours) {
        return Ok(held(changed, first, IntentFate::Keep));
    }
    let fate = fate(changed, ours, parts.clock.now());
    let wanted = match Box::pin(wanted(lease, subject, parts)).await? {
        Ok(wanted) => wanted,
        Err(reason) => {
            let why = format!("It cannot be changed in place. {}", reason.sentence);
            return Ok(held(changed, Verdict::Hold { why, in_xero: Vec::new() }, fate));
        }
    };
    if let Some(why) = in_addition(changed, &wanted.facts.record, subject, parts).await? {
        return Ok(held(changed, Verdict::Hold { why, in_xero: Vec::new() }, fate));
    }
    let standing = &changed.standing;
    let says = xero::sent(wanted.document.draft().kind, &wanted.body).unwrap_or_default();
    let is_done =
        says.differences(&standing.content).is_empty() && standing.document.total.to_cents() == wanted.document.total();
    if is_done {
        // A request for something else must not come after this.
        let is_that = changed.sent.since.as_ref().is_some_and(|since| says.differences(since).is_empty());
        if let Some(intent) = ours.filter(|_| !is_that) {
            no_longer_at_work(intent, parts.clock.now())?;
        }
        let created = Created { id: changed.posted.id, total: standing.document.total };
        return Ok(Prepared::Is(Box::new(as_wanted(changed, wanted, created, parts))));
    }
    let in_xero = if changed.is_sent() { Some(Vec::new()) } else { changed.changes() };
    match verdict(&Edit { in_xero, ..edit }, rules) {
        Verdict::Update => Ok(Prepared::Send(Box::new(with_contact(lease, subject, wanted, parts).await?))),
        against @ Verdict::Hold { .. } => {
            // A request of unknown outcome may still be what is seen, or come after it.
            if let Some(intent) = ours {
                no_longer_at_work(intent, parts.clock.now())?;
            }
            Ok(held(changed, against, fate))
        }
    }
}

/// Why what ConnectWise lists now may be another part of the record than the one that was posted.
async fn in_addition(
    changed: &Changed,
    record: &RecordFacts,
    subject: &Subject<'_>,
    parts: &Parts,
) -> Result<Option<String>, Failure> {
    if matches!(record, RecordFacts::Invoice(_)) {
        return Ok(None);
    }
    let again = edited::is_listed_again(record, changed.sent.content.as_ref(), &subject.connection.client).await;
    let again = again.map_err(|error| of_connectwise(&error, parts.clock.now()))?;
    let why = "Not all that was posted of it is listed as unposted again, so what is listed may have come in addition: take the rest out of its batch in ConnectWise, then retry.";
    Ok((!again).then(|| why.to_owned()))
}

fn edit<'changed>(changed: &'changed Changed, subject: &Subject<'_>, organisation: &Organisation) -> Edit<'changed> {
    let document = &changed.standing.document;
    let is_draft = matches!(document.status.as_str(), "DRAFT" | "SUBMITTED");
    let locked = document.date.filter(|_| !is_draft).and_then(|date| {
        dated_after_locks(document.kind.noun(), date, organisation).err().map(|reason| reason.sentence.to_string())
    });
    let locks = organisation.period_lock.max(organisation.year_lock);
    Edit {
        posted: &changed.posted,
        kind: subject.kind(),
        total: map::worth(&subject.record, &subject.company.rules),
        status: &document.status,
        settled: changed.standing.settled,
        locked,
        open_from: locks.and_then(|lock| lock.tomorrow().ok()),
        in_xero: None,
    }
}

/// What becomes of a request that is known to have changed nothing: while the document says something else than what was
/// posted, the record stays one that is being changed.
fn not_handled(changed: &Changed) -> IntentFate {
    let untouched = changed.changes().is_some_and(|changes| changes.is_empty());
    if untouched { IntentFate::Clear } else { IntentFate::LookFirst }
}

/// What becomes of a request of unknown outcome when the record is held.
fn fate(changed: &Changed, ours: Option<&Intent>, now: Timestamp) -> IntentFate {
    match ours {
        Some(intent) if no_longer_at_work(intent, now).is_ok() => not_handled(changed),
        _ => IntentFate::Keep,
    }
}

/// The hold of an edit with what stands against a change of the document.
fn held(changed: &Changed, verdict: Verdict, intent: IntentFate) -> Prepared {
    let HoldReason { code, sentence, mut differences, cause: _ } = changed.reason.clone();
    let (why, in_xero) = match verdict {
        Verdict::Update => (String::new(), Vec::new()),
        Verdict::Hold { why, in_xero } => (why, in_xero),
    };
    differences.extend(in_xero.into_iter().map(|mut difference| {
        difference.field = format!("in Xero, {}", difference.field);
        difference
    }));
    let sentence = if why.is_empty() { sentence.to_string() } else { format!("{sentence} {why}") };
    let reason = HoldReason::new(code, sentence).with(differences);
    Prepared::Is(Box::new(Outcome::Failed(Failure::Never { reason, intent })))
}

/// Plans the document anew; a hold when there is none to be had.
async fn wanted(lease: &Lease, subject: &Subject<'_>, parts: &Parts) -> Result<Result<Wanted, HoldReason>, Stop> {
    let gathered = Box::pin(gather::facts(&lease.record, subject, parts)).await?;
    let (mut facts, _) = gathered.kept(parts).await?;
    let planned = decide(&mut facts, lease.record.asked, subject, parts).await?;
    let other =
        || HoldReason::new(HoldCode::EditedAfterPost, "ConnectWise does not list it as something to be posted.");
    let Some(Plan { action, warnings }) = planned else { return Ok(Err(other())) };
    let (document, contact) = match action {
        Action::Create { document, contact, .. } => (document, contact),
        Action::Hold(reason) => return Ok(Err(reason)),
        Action::Skip(reason) => {
            return Ok(Err(HoldReason::new(HoldCode::EditedAfterPost, format!("Now {}.", reason.sentence()))));
        }
        Action::Adopt(_) => return Ok(Err(other())),
    };
    // A contact is made only for what is sent.
    let (contact, unknown) = match contact {
        Some(ContactChoice::Known(contact)) => (contact, None),
        Some(ContactChoice::Create(whom)) => (Uuid::nil(), Some(whom)),
        None => return Ok(Err(other())),
    };
    let body = xero::body(&document, Some(contact));
    match *document {
        Document::Invoice(document) => Ok(Ok(Wanted { document, body, unknown, facts, warnings })),
        Document::Journal(_) => Ok(Err(other())),
    }
}

/// The same with its contact, which is created if it has to be.
async fn with_contact(lease: &Lease, subject: &Subject<'_>, mut wanted: Wanted, parts: &Parts) -> Result<Wanted, Stop> {
    if let Some(whom) = wanted.unknown.take() {
        let contact = create_contact(lease, subject, &whom, parts).await?;
        wanted.warnings.push(contact_warning(&whom));
        wanted.body = xero::body(&Document::Invoice(wanted.document.clone()), Some(contact));
    }
    Ok(wanted)
}

/// The record as its document says now.
fn as_wanted(changed: &Changed, wanted: Wanted, created: Created, parts: &Parts) -> Outcome {
    let Wanted { document, facts, warnings, .. } = wanted;
    let total: Money = document.total();
    let posted = Posted {
        number: document.draft().number.clone(),
        total,
        xero_total: created.total.to_cents(),
        at: parts.clock.now(),
        content: facts.record.content_hash(),
        lines: lines_hash(&facts.record),
        ..changed.posted.clone()
    };
    Outcome::Posted { posted, content: Some(Box::new(Content::of(&facts.record))), warnings }
}

/// Makes the intent durable and sends it, once.
async fn send(
    lease: Lease,
    subject: &Subject<'_>,
    (changed, wanted): (&Changed, Wanted),
    about: Option<About>,
    parts: &Parts,
) -> Result<Ended, StoreError> {
    let (id, standing) = (changed.posted.id, &changed.standing);
    let body = xero::change_body(&wanted.document, &wanted.body, (id, &standing.content));
    let (Some(body), Some(known)) = (body, about.clone()) else {
        let outcome = Outcome::Failed(hold(HoldCode::EditedAfterPost, "The change could not be written down."));
        return Ok(Ended { lease, outcome, about });
    };
    let (intent, repeated) = match intent(&lease, subject, (&wanted.document, &body), parts.clock.now()) {
        Ok(intent) => intent,
        Err(failure) => return Ok(Ended { lease, outcome: Outcome::Failed(failure), about }),
    };
    let xero = &subject.company.client;
    let permit = match xero.permit().await {
        Ok(permit) => permit,
        Err(error) => return Ok(Ended { lease, outcome: Outcome::Failed(of_xero(error, IntentFate::Keep)), about }),
    };
    let request = ArmRequest { intent, about: known, body };
    let armed = parts.store.arm(lease, request, parts.clock.now()).await?;
    let answer = xero.change(permit, (changed.posted.kind, id), (armed.idempotency_key(), armed.body())).await;
    let lease = armed.into_lease();
    let outcome = match answer {
        Ok(created) => as_wanted(changed, wanted, created, parts),
        Err(XeroError::Refused(HoldReason { sentence, .. })) if !repeated => refused(changed, sentence.as_str()),
        Err(XeroError::NumberTaken { message }) if !repeated => refused(changed, &message),
        // One of two requests was refused: the look says what the other has done.
        Err(XeroError::Refused(HoldReason { sentence, .. })) => look_again(sentence.to_string(), parts),
        Err(XeroError::NumberTaken { message }) => look_again(message, parts),
        Err(error) => {
            let not_handled = if repeated { IntentFate::LookFirst } else { not_handled(changed) };
            Outcome::Failed(of_xero(error, not_handled))
        }
    };
    Ok(Ended { lease, outcome, about })
}

fn refused(changed: &Changed, said: &str) -> Outcome {
    let why = format!("Xero does not change it. {said}");
    let fate = not_handled(changed);
    match held(changed, Verdict::Hold { why, in_xero: Vec::new() }, fate) {
        Prepared::Is(outcome) => *outcome,
        Prepared::Send(_) => Outcome::Failed(Failure::Never { reason: changed.reason.clone(), intent: fate }),
    }
}

fn look_again(cause: String, parts: &Parts) -> Outcome {
    Outcome::Failed(Failure::Later {
        not_before: Some(parts.clock.now()),
        cause: cause.into(),
        blame: Blame::Record,
        intent: IntentFate::LookFirst,
    })
}

/// The same request again while Xero remembers its key. Another one waits until Xero cannot be at work on the first any
/// more, which could undo what the other has done.
fn intent(
    lease: &Lease,
    subject: &Subject<'_>,
    (document, body): (&Balanced, &str),
    now: Timestamp,
) -> Result<(Intent, bool), Failure> {
    let body_hash = hash(body);
    if let Some(before) = &lease.record.intent {
        let alive = now.duration_since(before.at) < RESEND_FOR && now >= before.at;
        if before.purpose == Purpose::Update && before.resend && alive && before.body_hash == body_hash {
            return Ok((before.clone(), true));
        }
        no_longer_at_work(before, now)?;
    }
    let short = body_hash.get(..32).unwrap_or_default();
    let key = format!("rp:{}:{}:{}:{short}", subject.company.id, lease.record.key, lease.record.generation);
    let intent = Intent {
        key: format!("rp:{}", hash(&key)),
        body_hash,
        company: subject.company.id.clone(),
        kind: document.draft().kind,
        number: document.draft().number.clone(),
        at: now,
        resend: true,
        change: None,
        purpose: Purpose::Update,
    };
    Ok((intent, false))
}
