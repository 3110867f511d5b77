//! `readypost records …`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Service;
use super::client::{Remote, print_json, show, view};
use super::said;
use super::screen::{Hue, Screen, Words, time};
use super::table::{Fit, Table};
use super::watch::Watch;
use crate::clock::{Clock, SystemClock};
use crate::domain::record::RecordKey;
use crate::http::{HistoryView, PageView, RecordView};
use crate::store::Said;

/// What to do with records.
#[derive(Debug, Subcommand)]
pub(super) enum Records {
    /// List records, those that need somebody first
    List(List),
    /// Show one record with its history
    Show(Show),
    /// Look at a record again now, or for the first time when its callback was lost
    Retry(Decide),
    /// Post nothing of a record until it is released
    Hold(Decide),
    /// End an operator's hold
    Release(Decide),
    /// Never post a record, unless it is retried
    Skip(Decide),
    /// Say which document in Xero a record is
    Adopt(Adopt),
    /// Mark a record's warnings as seen
    Acknowledge(Decide),
    /// Take back all that was posted of a record: void its document, delete its batch
    Unpost(Decide),
    /// Say who looks after a record
    Assign(Assign),
    /// Do not show a record among what needs somebody for some days
    Snooze(Snooze),
}

/// Which records.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// queued, held, done or skipped
    #[arg(long)]
    state: Option<String>,
    /// Kind of record, such as invoice
    #[arg(long)]
    kind: Option<String>,
    /// A Xero organisation
    #[arg(long)]
    company: Option<String>,
    /// An issue, as `readypost issues` names it
    #[arg(long)]
    issue: Option<String>,
    /// A reason code, such as `unknown_tax`
    #[arg(long)]
    reason: Option<String>,
    /// A warning code that nobody has acknowledged, or any
    #[arg(long)]
    warning: Option<String>,
    /// Who looks after it, or nobody
    #[arg(long)]
    owner: Option<String>,
    /// hide leaves out what is snoozed
    #[arg(long)]
    snoozed: Option<String>,
    /// Changed since, such as 2026-11-01 or 2026-11-01T08:00:00Z
    #[arg(long)]
    since: Option<String>,
    /// The beginning of the number, part of the client's name, or the key
    #[arg(long, short)]
    query: Option<String>,
}

impl Which {
    /// The filters that were given, by the names that the service knows them by.
    pub(super) fn given(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("state", &self.state),
            ("kind", &self.kind),
            ("company", &self.company),
            ("issue", &self.issue),
            ("reason", &self.reason),
            ("warning", &self.warning),
            ("owner", &self.owner),
            ("snoozed", &self.snoozed),
            ("since", &self.since),
            ("q", &self.query),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    which: Which,
    /// Records per page
    #[arg(long, default_value = "50")]
    limit: u16,
    /// Where the page begins, as the page before says
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    service: Service,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// connection/kind/id, such as acme/invoice/1042
    key: RecordKey,
    /// Also what was said with both systems, letter by letter; for operators only
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    service: Service,
}

#[derive(Debug, Args)]
pub(super) struct Decide {
    /// connection/kind/id, such as acme/invoice/1042
    key: RecordKey,
    /// Why, for the history
    #[arg(long, default_value = "")]
    note: String,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    service: Service,
}

#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// Xero's id of the document
    #[arg(long)]
    document: uuid::Uuid,
    #[command(flatten)]
    decide: Decide,
}

#[derive(Debug, Args)]
pub(super) struct Assign {
    /// Who looks after it; empty for nobody
    #[arg(long)]
    owner: String,
    #[command(flatten)]
    decide: Decide,
}

#[derive(Debug, Args)]
pub(super) struct Snooze {
    /// For so many days; 0 shows it again
    #[arg(long, value_parser = clap::value_parser!(u16).range(0..=366))]
    days: u16,
    #[command(flatten)]
    decide: Decide,
}

impl Snooze {
    fn body(&self) -> Value {
        let hours = i64::from(self.days).saturating_mul(24);
        let until = SystemClock.now().saturating_add(jiff::SignedDuration::from_hours(hours)).ok();
        json!({ "until": until.filter(|_| self.days > 0) })
    }
}

