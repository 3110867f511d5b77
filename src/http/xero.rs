//! The door for Xero's webhooks: verify over the raw bytes, store durably, then answer.
//!
//! Xero waits 5 s, takes any 2xx without a body and without cookies for a receipt, wants 401 for a wrong signature, and
//! sends all else again for a day. Before it sends anything it tries the door with good and bad signatures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::task::JoinSet;

use super::Surface;
use super::body::{self, Unread};
use crate::domain::delivery::Trigger;
use crate::domain::payments::Subject;
use crate::domain::record::{RecordKey, RecordKind};
use crate::domain::signature::{Signature, verify_webhook};
use crate::domain::webhook::{Concern, Webhook, WebhookEvent};
use crate::pipeline::{Company, Parts};

/// The longest time a body may take to arrive; with that for the store it stays below Xero's 5 s.
const BODY_TIME: Duration = Duration::from_millis(1500);
/// The longest wait for the store.
const STORE_TIME: Duration = Duration::from_millis(2500);
/// What the door is called in the metrics, where others have the name of a connection.
const LABEL: &str = "xero";

/// What became of a message.
#[derive(Debug)]
enum Verdict {
    /// It is stored, or nothing of it concerns payments.
    Accepted,
    Unverified,
    Unreadable(String),
    TooLarge,
    TooSlow,
    Busy(String),
}

impl Verdict {
    fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unverified => "unverified",
            Self::Unreadable(_) => "unreadable",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Busy(_) => "busy",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Accepted => StatusCode::OK,
            Self::Unverified => StatusCode::UNAUTHORIZED,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<Unread> for Verdict {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::TooLarge,
            Unread::TooSlow => Self::TooSlow,
            Unread::Broken(cause) => Self::Unreadable(cause),
            Unread::NoRoom => Self::Busy("too many bytes are waiting to be verified".to_owned()),
        }
    }
}

/// What a message asks to be looked at, each with its trigger and whether only a record that is known is woken.
type Records = BTreeMap<RecordKey, (Trigger, bool)>;

/// Takes a webhook of Xero, once it is durable. Its answers have no body, because Xero takes one for a failure.
#[utoipa::path(post, path = "/xero/webhooks", operation_id = "webhook", tag = "doors",
    params(("x-xero-signature" = String, Header, description = "Base64 of the HMAC-SHA256 of the body, keyed with the webhook key.")),
    request_body(content = Object, description = "The webhook as Xero sends it."),
    responses(
        (status = 200, description = "It is stored."),
        (status = 400, description = "It is not readable."),
        (status = 401, description = "The signature is not right."),
        (status = 408, description = "It came too slowly."),
        (status = 413, description = "It is too large."),
        (status = 503, description = "It cannot be stored now: send it again."),
    ))]
