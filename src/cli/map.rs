//! `readypost map check`: whether every name that both systems share is the same on both sides.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Remote, show, view};
use super::progress::Progress;
use super::screen::{Hue, Screen, Words};
use super::table::{Fit, Table};
use super::{PROBLEMS, Service};
use crate::domain::mapcheck::{Finding, MapCheck, Severity};
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
        let (mut answers, mut checks) = (Vec::new(), Vec::new());
        for company in companies {
            let (answer, check) = checked(&remote, &company).await?;
            answers.push(answer);
            checks.push(check);
        }
        show(service.json, &Value::Array(answers), |screen| checks.iter().for_each(|check| tell(check, screen)))?;
        let needs_somebody = checks.iter().any(MapCheck::needs_somebody);
        Ok(if needs_somebody { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
    }
}

async fn checked(remote: &Remote, company: &str) -> anyhow::Result<(Value, MapCheck)> {
    let mut answer = remote.post("/api/v1/map-check", &json!({ "company": company })).await?;
    let _progress = Progress::begin(&format!("comparing the names of {company}"));
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

fn tell(check: &MapCheck, screen: &mut Screen) {
    screen.line(Hue::Strong.of(check.company.as_str()));
    let mut looked_at = Table::new(&[("names", Fit::Whole), ("compared", Fit::Amount), ("fine", Fit::Amount)]);
    for looked in &check.looked_at {
        let hue = if looked.fine < looked.rows { Hue::Look } else { Hue::Good };
        looked_at.row([
            Words::from(&looked.list),
            Words::from(looked.rows.to_string()),
            hue.of(looked.fine.to_string()),
        ]);
    }
    screen.table(&looked_at);
    let mut findings = Table::new(&[("finding", Fit::Whole), ("code", Fit::Whole), ("what", Fit::Sentence)]);
    check.findings.iter().for_each(|finding| row(finding, &mut findings));
    screen.table(&findings);
    for text in &check.not_looked_at {
        screen.indented(2, Hue::Look.of("not looked at: ").and(Hue::Plain, text));
    }
    screen.line(check.cost());
    let hue = if check.findings.is_empty() { Hue::Good } else { Hue::Plain };
    screen.line(hue.of(check.told()));
}

fn row(finding: &Finding, table: &mut Table) {
    let hue = match finding.severity {
        Severity::WouldHold | Severity::WouldSkip => Hue::Bad,
        Severity::WouldWarn => Hue::Look,
    };
    table.row([hue.of(finding.severity.as_str()), Words::from(&finding.code), Words::from(&finding.sentence)]);
    table.note(finding.whereabouts());
    table.note(Hue::Faint.of(&finding.cure));
}
