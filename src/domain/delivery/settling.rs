//! What a settlement makes of a record.

use jiff::Timestamp;

use super::{Record, State, Step, queued};
use crate::domain::hold::{HoldCode, SkipReason};
use crate::domain::settle::Settlement;
use crate::domain::warning::WarningCode;

/// What a settlement makes of a record; where it stands then.
pub(super) fn come_to(record: &mut Record, settlement: Settlement, again: bool, now: Timestamp) -> State {
    match settlement {
        Settlement::Mark { posted, warnings, .. } => {
            record.progress();
            let step = posted.step();
            record.posted = Some(posted);
            record.edited = false;
            record.warn(warnings, now);
            queued(step, now)
        }
        Settlement::Done { batch, warnings } => {
            record.progress();
            if let (Some(posted), Some(batch)) = (&mut record.posted, batch) {
                posted.batch = Some(batch);
                // It left the list with that: when it is listed again, that is news.
                record.compared = None;
                // What an earlier batch did not take is in this one, or is warned of anew.
                record.warnings.retain(|open| open.warning.code != WarningCode::LeftUnposted);
            }
            record.warn(warnings, now);
            State::Done
        }
        Settlement::Skip { reason } => {
            record.intent = None;
            State::Skipped { reason }
        }
        Settlement::Undone { part } => {
            record.progress();
            if let Some(undo) = &mut record.undo {
                undo.note(part);
            }
            queued(Step::Unpost, now)
        }
        Settlement::Unposted => {
            record.progress();
            (record.posted, record.undo, record.edited) = (None, None, false);
            State::Skipped { reason: SkipReason::Unposted }
        }
        Settlement::FannedOut { purchases, unnamed } => record.fan_out(purchases, unnamed),
        Settlement::HandedOver { report } => {
            record.report = Some(report);
            State::Skipped { reason: SkipReason::PostedWithReport }
        }
        Settlement::Paid { links, looked, more, warnings } => {
            record.progress();
            if let Some(about) = &mut record.about {
                about.total = links.iter().map(|link| link.amount).sum();
            }
            record.links = links;
            record.looked = looked.or(record.looked);
            record.warn(warnings, now);
            if more { queued(Step::Post, now) } else { State::Done }
        }
        Settlement::Hold { reason, posted, intent, warnings } => {
            record.posted = posted.or(record.posted.take());
            record.edited |= reason.code == HoldCode::EditedAfterPost;
            record.undo = record.undo.take().filter(|_| reason.code != HoldCode::UnpostRefused);
            // A decision that came during the step is still to be carried out.
            record.adopt = record.adopt.filter(|_| again);
            record.decide_intent(intent);
            record.warn(warnings, now);
            record.snoozed = None;
            State::Held { reason }
        }
        Settlement::Retry { due, cause, counts, intent } => {
            record.faults = record.faults.saturating_add(u32::from(counts));
            record.decide_intent(intent);
            let step = if let State::Queued { step, .. } = &record.state { *step } else { Step::Post };
            State::Queued { due, step, cause: Some(cause) }
        }
    }
}
