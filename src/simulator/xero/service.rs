//! From request to answer: outage, token, limits, idempotency, and then the endpoint.
//! The order is Xero's, and so is what each of them counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::{Method, Request, Response};
use http_body_util::BodyExt;
use serde_json::Value;

use super::family::Family;
use super::limits::Limits;
use super::operator::Settings;
use super::query::Query;
use super::replay::Replays;
use super::state::Books;
use super::token::Tokens;
use super::webhooks::Webhooks;
use super::wire::{Answer, Call, Reply, internal_error};
use super::{allocations, batches, contacts, documents, journals, notes, payments, reference};

const API: &str = "/api.xro/2.0";

/// What the next write shall suffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    BeforeCommit,
    AfterCommit,
}

/// Everything that changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) books: Books,
    pub(super) tokens: Tokens,
    pub(super) limits: Limits,
    pub(super) replays: Replays,
    pub(super) outage: Option<String>,
    pub(super) webhooks: Webhooks,
    pub(super) next_write: Option<Failure>,
    /// How often each method and path was called.
    pub(super) calls: BTreeMap<(String, String), u32>,
}

impl State {
    /// Tells the webhooks what changed.
    pub(super) fn tell(&mut self) {
        self.webhooks.note(std::mem::take(&mut self.books.events));
    }
}

/// The settings and the state, shared by the handle and the requests.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) state: Mutex<State>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One call in progress; it leaves also when the caller hangs up.
struct InProgress<'a>(&'a Shared);

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.0.lock().limits.leave();
    }
}

/// Answers any request.
pub(super) async fn handle(shared: Arc<Shared>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let whole = parts.uri.path().to_owned();
    let path = whole.strip_prefix(API);
    let call = Call {
        method: parts.method,
        path: path.unwrap_or(&whole).to_owned(),
        uri: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body,
        now: shared.settings.clock.now(),
    };
    let answer = match (path, whole.as_str()) {
        (Some(_), _) => api(&shared, &call).await,
        (None, "/connect/token") => token(&shared, &call),
        (None, "/identity/connect/authorize") => Ok(shared.lock().tokens.authorize(&shared.settings, &call)),
        (None, "/connections") => Ok(shared.lock().tokens.connections(&shared.settings, &call)),
        (None, _) => Err(Reply::not_found()),
    };
    answer.unwrap_or_else(|early| early).into_response()
}

fn token(shared: &Shared, call: &Call) -> Answer {
    let mut state = shared.lock();
    in_service(&state)?;
    state.tokens.issue(&shared.settings, call)
}

fn in_service(state: &State) -> Result<(), Reply> {
    state.outage.as_ref().map_or(Ok(()), |text| Err(Reply::text(503, text)))
}

async fn api(shared: &Shared, call: &Call) -> Answer {
    {
        let mut state = shared.lock();
        let count = state.calls.entry((call.method.to_string(), call.path.clone())).or_default();
        *count = count.saturating_add(1);
        in_service(&state)?;
        state.tokens.admit(&shared.settings, call)?;
        state.limits.enter(&shared.settings, call.now)?;
    }
    let _in_progress = InProgress(shared);
    if !shared.settings.latency.is_zero() {
        tokio::time::sleep(shared.settings.latency).await;
    }
    let mut state = shared.lock();
    let reply = match state.replays.answer(call) {
        Some(reply) => reply,
        None => first(&mut state, call),
    };
    Ok(state.limits.stamp(&shared.settings, in_format(call, reply)))
}

/// Carries the call out, and keeps the answer under its key, be it an error or not.
fn first(state: &mut State, call: &Call) -> Reply {
    let failure = if call.is_write() { state.next_write.take() } else { None };
    let reply = match failure {
        Some(Failure::BeforeCommit) => internal_error(),
        Some(Failure::AfterCommit) => {
            // The commit is the point; its answer is lost.
            let _ = route(&mut state.books, call);
            internal_error()
        }
        None => route(&mut state.books, call).unwrap_or_else(|early| early),
    };
    state.tell();
    state.replays.keep(call, &reply);
    reply
}

