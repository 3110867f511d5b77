//! What becomes of a record once one of its documents is in Xero.

use super::cost;
use super::deliver::{Part, Subject};
use super::failure::{hold, of_xero};
use super::parts::Parts;
use crate::domain::content::{lines_hash, told};
use crate::domain::delivery::{CostJournal, Posted};
use crate::domain::document::Document;
use crate::domain::draft::DocumentKind;
use crate::domain::facts::{ContentHash, Existing, ExistingDocument, Facts};
use crate::domain::hold::HoldCode;
use crate::domain::map::{self, cost_of_goods};
use crate::domain::money::Money;
use crate::domain::settle::{Failure, IntentFate};
use crate::domain::warning::{Warning, WarningCode};
use crate::store::Lease;
use crate::xero::{self, Created};

/// What is kept of the facts with which a document was planned.
pub(super) enum After {
    /// The record's own document.
    Main {
        /// The journal that is to follow it.
        journal: Option<Box<CostJournal>>,
        /// What the lines of the record say, where they are apart.
        lines: Option<ContentHash>,
    },
    /// The journal of the costs, and the hash of them.
    Cost(ContentHash),
}

impl After {
    pub(super) fn of(lease: &Lease, facts: &Facts, subject: &Subject<'_>) -> Self {
        let cost = cost_of_goods(facts, &subject.company.rules).ok().flatten();
        let before = lease.record.posted.as_ref();
        match subject.part {
            // A journal of a document before may be in Xero still, and then be right or wrong.
            Part::Main => {
                let follows = cost.is_some() || before.is_some_and(|before| before.journal.is_some());
                let journal = follows.then(|| Box::new(CostJournal::Due { look: before.is_some() }));
                Self::Main { journal, lines: lines_hash(&facts.record) }
            }
            Part::Cost(_) => Self::Cost(cost::content(cost.as_ref().map(|cost| &cost.value))),
        }
    }
}

/// What is kept with a document that a look has found: what its lines say, only where they are what would be sent now.
/// A warning names in what they are not.
pub(super) async fn compared(
    document: &ExistingDocument,
    (facts, after): (&Facts, After),
    subject: &Subject<'_>,
    warnings: &mut [Warning],
) -> Result<After, Failure> {
    let After::Main { journal, lines } = after else { return Ok(after) };
    // An operator may say that another one is the record.
    if matches!(facts.existing, Existing::Chosen(_)) || document.kind == DocumentKind::Journal {
        return Ok(After::Main { journal, lines });
    }
    let standing = subject.company.client.standing(document.kind, document.id).await;
    let standing = standing.map_err(|error| of_xero(error, IntentFate::Keep))?;
    let wanted = map::map(facts, &subject.company.rules).ok();
    let body = wanted.map(|wanted| xero::body(&wanted.value, Some(document.contact_id)));
    let wanted = body.and_then(|body| xero::sent(document.kind, &body));
    let (Some(wanted), Some(standing)) = (wanted, standing) else { return Ok(After::Main { journal, lines: None }) };
    let differences = wanted.differences(&standing.content);
    let adopted = warnings.iter_mut().find(|warning| warning.code == WarningCode::Adopted);
    if let Some(warning) = adopted.filter(|_| !differences.is_empty()) {
        warning.sentence = format!("{} There it says otherwise: {}.", warning.sentence, told(&differences)).into();
    }
    let same = !differences.iter().any(|difference| difference.field.starts_with("line "));
    Ok(After::Main { journal, lines: lines.filter(|_| same) })
}

/// A document that is in Xero.
struct Made {
    id: uuid::Uuid,
    number: String,
    total: Money,
    xero_total: Money,
}

/// The record, now that this document was created for it.
///
/// # Errors
/// When Xero made another journal of it than it was asked for.
pub(super) fn created(
    document: &Document,
    created: Created,
    after: After,
    subject: &Subject<'_>,
    parts: &Parts,
) -> Result<Posted, Failure> {
    let made = Made {
        id: created.id,
        number: document.number().to_owned(),
        total: document.total(),
        xero_total: created.total.to_cents(),
    };
    posted(made, after, subject, parts)
}

/// The record, now that this document was found to be it.
///
/// # Errors
/// As [`created`].
pub(super) fn adopted(
    document: &ExistingDocument,
    after: After,
    subject: &Subject<'_>,
    parts: &Parts,
) -> Result<Posted, Failure> {
    let xero_total = document.total.to_cents();
    let total = match subject.part {
        Part::Main => map::worth(&subject.record, &subject.company.rules),
        Part::Cost(_) => xero_total,
    };
    // What was in Xero before may have its journal there, too.
    let after = match after {
        After::Main { journal: Some(_), lines } => {
            After::Main { journal: Some(Box::new(CostJournal::Due { look: true })), lines }
        }
        other => other,
    };
    // Xero has no number of a journal, only its narration.
    let number = if document.kind == DocumentKind::Journal { subject.number() } else { document.number.clone() };
    posted(Made { id: document.id, number, total, xero_total }, after, subject, parts)
}

fn posted(made: Made, after: After, subject: &Subject<'_>, parts: &Parts) -> Result<Posted, Failure> {
    let (Made { id, number, total, xero_total }, at) = (made, parts.clock.now());
    let (of, content) = match (&subject.part, after) {
        (Part::Cost(of), After::Cost(content)) => (of, content),
        (_, after) => {
            let (journal, lines) =
                if let After::Main { journal, lines } = after { (journal, lines) } else { (None, None) };
            return Ok(Posted {
                id,
                company: subject.company.id.clone(),
                kind: subject.kind(),
                number,
                total,
                xero_total,
                at,
                content: subject.record.content_hash(),
                lines,
                batch: None,
                journal,
            });
        }
    };
    if total != xero_total {
        let sentence = format!("Xero made of its debits of {total} a journal of {xero_total} ({id}): void it there.");
        return Err(hold(HoldCode::DocumentDiffers, sentence));
    }
    let journal = Some(Box::new(CostJournal::Posted { id, kind: subject.kind(), total, content, at }));
    Ok(Posted { journal, ..of.as_ref().clone() })
}
