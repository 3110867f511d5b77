//! One decision about many records: planned first, then run, watched and, if need be, cancelled.
//!
//! A plan names its records, so what comes later is not swept along. Each record is decided by itself and has it in
//! its history; one whose state does not allow it is counted with its cause. What is run is in the journal, too: how it
//! ended, or that it did not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Surface;
use super::access::{Decider, Viewer};
use super::error::Problem;
use super::extract::{Path, Sent, object};
use super::records::{Because, Wanted, decision};
use super::view::{self, RecordView};
use crate::domain::bulk::{Begun, Ended, KEPT_MAX, Kept, NotDecided};
use crate::domain::delivery::{Actor, Decision, Record};
use crate::domain::record::RecordKey;
use crate::domain::text::Sentence;
use crate::store::{Event, Filter, ResolveError, StoreError};

/// Records of one plan.
const RECORDS_MAX: usize = 100_000;
/// A plan that nobody runs is void after this time: the records have changed meanwhile.
const PLAN_LIFE: SignedDuration = SignedDuration::from_mins(15);
/// Records that are shown with a plan.
const SAMPLE: usize = 10;
/// Refused records that are kept with their causes.
const REFUSED_MAX: usize = 100;
/// The longest filter, as it stands in an address: it is kept with what was run.
const FILTER_BYTES_MAX: usize = 2_000;
/// What can be decided about many records.
pub(super) const ACTIONS: [&str; 7] = ["retry", "acknowledge", "hold", "release", "skip", "assign", "snooze"];

/// The plans and runs, the newest last.
#[derive(Debug, Default)]
pub struct Bulks(Mutex<Vec<Arc<Bulk>>>);

/// One decision about many records.
#[derive(Debug)]
struct Bulk {
    id: Uuid,
    by: String,
    action: String,
    because: Because,
    decision: Decision,
    filter: Wanted,
    planned: Timestamp,
    keys: Vec<RecordKey>,
    complete: bool,
    sample: Vec<Record>,
    stop: CancellationToken,
    run: Mutex<Run>,
}

/// How far it is.
#[derive(Clone, Debug, Default)]
struct Run {
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
    /// So far.
    result: Ended,
}

/// One decision about many records.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BulkView {
    /// Which one.
    pub id: Uuid,
    /// planned, running, done, cancelled, failed, interrupted or void.
    pub state: String,
    /// Who planned it.
    pub by: String,
    /// What is decided.
    pub action: String,
    /// Why.
    pub note: String,
    /// Which records, as the filter of a list.
    pub filter: String,
    /// When it was planned.
    pub planned: Timestamp,
    /// Records of the plan.
    pub records: u64,
    /// Whether these are all that the filter finds.
    pub complete: bool,
    /// The first of them; while it is planned.
    pub sample: Vec<RecordView>,
    /// When it was begun.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Records that were decided.
    pub done: u64,
    /// Records whose state did not allow it.
    pub refused: u64,
    /// The first of these.
    pub causes: Vec<RefusedView>,
    /// Why it ended before its time, and what helps.
    pub failed: Option<String>,
}

/// A record that was not decided.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RefusedView {
    /// connection/kind/source.
    pub key: String,
    /// Why.
    pub cause: String,
}

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BulkPlan)]
pub(super) struct Plan {
    /// What is decided.
    #[schema(pattern = "^(retry|acknowledge|hold|release|skip|assign|snooze)$")]
    pub(super) action: String,
    /// What comes with the decision.
    #[serde(default, deserialize_with = "object")]
    pub(super) because: Because,
    /// Which records, as the filter of a list; `limit` and `cursor` say nothing here.
    #[serde(default, deserialize_with = "object")]
    pub(super) filter: Wanted,
}

impl Bulk {
    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_void(&self, now: Timestamp) -> bool {
        self.run().began.is_none() && now.duration_since(self.planned) > PLAN_LIFE
    }

