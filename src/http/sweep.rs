//! Sweeps and callbacks over HTTP, and what the status says of them: misses, the last sweep.

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
use super::extract::{DryRun, Sent};
use crate::domain::record::ConnectionId;
use crate::domain::registration::{FieldChange, shown_url};
use crate::domain::sweep::SweepResult;
use crate::pipeline::{
    AskedSweep, CallbackCheck, CallbackRow, FoundRow, PassReport, ask_sweep, asked_sweep, sync_callbacks,
};
use crate::store::Overview;

/// Why callbacks cannot be compared.
const NO_ADDRESS: &str = "`public_url` is not set in [server], so it is not known where callbacks have to lead: they are neither compared nor mended. Set it to the address that ConnectWise calls, such as https://readypost.example.com";
/// Calls to Xero that a found record costs about: a look-up, and the document.
const XERO_CALLS_EACH: u32 = 2;

/// One ConnectWise system at a glance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConnectionView {
    /// Name in the configuration.
    pub name: String,
    /// When a callback was last accepted.
    pub last_callback: Option<Timestamp>,
    /// How the last sweep ended.
    #[serde(default)]
    pub last_sweep: Option<SweepResult>,
    /// When the last sweep ended that could compare everything.
    #[serde(default)]
    pub last_complete_sweep: Option<Timestamp>,
    /// Records of the last seven days that no callback told of.
    #[serde(default)]
    pub missed_in_7_days: u32,
    /// Such records per week, over eight weeks or since the store was begun.
    #[serde(default)]
    pub missed_per_week: String,
}

/// The sweep that an operator asked for last.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SweepView {
    /// Who asked for it.
    pub by: String,
    /// Nothing is changed.
    pub dry_run: bool,
    /// When it was asked for.
    pub began: Timestamp,
    /// When it ended; none while it is under way.
    pub ended: Option<Timestamp>,
    /// What it is doing.
    pub stage: String,
    /// Rows that were compared so far in this connection.
    pub rows: u32,
    /// Connections that it goes through.
    pub connections: usize,
    /// What came out, of each connection that was gone through.
    pub reports: Vec<ReportView>,
}

/// What a sweep of a connection came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReportView {
    /// The ConnectWise system.
    pub connection: String,
    /// How it ended.
    pub result: SweepResult,
    /// Calls to Xero that the found records cost about.
    pub xero_calls_about: u32,
    /// The records that were handed to the queue, or would be; the first 500.
    pub found: Vec<FoundView>,
}

/// A record that is handed to the queue.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FoundView {
    /// connection/kind/source.
    pub key: String,
    /// Its number.
    pub number: String,
    /// Why: missed, `before_store`, new, back, `closed_again`, gone, or payment.
    pub why: String,
    /// When it was closed, as ConnectWise wrote it; of a payment, its day there, or when its invoice changed in Xero.
    pub closed: String,
}

/// The callbacks of a connection.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CallbacksView {
    /// The ConnectWise system.
    pub connection: String,
    /// Where its callbacks have to lead; empty where that is not known, or where they cannot be read.
    pub address: String,
    /// What is there, and what is needed.
    pub rows: Vec<CallbackView>,
    /// What is wrong.
    pub wrong: Vec<String>,
    /// What was done about it.
    pub done: Vec<String>,
    /// What could not be done, and why.
    pub failed: Vec<String>,
}

/// A callback that is there, or is needed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CallbackView {
    /// What is to be done with it, or was: register, `switch_on`, or repair; right, unneeded and foreign ones are left
    /// alone.
    pub standing: String,
    /// ConnectWise's id; none of one that is missing.
    pub id: Option<i64>,
    /// Type of record, such as invoice.
    pub kind: String,
    /// Its level, such as owner.
    pub level: String,
    /// What the level refers to; 1 for the level owner.
    pub object_id: Option<i64>,
    /// Where it leads to; what may be a secret in it is `…`.
    pub address: String,
    /// The fields that change, of one that is there.
    pub fields: Vec<FieldView>,
    /// It was done.
    pub done: bool,
    /// Why it could not be done.
    pub failed: Option<String>,
}

/// A field of a callback that changes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldView {
    /// As ConnectWise calls it.
    pub field: String,
    /// What it is.
    pub from: String,
    /// What it becomes.
    pub to: String,
}

impl CallbacksView {
    /// Nothing is known of them.
    fn unknown(connection: &ConnectionId, cause: &str) -> Self {
        let (connection, failed) = (connection.to_string(), vec![cause.to_owned()]);
        Self { connection, address: String::new(), rows: Vec::new(), wrong: Vec::new(), done: Vec::new(), failed }
    }

    fn of(connection: &ConnectionId, check: &CallbackCheck) -> Self {
        Self {
            connection: connection.to_string(),
            address: shown_url(&check.address, &check.address),
            rows: check.rows.iter().map(|row| CallbackView::of(row, &check.address)).collect(),
            wrong: check.needed().map(|(change, _)| change.wrong()).collect(),
            done: check.done(),
            failed: check.failed(),
        }
    }
}

impl CallbackView {
    fn of(row: &CallbackRow, address: &str) -> Self {
        let entry = row.standing.entry(address);
        let shown = |text: String| if text.contains("://") { shown_url(&text, address) } else { text };
        let field = |FieldChange { field, from, to }| {
            let (from, to) = (shown(from), shown(to));
            FieldView { field: str::to_owned(field), from, to }
        };
        Self {
            standing: row.standing.as_str().to_owned(),
            id: Some(entry.id).filter(|id| *id != 0),
            kind: entry.kind(),
            level: entry.level.trim().to_ascii_lowercase(),
            object_id: entry.object_id,
            address: shown_url(&entry.url, address),
            fields: row.standing.change().into_iter().flat_map(|change| change.fields(address)).map(field).collect(),
            done: matches!(row.outcome, Some(Ok(()))),
            failed: row.outcome.clone().and_then(Result::err),
        }
    }
}

