//! One decision about many records: the plan, the run, and what came of it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

use super::actions::refused;
use super::{Here, Sheet, amount, link, text, time};
use crate::http::Surface;
use crate::http::access::Looker;
use crate::http::bulk::{self, BulkView, Plan};
use crate::http::error::Problem;
use crate::http::extract::{Form, Path};
use crate::http::records::{Because, Wanted};

/// What the form offers; the others want more than a note.
pub(super) const ACTIONS: [&str; 5] = ["retry", "acknowledge", "hold", "release", "skip"];

/// What the form of a list sends.
#[derive(Deserialize)]
pub(super) struct Asked {
    form_key: String,
    filter: String,
    action: String,
    #[serde(default)]
    note: String,
}

/// What the buttons of a plan send.
#[derive(Deserialize)]
pub(super) struct Pressed {
    form_key: String,
}

/// `GET /status/bulk`.
pub(super) async fn list(State(surface): State<Arc<Surface>>, looker: Looker) -> Response {
    let all = bulk::all(&surface);
    let body = html! {
        h1 { "Bulk" }
        p.quiet { "One decision about all records of a filter or an issue: choose them in a list, plan it, look at the plan, run it. The last 20 plans and runs are shown here; each record keeps its decision for ever." }
        @if all.is_empty() { p { a href="/status/records?state=held" { "Choose records" } } } @else {
            div.wide tabindex="0" { table.rows {
                thead { tr { th { "Planned" } th { "What" } th { "By" } th { "State" } th.amount { "Records" } } }
                tbody { @for bulk in &all { tr {
                    td { a href={ "/status/bulk/" (bulk.id) } { (time(bulk.planned)) } }
                    td { (bulk.action) " " span.quiet { (told(&bulk.filter)) } } td { (bulk.by) } td { (bulk.state) }
                    td.amount { (bulk.done) " of " (bulk.records) }
                } } }
            } }
        }
    };
    Sheet::new("Bulk", Here::Bulk).show(&looker, &body)
}

fn told(filter: &str) -> String {
    let asked = url::form_urlencoded::parse(filter.as_bytes()).map(|(name, value)| format!("{name} {value}"));
    let asked: Vec<String> = asked.collect();
    if asked.is_empty() { "all records".to_owned() } else { asked.join(", ") }
}

/// `POST /status/bulk`.
pub(super) async fn plan(State(surface): State<Arc<Surface>>, looker: Looker, Form(asked): Form<Asked>) -> Response {
    let planned = async {
        let operator = looker.decides_by(&asked.form_key)?;
        let filter: Wanted = wanted_in(&asked.filter)?;
        let because = Because { note: asked.note, ..Because::default() };
        bulk::plan(&surface, operator.name.clone(), Plan { action: asked.action, because, filter }).await
    };
    match planned.await {
        Ok(bulk) => Redirect::to(&format!("/status/bulk/{}", bulk.id)).into_response(),
        Err(problem) => refused(&looker, &problem, "/status/records"),
    }
}

/// A filter as it stood in an address.
fn wanted_in(filter: &str) -> Result<Wanted, Problem> {
    let address = format!("http://readypost/?{filter}");
    let bad = |detail: String| Problem::new(axum::http::StatusCode::BAD_REQUEST, detail);
    let uri = address.parse().map_err(|_| bad("the filter is not readable".to_owned()))?;
    let query = axum::extract::Query::<Wanted>::try_from_uri(&uri);
    query.map(|query| query.0).map_err(|error| bad(error.body_text()))
}

/// `GET /status/bulk/{id}`.
pub(super) async fn show(State(surface): State<Arc<Surface>>, looker: Looker, Path(id): Path<Uuid>) -> Response {
    match bulk::one(&surface, id) {
        Err(problem) => refused(&looker, &problem, "/status/bulk"),
        Ok(bulk) => {
            let sheet = Sheet::new("Bulk", Here::Bulk);
            let sheet = if bulk.state == "running" { sheet.refreshed(1) } else { sheet };
            sheet.show(&looker, &one(&bulk, looker.form_key(), surface.parts.clock.now()))
        }
    }
}

