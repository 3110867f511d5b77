//! A record that was posted before: marked if that is still to be done, and never posted a second time.

use uuid::Uuid;

use super::cost;
use super::deliver::Subject;
use super::edited::{self, Changed, Told};
use super::failure::{hold, of_connectwise, of_xero};
use super::parts::Parts;
use crate::connectwise::{Left, Marked};
use crate::domain::batch;
use crate::domain::content::Content;
use crate::domain::delivery::{CostJournal, Posted, Purpose, State, Step};
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{ExistingDocument, RecordFacts};
use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::map;
use crate::domain::plan::{AfterPost, after_post};
use crate::domain::settle::{Failure, IntentFate, Outcome};
use crate::domain::warning::{Warning, WarningCode};
use crate::store::Lease;

/// Batches that one step makes for a record at most: ConnectWise may take only a part into each.
const BATCHES_MAX: u32 = 8;

/// What another look at a posted record came to.
pub(super) enum Again {
    /// The step ends with this.
    Ended(Box<Outcome>),
    /// The document is void in Xero: the record may be posted anew.
    Anew,
    /// The journal of what it costs is to be made; the document stays as it is.
    Cost(Box<Posted>),
    /// The document may have to be changed in place.
    Edited(Box<Changed>),
}

impl Again {
    fn ended(outcome: Outcome) -> Self {
        Self::Ended(Box::new(outcome))
    }
}

/// Looks at a posted record again.
pub(super) async fn look(
    lease: &Lease,
    subject: &Subject<'_>,
    posted: Posted,
    parts: &Parts,
) -> Result<Again, Failure> {
    if posted.company != subject.company.id {
        let sentence = format!(
            "{} was posted to {}, and now belongs to {}: void it there, or let it belong there again.",
            posted.number, posted.company, subject.company.id
        );
        return Err(hold(HoldCode::EditedAfterPost, sentence));
    }
    if let Some(adopted) = lease.record.adopt {
        let missing = || hold(HoldCode::DocumentDiffers, format!("There is no document {adopted} in Xero to adopt."));
        let document = document(subject, subject.kind(), adopted).await?.ok_or_else(missing)?;
        let posted = agreed(&document, subject, &posted, parts)?;
        return Ok(Again::ended(as_it_is(posted, subject)));
    }
    match after_post(&subject.record, &posted) {
        AfterPost::Hold(reason) => mended(reason, subject, &posted, parts).await,
        AfterPost::Edited => edited(lease, subject, &posted, parts).await,
        // Changed back, but what is on its way to Xero is the change.
        AfterPost::Nothing | AfterPost::Mark if is_changing(lease) => edited(lease, subject, &posted, parts).await,
        // Its content cannot be seen any more, so nothing says that it is what was posted.
        AfterPost::Nothing if lease.record.edited && !subject.record.has_content() => {
            let sentence = format!(
                "{} was changed in ConnectWise after it was posted with {}, and is in a batch: its content now cannot be compared.",
                subject.record.title(),
                posted.total
            );
            Err(hold(HoldCode::EditedAfterPost, sentence))
        }
        AfterPost::Nothing if cost::is_due(&posted, subject) => Err(cost::unreadable(subject)),
        AfterPost::Nothing => {
            let (batch, before) = (subject.record.batch().map(str::to_owned), posted.batch.as_deref());
            let ours = batch::marks(&subject.record, posted.id);
            let foreign = batch.as_ref().filter(|batch| !ours && before != Some(batch.as_str()));
            let warnings = foreign.map(|batch| elsewhere(&subject.record, batch)).into_iter().collect();
            // Our own batch causes a callback, too; then there is nothing to add.
            let news = batch.filter(|batch| posted.batch.as_ref() != Some(batch));
            Ok(Again::ended(Outcome::Marked { batch: news, warnings }))
        }
        // It was marked before, so somebody took it out of its batch, and may have voided its document with that.
        AfterPost::Mark if posted.batch.is_some() && is_void(subject, &posted).await? => Ok(Again::Anew),
        AfterPost::Mark if edited::has_other_lines(subject, &posted, parts).await? => {
            edited(lease, subject, &posted, parts).await
        }
        AfterPost::Mark => match cost::look(lease, subject, posted, parts).await? {
            Ok(posted) => mark(subject, &posted, parts).await.map(Again::ended),
            Err(first) => Ok(first),
        },
    }
}

/// The document of this id in Xero.
pub(super) async fn document(
    subject: &Subject<'_>,
    kind: DocumentKind,
    id: Uuid,
) -> Result<Option<ExistingDocument>, Failure> {
    subject.company.client.document(kind, id).await.map_err(|error| of_xero(error, IntentFate::Keep))
}

/// Whether the document of a posted record is in Xero, but worth nothing any more.
async fn is_void(subject: &Subject<'_>, posted: &Posted) -> Result<bool, Failure> {
    let missing = || {
        let sentence = format!("{} was posted, but Xero knows no document {} any more.", posted.number, posted.id);
        hold(HoldCode::DocumentDiffers, sentence)
    };
    let document = document(subject, posted.kind, posted.id).await?.ok_or_else(missing)?;
    Ok(!document.is_live())
}

