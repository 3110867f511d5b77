//! `readypost history …`, `readypost backup` and `readypost restore`: they read the store's folder, beside a running
//! service or without one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::client::show;
use super::progress::Progress;
use super::screen::{Hue, Screen, time};
use super::{ConfigFile, PROBLEMS};
use crate::clock::SystemClock;
use crate::domain::record::RecordKey;
use crate::store::Head;
use crate::store::audit::{self, AuditError, Choice, Verdict};

/// What to do with the history.
#[derive(Debug, Subcommand)]
pub(super) enum History {
    /// Find any change of the history, in the store or in an exported file
    Verify(Verify),
    /// Write the history into one file that can be verified by itself
    Export(Export),
}

/// Which store.
#[derive(Debug, Args)]
struct Where {
    /// Folder of the store; without it the one that the configuration names
    #[arg(long)]
    path: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// An exported file, instead of a store
    #[arg(long, conflicts_with = "path")]
    file: Option<PathBuf>,
    /// A head that was noted elsewhere, from the log, `status --json` or an export; may be given several times
    #[arg(long)]
    head: Vec<Head>,
    #[command(flatten)]
    store: Where,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file; compressed when its name ends in .gz
    #[arg(long)]
    out: PathBuf,
    /// Only what is about this record, such as acme/invoice/1042; of other entries only the hashes
    #[arg(long)]
    record: Option<RecordKey>,
    /// Only what happened since, such as 2026-11-01T00:00:00Z; of other entries only the hashes
    #[arg(long)]
    since: Option<Timestamp>,
    /// Only what happened before, such as 2026-12-01T00:00:00Z; of other entries only the hashes
    #[arg(long)]
    until: Option<Timestamp>,
    #[command(flatten)]
    store: Where,
}

/// Copy the store into a new folder, also while the service runs
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The new folder
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    store: Where,
}

/// Make a store out of a backup
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup
    #[arg(long)]
    from: PathBuf,
    /// Folder of the new store; it must be empty or not there
    #[arg(long)]
    to: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl History {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Verify(verify) => verify.run(),
            Self::Export(export) => export.run(),
        }
    }
}

impl Where {
    /// The folder, or how the command ends without one.
    fn folder(&self) -> Result<PathBuf, ExitCode> {
        match &self.path {
            Some(path) => Ok(path.clone()),
            None => super::load(&self.config.config).map(|config| config.store.path),
        }
    }

    fn run(
        &self,
        what: &str,
        act: impl FnOnce(&Path) -> Result<Verdict, AuditError>,
        done: impl FnOnce(&Verdict) -> String,
    ) -> anyhow::Result<ExitCode> {
        match self.folder() {
            Ok(folder) => {
                let progress = Progress::begin(what);
                let verdict = act(&folder)?;
                drop(progress);
                tell(&verdict, self.json, done)
            }
            Err(code) => Ok(code),
        }
    }
}

impl Verify {
    fn run(self) -> anyhow::Result<ExitCode> {
        let Self { file, head, store } = self;
        let done = |_: &Verdict| {
            let proven = if head.is_empty() {
                "Whoever owns the disk could have cut off its end or written all of it anew: give a head that was noted \
                 elsewhere with --head to rule that out."
            } else {
                "It contains every head that was given."
            };
            format!("The chain of the history is whole. {proven}")
        };
        match file {
            Some(file) => {
                let progress = Progress::begin("verifying the file");
                let verdict = audit::verify_export(&file, &head)?;
                drop(progress);
                tell(&verdict, store.json, done)
            }
            None => store.run("verifying the history", |folder| audit::verify(folder, &head), done),
        }
    }
}

impl Export {
    fn run(self) -> anyhow::Result<ExitCode> {
        let Self { out, record, since, until, store } = self;
        let choice = Choice { record, since, until };
        let done = |verdict: &Verdict| {
            format!(
                "Written to {}. Hand over the head with it, on another way: readypost history verify --file {} --head {}",
                out.display(),
                out.display(),
                verdict.head
            )
        };
        store.run("writing the history", |folder| audit::export(folder, &out, &choice), done)
    }
}

impl Backup {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { out, store } = self;
        let done = |_: &Verdict| {
            format!(
                "Copied to {}. To use it: readypost restore --from {} --to NEW-FOLDER",
                out.display(),
                out.display()
            )
        };
        store.run("copying the store", |folder| audit::backup(folder, &out, &SystemClock), done)
    }
}

impl Restore {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let progress = Progress::begin("restoring the store");
        let verdict = audit::restore(&self.from, &self.to, &SystemClock)?;
        drop(progress);
        let done = |_: &Verdict| {
            format!(
                "Restored to {}: name it as `[store] path` and start the service. What was closed before is looked up \
                 in Xero before it is posted again.",
                self.to.display()
            )
        };
        tell(&verdict, self.json, done)
    }
}

/// Prints what was found; exit code 1 when something is wrong.
fn tell(verdict: &Verdict, json: bool, done: impl FnOnce(&Verdict) -> String) -> anyhow::Result<ExitCode> {
    show(json, &serde_json::to_value(verdict)?, |screen| {
        tell_verdict(verdict, screen);
        if verdict.is_clean() {
            screen.line(done(verdict));
        }
    })?;
    Ok(if verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
}

fn tell_verdict(verdict: &Verdict, screen: &mut Screen) {
    screen.line(format!("{} entries, from {} to {}", verdict.entries, time(verdict.first), time(verdict.last)));
    if verdict.hashes_only > 0 {
        screen.line(format!("Of {} of them there is only the hash.", verdict.hashes_only));
    }
    let said = verdict.exchanges;
    screen.line(format!(
        "{} exchanges with both systems are whole; {} were removed by the age rule.",
        said.whole, said.removed
    ));
    if said.left_out > 0 {
        screen.line(format!("{} exchanges belong to entries that are not in the file.", said.left_out));
    }
    screen.line(format!("Head: {}", verdict.head));
    verdict.notes.iter().for_each(|note| screen.line(format!("Note: {note}")));
    for finding in &verdict.findings {
        let place = match (finding.segment, finding.offset) {
            (Some(segment), Some(offset)) => format!("segment {segment} at byte {offset}: "),
            _ => String::new(),
        };
        screen.line(Hue::Bad.of("WRONG").and(Hue::Plain, format!(": {place}{}", finding.sentence)));
    }
    if verdict.more_findings > 0 {
        screen.line(Hue::Bad.of("WRONG").and(Hue::Plain, format!(": {} more", verdict.more_findings)));
    }
    if !verdict.is_clean() {
        screen.line(
            "The history is not as it was written. Keep this folder or file as it is, and compare it with a backup: \
             readypost history verify --path BACKUP",
        );
    }
}
