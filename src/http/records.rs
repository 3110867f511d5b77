//! Records over HTTP: list, look, decide.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Surface;
use super::access::{Decider, Viewer};
use super::error::Problem;
use super::extract::{Path, Query, Sent};
use super::history::HistoryView;
use super::sides::SidesView;
use super::view::{self, PageView, RecordView};
use crate::config::Operator;
use crate::domain::callback::whole_id;
use crate::domain::delivery::{Actor, Decision, Record, StateName, Trigger};
use crate::domain::payments::Subject;
use crate::domain::record::{KeyError, RecordKey, RecordKind, SourceId};
use crate::domain::text::shorten;
use crate::pipeline::Company;
use crate::store::{Filter, LIMIT_MAX, ResolveError, Said};

/// Entries of a record's history that are shown.
const HISTORY_MAX: usize = 200;
/// Characters of an owner's name.
const OWNER_CHARS_MAX: usize = 40;
/// The owner of what nobody looks after, in a filter.
const NOBODY: &str = "nobody";
/// Entries whose exchanges are shown: each has 256 KiB of bodies at most.
const EXCHANGES_MAX: usize = 40;

/// The filters of a list, as they stand in the address. What is there without a value is not asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
#[schema(as = RecordFilter)]
pub(super) struct Wanted {
    /// Id of the Xero organisation in the configuration.
    #[param(example = "acme-au")]
    pub(super) company: Option<String>,
    /// Sort of record.
    #[param(value_type = Option<RecordKind>)]
    #[schema(value_type = Option<RecordKind>)]
    pub(super) kind: Option<String>,
    /// Where it stands.
    #[param(value_type = Option<StateName>)]
    #[schema(value_type = Option<StateName>)]
    pub(super) state: Option<String>,
    /// Id of an issue.
    #[param(pattern = "^[0-9a-f]{16}$")]
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub(super) issue: Option<String>,
    /// Who looks after it; `nobody` for what nobody looks after.
    pub(super) owner: Option<String>,
    /// `hide` leaves out what is snoozed.
    #[param(pattern = "^(show|hide)$")]
    #[schema(pattern = "^(show|hide)$")]
    pub(super) snoozed: Option<String>,
    /// Code of a hold or skip.
    #[param(example = "unknown_tax")]
    pub(super) reason: Option<String>,
    /// Code of a warning that nobody has acknowledged, or `any`.
    #[param(example = "any")]
    pub(super) warning: Option<String>,
    /// Changed at or after this instant, or this day in UTC.
    #[param(format = Date, example = "2026-11-01")]
    #[schema(format = Date, example = "2026-11-01")]
    pub(super) since: Option<String>,
    /// Beginning of a number or packing slip, part of a client's name, or a key.
    #[param(example = "INV-10")]
    pub(super) q: Option<String>,
    /// `next` of the page before.
    pub(super) cursor: Option<String>,
    /// Records of a page: 50 without it.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500, example = 100)]
    pub(super) limit: Option<String>,
}

/// One record with its history.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordDetail)]
pub(super) struct Shown {
    pub(super) record: RecordView,
    pub(super) history: Vec<HistoryView>,
    pub(super) sides: SidesView,
}

/// What comes with a decision.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = Decision)]
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
            let needs = || unfit("adopt needs the Xero id of the document: {\"document\": \"…\"}");
            Decision::Adopt { document: because.document.ok_or_else(needs)? }
        }
        "assign" => {
            let needs = || unfit("assign needs who looks after it: {\"owner\": \"…\"}, empty for nobody");
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
        Some((field, _, only)) => Err(unfit(format!("only {only} takes {field:?}"))),
        None => Ok(decision),
    }
}

