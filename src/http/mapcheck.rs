//! Map checks over HTTP: one of each company is made in the background, and the last is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Surface;
use super::access::{Decider, Viewer};
use super::companies::named;
use super::error::Problem;
use super::extract::{Query, Sent};
use crate::domain::mapcheck::MapCheck;
use crate::domain::record::CompanyId;
use crate::pipeline::map_check;

/// The last check of each company.
#[derive(Debug, Default)]
pub struct MapChecks(Mutex<BTreeMap<CompanyId, MapCheckView>>);

/// How far a map check is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MapCheckView {
    /// The Xero organisation.
    pub company: CompanyId,
    /// `running`, `done` or `failed`.
    pub state: String,
    /// Who asked.
    pub by: String,
    /// When.
    pub begun: Timestamp,
    /// Why it failed.
    pub error: Option<String>,
    /// What it found, once it is done.
    pub check: Option<MapCheck>,
}

#[derive(Debug, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[schema(as = MapCheckOf)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Id of the company in the configuration.
    #[param(example = "acme-au")]
    company: String,
}

impl MapChecks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<CompanyId, MapCheckView>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a map check, or joins the one of the same company that is being made.
#[utoipa::path(post, path = "/api/v1/map-check", operation_id = "begin_map_check", tag = "onboarding", request_body = Wanted, responses((status = 202, description = "It is being made; ask for it by GET.", body = MapCheckView), (status = 404, description = "There is no such company.")), security(("token" = ["operator"])))]
pub(super) async fn begin(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Sent(Wanted { company }): Sent<Wanted>,
) -> Result<(StatusCode, Json<MapCheckView>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(start(&surface, &company, operator.name)?)))
}

/// Begins one in the background, or joins the one that is being made.
pub(super) fn start(surface: &Arc<Surface>, company: &str, by: String) -> Result<MapCheckView, Problem> {
    let company = named(company, &surface.parts.current().companies)?.id.clone();
    let begun = surface.parts.clock.now();
    let view =
        MapCheckView { company: company.clone(), state: "running".to_owned(), by, begun, error: None, check: None };
    {
        let mut checks = surface.map_checks.lock();
        if let Some(running) = checks.get(&company).filter(|known| known.state == "running") {
            return Ok(running.clone());
        }
        checks.insert(company.clone(), view.clone());
    }
    tracing::info!(%company, by = view.by, "a map check begins");
    let (working, running) = (Arc::clone(surface), view.clone());
    tokio::spawn(async move {
        let parts = working.parts.current();
        let wanted = company.clone();
        // In a task of its own, so that a panic ends as a failure that is seen.
        let made = tokio::spawn(async move { map_check(&wanted, &parts).await }).await;
        let made = made.unwrap_or_else(|_| Err("it failed inside readypost; its log says where".to_owned()));
        let (state, error, check) = match made {
            Ok(check) => ("done", None, Some(check)),
            Err(cause) => ("failed", Some(cause), None),
        };
        let ended = MapCheckView { state: state.to_owned(), error, check, ..running };
        working.map_checks.lock().insert(company, ended);
    });
    Ok(view)
}

/// The last of each company.
pub(super) fn all(surface: &Surface) -> Vec<MapCheckView> {
    surface.map_checks.lock().values().cloned().collect()
}

/// The last of a company.
pub(super) fn one(surface: &Surface, company: &str) -> Result<MapCheckView, Problem> {
    let company = named(company, &surface.parts.current().companies)?.id.clone();
    let known = surface.map_checks.lock().get(&company).cloned();
    known.ok_or_else(|| {
        let sentence = format!("no map check of {company} was asked for since the start");
        Problem::new(StatusCode::NOT_FOUND, sentence)
    })
}

/// The last map check of a company.
#[utoipa::path(get, path = "/api/v1/map-check", operation_id = "show_map_check", tag = "onboarding", params(Wanted), responses((status = 200, description = "How far it is, and what it found.", body = MapCheckView), (status = 400, description = "An unknown filter."), (status = 404, description = "There is no such company, or no check of it since the start.")), security(("token" = ["viewer"])))]
pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Json<MapCheckView>, Problem> {
    one(&surface, &wanted.company).map(Json)
}