    fn view(&self, surface: &Surface) -> BulkView {
        let (run, parts) = (self.run().clone(), surface.parts.current());
        let state = match &run {
            Run { ended: Some(_), result, .. } => ended_as(result),
            Run { began: Some(_), .. } => "running",
            Run { .. } if self.is_void(surface.parts.clock.now()) => "void",
            Run { .. } => "planned",
        };
        let sample: &[Record] = if run.began.is_none() { &self.sample } else { &[] };
        let begun = self.begun(&self.by);
        BulkView {
            sample: sample.iter().map(|record| view::record(record, &parts)).collect(),
            began: run.began,
            ended: run.ended,
            ..BulkView::of(&begun, state, &run.result)
        }
    }

    fn begun(&self, run_by: &str) -> Begun {
        Begun {
            id: self.id,
            by: self.by.clone(),
            run_by: run_by.to_owned(),
            action: self.action.clone(),
            note: self.because.note.as_str().into(),
            filter: self.filter.query(),
            planned: self.planned,
            records: count(self.keys.len()),
            complete: self.complete,
        }
    }

    /// Decides about one record after another, and has the journal say so before and after it.
    async fn work(&self, surface: &Surface, run_by: &str) {
        let (store, clock) = (&surface.parts.store, &surface.parts.clock);
        let began = self.run().began.unwrap_or_else(|| clock.now());
        let decided = match store.note(Event::BulkBegun { bulk: self.begun(run_by) }, began).await {
            Ok(()) => self.decide_all(surface).await,
            Err(error) => Err(error),
        };
        let failed = |error: StoreError| self.run().result.failed = Some(error.to_string().into());
        decided.unwrap_or_else(failed);
        // It has ended for whoever asks once that will outlive the process.
        let (result, ended) = (self.run().result.clone(), clock.now());
        store.note(Event::BulkEnded { id: self.id, result }, ended).await.unwrap_or_else(failed);
        let mut run = self.run();
        run.ended = Some(ended);
        let Ended { done, refused, .. } = run.result;
        tracing::info!(bulk = %self.id, action = self.action, done, refused, "a decision about many records ended");
    }

    async fn decide_all(&self, surface: &Surface) -> Result<(), StoreError> {
        let note =
            if self.because.note.is_empty() { "in bulk".to_owned() } else { format!("{}, in bulk", self.because.note) };
        let actor = Actor { by: self.by.clone(), note: note.into(), bulk: Some(self.id) };
        let (store, clock) = (&surface.parts.store, &surface.parts.clock);
        for key in &self.keys {
            if self.stop.is_cancelled() {
                self.run().result.cancelled = true;
                break;
            }
            let decided = store.resolve(key, self.decision.clone(), actor.clone(), clock.now()).await;
            let result = &mut self.run().result;
            match decided {
                Ok(_) => result.done = result.done.saturating_add(1),
                Err(ResolveError::Store(error)) => return Err(error),
                Err(refused) => {
                    result.refused = result.refused.saturating_add(1);
                    if result.causes.len() < REFUSED_MAX {
                        result.causes.push(NotDecided { key: key.clone(), cause: refused.to_string().into() });
                    }
                }
            }
        }
        Ok(())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// How something ended, in one word.
fn ended_as(result: &Ended) -> &'static str {
    match result {
        Ended { failed: Some(_), .. } => "failed",
        Ended { cancelled: true, .. } => "cancelled",
        Ended { .. } => "done",
    }
}

impl BulkView {
    fn of(begun: &Begun, state: &str, result: &Ended) -> Self {
        let Begun { id, by, run_by: _, action, note, filter, planned, records, complete } = begun.clone();
        let causes = result.causes.iter();
        Self {
            id,
            state: state.to_owned(),
            by,
            action,
            note: note.as_str().to_owned(),
            filter,
            planned,
            records,
            complete,
            sample: Vec::new(),
            began: None,
            ended: None,
            done: result.done,
            refused: result.refused,
            causes: causes
                .map(|NotDecided { key, cause }| RefusedView { key: key.to_string(), cause: cause.to_string() })
                .collect(),
            failed: result.failed.as_ref().map(Sentence::to_string),
        }
    }
}

impl From<&Kept> for BulkView {
    fn from(kept: &Kept) -> Self {
        let Kept { begun, at, decided, end } = kept;
        if let Some((ended, result)) = end {
            return Self { began: Some(*at), ended: Some(*ended), ..Self::of(begun, ended_as(result), result) };
        }
        let records = begun.records;
        let failed = if *decided < records {
            format!(
                "readypost ended while this ran: {decided} of {records} records have a decision by it, the others have \
                 none. Plan it again: it finds what still fits the filter."
            )
        } else {
            format!(
                "readypost ended before this had: all {records} records have a decision by it. Nothing is left to do."
            )
        };
        let result = Ended { done: *decided, failed: Some(failed.into()), ..Ended::default() };
        Self { began: Some(*at), ..Self::of(begun, "interrupted", &result) }
    }
}

impl Bulks {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Bulk>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: Uuid) -> Option<Arc<Bulk>> {
        self.lock().iter().find(|bulk| bulk.id == id).map(Arc::clone)
    }
}