impl Records {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(list) => return list.run().await,
            Self::Show(show) => show.run().await?,
            Self::Retry(decide) => decide.run("retry", json!({})).await?,
            Self::Hold(decide) => decide.run("hold", json!({})).await?,
            Self::Release(decide) => decide.run("release", json!({})).await?,
            Self::Skip(decide) => decide.run("skip", json!({})).await?,
            Self::Adopt(adopt) => adopt.decide.run("adopt", json!({ "document": adopt.document })).await?,
            Self::Acknowledge(decide) => decide.run("acknowledge", json!({})).await?,
            Self::Unpost(decide) => decide.run("unpost", json!({})).await?,
            Self::Assign(assign) => assign.decide.run("assign", json!({ "owner": assign.owner })).await?,
            Self::Snooze(snooze) => {
                let body = snooze.body();
                snooze.decide.run("snooze", body).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let mut asked = self.which.given();
        asked.push(("limit", self.limit.to_string()));
        asked.extend(self.cursor.map(|cursor| ("cursor", cursor)));
        let query: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let remote = Remote::new(&self.service)?;
        let ask = async || remote.get("/api/v1/records", &query).await;
        self.watch
            .run(self.service.json, ask, |answer, screen| {
                tell_page(&view(answer)?, screen);
                Ok(ExitCode::SUCCESS.into())
            })
            .await
    }
}

fn tell_page(page: &PageView, screen: &mut Screen) {
    if page.records.is_empty() {
        screen.line("No records.");
    }
    screen.table(&table(&page.records));
    if let Some(next) = &page.next {
        screen.next(format!("There are more: add --cursor '{next}'"));
    }
    if let Some(held) = page.records.iter().find(|record| record.state == "held") {
        screen.next(format!("Next, one with its cure: readypost records show {}", held.key));
    }
}

/// Records, one in a row: key, state, number, client, total, and what is to know.
pub(super) fn table<'records>(records: impl IntoIterator<Item = &'records RecordView>) -> Table {
    let mut table = Table::new(&[
        ("record", Fit::Key),
        ("state", Fit::Whole),
        ("number", Fit::Name),
        ("client", Fit::Name),
        ("total", Fit::Amount),
        ("", Fit::Whole),
        ("owner", Fit::Name),
        ("what is to know", Fit::Sentence),
    ]);
    for record in records {
        let (hue, note) = to_know(record);
        let or_dash = |text: &Option<String>| Words::from(text.as_deref().unwrap_or("-"));
        table.row([
            Words::from(&record.key),
            hue.of(&record.state),
            or_dash(&record.number),
            or_dash(&record.client),
            or_dash(&record.total),
            Words::from(record.currency.as_deref().unwrap_or_default()),
            Words::from(record.owner.as_deref().unwrap_or_default()),
            note,
        ]);
    }
    table
}

/// What a record is waiting for, or what to look at, and how urgent it is.
fn to_know(record: &RecordView) -> (Hue, Words) {
    let open = || record.warnings.iter().filter(|warning| warning.acknowledged_by.is_none());
    let hue = match (record.state.as_str(), open().next()) {
        ("held", _) => Hue::Bad,
        ("queued", _) | ("done", Some(_)) => Hue::Look,
        ("done", None) => Hue::Good,
        _ => Hue::Faint,
    };
    let mut note = match (&record.reason, &record.waiting) {
        (Some(reason), _) => hue.of(&reason.code).and(Hue::Plain, format!(": {}", reason.sentence)),
        (None, Some(waiting)) => {
            let cause = waiting.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
            Words::from(format!("{} due {}{cause}", waiting.step, time(Some(waiting.due))))
        }
        (None, None) => open().fold(Words::default(), |all, warning| {
            let between = if all.is_empty() { "" } else { " " };
            all.and(hue, format!("{between}{}", warning.code)).and(Hue::Plain, format!(": {}", warning.sentence))
        }),
    };
    if let Some(until) = record.snoozed_until {
        note = note.and(Hue::Faint, format!(" (snoozed until {})", time(Some(until))));
    }
    (hue, note)
}

impl Show {
    async fn run(self) -> anyhow::Result<()> {
        let (remote, path) = (Remote::new(&self.service)?, format!("/api/v1/records/{}", self.key.path()));
        let mut answer = remote.get(&path, &[]).await?;
        let said = if self.raw { remote.get(&format!("{path}/exchanges"), &[]).await? } else { Value::Null };
        if self.service.json {
            if let Some(answer) = answer.as_object_mut().filter(|_| self.raw) {
                answer.insert("exchanges".to_owned(), said);
            }
            return print_json(&answer);
        }
        let part = |name: &str| answer.get(name).cloned().unwrap_or(Value::Null);
        let (record, history): (RecordView, Vec<HistoryView>) = (view(&part("record"))?, view(&part("history"))?);
        let raw = if self.raw { view::<Vec<Said>>(&said)? } else { Vec::new() };
        show(false, &answer, |screen| {
            tell_one(&record, screen);
            tell_history(&history, screen);
            if self.raw {
                said::tell(&raw, screen);
            }
        })
    }
}

