//! The statement of a month: what ConnectWise closed and what Xero has.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::{ADDRESS, without_result};
use crate::domain::statement::{Concern, Line, Section, Statement};
use crate::http::access::Looker;
use crate::http::error::Problem;
use crate::http::extract::Path;
use crate::http::page::{Here, Sheet, time};
use crate::http::{Surface, reconcile};

/// Lines of one list that are shown; the spreadsheet has all.
const LINES_MAX: usize = 200;

/// `GET /status/checks/statements/{company}/{month}`.
pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    looker: Looker,
    Path((company, month)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let (view, statement) = reconcile::one(&surface, &company, &month)?;
    let body = html! {
        h1 { (view.company) ", " (view.month) " " span.code { (view.state) } }
        p.quiet { "stated by " (view.by) " " (time(view.begun)) }
        @match &statement {
            Some(statement) => (stated(statement)),
            None => (without_result(&view.state, &view.how_far(), view.error.as_ref())),
        }
        p { a href=(ADDRESS) { "All checks" } }
    };
    let sheet = Sheet::new("Statement", Here::Checks);
    let sheet = if view.state == "running" { sheet.refreshed(1) } else { sheet };
    Ok(sheet.show(&looker, &body))
}

fn stated(statement: &Statement) -> Markup {
    let banner = if statement.is_balanced() { "banner done" } else { "banner" };
    let Statement { company, month, calls, .. } = statement;
    html! {
        p class=(banner) role="status" { (statement.told()) }
        @if !statement.sections.is_empty() {
            p { a href={ "/api/v1/reconcile?format=csv&company=" (company) "&month=" (month) } { "Every line, for a spreadsheet" } }
        }
        @for section in &statement.sections { (of_section(section)) }
        p.quiet { "Calls: " (calls.connectwise) " to ConnectWise, " (calls.xero) " to Xero." }
    }
}

fn of_section(section: &Section) -> Markup {
    html! {
        h2 { (section.title()) }
        div.wide tabindex="0" { table {
            thead { tr { th { "Balance" } th.amount { "Amount" } th.amount { "Records" } } }
            tbody { @for row in section.balance() { tr {
                td class=(class(row.concern)) { (row.label) } td.amount { (row.sum) }
                td.amount { @if let Some(lines) = row.lines { (lines) } }
            } } }
        } }
        @for (title, lines) in section.lists() {
            h3 { (title) }
            div.wide tabindex="0" { table.rows {
                thead { tr { th { "Number" } th { "Whose" } th.amount { "Amount" } th { "Stands" } th { "Where" } } }
                tbody { @for line in lines.iter().take(LINES_MAX) { (of_line(line)) } }
            } }
            @if let Some(more @ 1..) = lines.len().checked_sub(LINES_MAX) { p.quiet { "and " (more) " more; the spreadsheet has all" } }
        }
    }
}

fn of_line(line: &Line) -> Markup {
    html! { tr {
        td { @if let Some(key) = &line.key { a href={ "/status/records/" (key.path()) } { (line.number) } } @else { (line.number) } }
        td { (line.party) } td.amount { (line.amount()) }
        td { span class=(class(line.concern())) { (line.standing.as_str().replace('_', " ")) }
            @for note in line.notes() { br; span.quiet { (note) } } }
        td {
            @if let Some(link) = &line.xero_link { a href=(link) rel="noreferrer" { "Xero" } " " }
            @if let Some(link) = &line.connectwise_link { a href=(link) rel="noreferrer" { "client in ConnectWise" } }
        }
    } }
}

fn class(concern: Concern) -> &'static str {
    match concern {
        Concern::None => "",
        Concern::Look => "warn",
        Concern::Act => "bad",
    }
}
