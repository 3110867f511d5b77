//! One sweep of a connection: its callbacks, its unposted lists, what is held and not listed any more, payments.
//!
//! Each part for itself: what is wrong with one list must not hide the others. A dry run does the same and changes
//! nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{ListError, payments};
use crate::domain::delivery::{Record, StateName, Trigger};
use crate::domain::facts::MovementKind;
use crate::domain::record::{ConnectionId, RecordKey, RecordKind};
use crate::domain::rules::ExpensesBy;
use crate::domain::sweep::{Asked, Closing, Found, NAMED_MAX, Row, SweepResult, UNLISTED, is_gone, is_older, turn};
use crate::pipeline::parts::{Company, Connection, Parts};
use crate::remote::{Calls, counted};
use crate::store::{Event, Filter, StoreError};

/// Records of unposted lists that one sweep hands to the queue at most: they are listed again, so the next one goes on.
/// A list with a mark is never cut short like this, because what lies before its mark is not asked for again.
const HANDED_MAX: usize = 2_000;
/// Rows of one list that are looked up at most in a sweep because the store does not know them; the next one goes on.
const LOOKED_UP_MAX: usize = 2_000;
/// Records that a report shows.
const SHOWN_MAX: usize = 500;
/// Held records that are looked through at a time.
const PAGE: usize = 500;

/// What is remembered of rows, by what names them.
pub(super) type Memory = BTreeMap<String, Standing>;

/// What is remembered of a row as long as it is listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    listed_since: Timestamp,
    /// When it was last looked up which record it is of.
    looked: Option<Timestamp>,
}

/// Rows of a list that the store does not know.
pub(super) struct Unknown<T> {
    /// The list.
    pub(super) list: &'static str,
    /// The kinds that are in it.
    pub(super) kinds: &'static [RecordKind],
    pub(super) name: fn(&T) -> String,
    pub(super) closing: fn(&T) -> &Closing,
    /// The number or the client of the record.
    pub(super) like: fn(&T) -> String,
}

/// What a sweep goes through, each within a time of its own, so that slow lists keep no payments waiting.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// Callbacks, unposted lists, held records.
    Lists,
    /// Payments in both systems.
    Payments,
}

impl Part {
    pub(super) const ALL: [Self; 2] = [Self::Lists, Self::Payments];

    fn name(self) -> &'static str {
        match self {
            Self::Lists => "unposted lists",
            Self::Payments => "payments",
        }
    }

    /// Why it was cut off.
    pub(super) fn took_longer(self, limit: std::time::Duration) -> String {
        format!("the {} took longer than {} seconds", self.name(), limit.as_secs())
    }
}

/// How a sweep is done.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// Who asked for it; none = its time has come.
    pub(super) by: Option<String>,
    /// Whether anything is changed.
    pub(super) act: bool,
}

impl Way {
    pub(super) fn act(by: Option<String>) -> Self {
        Self { by, act: true }
    }

    pub(super) fn dry(by: String) -> Self {
        Self { by: Some(by), act: false }
    }
}

/// What a sweep of a connection came to.
#[derive(Clone, Debug)]
pub struct PassReport {
    /// The ConnectWise system.
    pub connection: ConnectionId,
    /// How it ended.
    pub result: SweepResult,
    /// The records that were handed to the queue, or would be; the first of them.
    pub found: Vec<FoundRow>,
}

/// A record that is handed to the queue.
#[derive(Clone, Debug)]
pub struct FoundRow {
    /// Which.
    pub key: RecordKey,
    /// Its number, for people.
    pub number: String,
    /// Why.
    pub why: String,
    /// When it was closed, as ConnectWise wrote it; of a payment, its day there, or when its invoice changed in Xero.
    pub closed: String,
}

