//! Simulations over HTTP: one runs in the background, is asked for until it is done, can be cancelled, and is kept for a
//! while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};

use super::Surface;
use super::access::{Decider, Viewer};
use super::companies::named;
use super::error::Problem;
use super::extract::{Query, Sent};
use crate::domain::record::{KeyError, RecordKey};
use crate::domain::simulation::{Scope, Simulation};
use crate::domain::statement::{Calls, Month};
use crate::pipeline::{Live, SimulationProgress, simulate};

/// Simulations that are kept in memory.
const KEPT_MAX: usize = 4;
/// Simulations that run at the same time.
const RUNNING_MAX: usize = 2;
/// Rows of one answer when nothing else is asked for.
const ROWS: u32 = 100;
/// Rows of one answer at most.
const ROWS_MAX: u32 = 500;

/// The simulations that were asked for, the newest last.
#[derive(Debug, Default)]
pub struct Simulations(Mutex<Jobs>);

#[derive(Debug, Default)]
struct Jobs {
    last: u64,
    jobs: Vec<Job>,
}

/// One simulation, done or under way.
#[derive(Clone, Debug)]
struct Job {
    id: u64,
    scope: Scope,
    /// The company, or the connection of a single record: one at a time.
    whose: String,
    by: String,
    begun: Timestamp,
    progress: watch::Receiver<SimulationProgress>,
    cancel: CancellationToken,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
enum Outcome {
    Running,
    Done(Arc<Simulation>),
    Failed(String),
    Cancelled,
}

/// How far a simulation is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SimulationView {
    /// Which one.
    pub id: u64,
    /// What is simulated.
    pub scope: Scope,
    /// `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// Who asked.
    pub by: String,
    /// When.
    pub begun: Timestamp,
    /// What is being done.
    pub step: String,
    /// Records that were looked at.
    pub done: u32,
    /// Records that are to be looked at; 0 while they are being listed.
    pub of: u32,
    /// Calls so far.
    pub calls: Calls,
    /// It waits for Xero's calls of the minute until then.
    pub waits_until: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// What it came to, once it is done, with the rows that were asked for.
    pub simulation: Option<Simulation>,
    /// Where the next rows begin; none after the last.
    pub next: Option<usize>,
}

impl SimulationView {
    /// How far it is, in words.
    #[must_use]
    pub fn how_far(&self) -> String {
        format!("{}, {}", self.step, self.calls.told(self.waits_until))
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SimulationOf)]
pub(super) struct Asked {
    /// One record: connection/kind/source.
    #[schema(value_type = Option<RecordKey>)]
    pub(super) record: Option<String>,
    /// Id of a company in the configuration; with `month` or `unposted`.
    #[schema(example = "acme-au")]
    pub(super) company: Option<String>,
    /// All documents of a month.
    #[schema(value_type = Option<Month>)]
    pub(super) month: Option<String>,
    /// Everything that ConnectWise lists as unposted.
    #[serde(default)]
    pub(super) unposted: bool,
}

/// Which one is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Meant {
    /// Which one; without it the newest.
    #[param(maximum = 4_294_967_295u32)]
    id: Option<u32>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Which one; without it the newest.
    #[param(maximum = 4_294_967_295u32)]
    id: Option<u32>,
    /// `json`, or `csv` for the rows alone.
    #[param(pattern = "^(json|csv)$")]
    format: Option<String>,
    /// The first row.
    #[param(maximum = 4_294_967_295u32)]
    offset: Option<u32>,
    /// How many rows: 100 without it.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

impl Simulations {
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The one of this id, or the newest.
    fn find(&self, id: Option<u32>) -> Result<Job, Problem> {
        let jobs = self.lock();
        let found = match id {
            Some(id) => jobs.jobs.iter().find(|job| job.id == u64::from(id)),
            None => jobs.jobs.last(),
        };
        let missing = || format!("there is no such simulation: the last {KEPT_MAX} since the start are kept");
        found.cloned().ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, missing()))
    }

    /// A new one, if it may begin now, or the same that runs.
    fn begin(&self, (scope, whose): (Scope, String), by: String, begun: Timestamp) -> Result<Begun, Problem> {
        let busy = |detail: String| Err(Problem::new(StatusCode::CONFLICT, detail));
        let mut held = self.lock();
        let running = || held.jobs.iter().filter(|job| matches!(job.outcome, Outcome::Running));
        if let Some(job) = running().find(|job| job.whose == whose) {
            if job.scope == scope {
                return Ok(Begun { job: job.clone(), sender: None });
            }
            return busy(format!(
                "simulation {id} of {whose} is running; ask again when it is done, or cancel it by `readypost simulate \
                 --cancel {id}`",
                id = job.id
            ));
        }
        if running().count() >= RUNNING_MAX {
            let ids: Vec<String> = running().map(|job| job.id.to_string()).collect();
            return busy(format!(
                "the simulations {} are running; ask again when one is done, or cancel one by `readypost simulate \
                 --cancel ID`",
                ids.join(" and ")
            ));
        }
        while held.jobs.len() >= KEPT_MAX {
            let ended = |job: &Job| !matches!(job.outcome, Outcome::Running);
            let single = |job: &Job| ended(job) && matches!(job.scope, Scope::Record { .. });
            // A record is simulated again in a moment; a month is not.
            let oldest = held.jobs.iter().position(single).or_else(|| held.jobs.iter().position(ended));
            let Some(oldest) = oldest else { break };
            held.jobs.remove(oldest);
        }
        held.last = held.last.saturating_add(1);
        let (sender, progress) = watch::channel(SimulationProgress::default());
        let (id, cancel) = (held.last, CancellationToken::new());
        let job = Job { id, scope, whose, by, begun, progress, cancel, outcome: Outcome::Running };
        held.jobs.push(job.clone());
        Ok(Begun { job, sender: Some(sender) })
    }

    fn end(&self, id: u64, outcome: Outcome) {
        if let Some(job) = self.lock().jobs.iter_mut().find(|job| job.id == id) {
            job.outcome = outcome;
        }
    }
}

