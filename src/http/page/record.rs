//! One record: how it stands, what helps, both sides, and its timeline.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::{Here, Sheet, amount, checks, text, time};
use crate::domain::record::{RecordKey, RecordKind};
use crate::http::Surface;
use crate::http::access::Looker;
use crate::http::error::Problem;
use crate::http::extract::Path;
use crate::http::history::HistoryView;
use crate::http::records::{self, RecordPath, Shown};
use crate::http::sides::{SideView, SidesView};
use crate::http::view::{DocumentView, ReasonView, RecordView};

/// `GET /status/records/{connection}/{kind}/{source}`.
pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    looker: Looker,
    Path(path): Path<RecordPath>,
) -> Result<Response, Problem> {
    let key = path.key()?;
    let Shown { record, history, sides } = match records::find(&surface, &key).await {
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => return Ok(unheard(&key, &problem, &looker)),
        found => found?,
    };
    let title = record.number.clone().unwrap_or_else(|| record.key.clone());
    let body = html! {
        h1 { (title) " " span.code { (record.state) } }
        p.quiet { (record.key) " · " (client(&record)) " · " (amount(&record))
            @if let Some(owner) = &record.owner { " · " (owner) " looks after it" }
            @if let Some(until) = record.snoozed_until { " · not shown before " (time(until)) } }
        (standing(&record))
        @if let Some(form_key) = looker.form_key() { (decisions((&key, &record), form_key, &surface.names())) }
        (warnings(&record))
        @if let Some(document) = &record.document { (document_rows(document)) }
        (both(&sides))
        (timeline(&history))
    };
    Ok(Sheet::new(&title, Here::Below).show(&looker, &body))
}

/// A record that may be there in ConnectWise all the same.
fn unheard(key: &RecordKey, problem: &Problem, looker: &Looker) -> Response {
    let body = html! {
        h1 { (key) }
        p.banner.calm role="alert" { (problem.detail()) ": no callback of it came, and no sweep found it." }
        @if let Some(form_key) = looker.form_key() {
            form.act method="post" action={ "/status/records/" (key.path()) "/retry" } aria-label="Decide" {
                input type="hidden" name="form_key" value=(form_key);
                label { "Why, for the history" input name="note" size="30" maxlength="300"; }
                button type="submit" { "Retry" }
                span.quiet { "It is taken in and posted, if it is ready." }
            }
            (checks::simulate_one(key, form_key))
        }
    };
    (problem.status(), Sheet::new("Unknown record", Here::Below).show(looker, &body)).into_response()
}

/// Whose it is, with the page of them in ConnectWise.
fn client(record: &RecordView) -> Markup {
    let name = text(record.client.as_ref());
    html! { @if let Some(link) = &record.client_link { a href=(link) rel="noreferrer" { (name) " in ConnectWise" } } @else { (name) } }
}

fn standing(record: &RecordView) -> Markup {
    html! {
        @if let Some(reason) = &record.reason { (why(reason, record.issue.as_ref())) }
        @if let Some(undo) = &record.unposting {
            p.banner { "Being unposted for " (undo.by) " since " (time(undo.at)) ". Undone: "
                @if undo.done.is_empty() { "nothing yet" } @else { (undo.done.join(", ")) } "." }
        }
        @if let Some(waiting) = &record.waiting {
            p.banner.calm { "Waits to " (waiting.step) " at " (time(waiting.due)) ". " (text(waiting.cause.as_ref())) }
        }
        @if record.outcome_unknown {
            p.banner { "A request to Xero has no known outcome yet; it will be looked up, not sent again blindly." }
        }
    }
}

fn why(reason: &ReasonView, issue: Option<&String>) -> Markup {
    html! {
        div.banner {
            span.code { (reason.code) } " " (reason.sentence)
            @if let Some(cure) = &reason.cure { br; strong { "What helps: " } (cure) }
            @if let Some(issue) = issue { br; a href={ "/status/records?state=held&issue=" (issue) } { "All records of this issue" } }
        }
        @if !reason.differences.is_empty() {
            div.wide tabindex="0" { table {
                thead { tr { th { "Field" } th { "Posted" } th { "ConnectWise now" } } }
                tbody { @for difference in &reason.differences { tr {
                    td { (difference.field) } td { (difference.posted) } td { (difference.now) }
                } } }
            } }
        }
    }
}

