//! The page: what needs a person first, then what was posted. It works without scripts.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::Surface;
use super::access::Viewer;
use super::error::Problem;
use super::history::HistoryView;
use super::records;
use super::view::{RecordView, StatusView};

const STYLE: &str = include_str!("page.css");

/// The lists of the first page.
pub(super) struct Lists {
    pub(super) held: Vec<RecordView>,
    pub(super) warned: Vec<RecordView>,
    pub(super) queued: Vec<RecordView>,
    pub(super) done: Vec<RecordView>,
}

fn document(title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, page.into_string()).into_response()
}

/// The first page.
pub(super) fn status(status: &StatusView, lists: &Lists) -> Response {
    let count = |state: &str| status.records.get(state).copied().unwrap_or_default();
    let warnings: u64 = status.warnings.values().sum();
    document(
        "readypost",
        &html! {
            header {
                h1 { "readypost" }
                p.quiet { "version " (status.version) @if !status.ready { " · " strong.bad { "not storing: " (status.store) } } }
            }
            section.tiles aria-label="At a glance" {
                (tile("posted", count("done"), ""))
                (tile("need you", count("held"), if count("held") > 0 { "bad" } else { "" }))
                (tile("warnings", warnings, if warnings > 0 { "warn" } else { "" }))
                (tile("waiting", count("queued"), ""))
                (tile("skipped", count("skipped"), ""))
            }
            @for company in &status.companies {
                @if let Some(rest) = &company.resting {
                    p.banner role="alert" { strong { (company.id) " rests: " } (rest.cause) " Next look " (time(rest.until)) "." }
                }
                @for pause in &company.paused {
                    p.banner role="status" {
                        strong { (pause.kind.as_ref().map_or("All records", |kind| kind)) " of " (company.id) " paused" }
                        " by " (pause.by) " since " (time(pause.since)) ". " (pause.note)
                    }
                }
            }
            @for alert in status.alerts.iter().filter(|alert| !alert.has_its_place()) { p.banner role="alert" { span.code { (alert.code) } " " (alert.sentence) } }
            (needs_you(lists))
            (waiting_and_posted(lists))
            (connections(status))
        },
    )
}

fn needs_you(lists: &Lists) -> Markup {
    html! {
        h2 { "Needs you" }
        @if lists.held.is_empty() { p.quiet { "Nothing is held." } } @else {
            table {
                thead { tr { th { "Record" } th { "Whose" } th.amount { "Total" } th { "What is wrong, and what helps" } } }
                tbody { @for record in &lists.held { tr {
                    td { (link(record)) } td { (text(record.client.as_ref())) } td.amount { (amount(record)) }
                    td { @if let Some(reason) = &record.reason {
                        span.code { (reason.code) } " " (reason.sentence)
                        @if let Some(cure) = &reason.cure { br; span.quiet { (cure) } }
                    } }
                } } }
            }
        }
        h2 { "Warnings" }
        @if lists.warned.is_empty() { p.quiet { "Nothing to look at." } } @else {
            table {
                thead { tr { th { "Record" } th { "Whose" } th.amount { "Total" } th { "What to look at" } } }
                tbody { @for record in &lists.warned { tr {
                    td { (link(record)) } td { (text(record.client.as_ref())) } td.amount { (amount(record)) }
                    td { @for warning in record.warnings.iter().filter(|warning| warning.acknowledged_by.is_none()) {
                        div { span.code { (warning.code) } " " (warning.sentence) }
                    } }
                } } }
            }
        }
    }
}

fn waiting_and_posted(lists: &Lists) -> Markup {
    html! {
        @if !lists.queued.is_empty() {
            h2 { "Waiting" }
            table {
                thead { tr { th { "Record" } th { "Whose" } th.amount { "Total" } th { "For" } } }
                tbody { @for record in &lists.queued { tr {
                    td { (link(record)) } td { (text(record.client.as_ref())) } td.amount { (amount(record)) }
                    td { @if let Some(waiting) = &record.waiting { (waiting.step) " at " (time(waiting.due)) " " (text(waiting.cause.as_ref())) } }
                } } }
            }
        }
        h2 { "Posted" }
        @if lists.done.is_empty() { p.quiet { "Nothing yet." } } @else {
            table {
                thead { tr { th { "Record" } th { "Whose" } th.amount { "Total" } th { "Posted" } th { "Batch in ConnectWise" } } }
                tbody { @for record in &lists.done { tr {
                    td { (link(record)) } td { (text(record.client.as_ref())) } td.amount { (amount(record)) }
                    td { @if let Some(document) = &record.document { (time(document.posted)) } }
                    td { @if let Some(document) = &record.document { (text(document.batch.as_ref())) } }
                } } }
            }
        }
    }
}

