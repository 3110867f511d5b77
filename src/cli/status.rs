//! `readypost status`.

use std::process::ExitCode;

use super::client::{Remote, print_json, view};
use super::print::out;
use super::{PROBLEMS, Service};
use crate::http::{CompanyView, StatusView};

/// Shows the service at a glance; the exit code is 1 when something needs a person.
pub(super) async fn run(service: &Service) -> anyhow::Result<ExitCode> {
    let answer = Remote::new(service)?.get("/status", &[]).await?;
    let status: StatusView = view(&answer)?;
    if service.json {
        print_json(&answer)?;
    } else {
        print(&status);
    }
    let stands = |company: &CompanyView| company.resting.is_some() || !company.paused.is_empty();
    let needs_somebody =
        !status.ready || !status.alerts.is_empty() || !status.held.is_empty() || status.companies.iter().any(stands);
    Ok(if needs_somebody { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
}

fn print(status: &StatusView) {
    let count = |state: &str| status.records.get(state).copied().unwrap_or_default();
    let warnings: u64 = status.warnings.values().sum();
    out!(
        "readypost {}, {}",
        status.version,
        if status.ready { "storing callbacks".to_owned() } else { format!("NOT storing: {}", status.store) }
    );
    out!(
        "{:>6} posted  {:>6} held  {:>6} waiting  {:>6} skipped  {:>6} warnings",
        count("done"),
        count("held"),
        count("queued"),
        count("skipped"),
        warnings
    );
    if let Some(age) = status.oldest_waiting_s.filter(|age| *age > 0) {
        out!("the oldest waits since {age} s");
    }
    for (title, codes) in [("held", &status.held), ("warnings", &status.warnings)] {
        for (code, count) in codes {
            out!("  {title:<9} {count:>5}  {code}");
        }
    }
    for company in &status.companies {
        let left = company.calls_remaining_today.map_or_else(|| "?".to_owned(), |left| left.to_string());
        out!(
            "{}: last posted {}, {} calls in the last minute, {left} left today",
            company.id,
            time(company.last_posted),
            company.calls_last_minute
        );
        stopped(company);
    }
    for connection in &status.connections {
        out!("{}: last callback {}", connection.name, time(connection.last_callback));
        if let Some(sweep) = &connection.last_sweep {
            out!(
                "  last sweep {}: {} calls to ConnectWise, {} to Xero; {} missed in 7 days, {} a week",
                time(Some(sweep.began)),
                sweep.calls,
                sweep.xero_calls,
                connection.missed_in_7_days,
                connection.missed_per_week
            );
        }
    }
    for alert in status.alerts.iter().filter(|alert| !alert.has_its_place()) {
        out!("ALERT {}: {}", alert.code, alert.sentence);
    }
    if count("held") > 0 {
        out!("Next: readypost records list --state held");
    }
}

/// Why nothing is posted to a company, if so.
pub(super) fn stopped(company: &CompanyView) {
    if let Some(rest) = &company.resting {
        out!("  RESTS since {}: {} Next look {}.", time(Some(rest.since)), rest.cause, time(Some(rest.until)));
    }
    for pause in &company.paused {
        let what = pause.kind.as_deref().unwrap_or("all records");
        let note = if pause.note.is_empty() { "no reason given" } else { &pause.note };
        out!("  PAUSED since {} by {}, {what}: {note}", time(Some(pause.since)), pause.by);
    }
}

pub(super) fn time(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}
