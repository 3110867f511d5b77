//! Statements over HTTP: one is made in the background, asked for until it is there, and kept for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use super::Surface;
use super::access::{Decider, Viewer};
use super::companies::named;
use super::error::Problem;
use super::extract::{Query, Sent};
use crate::domain::record::CompanyId;
use crate::domain::statement::{Calls, Month, Statement};
use crate::pipeline::{Progress, reconcile};

/// Statements that are kept in memory; a month can be stated again at any time.
const KEPT_MAX: usize = 12;
/// Statements that are made at the same time.
const RUNNING_MAX: usize = 2;

/// The statements that were asked for, the newest last.
#[derive(Debug, Default)]
pub struct Statements(Mutex<Vec<Job>>);

/// One statement, made or being made.
#[derive(Clone, Debug)]
struct Job {
    company: CompanyId,
    month: Month,
    by: String,
    begun: Timestamp,
    progress: watch::Receiver<Progress>,
    /// None while it is being made.
    outcome: Option<Result<Arc<Statement>, String>>,
}

/// How far a statement is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatementView {
    /// The Xero organisation.
    pub company: CompanyId,
    /// The month.
    pub month: Month,
    /// `running`, `done` or `failed`.
    pub state: String,
    /// Who asked.
    pub by: String,
    /// When.
    pub begun: Timestamp,
    /// What is being read.
    pub step: String,
    /// Records and documents that were read.
    pub rows: usize,
    /// Calls so far.
    pub calls: Calls,
    /// It waits for Xero's calls of the minute until then.
    pub waits_until: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<String>,
    /// Whether nothing is missing and nothing unexplained, once it is done.
    pub balanced: Option<bool>,
    /// The statement, once it is done.
    pub statement: Option<Statement>,
}

impl StatementView {
    /// How far it is, in words.
    #[must_use]
    pub fn how_far(&self) -> String {
        let Self { step, rows, .. } = self;
        if step.is_empty() {
            return "beginning".to_owned();
        }
        format!("{step}: {rows} read, {}", self.calls.told(self.waits_until))
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StatementOf)]
pub(super) struct Asked {
    /// Id of the company in the configuration.
    #[schema(example = "acme-au")]
    company: String,
    /// The month.
    #[schema(value_type = Month)]
    month: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Id of the company in the configuration.
    #[param(example = "acme-au")]
    company: String,
    /// The month.
    #[param(value_type = Month)]
    month: String,
    /// `json`, or `csv` for the lines alone.
    #[param(pattern = "^(json|csv)$")]
    format: Option<String>,
}

impl Statements {
    fn lock(&self) -> MutexGuard<'_, Vec<Job>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, company: &CompanyId, month: Month) -> Option<Job> {
        self.lock().iter().rev().find(|job| job.company == *company && job.month == month).cloned()
    }
}

impl Job {
    /// With the statement, once it is done.
    fn view(&self) -> StatementView {
        let statement = self.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
        StatementView { statement: statement.map(|statement| statement.as_ref().clone()), ..self.outline() }
    }

    /// Without the statement.
    fn outline(&self) -> StatementView {
        let progress = self.progress.borrow().clone();
        let statement = self.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
        let state = match &self.outcome {
            None => "running",
            Some(Ok(_)) => "done",
            Some(Err(_)) => "failed",
        };
        StatementView {
            company: self.company.clone(),
            month: self.month,
            state: state.to_owned(),
            by: self.by.clone(),
            begun: self.begun,
            step: progress.step,
            rows: progress.rows,
            calls: progress.calls,
            waits_until: progress.waits_until,
            error: self.outcome.as_ref().and_then(|outcome| outcome.as_ref().err()).cloned(),
            balanced: statement.map(|statement| statement.is_balanced()),
            statement: None,
        }
    }
}

fn asked(company: &str, month: &str, surface: &Surface) -> Result<(CompanyId, Month), Problem> {
    let month = month.parse().map_err(|error: String| Problem::new(StatusCode::BAD_REQUEST, error))?;
    Ok((named(company, &surface.parts.current().companies)?.id.clone(), month))
}

/// Begins the statement of a month, or joins the one of the same month that is being made.
#[utoipa::path(post, path = "/api/v1/reconcile", operation_id = "begin_statement", tag = "reconcile", request_body = Asked, responses((status = 202, description = "It is being made; ask for it by GET.", body = StatementView), (status = 404, description = "There is no such company."), (status = 409, description = "Others are being made.")), security(("token" = ["operator"])))]
pub(super) async fn begin(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Sent(Asked { company, month }): Sent<Asked>,
) -> Result<(StatusCode, Json<StatementView>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(start(&surface, (&company, &month), operator.name)?)))
}

