//! `readypost status`.

use std::process::ExitCode;

use clap::Args;

use super::client::{Remote, view};
use super::screen::{Hue, Screen, Words, time};
use super::table::{Fit, Table};
use super::watch::Watch;
use super::{PROBLEMS, Service};
use crate::http::{CompanyView, ConnectionView, StatusView};

/// Show the service at a glance
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    service: Service,
}

impl Status {
    /// The exit code is 1 when something needs a person.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let remote = Remote::new(&self.service)?;
        let ask = async || remote.get("/status", &[]).await;
        self.watch
            .run(self.service.json, ask, |answer, screen| {
                let status: StatusView = view(answer)?;
                tell(&status, screen);
                Ok(code(&status).into())
            })
            .await
    }
}

fn code(status: &StatusView) -> ExitCode {
    let stands = |company: &CompanyView| company.resting.is_some() || !company.paused.is_empty();
    let needs_somebody =
        !status.ready || !status.alerts.is_empty() || !status.held.is_empty() || status.companies.iter().any(stands);
    if needs_somebody { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS }
}

fn tell(status: &StatusView, screen: &mut Screen) {
    let count = |state: &str| status.records.get(state).copied().unwrap_or_default();
    let warnings: u64 = status.warnings.values().sum();
    let stores = if status.ready {
        Hue::Good.of("storing callbacks")
    } else {
        Hue::Bad.of(format!("NOT storing: {}", status.store))
    };
    screen.line(Hue::Strong.of(format!("readypost {}", status.version)).and(Hue::Plain, ", ").then(stores));
    let some = |hue: Hue, count: u64, what: &str| {
        if count > 0 { hue.of(format!("{count} {what}")) } else { Words::from(format!("{count} {what}")) }
    };
    let counts = [
        some(Hue::Good, count("done"), "posted"),
        some(Hue::Bad, count("held"), "held"),
        some(Hue::Look, count("queued"), "waiting"),
        some(Hue::Plain, count("skipped"), "skipped"),
        some(Hue::Look, warnings, if warnings == 1 { "warning" } else { "warnings" }),
    ];
    screen.line(counts.into_iter().reduce(|line, more| line.and(Hue::Plain, "   ").then(more)).unwrap_or_default());
    if let Some(age) = status.oldest_waiting_s.filter(|age| *age > 0) {
        screen.line(Hue::Look.of(format!("the oldest waits {}", lasting(age))));
    }
    let today: u64 = status.hours.iter().map(|hour| u64::from(hour.posted)).sum();
    screen.line(format!("{today} posted in the last 24 hours"));
    for alert in status.alerts.iter().filter(|alert| !alert.has_its_place()) {
        screen.line(Hue::Bad.of(format!("ALERT {}", alert.code)).and(Hue::Plain, format!(": {}", alert.sentence)));
    }
    systems(status, screen);
    if !status.held.is_empty() || !status.warnings.is_empty() {
        screen.blank();
        screen.table(&codes(status));
    }
    if count("held") > 0 {
        screen.next("Next, what they wait for: readypost issues");
    }
    if warnings > 0 {
        screen.next("Next, the warnings that nobody has acknowledged: readypost records list --warning any");
    }
    if !status.ready {
        screen.next("Its store has failed: the log says why; section 3 of the README says what helps.");
    }
}

/// What is held and warned of, by code; last, because it may be long.
fn codes(status: &StatusView) -> Table {
    let mut codes = Table::new(&[("", Fit::Whole), ("", Fit::Amount), ("", Fit::Whole)]);
    for (hue, title, counts) in [(Hue::Bad, "held", &status.held), (Hue::Look, "warning", &status.warnings)] {
        for (code, count) in counts {
            codes.row([hue.of(title), Words::from(count.to_string()), Words::from(code)]);
        }
    }
    codes
}

fn systems(status: &StatusView, screen: &mut Screen) {
    screen.blank();
    let mut companies = Table::new(&[
        ("company", Fit::Key),
        ("last posted", Fit::Whole),
        ("calls in a minute", Fit::Amount),
        ("left today", Fit::Amount),
    ]);
    for company in &status.companies {
        let left = company.calls_remaining_today.map_or_else(|| "?".to_owned(), |left| left.to_string());
        companies.row([
            Words::from(&company.id),
            Words::from(time(company.last_posted)),
            Words::from(format!("{} of {}", company.calls_last_minute, company.calls_per_minute)),
            Words::from(left),
        ]);
        for why in stopped(company) {
            companies.note(why);
        }
    }
    screen.table(&companies);
    screen.blank();
    let mut connections = Table::new(&[
        ("connection", Fit::Key),
        ("last callback", Fit::Whole),
        ("last sweep", Fit::Whole),
        ("missed in 7 days", Fit::Amount),
    ]);
    for connection in &status.connections {
        let ConnectionView { name, last_callback, last_sweep, missed_in_7_days, missed_per_week, .. } = connection;
        let swept = last_sweep.as_ref().map(|sweep| sweep.began);
        connections.row([
            Words::from(name),
            Words::from(time(*last_callback)),
            Words::from(time(swept)),
            Words::from(missed_in_7_days.to_string()),
        ]);
        let calls = last_sweep.as_ref().map(|sweep| {
            format!("the sweep took {} calls to ConnectWise and {} to Xero; ", sweep.calls, sweep.xero_calls)
        });
        let calls = calls.unwrap_or_default();
        connections.note(Hue::Faint.of(format!("{calls}{missed_per_week} missed a week")));
    }
    screen.table(&connections);
}

/// Seconds, in a word.
fn lasting(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// Why nothing is posted to a company, if so.
pub(super) fn stopped(company: &CompanyView) -> Vec<Words> {
    let mut why = Vec::new();
    if let Some(rest) = &company.resting {
        let (since, until) = (time(Some(rest.since)), time(Some(rest.until)));
        why.push(Hue::Look.of("RESTS").and(Hue::Plain, format!(" since {since}: {} Next look {until}.", rest.cause)));
    }
    for pause in &company.paused {
        let what = pause.kind.as_deref().unwrap_or("all records");
        let note = if pause.note.is_empty() { "no reason given" } else { &pause.note };
        let since = time(Some(pause.since));
        why.push(Hue::Look.of("PAUSED").and(Hue::Plain, format!(" since {since} by {}, {what}: {note}", pause.by)));
    }
    why
}
