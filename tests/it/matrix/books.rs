//! What both systems and the store have in the end, in words that are the same in every run, and whether the history
//! of every record is complete.

use std::collections::BTreeMap;

use axum::http::Method;
use readypost::domain::delivery::{CostJournal, Record, State};
use readypost::domain::payments::Change;
use readypost::domain::settle::Settlement;
use readypost::simulator::xero;
use readypost::store::{Entry, Event, Filter};
use uuid::Uuid;

use super::scene::Stage;

/// More entries than any record of a cell has.
const ENTRIES_MAX: usize = 10_000;

/// All that a fault must not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) documents: Vec<String>,
    pub(super) journals: Vec<String>,
    /// In Xero, deleted ones among them.
    pub(super) payments: Vec<String>,
    pub(super) contacts: Vec<String>,
    /// In ConnectWise, by invoice.
    pub(super) entered: Vec<String>,
    /// Name, what is in it, and its GL entries.
    pub(super) batches: Vec<(String, String, Vec<i64>)>,
    pub(super) unposted: Vec<String>,
    pub(super) records: Vec<String>,
}

impl Books {
    /// The same with all batches of a record as its first one, which took only a part of it.
    pub(super) fn as_one_batch(&self) -> Self {
        let mut one: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (name, _, entries) in &self.batches {
            let held = one.entry(first(name)).or_default();
            held.extend(entries);
            held.sort_unstable();
        }
        let batches = one.into_iter().map(|(name, entries)| (name, String::new(), entries)).collect();
        let records = self.records.iter().map(|record| first(record)).collect();
        Self { batches, records, ..self.clone() }
    }

    /// What is different, for whoever has to find out why.
    pub(super) fn difference(&self, wanted: &Self) -> String {
        let lines = |books: &Self| format!("{books:#?}").lines().map(str::to_owned).collect::<Vec<_>>();
        let (mine, wanted) = (lines(self), lines(wanted));
        let only = |these: &[String], those: &[String], sign: &str| {
            let these = these.iter().filter(|line| !those.contains(line)).map(|line| format!("{sign}{line}"));
            these.collect::<Vec<_>>()
        };
        let mut lines = only(&mine, &wanted, "is    ");
        lines.extend(only(&wanted, &mine, "wants "));
        lines.join("\n")
    }
}