/// Begins one in the background, or joins the one that is being made.
pub(super) fn start(
    surface: &Arc<Surface>,
    (company, month): (&str, &str),
    by: String,
) -> Result<StatementView, Problem> {
    let (company, month) = asked(company, month, surface)?;
    let (sender, progress) = watch::channel(Progress::default());
    let job = {
        let mut jobs = surface.statements.lock();
        let same = |job: &&Job| job.outcome.is_none() && job.company == company && job.month == month;
        if let Some(job) = jobs.iter().find(same) {
            return Ok(job.view());
        }
        if jobs.iter().filter(|job| job.outcome.is_none()).count() >= RUNNING_MAX {
            let busy = "other statements are being made; ask again when they are done";
            return Err(Problem::new(StatusCode::CONFLICT, busy));
        }
        jobs.retain(|job| job.outcome.is_none() || (job.company != company || job.month != month));
        while jobs.len() >= KEPT_MAX {
            let Some(oldest) = jobs.iter().position(|job| job.outcome.is_some()) else { break };
            jobs.remove(oldest);
        }
        let begun = surface.parts.clock.now();
        let job = Job { company: company.clone(), month, by, begun, progress, outcome: None };
        jobs.push(job.clone());
        job
    };
    tracing::info!(%company, %month, by = job.by, "a statement is made");
    let view = job.view();
    let making = Arc::clone(surface);
    tokio::spawn(async move {
        let parts = making.parts.current();
        // In a task of its own, so that a panic ends as a failure that is seen.
        let made = tokio::spawn(async move { reconcile(&company, month, &parts, &sender).await }).await;
        let made = made.unwrap_or_else(|_| Err("it failed inside readypost; its log says where".to_owned()));
        if let Err(cause) = &made {
            tracing::warn!(%month, cause, "a statement could not be made");
        }
        let ended = |running: &&mut Job| {
            running.outcome.is_none()
                && running.begun == job.begun
                && running.month == month
                && running.company == job.company
        };
        if let Some(running) = making.statements.lock().iter_mut().find(ended) {
            running.outcome = Some(made.map(Arc::new));
        }
    });
    Ok(view)
}

/// All that are kept, the newest first; of those that are done only whether they are in balance.
pub(super) fn all(surface: &Surface) -> Vec<StatementView> {
    surface.statements.lock().iter().rev().map(Job::outline).collect()
}

/// How far one is, and all that it came to once it is done.
pub(super) fn one(
    surface: &Surface,
    company: &str,
    month: &str,
) -> Result<(StatementView, Option<Arc<Statement>>), Problem> {
    let job = find(surface, company, month)?;
    let statement = job.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok()).cloned();
    Ok((job.outline(), statement))
}

fn find(surface: &Surface, company: &str, month: &str) -> Result<Job, Problem> {
    let (company, month) = asked(company, month, surface)?;
    let known = surface.statements.find(&company, month);
    known.ok_or_else(|| {
        let sentence = format!("no statement of {company} for {month} was asked for since the start");
        Problem::new(StatusCode::NOT_FOUND, sentence)
    })
}

/// How far the statement of a month is, and the statement once it is done.
#[utoipa::path(get, path = "/api/v1/reconcile", operation_id = "show_statement", tag = "reconcile", params(Wanted), responses((status = 200, description = "The statement.", content((StatementView = "application/json"), (String = "text/csv"))), (status = 400, description = "A month or format that is none."), (status = 404, description = "There is no such company, or nobody asked for its month since the start."), (status = 409, description = "There are no lines yet, or it failed; with `format=csv`.")), security(("token" = ["viewer"])))]
pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let job = find(&surface, &wanted.company, &wanted.month)?;
    match (wanted.format.as_deref(), &job.outcome) {
        (None | Some("json"), _) => Ok(Json(job.view()).into_response()),
        (Some("csv"), Some(Ok(statement))) => {
            let name = format!("attachment; filename=\"{}-{}.csv\"", job.company, job.month);
            let headers =
                [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
            Ok((headers, statement.csv()).into_response())
        }
        (Some("csv"), Some(Err(cause))) => Err(Problem::new(StatusCode::CONFLICT, cause.clone())),
        (Some("csv"), None) => Err(Problem::new(StatusCode::CONFLICT, "the statement is still being made")),
        (Some(format), _) => {
            Err(Problem::new(StatusCode::BAD_REQUEST, format!("format {format:?} is none of: json, csv")))
        }
    }
}
