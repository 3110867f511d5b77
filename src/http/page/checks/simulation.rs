//! What posting would do.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::{ADDRESS, simulate_one, without_result};
use crate::domain::simulation::{Effect, Estimate, Scope, Simulated, Simulation, Verdict};
use crate::http::access::Looker;
use crate::http::error::Problem;
use crate::http::extract::{Form, Path, Query};
use crate::http::page::actions::refused;
use crate::http::page::{Here, Sheet, time};
use crate::http::{SimulationView, Surface, simulate};

/// Rows of a page.
const ROWS: usize = 100;

/// Which rows are shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The first row.
    #[serde(default)]
    offset: u32,
}

/// What the button sends.
#[derive(Deserialize)]
pub(super) struct Pressed {
    form_key: String,
}

/// `GET /status/checks/simulations/{id}`.
pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    looker: Looker,
    Path(id): Path<u32>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let (view, simulation) = simulate::one(&surface, id)?;
    let body = html! {
        h1 { "Simulation of " (view.scope) " " span.code { (view.state) } }
        p.quiet { "by " (view.by) " " (time(view.begun)) }
        @match &simulation {
            Some(simulation) => (came_to(simulation, &Shown { id, offset: usize::try_from(wanted.offset).unwrap_or(usize::MAX), form_key: looker.form_key() })),
            None => (unended(&view, looker.form_key())),
        }
        @if let Scope::Record { key } = &view.scope { p { a href={ "/status/records/" (key.path()) } { "The record" } } }
        p { a href=(ADDRESS) { "All checks" } }
    };
    let sheet = Sheet::new("Simulation", Here::Checks);
    let sheet = if view.state == "running" { sheet.refreshed(1) } else { sheet };
    Ok(sheet.show(&looker, &body))
}

fn unended(view: &SimulationView, form_key: Option<&str>) -> Markup {
    html! {
        @if view.state == "running" && view.of > 0 { progress max=(view.of) value=(view.done) { (view.done) " of " (view.of) } }
        (without_result(&view.state, &view.how_far(), view.error.as_ref()))
        @if let Some(form_key) = form_key.filter(|_| view.state == "running") {
            form.act method="post" action={ (ADDRESS) "/simulations/" (view.id) "/cancel" } {
                input type="hidden" name="form_key" value=(form_key);
                button type="submit" { "Cancel" }
            }
        }
    }
}

/// Which rows are shown, and to whom.
struct Shown<'looker> {
    id: u32,
    offset: usize,
    form_key: Option<&'looker str>,
}

fn came_to(simulation: &Simulation, shown: &Shown) -> Markup {
    let single = matches!(simulation.scope, Scope::Record { .. });
    html! {
        @if simulation.rows.is_empty() { p.banner.calm role="status" { "There is nothing to post." } }
        @if single { @for row in &simulation.rows { (alone(row)) } } @else { (sums(simulation)) (reasons(simulation)) }
        ul.quiet { @for told in simulation.costs() { li { (told) } } }
        @if let Some(late) = simulation.estimate.as_ref().and_then(Estimate::late) { p.banner.calm { (late) } }
        @if !single && !simulation.rows.is_empty() { (rows(simulation, shown)) }
    }
}

fn sums(simulation: &Simulation) -> Markup {
    html! {
        div.wide tabindex="0" { table {
            thead { tr { th { "What would become of them" } th.amount { "Records" } th.amount { "Total" } } }
            tbody { @for verdict in Verdict::ALL { @for total in simulation.totals.iter().filter(|total| total.verdict == verdict) { tr {
                td { (word(verdict, verdict.meaning())) } td.amount { (total.records) } td.amount { (total.total) " " (total.currency) }
            } } } }
        } }
    }
}

fn reasons(simulation: &Simulation) -> Markup {
    html! {
        @if !simulation.reasons.is_empty() {
            div.wide tabindex="0" { table.rows {
                thead { tr { th { "Why" } th.amount { "Records" } th { "What" } th { "What helps" } } }
                tbody { @for reason in &simulation.reasons { tr {
                    td { (effect(reason.effect)) " " span.code { (reason.code) } } td.amount { (reason.records) }
                    td { (reason.sentence) } td { @if reason.effect == Effect::Hold { (reason.cure) } }
                } } }
            } }
        }
    }
}

