//! `readypost map check`: whether every name that both systems share is the same on both sides.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Remote, print_json, view};
use super::print::out;
use super::{PROBLEMS, Service};
use crate::domain::hold::Place;
use crate::domain::mapcheck::{Finding, MapCheck};
use crate::domain::record::CompanyId;
use crate::http::{CompanyView, MapCheckView};

/// How often the service is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(300);

/// Compare names of both systems
#[derive(Debug, Subcommand)]
pub(super) enum Map {
    /// Compare the rules and ConnectWise's set-up with Xero, and find what would hold or warn
    Check(Check),
}

/// Which companies are checked.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The company's id in the configuration; all of them otherwise
    #[arg(long)]
    company: Option<CompanyId>,
    #[command(flatten)]
    service: Service,
}

impl Map {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Check(Check { company, service }) = self;
        let remote = Remote::new(&service)?;
        let companies: Vec<String> = if let Some(company) = company {
            vec![company.to_string()]
        } else {
            let known: Vec<CompanyView> = view(&remote.get("/api/v1/companies", &[]).await?)?;
            known.into_iter().map(|company| company.id).collect()
        };
        let (mut answers, mut needs_somebody) = (Vec::new(), false);
        for company in companies {
            let (answer, check) = checked(&remote, &company).await?;
            needs_somebody |= check.needs_somebody();
            if !service.json {
                print(&check);
            }
            answers.push(answer);
        }
        if service.json {
            print_json(&Value::Array(answers))?;
        }
        Ok(if needs_somebody { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
    }
}

async fn checked(remote: &Remote, company: &str) -> anyhow::Result<(Value, MapCheck)> {
    let mut answer = remote.post("/api/v1/map-check", &json!({ "company": company })).await?;
    loop {
        let view: MapCheckView = view(&answer)?;
        match (view.check, view.error) {
            (Some(check), _) => return Ok((answer, check)),
            (None, Some(error)) => {
                bail!("{company} could not be checked: {error}\n`readypost doctor` says whether both systems answer.")
            }
            (None, None) => tokio::time::sleep(ASK_EVERY).await,
        }
        answer = remote.get("/api/v1/map-check", &[("company", company)]).await?;
    }
}

fn print(check: &MapCheck) {
    out!("{}", check.company);
    for looked in &check.looked_at {
        out!("  {:<26} {:>5} compared, {:>5} fine", looked.list, looked.rows, looked.fine);
    }
    for finding in &check.findings {
        print_finding(finding);
    }
    for text in &check.not_looked_at {
        out!("  not looked at: {text}");
    }
    let (calls, many) = (check.calls, check.findings.len());
    out!("  {} calls to ConnectWise, {} to Xero; nothing was written.", calls.connectwise, calls.xero);
    match many {
        0 => out!("  Every name that was compared is the same on both sides."),
        1 => out!("  One thing to correct before it meets a record."),
        many => out!("  {many} things to correct before they meet records."),
    }
}

fn print_finding(finding: &Finding) {
    let place = match finding.place {
        Place::ConnectWise => "ConnectWise",
        Place::Xero => "Xero",
        Place::Configuration => "configuration",
        Place::Readypost => "readypost",
    };
    let more = usize::try_from(finding.rows).unwrap_or(usize::MAX).saturating_sub(finding.found_at.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    out!("  {:<10} {:<22} {}", finding.severity.as_str(), finding.code, finding.sentence);
    out!("             {} at {}{more}; mended in {place}", finding.about, finding.found_at.join(", "));
    out!("             {}", finding.cure);
}
