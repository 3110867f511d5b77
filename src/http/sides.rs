//! What both systems say of a record, side by side, as the history has it.

use serde::{Deserialize, Serialize};

use crate::domain::content::Content;
use crate::domain::delivery::Purpose;
use crate::domain::settle::Settlement;
use crate::store::{Entry, Event};
use crate::xero;

/// What both systems say of a record.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SidesView {
    /// What ConnectWise said when it was posted last.
    pub connectwise: Option<SideView>,
    /// What Xero was asked for last.
    pub xero: Option<SideView>,
}

/// One side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SideView {
    /// What holds for all of it: names and values.
    pub heading: Vec<(String, String)>,
    /// Its lines: of each, names and values.
    pub lines: Vec<Vec<(String, String)>>,
}

impl From<Content> for SideView {
    fn from(content: Content) -> Self {
        Self { heading: content.heading, lines: content.lines.unwrap_or_default() }
    }
}

impl SidesView {
    /// From a record's history, oldest first.
    pub(super) fn of(history: &[Entry]) -> Self {
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
        Self { connectwise: connectwise.map(SideView::from), xero: xero.map(|document| document.content().into()) }
    }
}
