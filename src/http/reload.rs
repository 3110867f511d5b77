//! `POST /api/v1/reload`: the configuration is read anew.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tokio::sync::oneshot;

use super::Surface;
use super::access::Decider;
use super::error::Problem;
use super::records::said;
use crate::config::{Changes, Fault};

/// Somebody asks for the configuration to be read anew. Only [`crate::app`] can do it, so it is sent there.
#[derive(Debug)]
pub struct Reload {
    /// Who asks.
    pub by: String,
    /// Only say what would change.
    pub dry_run: bool,
    /// What changed, or all faults when nothing did.
    pub answer: oneshot::Sender<Result<Changes, Vec<Fault>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Asked {
    /// Only say what would change.
    dry_run: bool,
}

/// `POST /api/v1/reload`.
pub(super) async fn reload(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Changes>, Problem> {
    let Asked { dry_run } = said(&headers, &body)?;
    let busy = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "other reloads are under way");
    let (answer, outcome) = oneshot::channel();
    surface.reloads.try_send(Reload { by: operator.name, dry_run, answer }).map_err(|_| busy())?;
    outcome.await.map_err(|_| busy())?.map(Json).map_err(Problem::from)
}
