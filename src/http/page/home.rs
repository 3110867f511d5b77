//! The first page: how it stands, and what needs somebody.

use std::sync::Arc;

use axum::response::Response;
use jiff::ToSpan;
use maud::{Markup, html};

use super::plot::{Bar, bars};
use super::{Here, Sheet, amount, link, text, time};
use crate::domain::delivery::StateName;
use crate::http::Surface;
use crate::http::access::Looker;
use crate::http::error::Problem;
use crate::http::issues::{self, IssueView};
use crate::http::records::page_of;
use crate::http::view::{self, HourView, RecordView, StatusView};
use crate::store::Filter;

/// Records of each sort that are shown here.
const SHOWN: usize = 10;
/// Issues that are shown here.
const ISSUES_SHOWN: usize = 10;
/// How often it is shown anew, in seconds.
const REFRESH: u32 = 15;

/// `GET /status` for a browser.
pub(in crate::http) async fn show(surface: &Arc<Surface>, looker: &Looker) -> Result<Response, Problem> {
    let now = surface.parts.clock.now();
    let status = view::status(surface);
    let list = async |filter: Filter| -> Result<Vec<RecordView>, Problem> {
        Ok(page_of(surface, Filter { limit: SHOWN, awake: Some(now), ..filter }).await?.records)
    };
    let state = |state| Filter { state: Some(state), ..Filter::default() };
    let held = list(state(StateName::Held)).await?;
    let warned = list(Filter { warning: Some("any".to_owned()), ..state(StateName::Done) }).await?;
    let (queued, done) = (list(state(StateName::Queued)).await?, list(state(StateName::Done)).await?);
    let issues = issues::all(surface).await?;
    let count = |state: &str| status.records.get(state).copied().unwrap_or_default();
    let body = html! {
        h1 { "Status" }
        p.quiet { "readypost " (status.version) " · " (time(now)) " · " (count("done")) " posted and " (count("skipped")) " skipped in all" @if !status.ready { " · " strong.bad { "not storing: " (status.store) } } }
        (tiles(&status))
        (banners(&status))
        h2 { "Needs you" }
        @if issues.issues.is_empty() { p.quiet { "Nothing is held." } } @else {
            (issue_rows(issues.issues.get(..ISSUES_SHOWN).unwrap_or(&issues.issues)))
            p { a href="/status/issues" { "All issues" } " · " a href="/status/records?state=held" { "All that is held" } }
        }
        @if !held.is_empty() { h3 { "Held last" } (held_rows(&held)) }
        h2 { "Warnings" }
        @if warned.is_empty() { p.quiet { "Nothing to look at." } } @else {
            (warned_rows(&warned))
            p { a href="/status/warnings" { "All warnings" } }
        }
        (plots(&status.hours))
        @if !queued.is_empty() { h2 { "Waiting" } (waiting_rows(&queued)) }
        h2 { "Posted last" }
        @if done.is_empty() { p.quiet { "Nothing yet." } } @else {
            (done_rows(&done))
            p { a href="/status/records?state=done" { "All that is posted" } }
        }
        (systems(&status))
    };
    Ok(Sheet::new("Status", Here::Home).refreshed(REFRESH).show(looker, &body))
}

fn tiles(status: &StatusView) -> Markup {
    let count = |state: &str| status.records.get(state).copied().unwrap_or_default();
    let warnings: u64 = status.warnings.values().sum();
    let posted: u64 = status.hours.iter().map(|hour| u64::from(hour.posted)).sum();
    let heard = status.connections.iter().filter_map(|connection| connection.last_callback).max();
    let left = status.companies.iter().filter_map(|company| company.calls_remaining_today).min();
    let tile = |label: &str, count: String, class: &str, address: &str| {
        html! { li.tile { a href=(address) { span class={ "count " (class) } { (count) } span { (label) } } } }
    };
    let attention = |count: u64, class: &'static str| if count > 0 { class } else { "" };
    html! {
        ul.tiles aria-label="At a glance" {
            (tile("posted in 24 hours", posted.to_string(), "", "/status/records?state=done"))
            (tile("need you", count("held").to_string(), attention(count("held"), "bad"), "/status/records?state=held&snoozed=hide"))
            (tile("warnings", warnings.to_string(), attention(warnings, "warn"), "/status/warnings"))
            (tile("waiting", count("queued").to_string(), "", "/status/records?state=queued"))
            @if let Some(age) = status.oldest_waiting_s.filter(|age| *age > 0) {
                (tile("the oldest waits", lasting(age), if age > 600 { "warn" } else { "" }, "/status/records?state=queued"))
            }
            @if let Some(left) = left { (tile("calls left today", left.to_string(), "", "#systems")) }
            @if let Some(heard) = heard {
                li.tile { a href="#systems" { span.count { (heard.strftime("%H:%M")) } span { "last callback (UTC)" } } }
            }
        }
    }
}