/// The record as a document that somebody made right.
fn as_it_is(posted: Posted, subject: &Subject<'_>) -> Outcome {
    let content = subject.record.has_content().then(|| Box::new(Content::of(&subject.record)));
    Outcome::Posted { posted, content, warnings: Vec::new() }
}

/// The record was changed in ConnectWise: says in what, unless its document was made right or void.
async fn edited(lease: &Lease, subject: &Subject<'_>, posted: &Posted, parts: &Parts) -> Result<Again, Failure> {
    let Told { reason, sent, is_rest } = edited::told(lease, subject, posted, parts).await?;
    if is_rest && subject.record.is_closed() && !is_changing(lease) {
        return rest(lease, subject, posted, parts).await;
    }
    if posted.kind == DocumentKind::Journal {
        return mended(reason, subject, posted, parts).await;
    }
    let held = |reason| Err(Failure::Never { reason, intent: IntentFate::Keep });
    if let Some(known) = marked_elsewhere(lease, subject, posted, parts).await? {
        return Ok(Again::ended(as_it_is(known, subject)));
    }
    if !subject.record.is_closed() || subject.record.batch().is_some() {
        return held(reason);
    }
    let standing = subject.company.client.standing(posted.kind, posted.id).await;
    let standing = match standing.map_err(|error| of_xero(error, IntentFate::Keep))? {
        None => return held(reason),
        Some(standing) if !standing.document.is_live() => return Ok(Again::Anew),
        Some(standing) => standing,
    };
    match agreed(&standing.document, subject, posted, parts) {
        // What a request of ours has changed is for whoever sent it to compare.
        Ok(agreed) if !is_changing(lease) && (agreed.total != posted.total || posted.xero_total != posted.total) => {
            Ok(Again::ended(as_it_is(agreed, subject)))
        }
        _ => Ok(Again::Edited(Box::new(Changed { posted: posted.clone(), reason, sent, standing }))),
    }
}

/// What ConnectWise lists is what a batch of ours did not take: nobody edited it, and it only has to be marked.
async fn rest(lease: &Lease, subject: &Subject<'_>, posted: &Posted, parts: &Parts) -> Result<Again, Failure> {
    // Posted anew it would be a part of itself.
    if is_void(subject, posted).await? {
        let sentence = format!(
            "{} is void in Xero, but a part of it is in a batch of readypost in ConnectWise: delete that batch, then retry, and it is posted anew.",
            posted.number
        );
        return Err(hold(HoldCode::EditedAfterPost, sentence));
    }
    if !cost::stands(subject, posted).await? {
        return Err(cost::unreadable(subject));
    }
    if lease.record.edited {
        // It was taken for an edit before; what was posted stays what it is.
        let outcome = Outcome::Posted { posted: posted.clone(), content: None, warnings: Vec::new() };
        return Ok(Again::ended(outcome));
    }
    mark(subject, posted, parts).await.map(Again::ended)
}

/// The record as its document is now, where another store changed and marked it after the backup was made that this one
/// began as: a batch of ours that is not known here marks just this document, and it is worth what the record is.
async fn marked_elsewhere(
    lease: &Lease,
    subject: &Subject<'_>,
    posted: &Posted,
    parts: &Parts,
) -> Result<Option<Posted>, Failure> {
    let record = &subject.record;
    // A batch that is being made now says nothing about what came after it.
    let is_marking = matches!(lease.record.state, State::Queued { step: Step::Mark, .. });
    if is_marking
        || !record.is_closed()
        || record.batch() == posted.batch.as_deref()
        || !batch::marks(record, posted.id)
    {
        return Ok(None);
    }
    let Some(document) = document(subject, posted.kind, posted.id).await? else { return Ok(None) };
    let agreed = agreed(&document, subject, posted, parts).ok();
    let (batch, journal) = (record.batch().map(str::to_owned), posted.journal.clone());
    Ok(agreed.map(|agreed| Posted { batch, journal, ..agreed }))
}

/// Whether a change of the document is on its way to Xero.
fn is_changing(lease: &Lease) -> bool {
    lease.record.intent.as_ref().is_some_and(|intent| intent.purpose == Purpose::Update)
}

/// Whether the cause of a hold is gone: the document was corrected in Xero, or voided.
async fn mended(reason: HoldReason, subject: &Subject<'_>, posted: &Posted, parts: &Parts) -> Result<Again, Failure> {
    let held = |reason| Err(Failure::Never { reason, intent: IntentFate::Keep });
    if !subject.record.is_closed() || subject.record.batch().is_some() {
        return held(reason);
    }
    match document(subject, posted.kind, posted.id).await? {
        // A document cannot vanish from Xero; another organisation was asked, or another app's document.
        None => held(reason),
        Some(document) if !document.is_live() => Ok(Again::Anew),
        Some(document) => match agreed(&document, subject, posted, parts) {
            // Only a new total shows that the document was corrected; other edits are a person's to confirm.
            Ok(agreed) if agreed.total != posted.total || posted.xero_total != posted.total => {
                Ok(Again::ended(as_it_is(agreed, subject)))
            }
            _ => held(reason),
        },
    }
}

