//! For supervisors and monitors: alive, ready, metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Surface;
use super::access::Viewer;
use super::companies::PauseView;
use super::sweep::ConnectionView;
use super::view::status;
use super::{alerts, companies};
use crate::store::Health;
use crate::telemetry::{CompanyGauges, ConnectionGauges};

/// The process answers.
#[utoipa::path(get, path = "/healthz", operation_id = "alive", tag = "monitoring", responses((status = 200, description = "It is alive.", body = String, content_type = "text/plain")))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether callbacks can be stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReadyView {
    /// They can.
    ready: bool,
    /// `good`, or what is wrong with the store.
    store: String,
    /// Companies that nothing can be posted to now; it ends by itself.
    resting: Vec<RestingView>,
    /// Companies that operators paused.
    paused: Vec<PausedView>,
    /// How many alerts stand, by code.
    alerts: BTreeMap<String, u32>,
}

/// A company that rests.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RestingView {
    company: String,
    cause: String,
    until: Timestamp,
}

/// A company that is paused.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PausedView {
    company: String,
    pauses: Vec<PauseView>,
}

/// Whether callbacks can be stored.
///
/// A company that rests or is paused is named, but does not make the process unready. Of alerts only their codes and
/// how many there are: it is asked without a token, and their sentences tell of the books.
#[utoipa::path(get, path = "/readyz", operation_id = "ready", tag = "monitoring", responses((status = 200, description = "They can.", body = ReadyView), (status = 503, description = "They cannot: `store` says why.", body = ReadyView)))]
pub(super) async fn ready(State(surface): State<Arc<Surface>>) -> (StatusCode, Json<ReadyView>) {
    let store = surface.parts.store.health().borrow().clone();
    let overview = surface.parts.store.overview();
    let companies = companies::all(&surface, &overview);
    let resting = companies
        .iter()
        .filter_map(|company| {
            let rest = company.resting.as_ref()?;
            Some(RestingView { company: company.id.clone(), cause: rest.cause.clone(), until: rest.until })
        })
        .collect();
    let paused = companies.iter().filter(|company| !company.paused.is_empty());
    let paused = paused.map(|company| PausedView { company: company.id.clone(), pauses: company.paused.clone() });
    let (code, store) = match store {
        Health::Good => (StatusCode::OK, "good".to_owned()),
        Health::Poisoned(cause) => (StatusCode::SERVICE_UNAVAILABLE, cause),
    };
    let alerts = alerts::counts(&alerts::standing(&surface, &overview));
    (code, Json(ReadyView { ready: code == StatusCode::OK, store, resting, paused: paused.collect(), alerts }))
}

/// Figures in the text format of `OpenMetrics`, for Prometheus.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "monitoring", responses((status = 200, description = "All metrics.", body = String, content_type = "application/openmetrics-text")), security(("token" = ["viewer"])))]
pub(super) async fn metrics(State(surface): State<Arc<Surface>>, _: Viewer) -> Response {
    let view = status(&surface);
    let companies: Vec<CompanyGauges> = view
        .companies
        .iter()
        .map(|company| CompanyGauges {
            company: company.id.clone(),
            day_remaining: company.calls_remaining_today,
            minute_used: company.calls_last_minute,
            last_posted: company.last_posted.map(Timestamp::as_second),
            resting: company.resting.is_some(),
            token_ends: company.token_ends.map(Timestamp::as_second),
            paused: company.paused.iter().map(|pause| pause.kind.clone()).collect(),
        })
        .collect();
    let overview = surface.parts.store.overview();
    let age =
        overview.oldest_due.map_or(jiff::SignedDuration::ZERO, |due| surface.parts.clock.now().duration_since(due));
    let alerted =
        |name: &str, code: &str| view.alerts.iter().any(|alert| alert.connection == name && alert.code == code);
    let gauges = |connection: &ConnectionView| ConnectionGauges {
        last_callback: connection.last_callback.map(Timestamp::as_second),
        silent: alerted(&connection.name, "silent"),
        callbacks_wrong: alerted(&connection.name, "callbacks"),
        sweep_incomplete: alerted(&connection.name, "sweep"),
        missed_week: connection.missed_in_7_days,
        sweep_calls: connection.last_sweep.as_ref().map_or(0, |last| last.calls.saturating_add(last.xero_calls)),
        swept: connection.last_sweep.as_ref().map(|last| last.began.as_second()),
        completed: connection.last_complete_sweep.map(Timestamp::as_second),
        connection: connection.name.clone(),
    };
    let connections: Vec<ConnectionGauges> = view.connections.iter().map(gauges).collect();
    surface.parts.metrics.alerts(&alerts::counts(&view.alerts));
    let text = surface.parts.metrics.render(&overview, age, (&companies, &connections), view.ready);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}