/// Seconds, in a word.
fn lasting(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

fn banners(status: &StatusView) -> Markup {
    html! {
        @for company in &status.companies {
            @if let Some(rest) = &company.resting {
                p.banner role="alert" { strong { (company.id) " rests: " } (rest.cause) " Next look " (time(rest.until)) "." }
            }
            @for pause in &company.paused {
                p.banner.calm role="status" {
                    strong { (pause.kind.as_ref().map_or("All records", |kind| kind)) " of " (company.id) " paused" }
                    " by " (pause.by) " since " (time(pause.since)) ". " (pause.note)
                }
            }
        }
        @for alert in status.alerts.iter().filter(|alert| !alert.has_its_place()) { p.banner role="alert" { span.code { (alert.code) } " " (alert.sentence) } }
    }
}

/// Issues in a table, each leading to its records.
pub(super) fn issue_rows(issues: &[IssueView]) -> Markup {
    html! {
        div.wide tabindex="0" { table.rows {
            thead { tr { th { "Issue" } th { "Records" } th { "Company" } th { "What helps" } th { "Since" } } }
            tbody { @for issue in issues { tr {
                td { a href={ "/status/records?state=held&issue=" (issue.id) } { (issue.title) } br; span.code { (issue.code) } }
                td { (issue.count) @if issue.count == 1 { " record" } @else { " records" } }
                td { (text(issue.company.as_ref())) }
                td { (issue.cure) } td { (time(issue.since)) }
            } } }
        } }
    }
}

pub(super) fn held_rows(records: &[RecordView]) -> Markup {
    html! {
        div.wide tabindex="0" { table.rows {
            thead { tr { th { "Record" } th { "Whose" } th.amount { "Total" } th { "What is wrong, and what helps" } } }
            tbody { @for record in records { tr {
                td { (link(record)) } td { (text(record.client.as_ref())) } td.amount { (amount(record)) }
                td { @if let Some(reason) = &record.reason {
                    (super::code("reason", &reason.code)) " " (reason.sentence)
                    @if let Some(cure) = &reason.cure { br; span.quiet { (cure) } }
                } }
            } } }
        } }
    }
}

pub(super) fn warned_rows(records: &[RecordView]) -> Markup {
    html! {
        div.wide tabindex="0" { table.rows {
            thead { tr { th { "Record" } th { "Whose" } th.amount { "Total" } th { "What to look at" } } }
            tbody { @for record in records { tr {
                td { (link(record)) } td { (text(record.client.as_ref())) } td.amount { (amount(record)) }
                td { @for warning in record.warnings.iter().filter(|warning| warning.acknowledged_by.is_none()) {
                    div { (super::code("warning", &warning.code)) " " (warning.sentence) }
                } }
            } } }
        } }
    }
}

pub(super) fn waiting_rows(records: &[RecordView]) -> Markup {
    html! {
        div.wide tabindex="0" { table.rows {
            thead { tr { th { "Record" } th { "Whose" } th.amount { "Total" } th { "For" } } }
            tbody { @for record in records { tr {
                td { (link(record)) } td { (text(record.client.as_ref())) } td.amount { (amount(record)) }
                td { @if let Some(waiting) = &record.waiting { (waiting.step) " at " (time(waiting.due)) " " (text(waiting.cause.as_ref())) } }
            } } }
        } }
    }
}

pub(super) fn done_rows(records: &[RecordView]) -> Markup {
    html! {
        div.wide tabindex="0" { table.rows {
            thead { tr { th { "Record" } th { "Whose" } th.amount { "Total" } th { "Posted" } th { "Batch in ConnectWise" } } }
            tbody { @for record in records { tr {
                td { (link(record)) } td { (text(record.client.as_ref())) } td.amount { (amount(record)) }
                td { @if let Some(document) = &record.document { (time(document.posted)) } }
                td { @if let Some(document) = &record.document { (text(document.batch.as_ref())) } }
            } } }
        } }
    }
}

fn plots(hours: &[HourView]) -> Markup {
    let posted = hours.iter().map(|hour| {
        let end = hour.began.saturating_add(1.hour()).unwrap_or(hour.began);
        Bar {
            label: hour.began.strftime("%H").to_string(),
            told: format!("{} to {} UTC", hour.began.strftime("%H:%M"), end.strftime("%H:%M")),
            count: hour.posted,
        }
    });
    let posted: Vec<Bar> = posted.collect();
    let total: u32 = posted.iter().map(|bar| bar.count).sum();
    let sum = |places: &dyn Fn(&HourView) -> Vec<(String, u32)>| {
        let mut bars: Vec<Bar> = Vec::new();
        for (place, (label, count)) in hours.iter().flat_map(|hour| places(hour).into_iter().enumerate()) {
            match bars.get_mut(place) {
                Some(bar) => bar.count = bar.count.saturating_add(count),
                None => bars.push(Bar { told: label.clone(), label, count }),
            }
        }
        bars
    };
    let took = sum(&|hour| hour.took.iter().map(|(most, count)| (most.clone(), *count)).collect());
    let adjusted = sum(&|hour| hour.adjusted.iter().map(|(most, count)| (most.clone(), *count)).collect());
    let made_up: u32 = adjusted.iter().map(|bar| bar.count).sum();
    html! {
        h2 { "The last 24 hours" }
        div.plots {
            (bars("Posted per hour", &format!("{total} posted, by the hour in UTC."), &posted))
            (bars("From callback to posted", "How long after the last callback each was in Xero.", &took))
            (bars("Cents made up", &format!("{made_up} rounding, tax and adjustment amounts, by their size."), &adjusted))
        }
    }
}

fn systems(status: &StatusView) -> Markup {
    html! {
        h2 #systems { "Systems" }
        div.wide tabindex="0" { table {
            thead { tr { th { "Xero organisation" } th { "Last posted" } th { "Calls in the last minute" } th { "Calls left today" } } }
            tbody { @for company in &status.companies { tr {
                td { a href={ "/status/records?company=" (company.id) } { (company.id) } }
                td { @if let Some(at) = company.last_posted { (time(at)) } @else { "–" } }
                td { (company.calls_last_minute) " of " (company.calls_per_minute) }
                td { @if let Some(left) = company.calls_remaining_today { (left) } @else { "–" } }
            } } }
        } }
        div.wide tabindex="0" { table {
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
        } }
    }
}
