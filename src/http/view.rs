//! What operators see: one set of structs, shown as JSON, as a page and on the command line.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Surface;
use super::alerts::{self, AlertView};
use super::companies::{self, CompanyView};
use super::sweep::{self, ConnectionView};
use crate::domain::content::Difference;
use crate::domain::delivery::{CostJournal, Record, State, StateName, Step};
use crate::domain::draft::DocumentKind;
use crate::domain::hold::Place;
use crate::domain::issue::IssueId;
use crate::pipeline::Parts;
use crate::store::{ADJUSTED_CENTS, Head, Health, Hour, Lane, TOOK_SECONDS};

/// Hours that the status tells of.
const HOURS_SHOWN: usize = 24;

/// The whole service at a glance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// Version of readypost.
    pub version: String,
    /// When the process was started.
    pub started: Timestamp,
    /// Callbacks can be stored.
    pub ready: bool,
    /// `good`, or what is wrong with the store.
    pub store: String,
    /// Records by state.
    pub records: BTreeMap<String, u64>,
    /// Records in a worker's hands.
    pub working: usize,
    /// Held records by reason.
    pub held: BTreeMap<String, u64>,
    /// Unacknowledged warnings by code.
    pub warnings: BTreeMap<String, u64>,
    /// How long the record that is due longest has waited, in seconds.
    pub oldest_waiting_s: Option<i64>,
    /// The Xero organisations.
    pub companies: Vec<CompanyView>,
    /// The ConnectWise systems.
    pub connections: Vec<ConnectionView>,
    /// Sequence and hash of the last entry of the history; none of an older version.
    #[serde(default)]
    pub history_head: Option<Head>,
    /// What stands that somebody should know of.
    #[serde(default)]
    pub alerts: Vec<AlertView>,
    /// What was posted in the last 24 hours, oldest first.
    #[serde(default)]
    pub hours: Vec<HourView>,
}

/// What was posted in one hour.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HourView {
    /// When it began.
    pub began: Timestamp,
    /// Documents.
    pub posted: u32,
    /// Of these, by how long after the last callback at most.
    pub took: Vec<(String, u32)>,
    /// Amounts that were made up, by their size at most.
    pub adjusted: Vec<(String, u32)>,
}

/// Some records, and where the next page begins.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PageView {
    /// The records.
    pub records: Vec<RecordView>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// One record.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordView {
    /// connection/kind/source.
    pub key: String,
    /// The key as a part of an address, percent-encoded.
    #[serde(default)]
    pub path: String,
    /// Where it stands.
    #[schema(value_type = StateName)]
    pub state: String,
    /// The Xero organisation.
    pub company: Option<String>,
    /// Its number.
    pub number: Option<String>,
    /// Whose it is.
    pub client: Option<String>,
    /// The page of the client or vendor in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_link: Option<String>,
    /// What it is worth.
    pub total: Option<String>,
    /// ISO code.
    pub currency: Option<String>,
    /// Why it is held or skipped.
    pub reason: Option<ReasonView>,
    /// The issue that it waits with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// Who looks after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Until when it is not shown among what needs somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed_until: Option<Timestamp>,
    /// What it waits for.
    pub waiting: Option<WaitingView>,
    /// The document in Xero.
    pub document: Option<DocumentView>,
    /// A request to Xero has no known outcome yet.
    pub outcome_unknown: bool,
    /// It is being unposted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unposting: Option<UndoView>,
    /// What a person should look at.
    pub warnings: Vec<WarningView>,
    /// The first time it was heard of.
    pub first_seen: Timestamp,
    /// The last change.
    pub changed: Timestamp,
}

/// Why a record is held or skipped, and what helps.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReasonView {
    /// Stable code.
    pub code: String,
    /// What is wrong.
    pub sentence: String,
    /// What is to be mended, in words that other records share; none where it is about this record alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do.
    pub cure: Option<String>,
    /// Where to do it.
    pub place: Option<Place>,
    /// Whether a retry can succeed then.
    pub retry_helps: bool,
    /// In what the record is not what was posted, the first ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