fn route(books: &mut Books, call: &Call) -> Answer {
    let decoded: Vec<String> = call.path.split('/').skip(1).map(decode).collect();
    let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let family = segments.first().and_then(|collection| Family::named(collection));
    if let Some(family) = family {
        return route_documents(books, call, family, segments.get(1..).unwrap_or_default());
    }
    let post = call.method == Method::POST;
    let put = call.method == Method::PUT;
    let get = call.method == Method::GET;
    match segments.as_slice() {
        ["Payments"] if post || put => payments::write(books, call),
        ["Payments"] if get => payments::read(books, call),
        ["Payments", wanted] if post => payments::write_one(books, call, wanted),
        ["Payments", wanted] if get => payments::read_one(books, call, wanted),
        ["ManualJournals"] if post || put => journals::write(books, call),
        ["ManualJournals"] if get => journals::read(books, call),
        ["ManualJournals", wanted] if post => journals::write_one(books, call, wanted),
        ["ManualJournals", wanted] if get => journals::read_one(books, call, wanted),
        ["BatchPayments"] if post || put => batches::write(books, call),
        ["BatchPayments"] if get => batches::read(books, call),
        ["BatchPayments", wanted] if post => batches::write_one(books, call, wanted),
        ["BatchPayments", wanted] if get => batches::read_one(books, call, wanted),
        ["Contacts"] if post || put => contacts::write(books, call),
        ["Contacts"] if get => contacts::read(books, call),
        ["Contacts", wanted] if post => contacts::write_one(books, call, wanted),
        ["Contacts", wanted] if get => contacts::read_one(books, call, wanted),
        ["Contacts" | "Payments" | "ManualJournals", subject, "History"] if put => notes::write(books, call, subject),
        ["Contacts" | "Payments" | "ManualJournals", subject, "History"] if get => notes::read(books, call, subject),
        [collection] if get => reference::read(books, call, collection),
        [collection, wanted] if get => reference::read_one(books, call, collection, wanted),
        _ => Err(Reply::not_found()),
    }
}

/// `rest` is the path below the collection.
fn route_documents(books: &mut Books, call: &Call, family: Family, rest: &[&str]) -> Answer {
    let post = call.method == Method::POST;
    let put = call.method == Method::PUT;
    let get = call.method == Method::GET;
    // Over- and prepayments come from bank transactions, so they are not written here.
    let is_written = matches!(family, Family::Invoices | Family::CreditNotes);
    match rest {
        [] if is_written && (post || put) => documents::write(books, call, family),
        [] if get => documents::read(books, call, family),
        [wanted] if is_written && post => documents::write_one(books, call, family, wanted),
        [wanted] if get => documents::read_one(books, call, family, wanted),
        [credit, "Allocations"] if put => allocations::write(books, call, family, credit),
        [credit, "Allocations", wanted] if call.method == Method::DELETE => {
            allocations::remove(books, call, family, (credit, wanted))
        }
        [subject, "History"] if put => notes::write(books, call, subject),
        [subject, "History"] if get => notes::read(books, call, subject),
        _ => Err(Reply::not_found()),
    }
}

fn decode(segment: &str) -> String {
    // Forms turn a plus into a space, paths do not.
    let form = format!("s={}", segment.replace('+', "%2B"));
    Query::parse(&form).get("s").unwrap_or_default().to_owned()
}

/// Without `Accept: application/json` Xero answers in XML.
fn in_format(call: &Call, mut reply: Reply) -> Reply {
    let wants_json = call.header("accept").is_some_and(|accept| accept.contains("application/json"));
    let is_json = reply.content_type.is_some_and(|kind| kind.starts_with("application/json"));
    if is_json && !wants_json {
        let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        let status = body.get("Status").and_then(Value::as_str).unwrap_or("ERROR");
        reply.body = format!("<Response><Status>{status}</Status></Response>");
        reply.content_type = Some("text/xml; charset=utf-8");
    }
    reply
}
