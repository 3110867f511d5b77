//! What handlers take out of a request. What is wrong with it becomes a [`Problem`] that names it.

use axum::body::Bytes;
use axum::extract::{self, FromRequest, FromRequestParts, Request};
use axum::http::{StatusCode, header, request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::error::Problem;

/// The parts of the address.
pub(super) struct Path<T>(pub(super) T);

/// What follows the `?` of the address.
pub(super) struct Query<T>(pub(super) T);

/// A form of the page.
pub(super) struct Form<T>(pub(super) T);

/// A body that has to be JSON.
pub(super) struct Sent<T>(pub(super) T);

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DryRun {
    /// Only say what would be done.
    pub(super) dry_run: bool,
}

/// A part of a body that has to be an object, for the same reason as the whole.
pub(super) fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(part: D) -> Result<T, D::Error> {
    let fields = serde_json::Map::deserialize(part)?;
    serde_json::from_value(Value::Object(fields)).map_err(serde::de::Error::custom)
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Problem> {
        let read = extract::Path::from_request_parts(parts, state).await;
        read.map(|extract::Path(read)| Self(read)).map_err(|error| Problem::new(error.status(), error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Problem> {
        let read = extract::Query::from_request_parts(parts, state).await;
        read.map(|extract::Query(read)| Self(read)).map_err(|error| Problem::new(error.status(), error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = axum::Form::from_request(request, state).await;
        read.map(|axum::Form(read)| Self(read)).map_err(|error| Problem::new(error.status(), error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // A form of another site cannot send JSON without the browser asking first.
        let kind = request.headers().get(header::CONTENT_TYPE);
        if !kind.is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"application/json")) {
            let detail = "send application/json, such as {\"note\": \"why\"}";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        // A struct can be read from a list, too, and then nobody sees which field is which.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "the body is not readable: it is no JSON object"));
        }
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body is not readable: {error}")))
    }
}