fn connections(status: &StatusView) -> Markup {
    html! {
        h2 { "Connections" }
        table {
            thead { tr { th { "Xero organisation" } th { "Last posted" } th { "Calls in the last minute" } th { "Calls left today" } } }
            tbody { @for company in &status.companies { tr {
                td { (company.id) } td { @if let Some(at) = company.last_posted { (time(at)) } @else { "–" } }
                td { (company.calls_last_minute) } td { @if let Some(left) = company.calls_remaining_today { (left) } @else { "–" } }
            } } }
        }
        table {
            thead { tr {
                th { "ConnectWise" } th { "Last callback" } th { "Last sweep" } th { "Its calls" }
                th { "Missed in 7 days" } th { "Missed a week" }
            } }
            tbody { @for connection in &status.connections { tr {
                td { (connection.name) } td { @if let Some(at) = connection.last_callback { (time(at)) } @else { "–" } }
                td { @if let Some(sweep) = &connection.last_sweep { (time(sweep.began)) } @else { "–" } }
                td { @if let Some(sweep) = &connection.last_sweep { (sweep.calls) " + " (sweep.xero_calls) " to Xero" } }
                td { (connection.missed_in_7_days) } td { (connection.missed_per_week) }
            } } }
        }
    }
}

/// `GET /status/records/{connection}/{kind}/{source}`: one record with its history.
pub(super) async fn record(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    Path(path): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let (record, history) = records::find(&surface, &records::key(path)?).await?;
    Ok(one(&record, &history))
}

fn one(record: &RecordView, history: &[HistoryView]) -> Response {
    let title = record.number.clone().unwrap_or_else(|| record.key.clone());
    document(
        &title,
        &html! {
            p { a href="/status" { "← all records" } }
            h1 { (title) " " span.code { (record.state) } }
            p.quiet { (record.key) " · " (text(record.client.as_ref())) " · " (amount(record)) }
            @if let Some(reason) = &record.reason {
                p.banner { span.code { (reason.code) } " " (reason.sentence) @if let Some(cure) = &reason.cure { br; (cure) } }
            }
            @if let Some(reason) = record.reason.as_ref().filter(|reason| !reason.differences.is_empty()) {
                table {
                    thead { tr { th { "Field" } th { "Posted" } th { "ConnectWise now" } } }
                    tbody { @for difference in &reason.differences { tr {
                        td { (difference.field) } td { (difference.posted) } td { (difference.now) }
                    } } }
                }
            }
            @if let Some(undo) = &record.unposting {
                p.banner { "Being unposted for " (undo.by) " since " (time(undo.at)) ". Undone: "
                    @if undo.done.is_empty() { "nothing yet" } @else { (undo.done.join(", ")) } "." }
            }
            @if let Some(waiting) = &record.waiting {
                p { "Waits to " (waiting.step) " at " (time(waiting.due)) ". " (text(waiting.cause.as_ref())) }
            }
            @if record.outcome_unknown { p.banner { "A request to Xero has no known outcome yet; it will be looked up, not sent again blindly." } }
            @if let Some(document) = &record.document {
                h2 { "Document in Xero" }
                table { tbody {
                    tr { th { "Number" } td { a href=(document.link) rel="noreferrer" { (document.number) } } }
                    tr { th { "Total in ConnectWise" } td.amount { (document.total) } }
                    tr { th { "Total in Xero" } td.amount { (document.xero_total) } }
                    tr { th { "Posted" } td { (time(document.posted)) } }
                    @if let Some(cost) = &document.cost_of_goods {
                        tr {
                            th { "Cost of its goods" }
                            td {
                                @if let Some(link) = &cost.link {
                                    a href=(link) rel="noreferrer" { (text(cost.total.as_ref())) }
                                } @else {
                                    (cost.state)
                                }
                            }
                        }
                    }
                    tr { th { "Batch in ConnectWise" } td { (text(document.batch.as_ref())) } }
                } }
            }
            @if !record.warnings.is_empty() {
                h2 { "Warnings" }
                @for warning in &record.warnings {
                    p { span.code { (warning.code) } " " (warning.sentence) br; span.quiet { (warning.meaning)
                        @if let Some(by) = &warning.acknowledged_by { " Acknowledged by " (by) "." } } }
                    @if !warning.parts.is_empty() {
                        table { tbody { @for (label, amount) in &warning.parts { tr { td { (label) } td.amount { (amount) } } } } }
                    }
                }
            }
            h2 { "History" }
            table {
                thead { tr { th { "When" } th { "Event" } th { "What" } } }
                tbody { @for entry in history { tr {
                    td { (time(entry.at)) } td { (entry.event) }
                    td { (entry.sentence) @if let Some(body) = &entry.body { details { summary { "request" } pre { (body) } } } }
                } } }
            }
        },
    )
}

fn tile(label: &str, count: u64, class: &str) -> Markup {
    html! { div class={ "tile " (class) } { span.count { (count) } " " span { (label) } } }
}

fn link(record: &RecordView) -> Markup {
    let kind = record.key.split('/').nth(1).unwrap_or_default().replace('_', " ");
    html! {
        a href={ "/status/records/" (record.path) } { (record.number.as_ref().unwrap_or(&record.key)) }
        br;
        span.quiet { (kind) }
    }
}

fn amount(record: &RecordView) -> Markup {
    html! { @if let Some(total) = &record.total { (total) " " (text(record.currency.as_ref())) } @else { "–" } }
}

fn text(text: Option<&String>) -> &str {
    text.map(String::as_str).unwrap_or_default()
}

fn time(at: jiff::Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}