/// All plans and runs that are kept, the newest first.
pub(super) fn all(surface: &Surface) -> Vec<BulkView> {
    // What is here knows more of itself than the store does: how far it is, and that it is not interrupted.
    let here: Vec<BulkView> = surface.bulks.lock().iter().map(|bulk| bulk.view(surface)).collect();
    let kept = surface.parts.store.bulks();
    let kept = kept.iter().filter(|kept| here.iter().all(|bulk| bulk.id != kept.begun.id)).map(BulkView::from);
    let mut all: Vec<BulkView> = kept.collect();
    all.extend(here);
    // What runs is never hidden behind plans that nobody runs.
    all.sort_by_key(|bulk| (bulk.state == "running", bulk.planned));
    all.reverse();
    all.truncate(KEPT_MAX);
    all
}

/// One of them.
pub(super) fn one(surface: &Surface, id: Uuid) -> Result<BulkView, Problem> {
    match surface.bulks.find(id) {
        Some(bulk) => Ok(bulk.view(surface)),
        None => kept(surface, id).ok_or_else(|| gone(id)),
    }
}

/// One that a process before this one began, or that was forgotten here.
fn kept(surface: &Surface, id: Uuid) -> Option<BulkView> {
    surface.parts.store.bulks().iter().find(|kept| kept.begun.id == id).map(BulkView::from)
}

fn gone(id: Uuid) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is no bulk decision {id} any more: plan it anew"))
}