fn one(bulk: &BulkView, form_key: Option<&str>, now: Timestamp) -> Markup {
    let button = |action: &str, name: &str, class: &str| {
        html! { @if let Some(form_key) = form_key {
            form.act method="post" action={ "/status/bulk/" (bulk.id) "/" (action) } {
                input type="hidden" name="form_key" value=(form_key);
                button class=(class) type="submit" { (name) }
            }
        } }
    };
    let worked = bulk.done.saturating_add(bulk.refused);
    html! {
        h1 { (bulk.action) " " (bulk.records) " records " span.code { (bulk.state) } }
        p.quiet { (told(&bulk.filter)) " · planned by " (bulk.by) " " (time(bulk.planned)) @if !bulk.note.is_empty() { " · " (bulk.note) } }
        @if !bulk.complete { p.banner.calm { "There are more: a plan has 100,000 records at most. Plan again when this one has ended." } }
        @match bulk.state.as_str() {
            "planned" => {
                p { "Nothing is decided yet. These are the first of " (bulk.records) ":" }
                (sample(bulk))
                (button("run", &format!("{} {} records", bulk.action, bulk.records), "main"))
            }
            "running" => {
                progress max=(bulk.records) value=(worked) { (worked) " of " (bulk.records) }
                p role="status" { (worked) " of " (bulk.records) (remaining(bulk, now)) }
                (button("cancel", "Cancel", ""))
            }
            // The banner below says all.
            "interrupted" => {}
            "void" => p.banner.calm { "The plan is older than 15 minutes: plan it anew." }
            _ => p.banner.done role="status" { (bulk.done) " decided, " (bulk.refused) " refused, of " (bulk.records) "." }
        }
        @if let Some(failed) = &bulk.failed { p.banner role="alert" { (failed) } }
        @if !bulk.causes.is_empty() {
            h2 { "Refused" }
            div.wide tabindex="0" { table.rows {
                thead { tr { th { "Record" } th { "Why" } } }
                tbody { @for refused in &bulk.causes { tr { td { (refused.key) } td { (refused.cause) } } } }
            } }
        }
        p { a href={ "/status/records?" (bulk.filter) } { "The records" } }
    }
}

/// How long the rest takes at the pace so far.
fn remaining(bulk: &BulkView, now: Timestamp) -> String {
    let worked = bulk.done.saturating_add(bulk.refused);
    let took = bulk.began.map_or(SignedDuration::ZERO, |began| now.duration_since(began)).as_secs();
    let left = i64::try_from(bulk.records.saturating_sub(worked)).unwrap_or(i64::MAX);
    let seconds = took.saturating_mul(left).checked_div(i64::try_from(worked).unwrap_or(i64::MAX));
    seconds.filter(|seconds| *seconds > 1).map(|seconds| format!(", about {seconds} s to go")).unwrap_or_default()
}

fn sample(bulk: &BulkView) -> Markup {
    html! {
        div.wide tabindex="0" { table.rows {
            thead { tr { th { "Record" } th { "Whose" } th.amount { "Total" } th { "State" } } }
            tbody { @for record in &bulk.sample { tr {
                td { (link(record)) } td { (text(record.client.as_ref())) } td.amount { (amount(record)) }
                td { (record.state) @if let Some(reason) = &record.reason { " " span.code { (reason.code) } } }
            } } }
        } }
    }
}

/// `POST /status/bulk/{id}/{action}`.
pub(super) async fn decide(
    State(surface): State<Arc<Surface>>,
    looker: Looker,
    Path((id, action)): Path<(Uuid, String)>,
    Form(Pressed { form_key }): Form<Pressed>,
) -> Response {
    let address = format!("/status/bulk/{id}");
    let decided = looker.decides_by(&form_key).and_then(|operator| bulk::decide(&surface, id, &action, &operator.name));
    match decided {
        Ok(_) => Redirect::to(&address).into_response(),
        Err(problem) => refused(&looker, &problem, &address),
    }
}
