//! `readypost issues`.

use std::process::ExitCode;

use clap::Args;

use super::client::{Remote, print_json, view};
use super::print::out;
use super::status::time;
use super::{PROBLEMS, Service};
use crate::http::IssuesView;

/// List what records wait for.
#[derive(Debug, Args)]
pub(super) struct Issues {
    #[command(flatten)]
    service: Service,
}

impl Issues {
    /// Exit code 1 when there is an issue.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let answer = Remote::new(&self.service)?.get("/api/v1/issues", &[]).await?;
        let all: IssuesView = view(&answer)?;
        if self.service.json {
            print_json(&answer)?;
        } else {
            print(&all);
        }
        Ok(if all.issues.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
    }
}

fn print(all: &IssuesView) {
    if all.issues.is_empty() {
        out!("Nothing is held.");
        return;
    }
    for issue in &all.issues {
        let company = issue.company.as_deref().unwrap_or("-");
        out!("{:>6}  {}  {:<12} {}", issue.count, issue.id, company, issue.title);
        out!("        since {}; {}", time(Some(issue.since)), issue.cure);
    }
    if !all.complete {
        out!("There are more.");
    }
    out!("Next: mend one, then readypost bulk plan retry --issue ID --run");
}
