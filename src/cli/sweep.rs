//! `readypost sweep` and `readypost callbacks …`.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Remote, print_json, view};
use super::print::out;
use super::{PROBLEMS, Service};
use crate::http::{CallbacksView, ReportView, SweepView};

/// How often the service is asked how far it is.
const POLL_EVERY: Duration = Duration::from_millis(300);

/// Compares what ConnectWise lists as unposted with what readypost knows.
#[derive(Debug, Args)]
pub(super) struct Sweep {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    service: Service,
}

/// What to do about callbacks.
#[derive(Debug, Subcommand)]
pub(super) enum Callbacks {
    /// Say what is wrong with the callbacks that ConnectWise has registered
    Check(Service),
    /// Register missing callbacks and switch on those that are off
    Sync(Sync),
}

#[derive(Debug, Args)]
pub(super) struct Sync {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    service: Service,
}

impl Sweep {
    /// Asks for a sweep and waits for its end; the exit code is 1 when it found something.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let remote = Remote::new(&self.service)?;
        let answer = sweep(&remote, self.dry_run).await?;
        if self.service.json {
            print_json(&answer)?;
            return ended(&answer);
        }
        told(&answer)
    }
}

/// Asks for a sweep and waits for its end.
pub(super) async fn sweep(remote: &Remote, dry_run: bool) -> anyhow::Result<Value> {
    let mut answer = remote.post("/api/v1/sweep", &json!({ "dry_run": dry_run })).await?;
    let progress = std::io::stderr().is_terminal();
    loop {
        let sweep: SweepView = view(&answer)?;
        if progress {
            show(&sweep);
        }
        if sweep.ended.is_some() {
            return Ok(answer);
        }
        tokio::time::sleep(POLL_EVERY).await;
        answer = remote.get("/api/v1/sweep", &[]).await?;
    }
}

/// Prints what a sweep found.
pub(super) fn told(answer: &Value) -> anyhow::Result<ExitCode> {
    let sweep: SweepView = view(answer)?;
    for report in &sweep.reports {
        print(report, sweep.dry_run);
    }
    ended(answer)
}

/// The exit code is 1 when a sweep found something.
pub(super) fn ended(answer: &Value) -> anyhow::Result<ExitCode> {
    let sweep: SweepView = view(answer)?;
    Ok(if sweep.reports.iter().any(needs_somebody) { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
}

/// Whether a sweep found what nobody told of, or could not look.
fn needs_somebody(report: &ReportView) -> bool {
    let result = &report.result;
    !report.found.is_empty() || !result.problems.is_empty() || result.callbacks_good == Some(false)
}

/// The line that says how far it is, over itself.
fn show(sweep: &SweepView) {
    let mut err = std::io::stderr().lock();
    let (done, all) = (sweep.reports.len(), sweep.connections);
    let line = match sweep.ended {
        Some(_) => String::new(),
        None => format!("{done} of {all} connections; {}, {} rows", sweep.stage, sweep.rows),
    };
    // Progress is for whoever looks; what cannot be shown is not missed.
    let _ = write!(err, "\r\x1b[K{line}");
    let _ = err.flush();
}

fn print(report: &ReportView, dry_run: bool) {
    let result = &report.result;
    let listed: Vec<String> = result.listed.iter().map(|(kind, rows)| format!("{rows} {}", kind.plural())).collect();
    let listed = if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") };
    out!(
        "{}: ConnectWise lists {listed} as unposted; {} calls to ConnectWise, {} to Xero, {} ms",
        report.connection,
        result.calls,
        result.xero_calls,
        result.took_ms
    );
    if !report.found.is_empty() {
        out!("  {:<44} {:<16} {:<14} closed", "record", "number", "why");
    }
    for found in &report.found {
        out!("  {:<44} {:<16} {:<14} {}", found.key, found.number, found.why, found.closed);
    }
    if result.older > 0 {
        out!(
            "  {} unknown ones were closed long before readypost began and are left alone: set `start_date`, or retry those that are to be posted",
            result.older
        );
    }
    if result.deferred > 0 {
        out!("  {} more are left for the next sweep", result.deferred);
    }
    for problem in &result.problems {
        out!("  PROBLEM {problem}");
    }
    for callback in &result.callbacks {
        out!("  callbacks: {callback}");
    }
    match (report.found.is_empty(), dry_run) {
        (true, _) => out!("  Nothing is to be done about records."),
        (false, true) => out!(
            "  Nothing was changed; without --dry-run these would be looked at, for about {} calls to Xero.",
            report.xero_calls_about
        ),
        (false, false) => out!("  They are in the queue: readypost records list"),
    }
}

impl Callbacks {
    /// Looks at the callbacks; the exit code is 1 when something is wrong and stays so.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (service, dry_run) = match self {
            Self::Check(service) => (service, true),
            Self::Sync(sync) => (sync.service, sync.dry_run),
        };
        let answer: Value = Remote::new(&service)?.post("/api/v1/callbacks", &json!({ "dry_run": dry_run })).await?;
        let all: Vec<CallbacksView> = view(&answer)?;
        if service.json {
            print_json(&answer)?;
        } else {
            for callbacks in &all {
                print_callbacks(callbacks, dry_run);
            }
        }
        let wrong = |view: &CallbacksView| !view.failed.is_empty() || view.wrong.len() > view.done.len();
        Ok(if all.iter().any(wrong) { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
    }
}

fn print_callbacks(view: &CallbacksView, dry_run: bool) {
    let said = if dry_run { &view.wrong } else { &view.done };
    for line in said.iter().chain(&view.failed) {
        out!("{}: {line}", view.connection);
    }
    if view.wrong.is_empty() && view.failed.is_empty() {
        out!("{}: all callbacks are registered and switched on", view.connection);
    }
}
