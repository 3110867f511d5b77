//! The door: verify over the raw bytes, store durably, then answer.
//!
//! ConnectWise retries only on 404, 409, 419 and 429 (developer guide, "When Callbacks Fail"), so an
//! honest delivery that cannot be verified or stored for a passing reason gets 429, and never a 5xx. The
//! query string is not covered by the signature and is never looked at.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Surface;
use crate::connectwise::{ConnectWise, KeyError};
use crate::domain::callback::{Callback, CallbackError, KeyUrl, Parsed};
use crate::domain::delivery::{Accepted, Trigger};
use crate::domain::record::{ConnectionId, RecordKey};
use crate::domain::signature::{Signature, SignatureError, Verified, verify};
use crate::store::StoreError;

/// The longest time a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// What became of a delivery.
#[derive(Debug)]
enum Verdict {
    Accepted(Accepted),
    Unhandled(String),
    UnknownConnection,
    TooLarge,
    TooSlow,
    Unreadable(String),
    Unverified(String),
    Busy(String),
}

impl Verdict {
    fn name(&self) -> &'static str {
        match self {
            Self::Accepted(accepted) => accepted.as_str(),
            Self::Unhandled(_) => "unhandled",
            Self::UnknownConnection => "unknown_connection",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Unreadable(_) => "unreadable",
            Self::Unverified(_) => "unverified",
            Self::Busy(_) => "busy",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Accepted(_) => StatusCode::OK,
            Self::Unhandled(_) => StatusCode::NO_CONTENT,
            Self::UnknownConnection => StatusCode::GONE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::Unverified(_) => StatusCode::UNAUTHORIZED,
            Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl From<CallbackError> for Verdict {
    fn from(error: CallbackError) -> Self {
        match error {
            CallbackError::Unreadable(_) => Self::Unreadable(error.to_string()),
            CallbackError::KeyRefused(_) => Self::Unverified(error.to_string()),
        }
    }
}

impl From<SignatureError> for Verdict {
    fn from(error: SignatureError) -> Self {
        Self::Unverified(error.to_string())
    }
}

impl From<KeyError> for Verdict {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Passing(cause) => Self::Busy(format!("the signing key cannot be had now: {cause}")),
            KeyError::Refused(cause) => Self::Unverified(format!("the signing key cannot be had: {cause}")),
        }
    }
}

impl From<StoreError> for Verdict {
    fn from(error: StoreError) -> Self {
        Self::Busy(error.to_string())
    }
}

/// `POST /callbacks/{connection}`.
pub(super) async fn receive(
    State(surface): State<Arc<Surface>>,
    Path(connection): Path<String>,
    request: Request<Body>,
) -> Response {
    let begun = Instant::now();
    let known = connection.parse::<ConnectionId>().ok().and_then(|id| surface.parts.connections.get_key_value(&id));
    let verdict = match known {
        None => Verdict::UnknownConnection,
        Some((id, door)) => admit(&surface, id, &door.client, request).await.unwrap_or_else(|verdict| verdict),
    };
    // A name that is not configured is the sender's, and must not become a label.
    let label = known.map_or("unknown", |(id, _)| id.as_str());
    surface.parts.metrics.callback(label, verdict.name(), begun.elapsed());
    answer(label, &verdict)
}

fn answer(connection: &str, verdict: &Verdict) -> Response {
    let status = verdict.status();
    let detail = match verdict {
        Verdict::Unreadable(detail) | Verdict::Unverified(detail) | Verdict::Busy(detail) => {
            tracing::warn!(connection, verdict = verdict.name(), detail, "callback refused");
            // Why a signature is wrong helps only a forger.
            if status == StatusCode::UNAUTHORIZED { "the callback could not be verified" } else { detail.as_str() }
        }
        Verdict::Unhandled(kind) => {
            tracing::debug!(connection, kind, "callback of a type that is not posted");
            ""
        }
        Verdict::Accepted(_) => {
            tracing::debug!(connection, verdict = verdict.name(), "callback stored");
            ""
        }
        Verdict::UnknownConnection | Verdict::TooLarge | Verdict::TooSlow => {
            tracing::warn!(connection, verdict = verdict.name(), "callback refused");
            ""
        }
    };
    let body = match status {
        StatusCode::NO_CONTENT => String::new(),
        _ if detail.is_empty() => serde_json::json!({ "verdict": verdict.name() }).to_string(),
        _ => serde_json::json!({ "verdict": verdict.name(), "detail": detail }).to_string(),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    if status != StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    if matches!(verdict, Verdict::TooLarge | Verdict::TooSlow) {
        // The rest of the body is not read, so the connection cannot be used again.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn admit(
    surface: &Surface,
    connection: &ConnectionId,
    door: &ConnectWise,
    request: Request<Body>,
) -> Result<Verdict, Verdict> {
    let (head, body) = request.into_parts();
    let signature = signature(&head.headers)?;
    let body = read(body, &head.headers, surface.body_bytes_max).await?;
    let key_url = door.key_url(&body)?;
    let _slot =
        surface.verifying.try_acquire().map_err(|_| Verdict::Busy("too many callbacks at the same time".to_owned()))?;
    let verified = verified(&body, &signature, &key_url, door).await?;
    let callback = match Callback::parse(&verified)? {
        Parsed::Record(callback) => callback,
        Parsed::Unhandled(kind) => return Ok(Verdict::Unhandled(kind)),
    };
    let key = RecordKey { connection: connection.clone(), kind: callback.kind, source: callback.source };
    let trigger = Trigger::Callback { message: callback.message, action: callback.action, member: callback.member };
    Ok(Verdict::Accepted(surface.parts.store.accept(&key, trigger, surface.parts.clock.now()).await?))
}

/// The one signature header.
fn signature(headers: &HeaderMap) -> Result<Signature, SignatureError> {
    let mut values = headers.get_all("x-content-signature").iter();
    match (values.next(), values.next()) {
        (Some(only), None) => Signature::parse(Some(only.as_bytes())),
        _ => Signature::parse(None),
    }
}

/// The whole body, if it is small and quick enough.
async fn read(body: Body, headers: &HeaderMap, bytes_max: usize) -> Result<Vec<u8>, Verdict> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > bytes_max)) {
        return Err(Verdict::TooLarge);
    }
    match tokio::time::timeout(BODY_TIME, Limited::new(body, bytes_max).collect()).await {
        Err(_) => Err(Verdict::TooSlow),
        Ok(Ok(body)) => Ok(body.to_bytes().to_vec()),
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Verdict::TooLarge),
        Ok(Err(error)) => Err(Verdict::Unreadable(format!("the body did not arrive whole: {error}"))),
    }
}

/// Verifies with the cached key, and once more with a fresh one, because keys are rotated.
async fn verified<'body>(
    body: &'body [u8],
    signature: &Signature,
    key_url: &KeyUrl,
    door: &ConnectWise,
) -> Result<Verified<'body>, Verdict> {
    let key = door.signing_key(key_url).await?;
    match verify(body, signature, &key) {
        Ok(verified) => Ok(verified),
        Err(mismatch) => match door.signing_key_again(key_url, &key).await? {
            Some(fresh) => Ok(verify(body, signature, &fresh)?),
            None => Err(mismatch.into()),
        },
    }
}
