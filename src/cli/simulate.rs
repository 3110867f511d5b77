//! `readypost simulate`: what posting would do.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::client::{Remote, print_json, view};
use super::print::out;
use super::{PROBLEMS, Service};
use crate::domain::record::{CompanyId, RecordKey};
use crate::domain::simulation::{Effect, Scope, Simulated, Simulation, Verdict};
use crate::domain::statement::Month;
use crate::domain::text::shorten;
use crate::http::SimulationView;

/// How often the service is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Rows that are printed; JSON and CSV have all that are kept.
const ROWS_MAX: usize = 60;
/// Rows that are asked for at once.
const PAGE: &str = "500";

/// Find out what posting would do, without writing anything
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["record", "month", "unposted"])))]
pub(super) struct Simulate {
    /// One record, such as acme/invoice/5041; all of its documents are printed
    record: Option<RecordKey>,
    /// The company's id in the configuration, with --month or --unposted
    #[arg(long, conflicts_with = "record")]
    company: Option<CompanyId>,
    /// A month, such as 2026-10: posted invoices are compared with Xero, the others simulated
    #[arg(long, requires = "company")]
    month: Option<Month>,
    /// Everything that ConnectWise lists as unposted
    #[arg(long, requires = "company")]
    unposted: bool,
    /// Print the rows as comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    service: Service,
}

impl Simulate {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let remote = Remote::new(&self.service)?;
        let asked = match (&self.record, &self.company, self.month) {
            (Some(record), ..) => json!({ "record": record.to_string() }),
            (None, Some(company), Some(month)) => json!({ "company": company.as_str(), "month": month.to_string() }),
            (None, Some(company), None) => json!({ "company": company.as_str(), "unposted": true }),
            (None, None, _) => bail!("name a record, or --company with --month or --unposted"),
        };
        let begun: SimulationView = view(&remote.post("/api/v1/simulate", &asked).await?)?;
        let (answer, simulation) = wait(&remote, begun.id).await?;
        if self.service.json {
            print_json(&answer)?;
        } else if self.csv {
            out!("{}", simulation.csv().trim_end());
        } else {
            print(&simulation);
        }
        Ok(if simulation.needs_somebody() { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
    }
}

/// Asks until it is done, and for all of its rows.
async fn wait(remote: &Remote, id: u64) -> anyhow::Result<(Value, Simulation)> {
    let id = id.to_string();
    let mut all: Option<Simulation> = None;
    let mut offset = 0;
    loop {
        let from = offset.to_string();
        let query = [("id", id.as_str()), ("offset", &from), ("limit", PAGE)];
        let mut answer = remote.get("/api/v1/simulate", &query).await?;
        let view: SimulationView = view(&answer)?;
        progress(&view);
        match (view.state.as_str(), view.simulation) {
            ("done", Some(simulation)) => {
                let all = match &mut all {
                    Some(all) => {
                        all.rows.extend(simulation.rows);
                        all
                    }
                    None => all.insert(simulation),
                };
                let Some(next) = view.next else {
                    if let Some(fields) = answer.as_object_mut() {
                        fields.insert("simulation".to_owned(), serde_json::to_value(&*all)?);
                    }
                    return Ok((answer, all.clone()));
                };
                offset = next;
            }
            ("cancelled", _) => bail!("the simulation was cancelled; begin it again with the same command"),
            ("failed", _) => bail!("the simulation failed: {}", view.error.unwrap_or_default()),
            _ => tokio::time::sleep(ASK_EVERY).await,
        }
    }
}

/// One line that is written over, on a terminal only.
#[expect(clippy::print_stderr, reason = "the command line speaks to people")]
fn progress(view: &SimulationView) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let SimulationView { step, done, of, calls, .. } = view;
    let waits = view.waits_until.map(|until| format!(", waits for calls until {}", until.strftime("%H:%M:%S")));
    let many = if *of > 0 { format!(" {done} of {of}") } else { String::new() };
    let calls = format!("{} calls to ConnectWise, {} to Xero", calls.connectwise, calls.xero);
    let line = format!("{step}{many}, {calls}{}", waits.unwrap_or_default());
    eprint!("\r\x1b[K{}", if view.state == "running" { line } else { String::new() });
}

