//! `readypost records …`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Service;
use super::client::{Remote, print_json, view};
use super::print::out;
use super::said;
use super::status::time;
use crate::clock::{Clock, SystemClock};
use crate::domain::record::RecordKey;
use crate::domain::text::shorten;
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
            Self::List(list) => list.run().await?,
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
    async fn run(self) -> anyhow::Result<()> {
        let mut asked = self.which.given();
        asked.push(("limit", self.limit.to_string()));
        asked.extend(self.cursor.map(|cursor| ("cursor", cursor)));
        let query: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = Remote::new(&self.service)?.get("/api/v1/records", &query).await?;
        if self.service.json {
            return print_json(&answer);
        }
        print_page(&view(&answer)?);
        Ok(())
    }
}

fn print_page(page: &PageView) {
    if page.records.is_empty() {
        out!("No records.");
    }
    for record in &page.records {
        out!("{}", row(record));
    }
    if let Some(next) = &page.next {
        out!("More: add --cursor '{next}'");
    }
}

/// One line: key, state, number, amount, client, and what is to know.
pub(super) fn row(record: &RecordView) -> String {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let note = match (&record.reason, &record.waiting) {
        (Some(reason), _) => format!("{}: {}", reason.code, reason.sentence),
        (None, Some(waiting)) => {
            format!("{} due {} {}", waiting.step, time(Some(waiting.due)), waiting.cause.clone().unwrap_or_default())
        }
        (None, None) => {
            let codes: Vec<&str> = record
                .warnings
                .iter()
                .filter(|warning| warning.acknowledged_by.is_none())
                .map(|warning| warning.code.as_str())
                .collect();
            codes.join(", ")
        }
    };
    format!(
        "{:<24} {:<8} {:<10} {:>12}  {:<24} {}",
        record.key,
        record.state,
        shorten(&or_dash(&record.number), 10),
        or_dash(&record.total),
        shorten(&or_dash(&record.client), 24),
        note
    )
    .trim_end()
    .to_owned()
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
        print_one(&record, &history);
        if self.raw {
            said::print(&view::<Vec<Said>>(&said)?);
        }
        Ok(())
    }
}

fn print_one(record: &RecordView, history: &[HistoryView]) {
    out!("{}", row(record));
    if let Some(link) = &record.connectwise_link {
        out!("In ConnectWise: {link}");
    }
    if let Some(link) = &record.client_link {
        out!("Its client in ConnectWise: {link}");
    }
    if let Some(cure) = record.reason.as_ref().and_then(|reason| reason.cure.as_ref()) {
        out!("What helps: {cure}");
    }
    if let Some(reason) = record.reason.as_ref().filter(|reason| !reason.differences.is_empty()) {
        out!("Posted, and now in ConnectWise:");
        for difference in &reason.differences {
            out!("  {}", difference.told());
        }
    }
    if let Some(undo) = &record.unposting {
        let done = if undo.done.is_empty() { "nothing yet".to_owned() } else { undo.done.join(", ") };
        out!("Being unposted for {} since {}; undone: {done}", undo.by, time(Some(undo.at)));
    }
    if record.outcome_unknown {
        out!("A request to Xero has no known outcome yet; it will be looked up, not sent again blindly.");
    }
    if let Some(document) = &record.document {
        out!(
            "In Xero: {} of {} (ConnectWise {}), posted {}",
            document.number,
            document.xero_total,
            document.total,
            time(Some(document.posted))
        );
        out!("         {}", document.link);
        if let Some(cost) = &document.cost_of_goods {
            let total = cost.total.as_ref().map_or_else(|| "not in Xero yet".to_owned(), |total| format!("of {total}"));
            out!("Cost of its goods: {total} {}", cost.link.as_deref().unwrap_or_default());
        }
        out!("In ConnectWise: batch {}", document.batch.as_deref().unwrap_or("not made yet"));
    }
    for warning in &record.warnings {
        let seen = warning.acknowledged_by.as_ref().map(|by| format!(" (acknowledged by {by})")).unwrap_or_default();
        out!("Warning {}: {}{seen}", warning.code, warning.sentence);
        for (label, amount) in &warning.parts {
            out!("  {amount:>12}  {label}");
        }
    }
    out!("History:");
    for entry in history {
        out!("  {}  {:<9} {}", time(Some(entry.at)), entry.event, entry.sentence);
    }
}

impl Decide {
    async fn run(self, action: &str, mut body: Value) -> anyhow::Result<()> {
        let remote = Remote::new(&self.service)?;
        let path = format!("/api/v1/records/{}", self.key.path());
        if self.dry_run {
            let answer = remote.get(&path, &[]).await?;
            let record: RecordView = view(&answer.get("record").cloned().unwrap_or(Value::Null))?;
            out!("would {action}: {}", row(&record));
            return Ok(());
        }
        if let Some(body) = body.as_object_mut() {
            body.insert("note".to_owned(), json!(self.note));
        }
        let answer = remote.post(&format!("{path}/{action}"), &body).await?;
        if self.service.json {
            return print_json(&answer);
        }
        out!("{}", row(&view(&answer)?));
        Ok(())
    }
}