/// A name that is the same in every run: the ids that Xero makes up are left out.
fn masked(text: &str) -> String {
    let parts = text.split('/').map(|part| if part.parse::<Uuid>().is_ok() { "<id>" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// The name of a batch without the part that comes from Xero's id.
fn batch_name(name: &str) -> String {
    let is_id = |part: &str| part.len() == 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.split('-').map(|part| if is_id(part) { "<id>" } else { part }).collect::<Vec<_>>().join("-")
}

/// The text with the names of later batches as those of the first.
fn first(text: &str) -> String {
    let later = |number: u32| format!("<id>-{number}");
    (2..10).fold(text.to_owned(), |text, number| text.replace(&later(number), "<id>"))
}

pub(super) async fn records(stage: &Stage) -> Vec<Record> {
    let filter = Filter { limit: 500, ..Filter::default() };
    stage.world.app.parts.store.records(filter).await.unwrap().records
}

/// The books as they are now.
pub(super) async fn read(stage: &Stage) -> Books {
    let (connectwise, xero) = (&stage.world.connectwise, &stage.world.xero);
    let names: BTreeMap<Uuid, String> = xero.contacts().into_iter().map(|contact| (contact.id, contact.name)).collect();
    let documents = xero.documents();
    let numbers: BTreeMap<Uuid, String> =
        documents.iter().map(|document| (document.id, document.number.clone())).collect();
    let mut books = Books {
        documents: documents.iter().map(|document| shown(document, &names)).collect(),
        journals: xero.journals().iter().map(journal_shown).collect(),
        payments: xero.payments().iter().map(|payment| payment_shown(payment, &numbers[&payment.document])).collect(),
        contacts: xero
            .contacts()
            .iter()
            .map(|contact| format!("{} {:?} {}", contact.name, contact.number, contact.active))
            .collect(),
        batches: connectwise
            .batches()
            .into_iter()
            .map(|batch| {
                let what = format!("{:?} {:?} {:?}", batch.invoice_ids, batch.product_ids, batch.expense_ids);
                (batch_name(&batch.identifier), what, batch.entry_ids)
            })
            .collect(),
        unposted: [connectwise.unposted(), connectwise.unposted_procurement(), connectwise.unposted_expenses()]
            .concat()
            .iter()
            .map(ToString::to_string)
            .collect(),
        records: records(stage).await.iter().map(stands).collect(),
        ..Books::default()
    };
    for invoice in &stage.invoices {
        let row = connectwise.invoice(*invoice);
        books.entered.push(format!("{invoice}: total {}, balance {}", row["total"], row["balance"]));
        for payment in connectwise.payments(*invoice) {
            let (amount, date, credit) = (&payment["amount"], &payment["paymentDate"], &payment["credit"]["id"]);
            books.entered.push(format!("{invoice}: {amount} {date} {credit}"));
        }
    }
    let Books { documents, journals, payments, contacts, entered, unposted, records, batches } = &mut books;
    for list in [documents, journals, payments, contacts, entered, unposted, records] {
        list.sort();
    }
    batches.sort();
    books
}

fn journal_shown(journal: &xero::Journal) -> String {
    let line = |line: &xero::JournalLine| format!("{} {}", line.account_code, line.line_amount.normalize());
    let lines: Vec<_> = journal.lines.iter().map(line).collect();
    format!("{} {:?} {} {}", journal.sides().0.normalize(), journal.status, journal.narration, lines.join(", "))
}

fn payment_shown(payment: &xero::Payment, of: &str) -> String {
    let gone = if payment.is_deleted { " deleted" } else { "" };
    let xero::Payment { date, account, reference, .. } = payment;
    format!("{of} {} {date} {account} {reference}{gone}", payment.amount.normalize())
}

fn shown(document: &xero::Document, names: &BTreeMap<Uuid, String>) -> String {
    let lines: Vec<_> = document
        .lines
        .iter()
        .map(|line| {
            let account = line.account_code.as_deref().unwrap_or_default();
            format!(
                "{} x {} on {account} '{}'",
                line.quantity.normalize(),
                line.unit_amount.normalize(),
                line.description
            )
        })
        .collect();
    format!(
        "{} {} {} | {} {:?} tax {} paid {} credited {} {} due {:?} {} [{}]",
        document.kind.name(),
        names[&document.contact_id],
        document.total.normalize(),
        document.number,
        document.status,
        document.total_tax.normalize(),
        document.amount_paid.normalize(),
        document.amount_credited.normalize(),
        document.date,
        document.due_date,
        document.currency,
        lines.join(", ")
    )
}

/// Where a record stands. What warned on the way is not part of it.
fn stands(record: &Record) -> String {
    let state = match &record.state {
        State::Queued { cause, .. } => format!("queued {cause:?}"),
        State::Held { reason } => format!("held {}: {}", reason.code.as_str(), reason.sentence),
        State::Done => "done".to_owned(),
        State::Skipped { reason } => format!("skipped {}", reason.as_str()),
    };
    let posted = record.posted.as_ref().map(|posted| {
        let cost = match posted.journal.as_deref() {
            Some(CostJournal::Posted { total, .. }) => format!(" cost {total}"),
            Some(CostJournal::Due { .. }) => " cost due".to_owned(),
            None => String::new(),
        };
        let batch = posted.batch.as_deref().map(batch_name);
        format!("{:?} {} {} {}{cost} {batch:?}", posted.kind, posted.number, posted.total, posted.xero_total)
    });
    let open = if record.intent.is_some() { " with a request of unknown outcome" } else { "" };
    let edited = if record.edited { " edited" } else { "" };
    format!("{} {state}{open}{edited}, {posted:?}, {} links", masked(&record.key.to_string()), record.links.len())
}

/// How the history of each record ends.
pub(super) async fn last_events(stage: &Stage) -> BTreeMap<String, String> {
    let mut last = BTreeMap::new();
    for record in records(stage).await {
        let entries = stage.world.app.parts.store.history(&record.key, ENTRIES_MAX).await.unwrap();
        last.insert(masked(&record.key.to_string()), name(entries.last().unwrap()).to_owned());
    }
    last
}

fn name(entry: &Entry) -> &'static str {
    match &entry.event {
        Event::Settled { settlement, .. } => match settlement {
            Settlement::Mark { .. } => "posted",
            Settlement::Done { .. } => "done",
            Settlement::Undone { .. } => "undone",
            Settlement::Unposted => "unposted",
            Settlement::Skip { .. } => "skipped",
            Settlement::FannedOut { .. } => "fanned out",
            Settlement::HandedOver { .. } => "handed over",
            Settlement::Paid { .. } => "paid",
            Settlement::Hold { .. } => "held",
            Settlement::Retry { .. } => "retry",
        },
        Event::Accepted { .. } => "accepted",
        Event::Armed { .. } => "request",
        _ => "other",
    }
}

/// Fails when something that was done is not in the history, or something in the history has no end.
pub(super) async fn check_history(stage: &Stage, last: Option<&BTreeMap<String, String>>, label: &str) {
    let (mut armed, mut contacts) = (Vec::new(), 0);
    for record in records(stage).await {
        let key = masked(&record.key.to_string());
        let entries = stage.world.app.parts.store.history(&record.key, ENTRIES_MAX).await.unwrap();
        let names: Vec<&str> = entries.iter().map(name).collect();
        assert_eq!((names[0], entries[0].at), ("accepted", record.first_seen), "{label}: {key}: {names:?}");
        if let Some(last) = last {
            assert_eq!(names.last().copied(), last.get(&key).map(String::as_str), "{label}: {key}: {names:?}");
        }
        // Every request has an outcome: after it the record was settled, and in the end none is open.
        let request = names.iter().rposition(|name| *name == "request");
        let outcome = names.iter().rposition(|name| matches!(*name, "posted" | "paid"));
        assert!(request <= outcome, "{label}: {key}: a request without an outcome: {names:?}");
        assert!(record.intent.is_none(), "{label}: {key}: {names:?}");
        // A document is said to be posted once, and so is each journal of a cost.
        if let Some(posted) = &record.posted {
            let documents = 1 + usize::from(posted.journal.is_some());
            let told = names.iter().filter(|name| **name == "posted").count();
            assert!(told == documents, "{label}: {key}: told {told} times: {names:?}");
        }
        for entry in entries {
            match entry.event {
                Event::Armed { intent, body, .. } => armed.push((intent, body)),
                Event::CreatingContact { .. } => contacts += 1,
                _ => {}
            }
        }
    }
    for request in stage.world.xero.server.requests().iter().filter(|request| request.method == Method::PUT) {
        let path = request.uri.path();
        if path.ends_with("/Contacts") {
            assert!(contacts > 0, "{label}: a contact was created, and no history says so");
            continue;
        }
        let key = request.headers["idempotency-key"].to_str().unwrap();
        let known = armed.iter().any(|(intent, body)| intent.key == key && body.as_bytes() == request.body);
        assert!(known, "{label}: {path}: a request under {key} that no history has");
    }
    let sent = |method: Method| {
        let requests = stage.world.connectwise.server.requests();
        requests.iter().filter(|request| request.method == method && request.uri.path().contains("/payments")).count()
    };
    let entering = armed.iter().filter(|(intent, _)| matches!(intent.change, Some(Change::Enter { .. }))).count();
    let removing = armed.iter().filter(|(intent, _)| matches!(intent.change, Some(Change::Remove { .. }))).count();
    assert!(sent(Method::POST) <= entering && sent(Method::DELETE) <= removing, "{label}: a payment without history");
}
