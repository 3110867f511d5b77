//! One decision about many records: planned first, then run, watched and, if need be, cancelled.
//!
//! A plan names its records, so what comes later is not swept along. Each record is decided by itself and has it in
//! its history; one whose state does not allow it is counted with its cause.

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
use crate::domain::delivery::{Actor, Decision, Record};
use crate::domain::record::RecordKey;
use crate::store::Filter;

/// Records of one plan.
const RECORDS_MAX: usize = 100_000;
/// Plans and runs that are kept.
const KEPT_MAX: usize = 20;
/// A plan that nobody runs is void after this time: the records have changed meanwhile.
const PLAN_LIFE: SignedDuration = SignedDuration::from_mins(15);
/// Records that are shown with a plan.
const SAMPLE: usize = 10;
/// Refused records that are kept with their causes.
const REFUSED_MAX: usize = 100;
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
    cancelled: bool,
    done: usize,
    refused: usize,
    causes: Vec<RefusedView>,
    failed: Option<String>,
}

/// One decision about many records.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BulkView {
    /// Which one.
    pub id: Uuid,
    /// planned, running, done, cancelled, failed or void.
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
    pub records: usize,
    /// Whether these are all that the filter finds.
    pub complete: bool,
    /// The first of them; while it is planned.
    pub sample: Vec<RecordView>,
    /// When it was begun.
    pub began: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Records that were decided.
    pub done: usize,
    /// Records whose state did not allow it.
    pub refused: usize,
    /// The first of these.
    pub causes: Vec<RefusedView>,
    /// Why it ended before its time.
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
            Run { failed: Some(_), .. } => "failed",
            Run { ended: Some(_), cancelled: true, .. } => "cancelled",
            Run { ended: Some(_), .. } => "done",
            Run { began: Some(_), .. } => "running",
            Run { .. } if self.is_void(surface.parts.clock.now()) => "void",
            Run { .. } => "planned",
        };
        let sample: &[Record] = if run.began.is_none() { &self.sample } else { &[] };
        BulkView {
            id: self.id,
            state: state.to_owned(),
            by: self.by.clone(),
            action: self.action.clone(),
            note: self.because.note.clone(),
            filter: self.filter.query(),
            planned: self.planned,
            records: self.keys.len(),
            complete: self.complete,
            sample: sample.iter().map(|record| view::record(record, &parts)).collect(),
            began: run.began,
            ended: run.ended,
            done: run.done,
            refused: run.refused,
            causes: run.causes,
            failed: run.failed,
        }
    }

    /// Decides about one record after another.
    async fn work(&self, surface: &Surface) {
        let note =
            if self.because.note.is_empty() { "in bulk".to_owned() } else { format!("{}, in bulk", self.because.note) };
        let actor = Actor { by: self.by.clone(), note: note.into() };
        let (store, clock) = (&surface.parts.store, &surface.parts.clock);
        for key in &self.keys {
            if self.stop.is_cancelled() {
                self.run().cancelled = true;
                break;
            }
            match store.resolve(key, self.decision.clone(), actor.clone(), clock.now()).await {
                Ok(_) => self.run().done += 1,
                Err(crate::store::ResolveError::Store(error)) => {
                    self.run().failed = Some(error.to_string());
                    break;
                }
                Err(refused) => {
                    let mut run = self.run();
                    run.refused += 1;
                    if run.causes.len() < REFUSED_MAX {
                        run.causes.push(RefusedView { key: key.to_string(), cause: refused.to_string() });
                    }
                }
            }
        }
        let mut run = self.run();
        run.ended = Some(clock.now());
        tracing::info!(bulk = %self.id, action = self.action, done = run.done, refused = run.refused, "a decision about many records ended");
    }
}

impl Bulks {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Bulk>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: Uuid) -> Result<Arc<Bulk>, Problem> {
        let found = self.lock().iter().find(|bulk| bulk.id == id).map(Arc::clone);
        found.ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, format!("there is no bulk decision {id} any more: plan it anew"))
        })
    }
}

/// All plans and runs that are kept, the newest first.
pub(super) fn all(surface: &Surface) -> Vec<BulkView> {
    surface.bulks.lock().iter().rev().map(|bulk| bulk.view(surface)).collect()
}

/// One of them.
pub(super) fn one(surface: &Surface, id: Uuid) -> Result<BulkView, Problem> {
    Ok(surface.bulks.find(id)?.view(surface))
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
    let bulk = surface.bulks.find(id)?;
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
            let (running, surface) = (Arc::clone(&bulk), Arc::clone(surface));
            tokio::spawn(async move { running.work(&surface).await });
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
