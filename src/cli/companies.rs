//! `readypost companies …` and `readypost reload`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Service;
use super::client::{Remote, show, view};
use super::screen::{Words, time};
use super::status::stopped;
use super::table::{Fit, Table};
use crate::config::{Change, Changes};
use crate::domain::record::{CompanyId, RecordKind};
use crate::http::CompanyView;

/// What to do with companies.
#[derive(Debug, Subcommand)]
pub(super) enum Companies {
    /// List the Xero organisations
    List(Service),
    /// Let nothing be posted to a company; its records stay queued
    Pause(Decide),
    /// Let posting go on
    Resume(Decide),
}

#[derive(Debug, Args)]
pub(super) struct Decide {
    /// The company's id in the configuration
    company: CompanyId,
    /// Only records of this kind, such as invoice
    #[arg(long)]
    kind: Option<RecordKind>,
    /// Why, for everybody who wonders
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    service: Service,
}

impl Companies {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(service) => {
                let answer = Remote::new(&service)?.get("/api/v1/companies", &[]).await?;
                let all: Vec<CompanyView> = view(&answer)?;
                show(service.json, &answer, |screen| screen.table(&table(&all)))?;
            }
            Self::Pause(decide) => decide.run("pause").await?,
            Self::Resume(decide) => decide.run("resume").await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Decide {
    async fn run(self, action: &str) -> anyhow::Result<()> {
        let body = json!({ "note": self.note, "kind": self.kind.map(RecordKind::as_str) });
        let path = format!("/api/v1/companies/{}/{action}", self.company);
        let answer = Remote::new(&self.service)?.post(&path, &body).await?;
        let company: CompanyView = view(&answer)?;
        show(self.service.json, &answer, |screen| screen.table(&table(&[company])))
    }
}

fn table(companies: &[CompanyView]) -> Table {
    let mut table = Table::new(&[
        ("company", Fit::Key),
        ("from", Fit::Whole),
        ("locations", Fit::Name),
        ("posted", Fit::Amount),
        ("held", Fit::Amount),
        ("waiting", Fit::Amount),
        ("last posted", Fit::Whole),
    ]);
    for company in companies {
        let count = |state: &str| Words::from(company.records.get(state).copied().unwrap_or_default().to_string());
        let locations: Vec<String> = company.locations.iter().map(ToString::to_string).collect();
        let locations = if locations.is_empty() { "all others".to_owned() } else { locations.join(", ") };
        table.row([
            Words::from(&company.id),
            Words::from(&company.connection),
            Words::from(locations),
            count("done"),
            count("held"),
            count("queued"),
            Words::from(time(company.last_posted)),
        ]);
        for why in stopped(company) {
            table.note(why);
        }
    }
    table
}

/// Reads the configuration anew.
#[derive(Debug, Args)]
pub(super) struct Reload {
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    service: Service,
}

impl Reload {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let body = json!({ "dry_run": self.dry_run });
        let answer = Remote::new(&self.service)?.post("/api/v1/reload", &body).await?;
        let changes: Changes = view(&answer)?;
        show(self.service.json, &answer, |screen| {
            for (section, Change { name, change, settings }) in changes.all() {
                let settings = if settings.is_empty() { String::new() } else { format!(": {}", settings.join(", ")) };
                screen.line(format!("{section} {name} {}{settings}", change.as_str()));
            }
            for setting in &changes.needs_restart {
                screen.line(format!("{setting} stays as it is until readypost is restarted"));
            }
            if changes.is_empty() {
                screen.line("Nothing has changed.");
            } else if self.dry_run {
                screen.next("Nothing was changed; without --dry-run it will be.");
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
