//! What the demo prints.

use std::collections::BTreeMap;
use std::time::Duration;

use rust_decimal::Decimal;

use super::stage::{Expected, Stage};
use crate::cli::print::out;
use crate::cli::screen::{Hue, Screen, Words};
use crate::domain::facts::mark_in;
use crate::domain::record::RecordKind;
use crate::domain::text::shorten;
use crate::http::RecordView;
use crate::simulator::xero::{Kind, Status};

/// One line that begins so far to the right.
fn say_at(spaces: usize, words: impl Into<Words>) {
    let mut screen = Screen::here();
    screen.indented(spaces, words);
    screen.show();
}

pub(super) fn opening(stage: &Stage) {
    say_at(0, Hue::Strong.of("readypost demo: a month end between a simulated ConnectWise and a simulated Xero"));
    out!("  ConnectWise  {}", stage.connectwise.site_url());
    out!("  Xero         {}", stage.xero.api_url());
    out!("  readypost    {}/status", stage.url);
}

pub(super) fn heading(title: &str) {
    out!();
    say_at(0, Hue::Strong.of(title));
}

pub(super) fn say(text: &str) {
    say_at(2, Hue::Faint.of(text));
}

fn seconds(took: Duration) -> String {
    let millis = took.as_millis();
    format!("{}.{:02} s", millis / 1000, millis % 1000 / 10)
}

/// One record, as it stands.
pub(super) fn record(view: &RecordView, took: Option<Duration>) {
    let number = view.number.clone().unwrap_or_else(|| view.key.clone());
    let (client, total) = (view.client.clone().unwrap_or_default(), view.total.clone().unwrap_or_default());
    let took = took.map(seconds).unwrap_or_default();
    let open: Vec<_> = view.warnings.iter().filter(|warning| warning.acknowledged_by.is_none()).collect();
    let (hue, state) = match (view.state.as_str(), open.is_empty()) {
        ("done", true) => (Hue::Good, "posted"),
        ("done", false) => (Hue::Look, "posted, look"),
        ("held", _) => (Hue::Bad, "held"),
        ("queued", _) => (Hue::Look, "waiting"),
        (_, _) => (Hue::Faint, "skipped"),
    };
    let line = Words::from(format!("{number:<8} {:<26} {total:>10}  ", shorten(&client, 26)));
    say_at(2, line.and(hue, format!("{state:<12}")).and(Hue::Plain, format!("  {took}")));
    if let Some(reason) = &view.reason {
        say_at(10, hue.of(&reason.code).and(Hue::Plain, format!(" {}", reason.sentence)));
        if let Some(cure) = &reason.cure {
            say_at(10, Hue::Faint.of(cure));
        }
    }
    if let Some(cause) = view.waiting.as_ref().and_then(|waiting| waiting.cause.as_ref()) {
        say_at(10, Hue::Faint.of(cause));
    }
    for warning in open.iter().filter(|_| view.state == "done") {
        say_at(10, hue.of(&warning.code).and(Hue::Plain, format!(" {}", warning.sentence)));
        for (label, amount) in &warning.parts {
            say_at(10, Words::from(format!("{amount:>10}  ")).and(Hue::Faint, label));
        }
    }
}

/// The month in figures; returns how many records did not end as they should.
pub(super) async fn summary(stage: &Stage) -> anyhow::Result<usize> {
    heading("The month in figures");
    let (mut surprises, mut ends): (Vec<String>, BTreeMap<String, u32>) = (Vec::new(), BTreeMap::new());
    let mut took: Vec<Duration> = Vec::new();
    for (id, expected) in &stage.expected {
        let Some(view) = stage.view(id).await? else {
            surprises.push(format!("{} is not known", expected.number));
            continue;
        };
        surprises.extend(surprise(&view, expected));
        let count = ends.entry(view.state.clone()).or_default();
        *count = count.saturating_add(1);
        if view.state == "done" && expected.ends == "done" {
            took.extend(expected.took);
        }
    }
    for (state, count) in &ends {
        out!("  {count:>4} {state}");
    }
    surprises.extend(books(stage).await?);
    took.sort_unstable();
    let at = |share: usize| {
        took.get(took.len().saturating_mul(share) / 100).or(took.last()).copied().map(seconds).unwrap_or_default()
    };
    out!("  From closing in ConnectWise to marked as posted there: median {}, 9 of 10 within {}", at(50), at(90));
    let answers: Vec<String> = stage.callbacks.iter().map(|(status, count)| format!("{count} x {status}")).collect();
    out!("  Callbacks answered: {}", answers.join(", "));
    let webhooks: Vec<String> = stage.webhooks.iter().map(|(status, count)| format!("{count} x {status}")).collect();
    out!("  Webhooks of Xero answered: {}", webhooks.join(", "));
    out!("  Calls to Xero: {}", stage.xero.calls());
    if surprises.is_empty() {
        say_at(2, Hue::Good.of("Every record ended as it should."));
    }
    for surprise in &surprises {
        say_at(2, Hue::Bad.of("UNEXPECTED").and(Hue::Plain, format!(" {surprise}")));
    }
    Ok(surprises.len())
}

