//! `readypost reconcile`: the statement of a month.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::client::{Remote, print_json, show, view};
use super::print::csv;
use super::progress::Progress;
use super::screen::{Hue, Screen, Words};
use super::table::{Fit, Table};
use super::{PROBLEMS, Service};
use crate::domain::record::CompanyId;
use crate::domain::statement::{BalanceRow, Concern, Line, Month, Section, Statement};
use crate::http::StatementView;

/// How often the service is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Lines of one sort that are printed; JSON and CSV have all.
const LINES_MAX: usize = 30;

/// State a month of a company: what ConnectWise closed and what Xero has
#[derive(Debug, Args)]
pub(super) struct Reconcile {
    /// The company's id in the configuration
    company: CompanyId,
    /// The month, such as 2026-11
    month: Month,
    /// Print every line as comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    service: Service,
}

impl Reconcile {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let remote = Remote::new(&self.service)?;
        let (company, month) = (self.company.to_string(), self.month.to_string());
        let mut answer = remote.post("/api/v1/reconcile", &json!({ "company": company, "month": month })).await?;
        let query = [("company", company.as_str()), ("month", month.as_str())];
        let progress = Progress::begin("stating the month");
        let statement = loop {
            let view: StatementView = view(&answer)?;
            progress.say(&view.how_far());
            match (view.statement, view.error) {
                (Some(statement), _) => break statement,
                (None, Some(error)) => bail!(
                    "the statement could not be made: {error}\n`readypost doctor` says whether both systems answer."
                ),
                (None, None) => tokio::time::sleep(ASK_EVERY).await,
            }
            answer = remote.get("/api/v1/reconcile", &query).await?;
        };
        drop(progress);
        if self.service.json {
            print_json(&answer)?;
        } else if self.csv {
            csv(&statement.csv());
        } else {
            show(false, &answer, |screen| tell(&statement, screen))?;
        }
        Ok(if statement.is_balanced() { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
    }
}

fn tell(statement: &Statement, screen: &mut Screen) {
    let at = statement.at.strftime("%Y-%m-%d %H:%M");
    screen.line(
        Hue::Strong
            .of(format!("{}, {}", statement.company, statement.month))
            .and(Hue::Plain, format!(", made {at} UTC")),
    );
    for section in &statement.sections {
        screen.blank();
        tell_section(section, screen);
    }
    screen.blank();
    screen.line(format!("Calls: {} to ConnectWise, {} to Xero", statement.calls.connectwise, statement.calls.xero));
    let hue = if statement.is_balanced() { Hue::Good } else { Hue::Bad };
    screen.line(hue.of(statement.told()));
}

fn tell_section(section: &Section, screen: &mut Screen) {
    screen.line(Hue::Strong.of(section.title()));
    let mut sums = Table::new(&[("", Fit::Whole), ("amount", Fit::Amount), ("records", Fit::Amount)]);
    for BalanceRow { label, sum, lines, concern } in section.balance() {
        let lines = lines.map(|lines| lines.to_string()).unwrap_or_default();
        sums.row([hue(concern).of(label), Words::from(sum.to_string()), Words::from(lines)]);
    }
    screen.table(&sums);
    for (title, lines) in section.lists() {
        screen.line(format!("{title}:"));
        let mut table = Table::new(&[("", Fit::Name), ("", Fit::Name), ("", Fit::Amount), ("", Fit::Whole)]);
        lines.iter().take(LINES_MAX).for_each(|line| row(line, &mut table));
        screen.table(&table);
        if let Some(more @ 1..) = lines.len().checked_sub(LINES_MAX) {
            screen.line(format!("and {more} more; --csv and --json have all"));
        }
    }
}

fn hue(concern: Concern) -> Hue {
    match concern {
        Concern::None => Hue::Plain,
        Concern::Look => Hue::Look,
        Concern::Act => Hue::Bad,
    }
}

fn row(line: &Line, table: &mut Table) {
    let (number, party) = (Words::from(&line.number), Words::from(line.party.as_str()));
    let standing = hue(line.concern()).of(line.standing.as_str());
    table.row([number, party, Words::from(line.amount().to_string()), standing]);
    line.notes().into_iter().for_each(|note| table.note(note));
    let record = line.key.as_ref().map(|key| format!("readypost records show {key}"));
    for link in [record.as_ref(), line.xero_link.as_ref(), line.connectwise_link.as_ref()].into_iter().flatten() {
        table.note(Hue::Faint.of(link));
    }
}
