//! For supervisors and monitors: alive, ready, metrics.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Surface;
use super::access::Viewer;
use super::view::status;
use crate::store::Health;
use crate::telemetry::CompanyGauges;

/// `GET /healthz`: the process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: callbacks can be stored. A paused company is named, but does not make the process unready.
pub(super) async fn ready(State(surface): State<Arc<Surface>>) -> Response {
    let store = surface.parts.store.health().borrow().clone();
    // A rest that is over is looked into with the next record.
    let now = surface.parts.clock.now();
    let paused: Vec<_> = surface
        .parts
        .companies
        .iter()
        .filter_map(|company| {
            let pause = surface.parts.store.company(&company.id).pause.filter(|pause| pause.until > now)?;
            Some(json!({ "company": company.id.as_str(), "cause": pause.cause.as_str(), "until": pause.until }))
        })
        .collect();
    let (code, cause) = match &store {
        Health::Good => (StatusCode::OK, None),
        Health::Poisoned(cause) => (StatusCode::SERVICE_UNAVAILABLE, Some(cause.as_str())),
    };
    let body = json!({ "ready": code == StatusCode::OK, "store": cause.unwrap_or("good"), "paused": paused });
    (code, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// `GET /metrics`, in the text format of Prometheus.
pub(super) async fn metrics(State(surface): State<Arc<Surface>>, _: Viewer) -> Response {
    let view = status(&surface);
    let companies: Vec<CompanyGauges> = view
        .companies
        .iter()
        .map(|company| CompanyGauges {
            company: company.id.clone(),
            day_remaining: company.calls_remaining_today,
            paused: company.paused.is_some(),
        })
        .collect();
    let overview = surface.parts.store.overview();
    let age =
        overview.oldest_due.map_or(jiff::SignedDuration::ZERO, |due| surface.parts.clock.now().duration_since(due));
    let text = surface.parts.metrics.render(&overview, age, &companies, view.ready);
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}