/// How far the unposting of a record has come.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UndoView {
    /// Who asked for it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What is undone already: document, cost.
    pub done: Vec<String>,
}

/// What a queued record waits for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WaitingView {
    /// post, journal or mark.
    pub step: String,
    /// Not before.
    pub due: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// What went wrong last.
    pub cause: Option<String>,
}

/// The document in Xero.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DocumentView {
    /// invoice or credit note.
    pub kind: DocumentKind,
    /// Xero's id.
    pub id: String,
    /// Its number.
    pub number: String,
    /// ConnectWise's total.
    pub total: String,
    /// Xero's total.
    pub xero_total: String,
    /// When it was posted.
    pub posted: Timestamp,
    /// The batch in ConnectWise.
    pub batch: Option<String>,
    /// Its page in Xero.
    pub link: String,
    /// The journal of its cost of goods, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_of_goods: Option<CostView>,
}

/// The journal of what an invoice costs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct CostView {
    /// due or posted.
    pub state: String,
    /// Xero's id.
    pub id: Option<String>,
    /// The sum of its debits.
    pub total: Option<String>,
    /// Its page in Xero.
    pub link: Option<String>,
}

/// A warning.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WarningView {
    /// Stable code.
    pub code: String,
    /// What happened.
    pub sentence: String,
    /// What it means.
    pub meaning: String,
    /// How a difference is made up.
    pub parts: Vec<(String, String)>,
    /// When.
    pub at: Timestamp,
    /// Who has seen it.
    pub acknowledged_by: Option<String>,
}

/// The status of the whole service.
pub(super) fn status(surface: &Surface) -> StatusView {
    let parts = &surface.parts;
    let (overview, now) = (parts.store.overview(), parts.clock.now());
    let store = match &*parts.store.health().borrow() {
        Health::Good => "good".to_owned(),
        Health::Poisoned(cause) => cause.clone(),
    };
    let states = |of: &dyn Fn(StateName) -> u64| {
        StateName::ALL.iter().map(|state| (state.as_str().to_owned(), of(*state))).collect()
    };
    let nonzero = |counts: &BTreeMap<String, u64>| {
        counts.iter().filter(|(_, count)| **count > 0).map(|(code, count)| (code.clone(), *count)).collect()
    };
    StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: surface.started,
        ready: store == "good",
        store,
        records: states(&|state| overview.counts.state(state)),
        working: overview.leased,
        held: nonzero(&overview.counts.held),
        warnings: nonzero(&overview.counts.warnings),
        oldest_waiting_s: overview.oldest_due.map(|due| now.duration_since(due).as_secs().max(0)),
        companies: companies::all(surface, &overview),
        connections: sweep::connections(surface, &overview),
        alerts: alerts::standing(surface, &overview),
        history_head: Some(overview.head),
        hours: overview.activity.last(HOURS_SHOWN, now).into_iter().map(hour).collect(),
    }
}

fn hour((began, hour): (Timestamp, Hour)) -> HourView {
    let named = |ends: &[i64], counts: &[u32], name: &dyn Fn(i64) -> String| {
        let more = ends.last().map(|end| format!("> {}", name(*end)));
        let names = ends.iter().map(|end| name(*end)).chain(more);
        names.zip(counts.iter().copied()).collect()
    };
    let lasting = |seconds: i64| match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    };
    HourView {
        began,
        posted: hour.posted,
        took: named(&TOOK_SECONDS, &hour.took, &lasting),
        adjusted: named(&ADJUSTED_CENTS, &hour.adjusted, &|cents| format!("0.{cents:02}")),
    }
}

/// A record as it stands, with what it waits for besides its time.
pub(super) fn record(record: &Record, parts: &Parts) -> RecordView {
    let closed = Lane::of(record).and_then(|lane| parts.closed(&lane, parts.clock.now()));
    let mut view = RecordView::from(record);
    if let (Some(waiting), Some(closed)) = (&mut view.waiting, closed) {
        waiting.cause = Some(closed.cause.to_string());
        waiting.due = closed.until.map_or(waiting.due, |until| until.max(waiting.due));
    }
    if let Some(connection) = parts.connections.get(&record.key.connection) {
        // ConnectWise names nobody by 0.
        let client = record.about.as_ref().and_then(|about| about.party).filter(|id| *id > 0);
        view.client_link = client.and_then(|id| connection.client.company_page(id));
    }
    view
}

