//! What both systems say of a record, as its history has it.

use crate::domain::content::Content;
use crate::domain::delivery::Purpose;
use crate::domain::settle::Settlement;
use crate::store::{Entry, Event};
use crate::xero;

/// What ConnectWise said when a record was posted last, and what Xero was asked for last, from its history, oldest first.
#[must_use]
pub fn sides(history: &[Entry]) -> (Option<Content>, Option<Content>) {
    let connectwise = history.iter().rev().find_map(|entry| match &entry.event {
        Event::Settled { settlement: Settlement::Mark { content, .. }, .. } => content.as_deref().cloned(),
        _ => None,
    });
    let xero = history.iter().rev().find_map(|entry| match &entry.event {
        Event::Armed { intent, body, .. } if intent.purpose != Purpose::Void && intent.change.is_none() => {
            xero::sent(intent.kind, body)
        }
        _ => None,
    });
    (connectwise, xero.map(|document| document.content()))
}