pub(super) async fn receive(State(surface): State<Arc<Surface>>, request: Request<Body>) -> Response {
    let begun = Instant::now();
    let verdict = admit(&surface, request).await.unwrap_or_else(|verdict| verdict);
    surface.parts.metrics.callback(LABEL, verdict.name(), begun.elapsed());
    match &verdict {
        Verdict::Accepted => tracing::debug!(verdict = verdict.name(), "webhook stored"),
        Verdict::Unreadable(detail) | Verdict::Busy(detail) => {
            tracing::warn!(verdict = verdict.name(), detail, "webhook refused");
        }
        // Xero itself sends wrong signatures when it tries the door.
        Verdict::Unverified => tracing::info!(verdict = verdict.name(), "webhook refused"),
        Verdict::TooLarge | Verdict::TooSlow => tracing::warn!(verdict = verdict.name(), "webhook refused"),
    }
    // Never a body: Xero takes one for a failure.
    let mut response = verdict.status().into_response();
    if matches!(verdict, Verdict::TooLarge | Verdict::TooSlow | Verdict::Busy(_)) {
        // The rest of the body may not have been read, so the connection cannot be used again.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn admit(surface: &Surface, request: Request<Body>) -> Result<Verdict, Verdict> {
    let (head, body) = request.into_parts();
    let signature = signature(&head.headers).ok_or(Verdict::Unverified)?;
    let (body, _held) = body::read(body, &head.headers, surface, BODY_TIME).await?;
    let busy = |_| Verdict::Busy("too many callbacks at the same time".to_owned());
    let _slot = surface.verifying.try_acquire().map_err(busy)?;
    let parts = surface.parts.current();
    let mut senders = Vec::new();
    let mut verified = None;
    // Every key is tried, so that the time taken does not tell which one was right.
    for company in &parts.companies {
        let Some(key) = &company.webhook_key else { continue };
        if let Ok(body) = verify_webhook(&body, &signature, key) {
            verified = Some(body);
            senders.push(company);
        }
    }
    let Some(verified) = verified else { return Err(Verdict::Unverified) };
    let webhook = Webhook::parse(&verified).map_err(Verdict::Unreadable)?;
    let metrics = &surface.parts.metrics;
    for _ in 0..webhook.unreadable {
        metrics.webhook_event("", "unreadable");
    }
    let records = records(&webhook.events, &senders, |company, verdict| metrics.webhook_event(company, verdict));
    // Should it be stored all the same, the next try merges.
    let stored = tokio::time::timeout(STORE_TIME, store(records, &parts)).await;
    stored.map_err(|_| Verdict::Busy("the store does not answer".to_owned()))?.map_err(Verdict::Busy)?;
    Ok(Verdict::Accepted)
}

/// The one signature header.
fn signature(headers: &HeaderMap) -> Option<Signature> {
    let mut values = headers.get_all("x-xero-signature").iter();
    match (values.next(), values.next()) {
        (Some(only), None) => Signature::parse(Some(only.as_bytes())).ok(),
        _ => None,
    }
}

/// The records that the events of a message are about, each once; `count` hears what became of every event.
fn records(events: &[WebhookEvent], senders: &[&Company], count: impl Fn(&str, &'static str)) -> Records {
    let mut records = BTreeMap::new();
    for event in events {
        // A company whose tenant is not known is the only one of its app, or not connected yet.
        let is_its = |company: &&&Company| match company.client.tenant() {
            Some(tenant) => tenant == event.tenant,
            None => senders.len() == 1 && !company.client.refreshes(),
        };
        // Several may post into one organisation: each has invoices of its own there.
        let companies: Vec<&&Company> = senders.iter().filter(is_its).collect();
        if companies.is_empty() {
            count("", "foreign_tenant");
        }
        for company in companies {
            let verdict = concern(event, company, &mut records);
            count(company.id.as_str(), verdict);
        }
    }
    records
}

/// Adds the record of an event of this company, if it is about payments; says what became of the event.
fn concern(event: &WebhookEvent, company: &Company, records: &mut Records) -> &'static str {
    let id = company.id.clone();
    let subject = match event.concern() {
        _ if !company.rules.carries_payments() => None,
        None => None,
        Some(Concern::Invoice) => Some(Subject::Invoice(id, event.id)),
        Some(Concern::Credit(family)) => Some(Subject::Credit(id, family, event.id)),
    };
    let Some(source) = subject.and_then(|subject| subject.source()) else { return "unhandled" };
    let key = RecordKey { connection: company.connection.clone(), kind: RecordKind::Payment, source };
    let WebhookEvent { category, action, at, .. } = event.clone();
    // Where nothing comes from Xero, a change there only helps payments that wait for it.
    let only_known = !company.rules.payments.from_xero();
    records.insert(key, (Trigger::Xero { category, action, at }, only_known));
    "accepted"
}

/// Stores all, side by side: they are synced together.
async fn store(records: Records, parts: &Parts) -> Result<(), String> {
    let now = parts.clock.now();
    let mut storing = JoinSet::new();
    for (key, (trigger, only_known)) in records {
        let store = Arc::clone(&parts.store);
        storing.spawn(async move {
            if only_known && store.record(&key).await?.is_none() {
                return Ok(());
            }
            store.accept(&key, trigger, now).await.map(drop)
        });
    }
    let mut failed = None;
    while let Some(stored) = storing.join_next().await {
        match stored {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed = Some(error.to_string()),
            Err(error) => failed = Some(error.to_string()),
        }
    }
    failed.map_or(Ok(()), Err)
}
