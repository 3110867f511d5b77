//! Who asks: bearer tokens, and for looking the token as the password of basic authentication or a session's cookie.
//! On the page a session decides, too, by forms that were made for it.

use std::sync::{Arc, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, Method, StatusCode, header, request};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::Surface;
use super::error::Problem;
use super::page;
use super::session::Session;
use crate::config::{Operator, Role};
use crate::domain::text::{hex, same};

/// Someone who may look.
#[derive(Clone, Debug)]
pub(super) struct Viewer;

/// Someone who may decide.
#[derive(Clone, Debug)]
pub(super) struct Decider(pub(super) Operator);

impl FromRequestParts<Arc<Surface>> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, surface: &Arc<Surface>) -> Result<Self, Problem> {
        identify(parts, surface).map(|_| Self)
    }
}

impl FromRequestParts<Arc<Surface>> for Decider {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, surface: &Arc<Surface>) -> Result<Self, Problem> {
        let operator = identify(parts, surface)?;
        decider(&operator).cloned().map(Self)
    }
}

/// Someone who looks at a page. With a session they may also send its forms.
pub(super) struct Looker {
    pub(super) operator: Operator,
    pub(super) session: Option<Session>,
}

impl Looker {
    /// The key for a form, if this person may decide by one.
    pub(super) fn form_key(&self) -> Option<&str> {
        let session = self.session.as_ref().filter(|_| self.operator.role == Role::Operator);
        session.map(|session| session.form_key.as_str())
    }

    /// Whether a form that was sent is one that was made for this person, who may decide.
    pub(super) fn decides_by(&self, form_key: &str) -> Result<&Operator, Problem> {
        let made = self.session.as_ref().is_some_and(|session| session.made(form_key));
        if !made {
            let detail = "the form is of another session: go back, load the page again and decide once more";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        decider(&self.operator)
    }
}

impl FromRequestParts<Arc<Surface>> for Looker {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut request::Parts, surface: &Arc<Surface>) -> Result<Self, Response> {
        if let Some((operator, session)) = signed_in(&parts.headers, surface) {
            surface.pace.take(&operator.name).map_err(|wait| Problem::too_many(wait).into_response())?;
            return Ok(Self { operator, session: Some(session) });
        }
        match identify(parts, surface) {
            Ok(operator) => Ok(Self { operator, session: None }),
            // Back to a page that can be looked at; what a form sent is not kept.
            Err(_) if parts.method == Method::GET => {
                Err(page::to_sign_in(parts.uri.path_and_query().map_or("/status", |path| path.as_str())))
            }
            Err(_) => Err(page::to_sign_in("/status")),
        }
    }
}

/// The operator whose session the cookie names.
fn signed_in(headers: &HeaderMap, surface: &Surface) -> Option<(Operator, Session)> {
    let session = surface.sessions.of(headers, surface.parts.clock.now())?;
    // The token may have left the configuration since.
    Some((operator_with(&session.token_sha256, surface)?, session))
}

/// The operator whose token this is.
pub(super) fn operator_of(token: &str, surface: &Surface) -> Option<Operator> {
    operator_with(&hex(&Sha256::digest(token.as_bytes())), surface)
}

fn operator_with(token_sha256: &str, surface: &Surface) -> Option<Operator> {
    let operators = surface.operators.read().unwrap_or_else(PoisonError::into_inner);
    operators.iter().find(|operator| same(&operator.token_sha256, token_sha256)).cloned()
}

fn decider(operator: &Operator) -> Result<&Operator, Problem> {
    match operator.role {
        Role::Operator => Ok(operator),
        Role::Viewer => Err(Problem::new(StatusCode::FORBIDDEN, "a viewer may look, but not decide")),
    }
}

fn identify(parts: &request::Parts, surface: &Surface) -> Result<Operator, Problem> {
    let problem = || Problem::new(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer …");
    // A cookie is good for looking only: what other sites cause a browser to send could carry it.
    if matches!(parts.method, Method::GET | Method::HEAD)
        && let Some((operator, _)) = signed_in(&parts.headers, surface)
    {
        surface.pace.take(&operator.name).map_err(Problem::too_many)?;
        return Ok(operator);
    }
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(problem)?;
    let (scheme, credentials) = header.split_once(' ').ok_or_else(problem)?;
    let token = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => credentials.trim().to_owned(),
        // A browser sends a remembered password with requests that other sites cause: good for looking only.
        "basic" if parts.method == Method::GET || parts.method == Method::HEAD => {
            let decoded = STANDARD.decode(credentials.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            decoded
                .and_then(|pair| pair.split_once(':').map(|(_, password)| password.to_owned()))
                .ok_or_else(problem)?
        }
        _ => return Err(problem()),
    };
    let Some(operator) = operator_of(&token, surface) else {
        surface.pace.stranger().map_err(Problem::too_many)?;
        return Err(problem());
    };
    surface.pace.take(&operator.name).map_err(Problem::too_many)?;
    Ok(operator)
}
