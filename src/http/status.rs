//! `GET /status`: JSON, or the page for a browser.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::Surface;
use super::access::Viewer;
use super::error::Problem;
use super::page;
use super::view::{self, RecordView};
use crate::domain::delivery::StateName;
use crate::store::Filter;

/// Records of each kind that the page shows.
const SHOWN: usize = 25;

pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let status = view::status(&surface);
    let wants_page = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if !wants_page {
        return Ok(Json(status).into_response());
    }
    let parts = surface.parts.current();
    let list = async |filter: Filter| -> Result<Vec<RecordView>, Problem> {
        let page = surface.parts.store.records(Filter { limit: SHOWN, ..filter }).await?;
        Ok(page.records.iter().map(|record| view::record(record, &parts)).collect())
    };
    let state = |state| Filter { state: Some(state), ..Filter::default() };
    let lists = page::Lists {
        held: list(state(StateName::Held)).await?,
        warned: list(Filter { state: Some(StateName::Done), warning: Some("any".to_owned()), ..Filter::default() })
            .await?,
        queued: list(state(StateName::Queued)).await?,
        done: list(state(StateName::Done)).await?,
    };
    Ok(page::status(&status, &lists))
}
