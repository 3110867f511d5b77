//! The step that makes the document: facts, plan, durable intent, one request.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::contact::{contact_warning, create_contact};
use super::deliver::{Ended, Part, Subject, verdict};
use super::failure::{hold, of_xero};
use super::gather;
use super::made::{self, After};
use super::parts::Parts;
use super::unknown::{believable, is_another, look_up, unfinished};
use crate::domain::contact::ContactMatch;
use crate::domain::content::Content;
use crate::domain::delivery::{About, CostJournal, Intent, Posted, Purpose, Record};
use crate::domain::document::Document;
use crate::domain::draft::{ContactChoice, DocumentKind};
use crate::domain::facts::{Existing, Facts};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::plan::{Action, Plan, plan, plan_cost};
use crate::domain::settle::{Blame, Failure, IntentFate, Outcome};
use crate::domain::text::hex;
use crate::domain::warning::Warning;
use crate::store::{ArmRequest, Event, Lease, StoreError};
use crate::xero::{self, Request, XeroError};

/// The same bytes are sent again under the same key for this long after the first time.
///
/// Xero promises to remember a key for 6 minutes; a request that is sent last still has a minute then.
pub(super) const RESEND_FOR: SignedDuration = SignedDuration::from_mins(5);
/// By how much the clocks of ConnectWise and this machine may differ.
const CLOCK_MARGIN: SignedDuration = SignedDuration::from_mins(2);
/// Settings of the organisation older than this are read anew before a hold is blamed on them; older than
/// the moment an operator asked for another look, if one did, because they have just mended something.
const STALE_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Why a step stops before its request is sent.
pub(super) enum Stop {
    Failed(Failure),
    Store(StoreError),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub(super) fn xero_failed(error: XeroError) -> Stop {
    Stop::Failed(of_xero(error, IntentFate::Keep))
}

/// Posts the record, unless its facts ask for something else.
pub(super) async fn post(
    lease: Lease,
    subject: Subject<'_>,
    about: Option<About>,
    parts: &Parts,
) -> Result<Ended, StoreError> {
    let prepared = match Box::pin(prepare(&lease, &subject, parts)).await {
        Ok(prepared) => prepared,
        Err(Stop::Failed(failure)) => return Ok(Ended { lease, outcome: Outcome::Failed(failure), about }),
        Err(Stop::Store(error)) => return Err(error),
    };
    match prepared {
        Prepared::Verdict(outcome) => Ok(Ended { lease, outcome: *outcome, about }),
        Prepared::Send(sending) => Box::pin(send(lease, &subject, *sending, about, parts)).await,
    }
}

/// What preparing came to.
enum Prepared {
    /// Nothing has to be sent.
    Verdict(Box<Outcome>),
    /// This has to be sent.
    Send(Box<Sending>),
}

/// A request that is ready but for its permit.
struct Sending {
    document: Box<Document>,
    /// What is kept with it.
    after: After,
    body: String,
    intent: Intent,
    /// What ConnectWise says of the record; none for the journal of its cost.
    content: Option<Box<Content>>,
    /// It was sent before, with no known outcome.
    repeated: bool,
    /// A look-up found no document of its number.
    looked: bool,
    warnings: Vec<Warning>,
}

async fn prepare(lease: &Lease, subject: &Subject<'_>, parts: &Parts) -> Result<Prepared, Stop> {
    let mut facts = Box::pin(gather(lease, subject, parts)).await?;
    let mut contact_created = lease.record.creating_contact;
    loop {
        let planned = decide(&mut facts, lease.record.asked, subject, parts).await?;
        let Some(Plan { action, mut warnings }) = planned else {
            return without_cost(lease, facts, subject, parts).await;
        };
        let after = After::of(lease, &facts, subject);
        let content = matches!(subject.part, Part::Main).then(|| Box::new(Content::of(&facts.record)));
        let (document, contact) = match action {
            Action::Create { document, contact, .. } => (document, contact),
            Action::Adopt(document) => {
                warnings.extend(facts.party.as_ref().filter(|_| contact_created).map(contact_warning));
                let after = made::compared(&document, (&facts, after), subject, &mut warnings).await?;
                let posted = made::adopted(&document, after, subject, parts)?;
                return Ok(Prepared::Verdict(Box::new(Outcome::Posted { posted, content, warnings })));
            }
            other => return Ok(Prepared::Verdict(Box::new(verdict(other)))),
        };
        let contact = match contact {
            Some(ContactChoice::Known(contact)) => Some(contact),
            Some(ContactChoice::Create(whom)) => {
                contact_created = true;
                Some(create_contact(lease, subject, &whom, parts).await?)
            }
            None => None,
        };
        warnings.extend(facts.party.as_ref().filter(|_| contact_created).map(contact_warning));
        let body = xero::body(&document, contact);
        let now = parts.clock.now();
        let looked = facts.existing.is_none_of(subject.mark().as_deref());
        match (intent_for(lease, subject, (&document, &body), now), &facts.existing) {
            (Some((intent, repeated)), _) => {
                let sending = Sending { document, after, body, intent, content, repeated, looked, warnings };
                return Ok(Prepared::Send(Box::new(sending)));
            }
            (None, Existing::NotLookedUp) => {
                facts.existing = look_up(subject, &subject.number()).await?;
                facts.contact = contact.map(ContactMatch::Known);
            }
            (None, _) => {
                if let Some(intent) = &lease.record.intent {
                    believable(intent, now)?;
                }
                let intent = new_intent(lease, subject, (&document, &body), now);
                let sending = Sending { document, after, body, intent, content, repeated: false, looked, warnings };
                return Ok(Prepared::Send(Box::new(sending)));
            }
        }
    }
}

/// The costs of a posted invoice came to nothing: what an earlier look at them left in Xero decides.
async fn without_cost(lease: &Lease, facts: Facts, subject: &Subject<'_>, parts: &Parts) -> Result<Prepared, Stop> {
    let Part::Cost(posted) = &subject.part else {
        return Err(hold(HoldCode::UnreadableField, "Nothing was planned for the record.").into());
    };
    if !facts.record.is_unposted() {
        let sentence = "ConnectWise does not list the invoice as unposted, so its costs cannot be read.";
        return Err(hold(HoldCode::NotUnposted, sentence).into());
    }
    let existing = match &lease.record.intent {
        Some(_) => look_up(subject, &subject.number()).await?,
        None => facts.existing,
    };
    if let Some(journal) = existing.marked(subject.mark().as_deref()) {
        let sentence = format!(
            "The journal {} of the cost of {} ({}) is in Xero, and meanwhile the rules or ConnectWise say that it costs nothing: void the journal, then retry.",
            journal.id, posted.number, journal.total
        );
        return Err(hold(HoldCode::EditedAfterPost, sentence).into());
    }
    if let Some(intent) = &lease.record.intent {
        believable(intent, parts.clock.now())?;
    }
    let posted = Posted { journal: None, ..posted.as_ref().clone() };
    Ok(Prepared::Verdict(Box::new(Outcome::Posted { posted, content: None, warnings: Vec::new() })))
}

/// The intent to use without looking first; none when a look-up has to come before.
fn intent_for(
    lease: &Lease,
    subject: &Subject<'_>,
    request: (&Document, &str),
    now: Timestamp,
) -> Option<(Intent, bool)> {
    match &lease.record.intent {
        None => Some((new_intent(lease, subject, request, now), false)),
        Some(intent) => {
            let same = intent.resend && intent.body_hash == hash(request.1);
            let alive = now.duration_since(intent.at) < RESEND_FOR && now >= intent.at;
            (same && alive).then(|| (intent.clone(), true))
        }
    }
}

/// A new idempotency key: of the record, the number of its intents so far, and the body.
fn new_intent(lease: &Lease, subject: &Subject<'_>, (document, body): (&Document, &str), now: Timestamp) -> Intent {
    let hash = hash(body);
    let short = hash.get(..32).unwrap_or_default();
    let key = format!("rp:{}:{}:{}:{short}", subject.company.id, lease.record.key, lease.record.generation);
    // Xero takes 128 characters, and a header carries no others; any other key is hashed as a whole.
    let fits = key.len() <= 128 && key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = if fits { key } else { format!("rp:{}", self::hash(&key)) };
    let company = subject.company.id.clone();
    let (kind, number) = (document.kind(), document.number().to_owned());
    Intent {
        key,
        body_hash: hash,
        company,
        kind,
        number,
        at: now,
        resend: true,
        change: None,
        purpose: Purpose::Create,
    }
}

/// SHA-256 of a body or key, in hex.
pub(super) fn hash(body: &str) -> String {
    hex(&Sha256::digest(body.as_bytes()))
}

/// What planning needs, and what is in Xero already where that is not sure to be nothing.
async fn gather(lease: &Lease, subject: &Subject<'_>, parts: &Parts) -> Result<Facts, Stop> {
    let gathered = Box::pin(gather::facts(&lease.record, subject, parts)).await?;
    let (mut facts, closed_at) = gathered.kept(parts).await?;
    if let Some(intent) = lease.record.intent.as_ref().filter(|intent| is_another(intent, subject))
        && lease.record.adopt.is_none()
    {
        unfinished(subject, intent, parts).await?;
    }
    let look = due_look(&lease.record, (&facts, closed_at), subject, parts);
    if let Some(document) = lease.record.adopt {
        let found = subject.company.client.document(subject.kind(), document).await.map_err(xero_failed)?;
        let missing = || hold(HoldCode::DocumentDiffers, format!("There is no document {document} in Xero to adopt."));
        facts.existing = Existing::Chosen(found.ok_or_else(missing)?);
    } else if look != Look::None {
        facts.existing = looked(&facts, look, subject).await?;
    }
    Ok(facts)
}

/// What is looked for in Xero before a record is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    /// Nothing: it cannot be there.
    None,
    /// The document of its number.
    Number,
    /// That, and the one of the number that it had in earlier versions.
    Both,
}