/// It is as described, and does not fit together or to what is known.
fn unfit(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
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

    /// As a form sends it: what was left blank is not asked for.
    pub(super) fn without_blanks(mut self) -> Self {
        for (_, value) in self.fields() {
            *value = value.take().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        }
        self
    }

    /// What is asked for.
    pub(super) fn filter(self, now: Timestamp) -> Result<Filter, Problem> {
        let text = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let state = self.state.map(|name| {
            let found = StateName::ALL.into_iter().find(|state| state.as_str() == name);
            found.ok_or_else(|| bad(format!("state {name:?} is none of: queued, held, done, skipped")))
        });
        let kind = self.kind.map(|name| name.parse::<RecordKind>().map_err(bad));
        let since = self.since.map(|since| since_of(&since));
        let limit = self.limit.as_deref().map(limit_of);
        let issue = self.issue.map(|issue| issue.parse().map_err(bad));
        let awake = match self.snoozed.as_deref() {
            None | Some("show") => None,
            Some("hide") => Some(now),
            Some(other) => return Err(bad(format!("snoozed {other:?} is none of: show, hide"))),
        };
        Ok(Filter {
            state: state.transpose()?,
            issue: issue.transpose()?,
            owner: text(self.owner).map(|owner| if owner == NOBODY { String::new() } else { owner }),
            awake,
            kind: kind.transpose()?,
            company: text(self.company),
            reason: text(self.reason),
            warning: text(self.warning),
            since: since.transpose()?,
            q: text(self.q),
            cursor: text(self.cursor),
            limit: limit.transpose()?.unwrap_or(0),
        })
    }
}

fn limit_of(limit: &str) -> Result<usize, Problem> {
    let read = limit.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
    read.ok_or_else(|| bad(format!("limit {limit:?} is no whole number from 1 to {LIMIT_MAX}")))
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
        error @ crate::store::StoreError::BadCursor => unfit(error.to_string()),
        error => error.into(),
    })?;
    let parts = surface.parts.current();
    let records = page.records.iter().map(|record| view::record(record, &parts)).collect();
    Ok(PageView { records, next: page.next })
}

