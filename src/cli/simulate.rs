//! `readypost simulate`: what posting would do.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::client::{Remote, print_json, show, view};
use super::print::{csv, hint};
use super::progress::Progress;
use super::screen::{Hue, Screen, Words};
use super::serve::stop_on_signal;
use super::table::{Fit, Table};
use super::{PROBLEMS, Service};
use crate::domain::record::{CompanyId, RecordKey};
use crate::domain::simulation::{Effect, Estimate, Scope, Simulated, Simulation, Verdict};
use crate::domain::statement::Month;
use crate::http::SimulationView;

/// How often the service is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// Rows that are printed; JSON and CSV have all that are kept.
const ROWS_MAX: usize = 60;
/// Rows that are asked for at once.
const PAGE: &str = "500";

/// Find out what posting would do, without writing anything
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["record", "month", "unposted", "show", "cancel"])))]
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
    /// Wait for a simulation that was begun before, and print it
    #[arg(long, value_name = "ID", conflicts_with = "company")]
    show: Option<u32>,
    /// Cancel a simulation that runs
    #[arg(long, value_name = "ID", conflicts_with_all = ["company", "csv"])]
    cancel: Option<u32>,
    /// Print the rows as comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    service: Service,
}

impl Simulate {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let remote = Remote::new(&self.service)?;
        if let Some(id) = self.cancel {
            return cancel(&remote, id, self.service.json).await;
        }
        let id = match self.show {
            Some(id) => id.into(),
            None => self.begin(&remote).await?,
        };
        let (answer, simulation) = wait(&remote, id).await?;
        if self.service.json {
            print_json(&answer)?;
        } else if self.csv {
            csv(&simulation.csv());
            if simulation.rows_left_out > 0 {
                let left_out = simulation.rows_left_out;
                hint(&format!("{left_out} records have no row; those that need somebody have one before the others."));
            }
        } else {
            show(false, &answer, |screen| tell(&simulation, screen))?;
        }
        Ok(if simulation.needs_somebody() { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS })
    }

    /// Begins one; its id.
    async fn begin(&self, remote: &Remote) -> anyhow::Result<u64> {
        let asked = match (&self.record, &self.company, self.month) {
            (Some(record), ..) => json!({ "record": record.to_string() }),
            (None, Some(company), Some(month)) => json!({ "company": company.as_str(), "month": month.to_string() }),
            (None, Some(company), None) => json!({ "company": company.as_str(), "unposted": true }),
            (None, None, _) => bail!("name a record, or --company with --month or --unposted"),
        };
        let begun: SimulationView = view(&remote.post("/api/v1/simulate", &asked).await?)?;
        Ok(begun.id)
    }
}