/// What has to be looked for before a record is posted.
pub(super) fn due_look(
    known: &Record,
    (facts, closed_at): (&Facts, Option<Timestamp>),
    subject: &Subject<'_>,
    parts: &Parts,
) -> Look {
    // Closed before this journal was born, in a gap of it, or while no process or another one ran: it may have
    // been posted without us knowing. The margin is for the other system's clock.
    let new = known.intent.is_none();
    let closed_before = |since: Timestamp| {
        let since = since.saturating_add(CLOCK_MARGIN).unwrap_or(Timestamp::MAX);
        new && closed_at.is_none_or(|closed| closed < since)
    };
    let journal = parts.store.trusted_since();
    // With an intent it was looked for before that was sent; then the intent tells what to do.
    let doubtful = matches!(&subject.part, Part::Cost(posted) if posted.journal.as_deref() == Some(&CostJournal::Due { look: true }));
    let unknown_past = closed_before(journal.max(subject.company.since)) || (new && doubtful);
    // A marked document is guarded by nothing but the look, and closing a record once more makes it look young. The
    // journal of a cost is guarded by the number of its invoice.
    let unguarded = new && facts.mark.is_some();
    let unknown_intent = known.intent.as_ref().is_some_and(|intent| !intent.resend);
    match facts.record.is_unposted() && (unknown_past || unguarded || unknown_intent) {
        false => Look::None,
        true if closed_before(journal) && facts.record.earlier_number().is_some() => Look::Both,
        true => Look::Number,
    }
}

