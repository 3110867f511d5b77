//! Issues over HTTP: what records wait for, so that a person decides once about all of them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Surface;
use super::access::Viewer;
use super::error::Problem;
use crate::domain::delivery::State as Standing;
use crate::domain::hold::Place;
use crate::store::Issue;

/// What records wait for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct IssuesView {
    /// Those first that the most records wait for.
    pub issues: Vec<IssueView>,
    /// Whether these are all.
    pub complete: bool,
}

/// Records that wait for the same thing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct IssueView {
    /// The same for ever for the same company, code and cause.
    pub id: String,
    /// The Xero organisation.
    pub company: Option<String>,
    /// The code of the hold.
    pub code: String,
    /// What is to be mended; none where each record has its own.
    pub cause: Option<String>,
    /// Both, for a heading.
    pub title: String,
    /// What is wrong with the record that was held last.
    pub sentence: String,
    /// What helps.
    pub cure: String,
    /// Where.
    pub place: Place,
    /// Whether a retry can succeed then.
    pub retry_helps: bool,
    /// Records that wait.
    pub count: usize,
    /// When the first of them was held.
    pub since: Timestamp,
    /// The record that was held last.
    pub newest: String,
}

impl IssueView {
    fn of(issue: &Issue) -> Option<Self> {
        let Standing::Held { reason } = &issue.newest.state else { return None };
        let company = issue.newest.about.as_ref().and_then(|about| about.company.as_ref());
        let cause = reason.cause.as_ref().map(ToString::to_string);
        let code = reason.code.as_str();
        let words = code.replace('_', " ");
        let title = match (&cause, issue.count) {
            (Some(cause), _) => format!("{words}: {cause}"),
            (None, 1) => reason.sentence.to_string(),
            (None, _) => words,
        };
        Some(Self {
            id: issue.id.to_string(),
            company: company.map(ToString::to_string),
            code: code.to_owned(),
            cause,
            title,
            sentence: reason.sentence.to_string(),
            cure: reason.code.cure().to_owned(),
            place: reason.code.place(),
            retry_helps: reason.code.retry_helps(),
            count: issue.count,
            since: issue.since,
            newest: issue.newest.key.to_string(),
        })
    }
}

/// All issues.
pub(super) async fn all(surface: &Surface) -> Result<IssuesView, Problem> {
    let (issues, complete) = surface.parts.store.issues().await?;
    Ok(IssuesView { issues: issues.iter().filter_map(IssueView::of).collect(), complete })
}

/// What held records wait for: those that wait for the same thing are one issue.
#[utoipa::path(get, path = "/api/v1/issues", operation_id = "list_issues", tag = "records", responses((status = 200, description = "All issues, those of the most records first.", body = IssuesView)), security(("token" = ["viewer"])))]
pub(super) async fn list(State(surface): State<Arc<Surface>>, _: Viewer) -> Result<Json<IssuesView>, Problem> {
    Ok(Json(all(&surface).await?))
}