fn effect(effect: Effect) -> Markup {
    let (class, name) = match effect {
        Effect::Hold => ("bad", "held"),
        Effect::Warning => ("warn", "warning"),
        Effect::Skip => ("", "skipped"),
    };
    html! { span class=(class) { (name) } }
}

/// What would become of it, coloured.
fn word(verdict: Verdict, told: &str) -> Markup {
    let class = match verdict {
        Verdict::Post | Verdict::Adopt | Verdict::Posted => "good",
        Verdict::Skip => "quiet",
        Verdict::Hold | Verdict::Differs | Verdict::Missing | Verdict::Unread => "bad",
    };
    html! { span class=(class) { (told) } }
}

fn rows(simulation: &Simulation, &Shown { id, offset, form_key }: &Shown) -> Markup {
    let all = simulation.by_need();
    let next = offset.saturating_add(ROWS);
    let page = |offset: usize| format!("{ADDRESS}/simulations/{id}?offset={offset}");
    html! {
        h2 { "Records" }
        p { a href={ "/api/v1/simulate?format=csv&id=" (id) } { "For a spreadsheet" } }
        div.wide tabindex="0" { table.rows {
            thead { tr { th { "Record" } th { "Verdict" } th { "Whose" } th.amount { "Total" } th { "What" } } }
            tbody { @for row in all.iter().skip(offset).take(ROWS) { tr {
                td { a href={ "/status/records/" (row.key.path()) } { (row.number) } br; span.quiet { (row.key) } }
                td { (word(row.verdict, row.verdict.as_str())) }
                td { (row.party) } td.amount { (row.total) " " (row.currency) }
                td {
                    @if !row.code.is_empty() { span.code { (row.code) } " " (row.sentence) }
                    @for warning in &row.warnings { " " span.code { (warning.code.as_str()) } }
                    details { summary { "All of it" }
                        (whole(row))
                        @if let Some(form_key) = form_key { (simulate_one(&row.key, form_key)) }
                    }
                }
            } } }
        } }
        div.pager {
            @if offset > 0 { a href=(page(offset.saturating_sub(ROWS))) { "Before" } }
            @if next < all.len() { a href=(page(next)) { "Next" } }
        }
    }
}

/// A record that was simulated by itself.
fn alone(row: &Simulated) -> Markup {
    html! {
        h2 { (row.number) " " (word(row.verdict, row.verdict.meaning())) }
        p.quiet { (row.key) " · " (row.party) " · " (row.total) " " (row.currency) }
        @if !row.code.is_empty() {
            div.banner { span.code { (row.code) } " " (row.sentence)
                @if !row.cure.is_empty() { br; strong { "What helps: " } (row.cure) } }
        }
        (whole(row))
    }
}

/// All that is known of a record.
fn whole(row: &Simulated) -> Markup {
    html! {
        @for warning in &row.warnings { p.banner.calm { span.code { (warning.code.as_str()) } " " (warning.sentence) } }
        @if !row.new_contact.is_empty() { p { "The contact '" (row.new_contact) "' would be created first." } }
        @if let Some(document) = &row.in_xero {
            p { "In Xero: " a href=(document.link) rel="noreferrer" { (document.kind.noun()) " " (document.number) }
                " of " (document.total) ", " (document.status) }
        }
        @if !row.differences.is_empty() { ul { @for unlike in &row.differences { li { (unlike.told()) } } } }
        @for request in &row.requests {
            @let body = request.readable();
            p { strong { "PUT " (request.path) } " " span.quiet { (request.total) } }
            @if body.is_empty() { p.quiet { "Left out: the result has too many. Simulate this record alone to see it." } } @else { pre { (body) } }
        }
    }
}

/// `POST /status/checks/simulations/{id}/cancel`.
pub(super) async fn cancel(
    State(surface): State<Arc<Surface>>,
    looker: Looker,
    Path(id): Path<u32>,
    Form(Pressed { form_key }): Form<Pressed>,
) -> Response {
    let address = format!("{ADDRESS}/simulations/{id}");
    let stopped = looker.decides_by(&form_key).and_then(|operator| simulate::stop(&surface, Some(id), &operator.name));
    match stopped {
        Ok(_) => Redirect::to(&address).into_response(),
        Err(problem) => refused(&looker, &problem, &address),
    }
}