fn surprise(view: &RecordView, expected: &Expected) -> Option<String> {
    let code = view.reason.as_ref().map_or(view.state.as_str(), |reason| reason.code.as_str());
    let mut warnings: Vec<&str> = view.warnings.iter().map(|warning| warning.code.as_str()).collect();
    warnings.sort_unstable();
    let mut wanted: Vec<&str> = expected.warnings.to_vec();
    wanted.sort_unstable();
    let right = code == expected.ends && (view.state != "done" || warnings == wanted);
    (!right).then(|| format!("{}: {code} {warnings:?}, expected {} {wanted:?}", expected.number, expected.ends))
}

/// What both systems hold, compared: sales and purchases apart.
async fn books(stage: &Stage) -> anyhow::Result<Vec<String>> {
    let mut ours = BTreeMap::new();
    let mut posted: BTreeMap<RecordKind, Decimal> = BTreeMap::new();
    for key in stage.expected.keys() {
        // Journals and payments have no document of a number.
        let counts = matches!(
            key.kind,
            RecordKind::Invoice | RecordKind::Purchase | RecordKind::Expense | RecordKind::ExpenseReport
        );
        let done = stage.view(key).await?.filter(|view| counts && view.state == "done");
        let Some(view) = done else { continue };
        let total: Decimal = view.total.as_deref().and_then(|total| total.parse().ok()).unwrap_or_default();
        let sum = posted.entry(key.kind).or_default();
        *sum = sum.saturating_add(total);
        ours.extend(view.document.map(|document| (document.id, key.kind)));
    }
    let mut in_xero: BTreeMap<RecordKind, Decimal> = BTreeMap::new();
    let mut seen: BTreeMap<(&str, String, Option<String>), u32> = BTreeMap::new();
    for document in stage.xero.documents() {
        if matches!(document.status, Status::Voided | Status::Deleted) {
            continue;
        }
        let first_line = document.lines.first().map(|line| line.description.as_str()).unwrap_or_default();
        // Bills may share a number; then their marks tell them apart.
        let mark = mark_in(first_line).map(str::to_owned);
        let count = seen.entry((document.kind.name(), document.number.clone(), mark)).or_default();
        *count = count.saturating_add(1);
        if let Some(kind) = ours.get(&document.id.to_string()) {
            let is_credit = matches!(document.kind, Kind::AccrecCredit | Kind::AccpayCredit);
            let sum = in_xero.entry(*kind).or_default();
            *sum = sum.saturating_add(if is_credit { -document.total } else { document.total });
        }
    }
    for journal in stage.xero.journals() {
        let mark = mark_in(&journal.narration).map(str::to_owned);
        let count = seen.entry(("journal", String::new(), mark)).or_default();
        *count = count.saturating_add(1);
    }
    let mut surprises = Vec::new();
    for (kind, posted) in posted {
        let (sum, kind) = (in_xero.get(&kind).copied().unwrap_or_default(), kind.plural());
        let difference = sum.saturating_sub(posted);
        out!("  {kind}: in Xero {sum:.2}; in ConnectWise, marked as posted, {posted:.2}; difference {difference:.2}");
        if sum != posted {
            surprises.push(format!("the books of {kind} differ: {sum} and {posted}"));
        }
    }
    let twice: Vec<String> =
        seen.into_iter().filter(|(_, count)| *count > 1).map(|((_, number, _), _)| number).collect();
    out!("  Documents in Xero more than once: {}", twice.len());
    surprises.extend(twice.into_iter().map(|number| format!("{number} is in Xero more than once")));
    Ok(surprises)
}

/// Where to look, while the demo stays up.
pub(super) fn address(stage: &Stage) {
    heading("It stays up; Ctrl-C ends it");
    out!("  Page     {}/status", stage.url);
    out!("           sign in with the token {}", stage.token);
    out!("  Status   readypost status --url {} --token {}", stage.url, stage.token);
    out!("  Holds    readypost records list --state held --url {} --token {}", stage.url, stage.token);
}
