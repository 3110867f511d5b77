//! `readypost callbacks …`: what ConnectWise has registered and what is needed, as a diff, and what was done about it.

use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Remote, show, view};
use super::print;
use super::screen::{Hue, Screen, Words};
use super::table::{Fit, Table};
use super::{PROBLEMS, Service, Unusable};
use crate::http::{CallbackView, CallbacksView};

/// What to do about callbacks.
#[derive(Debug, Subcommand)]
pub(super) enum Callbacks {
    /// Show which callbacks ConnectWise has registered and which are needed
    Check(Service),
    /// Show the same, ask, and then register missing callbacks, switch on those that are off and repair addresses
    Sync(Sync),
}

#[derive(Debug, Args)]
pub(super) struct Sync {
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do it without a question
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    #[command(flatten)]
    service: Service,
}

impl Callbacks {
    /// The exit code is 1 when something is wrong and stays so.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Sync(sync) if !sync.dry_run => sync.run().await,
            Self::Check(service) | Self::Sync(Sync { service, .. }) => check(&service).await,
        }
    }
}

async fn check(service: &Service) -> anyhow::Result<ExitCode> {
    let answer = compared(&Remote::new(service)?, true).await?;
    let all: Vec<CallbacksView> = view(&answer)?;
    show(service.json, &answer, |screen| {
        for callbacks in &all {
            tell(callbacks, screen);
        }
        if open(&all) > 0 {
            screen.next("Next: readypost callbacks sync");
        }
    })?;
    Ok(ended(&all))
}

impl Sync {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let (remote, json) = (Remote::new(&self.service)?, self.service.json);
        // A program gets one answer: of what was done.
        if !(json && self.yes) {
            let answer = compared(&remote, true).await?;
            let all: Vec<CallbacksView> = view(&answer)?;
            show(json, &answer, |screen| all.iter().for_each(|callbacks| tell(callbacks, screen)))?;
            if !self.yes && (json || !print::is_attended()) {
                return Err(anyhow!(Unusable(UNATTENDED.to_owned())));
            }
            if open(&all) == 0 {
                return Ok(ended(&all));
            }
            if !self.yes && !print::asked("Go on?").await? {
                print::hint("Nothing was changed.");
                return Ok(ExitCode::from(PROBLEMS));
            }
        }
        // What is needed by now may be something else than what was shown.
        let answer = compared(&remote, false).await?;
        let all: Vec<CallbacksView> = view(&answer)?;
        show(json, &answer, |screen| all.iter().for_each(|callbacks| tell_done(callbacks, screen)))?;
        Ok(ended(&all))
    }
}

/// Why nothing is done where nobody can be asked.
const UNATTENDED: &str = "nothing was changed, because nobody can be asked here\nDo it without a question: readypost \
                          callbacks sync --yes\nOnly look: readypost callbacks check";

async fn compared(remote: &Remote, dry_run: bool) -> anyhow::Result<Value> {
    remote.post("/api/v1/callbacks", &json!({ "dry_run": dry_run })).await
}

/// How many changes are needed and not made.
fn open(all: &[CallbacksView]) -> usize {
    all.iter().flat_map(|callbacks| &callbacks.rows).filter(|row| sign(row) != KEPT && !row.done).count()
}

fn ended(all: &[CallbacksView]) -> ExitCode {
    let problems = open(all) > 0 || all.iter().any(|callbacks| !callbacks.failed.is_empty());
    if problems { ExitCode::from(PROBLEMS) } else { ExitCode::SUCCESS }
}

const KEPT: &str = "=";

/// What is done with a callback: `+` created, `~` changed, `=` left as it is.
fn sign(row: &CallbackView) -> &'static str {
    match row.standing.as_str() {
        "register" => "+",
        "switch_on" | "repair" => "~",
        _ => KEPT,
    }
}

/// What is there and what is needed.
fn tell(callbacks: &CallbacksView, screen: &mut Screen) {
    let heading = Hue::Strong.of(&callbacks.connection);
    if callbacks.rows.is_empty() {
        callbacks.failed.iter().for_each(|cause| screen.line(heading.clone().and(Hue::Bad, format!(": {cause}"))));
        return;
    }
    screen.line(heading.and(Hue::Plain, format!(": callbacks have to lead to {}", callbacks.address)));
    screen.table(&table(callbacks.rows.iter()));
    if open(std::slice::from_ref(callbacks)) == 0 {
        screen.indented(2, Hue::Good.of("all callbacks are registered and switched on"));
    }
}

/// What was done, which need not be what was shown before.
fn tell_done(callbacks: &CallbacksView, screen: &mut Screen) {
    let heading = Hue::Strong.of(&callbacks.connection);
    if callbacks.rows.is_empty() {
        return tell(callbacks, screen);
    }
    if open(std::slice::from_ref(callbacks)) == 0 && callbacks.done.is_empty() {
        return screen.line(heading.and(Hue::Good, ": nothing was left to be done"));
    }
    screen.line(heading.and(Hue::Plain, format!(": {} of {} done", callbacks.done.len(), callbacks.wrong.len())));
    screen.table(&table(callbacks.rows.iter().filter(|row| sign(row) != KEPT)));
}

fn table<'rows>(rows: impl Iterator<Item = &'rows CallbackView>) -> Table {
    let columns =
        [("", Fit::Whole), ("callback", Fit::Whole), ("type", Fit::Whole), ("level", Fit::Whole), ("", Fit::Sentence)];
    let mut table = Table::new(&columns);
    for row in rows {
        let hue = match sign(row) {
            "+" => Hue::Good,
            "~" => Hue::Look,
            _ => Hue::Faint,
        };
        let id = row.id.map(|id| id.to_string()).unwrap_or_default();
        let level = match row.object_id.filter(|_| row.level != "owner") {
            Some(object) => format!("{} {object}", row.level),
            None => row.level.clone(),
        };
        table.row([hue.of(sign(row)), Words::from(id), Words::from(&row.kind), Words::from(level), said(row)]);
    }
    table
}

/// What is to be done with a callback, or what was.
fn said(row: &CallbackView) -> Words {
    if let Some(cause) = &row.failed {
        return Hue::Bad.of(format!("it cannot be mended: {cause}"));
    }
    let text = match (row.standing.as_str(), row.done) {
        ("register", true) => "registered".to_owned(),
        ("register", false) => "to be registered: none of this type leads here".to_owned(),
        ("switch_on", true) => "switched on again".to_owned(),
        ("switch_on", false) => "to be switched on again".to_owned(),
        ("repair", true) => "repaired".to_owned(),
        ("repair", false) => "to be repaired".to_owned(),
        ("right", _) => "right".to_owned(),
        ("unneeded", _) => "leads here, and no company needs it: left alone".to_owned(),
        _ => format!("leads elsewhere, to {}: left alone", row.address),
    };
    let fields: Vec<String> =
        row.fields.iter().map(|field| format!("{} {} -> {}", field.field, field.from, field.to)).collect();
    if fields.is_empty() { Words::from(text) } else { Words::from(format!("{text}: {}", fields.join(", "))) }
}
