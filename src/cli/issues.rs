//! `readypost issues`.

use std::process::ExitCode;

use clap::Args;

use super::client::{Remote, view};
use super::screen::{Hue, Screen, Words, time};
use super::table::{Fit, Table};
use super::watch::Watch;
use super::{PROBLEMS, Service};
use crate::http::{IssueView, IssuesView};

/// List what records wait for.
#[derive(Debug, Args)]
pub(super) struct Issues {
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    service: Service,
}

impl Issues {
    /// Exit code 1 when there is an issue.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let remote = Remote::new(&self.service)?;
        let ask = async || remote.get("/api/v1/issues", &[]).await;
        self.watch
            .run(self.service.json, ask, |answer, screen| {
                let all: IssuesView = view(answer)?;
                tell(&all, screen);
                let code = if all.issues.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) };
                Ok(code.into())
            })
            .await
    }
}

fn tell(all: &IssuesView, screen: &mut Screen) {
    if all.issues.is_empty() {
        return screen.line(Hue::Good.of("Nothing is held."));
    }
    let mut table = Table::new(&[
        ("records", Fit::Amount),
        ("issue", Fit::Key),
        ("company", Fit::Name),
        ("since", Fit::Whole),
        ("what", Fit::Sentence),
    ]);
    for issue in &all.issues {
        let IssueView { id, company, code, cause, sentence, cure, count, since, newest, .. } = issue;
        let what = match (cause, count) {
            (Some(cause), _) => format!(": {cause}"),
            (None, 1) => format!(": {sentence}"),
            (None, _) => format!(", the last one: {sentence}"),
        };
        table.row([
            Words::from(count.to_string()),
            Words::from(id),
            Words::from(company.as_deref().unwrap_or("-")),
            Words::from(time(Some(*since))),
            Hue::Bad.of(code).and(Hue::Plain, what),
        ]);
        table.note(Hue::Faint.of(cure));
        if *count == 1 {
            table.note(Hue::Faint.of(format!("readypost records show {newest}")));
        }
    }
    screen.table(&table);
    if !all.complete {
        screen.line("There are more.");
    }
    if let Some(mended) = all.issues.iter().find(|issue| issue.retry_helps) {
        screen.next(format!("Next: mend one, such as this: readypost bulk plan retry --issue {} --run", mended.id));
    }
}
