//! `readypost alerts …`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Remote, print_json, view};
use super::print::out;
use super::status::time;
use super::{PROBLEMS, Service, UNUSABLE};
use crate::http::{AlertsView, ChannelView, TestView};

/// What to do about alerts.
#[derive(Debug, Subcommand)]
pub(super) enum Alerts {
    /// Show what stands, and when each channel was told
    List(Service),
    /// Send a test through each channel, and say what came back
    Test(Test),
}

#[derive(Debug, Args)]
pub(super) struct Test {
    /// Only this channel
    #[arg(long)]
    channel: Option<String>,
    #[command(flatten)]
    service: Service,
}

impl Alerts {
    /// Shows or tests; the exit code is 1 when something stands, or a channel cannot be told.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(service) => list(&service).await,
            Self::Test(test) => test.run().await,
        }
    }
}

async fn list(service: &Service) -> anyhow::Result<ExitCode> {
    let answer = Remote::new(service)?.get("/api/v1/alerts", &[]).await?;
    let alerts: AlertsView = view(&answer)?;
    if service.json {
        print_json(&answer)?;
    } else {
        print(&alerts);
    }
    let failing = alerts.channels.iter().any(|channel| channel.problem.is_some());
    Ok(if failing || !alerts.standing.is_empty() { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
}

fn print(alerts: &AlertsView) {
    if alerts.standing.is_empty() {
        out!("Nothing stands.");
    }
    for alert in &alerts.standing {
        out!("{} {}, since {}: {}", alert.code, alert.subject, time(alert.since), alert.sentence);
    }
    if alerts.channels.is_empty() {
        out!("Nobody is told: the configuration has no [[alert]].");
    }
    alerts.channels.iter().for_each(print_channel);
}

fn print_channel(channel: &ChannelView) {
    let kinds: Vec<&str> = channel.kinds.iter().map(|kind| kind.as_str()).collect();
    let kinds = if kinds.is_empty() { "all kinds".to_owned() } else { kinds.join(", ") };
    let told = time(channel.last_told);
    out!("{:<24} {:<8} last told {told}, {} messages; {kinds}", channel.name, channel.channel, channel.messages);
    if let Some(problem) = &channel.problem {
        out!("  CANNOT BE TOLD: {problem}; next try {}", time(channel.next_try));
    }
}

impl Test {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let remote = Remote::new(&self.service)?;
        if let Some(code) = self.unknown(&remote).await? {
            return Ok(code);
        }
        let answer: Value = remote.post("/api/v1/alerts/test", &json!({ "channel": self.channel })).await?;
        let tests: Vec<TestView> = view(&answer)?;
        if self.service.json {
            print_json(&answer)?;
        } else {
            for test in &tests {
                let outcome = if test.sent { "sent" } else { "FAILED" };
                out!("{:<24} {:<8} {outcome} in {} ms: {}", test.name, test.channel, test.took_ms, test.said);
            }
        }
        Ok(if tests.iter().all(|test| test.sent) { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
    }

    /// The exit code for a channel that the configuration does not have.
    #[expect(clippy::print_stderr, reason = "the command line speaks to people")]
    async fn unknown(&self, remote: &Remote) -> anyhow::Result<Option<ExitCode>> {
        let alerts: AlertsView = view(&remote.get("/api/v1/alerts", &[]).await?)?;
        let known: Vec<&str> = alerts.channels.iter().map(|channel| channel.name.as_str()).collect();
        if known.is_empty() {
            eprintln!(
                "readypost: the configuration has no channel of alerts: add an [[alert]], then `readypost reload`"
            );
            return Ok(Some(ExitCode::from(UNUSABLE)));
        }
        let Some(wanted) = self.channel.as_deref().filter(|wanted| !known.contains(wanted)) else { return Ok(None) };
        eprintln!("readypost: there is no channel {wanted:?}; name one of: {}", known.join(", "));
        Ok(Some(ExitCode::from(UNUSABLE)))
    }
}
