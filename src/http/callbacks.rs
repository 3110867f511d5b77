//! The door: verify over the raw bytes, store durably, then answer.
//!
//! ConnectWise retries only on 404, 409, 419 and 429 (developer guide, "When Callbacks Fail"), so an
//! honest delivery that cannot be verified or stored for a passing reason gets 429, and never a 5xx. The
//! query string is not covered by the signature and is never looked at.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Surface;
use super::body::{self, Unread};
use super::extract::Path;
use crate::connectwise::{ConnectWise, KeyError};
use crate::domain::callback::{Callback, CallbackError, KeyUrl, Parsed};
use crate::domain::delivery::{Accepted, Trigger};
use crate::domain::record::{ConnectionId, RecordKey};
use crate::domain::signature::{Signature, SignatureError, Verified, verify};
use crate::store::StoreError;

/// The longest time a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// The longest wait for the store: ConnectWise gives a callback 5 s and takes silence for a failure.
const STORE_TIME: Duration = Duration::from_secs(4);

/// What a body is told that there is no room for.
const FULL: &str = "too many bytes are waiting to be verified";

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

/// What is answered.
#[derive(Debug, Serialize, ToSchema)]
struct VerdictView<'verdict> {
    /// A stable word, such as accepted, duplicate or unverified.
    verdict: &'static str,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'verdict str>,
}

impl VerdictView<'_> {
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
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
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::Unverified(_) => StatusCode::UNAUTHORIZED,
            Self::TooSlow | Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl From<Unread> for Verdict {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::TooLarge,
            Unread::TooSlow => Self::TooSlow,
            Unread::Broken(cause) => Self::Unreadable(cause),
            Unread::NoRoom => Self::Busy(FULL.to_owned()),
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

/// Takes a callback of ConnectWise, once it is durable.
///
/// What is answered with 2xx is stored and synced. A callback that was stored before is answered in the same way.
#[utoipa::path(post, path = "/callbacks/{connection}", operation_id = "callback", tag = "doors",
    params(
        ("connection" = String, Path, description = "The ConnectWise system: its name in the configuration."),
        ("x-content-signature" = String, Header, description = "Base64 of the HMAC-SHA256 of the body, keyed with the SHA-256 of the signing key."),
    ),
    request_body(content = Object, description = "The callback as ConnectWise sends it."),
    responses(
        (status = 200, description = "It is stored, or was before.", body = VerdictView),
        (status = 204, description = "It is of a sort that nothing is posted for."),
        (status = 400, description = "It is not readable.", body = VerdictView),
        (status = 401, description = "The signature is not right.", body = VerdictView),
        (status = 410, description = "There is no such connection: it is to be called no more.", body = VerdictView),
        (status = 413, description = "It is too large.", body = VerdictView),
        (status = 429, description = "It cannot be stored now, or came too slowly: send it again.", body = VerdictView),
    ))]
pub(super) async fn receive(
    State(surface): State<Arc<Surface>>,
    Path(connection): Path<String>,
    request: Request<Body>,
) -> Response {
    let begun = Instant::now();
    let parts = surface.parts.current();
    let known = connection.parse::<ConnectionId>().ok().and_then(|id| parts.connections.get_key_value(&id));
    // Of which record it is, once that is known.
    let mut about = None;
    let verdict = match known {
        None => Verdict::UnknownConnection,
        Some((id, door)) => {
            let admitted = admit(&surface, (id, &door.client), request, &mut about).await;
            admitted.unwrap_or_else(|verdict| verdict)
        }
    };
    // A name that is not configured is the sender's, and must not become a label.
    let label = known.map_or("unknown", |(id, _)| id.as_str());
    surface.parts.metrics.callback(label, verdict.name(), begun.elapsed());
    answer(label, about.as_ref(), &verdict)
}

fn answer(connection: &str, about: Option<&RecordKey>, verdict: &Verdict) -> Response {
    let (status, key) = (verdict.status(), about.map(tracing::field::display));
    let detail = match verdict {
        Verdict::Unreadable(detail) | Verdict::Unverified(detail) | Verdict::Busy(detail) => {
            tracing::warn!(record.key = key, connection, verdict = verdict.name(), detail, "callback refused");
            // Why a signature is wrong helps only a forger.
            if status == StatusCode::UNAUTHORIZED { "the callback could not be verified" } else { detail.as_str() }
        }
        Verdict::Unhandled(kind) => {
            tracing::debug!(connection, kind, "callback of a type that is not posted");
            ""
        }
        Verdict::Accepted(_) => {
            tracing::debug!(record.key = key, connection, verdict = verdict.name(), "callback stored");
            ""
        }
        Verdict::UnknownConnection | Verdict::TooLarge | Verdict::TooSlow => {
            tracing::warn!(connection, verdict = verdict.name(), "callback refused");
            ""
        }
    };
    let body = match status {
        StatusCode::NO_CONTENT => String::new(),
        _ => VerdictView { verdict: verdict.name(), detail: Some(detail).filter(|detail| !detail.is_empty()) }.text(),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    if status != StatusCode::NO_CONTENT {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    let unread = matches!(verdict, Verdict::TooLarge | Verdict::TooSlow)
        || matches!(verdict, Verdict::Busy(cause) if cause == FULL);
    if unread {
        // The rest of the body is not read, so the connection cannot be used again.
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn admit(
    surface: &Surface,
    (connection, door): (&ConnectionId, &ConnectWise),
    request: Request<Body>,
    about: &mut Option<RecordKey>,
) -> Result<Verdict, Verdict> {
    let (head, body) = request.into_parts();
    let signature = signature(&head.headers)?;
    let (body, _held) = body::read(body, &head.headers, surface, BODY_TIME).await?;
    let key_url = door.key_url(&body)?;
    let _slot =
        surface.verifying.try_acquire().map_err(|_| Verdict::Busy("too many callbacks at the same time".to_owned()))?;
    let verified = verified(&body, &signature, &key_url, door).await?;
    let callback = match Callback::parse(&verified)? {
        Parsed::Record(callback) => callback,
        Parsed::Unhandled(kind) => return Ok(Verdict::Unhandled(kind)),
    };
    let key = RecordKey { connection: connection.clone(), kind: callback.kind, source: callback.source };
    let key = about.insert(key);
    let trigger = Trigger::Callback { message: callback.message, action: callback.action, member: callback.member };
    let accepting = surface.parts.store.accept(key, trigger, surface.parts.clock.now());
    // Should it be stored all the same, the next try is a duplicate.
    let accepted = tokio::time::timeout(STORE_TIME, accepting).await;
    Ok(Verdict::Accepted(accepted.map_err(|_| Verdict::Busy("the store does not answer".to_owned()))??))
}

/// The one signature header.
fn signature(headers: &HeaderMap) -> Result<Signature, SignatureError> {
    let mut values = headers.get_all("x-content-signature").iter();
    match (values.next(), values.next()) {
        (Some(only), None) => Signature::parse(Some(only.as_bytes())),
        _ => Signature::parse(None),
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
    let verified = match verify(body, signature, &key) {
        Ok(verified) => verified,
        Err(mismatch) => match door.signing_key_again(key_url, &key).await? {
            Some(fresh) => verify(body, signature, &fresh)?,
            None => return Err(mismatch.into()),
        },
    };
    door.signing_key_verified(key_url);
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_too_slow_is_asked_for_again() {
        let answer = answer("acme", None, &Verdict::TooSlow);
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "2");
        assert_eq!(answer.headers()[header::CONNECTION], "close");
    }
}
