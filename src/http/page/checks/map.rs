//! Whether every name that both systems share is the same on both sides.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::{ADDRESS, without_result};
use crate::domain::mapcheck::{Finding, MapCheck, Severity};
use crate::http::access::Looker;
use crate::http::error::Problem;
use crate::http::extract::Path;
use crate::http::page::{Here, Sheet, time};
use crate::http::{Surface, mapcheck};

/// `GET /status/checks/maps/{company}`.
pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    looker: Looker,
    Path(company): Path<String>,
) -> Result<Response, Problem> {
    let view = mapcheck::one(&surface, &company)?;
    let body = html! {
        h1 { "Map check of " (view.company) " " span.code { (view.state) } }
        p.quiet { "by " (view.by) " " (time(view.begun)) }
        @match &view.check {
            Some(check) => (found(check)),
            None => (without_result(&view.state, "Comparing the names of both systems.", view.error.as_ref())),
        }
        p { a href=(ADDRESS) { "All checks" } }
    };
    let sheet = Sheet::new("Map check", Here::Checks);
    let sheet = if view.state == "running" { sheet.refreshed(1) } else { sheet };
    Ok(sheet.show(&looker, &body))
}

fn found(check: &MapCheck) -> Markup {
    let banner = if check.needs_somebody() {
        "banner"
    } else if check.findings.is_empty() {
        "banner done"
    } else {
        "banner calm"
    };
    html! {
        p class=(banner) role="status" { (check.told()) }
        @if !check.findings.is_empty() {
            div.wide tabindex="0" { table.rows {
                thead { tr { th { "Finding" } th { "What" } th { "What helps" } } }
                tbody { @for finding in &check.findings { (row(finding)) } }
            } }
        }
        h2 { "Compared" }
        div.wide tabindex="0" { table {
            thead { tr { th { "Names" } th.amount { "Compared" } th.amount { "Fine" } } }
            tbody { @for looked in &check.looked_at { tr {
                td { (looked.list) } td.amount { (looked.rows) }
                td.amount { span class=(if looked.fine < looked.rows { "warn" } else { "good" }) { (looked.fine) } }
            } } }
        } }
        @for text in &check.not_looked_at { p.quiet { "Not looked at: " (text) } }
        p.quiet { (check.cost()) }
    }
}

fn row(finding: &Finding) -> Markup {
    let class = match finding.severity {
        Severity::WouldHold | Severity::WouldSkip => "bad",
        Severity::WouldWarn => "warn",
    };
    html! { tr {
        td { span class=(class) { (finding.severity.as_str().replace('_', " ")) } " " span.code { (finding.code) } }
        td { (finding.sentence) br; span.quiet { (finding.whereabouts()) } }
        td { (finding.cure) }
    } }
}
