//! `--watch`: the same again and again, for as long as somebody looks. A terminal is drawn anew; elsewhere every change
//! is one more text, or with `--json` one more line of JSON.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::client::{escaped, print_json};
use super::print;
use super::screen::{Hue, Screen, time};
use super::serve::stop_on_signal;
use crate::clock::{Clock, SystemClock};

/// Clears the screen; draws over what is there; clears the rest of a line; clears what is below.
const CLEAR: &str = "\u{1b}[2J";
const HOME: &str = "\u{1b}[H";
const LINE_END: &str = "\u{1b}[K\r\n";
const BELOW: &str = "\u{1b}[K\u{1b}[J";

/// Whether it is shown again.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// Show it again every so many seconds (2 if none are given), until Ctrl-C; the exit code is 0 then
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
        value_parser = clap::value_parser!(u16).range(1..=3600))]
    watch: Option<u16>,
}

/// What was seen in an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// How the command ends when this is the last one.
    pub(super) code: ExitCode,
    /// Nothing more will change.
    pub(super) ended: bool,
}

impl From<ExitCode> for Seen {
    fn from(code: ExitCode) -> Self {
        Self { code, ended: false }
    }
}

impl Watch {
    /// Asks and shows the answer: once, or until Ctrl-C. A service that is gone for a while is waited for.
    pub(super) async fn run(
        &self,
        json: bool,
        ask: impl AsyncFn() -> anyhow::Result<Value>,
        tell: impl Fn(&Value, &mut Screen) -> anyhow::Result<Seen>,
    ) -> anyhow::Result<ExitCode> {
        let Some(seconds) = self.watch else { return once(json, &ask().await?, tell) };
        let stop = CancellationToken::new();
        stop_on_signal(stop.clone());
        let mut shown = Shown { json, last: None, failed: None };
        loop {
            let Some(answer) = stop.run_until_cancelled(ask()).await else { break };
            match answer {
                Ok(answer) => {
                    let seen = shown.show(answer, &tell)?;
                    if seen.ended {
                        return Ok(seen.code);
                    }
                }
                Err(error) if shown.last.is_none() => return Err(error),
                Err(error) => shown.fail(&format!("{error:#}"), &tell)?,
            }
            let pause = tokio::time::sleep(Duration::from_secs(u64::from(seconds)));
            if stop.run_until_cancelled(pause).await.is_none() {
                break;
            }
        }
        if shown.drawn() {
            // What comes next stands below.
            print::text("\r\n");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn once(
    json: bool,
    answer: &Value,
    tell: impl Fn(&Value, &mut Screen) -> anyhow::Result<Seen>,
) -> anyhow::Result<ExitCode> {
    let mut screen = Screen::here();
    let seen = tell(answer, &mut screen)?;
    if json {
        print_json(answer)?;
    } else {
        screen.show();
    }
    Ok(seen.code)
}

/// What is there to be seen.
#[derive(Debug)]
struct Shown {
    json: bool,
    last: Option<Value>,
    failed: Option<String>,
}

impl Shown {
    fn show(
        &mut self,
        answer: Value,
        tell: impl Fn(&Value, &mut Screen) -> anyhow::Result<Seen>,
    ) -> anyhow::Result<Seen> {
        let mut screen = Screen::here();
        let seen = tell(&answer, &mut screen)?;
        let changed = self.last.as_ref() != Some(&answer);
        if self.drawn() {
            self.draw(&screen);
        } else if self.json && changed {
            print::text(&(escaped(&answer.to_string()) + "\n"));
        } else if changed {
            let mut heading = Screen::here();
            if self.last.is_some() {
                heading.blank();
            }
            heading.line(Hue::Strong.of(time(Some(SystemClock.now()))));
            heading.show();
            screen.show();
        }
        self.last = Some(answer);
        self.failed = None;
        Ok(seen)
    }

    /// What was seen last stays, with why there is nothing newer.
    fn fail(&mut self, cause: &str, tell: impl Fn(&Value, &mut Screen) -> anyhow::Result<Seen>) -> anyhow::Result<()> {
        let known = self.failed.as_deref() == Some(cause);
        self.failed = Some(cause.to_owned());
        if self.drawn() {
            let mut screen = Screen::here();
            for line in cause.lines().chain(["This is what was seen last; it is asked again."]) {
                screen.line(Hue::Bad.of(line));
            }
            tell(self.last.as_ref().context("nothing was seen yet")?, &mut screen)?;
            self.draw(&screen);
        } else if !known {
            print::complaint(&format!("readypost: {cause}"));
        }
        Ok(())
    }

    /// Whether it is drawn over what was there.
    fn drawn(&self) -> bool {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        !self.json && !is_dumb && print::size().is_some()
    }

    /// Draws what the terminal has room for.
    fn draw(&self, screen: &Screen) {
        let lines = screen.drawn();
        let rows = print::size().map(|(_, rows)| rows).filter(|rows| *rows > 0).unwrap_or(usize::MAX);
        let mut fitting: Vec<String> = lines.iter().take(rows).cloned().collect();
        if let (Some(more @ 1..), Some(last)) = (lines.len().checked_sub(rows), fitting.last_mut()) {
            *last = format!("and {} more lines", more.saturating_add(1));
        }
        let first = if self.last.is_none() { CLEAR } else { "" };
        print::text(&format!("{first}{HOME}{}{BELOW}", fitting.join(LINE_END)));
    }
}