/// Cancels one, and waits for its end.
async fn cancel(remote: &Remote, id: u32, json: bool) -> anyhow::Result<ExitCode> {
    let id = id.to_string();
    let query = [("id", id.as_str())];
    let mut answer = remote.delete("/api/v1/simulate", &query).await?;
    let mut seen: SimulationView = view(&answer)?;
    while seen.state == "running" {
        tokio::time::sleep(ASK_EVERY).await;
        answer = remote.get("/api/v1/simulate", &query).await?;
        seen = view(&answer)?;
    }
    show(json, &answer, |screen| match seen.state.as_str() {
        "cancelled" => screen.line(format!("Simulation {id} is cancelled; nothing was written by it.")),
        state => {
            screen.line(format!("Simulation {id} had ended before: {state}."));
            screen.next(format!("Next: readypost simulate --show {id}"));
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Asks until it is done, and for all of its rows. Ctrl-C ends the waiting, not the simulation.
async fn wait(remote: &Remote, id: u64) -> anyhow::Result<(Value, Simulation)> {
    let id = id.to_string();
    let mut all: Option<Simulation> = None;
    let mut offset = 0;
    let (progress, stop) = (Progress::begin("simulating"), CancellationToken::new());
    stop_on_signal(stop.clone());
    loop {
        let from = offset.to_string();
        let query = [("id", id.as_str()), ("offset", &from), ("limit", PAGE)];
        let mut answer = remote.get("/api/v1/simulate", &query).await?;
        let view: SimulationView = view(&answer)?;
        progress.at(view.done.into(), view.of.into(), &view.how_far());
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
            ("cancelled", _) => bail!("the simulation was cancelled; begin it again as it was begun"),
            ("failed", _) => bail!(
                "the simulation failed: {}\n`readypost doctor` says whether both systems answer.",
                view.error.unwrap_or_default()
            ),
            _ => {
                if stop.run_until_cancelled(tokio::time::sleep(ASK_EVERY)).await.is_none() {
                    bail!(
                        "simulation {id} goes on in the service\nSee what it comes to: readypost simulate --show \
                         {id}\nCancel it: readypost simulate --cancel {id}"
                    );
                }
            }
        }
    }
}

fn tell(simulation: &Simulation, screen: &mut Screen) {
    let Simulation { rows, .. } = simulation;
    if rows.is_empty() {
        screen.line("There is nothing to post.");
    }
    if matches!(simulation.scope, Scope::Record { .. }) {
        for row in rows {
            tell_whole(row, screen);
        }
    } else {
        let mut table = head();
        simulation.by_need().into_iter().take(ROWS_MAX).for_each(|one| row(one, &mut table));
        screen.table(&table);
        if let Some(more @ 1..) = rows.len().checked_sub(ROWS_MAX) {
            screen.line(format!("and {more} more; --csv and --json have them"));
        }
    }
    tell_sums(simulation, screen);
    for reason in &simulation.reasons {
        let (hue, effect) = match reason.effect {
            Effect::Hold => (Hue::Bad, "held"),
            Effect::Warning => (Hue::Look, "warning"),
            Effect::Skip => (Hue::Plain, "skipped"),
        };
        screen.blank();
        let what = format!(": {} ({}) {}", reason.code, reason.records, reason.sentence);
        screen.line(hue.of(effect).and(Hue::Plain, what));
        if reason.effect == Effect::Hold {
            screen.indented(2, Hue::Faint.of(&reason.cure));
        }
    }
    tell_cost(simulation, screen);
}

fn hue(verdict: Verdict) -> Hue {
    match verdict {
        Verdict::Post | Verdict::Adopt | Verdict::Posted => Hue::Good,
        Verdict::Skip => Hue::Faint,
        Verdict::Hold | Verdict::Differs | Verdict::Missing | Verdict::Unread => Hue::Bad,
    }
}

fn tell_sums(simulation: &Simulation, screen: &mut Screen) {
    screen.blank();
    let mut sums =
        Table::new(&[("verdict", Fit::Whole), ("records", Fit::Amount), ("total", Fit::Amount), ("", Fit::Whole)]);
    for verdict in Verdict::ALL {
        for total in simulation.totals.iter().filter(|total| total.verdict == verdict) {
            let (records, sum) = (total.records.to_string(), total.total.to_string());
            sums.row([
                hue(verdict).of(verdict.as_str()),
                Words::from(records),
                Words::from(sum),
                Words::from(&total.currency),
            ]);
        }
    }
    screen.table(&sums);
}

fn tell_cost(simulation: &Simulation, screen: &mut Screen) {
    screen.blank();
    simulation.costs().into_iter().for_each(|told| screen.line(told));
    if let Some(late) = simulation.estimate.as_ref().and_then(Estimate::late) {
        screen.line(Hue::Look.of(late));
    }
    let one = matches!(simulation.scope, Scope::Record { .. });
    if let Some(first) = simulation.rows.iter().find(|row| !one && row.verdict.needs_somebody()) {
        screen.next(format!("Next, one with all that is known of it: readypost simulate {}", first.key));
    }
}

fn head() -> Table {
    Table::new(&[
        ("verdict", Fit::Whole),
        ("record", Fit::Key),
        ("number", Fit::Name),
        ("whose", Fit::Name),
        ("total", Fit::Amount),
        ("", Fit::Whole),
        ("why", Fit::Sentence),
    ])
}

fn row(row: &Simulated, table: &mut Table) {
    let warnings: Vec<&str> = row.warnings.iter().map(|warning| warning.code.as_str()).collect();
    let why = if row.code.is_empty() { Hue::Look.of(warnings.join(", ")) } else { hue(row.verdict).of(&row.code) };
    table.row([
        hue(row.verdict).of(row.verdict.as_str()),
        Words::from(row.key.to_string()),
        Words::from(&row.number),
        Words::from(row.party.as_str()),
        Words::from(row.total.to_string()),
        Words::from(&row.currency),
        why,
    ]);
    for unlike in &row.differences {
        table.note(unlike.told());
    }
}

/// A record with all that is known of it.
fn tell_whole(one: &Simulated, screen: &mut Screen) {
    let mut table = head();
    row(one, &mut table);
    screen.table(&table);
    for text in [&one.sentence, &one.cure].into_iter().filter(|text| !text.is_empty()) {
        screen.indented(2, text);
    }
    for warning in &one.warnings {
        let code = Hue::Look.of(format!("warning {}", warning.code.as_str()));
        screen.indented(2, code.and(Hue::Plain, format!(": {}", warning.sentence)));
    }
    if !one.new_contact.is_empty() {
        screen.indented(2, format!("The contact '{}' would be created first.", one.new_contact));
    }
    if let Some(document) = &one.in_xero {
        let (kind, number, status) = (document.kind.noun(), &document.number, &document.status);
        screen.indented(2, format!("In Xero: {kind} {number} of {}, {status}, {}", document.total, document.link));
    }
    for request in &one.requests {
        screen.indented(2, Hue::Strong.of(format!("PUT {}", request.path)));
        request.readable().lines().for_each(|line| screen.letters(4, line));
    }
}
