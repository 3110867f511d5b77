//! `readypost sweep`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::client::{Remote, print_json, show, view};
use super::progress::Progress;
use super::screen::{Hue, Screen, Words};
use super::table::{Fit, Table};
use super::{PROBLEMS, Service};
use crate::http::{ReportView, SweepView};

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
    let progress = Progress::begin("sweeping");
    loop {
        let sweep: SweepView = view(&answer)?;
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        progress.at(
            count(sweep.reports.len()),
            count(sweep.connections),
            &format!("connections; {}, {} rows", sweep.stage, sweep.rows),
        );
        if sweep.ended.is_some() {
            return Ok(answer);
        }
        tokio::time::sleep(POLL_EVERY).await;
        answer = remote.get("/api/v1/sweep", &[]).await?;
    }
}

/// Shows what a sweep found.
pub(super) fn told(answer: &Value) -> anyhow::Result<ExitCode> {
    let sweep: SweepView = view(answer)?;
    show(false, answer, |screen| sweep.reports.iter().for_each(|report| tell(report, sweep.dry_run, screen)))?;
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

fn tell(report: &ReportView, dry_run: bool, screen: &mut Screen) {
    let result = &report.result;
    let listed: Vec<String> = result.listed.iter().map(|(kind, rows)| format!("{rows} {}", kind.plural())).collect();
    let listed = if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") };
    screen.line(Hue::Strong.of(&report.connection).and(
        Hue::Plain,
        format!(
            ": ConnectWise lists {listed} as unposted; {} calls to ConnectWise, {} to Xero, {} ms",
            result.calls, result.xero_calls, result.took_ms
        ),
    ));
    let mut found =
        Table::new(&[("record", Fit::Key), ("number", Fit::Name), ("why", Fit::Whole), ("closed", Fit::Whole)]);
    for one in &report.found {
        let why = Hue::Look.of(&one.why);
        found.row([Words::from(&one.key), Words::from(&one.number), why, Words::from(&one.closed)]);
    }
    screen.table(&found);
    if result.older > 0 {
        screen.indented(2, format!(
            "{} unknown ones were closed long before readypost began and are left alone: set `start_date`, or retry those that are to be posted",
            result.older
        ));
    }
    if result.deferred > 0 {
        screen.indented(2, format!("{} more are left for the next sweep", result.deferred));
    }
    for problem in &result.problems {
        screen.indented(2, Hue::Bad.of("PROBLEM ").and(Hue::Plain, problem.as_str()));
    }
    for callback in &result.callbacks {
        screen.indented(2, Hue::Look.of("callbacks: ").and(Hue::Plain, callback.as_str()));
    }
    match (report.found.is_empty(), dry_run) {
        (true, _) => screen.indented(2, "Nothing is to be done about records."),
        (false, true) => screen.indented(
            2,
            format!(
                "Nothing was changed; without --dry-run these would be looked at, for about {} calls to Xero.",
                report.xero_calls_about
            ),
        ),
        (false, false) => screen.next("They are in the queue: readypost records list --state queued"),
    }
}
