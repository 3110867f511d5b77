//! `readypost bulk …` and `readypost recover`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::client::{Remote, print_json, show, view};
use super::progress::Progress;
use super::records::{Which, table};
use super::screen::{Hue, Screen, Words, time};
use super::serve::stop_on_signal;
use super::table::{Fit, Table};
use super::watch::{Seen, Watch};
use super::{PROBLEMS, Service, sweep};
use crate::http::BulkView;

/// How often a run is asked how far it is.
const EVERY: Duration = Duration::from_millis(500);

/// One decision about many records.
#[derive(Debug, Subcommand)]
pub(super) enum Bulk {
    /// Find the records of a filter and show what would be decided; nothing is, without --run
    Plan(Box<Plan>),
    /// Decide about all records of a plan
    Run(One),
    /// Stop a run; what was decided stays so
    Cancel(One),
    /// Show a plan or a run
    Show(Show),
    /// List the last plans and runs
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// What to decide
    #[arg(value_parser = ["retry", "acknowledge", "hold", "release", "skip", "assign", "snooze"])]
    action: String,
    #[command(flatten)]
    which: Which,
    /// Why, for the history of each record
    #[arg(long, default_value = "")]
    note: String,
    /// For assign: who looks after them
    #[arg(long = "to")]
    to: Option<String>,
    /// For snooze: until when, such as 2026-12-01T00:00:00Z
    #[arg(long)]
    until: Option<jiff::Timestamp>,
    /// Run it at once
    #[arg(long)]
    run: bool,
    #[command(flatten)]
    service: Service,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// The id that the plan has
    id: Uuid,
    #[command(flatten)]
    service: Service,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    one: One,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    service: Service,
}

/// Looks again at everything since an outage.
#[derive(Debug, Args)]
pub(super) struct Recover {
    /// Since when, such as 2026-11-01 or 2026-11-01T08:00:00Z
    #[arg(long)]
    since: String,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    service: Service,
}

