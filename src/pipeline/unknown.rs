//! Requests to Xero of unknown outcome: what they made is looked for, and "nothing" is believed only in time.

use jiff::{SignedDuration, Timestamp};

use super::deliver::Subject;
use super::failure::{hold, of_xero};
use super::parts::Parts;
use crate::domain::batch;
use crate::domain::delivery::Intent;
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{Existing, mark_of};
use crate::domain::hold::HoldCode;
use crate::domain::settle::{Blame, Failure, IntentFate};

/// Xero may still be at work on a request this long after it was sent, and remembers its key as long.
pub(super) const UNSETTLED_IN_XERO_FOR: SignedDuration = SignedDuration::from_mins(6);

/// Looks for the document that the record would become.
pub(super) async fn look_up(subject: &Subject<'_>, number: &str) -> Result<Existing, Failure> {
    let mark = subject.mark();
    subject
        .company
        .client
        .find(subject.kind(), number, mark.as_deref())
        .await
        .map_err(|error| of_xero(error, IntentFate::Keep))
}

/// Whether the record would not become the document of this intent any more, so that looking for the one
/// would not find the other.
pub(super) fn is_another(intent: &Intent, subject: &Subject<'_>) -> bool {
    let wanted = (&subject.company.id, subject.kind(), subject.number());
    (&intent.company, intent.kind, intent.number.clone()) != wanted
}

/// Whether "there is no such document" can be believed about a request of unknown outcome.
///
/// An invoice may be sent again at once: of two of the same number Xero takes one. For all else Xero is given
/// the time in which it may still be at work.
pub(super) fn believable(intent: &Intent, now: Timestamp) -> Result<(), Failure> {
    if intent.kind == DocumentKind::Invoice { Ok(()) } else { no_longer_at_work(intent, now) }
}

/// Whether Xero cannot be at work on a request of unknown outcome any more; else what waits until then.
pub(super) fn no_longer_at_work(intent: &Intent, now: Timestamp) -> Result<(), Failure> {
    let until = intent.at.saturating_add(UNSETTLED_IN_XERO_FOR).unwrap_or(Timestamp::MAX);
    if now >= until {
        return Ok(());
    }
    let cause = "A request to Xero has no known outcome; Xero may still be at work on it.".into();
    Err(Failure::Later { not_before: Some(until), cause, blame: Blame::Outage, intent: IntentFate::LookFirst })
}

/// Sees to it that a request of unknown outcome made nothing, now that the record asks for something else.
pub(super) async fn unfinished(subject: &Subject<'_>, intent: &Intent, parts: &Parts) -> Result<(), Failure> {
    let Some(company) = parts.companies.iter().find(|company| company.id == intent.company) else {
        let sentence = format!(
            "A request for {} {} went to the company '{}', which is not in the configuration any more: look for it there.",
            intent.kind.noun(),
            intent.number,
            intent.company
        );
        return Err(hold(HoldCode::EditedAfterPost, sentence));
    };
    let mark = mark_of(&subject.key, intent.kind);
    let found = company.client.find(intent.kind, &intent.number, mark.as_deref()).await;
    let found = found.map_err(|error| of_xero(error, IntentFate::Keep))?;
    if let Some(document) = found.marked(mark.as_deref()) {
        // Another store knew the outcome and marked the record, after the backup was made that this one began as.
        if batch::marks(&subject.record, document.id) {
            return Ok(());
        }
        let number = subject.number();
        let status = match subject.record.status() {
            Some(status) => format!("in the status '{status}'"),
            None if subject.record.is_unposted() => "unposted".to_owned(),
            None => "not unposted".to_owned(),
        };
        let sentence = format!(
            "{} {} of {} reached {}, and meanwhile the record is number {number} {status} of {} in ConnectWise.",
            document.kind.noun(),
            document.number,
            document.total,
            intent.company,
            subject.company.id
        );
        return Err(hold(HoldCode::EditedAfterPost, sentence));
    }
    no_longer_at_work(intent, parts.clock.now())
}