fn decisions((key, record): (&RecordKey, &RecordView), form_key: &str, names: &[String]) -> Markup {
    let address = |action: &str| format!("/status/records/{}/{action}", record.path);
    let hidden = html! { input type="hidden" name="form_key" value=(form_key); };
    let is = |states: &[&str]| states.contains(&record.state.as_str());
    let by_operator = record.reason.as_ref().is_some_and(|reason| reason.code == "operator");
    let open = record.warnings.iter().any(|warning| warning.acknowledged_by.is_none());
    let posted = record.document.is_some();
    let possible: Vec<(&str, &str, bool)> = vec![
        ("retry", "Retry", !(is(&["held"]) && by_operator)),
        ("release", "Release", is(&["held"]) && by_operator),
        ("acknowledge", "Acknowledge", open),
        ("hold", "Hold", !is(&["done"]) && !by_operator),
        ("skip", "Skip", is(&["held", "queued"]) && !posted),
        ("unpost", "Unpost", is(&["done", "held"]) && posted),
    ];
    html! {
        form.act method="post" aria-label="Decide" {
            (hidden)
            label { "Why, for the history" input name="note" size="30" maxlength="300"; }
            @for (action, name, _) in possible.iter().filter(|(_, _, is_possible)| *is_possible) {
                button type="submit" class=(if *action == "retry" && is(&["held"]) { "main" } else { "" }) formaction=(address(action)) { (name) }
            }
        }
        @if key.kind != RecordKind::Payment { (checks::simulate_one(key, form_key)) }
        details { summary { "Owner, sleep, adopt" }
            form.act method="post" action=(address("assign")) { (hidden)
                label { "Owner" input name="owner" list="owners" value=(text(record.owner.as_ref())) size="14" maxlength="40"; }
                datalist #owners { @for name in names { option value=(name) {} } }
                button type="submit" { "Give it to them" }
            }
            form.act method="post" action=(address("snooze")) { (hidden)
                label { "Not shown for days (0 = at once)" input type="number" name="days" min="0" max="366" value="7"; }
                button type="submit" { "Snooze" }
            }
            @if is(&["held"]) {
                form.act method="post" action=(address("adopt")) { (hidden)
                    label { "Xero's id of the document that is this record" input name="document" size="36" maxlength="36"; }
                    label { "Why" input name="note" size="20" maxlength="300"; }
                    button type="submit" { "Adopt" }
                }
            }
        }
    }
}

fn warnings(record: &RecordView) -> Markup {
    html! {
        @if !record.warnings.is_empty() {
            h2 { "Warnings" }
            @for warning in &record.warnings {
                div.banner.calm { span.code { (warning.code) } " " (warning.sentence) br; span.quiet { (warning.meaning)
                    @if let Some(by) = &warning.acknowledged_by { " Acknowledged by " (by) "." } } }
                @if !warning.parts.is_empty() {
                    div.wide tabindex="0" { table {
                        caption.quiet { "To the cent" }
                        tbody { @for (label, amount) in &warning.parts { tr { td { (label) } td.amount { (amount) } } } }
                    } }
                }
            }
        }
    }
}

fn document_rows(document: &DocumentView) -> Markup {
    html! {
        h2 { "Document in Xero" }
        div.wide tabindex="0" { table { tbody {
            tr { th { "Number" } td { a href=(document.link) rel="noreferrer" { (document.number) " in Xero" } } }
            tr { th { "Total in ConnectWise" } td.amount { (document.total) } }
            tr { th { "Total in Xero" } td.amount { (document.xero_total) } }
            tr { th { "Posted" } td { (time(document.posted)) } }
            @if let Some(cost) = &document.cost_of_goods {
                tr {
                    th { "Cost of its goods" }
                    td {
                        @if let Some(link) = &cost.link { a href=(link) rel="noreferrer" { (text(cost.total.as_ref())) } } @else { (cost.state) }
                    }
                }
            }
            tr { th { "Batch in ConnectWise" } td { (text(document.batch.as_ref())) } }
        } } }
    }
}

fn both(sides: &SidesView) -> Markup {
    html! {
        @if sides.connectwise.is_some() || sides.xero.is_some() {
            h2 { "Both sides" }
            div.sides {
                section { h3 { "ConnectWise, when it was posted" } (side(sides.connectwise.as_ref())) }
                section { h3 { "Xero, as it was asked for" } (side(sides.xero.as_ref())) }
            }
        }
    }
}

fn side(side: Option<&SideView>) -> Markup {
    let Some(side) = side else { return html! { p.quiet { "Nothing is kept of it." } } };
    let mut names: Vec<&str> = Vec::new();
    for (name, value) in side.lines.iter().flatten() {
        if !value.is_empty() && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let value = |line: &[(String, String)], name: &str| {
        line.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    html! {
        div.wide tabindex="0" { table { tbody {
            @for (name, value) in side.heading.iter().filter(|(_, value)| !value.is_empty()) { tr { th { (name) } td { (value) } } }
        } } }
        @if !side.lines.is_empty() {
            div.wide tabindex="0" { table {
                thead { tr { @for name in &names { th { (name) } } } }
                tbody { @for line in &side.lines { tr { @for name in &names { td { (value(line, name)) } } } } }
            } }
        }
    }
}

fn timeline(history: &[HistoryView]) -> Markup {
    html! {
        h2 { "Timeline" }
        div.wide tabindex="0" { table.rows {
            thead { tr { th { "When" } th { "Event" } th { "What" } } }
            tbody { @for entry in history { tr {
                td { (time(entry.at)) } td { (entry.event) }
                td { (entry.sentence) @if let Some(body) = &entry.body { details { summary { "request" } pre { (body) } } } }
            } } }
        } }
    }
}
