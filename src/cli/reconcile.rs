//! `readypost reconcile`: the statement of a month.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::client::{Remote, print_json, view};
use super::print::out;
use super::{PROBLEMS, Service};
use crate::domain::money::Money;
use crate::domain::record::CompanyId;
use crate::domain::statement::{Line, Month, Section, Standing, Statement};
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
        let statement = loop {
            let view: StatementView = view(&answer)?;
            progress(&view);
            match (view.statement, view.error) {
                (Some(statement), _) => break statement,
                (None, Some(error)) => bail!("the statement could not be made: {error}"),
                (None, None) => tokio::time::sleep(ASK_EVERY).await,
            }
            answer = remote.get("/api/v1/reconcile", &query).await?;
        };
        if self.service.json {
            print_json(&answer)?;
        } else if self.csv {
            out!("{}", statement.csv().trim_end());
        } else {
            print(&statement);
        }
        Ok(if statement.is_balanced() { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
    }
}

/// One line that is written over, on a terminal only.
#[expect(clippy::print_stderr, reason = "the command line speaks to people")]
fn progress(view: &StatementView) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let StatementView { step, rows, calls, .. } = view;
    let waits = view.waits_until.map(|until| format!(", waits for calls until {}", until.strftime("%H:%M:%S")));
    let waits = waits.unwrap_or_default();
    let calls = format!("{} calls to ConnectWise, {} to Xero", calls.connectwise, calls.xero);
    eprint!(
        "\r\x1b[K{}",
        if view.state == "running" { format!("{step}: {rows} read, {calls}{waits}") } else { String::new() }
    );
}

fn print(statement: &Statement) {
    out!("{}, {}, made {} UTC", statement.company, statement.month, statement.at.strftime("%Y-%m-%d %H:%M"));
    if statement.sections.is_empty() {
        out!("Nothing was closed in ConnectWise, and Xero has no documents of this month.");
    }
    for section in &statement.sections {
        out!();
        print_section(section);
    }
    out!();
    out!("Calls: {} to ConnectWise, {} to Xero", statement.calls.connectwise, statement.calls.xero);
    out!(
        "{}",
        if statement.is_balanced() {
            "In balance: nothing is missing, nothing unexplained, nothing twice."
        } else {
            "NOT in balance: see the lines that are missing, stray or unexplained."
        }
    );
}

fn print_section(section: &Section) {
    let sums = &section.sums;
    let count = |standing: Standing| section.lines.iter().filter(|line| line.standing == standing).count();
    let row = |label: &str, sum: Money, count: Option<usize>| {
        if sum.is_zero() && count.is_none_or(|count| count == 0) {
            return;
        }
        let count = count.map(|count| format!("{count:>7}")).unwrap_or_default();
        out!("  {label:<34}{:>16}{count}", sum.to_string());
    };
    let closed = section.lines.iter().filter(|line| line.closed.is_some()).count();
    out!("{} {}", capital(section.ledger.as_str()), section.currency);
    out!("  {:<34}{:>16}{closed:>7}", "closed in ConnectWise", sums.closed.to_string());
    out!("  {:<34}{:>16}{:>7}", "= in Xero", sums.in_xero.to_string(), count(Standing::InXero));
    row("+ held", sums.held, Some(count(Standing::Held)));
    row("+ waiting", sums.waiting, Some(count(Standing::Waiting)));
    row("+ skipped", sums.skipped, Some(count(Standing::Skipped)));
    row("+ missing", sums.missing, Some(count(Standing::Missing)));
    row("+ explained differences", sums.explained, None);
    row("+ unexplained differences", sums.unexplained, None);
    let alone = count(Standing::OnlyInXero).saturating_add(count(Standing::Stray));
    row("in Xero alone", sums.only_in_xero, Some(alone));
    if section.unrelated.documents > 0 {
        let many = usize::try_from(section.unrelated.documents).unwrap_or(usize::MAX);
        row("other documents in Xero", section.unrelated.total, Some(many));
    }
    if !sums.paid_in_connectwise.is_zero() || !sums.paid_in_xero.is_zero() {
        row("paid on these in ConnectWise", sums.paid_in_connectwise, None);
        row("paid on these in Xero", sums.paid_in_xero, None);
    }
    let list = |title: &str, lines: Vec<&Line>| {
        if lines.is_empty() {
            return;
        }
        out!("  {title}:");
        for line in lines.iter().take(LINES_MAX) {
            print_line(line);
        }
        if let Some(more @ 1..) = lines.len().checked_sub(LINES_MAX) {
            out!("    and {more} more; --csv and --json have all");
        }
    };
    let of = |wanted: &dyn Fn(&&Line) -> bool| section.lines.iter().filter(wanted).collect::<Vec<_>>();
    list("Needs a look", of(&|line| line.needs_look()));
    list("In Xero alone", of(&|line| line.standing == Standing::OnlyInXero));
    list("Paid otherwise in the other system", of(&|line| line.pays_differ()));
    list("Waiting", of(&|line| line.standing == Standing::Waiting));
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn print_line(line: &Line) {
    let amount = line.closed.or(line.in_xero).unwrap_or_default();
    out!("    {:<14} {:<28} {:>12}  {}", line.number, line.party.as_str(), amount.to_string(), line.standing.as_str());
    if line.pays_differ() {
        let paid = |paid: Option<Money>| paid.unwrap_or_default();
        out!("        paid {} in ConnectWise, {} in Xero", paid(line.paid_in_connectwise), paid(line.paid_in_xero));
    }
    if !line.note.is_empty() {
        out!("        {}", line.note);
    }
    let record = line.key.as_ref().map(|key| format!("readypost records show {key}"));
    for link in [record.as_ref(), line.xero_link.as_ref(), line.connectwise_link.as_ref()].into_iter().flatten() {
        out!("        {link}");
    }
}