/// Lists records: held, queued, done and skipped ones, of each those that changed last first.
///
/// `next` is the cursor of the next page; it stays good while records change and after a restart. A page of a rare
/// filter may be short, or empty, and still have a `next`. A record that changes while pages are read moves to the
/// front of its state: to have these too, read once more with `since` at the instant when the first page was read.
#[utoipa::path(get, path = "/api/v1/records", operation_id = "list_records", tag = "records", params(Wanted), responses((status = 200, description = "A page of records.", body = PageView), (status = 400, description = "A filter that is none: `detail` says which and what may stand there."), (status = 422, description = "The cursor is none that a page gave.")), security(("token" = ["viewer"])))]
pub(super) async fn list(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Json<PageView>, Problem> {
    Ok(Json(page_of(&surface, wanted.filter(surface.parts.clock.now())?).await?))
}

/// Lists records with warnings that nobody has acknowledged; filters and paging as of records.
#[utoipa::path(get, path = "/api/v1/warnings", operation_id = "list_warnings", tag = "records", params(Wanted), responses((status = 200, description = "A page of records.", body = PageView), (status = 400, description = "A filter that is none."), (status = 422, description = "The cursor is none that a page gave.")), security(("token" = ["viewer"])))]
pub(super) async fn warnings(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Json<PageView>, Problem> {
    let filter = wanted.filter(surface.parts.clock.now())?;
    let warning = filter.warning.clone().or_else(|| Some("any".to_owned()));
    Ok(Json(page_of(&surface, Filter { warning, ..filter }).await?))
}

/// Which record an address names.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct RecordPath {
    /// The ConnectWise system: its name in the configuration.
    #[param(example = "acme")]
    connection: String,
    /// What sort of record it is.
    #[param(value_type = RecordKind)]
    kind: String,
    /// Its id in ConnectWise, percent-encoded; `path` of a record has it so.
    #[param(example = "5041")]
    source: String,
}

impl RecordPath {
    /// The key of the record.
    pub(super) fn key(&self) -> Result<RecordKey, Problem> {
        let Self { connection, kind, source } = self;
        format!("{connection}/{kind}/{source}")
            .parse()
            .map_err(|error: KeyError| Problem::new(StatusCode::NOT_FOUND, error.to_string()))
    }
}

/// What an address asks to be done.
#[derive(Debug, Deserialize)]
pub(super) struct ActionPath {
    pub(super) action: String,
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

/// A record with its history, and what both systems say of it.
#[utoipa::path(get, path = "/api/v1/records/{connection}/{kind}/{source}", operation_id = "show_record", tag = "records", params(RecordPath), responses((status = 200, description = "The record.", body = Shown), (status = 404, description = "There is no such record.")), security(("token" = ["viewer"])))]
pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    Path(path): Path<RecordPath>,
) -> Result<Json<Shown>, Problem> {
    Ok(Json(find(&surface, &path.key()?).await?))
}

/// What was said with both systems about a record, without secrets.
#[utoipa::path(get, path = "/api/v1/records/{connection}/{kind}/{source}/exchanges", operation_id = "show_exchanges", tag = "records", params(RecordPath), responses((status = 200, description = "The last requests and answers, oldest first.", body = [Said]), (status = 404, description = "There is no such record.")), security(("token" = ["operator"])))]
pub(super) async fn exchanges(
    State(surface): State<Arc<Surface>>,
    _: Decider,
    Path(path): Path<RecordPath>,
) -> Result<Json<Vec<Said>>, Problem> {
    let key = path.key()?;
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no record {key}"));
    surface.parts.store.record(&key).await?.ok_or_else(missing)?;
    Ok(Json(surface.parts.store.said(&key, EXCHANGES_MAX).await?))
}

/// Decides about a record. A retry of a record that is not known takes it in.
#[utoipa::path(post, path = "/api/v1/records/{connection}/{kind}/{source}/{action}", operation_id = "decide_record", tag = "records", params(RecordPath, ("action" = String, Path, description = "What is decided.", pattern = "^(retry|hold|release|skip|adopt|acknowledge|unpost|assign|snooze)$")), request_body = Because, responses((status = 200, description = "The record as it is then.", body = RecordView), (status = 404, description = "There is no such record or action."), (status = 409, description = "Its state does not allow it: `detail` says why."), (status = 422, description = "What comes with the decision does not fit it.")), security(("token" = ["operator"])))]
pub(super) async fn decide(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Path(path): Path<RecordPath>,
    Path(ActionPath { action }): Path<ActionPath>,
    Sent(because): Sent<Because>,
) -> Result<Json<RecordView>, Problem> {
    Ok(Json(carry_out(&surface, operator, &path.key()?, (&action, because)).await?))
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
            return Err(unfit(format!(
                "retry its purchase order: {}/purchase_order/ and the order's id",
                key.connection
            )));
        }
        RecordKind::Payment => known_payments(surface, key)?,
    };
    if canonical.as_ref() != Some(&key.source) {
        return Err(unfit("the id is a whole number from 1: ConnectWise's internal id, not its number"));
    }
    store.accept(key, Trigger::Operator { name: actor.by.clone() }, now).await?;
    // The history keeps the note, too.
    Ok(store.resolve(key, Decision::Retry, actor, now).await?)
}

/// The id of a record of payments, if it is one of a company of this connection.
fn known_payments(surface: &Surface, key: &RecordKey) -> Result<Option<SourceId>, Problem> {
    let asked = || {
        unfit(
            "the id is that of an invoice in ConnectWise, or a company and Xero's id of an invoice, such as acme-au%2F…",
        )
    };
    let subject = Subject::parse(&key.source).ok_or_else(asked)?;
    if let Subject::Invoice(company, _) | Subject::Credit(company, ..) = &subject {
        let ours = |known: &Company| known.id == *company && known.connection == key.connection;
        if !surface.parts.current().companies.iter().any(ours) {
            return Err(unfit(format!("there is no company {company} of the connection {}", key.connection)));
        }
    }
    Ok(subject.source())
}