fn print(simulation: &Simulation) {
    let Simulation { rows, .. } = simulation;
    if rows.is_empty() {
        out!("There is nothing to post.");
    }
    let one = matches!(simulation.scope, Scope::Record { .. });
    if one {
        for row in rows {
            print_whole(row);
        }
    } else if !rows.is_empty() {
        out!("{:<9} {:<32} {:<14} {:<24} {:>14}  why", "would", "record", "number", "whose", "total");
        // What needs somebody is printed first.
        let mut sorted: Vec<&Simulated> = rows.iter().collect();
        sorted.sort_by_key(|row| !row.verdict.needs_somebody());
        for row in sorted.iter().take(ROWS_MAX) {
            print_row(row);
        }
        if let Some(more @ 1..) = rows.len().checked_sub(ROWS_MAX) {
            out!("and {more} more; --csv and --json have them");
        }
    }
    out!();
    for verdict in Verdict::ALL {
        for total in simulation.totals.iter().filter(|total| total.verdict == verdict) {
            out!(
                "{:<9} {:>6} records {:>16} {}",
                verdict.as_str(),
                total.records,
                total.total.to_string(),
                total.currency
            );
        }
    }
    for reason in &simulation.reasons {
        let effect = match reason.effect {
            Effect::Hold => "held",
            Effect::Warning => "warning",
            Effect::Skip => "skipped",
        };
        out!();
        out!("{effect}: {} ({}) {}", reason.code, reason.records, reason.sentence);
        if reason.effect == Effect::Hold {
            out!("    {}", reason.cure);
        }
    }
    print_cost(simulation);
}

fn print_cost(simulation: &Simulation) {
    out!();
    if simulation.new_contacts > 0 {
        out!("{} contacts would be created in Xero.", simulation.new_contacts);
    }
    let (calls, spent) = (simulation.calls, simulation.spent);
    out!("Posting would cost {} calls to Xero and about {} to ConnectWise.", calls.xero, calls.connectwise);
    if let Some(estimate) = &simulation.estimate {
        let today = match estimate.today {
            Some(today) => format!("; today has {today} left"),
            None => String::new(),
        };
        out!("At {} calls a minute that takes {} min{today}.", estimate.minute_limit, estimate.minutes);
        if estimate.not_today > 0 {
            out!("{} calls do not fit into today: the rest is posted after Xero's day is over.", estimate.not_today);
        }
    }
    out!(
        "The simulation took {} calls to Xero and {} to ConnectWise. Nothing was written.",
        spent.xero,
        spent.connectwise
    );
    for note in &simulation.notes {
        out!("Note: {note}");
    }
}

fn print_row(row: &Simulated) {
    let total = format!("{} {}", row.total, row.currency);
    let warnings: Vec<&str> = row.warnings.iter().map(|warning| warning.code.as_str()).collect();
    let why = if row.code.is_empty() { warnings.join(", ") } else { row.code.clone() };
    let (number, party) = (shorten(&row.number, 14), shorten(row.party.as_str(), 24));
    out!("{:<9} {:<32} {number:<14} {party:<24} {total:>14}  {why}", row.verdict.as_str(), row.key.to_string());
    for unlike in &row.differences {
        out!("{:<9}   {}: {} in ConnectWise, {} in Xero", "", unlike.field, unlike.wanted, unlike.xero);
    }
}

/// A record with all that is known of it.
fn print_whole(row: &Simulated) {
    print_row(row);
    if !row.sentence.is_empty() {
        out!("    {}", row.sentence);
    }
    if !row.cure.is_empty() {
        out!("    {}", row.cure);
    }
    for warning in &row.warnings {
        out!("    warning {}: {}", warning.code.as_str(), warning.sentence);
    }
    if !row.new_contact.is_empty() {
        out!("    The contact '{}' would be created first.", row.new_contact);
    }
    if let Some(document) = &row.in_xero {
        let (kind, number, status) = (document.kind.noun(), &document.number, &document.status);
        out!("    In Xero: {kind} {number} of {}, {status}, {}", document.total, document.link);
    }
    for request in &row.requests {
        out!("    PUT {}", request.path);
        let body: Option<Value> = serde_json::from_str(&request.body).ok();
        let pretty = body.and_then(|body| serde_json::to_string_pretty(&body).ok());
        for line in pretty.unwrap_or_else(|| request.body.clone()).lines() {
            out!("      {line}");
        }
    }
}
