//! All issues.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::home::issue_rows;
use super::{Here, Sheet};
use crate::http::Surface;
use crate::http::access::Looker;
use crate::http::error::Problem;
use crate::http::issues;

/// `GET /status/issues`.
pub(super) async fn list(State(surface): State<Arc<Surface>>, looker: Looker) -> Result<Response, Problem> {
    let all = issues::all(&surface).await?;
    let held: usize = all.issues.iter().map(|issue| issue.count).sum();
    let body = html! {
        h1 { "Issues" }
        p.quiet {
            @if all.issues.is_empty() { "Nothing is held." }
            @else { (held) " records wait for " (all.issues.len()) @if !all.complete { " and more" } " things. Mend one, then decide about all of its records at once." }
        }
        @if !all.issues.is_empty() { (issue_rows(&all.issues)) }
    };
    Ok(Sheet::new("Issues", Here::Issues).refreshed(30).show(&looker, &body))
}
