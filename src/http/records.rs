//! Records over HTTP: list, look, decide.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Surface;
use super::access::{Decider, Viewer};
use super::error::Problem;
use super::history::HistoryView;
use super::sides::SidesView;
use super::view::{self, PageView, RecordView};
use crate::config::Operator;
use crate::domain::callback::whole_id;
use crate::domain::delivery::{Actor, Decision, Record, StateName, Trigger};
use crate::domain::payments::Subject;
use crate::domain::record::{RecordKey, RecordKind, SourceId};
use crate::domain::text::shorten;
use crate::pipeline::Company;
use crate::store::{Filter, ResolveError, Said};

/// Entries of a record's history that are shown.
const HISTORY_MAX: usize = 200;
/// Characters of an owner's name.
const OWNER_CHARS_MAX: usize = 40;
/// The owner of what nobody looks after, in a filter.
const NOBODY: &str = "nobody";
/// Entries whose exchanges are shown: each has 256 KiB of bodies at most.
const EXCHANGES_MAX: usize = 40;

/// The filters of a list, as they stand in the address. What is there without a value is not asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    pub(super) company: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) state: Option<String>,
    pub(super) issue: Option<String>,
    pub(super) owner: Option<String>,
    pub(super) snoozed: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) warning: Option<String>,
    pub(super) since: Option<String>,
    pub(super) q: Option<String>,
    pub(super) cursor: Option<String>,
    pub(super) limit: Option<String>,
}

/// One record with its history.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub(super) record: RecordView,
    pub(super) history: Vec<HistoryView>,
    pub(super) sides: SidesView,
}

/// What comes with a decision.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Because {
    /// Why, for the history.
    pub(super) note: String,
    /// The document to adopt.
    pub(super) document: Option<Uuid>,
    /// Who looks after it from now on; empty = nobody.
    pub(super) owner: Option<String>,
    /// Until when it is not shown; none = it is shown again.
    pub(super) until: Option<Timestamp>,
}

/// The decision that an action and what comes with it mean.
pub(super) fn decision(action: &str, because: &Because) -> Result<Decision, Problem> {
    let decision = match action {
        "retry" => Decision::Retry,
        "hold" => Decision::Hold,
        "release" => Decision::Release,
        "skip" => Decision::Skip,
        "acknowledge" => Decision::Acknowledge,
        "unpost" => Decision::Unpost,
        "adopt" => {
            let needs = || bad("adopt needs the Xero id of the document: {\"document\": \"…\"}");
            Decision::Adopt { document: because.document.ok_or_else(needs)? }
        }
        "assign" => {
            let needs = || bad("assign needs who looks after it: {\"owner\": \"…\"}, empty for nobody");
            let owner = because.owner.as_ref().ok_or_else(needs)?.trim();
            Decision::Assign { owner: Some(shorten(owner, OWNER_CHARS_MAX)).filter(|owner| !owner.is_empty()) }
        }
        "snooze" => Decision::Snooze { until: because.until },
        _ => {
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                format!(
                    "{action:?} is none of: retry, hold, release, skip, adopt, acknowledge, unpost, assign, snooze"
                ),
            ));
        }
    };
    let surplus = [
        ("document", because.document.is_some() && action != "adopt", "adopt"),
        ("owner", because.owner.is_some() && action != "assign", "assign"),
        ("until", because.until.is_some() && action != "snooze", "snooze"),
    ];
    match surplus.into_iter().find(|(_, is_there, _)| *is_there) {
        Some((field, _, only)) => Err(bad(format!("only {only} takes {field:?}"))),
        None => Ok(decision),
    }
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