fn tell_one(record: &RecordView, screen: &mut Screen) {
    // Its warnings stand below, with what they mean.
    screen.table(&table([&RecordView { warnings: Vec::new(), ..record.clone() }]));
    if let Some(cure) = record.reason.as_ref().and_then(|reason| reason.cure.as_ref()) {
        screen.line(Hue::Strong.of("What helps: ").and(Hue::Plain, cure));
    }
    if let Some(issue) = &record.issue {
        screen.line(format!("Its issue: {issue}"));
    }
    if let Some(link) = &record.client_link {
        screen.line(format!("Its client in ConnectWise: {link}"));
    }
    if let Some(reason) = record.reason.as_ref().filter(|reason| !reason.differences.is_empty()) {
        screen.line("Posted, and now in ConnectWise:");
        reason.differences.iter().for_each(|difference| screen.indented(2, difference.told()));
    }
    if let Some(undo) = &record.unposting {
        let done = if undo.done.is_empty() { "nothing yet".to_owned() } else { undo.done.join(", ") };
        screen.line(format!("Being unposted for {} since {}; undone: {done}", undo.by, time(Some(undo.at))));
    }
    if record.outcome_unknown {
        let text = "A request to Xero has no known outcome yet; it will be looked up, not sent again blindly.";
        screen.line(Hue::Look.of(text));
    }
    if let Some(document) = &record.document {
        let (number, total, ours) = (&document.number, &document.xero_total, &document.total);
        let posted = time(Some(document.posted));
        screen.line(format!("In Xero: {number} of {total} (ConnectWise {ours}), posted {posted}"));
        screen.indented(9, &document.link);
        if let Some(cost) = &document.cost_of_goods {
            let total = cost.total.as_ref().map_or_else(|| "not in Xero yet".to_owned(), |total| format!("of {total}"));
            screen.line(format!("Cost of its goods: {total} {}", cost.link.as_deref().unwrap_or_default()));
        }
        screen.line(format!("In ConnectWise: batch {}", document.batch.as_deref().unwrap_or("not made yet")));
    }
    for warning in &record.warnings {
        let seen = warning.acknowledged_by.as_ref().map(|by| format!(" (acknowledged by {by})")).unwrap_or_default();
        let hue = if seen.is_empty() { Hue::Look } else { Hue::Faint };
        screen
            .line(hue.of(format!("Warning {}", warning.code)).and(Hue::Plain, format!(": {}{seen}", warning.sentence)));
        screen.indented(2, Hue::Faint.of(&warning.meaning));
        let mut parts = Table::new(&[("", Fit::Amount), ("", Fit::Sentence)]);
        for (label, amount) in &warning.parts {
            parts.row([Words::from(amount), Words::from(label)]);
        }
        screen.table(&parts);
    }
    match record.state.as_str() {
        "held" if record.reason.as_ref().is_some_and(|reason| reason.retry_helps) => {
            screen.next(format!("Then: readypost records retry {}", record.key));
        }
        "done" if record.warnings.iter().any(|warning| warning.acknowledged_by.is_none()) => {
            screen.next(format!("Once it was looked at: readypost records acknowledge {}", record.key));
        }
        _ => {}
    }
}

fn tell_history(history: &[HistoryView], screen: &mut Screen) {
    screen.line(Hue::Strong.of("History:"));
    let mut entries = Table::new(&[("", Fit::Whole), ("", Fit::Whole), ("", Fit::Sentence)]);
    for entry in history {
        entries.row([Words::from(time(Some(entry.at))), Words::from(&entry.event), Words::from(&entry.sentence)]);
    }
    screen.table(&entries);
}

impl Decide {
    async fn run(self, action: &str, mut body: Value) -> anyhow::Result<()> {
        let remote = Remote::new(&self.service)?;
        let path = format!("/api/v1/records/{}", self.key.path());
        if self.dry_run {
            let answer = remote.get(&path, &[]).await?;
            let record = answer.get("record").cloned().unwrap_or(Value::Null);
            let known: RecordView = view(&record)?;
            return show(self.service.json, &record, |screen| {
                screen.line(format!("would {action}:"));
                screen.table(&table([&known]));
                screen.next("Nothing was changed.");
            });
        }
        if let Some(body) = body.as_object_mut() {
            body.insert("note".to_owned(), json!(self.note));
        }
        let answer = remote.post(&format!("{path}/{action}"), &body).await?;
        let record: RecordView = view(&answer)?;
        show(self.service.json, &answer, |screen| {
            screen.table(&table([&record]));
            if record.state == "queued" {
                screen.next(format!("See how it ends: readypost records show {}", record.key));
            }
        })
    }
}
