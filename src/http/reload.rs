//! `POST /api/v1/reload`: the configuration is read anew.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tokio::sync::oneshot;

use super::Surface;
use super::access::Decider;
use super::error::Problem;
use super::extract::{DryRun, Sent};
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

/// Reads the configuration file anew; with a fault in it nothing is changed.
#[utoipa::path(post, path = "/api/v1/reload", operation_id = "reload", tag = "configuration", request_body = DryRun, responses((status = 200, description = "What changed, or would.", body = Changes), (status = 422, description = "The file has faults: they are in `faults`."), (status = 503, description = "Other reloads are under way.")), security(("token" = ["operator"])))]
pub(super) async fn reload(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Sent(DryRun { dry_run }): Sent<DryRun>,
) -> Result<Json<Changes>, Problem> {
    let busy = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "other reloads are under way");
    let (answer, outcome) = oneshot::channel();
    surface.reloads.try_send(Reload { by: operator.name, dry_run, answer }).map_err(|_| busy())?;
    outcome.await.map_err(|_| busy())?.map(Json).map_err(Problem::from)
}
