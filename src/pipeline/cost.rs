//! The journal of what a posted invoice costs: both are in Xero before the invoice is marked, or the record says which
//! half is missing.

use super::again::{self, Again};
use super::deliver::Subject;
use super::edited;
use super::failure::{hold, of_connectwise, of_xero};
use super::parts::Parts;
use crate::domain::delivery::{CostJournal, Posted};
use crate::domain::facts::{ContentHash, Existing, Facts, cost_mark};
use crate::domain::hold::HoldCode;
use crate::domain::journal::Journal;
use crate::domain::map::cost_of_goods;
use crate::domain::rules::CostOfGoods;
use crate::domain::settle::{Failure, IntentFate, Outcome};
use crate::store::Lease;

/// Whether the journal of a posted invoice is still to be made.
pub(super) fn is_due(posted: &Posted, subject: &Subject<'_>) -> bool {
    let wanted = subject.company.rules.cost_of_goods != CostOfGoods::Off;
    wanted && matches!(posted.journal.as_deref(), Some(CostJournal::Due { .. }))
}

/// Looks at the journal of a posted invoice that is about to be marked: the invoice, or what comes first.
pub(super) async fn look(
    lease: &Lease,
    subject: &Subject<'_>,
    posted: Posted,
    parts: &Parts,
) -> Result<Result<Posted, Again>, Failure> {
    match posted.journal.as_deref() {
        None => Ok(Ok(posted)),
        Some(CostJournal::Due { .. }) if is_due(&posted, subject) || lease.record.intent.is_some() => {
            Ok(Err(Again::Cost(Box::new(posted))))
        }
        // The rule was switched off since.
        Some(CostJournal::Due { .. }) => Ok(Err(again_as(posted, None))),
        Some(CostJournal::Posted { id, kind, content, total, .. }) => {
            // It was marked before, so somebody took it out of its batch, and may have voided its journal with that.
            if posted.batch.is_some() {
                let found = again::document(subject, *kind, *id).await?;
                if found.is_none_or(|journal| !journal.is_live()) {
                    return Ok(Err(again_as(posted, Some(CostJournal::Due { look: true }))));
                }
            }
            if let Some(now) = now(subject, parts).await?
                && now != *content
            {
                let sentence = format!(
                    "The {} of the cost of {} is in Xero with {total}; its costs were changed in ConnectWise since. Void it there ({id}), then retry: a new one is made.",
                    kind.noun(),
                    posted.number
                );
                let stands = stands(subject, &posted).await?;
                if edited::is_rest(lease, subject, &posted, parts).await? {
                    return if stands { Ok(Ok(posted)) } else { Err(unreadable(subject)) };
                }
                if stands {
                    return Err(hold(HoldCode::EditedAfterPost, sentence));
                }
                return Ok(Err(again_as(posted, Some(CostJournal::Due { look: true }))));
            }
            Ok(Ok(posted))
        }
    }
}

/// Whether nothing is to be done about the journal of a posted invoice: it is in Xero, or there is none.
pub(super) async fn stands(subject: &Subject<'_>, posted: &Posted) -> Result<bool, Failure> {
    let Some(CostJournal::Posted { id, kind, .. }) = posted.journal.as_deref() else {
        return Ok(!is_due(posted, subject));
    };
    let found = again::document(subject, *kind, *id).await?;
    Ok(found.is_some_and(|journal| journal.is_live()))
}

/// The journal is to be made, and a batch keeps its costs, or a part of them, from being read.
pub(super) fn unreadable(subject: &Subject<'_>) -> Failure {
    let batch = match subject.record.batch() {
        Some(batch) => format!("it in the batch '{batch}'"),
        None => "a part of it in a batch".to_owned(),
    };
    let sentence = format!(
        "{} is in Xero, the journal of its cost of goods is not, and ConnectWise has {batch}, so that its costs cannot be read: take it out of that batch, then retry.",
        subject.record.title()
    );
    hold(HoldCode::CostNotPosted, sentence)
}

/// The record goes on with its journal standing so.
fn again_as(posted: Posted, journal: Option<CostJournal>) -> Again {
    Again::Ended(Box::new(Outcome::Posted {
        posted: Posted { journal: journal.map(Box::new), ..posted },
        content: None,
        warnings: Vec::new(),
    }))
}

/// What the costs are now; none while the rules or ConnectWise do not say.
async fn now(subject: &Subject<'_>, parts: &Parts) -> Result<Option<ContentHash>, Failure> {
    let rules = &subject.company.rules;
    if rules.cost_of_goods == CostOfGoods::Off {
        return Ok(None);
    }
    let posting = subject.connection.client.posting(&subject.record).await;
    let posting = posting.map_err(|error| of_connectwise(&error, parts.clock.now()))?;
    if !posting.record.is_unposted() {
        return Ok(None);
    }
    let organisation = subject.company.client.organisation().await;
    let organisation = (*organisation.map_err(|error| of_xero(error, IntentFate::Keep))?).clone();
    let facts = Facts {
        record: posting.record,
        captions: posting.captions,
        party: posting.party,
        organisation,
        contact: None,
        mark: None,
        cost_mark: cost_mark(&subject.key),
        existing: Existing::NotLookedUp,
    };
    // What cannot be mapped any more, because an account was archived since, says nothing about the costs.
    Ok(cost_of_goods(&facts, rules).ok().map(|cost| content(cost.as_ref().map(|cost| &cost.value))))
}

/// A hash of what a journal moves.
pub(super) fn content(journal: Option<&Journal>) -> ContentHash {
    let parts = journal.map(Journal::lines).unwrap_or_default().iter().flat_map(|line| {
        let tracking = line.tracking.iter().flat_map(|(name, option)| [name.clone(), option.clone()]);
        [line.account.clone(), line.amount.to_string()].into_iter().chain(tracking)
    });
    ContentHash::of(parts)
}