/// Looks for what the record may be in Xero already.
pub(super) async fn looked(facts: &Facts, look: Look, subject: &Subject<'_>) -> Result<Existing, Failure> {
    let found = look_up(subject, &subject.number()).await?;
    match facts.record.earlier_number().filter(|_| look == Look::Both) {
        Some(number) => Ok(found.or(look_up(subject, &number).await?)),
        None => Ok(found),
    }
}

/// What is planned; none when a posted invoice costs nothing.
pub(super) fn planned(facts: &Facts, subject: &Subject<'_>) -> Option<Plan> {
    match subject.part {
        Part::Main => Some(plan(facts, &subject.company.rules)),
        Part::Cost(_) => plan_cost(facts, &subject.company.rules),
    }
}

/// Plans, once more with settings read anew if stale ones may be to blame for a hold.
pub(super) async fn decide(
    facts: &mut Facts,
    asked: Option<Timestamp>,
    subject: &Subject<'_>,
    parts: &Parts,
) -> Result<Option<Plan>, Stop> {
    let now = planned(facts, subject);
    let Some(Plan { action: Action::Hold(HoldReason { code, .. }), .. }) = &now else { return Ok(now) };
    let may_be_stale = matches!(
        code,
        HoldCode::UnknownAccount
            | HoldCode::UnusableAccount
            | HoldCode::UnknownTax
            | HoldCode::UnusableTax
            | HoldCode::UnknownTracking
            | HoldCode::CurrencyNotEnabled
            | HoldCode::PeriodLocked
    );
    let stale_after = asked.map_or(STALE_AFTER, |asked| parts.clock.now().duration_since(asked).min(STALE_AFTER));
    if !may_be_stale || !subject.company.client.refresh_organisation(stale_after).await.map_err(xero_failed)? {
        return Ok(now);
    }
    facts.organisation = (*subject.company.client.organisation().await.map_err(xero_failed)?).clone();
    Ok(planned(facts, subject))
}

