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
        let progress = Progress::begin("stating the month");
        let statement = loop {
            let view: StatementView = view(&answer)?;
            progress.say(&how_far(&view));
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

fn how_far(view: &StatementView) -> String {
    let StatementView { step, rows, calls, .. } = view;
    let waits = view.waits_until.map(|until| format!(", waits for calls until {}", until.strftime("%H:%M:%S")));
    let calls = format!("{} calls to ConnectWise, {} to Xero", calls.connectwise, calls.xero);
    if step.is_empty() {
        return "beginning".to_owned();
    }
    format!("{step}: {rows} read, {calls}{}", waits.unwrap_or_default())
}

fn tell(statement: &Statement, screen: &mut Screen) {
    let at = statement.at.strftime("%Y-%m-%d %H:%M");
    screen.line(
        Hue::Strong
            .of(format!("{}, {}", statement.company, statement.month))
            .and(Hue::Plain, format!(", made {at} UTC")),
    );
    if statement.sections.is_empty() {
        screen.line("Nothing was closed in ConnectWise, and Xero has no documents of this month.");
    }
    for section in &statement.sections {
        screen.blank();
        tell_section(section, screen);
    }
    screen.blank();
    screen.line(format!("Calls: {} to ConnectWise, {} to Xero", statement.calls.connectwise, statement.calls.xero));
    screen.line(if statement.is_balanced() {
        Hue::Good.of("In balance: nothing is missing, nothing unexplained, nothing twice.")
    } else {
        Hue::Bad.of("NOT in balance: see the lines that are missing, stray or unexplained.")
    });
}

fn tell_section(section: &Section, screen: &mut Screen) {
    screen.line(Hue::Strong.of(format!("{} {}", capital(section.ledger.as_str()), section.currency)));
    screen.table(&sums(section));
    let mut list = |title: &str, wanted: &dyn Fn(&Line) -> bool| {
        let lines: Vec<&Line> = section.lines.iter().filter(|line| wanted(line)).collect();
        if lines.is_empty() {
            return;
        }
        screen.line(format!("{title}:"));
        let mut table = Table::new(&[("", Fit::Name), ("", Fit::Name), ("", Fit::Amount), ("", Fit::Whole)]);
        lines.iter().take(LINES_MAX).for_each(|line| row(line, &mut table));
        screen.table(&table);
        if let Some(more @ 1..) = lines.len().checked_sub(LINES_MAX) {
            screen.line(format!("and {more} more; --csv and --json have all"));
        }
    };
    list("Needs a look", &Line::needs_look);
    list("In Xero alone", &|line| line.standing == Standing::OnlyInXero);
    list("Paid otherwise in the other system", &Line::pays_differ);
    list("Waiting", &|line| line.standing == Standing::Waiting);
}

/// The sums of a section, with how many lines they are of.
fn sums(section: &Section) -> Table {
    let sums = &section.sums;
    let count = |standing: Standing| section.lines.iter().filter(|line| line.standing == standing).count();
    let closed = section.lines.iter().filter(|line| line.closed.is_some()).count();
    let alone = count(Standing::OnlyInXero).saturating_add(count(Standing::Stray));
    let mut table = Table::new(&[("", Fit::Whole), ("amount", Fit::Amount), ("records", Fit::Amount)]);
    let mut row = |hue: Hue, label: &str, sum: Money, count: Option<usize>| {
        let count = count.map(|count| count.to_string()).unwrap_or_default();
        table.row([hue.of(label), Words::from(sum.to_string()), Words::from(count)]);
    };
    row(Hue::Plain, "closed in ConnectWise", sums.closed, Some(closed));
    row(Hue::Plain, "= in Xero", sums.in_xero, Some(count(Standing::InXero)));
    let standing = [
        (Hue::Bad, "+ held", sums.held, Standing::Held),
        (Hue::Look, "+ waiting", sums.waiting, Standing::Waiting),
        (Hue::Plain, "+ skipped", sums.skipped, Standing::Skipped),
        (Hue::Bad, "+ missing", sums.missing, Standing::Missing),
    ];
    for (hue, label, sum, standing) in standing.into_iter().filter(|(.., sum, of)| !sum.is_zero() || count(*of) > 0) {
        row(hue, label, sum, Some(count(standing)));
    }
    let differences = [
        (Hue::Look, "+ explained differences", sums.explained),
        (Hue::Bad, "+ unexplained differences", sums.unexplained),
    ];
    for (hue, label, sum) in differences.into_iter().filter(|(.., sum)| !sum.is_zero()) {
        row(hue, label, sum, None);
    }
    if !sums.only_in_xero.is_zero() || alone > 0 {
        row(Hue::Plain, "in Xero alone", sums.only_in_xero, Some(alone));
    }
    if section.unrelated.documents > 0 {
        let many = usize::try_from(section.unrelated.documents).unwrap_or(usize::MAX);
        row(Hue::Plain, "other documents in Xero", section.unrelated.total, Some(many));
    }
    let paid =
        [("paid on these in ConnectWise", sums.paid_in_connectwise), ("paid on these in Xero", sums.paid_in_xero)];
    for (label, sum) in paid.into_iter().filter(|(_, sum)| !sum.is_zero()) {
        row(Hue::Plain, label, sum, None);
    }
    table
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn row(line: &Line, table: &mut Table) {
    let amount = line.closed.or(line.in_xero).unwrap_or_default();
    let hue = match line.standing {
        Standing::Held | Standing::Missing | Standing::Stray => Hue::Bad,
        Standing::Waiting => Hue::Look,
        Standing::InXero | Standing::Skipped | Standing::OnlyInXero => Hue::Plain,
    };
    let (number, party) = (Words::from(&line.number), Words::from(line.party.as_str()));
    table.row([number, party, Words::from(amount.to_string()), hue.of(line.standing.as_str())]);
    if line.pays_differ() {
        let paid = |paid: Option<Money>| paid.unwrap_or_default();
        let (ours, xero) = (paid(line.paid_in_connectwise), paid(line.paid_in_xero));
        table.note(format!("paid {ours} in ConnectWise, {xero} in Xero"));
    }
    if !line.note.is_empty() {
        table.note(&line.note);
    }
    let record = line.key.as_ref().map(|key| format!("readypost records show {key}"));
    for link in [record.as_ref(), line.xero_link.as_ref(), line.connectwise_link.as_ref()].into_iter().flatten() {
        table.note(Hue::Faint.of(link));
    }
}
