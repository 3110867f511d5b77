//! Records over HTTP: list, look, decide.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Surface;
use super::access::{Decider, Viewer};
use super::error::Problem;
use super::history::HistoryView;
use super::view::{self, PageView, RecordView};
use crate::domain::callback::whole_id;
use crate::domain::delivery::{Actor, Decision, Record, StateName, Trigger};
use crate::domain::payments::Subject;
use crate::domain::record::{RecordKey, RecordKind, SourceId};
use crate::pipeline::Company;
use crate::store::{Filter, ResolveError, Said};

/// Entries of a record's history that are shown.
const HISTORY_MAX: usize = 200;
/// Entries whose exchanges are shown: each has 256 KiB of bodies at most.
const EXCHANGES_MAX: usize = 40;

/// The filters of a list, as they stand in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    company: Option<String>,
    kind: Option<String>,
    state: Option<String>,
    issue: Option<String>,
    owner: Option<String>,
    snoozed: Option<String>,
    reason: Option<String>,
    warning: Option<String>,
    since: Option<String>,
    q: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// One record with its history.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    record: RecordView,
    history: Vec<HistoryView>,
}

/// What comes with a decision.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Because {
    /// Why, for the history.
    note: String,
    /// The document to adopt.
    document: Option<Uuid>,
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

impl Wanted {
    fn filter(self, now: Timestamp) -> Result<Filter, Problem> {
        let state = self.state.map(|name| {
            let found = StateName::ALL.into_iter().find(|state| state.as_str() == name);
            found.ok_or_else(|| bad(format!("state {name:?} is none of: queued, held, done, skipped")))
        });
        let kind = self.kind.map(|name| name.parse::<RecordKind>().map_err(bad));
        let since = self.since.map(|since| since.parse().map_err(|error| bad(format!("since {since:?}: {error}"))));
        let limit =
            self.limit.map(|limit| limit.parse().map_err(|_| bad(format!("limit {limit:?} is no whole number"))));
        let issue = self.issue.map(|issue| issue.parse().map_err(bad));
        let awake = match self.snoozed.as_deref() {
            None | Some("show") => None,
            Some("hide") => Some(now),
            Some(other) => return Err(bad(format!("snoozed {other:?} is none of: show, hide"))),
        };
        Ok(Filter {
            state: state.transpose()?,
            issue: issue.transpose()?,
            owner: self.owner,
            awake,
            kind: kind.transpose()?,
            company: self.company,
            reason: self.reason,
            warning: self.warning,
            since: since.transpose()?,
            q: self.q,
            cursor: self.cursor,
            limit: limit.transpose()?.unwrap_or(0),
        })
    }
}

async fn page(surface: &Surface, filter: Filter) -> Result<Json<PageView>, Problem> {
    let page = surface.parts.store.records(filter).await.map_err(|error| match error {
        error @ crate::store::StoreError::BadCursor => bad(error.to_string()),
        error => error.into(),
    })?;
    let parts = surface.parts.current();
    let records = page.records.iter().map(|record| view::record(record, &parts)).collect();
    Ok(Json(PageView { records, next: page.next }))
}

fn wanted(query: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>) -> Result<Wanted, Problem> {
    query.map(|Query(wanted)| wanted).map_err(|error| bad(error.body_text()))
}

/// `GET /api/v1/records`.
pub(super) async fn list(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    query: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<PageView>, Problem> {
    page(&surface, wanted(query)?.filter(surface.parts.clock.now())?).await
}

/// `GET /api/v1/warnings`: records with warnings that nobody has acknowledged.
pub(super) async fn warnings(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    query: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<PageView>, Problem> {
    let filter = wanted(query)?.filter(surface.parts.clock.now())?;
    let warning = filter.warning.clone().or_else(|| Some("any".to_owned()));
    page(&surface, Filter { warning, ..filter }).await
}

/// The record that an address names.
pub(super) fn key((connection, kind, source): (String, String, String)) -> Result<RecordKey, Problem> {
    format!("{connection}/{kind}/{source}")
        .parse()
        .map_err(|error: crate::domain::record::KeyError| bad(error.to_string()))
}

/// A record and its history.
pub(super) async fn find(surface: &Surface, key: &RecordKey) -> Result<(RecordView, Vec<HistoryView>), Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no record {key}"));
    let record = surface.parts.store.record(key).await?.ok_or_else(missing)?;
    let history = surface.parts.store.history(key, HISTORY_MAX).await?;
    Ok((view::record(&record, &surface.parts.current()), history.iter().map(HistoryView::from).collect()))
}

/// `GET /api/v1/records/{connection}/{kind}/{source}`.
pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    Path(path): Path<(String, String, String)>,
) -> Result<Json<Shown>, Problem> {
    let (record, history) = find(&surface, &key(path)?).await?;
    Ok(Json(Shown { record, history }))
}

