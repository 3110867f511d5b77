//! Companies over HTTP: look, pause, resume.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Surface;
use super::access::{Decider, Viewer};
use super::error::Problem;
use super::extract::{Path, Sent};
use crate::domain::delivery::{Actor, StateName};
use crate::domain::record::{CompanyId, RecordKind};
use crate::pipeline::{Company, token_ends};
use crate::store::{Event, Overview, Pause};

/// One Xero organisation at a glance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CompanyView {
    /// Name in the configuration.
    pub id: String,
    /// The ConnectWise system whose records it takes.
    pub connection: String,
    /// The locations whose records it takes; empty = all that no other company names.
    pub locations: Vec<i64>,
    /// Records by state.
    pub records: BTreeMap<String, u64>,
    /// Why nothing can be posted to it now; it ends by itself.
    pub resting: Option<RestView>,
    /// What operators paused; only an operator ends it.
    pub paused: Vec<PauseView>,
    /// When something was posted last.
    pub last_posted: Option<Timestamp>,
    /// When both systems were last asked for payments that nobody told of.
    #[serde(default)]
    pub payments_swept: Option<Timestamp>,
    /// Calls in the last minute.
    pub calls_last_minute: u32,
    /// Calls that a minute may have.
    pub calls_per_minute: u32,
    /// Calls left today, as Xero said last.
    pub calls_remaining_today: Option<u32>,
    /// When Xero forgets the refresh token, unless it is used before; none where there is none.
    #[serde(default)]
    pub token_ends: Option<Timestamp>,
}

/// A rest.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RestView {
    /// Why.
    pub cause: String,
    /// Since when.
    pub since: Timestamp,
    /// When it is looked at again.
    pub until: Timestamp,
}

/// A pause.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PauseView {
    /// Of which records; none = of all.
    #[schema(value_type = Option<RecordKind>)]
    pub kind: Option<String>,
    /// Who.
    pub by: String,
    /// Why.
    pub note: String,
    /// Since when.
    pub since: Timestamp,
}

impl From<&Pause> for PauseView {
    fn from(pause: &Pause) -> Self {
        Self {
            kind: pause.kind.map(|kind| kind.as_str().to_owned()),
            by: pause.actor.by.clone(),
            note: pause.actor.note.to_string(),
            since: pause.since,
        }
    }
}

/// What comes with a pause or its end.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Pause)]
pub(super) struct Asked {
    /// Why.
    note: String,
    /// Of which records; none = of all.
    #[schema(value_type = Option<RecordKind>)]
    kind: Option<String>,
}

/// All companies of the configuration.
pub(super) fn all(surface: &Surface, overview: &Overview) -> Vec<CompanyView> {
    surface.parts.current().companies.iter().map(|company| view(company, surface, overview)).collect()
}

fn view(company: &Company, surface: &Surface, overview: &Overview) -> CompanyView {
    let (store, now) = (&surface.parts.store, surface.parts.clock.now());
    let (standing, budget) = (store.company(&company.id), company.client.budget());
    let counts = overview.counts.states.get(company.id.as_str());
    let count = |state: &StateName| counts.and_then(|counts| counts.get(state)).copied().unwrap_or_default();
    CompanyView {
        id: company.id.to_string(),
        connection: company.connection.to_string(),
        locations: company.locations.clone(),
        records: StateName::ALL.iter().map(|state| (state.as_str().to_owned(), count(state))).collect(),
        // A rest that is over is looked into with the next record.
        resting: standing.rest.filter(|rest| rest.until > now).map(|rest| RestView {
            cause: rest.cause.to_string(),
            since: rest.since,
            until: rest.until,
        }),
        paused: standing.pauses.iter().map(PauseView::from).collect(),
        last_posted: overview.last_posted.iter().find(|(posted, _)| *posted == company.id).map(|(_, at)| *at),
        payments_swept: standing.swept.values().map(|swept| swept.at).max(),
        calls_last_minute: budget.minute_used,
        calls_per_minute: budget.minute_limit,
        calls_remaining_today: budget.day_remaining,
        token_ends: token_ends(company, standing.token_at),
    }
}

/// The Xero organisations: whether they are paused or rest, and the calls they have left.
#[utoipa::path(get, path = "/api/v1/companies", operation_id = "list_companies", tag = "companies", responses((status = 200, description = "All companies of the configuration.", body = [CompanyView])), security(("token" = ["viewer"])))]
pub(super) async fn list(State(surface): State<Arc<Surface>>, _: Viewer) -> Json<Vec<CompanyView>> {
    Json(all(&surface, &surface.parts.store.overview()))
}

/// Pauses or resumes what is posted to a company.
///
/// Callbacks are taken in while it is paused, and posted when it is resumed.
#[utoipa::path(post, path = "/api/v1/companies/{company}/{action}", operation_id = "decide_company", tag = "companies", params(("company" = String, Path, description = "Its id in the configuration."), ("action" = String, Path, description = "What is done.", pattern = "^(pause|resume)$")), request_body = Asked, responses((status = 200, description = "The company as it is then.", body = CompanyView), (status = 404, description = "There is no such company or action."), (status = 409, description = "It is so already.")), security(("token" = ["operator"])))]
pub(super) async fn decide(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Path((company, action)): Path<(String, String)>,
    Sent(Asked { note, kind }): Sent<Asked>,
) -> Result<Json<CompanyView>, Problem> {
    let kind = kind.map(|kind| kind.parse::<RecordKind>()).transpose();
    let kind = kind.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error))?;
    let parts = surface.parts.current();
    let known = named(&company, &parts.companies)?;
    let actor = Actor { by: operator.name, note: note.into(), bulk: None };
    let standing = surface.parts.store.company(&known.id).pauses;
    let event = match action.as_str() {
        "pause" => pause(&known.id, kind, actor, &standing)?,
        "resume" => resume(&known.id, kind, actor, &standing)?,
        _ => {
            return Err(Problem::new(StatusCode::NOT_FOUND, format!("{action:?} is none of: pause, resume")));
        }
    };
    surface.parts.store.note(event, surface.parts.clock.now()).await?;
    tracing::info!(company, kind = kind.map_or("all", RecordKind::as_str), action, "an operator decided");
    Ok(Json(view(known, &surface, &surface.parts.store.overview())))
}

/// The company of this id.
pub(super) fn named<'all>(id: &str, companies: &'all [Company]) -> Result<&'all Company, Problem> {
    let known = companies.iter().find(|known| known.id.as_str() == id);
    known.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no company {id:?}")))
}

fn refused(detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, detail)
}

fn pause(company: &CompanyId, kind: Option<RecordKind>, actor: Actor, standing: &[Pause]) -> Result<Event, Problem> {
    match standing.iter().find(|pause| pause.kind == kind) {
        Some(pause) => Err(refused(format!("it is paused already: {}", pause.sentence(company)))),
        None => Ok(Event::Paused { company: company.clone(), kind, actor }),
    }
}

/// Without a kind all pauses end; a pause of all records ends only as a whole.
fn resume(company: &CompanyId, kind: Option<RecordKind>, actor: Actor, standing: &[Pause]) -> Result<Event, Problem> {
    let ends = |pause: &&Pause| kind.is_none() || pause.kind == kind;
    match (standing.iter().find(ends), standing.iter().find(|pause| pause.kind.is_none())) {
        (Some(_), _) => Ok(Event::Resumed { company: company.clone(), kind, actor }),
        (None, Some(all)) => {
            Err(refused(format!("all of it is paused; resume it without a kind: {}", all.sentence(company))))
        }
        (None, None) => Err(refused("nothing of this is paused".to_owned())),
    }
}
