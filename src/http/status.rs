//! `GET /status`: JSON, or the page for a browser.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Surface;
use super::access::{Looker, Viewer};
use super::error::Problem;
use super::page;
use super::view::{self, StatusView};

/// The whole service at a glance; to a browser, the page.
#[utoipa::path(get, path = "/status", operation_id = "status", tag = "monitoring", responses((status = 200, description = "The status; a page where `Accept` has `text/html`.", content((StatusView = "application/json"), (String = "text/html")))), security(("token" = ["viewer"])))]
pub(super) async fn show(State(surface): State<Arc<Surface>>, request: Request) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let accepted = parts.headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.contains("text/html")) {
        return match Looker::from_request_parts(&mut parts, &surface).await {
            Ok(looker) => page::home(&surface, &looker).await,
            Err(sign_in) => Ok(sign_in),
        };
    }
    Viewer::from_request_parts(&mut parts, &surface).await?;
    Ok(Json(view::status(&surface)).into_response())
}