impl From<&FoundRow> for FoundView {
    fn from(row: &FoundRow) -> Self {
        let (number, why, closed) = (row.number.clone(), row.why.clone(), row.closed.clone());
        Self { key: row.key.to_string(), number, why, closed }
    }
}

impl From<&PassReport> for ReportView {
    fn from(report: &PassReport) -> Self {
        let handed: u32 = report.result.found.values().fold(0, |sum, count| sum.saturating_add(*count));
        Self {
            connection: report.connection.to_string(),
            result: report.result.clone(),
            xero_calls_about: handed.saturating_mul(XERO_CALLS_EACH),
            found: report.found.iter().map(FoundView::from).collect(),
        }
    }
}

impl From<AskedSweep> for SweepView {
    fn from(asked: AskedSweep) -> Self {
        Self {
            by: asked.by,
            dry_run: asked.dry_run,
            began: asked.began,
            ended: asked.ended,
            stage: asked.stage,
            rows: asked.rows,
            connections: asked.connections,
            reports: asked.reports.iter().map(ReportView::from).collect(),
        }
    }
}

/// All connections of the configuration.
pub(super) fn connections(surface: &Surface, overview: &Overview) -> Vec<ConnectionView> {
    let (began, now) = (surface.parts.store.trusted_since(), surface.parts.clock.now());
    let view = |name: &ConnectionId| {
        let standing = overview.sweeps.iter().find(|(swept, _)| swept == name).map(|(_, standing)| standing.clone());
        let standing = standing.unwrap_or_default();
        let tenths = standing.misses_per_week_tenths(began, now);
        ConnectionView {
            name: name.to_string(),
            last_callback: heard(name, overview),
            missed_in_7_days: standing.misses_of_week(now),
            missed_per_week: format!("{}.{}", tenths / 10, tenths % 10),
            last_complete_sweep: standing.complete,
            last_sweep: standing.last,
        }
    };
    surface.parts.current().connections.keys().map(view).collect()
}

fn heard(name: &ConnectionId, overview: &Overview) -> Option<Timestamp> {
    overview.last_callback.iter().find(|(called, _)| called == name).map(|(_, at)| *at)
}

/// The sweep that was asked for last, and how far it is.
#[utoipa::path(get, path = "/api/v1/sweep", operation_id = "show_sweep", tag = "sweep", responses((status = 200, description = "How far it is, and what it found.", body = SweepView), (status = 404, description = "Nobody has asked for one since the start.")), security(("token" = ["viewer"])))]
pub(super) async fn show(State(surface): State<Arc<Surface>>, _: Viewer) -> Result<Json<SweepView>, Problem> {
    let none = || Problem::new(StatusCode::NOT_FOUND, "nobody has asked for a sweep since readypost was started");
    asked_sweep(&surface.parts).map(|asked| Json(asked.into())).ok_or_else(none)
}

/// Begins a sweep of every connection: what is unposted in ConnectWise is compared with the store.
#[utoipa::path(post, path = "/api/v1/sweep", operation_id = "begin_sweep", tag = "sweep", request_body = DryRun, responses((status = 202, description = "It was begun; ask for it by GET.", body = SweepView), (status = 409, description = "One is under way.")), security(("token" = ["operator"])))]
pub(super) async fn begin(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Sent(DryRun { dry_run }): Sent<DryRun>,
) -> Result<(StatusCode, Json<SweepView>), Problem> {
    match ask_sweep(&surface.parts, operator.name, dry_run) {
        Ok(asked) => Ok((StatusCode::ACCEPTED, Json((*asked).into()))),
        Err(running) => {
            let (by, began) = (&running.by, running.began.strftime("%H:%M:%S UTC"));
            let detail = format!(
                "the sweep that {by} asked for at {began} is under way ({}): see GET /api/v1/sweep",
                running.stage
            );
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

/// Compares the callbacks of every connection with what is needed, and makes them so.
#[utoipa::path(post, path = "/api/v1/callbacks", operation_id = "sync_callbacks", tag = "sweep", request_body = DryRun, responses((status = 200, description = "Of each connection what is there and what is needed, what is wrong, and what was done.", body = [CallbacksView]), (status = 409, description = "`public_url` is not set, so it is not known where callbacks lead.")), security(("token" = ["operator"])))]
pub(super) async fn callbacks(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Sent(DryRun { dry_run }): Sent<DryRun>,
) -> Result<Json<Vec<CallbacksView>>, Problem> {
    let by = (!dry_run).then_some(operator.name.as_str());
    let Some(checks) = sync_callbacks(&surface.parts, by).await else {
        if dry_run {
            let parts = surface.parts.current();
            let view = |id: &ConnectionId| CallbacksView::unknown(id, NO_ADDRESS);
            return Ok(Json(parts.connections.keys().map(view).collect()));
        }
        return Err(Problem::new(StatusCode::CONFLICT, NO_ADDRESS));
    };
    if !dry_run {
        tracing::info!(by = operator.name, "an operator had the callbacks compared");
    }
    let view = |(connection, check): &(ConnectionId, Result<CallbackCheck, String>)| match check {
        Ok(check) => CallbacksView::of(connection, check),
        Err(cause) => CallbacksView::unknown(connection, cause),
    };
    Ok(Json(checks.iter().map(view).collect()))
}