/// Finds the records of a plan; nothing is decided yet.
pub(super) async fn plan(surface: &Surface, by: String, plan: Plan) -> Result<BulkView, Problem> {
    let Plan { action, because, filter: wanted } = plan;
    if !ACTIONS.contains(&action.as_str()) {
        let detail = format!("{action:?} is none of: {}", ACTIONS.join(", "));
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let decision = decision(&action, &because)?;
    let planned = surface.parts.clock.now();
    let wanted = Wanted { limit: None, cursor: None, ..wanted };
    if wanted.query().len() > FILTER_BYTES_MAX {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the filter is too long: use a shorter `q`"));
    }
    let mut filter = Filter { limit: usize::MAX, ..wanted.clone().filter(planned)? };
    let (mut keys, mut sample) = (Vec::new(), Vec::new());
    let complete = loop {
        let page = surface.parts.store.records(filter.clone()).await?;
        sample.extend(page.records.iter().take(SAMPLE.saturating_sub(sample.len())).cloned());
        keys.extend(page.records.into_iter().map(|record| record.key));
        match page.next {
            None => break true,
            Some(_) if keys.len() >= RECORDS_MAX => break false,
            next => filter.cursor = next,
        }
    };
    let (stop, run) = (CancellationToken::new(), Mutex::default());
    let id = Uuid::new_v4();
    let bulk = Bulk { id, by, action, because, decision, filter: wanted, planned, keys, complete, sample, stop, run };
    let view = bulk.view(surface);
    let mut kept = surface.bulks.lock();
    // One that runs is kept.
    if kept.len() >= KEPT_MAX
        && let Some(oldest) = kept.iter().position(|bulk| bulk.run().began.is_none() || bulk.run().ended.is_some())
    {
        kept.remove(oldest);
    }
    kept.push(Arc::new(bulk));
    Ok(view)
}

/// Runs or cancels one.
pub(super) fn decide(surface: &Arc<Surface>, id: Uuid, action: &str, by: &str) -> Result<BulkView, Problem> {
    let conflict = |detail: &str| Err(Problem::new(StatusCode::CONFLICT, detail));
    let bulk = match (surface.bulks.find(id), kept(surface, id)) {
        (Some(bulk), _) => bulk,
        (None, Some(ended)) => return conflict(&format!("it is {} already: plan it anew", ended.state)),
        (None, None) => return Err(gone(id)),
    };
    match action {
        "run" => {
            let now = surface.parts.clock.now();
            if bulk.is_void(now) {
                return conflict("the plan is older than 15 minutes: plan it anew");
            }
            let kept = surface.bulks.lock();
            let is_running = |run: &Run| run.began.is_some() && run.ended.is_none();
            if kept.iter().any(|other| is_running(&other.run())) {
                return conflict("a decision about many records is under way: wait for it, or cancel it");
            }
            let mut run = bulk.run();
            if run.began.is_some() {
                return conflict("it was run already");
            }
            run.began = Some(now);
            drop((run, kept));
            tracing::info!(bulk = %id, by, action = bulk.action, records = bulk.keys.len(), "a decision about many records was begun");
            let (running, surface, by) = (Arc::clone(&bulk), Arc::clone(surface), by.to_owned());
            tokio::spawn(async move { running.work(&surface, &by).await });
        }
        "cancel" => {
            if bulk.run().ended.is_some() {
                return conflict("it has ended already");
            }
            bulk.stop.cancel();
        }
        _ => return Err(Problem::new(StatusCode::NOT_FOUND, format!("{action:?} is none of: run, cancel"))),
    }
    Ok(bulk.view(surface))
}

/// The last plans and runs, the newest first.
#[utoipa::path(get, path = "/api/v1/bulk", operation_id = "list_bulk", tag = "bulk", responses((status = 200, description = "At most 20.", body = [BulkView])), security(("token" = ["viewer"])))]
pub(super) async fn list(State(surface): State<Arc<Surface>>, _: Viewer) -> Json<Vec<BulkView>> {
    Json(all(&surface))
}

/// One plan or run, and how far it is.
#[utoipa::path(get, path = "/api/v1/bulk/{id}", operation_id = "show_bulk", tag = "bulk", params(("id" = Uuid, Path, description = "Which one.")), responses((status = 200, description = "The plan or run.", body = BulkView), (status = 400, description = "The id is none."), (status = 404, description = "There is none, or not any more.")), security(("token" = ["viewer"])))]
pub(super) async fn show(
    State(surface): State<Arc<Surface>>,
    _: Viewer,
    Path(id): Path<Uuid>,
) -> Result<Json<BulkView>, Problem> {
    Ok(Json(one(&surface, id)?))
}

/// Plans one decision about many records: finds and counts them. Nothing is decided yet.
#[utoipa::path(post, path = "/api/v1/bulk", operation_id = "plan_bulk", tag = "bulk", request_body = Plan, responses((status = 201, description = "The plan, void after 15 minutes.", body = BulkView), (status = 422, description = "What comes with the decision does not fit it.")), security(("token" = ["operator"])))]
pub(super) async fn begin(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Sent(asked): Sent<Plan>,
) -> Result<(StatusCode, Json<BulkView>), Problem> {
    Ok((StatusCode::CREATED, Json(plan(&surface, operator.name, asked).await?)))
}

/// Runs a plan, or cancels what runs.
#[utoipa::path(post, path = "/api/v1/bulk/{id}/{action}", operation_id = "act_bulk", tag = "bulk", params(("id" = Uuid, Path, description = "Which one."), ("action" = String, Path, description = "What is done.", pattern = "^(run|cancel)$")), responses((status = 202, description = "The run as it is then; ask for it by GET.", body = BulkView), (status = 400, description = "The id is none."), (status = 404, description = "There is none, or no such action."), (status = 409, description = "The plan is void or was run, another runs, or it has ended.")), security(("token" = ["operator"])))]
pub(super) async fn act(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Path((id, action)): Path<(Uuid, String)>,
) -> Result<(StatusCode, Json<BulkView>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(decide(&surface, id, &action, &operator.name)?)))
}