/// `GET /api/v1/records/{connection}/{kind}/{source}/exchanges`: what was said with both systems, for operators only.
pub(super) async fn exchanges(
    State(surface): State<Arc<Surface>>,
    _: Decider,
    Path(path): Path<(String, String, String)>,
) -> Result<Json<Vec<Said>>, Problem> {
    let key = key(path)?;
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no record {key}"));
    surface.parts.store.record(&key).await?.ok_or_else(missing)?;
    Ok(Json(surface.parts.store.said(&key, EXCHANGES_MAX).await?))
}

/// What an operator sends with a decision.
pub(super) fn said<T: serde::de::DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    // A form of another site cannot send JSON without the browser asking first.
    let json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !json {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send application/json, such as {\"note\": \"why\"}",
        ));
    }
    serde_json::from_slice(body).map_err(|error| bad(format!("the body is not readable: {error}")))
}

/// `POST /api/v1/records/{connection}/{kind}/{source}/{action}`.
pub(super) async fn decide(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Path((connection, kind, source, action)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<RecordView>, Problem> {
    let because: Because = said(&headers, &body)?;
    let decision = match (action.as_str(), because.document) {
        ("retry", None) => Decision::Retry,
        ("hold", None) => Decision::Hold,
        ("release", None) => Decision::Release,
        ("skip", None) => Decision::Skip,
        ("acknowledge", None) => Decision::Acknowledge,
        ("unpost", None) => Decision::Unpost,
        ("adopt", Some(document)) => Decision::Adopt { document },
        ("adopt", None) => return Err(bad("adopt needs the Xero id of the document: {\"document\": \"…\"}")),
        ("retry" | "hold" | "release" | "skip" | "acknowledge" | "unpost", Some(_)) => {
            return Err(bad("only adopt takes a document"));
        }
        _ => {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                format!("{action:?} is none of: retry, hold, release, skip, adopt, acknowledge, unpost"),
            ));
        }
    };
    let actor = Actor { by: operator.name, note: because.note.into() };
    let key = key((connection, kind, source))?;
    let now = surface.parts.clock.now();
    let record = match surface.parts.store.resolve(&key, decision.clone(), actor.clone(), now).await {
        Err(ResolveError::Missing) if decision == Decision::Retry => introduce(&surface, &key, actor).await?,
        resolved => resolved?,
    };
    tracing::info!(record.key = %key, action, "an operator decided");
    Ok(Json(view::record(&record, &surface.parts.current())))
}

/// Takes in a record whose callback was lost, because an operator asks for it.
async fn introduce(surface: &Surface, key: &RecordKey, actor: Actor) -> Result<Record, Problem> {
    let (store, now) = (&surface.parts.store, surface.parts.clock.now());
    if !surface.parts.current().connections.contains_key(&key.connection) {
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no connection {}", key.connection)));
    }
    // Another spelling of the same id would be another record, and could be posted a second time.
    let canonical = match key.kind {
        RecordKind::Invoice | RecordKind::PurchaseOrder | RecordKind::Expense | RecordKind::ExpenseReport => {
            whole_id(key.source.as_str())
        }
        // Its id is a text that ConnectWise's list either has, letter by letter, or has not.
        RecordKind::Adjustment | RecordKind::Transfer => Some(key.source.clone()),
        // It is found through its order, which ConnectWise alone may say.
        RecordKind::Purchase => {
            return Err(bad(format!(
                "retry its purchase order: {}/purchase_order/ and the order's id",
                key.connection
            )));
        }
        RecordKind::Payment => known_payments(surface, key)?,
    };
    if canonical.as_ref() != Some(&key.source) {
        return Err(bad("the id is a whole number from 1: ConnectWise's internal id, not its number"));
    }
    store.accept(key, Trigger::Operator { name: actor.by.clone() }, now).await?;
    // The history keeps the note, too.
    Ok(store.resolve(key, Decision::Retry, actor, now).await?)
}

/// The id of a record of payments, if it is one of a company of this connection.
fn known_payments(surface: &Surface, key: &RecordKey) -> Result<Option<SourceId>, Problem> {
    let asked = || {
        bad(
            "the id is that of an invoice in ConnectWise, or a company and Xero's id of an invoice, such as acme-au%2F…",
        )
    };
    let subject = Subject::parse(&key.source).ok_or_else(asked)?;
    if let Subject::Invoice(company, _) | Subject::Credit(company, ..) = &subject {
        let ours = |known: &Company| known.id == *company && known.connection == key.connection;
        if !surface.parts.current().companies.iter().any(ours) {
            return Err(bad(format!("there is no company {company} of the connection {}", key.connection)));
        }
    }
    Ok(subject.source())
}