/// The document as what the record is now, if it is live, of the same contact and worth the same.
fn agreed(
    document: &ExistingDocument,
    subject: &Subject<'_>,
    posted: &Posted,
    parts: &Parts,
) -> Result<Posted, Failure> {
    let record = &subject.record;
    // Of what has left the unposted list, only the operator knows the sums.
    let seen = record.has_content();
    let total = if seen { map::worth(record, &subject.company.rules) } else { document.total.to_cents() };
    let contact = parts.store.contact(&subject.company.id, record.party().0);
    let checks = [
        ("kind", document.kind == if seen { subject.kind() } else { posted.kind }),
        ("status", document.is_live()),
        ("total", document.total.to_cents() == total),
        ("tax", !seen || document.total_tax.to_cents().abs() == record.tax(&subject.company.rules).abs().to_cents()),
        ("currency", record.currency().is_none_or(|code| code.eq_ignore_ascii_case(&document.currency))),
        ("contact", contact.is_none_or(|contact| contact == document.contact_id)),
    ];
    let wrong: Vec<&str> = checks.iter().filter(|(_, same)| !same).map(|(what, _)| *what).collect();
    if !wrong.is_empty() {
        let sentence = format!(
            "The {} {} of {} in Xero ({}) is not {} of {total} in ConnectWise: another {}.",
            document.kind.noun(),
            document.number,
            document.total,
            document.status,
            record.title(),
            wrong.join(", ")
        );
        return Err(hold(HoldCode::DocumentDiffers, sentence));
    }
    Ok(Posted {
        id: document.id,
        company: subject.company.id.clone(),
        kind: document.kind,
        number: document.number.clone(),
        total,
        xero_total: total,
        at: posted.at,
        content: subject.record.content_hash(),
        // Somebody says that the document is right, whatever the lines are now.
        lines: None,
        // The name of a batch that the record was taken out of stays taken.
        batch: posted.batch.clone().filter(|_| document.id == posted.id),
        journal: posted.journal.as_ref().map(|_| Box::new(CostJournal::Due { look: true })),
    })
}

async fn mark(subject: &Subject<'_>, posted: &Posted, parts: &Parts) -> Result<Outcome, Failure> {
    let name = batch::name(&subject.record, posted.id, posted.batch.as_deref());
    let marked = subject.connection.client.mark(&subject.record, &name).await;
    let marked = marked.map_err(|error| of_connectwise(&error, parts.clock.now()))?;
    let (name, marked) = mark_rest(subject, posted, (name, marked), parts).await?;
    match marked {
        Marked::Batched { leftover } if leftover.is_empty() => {
            Ok(Outcome::Marked { batch: Some(name), warnings: Vec::new() })
        }
        Marked::Batched { leftover } => {
            let ids: Vec<String> = leftover.iter().take(20).map(ToString::to_string).collect();
            let sentence = format!("The batch {name} was made, but GL entries are still unposted: {}.", ids.join(", "));
            let warnings = vec![Warning::new(WarningCode::LeftUnposted, sentence)];
            Ok(Outcome::Marked { batch: Some(name), warnings })
        }
        Marked::Elsewhere { batch } => {
            let warnings = vec![elsewhere(&subject.record, &batch)];
            Ok(Outcome::Marked { batch: Some(batch), warnings })
        }
        Marked::NotUnposted => {
            let sentence = format!(
                "{} is posted, but ConnectWise lists it neither as unposted nor in a batch.",
                subject.record.title()
            );
            Err(hold(HoldCode::NotUnposted, sentence))
        }
    }
}

/// What a batch did not take goes into the next one, as long as each takes something.
async fn mark_rest(
    subject: &Subject<'_>,
    posted: &Posted,
    (mut name, marked): (String, Marked),
    parts: &Parts,
) -> Result<(String, Marked), Failure> {
    let Marked::Batched { mut leftover } = marked else { return Ok((name, marked)) };
    let mut next = name.clone();
    for _ in 1..BATCHES_MAX {
        if leftover.is_empty() {
            break;
        }
        next = batch::name(&subject.record, posted.id, Some(&next));
        let left = subject.connection.client.mark_rest(&subject.record, &next, &leftover).await;
        match left.map_err(|error| of_connectwise(&error, parts.clock.now()))? {
            Left::Ids(ids) if ids.len() >= leftover.len() => break,
            Left::Ids(ids) => leftover = ids,
            Left::Taken => {}
        }
        name.clone_from(&next);
    }
    Ok((name, Marked::Batched { leftover }))
}

fn elsewhere(record: &RecordFacts, batch: &str) -> Warning {
    let whose = if batch::is_ours(record, batch) {
        "which readypost made for another document of it: see in Xero which of them stands"
    } else {
        "which readypost did not make"
    };
    let sentence = format!("ConnectWise has the record in the batch '{batch}', {whose}.");
    Warning::new(WarningCode::BatchedElsewhere, sentence)
}