struct Begun {
    job: Job,
    /// None when it runs already.
    sender: Option<watch::Sender<SimulationProgress>>,
}

impl Job {
    fn view(&self, rows: Option<(usize, usize)>) -> SimulationView {
        let progress = self.progress.borrow().clone();
        let (state, error) = match &self.outcome {
            Outcome::Running => ("running", None),
            Outcome::Done(_) => ("done", None),
            Outcome::Failed(cause) => ("failed", Some(cause.clone())),
            Outcome::Cancelled => ("cancelled", None),
        };
        let (simulation, next) = match (&self.outcome, rows) {
            (Outcome::Done(simulation), Some((offset, limit))) => {
                let rows: Vec<_> = simulation.rows.iter().skip(offset).take(limit).cloned().collect();
                let end = offset.saturating_add(rows.len());
                let next = (end < simulation.rows.len()).then_some(end);
                (Some(with_rows(simulation, rows)), next)
            }
            _ => (None, None),
        };
        SimulationView {
            id: self.id,
            scope: self.scope.clone(),
            state: state.to_owned(),
            by: self.by.clone(),
            begun: self.begun,
            step: progress.step,
            done: progress.done,
            of: progress.of,
            calls: progress.calls,
            waits_until: progress.waits_until.filter(|_| state == "running"),
            error,
            simulation,
            next,
        }
    }
}

/// The same with these rows only.
fn with_rows(simulation: &Simulation, rows: Vec<crate::domain::simulation::Simulated>) -> Simulation {
    let Simulation { scope, at, records, totals, reasons, new_contacts, calls, spent, estimate, notes, .. } =
        simulation;
    Simulation {
        scope: scope.clone(),
        at: *at,
        records: *records,
        totals: totals.clone(),
        reasons: reasons.clone(),
        new_contacts: *new_contacts,
        calls: *calls,
        spent: *spent,
        estimate: estimate.clone(),
        notes: notes.clone(),
        rows,
        rows_left_out: simulation.rows_left_out,
    }
}

/// What is asked for, and whose it is.
fn scope(asked: Asked, parts: &Live) -> Result<(Scope, String), Problem> {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
    let unfit = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let parts = parts.current();
    let company = |id: &str| named(id, &parts.companies).map(|company| company.id.clone());
    match asked {
        Asked { record: Some(record), company: None, month: None, unposted: false } => {
            let key: RecordKey = record.parse().map_err(|error: KeyError| unfit(error.to_string()))?;
            if !parts.connections.contains_key(&key.connection) {
                let detail = format!("there is no connection {:?}", key.connection.as_str());
                return Err(Problem::new(StatusCode::NOT_FOUND, detail));
            }
            let whose = format!("records of {}", key.connection);
            Ok((Scope::Record { key }, whose))
        }
        Asked { record: None, company: Some(name), month: Some(month), unposted: false } => {
            let month: Month = month.parse().map_err(bad)?;
            Ok((Scope::Month { company: company(&name)?, month }, name))
        }
        Asked { record: None, company: Some(name), month: None, unposted: true } => {
            Ok((Scope::Unposted { company: company(&name)? }, name))
        }
        _ => Err(unfit(
            "say {\"record\": \"acme/invoice/5041\"}, or \"company\" with either \"month\" or \"unposted\": true"
                .to_owned(),
        )),
    }
}

/// Begins a simulation: what posting would do. Nothing is written by it, in neither system. One of the same that runs is
/// joined.
#[utoipa::path(post, path = "/api/v1/simulate", operation_id = "begin_simulation", tag = "onboarding", request_body = Asked, responses((status = 202, description = "It runs; ask for it by GET with its id.", body = SimulationView), (status = 404, description = "There is no such company or connection."), (status = 409, description = "Another of the same company runs, or too many others."), (status = 422, description = "It is neither a record, nor a company with a month or `unposted`.")), security(("token" = ["operator"])))]
pub(super) async fn begin(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Sent(asked): Sent<Asked>,
) -> Result<(StatusCode, Json<SimulationView>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(start(&surface, asked, operator.name)?)))
}