impl From<&Record> for RecordView {
    fn from(record: &Record) -> Self {
        let about = record.about.as_ref();
        let reason = match &record.state {
            State::Held { reason } => Some(ReasonView {
                code: reason.code.as_str().to_owned(),
                sentence: reason.sentence.to_string(),
                cause: reason.cause.as_ref().map(ToString::to_string),
                cure: Some(reason.code.cure().to_owned()),
                place: Some(reason.code.place()),
                retry_helps: reason.code.retry_helps(),
                differences: reason.differences.clone(),
            }),
            State::Skipped { reason } => Some(ReasonView {
                code: reason.as_str().to_owned(),
                sentence: format!("Skipped, because {}.", reason.sentence()),
                cause: None,
                cure: None,
                place: None,
                retry_helps: false,
                differences: Vec::new(),
            }),
            State::Queued { .. } | State::Done => None,
        };
        let waiting = match &record.state {
            State::Queued { due, step, cause } => Some(WaitingView {
                step: match step {
                    Step::Post => "post",
                    Step::Journal => "journal",
                    Step::Mark => "mark",
                    Step::Unpost => "unpost",
                }
                .to_owned(),
                due: *due,
                attempts: record.attempt,
                cause: cause.as_ref().map(ToString::to_string),
            }),
            _ => None,
        };
        Self {
            key: record.key.to_string(),
            path: record.key.path(),
            state: record.state.name().as_str().to_owned(),
            company: about.and_then(|about| about.company.as_ref()).map(ToString::to_string),
            number: about.map(|about| about.number.clone()),
            client: about.map(|about| about.client.to_string()),
            client_link: None,
            total: about.map(|about| about.total.to_string()),
            currency: about.map(|about| about.currency.clone()).filter(|code| !code.is_empty()),
            reason,
            issue: IssueId::of(record).map(|issue| issue.to_string()),
            owner: record.owner.clone(),
            snoozed_until: record.snoozed,
            waiting,
            document: record.posted.as_ref().map(document),
            outcome_unknown: record.intent.is_some(),
            unposting: record.undo.as_ref().map(|undo| UndoView {
                by: undo.by.clone(),
                at: undo.at,
                done: undo.done.iter().map(|part| part.as_str().to_owned()).collect(),
            }),
            warnings: record.warnings.iter().map(warning).collect(),
            first_seen: record.first_seen,
            changed: record.changed,
        }
    }
}

fn document(posted: &crate::domain::delivery::Posted) -> DocumentView {
    let journal = posted.journal.as_deref().map(|journal| match journal {
        CostJournal::Due { .. } => CostView { state: "due".to_owned(), id: None, total: None, link: None },
        CostJournal::Posted { id, kind, total, .. } => CostView {
            state: "posted".to_owned(),
            id: Some(id.to_string()),
            total: Some(total.to_string()),
            link: Some(kind.page(*id)),
        },
    });
    DocumentView {
        kind: posted.kind,
        id: posted.id.to_string(),
        number: posted.number.clone(),
        total: posted.total.to_string(),
        xero_total: posted.xero_total.to_string(),
        posted: posted.at,
        batch: posted.batch.clone(),
        link: posted.kind.page(posted.id),
        cost_of_goods: journal,
    }
}

fn warning(open: &crate::domain::delivery::OpenWarning) -> WarningView {
    let warning = &open.warning;
    WarningView {
        code: warning.code.as_str().to_owned(),
        sentence: warning.sentence.to_string(),
        meaning: warning.code.meaning().to_owned(),
        parts: warning.parts.iter().map(|part| (part.label.to_string(), part.amount.to_string())).collect(),
        at: open.at,
        acknowledged_by: open.acknowledged.as_ref().map(|seen| seen.by.clone()),
    }
}
