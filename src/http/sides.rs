//! What both systems say of a record, side by side, as the history has it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::content::Content;
use crate::pipeline::sides;
use crate::store::Entry;

/// What both systems say of a record.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct SidesView {
    /// What ConnectWise said when it was posted last.
    pub connectwise: Option<SideView>,
    /// What Xero was asked for last.
    pub xero: Option<SideView>,
}

/// One side.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
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
        let (connectwise, xero) = sides(history);
        Self { connectwise: connectwise.map(SideView::from), xero: xero.map(SideView::from) }
    }
}