/// Makes the intent durable and sends it, once.
async fn send(
    lease: Lease,
    subject: &Subject<'_>,
    sending: Sending,
    about: Option<About>,
    parts: &Parts,
) -> Result<Ended, StoreError> {
    let Sending { document, after, body, intent, content, repeated, looked, warnings } = sending;
    let xero = &subject.company.client;
    // The permit comes before the intent, so that our own budget never leaves an armed request unsent.
    let permit = match xero.permit().await {
        Ok(permit) => permit,
        Err(error) => return Ok(Ended { lease, outcome: Outcome::Failed(of_xero(error, IntentFate::Keep)), about }),
    };
    // Waiting for the permit takes time, too; later the key may be forgotten.
    if repeated && parts.clock.now().duration_since(intent.at) >= RESEND_FOR {
        let cause = "The time in which the same request may be repeated has passed; it will be looked up.".into();
        let failure = Failure::Later {
            not_before: Some(parts.clock.now()),
            cause,
            blame: Blame::Outage,
            intent: IntentFate::LookFirst,
        };
        return Ok(Ended { lease, outcome: Outcome::Failed(failure), about });
    }
    let Some(armed_about) = about.clone() else {
        return Ok(Ended {
            lease,
            outcome: Outcome::Failed(hold(HoldCode::UnreadableField, "The record was not read.")),
            about,
        });
    };
    let armed = parts.store.arm(lease, ArmRequest { intent, about: armed_about, body }, parts.clock.now()).await?;
    let request = Request {
        kind: document.kind(),
        idempotency_key: armed.idempotency_key().to_owned(),
        body: armed.body().to_owned(),
    };
    let created = xero.create(permit, &request).await;
    let lease = armed.into_lease();
    let outcome = match created {
        Ok(created) => {
            let posted = made::created(&document, created, after, subject, parts);
            posted.map_or_else(Outcome::Failed, |posted| Outcome::Posted { posted, content, warnings })
        }
        Err(XeroError::NumberTaken { message }) if looked && !repeated => {
            let sentence = format!(
                "Xero has no live {} {}, but does not take the number: perhaps a void one keeps it. Xero says: {message}",
                document.kind().noun(),
                document.number()
            );
            let reason = HoldReason::new(HoldCode::DocumentDiffers, sentence);
            Outcome::Failed(Failure::Never { reason, intent: IntentFate::Clear })
        }
        Err(error) => {
            // A first request that was refused made nothing; of a repeated one the first may have.
            let not_handled = if repeated { IntentFate::LookFirst } else { IntentFate::Clear };
            Outcome::Failed(refused(error, not_handled, subject, parts).await?)
        }
    };
    Ok(Ended { lease, outcome, about })
}

/// The failure of a request that was sent.
async fn refused(
    error: XeroError,
    not_handled: IntentFate,
    subject: &Subject<'_>,
    parts: &Parts,
) -> Result<Failure, StoreError> {
    let now = parts.clock.now();
    let failure = match error {
        XeroError::NumberTaken { message } => {
            // Perhaps it is ours: look at once.
            Failure::Later {
                not_before: Some(now),
                cause: message.into(),
                blame: Blame::Record,
                intent: IntentFate::LookFirst,
            }
        }
        error => of_xero(error, not_handled),
    };
    if let Failure::Never { reason, .. } = &failure
        && matches!(reason.code, HoldCode::ArchivedContact | HoldCode::RefusedByXero)
        && matches!(subject.part, Part::Main)
        && subject.kind() != DocumentKind::Journal
    {
        // The link may lead to a contact that is gone or takes no documents: let the directory decide next time.
        let event = Event::Unlinked { company: subject.company.id.clone(), client: subject.record.party().0 };
        parts.store.note(event, now).await?;
    }
    Ok(failure)
}
