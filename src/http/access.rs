//! Who asks: bearer tokens, and for looking in a browser the token as the password of basic authentication.

use std::sync::{Arc, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::{Method, StatusCode, header, request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::Surface;
use super::error::Problem;
use crate::config::{Operator, Role};
use crate::domain::text::hex;

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
        match operator.role {
            Role::Operator => Ok(Self(operator)),
            Role::Viewer => Err(Problem::new(StatusCode::FORBIDDEN, "a viewer may look, but not decide")),
        }
    }
}

fn identify(parts: &request::Parts, surface: &Surface) -> Result<Operator, Problem> {
    let problem = || Problem::new(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer …");
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
    let digest = hex(&Sha256::digest(token.as_bytes()));
    let operators = surface.operators.read().unwrap_or_else(PoisonError::into_inner);
    let Some(operator) = operators.iter().find(|operator| same(&operator.token_sha256, &digest)) else {
        surface.pace.stranger().map_err(Problem::too_many)?;
        return Err(problem());
    };
    surface.pace.take(&operator.name).map_err(Problem::too_many)?;
    Ok(operator.clone())
}

/// Compares without telling by time where two texts differ.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