/// A sweep under way.
pub(super) struct Pass<'a> {
    pub(super) parts: &'a Parts,
    pub(super) id: &'a ConnectionId,
    pub(super) connection: &'a Connection,
    pub(super) way: &'a Way,
    memory: &'a mut Memory,
    show: &'a (dyn Fn(&str, u32) + Send + Sync),
    calls: Arc<Calls>,
    result: SweepResult,
    found: Vec<FoundRow>,
    handed: BTreeSet<RecordKey>,
    /// How many of them are of lists that have no mark.
    unmarked: usize,
    /// What is listed, with what it leads to.
    present: BTreeSet<RecordKey>,
    /// Numbers or clients of rows that were not looked up, so that what is like them is not gone.
    like: BTreeSet<(RecordKind, String)>,
    /// Kinds whose list was read as a whole.
    complete: BTreeSet<RecordKind>,
    clock_began: std::time::Instant,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        parts: &'a Parts,
        (id, connection): (&'a ConnectionId, &'a Connection),
        way: &'a Way,
        memory: &'a mut Memory,
    ) -> Self {
        Self {
            parts,
            id,
            connection,
            way,
            memory,
            show: &|_, _| {},
            calls: Arc::default(),
            result: SweepResult::begun(way.by.clone(), parts.clock.now()),
            found: Vec::new(),
            handed: BTreeSet::new(),
            unmarked: 0,
            present: BTreeSet::new(),
            like: BTreeSet::new(),
            complete: BTreeSet::new(),
            clock_began: std::time::Instant::now(),
        }
    }

    /// The same, with somebody who is shown how far it is.
    pub(super) fn shown_by(self, show: &'a (dyn Fn(&str, u32) + Send + Sync)) -> Self {
        Self { show, ..self }
    }

    /// How many records were handed to the queue.
    pub(super) fn handed(&self) -> usize {
        self.handed.len()
    }

    /// The companies that take records of the connection and want it to be swept.
    pub(super) fn companies(&self) -> impl Iterator<Item = &'a Company> + use<'a> {
        let (parts, id) = (self.parts, self.id);
        parts.companies.iter().filter(move |company| company.connection == *id && company.rules.sweep_minutes > 0)
    }

    /// Goes through one part; what goes wrong is noted.
    pub(super) async fn go(&mut self, part: Part) {
        let calls = Arc::clone(&self.calls);
        match part {
            Part::Lists => counted(calls, self.lists()).await,
            Part::Payments => counted(calls, self.all_payments()).await,
        }
    }

    async fn lists(&mut self) {
        self.stage("callbacks");
        self.callbacks().await;
        if self.companies().next().is_none() {
            return;
        }
        self.stage("unposted invoices");
        let invoices = self.invoices().await;
        self.note("invoices", invoices);
        self.stage("unposted purchases");
        let purchases = self.purchases().await;
        self.note("purchases", purchases);
        if self.companies().any(|company| company.rules.expenses != ExpensesBy::Off) {
            self.stage("unposted expenses");
            let expenses = self.expenses().await;
            self.note("expenses", expenses);
        }
        if self.companies().any(|company| company.rules.posts_movements()) {
            self.stage("unposted changes of the inventory");
            for kind in [MovementKind::Adjustment, MovementKind::Transfer] {
                let movements = self.movements(kind).await;
                self.note("changes of the inventory", movements);
            }
        }
        self.stage("held records");
        let gone = self.gone().await;
        self.note("held records", gone.map_err(ListError::from));
    }

    async fn all_payments(&mut self) {
        self.stage("payments");
        for company in self.companies() {
            self.payments(company).await;
        }
    }

    /// A part did not come to its end.
    pub(super) fn cut_off(&mut self, cause: &str) {
        self.result.problems.insert(0, format!("the sweep was cut off: {cause}").into());
    }

    /// Ends the sweep: the result is journalled, unless it was a dry run.
    pub(super) async fn end(mut self) -> PassReport {
        self.result.calls = self.calls.to("ConnectWise");
        self.result.xero_calls = self.calls.to("Xero");
        self.result.took_ms = u64::try_from(self.clock_began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.result.problems.truncate(NAMED_MAX);
        let result = self.result;
        if self.way.act {
            let event = Event::Compared { connection: self.id.clone(), result: Box::new(result.clone()) };
            if let Err(error) = self.parts.store.note(event, self.parts.clock.now()).await {
                tracing::error!(%error, "the result of a sweep was not stored");
            }
            let (missed, calls) = (result.count(Found::Missed), result.calls);
            tracing::info!(connection = %self.id, missed, handed = self.handed.len(), calls, "the lists of unposted records were compared");
        }
        PassReport { connection: self.id.clone(), result, found: self.found }
    }

    /// Says what is being done.
    pub(super) fn stage(&self, stage: &str) {
        let rows = self.result.listed.values().fold(0_u32, |sum, count| sum.saturating_add(*count));
        (self.show)(stage, rows);
    }

    pub(super) fn problem(&mut self, problem: String) {
        self.result.problems.push(problem.into());
    }

    pub(super) fn result(&mut self) -> &mut SweepResult {
        &mut self.result
    }

    fn note(&mut self, what: &str, outcome: Result<(), ListError>) {
        if let Err(error) = outcome {
            self.problem(format!("{what}: {error}"));
        }
    }

    /// A list of this kind was read; `odd` is what of it could not be.
    pub(super) fn listed(&mut self, kinds: &[RecordKind], rows: usize, odd: &[String]) {
        if let Some(kind) = kinds.first() {
            let count = self.result.listed.entry(*kind).or_default();
            *count = count.saturating_add(u32::try_from(rows).unwrap_or(u32::MAX));
        }
        if odd.is_empty() {
            self.complete.extend(kinds);
        } else {
            let first = odd.first().map(String::as_str).unwrap_or_default();
            self.problem(format!("{} unposted rows cannot be read, such as {first}", odd.len()));
        }
    }

    /// Something is listed, so it is not gone.
    pub(super) fn is_listed(&mut self, keys: impl IntoIterator<Item = RecordKey>) {
        self.present.extend(keys);
    }

    /// Since when each of these rows is listed; those of the list `list` that are not among them are forgotten.
    pub(super) fn since(&mut self, list: &str, names: &[String], at: Timestamp) -> Vec<Asked> {
        let prefix = format!("{list}/");
        let names: Vec<String> = names.iter().map(|name| format!("{prefix}{name}")).collect();
        let still: BTreeSet<&String> = names.iter().collect();
        self.memory.retain(|name, _| !name.starts_with(&prefix) || still.contains(name));
        let (from, born) = (self.from(), self.parts.store.trusted_since());
        let asked = |name| {
            let standing = self.memory.entry(name).or_insert(Standing { listed_since: at, looked: None });
            Asked { at, listed_since: standing.listed_since, from, born, looked: standing.looked }
        };
        names.into_iter().map(asked).collect()
    }

    /// Which of these unknown rows are looked up now: not too many, and those that are too old to be posted unasked
    /// once while they are listed, because one of them may be of a record that is known.
    pub(super) fn in_turn<T>(&mut self, unknown: Vec<(T, Asked)>, of: &Unknown<T>) -> Vec<(T, Asked)> {
        let (mut older, mut unknown): (Vec<_>, Vec<_>) =
            unknown.into_iter().partition(|(row, asked)| is_older((of.closing)(row), *asked));
        let count = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX);
        unknown.sort_by_cached_key(|(row, asked)| turn((of.closing)(row), *asked));
        let cut = unknown.len().saturating_sub(LOOKED_UP_MAX);
        if cut > 0 {
            unknown.truncate(LOOKED_UP_MAX);
            self.result.deferred = self.result.deferred.saturating_add(count(cut));
            self.complete.retain(|kind| !of.kinds.contains(kind));
        }
        let room = LOOKED_UP_MAX.saturating_sub(unknown.len());
        older.sort_by_key(|(_, asked)| asked.looked.is_some());
        let first_time = older.iter().take_while(|(_, asked)| asked.looked.is_none()).count();
        let left = older.split_off(first_time.min(room));
        self.result.older = self.result.older.saturating_add(count(left.len()));
        for (row, _) in &left {
            self.like.extend(of.kinds.iter().map(|kind| (*kind, (of.like)(row))));
        }
        unknown.extend(older);
        for (row, asked) in &unknown {
            if let Some(standing) = self.memory.get_mut(&format!("{}/{}", of.list, (of.name)(row))) {
                standing.looked = Some(asked.at);
            }
        }
        unknown
    }

    /// Before when unknown records are left alone: where the rules of a company name no start, what piled up in
    /// ConnectWise is not posted unasked. Reaches back far enough for a store that was lost in the middle of a month.
    /// An unknown row may be of any company, so the start of another one does not reach further back.
    pub(super) fn from(&self) -> Option<Timestamp> {
        let mut unnamed = self.companies().filter(|company| company.rules.start_date.is_none());
        unnamed.next().map(|company| payments::start(company, self.parts))
    }

    /// Hands a record to the queue because of a row; each once in a sweep, and not too many.
    pub(super) async fn hand(&mut self, target: &RecordKey, row: &Row, found: Found) -> Result<(), StoreError> {
        let seen = row.closing.text.clone();
        let trigger = if found == Found::New { Trigger::Listed } else { Trigger::Compared { found, seen } };
        let shown = FoundRow {
            key: target.clone(),
            number: row.number.clone(),
            why: found.as_str().to_owned(),
            closed: row.closing.text.clone(),
        };
        self.accept(trigger, shown, Some(found)).await
    }

    /// The same of any record.
    pub(super) async fn accept(
        &mut self,
        trigger: Trigger,
        shown: FoundRow,
        found: Option<Found>,
    ) -> Result<(), StoreError> {
        if self.handed.contains(&shown.key) {
            return Ok(());
        }
        if !matches!(trigger, Trigger::Swept { .. }) {
            if self.unmarked >= HANDED_MAX {
                self.result.deferred = self.result.deferred.saturating_add(1);
                return Ok(());
            }
            self.unmarked = self.unmarked.saturating_add(1);
        }
        if self.way.act {
            self.parts.store.accept(&shown.key, trigger, self.parts.clock.now()).await?;
        }
        if let Some(found) = found {
            let count = self.result.found.entry(found).or_default();
            *count = count.saturating_add(1);
        }
        if found == Some(Found::Missed) {
            if self.way.act {
                tracing::warn!(record.key = %shown.key, number = shown.number, "no callback told of this record; the sweep found it");
            }
            if self.result.missed.len() < NAMED_MAX {
                self.result.missed.push(shown.key.clone());
            }
        }
        self.handed.insert(shown.key.clone());
        if self.found.len() < SHOWN_MAX {
            self.found.push(shown);
        }
        Ok(())
    }

    /// Whether a record is listed, or a row may be of it.
    fn is_present(&self, record: &Record) -> bool {
        let like = |text: &str| self.like.contains(&(record.key.kind, text.to_owned()));
        let named = record.about.as_ref().is_some_and(|about| like(&about.number) || like(about.client.as_str()));
        named || self.present.contains(&record.key)
    }

    /// Records that wait for a person and are not listed any more.
    async fn gone(&mut self) -> Result<(), StoreError> {
        let began = self.result.began;
        for kind in self.complete.clone() {
            let mut cursor = None;
            loop {
                let filter = Filter {
                    state: Some(StateName::Held),
                    kind: Some(kind),
                    cursor: cursor.take(),
                    limit: PAGE,
                    ..Filter::default()
                };
                let page = self.parts.store.records(filter).await?;
                for record in &page.records {
                    let ours = record.key.connection == *self.id && !self.is_present(record);
                    if ours && is_gone(record, began) {
                        let number = record.about.as_ref().map(|about| about.number.clone()).unwrap_or_default();
                        let trigger = Trigger::Compared { found: Found::Gone, seen: UNLISTED.to_owned() };
                        let (key, why) = (record.key.clone(), Found::Gone.as_str().to_owned());
                        let shown = FoundRow { key, number, why, closed: String::new() };
                        self.accept(trigger, shown, Some(Found::Gone)).await?;
                    }
                }
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }
}