/// Begins one in the background, or joins the same that runs.
pub(super) fn start(surface: &Arc<Surface>, asked: Asked, by: String) -> Result<SimulationView, Problem> {
    let wanted = scope(asked, &surface.parts)?;
    let Begun { job, sender } = surface.simulations.begin(wanted, by, surface.parts.clock.now())?;
    let Some(sender) = sender else { return Ok(job.view(None)) };
    tracing::info!(id = job.id, of = job.whose, by = job.by, "a simulation begins");
    let view = job.view(None);
    let working = Arc::clone(surface);
    tokio::spawn(async move {
        let (parts, scope, cancel) = (working.parts.current(), job.scope.clone(), job.cancel.clone());
        // In a task of its own, so that a panic ends as a failure that is seen.
        let work = tokio::spawn(async move {
            tokio::select! {
                // All of it only reads, and a token that is being renewed is kept without it, so it may end anywhere.
                () = cancel.cancelled() => None,
                done = simulate(&scope, &parts, &sender) => Some(done),
            }
        });
        let outcome = match work.await {
            Ok(None) => Outcome::Cancelled,
            Ok(Some(Ok(simulation))) => Outcome::Done(Arc::new(simulation)),
            Ok(Some(Err(cause))) => Outcome::Failed(cause),
            Err(_) => Outcome::Failed("it failed inside readypost; its log says where".to_owned()),
        };
        if let Outcome::Failed(cause) = &outcome {
            tracing::warn!(id = job.id, cause, "a simulation could not be finished");
        }
        working.simulations.end(job.id, outcome);
    });
    Ok(view)
}

/// All that are kept, without their rows, the newest first.
pub(super) fn all(surface: &Surface) -> Vec<SimulationView> {
    surface.simulations.lock().jobs.iter().rev().map(|job| job.view(None)).collect()
}

/// How far one is, and all that it came to once it is done.
pub(super) fn one(surface: &Surface, id: u32) -> Result<(SimulationView, Option<Arc<Simulation>>), Problem> {
    let job = surface.simulations.find(Some(id))?;
    let simulation = match &job.outcome {
        Outcome::Done(simulation) => Some(Arc::clone(simulation)),
        _ => None,
    };
    Ok((job.view(None), simulation))
}

/// Cancels one that runs; one that has ended stays as it is.
pub(super) fn stop(surface: &Surface, id: Option<u32>, by: &str) -> Result<SimulationView, Problem> {
    let job = surface.simulations.find(id)?;
    if matches!(job.outcome, Outcome::Running) {
        tracing::info!(id = job.id, by, "a simulation is cancelled");
        job.cancel.cancel();
    }
    Ok(job.view(None))
}

/// How far a simulation is, and what it came to once it is done.
#[utoipa::path(get, path = "/api/v1/simulate", operation_id = "show_simulation", tag = "onboarding", params(Wanted), responses((status = 200, description = "The simulation with the rows from `offset`.", content((SimulationView = "application/json"), (String = "text/csv"))), (status = 400, description = "A value that is none."), (status = 404, description = "There is no such simulation."), (status = 409, description = "There are no rows yet, or it failed or was cancelled; with `format=csv`.")), security(("token" = ["viewer"])))]
pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let job = surface.simulations.find(wanted.id)?;
    match (wanted.format.as_deref(), &job.outcome) {
        (None | Some("json"), _) => {
            let limit = wanted.limit.unwrap_or(ROWS);
            if !(1..=ROWS_MAX).contains(&limit) {
                let detail = format!("limit {limit} is not from 1 to {ROWS_MAX}");
                return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
            }
            let rows = (wanted.offset.unwrap_or(0) as usize, limit as usize);
            Ok(Json(job.view(Some(rows))).into_response())
        }
        (Some("csv"), Outcome::Done(simulation)) => {
            let name = format!("attachment; filename=\"simulation-{}.csv\"", job.id);
            let headers =
                [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
            Ok((headers, simulation.csv()).into_response())
        }
        (Some("csv"), Outcome::Running) => {
            Err(Problem::new(StatusCode::CONFLICT, "the simulation is still running; ask again when it is done"))
        }
        (Some("csv"), Outcome::Failed(cause)) => Err(Problem::new(StatusCode::CONFLICT, cause.clone())),
        (Some("csv"), Outcome::Cancelled) => Err(Problem::new(StatusCode::CONFLICT, "the simulation was cancelled")),
        (Some(format), _) => {
            Err(Problem::new(StatusCode::BAD_REQUEST, format!("format {format:?} is none of: json, csv")))
        }
    }
}

/// Cancels a simulation that runs; one that has ended stays as it is.
#[utoipa::path(delete, path = "/api/v1/simulate", operation_id = "cancel_simulation", tag = "onboarding", params(Meant), responses((status = 200, description = "The simulation as it is then.", body = SimulationView), (status = 400, description = "A value that is none."), (status = 404, description = "There is no such simulation.")), security(("token" = ["operator"])))]
pub(super) async fn cancel(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Query(Meant { id }): Query<Meant>,
) -> Result<Json<SimulationView>, Problem> {
    stop(&surface, id, &operator.name).map(Json)
}
