//! `readypost alerts …`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Remote, show, view};
use super::print::complaint;
use super::screen::{Hue, Screen, Words, time};
use super::table::{Fit, Table};
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
    show(service.json, &answer, |screen| tell(&alerts, screen))?;
    let failing = alerts.channels.iter().any(|channel| channel.problem.is_some());
    Ok(if failing || !alerts.standing.is_empty() { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
}

fn tell(alerts: &AlertsView, screen: &mut Screen) {
    if alerts.standing.is_empty() {
        screen.line(Hue::Good.of("Nothing stands."));
    }
    let mut standing = Table::new(&[("alert", Fit::Whole), ("about", Fit::Whole), ("since", Fit::Whole)]);
    for alert in &alerts.standing {
        standing.row([Hue::Bad.of(&alert.code), Words::from(&alert.subject), Words::from(time(alert.since))]);
        standing.note(&alert.sentence);
    }
    screen.table(&standing);
    if alerts.channels.is_empty() {
        screen.line("Nobody is told: the configuration has no [[alert]].");
    }
    let mut channels = Table::new(&[
        ("channel", Fit::Whole),
        ("by", Fit::Whole),
        ("messages", Fit::Amount),
        ("last told", Fit::Whole),
        ("of", Fit::Sentence),
    ]);
    alerts.channels.iter().for_each(|channel| row(channel, &mut channels));
    screen.table(&channels);
}

fn row(channel: &ChannelView, table: &mut Table) {
    let kinds: Vec<&str> = channel.kinds.iter().map(|kind| kind.as_str()).collect();
    let kinds = if kinds.is_empty() { "all kinds".to_owned() } else { kinds.join(", ") };
    table.row([
        Words::from(&channel.name),
        Words::from(&channel.channel),
        Words::from(channel.messages.to_string()),
        Words::from(time(channel.last_told)),
        Words::from(kinds),
    ]);
    if let Some(problem) = &channel.problem {
        let next = time(channel.next_try);
        table.note(Hue::Bad.of("CANNOT BE TOLD").and(Hue::Plain, format!(": {problem}; next try {next}")));
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
        show(self.service.json, &answer, |screen| {
            let mut table = Table::new(&[
                ("channel", Fit::Whole),
                ("by", Fit::Whole),
                ("outcome", Fit::Whole),
                ("ms", Fit::Amount),
                ("what came back", Fit::Sentence),
            ]);
            for test in &tests {
                let outcome = if test.sent { Hue::Good.of("sent") } else { Hue::Bad.of("FAILED") };
                let (name, channel) = (Words::from(&test.name), Words::from(&test.channel));
                table.row([name, channel, outcome, Words::from(test.took_ms.to_string()), Words::from(&test.said)]);
            }
            screen.table(&table);
        })?;
        Ok(if tests.iter().all(|test| test.sent) { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
    }

    /// The exit code for a channel that the configuration does not have.
    async fn unknown(&self, remote: &Remote) -> anyhow::Result<Option<ExitCode>> {
        let alerts: AlertsView = view(&remote.get("/api/v1/alerts", &[]).await?)?;
        let known: Vec<&str> = alerts.channels.iter().map(|channel| channel.name.as_str()).collect();
        if known.is_empty() {
            complaint(
                "readypost: the configuration has no channel of alerts: add an [[alert]], then `readypost reload`",
            );
            return Ok(Some(ExitCode::from(UNUSABLE)));
        }
        let Some(wanted) = self.channel.as_deref().filter(|wanted| !known.contains(wanted)) else { return Ok(None) };
        complaint(&format!("readypost: there is no channel {wanted:?}; name one of: {}", known.join(", ")));
        Ok(Some(ExitCode::from(UNUSABLE)))
    }
}
