//! What is looked into when somebody asks: map checks, simulations, statements. Nothing is written by any of them.

mod map;
mod simulation;
mod statement;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;

use super::actions::refused;
use super::{Here, Sheet, time};
use crate::domain::record::RecordKey;
use crate::http::access::Looker;
use crate::http::error::Problem;
use crate::http::extract::{Form, Path};
use crate::http::simulate::Asked;
use crate::http::{Surface, mapcheck, reconcile, simulate};

const ADDRESS: &str = "/status/checks";

/// The pages below `/status/checks`.
pub(super) fn routes() -> Router<Arc<Surface>> {
    Router::new()
        .route(ADDRESS, get(list))
        .route("/status/checks/{what}", post(begin))
        .route("/status/checks/simulations/{id}", get(simulation::show))
        .route("/status/checks/simulations/{id}/cancel", post(simulation::cancel))
        .route("/status/checks/maps/{company}", get(map::show))
        .route("/status/checks/statements/{company}/{month}", get(statement::show))
}

/// What the forms send.
#[derive(Deserialize)]
pub(super) struct Sent {
    form_key: String,
    #[serde(default)]
    company: String,
    #[serde(default)]
    month: String,
    #[serde(default)]
    record: String,
}

/// The form that begins the simulation of one record.
pub(super) fn simulate_one(record: &RecordKey, form_key: &str) -> Markup {
    html! {
        form.act method="post" action={ (ADDRESS) "/simulate-record" } aria-label="Simulate" {
            input type="hidden" name="form_key" value=(form_key);
            input type="hidden" name="record" value=(record);
            button type="submit" { "Simulate" }
            span.quiet { "What posting would do now; nothing is written." }
        }
    }
}

/// `GET /status/checks`.
async fn list(State(surface): State<Arc<Surface>>, looker: Looker) -> Response {
    let companies: Vec<String> =
        surface.parts.current().companies.iter().map(|company| company.id.to_string()).collect();
    let (mut maps, mut statements) = (mapcheck::all(&surface), reconcile::all(&surface));
    // A company that left the configuration has no page.
    maps.retain(|check| companies.iter().any(|known| known == check.company.as_str()));
    statements.retain(|view| companies.iter().any(|known| known == view.company.as_str()));
    let simulations = simulate::all(&surface);
    let known = [maps.len(), statements.len(), simulations.len()].iter().any(|known| *known > 0);
    let row = |address: String, name: String, (state, said): (&str, &str), by: &str, begun: Timestamp| {
        html! { tr {
            td { a href=(address) { (name) } } td { (state) @if !said.is_empty() { " · " (said) } } td { (by) } td { (time(begun)) }
        } }
    };
    let body = html! {
        h1 { "Checks" }
        p.quiet { "Both systems are read and compared, and nothing is written in either." }
        @if let Some(form_key) = looker.form_key() { (forms(&companies, form_key, surface.parts.clock.now())) }
        @if known {
            h2 { "Since the start" }
            div.wide tabindex="0" { table.rows {
                thead { tr { th { "What" } th { "State" } th { "By" } th { "Begun" } } }
                tbody {
                    @for check in &maps {
                        (row(format!("{ADDRESS}/maps/{}", check.company), format!("Map check of {}", check.company),
                            (&check.state, ""), &check.by, check.begun))
                    }
                    @for view in &simulations {
                        (row(format!("{ADDRESS}/simulations/{}", view.id), format!("Simulation of {}", view.scope),
                            (&view.state, ""), &view.by, view.begun))
                    }
                    @for view in &statements {
                        (row(format!("{ADDRESS}/statements/{}/{}", view.company, view.month),
                            format!("Statement of {}, {}", view.company, view.month),
                            (&view.state, view.balanced.map_or("", |balanced| if balanced { "in balance" } else { "NOT in balance" })),
                            &view.by, view.begun))
                    }
                }
            } }
        }
    };
    Sheet::new("Checks", Here::Checks).show(&looker, &body)
}

fn forms(companies: &[String], form_key: &str, now: Timestamp) -> Markup {
    let today = now.to_zoned(TimeZone::UTC).date();
    let last_month = today.first_of_month().yesterday().unwrap_or(today).strftime("%Y-%m").to_string();
    let button = |what: &str, name: &str| html! { button type="submit" formaction={ (ADDRESS) "/" (what) } { (name) } };
    html! {
        form.act method="post" aria-label="Check" {
            input type="hidden" name="form_key" value=(form_key);
            label { "Company" select name="company" { @for company in companies { option { (company) } } } }
            label { "Month" input type="month" name="month" value=(last_month) size="7" placeholder="2026-11" pattern="[0-9]{4}-[0-9]{2}"; }
            (button("state-month", "State the month"))
            (button("simulate-month", "Simulate the month"))
            (button("simulate-unposted", "Simulate everything unposted"))
            (button("check-map", "Check the map"))
        }
        ul {
            li { strong { "State the month: " } "what ConnectWise closed and what Xero has, next to each other, to the cent." }
            li { strong { "Simulate: " } "the documents that posting would make, with their holds and warnings, and what they cost." }
            li { strong { "Check the map: " } "accounts, tax codes, tracking, currencies, terms and statuses that would hold a record." }
        }
    }
}

/// `POST /status/checks/{what}`.
async fn begin(
    State(surface): State<Arc<Surface>>,
    looker: Looker,
    Path(what): Path<String>,
    Form(sent): Form<Sent>,
) -> Response {
    let begun = looker.decides_by(&sent.form_key).and_then(|operator| address(&surface, &what, sent, &operator.name));
    match begun {
        Ok(address) => Redirect::to(&address).into_response(),
        Err(problem) => refused(&looker, &problem, ADDRESS),
    }
}

/// Begins it; where it is shown.
fn address(surface: &Arc<Surface>, what: &str, sent: Sent, by: &str) -> Result<String, Problem> {
    let Sent { company, month, record, .. } = sent;
    let month = month.trim().to_owned();
    let asked = match what {
        "check-map" => {
            return Ok(format!("{ADDRESS}/maps/{}", mapcheck::start(surface, &company, by.to_owned())?.company));
        }
        "state-month" => {
            let view = reconcile::start(surface, (&company, &month), by.to_owned())?;
            return Ok(format!("{ADDRESS}/statements/{}/{}", view.company, view.month));
        }
        "simulate-month" => Asked { company: Some(company), month: Some(month), ..Asked::default() },
        "simulate-unposted" => Asked { company: Some(company), unposted: true, ..Asked::default() },
        "simulate-record" => Asked { record: Some(record), ..Asked::default() },
        _ => return Err(Problem::new(StatusCode::NOT_FOUND, format!("{what:?} is no check"))),
    };
    Ok(format!("{ADDRESS}/simulations/{}", simulate::start(surface, asked, by.to_owned())?.id))
}

/// How a check stands that has no result: how far it is, or why it ended without.
fn without_result(state: &str, how_far: &str, error: Option<&String>) -> Markup {
    html! {
        @match state {
            "running" => p role="status" { (how_far) },
            "cancelled" => p.banner.calm role="status" { "It was cancelled." },
            _ => p.banner role="alert" { "It failed: " (super::text(error)) },
        }
    }
}