impl Bulk {
    /// Exit code 1 when a record could not be decided.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Plan(plan) => plan.run().await,
            Self::Run(one) => run(&Remote::new(&one.service)?, one.id, one.service.json).await,
            Self::Cancel(one) => {
                let answer =
                    Remote::new(&one.service)?.post(&format!("/api/v1/bulk/{}/cancel", one.id), &json!({})).await?;
                shown(&answer, one.service.json)
            }
            Self::Show(show) => show.run().await,
            Self::List(list) => {
                let answer = Remote::new(&list.service)?.get("/api/v1/bulk", &[]).await?;
                let all: Vec<BulkView> = view(&answer)?;
                show(list.service.json, &answer, |screen| tell_list(&all, screen))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

impl Show {
    /// Watches until it has ended.
    async fn run(self) -> anyhow::Result<ExitCode> {
        let remote = Remote::new(&self.one.service)?;
        let path = format!("/api/v1/bulk/{}", self.one.id);
        let ask = async || remote.get(&path, &[]).await;
        self.watch
            .run(self.one.service.json, ask, |answer, screen| {
                let bulk: BulkView = view(answer)?;
                tell(&bulk, screen);
                Ok(Seen { code: problems(&bulk), ended: !matches!(bulk.state.as_str(), "planned" | "running") })
            })
            .await
    }
}

impl Plan {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let remote = Remote::new(&self.service)?;
        let filter: Map<String, Value> =
            self.which.given().into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect();
        let mut because = json!({ "note": self.note });
        if let Some(because) = because.as_object_mut() {
            because.extend(self.to.map(|owner| ("owner".to_owned(), Value::from(owner))));
            because.extend(self.until.map(|until| ("until".to_owned(), json!(until))));
        }
        let body = json!({ "action": self.action, "because": because, "filter": filter });
        let answer = remote.post("/api/v1/bulk", &body).await?;
        let plan: BulkView = view(&answer)?;
        if self.run {
            return run(&remote, plan.id, self.service.json).await;
        }
        show(self.service.json, &answer, |screen| {
            tell_plan(&plan, screen);
            screen.next(format!("Next: readypost bulk run {}", plan.id));
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Runs a plan and shows what came of it.
async fn run(remote: &Remote, id: Uuid, json: bool) -> anyhow::Result<ExitCode> {
    shown(&until_ended(remote, id).await?, json)
}

/// Runs a plan and waits for its end; says how far it is to whoever looks. Ctrl-C ends the waiting, not the run.
async fn until_ended(remote: &Remote, id: Uuid) -> anyhow::Result<Value> {
    let mut answer = remote.post(&format!("/api/v1/bulk/{id}/run"), &json!({})).await?;
    let (progress, stop) = (Progress::begin("deciding"), CancellationToken::new());
    stop_on_signal(stop.clone());
    loop {
        let bulk: BulkView = view(&answer)?;
        progress.at(bulk.done.saturating_add(bulk.refused), bulk.records, "records decided");
        if bulk.state != "running" {
            return Ok(answer);
        }
        if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            bail!(
                "the run goes on in the service\nWatch it: readypost bulk show {id} --watch\nStop it: readypost bulk \
                 cancel {id}"
            );
        }
        answer = remote.get(&format!("/api/v1/bulk/{id}"), &[]).await?;
    }
}

fn shown(answer: &Value, json: bool) -> anyhow::Result<ExitCode> {
    let bulk: BulkView = view(answer)?;
    show(json, answer, |screen| tell(&bulk, screen))?;
    Ok(problems(&bulk))
}

fn tell(bulk: &BulkView, screen: &mut Screen) {
    if bulk.began.is_none() {
        return tell_plan(bulk, screen);
    }
    screen.table(&bulks([bulk]));
    let mut refused = Table::new(&[("refused", Fit::Key), ("why", Fit::Sentence)]);
    for one in &bulk.causes {
        refused.row([Words::from(&one.key), Words::from(&one.cause)]);
    }
    screen.table(&refused);
    if let Some(failed) = &bulk.failed {
        screen.indented(2, Hue::Bad.of(failed));
    }
}

fn problems(bulk: &BulkView) -> ExitCode {
    if bulk.refused > 0 || bulk.failed.is_some() { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS }
}

fn tell_plan(plan: &BulkView, screen: &mut Screen) {
    screen.table(&bulks([plan]));
    screen.table(&table(&plan.sample));
    let more = plan.records.saturating_sub(u64::try_from(plan.sample.len()).unwrap_or(u64::MAX));
    if more > 0 && plan.began.is_none() {
        screen.line(format!("and {more} more"));
    }
    if !plan.complete {
        screen.line("There are more: a plan has 100,000 records at most.");
    }
}

fn tell_list(all: &[BulkView], screen: &mut Screen) {
    if all.is_empty() {
        screen.line("Nothing was planned since the service was started.");
    }
    screen.table(&bulks(all));
}

/// Plans and runs, one in a row.
fn bulks<'bulks>(all: impl IntoIterator<Item = &'bulks BulkView>) -> Table {
    let mut table = Table::new(&[
        ("plan", Fit::Key),
        ("state", Fit::Whole),
        ("what", Fit::Whole),
        ("records", Fit::Amount),
        ("decided", Fit::Amount),
        ("refused", Fit::Amount),
    ]);
    for bulk in all {
        let hue = match bulk.state.as_str() {
            "done" => Hue::Good,
            "failed" | "interrupted" => Hue::Bad,
            "planned" | "running" => Hue::Look,
            _ => Hue::Faint,
        };
        let count = |count: u64| Words::from(count.to_string());
        let hue_of_refused = if bulk.refused > 0 { Hue::Bad } else { Hue::Plain };
        table.row([
            Words::from(bulk.id.to_string()),
            hue.of(&bulk.state),
            Words::from(&bulk.action),
            count(bulk.records),
            count(bulk.done),
            hue_of_refused.of(bulk.refused.to_string()),
        ]);
        let filter = if bulk.filter.is_empty() { "all records" } else { &bulk.filter };
        let note = if bulk.note.is_empty() { String::new() } else { format!(": {}", bulk.note) };
        table.note(Hue::Faint.of(format!("{filter}; planned {} by {}{note}", time(Some(bulk.planned)), bulk.by)));
    }
    table
}

impl Recover {
    /// Exit code 1 when something was found or could not be done.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let remote = Remote::new(&self.service)?;
        let filter = json!({ "state": "held", "since": self.since });
        let note = format!("recover since {}", self.since);
        let body = json!({ "action": "retry", "because": { "note": note }, "filter": filter });
        let planned = remote.post("/api/v1/bulk", &body).await?;
        let plan: BulkView = view(&planned)?;
        let swept = sweep::sweep(&remote, self.dry_run).await?;
        let retried = if self.dry_run { planned } else { until_ended(&remote, plan.id).await? };
        if self.service.json {
            print_json(&json!({ "sweep": swept, "retry": retried }))?;
            return Ok(worse(sweep::ended(&swept)?, problems(&view(&retried)?)));
        }
        let found = sweep::told(&swept)?;
        show(false, &retried, |screen| screen.line("Held since, and looked at again:"))?;
        Ok(worse(found, shown(&retried, false)?))
    }
}

fn worse(one: ExitCode, other: ExitCode) -> ExitCode {
    if one == ExitCode::SUCCESS { other } else { one }
}
