//! `readypost companies …` and `readypost reload`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::Service;
use super::client::{Remote, print_json, view};
use super::print::out;
use super::status::{stopped, time};
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
                if service.json {
                    print_json(&answer)?;
                } else {
                    view::<Vec<CompanyView>>(&answer)?.iter().for_each(print);
                }
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
        if self.service.json {
            return print_json(&answer);
        }
        print(&view(&answer)?);
        Ok(())
    }
}

fn print(company: &CompanyView) {
    let count = |state: &str| company.records.get(state).copied().unwrap_or_default();
    let locations: Vec<String> = company.locations.iter().map(ToString::to_string).collect();
    let locations = if locations.is_empty() { "all others".to_owned() } else { locations.join(", ") };
    out!(
        "{:<24} from {}, locations {locations}: {} posted, {} held, {} waiting; last posted {}",
        company.id,
        company.connection,
        count("done"),
        count("held"),
        count("queued"),
        time(company.last_posted)
    );
    stopped(company);
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
        if self.service.json {
            print_json(&answer)?;
            return Ok(ExitCode::SUCCESS);
        }
        let changes: Changes = view(&answer)?;
        for (section, Change { name, change, settings }) in changes.all() {
            let settings = if settings.is_empty() { String::new() } else { format!(": {}", settings.join(", ")) };
            out!("{section} {name} {}{settings}", change.as_str());
        }
        for setting in &changes.needs_restart {
            out!("{setting} stays as it is until readypost is restarted");
        }
        if changes.is_empty() {
            out!("Nothing has changed.");
        } else if self.dry_run {
            out!("Nothing was changed; without --dry-run it will be.");
        }
        Ok(ExitCode::SUCCESS)
    }
}