impl Wanted {
    /// Every filter with its name.
    fn fields(&mut self) -> [(&'static str, &mut Option<String>); 12] {
        let Self { company, kind, state, issue, owner, snoozed, reason, warning, since, q, cursor, limit } = self;
        [
            ("company", company),
            ("kind", kind),
            ("state", state),
            ("issue", issue),
            ("owner", owner),
            ("snoozed", snoozed),
            ("reason", reason),
            ("warning", warning),
            ("since", since),
            ("q", q),
            ("cursor", cursor),
            ("limit", limit),
        ]
    }

    /// As it stands in an address.
    pub(super) fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.clone().fields() {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }

    /// What is asked for.
    pub(super) fn filter(mut self, now: Timestamp) -> Result<Filter, Problem> {
        for (_, value) in self.fields() {
            *value = value.take().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        }
        let state = self.state.map(|name| {
            let found = StateName::ALL.into_iter().find(|state| state.as_str() == name);
            found.ok_or_else(|| bad(format!("state {name:?} is none of: queued, held, done, skipped")))
        });
        let kind = self.kind.map(|name| name.parse::<RecordKind>().map_err(bad));
        let since = self.since.map(|since| since_of(&since));
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
            owner: self.owner.map(|owner| if owner == NOBODY { String::new() } else { owner }),
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

/// An instant, or a day, which begins in UTC.
pub(super) fn since_of(since: &str) -> Result<Timestamp, Problem> {
    let day = || since.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    match since.parse() {
        Ok(at) => Ok(at),
        Err(error) => {
            let detail = format!(
                "since {since:?} is neither a day such as 2026-11-01 nor a time such as 2026-11-01T08:00:00Z: {error}"
            );
            day().ok_or_else(|| bad(detail))
        }
    }
}

/// A page of records.
pub(super) async fn page_of(surface: &Surface, filter: Filter) -> Result<PageView, Problem> {
    let page = surface.parts.store.records(filter).await.map_err(|error| match error {
        error @ crate::store::StoreError::BadCursor => bad(error.to_string()),
        error => error.into(),
    })?;
    let parts = surface.parts.current();
    let records = page.records.iter().map(|record| view::record(record, &parts)).collect();
    Ok(PageView { records, next: page.next })
}

pub(super) fn wanted(
    query: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Wanted, Problem> {
    query.map(|Query(wanted)| wanted).map_err(|error| bad(error.body_text()))
}

/// `GET /api/v1/records`.
pub(super) async fn list(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    query: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<PageView>, Problem> {
    Ok(Json(page_of(&surface, wanted(query)?.filter(surface.parts.clock.now())?).await?))
}

/// `GET /api/v1/warnings`: records with warnings that nobody has acknowledged.
pub(super) async fn warnings(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    query: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<PageView>, Problem> {
    let filter = wanted(query)?.filter(surface.parts.clock.now())?;
    let warning = filter.warning.clone().or_else(|| Some("any".to_owned()));
    Ok(Json(page_of(&surface, Filter { warning, ..filter }).await?))
}

/// The record that an address names.
pub(super) fn key((connection, kind, source): (String, String, String)) -> Result<RecordKey, Problem> {
    format!("{connection}/{kind}/{source}")
        .parse()
        .map_err(|error: crate::domain::record::KeyError| bad(error.to_string()))
}

/// A record and its history.
pub(super) async fn find(surface: &Surface, key: &RecordKey) -> Result<Shown, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no record {key}"));
    let record = surface.parts.store.record(key).await?.ok_or_else(missing)?;
    let history = surface.parts.store.history(key, HISTORY_MAX).await?;
    Ok(Shown {
        record: view::record(&record, &surface.parts.current()),
        sides: SidesView::of(&history),
        history: history.iter().map(HistoryView::from).collect(),
    })
}

/// `GET /api/v1/records/{connection}/{kind}/{source}`.
pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    Path(path): Path<(String, String, String)>,
) -> Result<Json<Shown>, Problem> {
    Ok(Json(find(&surface, &key(path)?).await?))
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
    let key = key((connection, kind, source))?;
    Ok(Json(carry_out(&surface, operator, &key, (&action, because)).await?))
}

/// Carries out what an operator decides about a record.
pub(super) async fn carry_out(
    surface: &Surface,
    operator: Operator,
    key: &RecordKey,
    (action, because): (&str, Because),
) -> Result<RecordView, Problem> {
    let decision = decision(action, &because)?;
    let actor = Actor { by: operator.name, note: because.note.into(), bulk: None };
    let now = surface.parts.clock.now();
    let record = match surface.parts.store.resolve(key, decision.clone(), actor.clone(), now).await {
        Err(ResolveError::Missing) if decision == Decision::Retry => introduce(surface, key, actor).await?,
        resolved => resolved?,
    };
    tracing::info!(record.key = %key, action, "an operator decided");
    Ok(view::record(&record, &surface.parts.current()))
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
