//! Signing in with a token, and out.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;

use super::{Here, Sheet};
use crate::http::Surface;
use crate::http::access::operator_of;
use crate::http::error::Problem;
use crate::http::extract::{Form, Query};
use crate::http::session::set_cookie;

/// Where to go once signed in.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Next {
    next: String,
}

/// What the form of this page sends.
#[derive(Deserialize)]
pub(super) struct Offered {
    token: String,
    #[serde(default)]
    next: String,
}

/// What ends a session.
#[derive(Deserialize)]
pub(super) struct Ended {
    form_key: String,
}

/// Sends somebody who is not signed in to the form, and back afterwards.
pub(in crate::http) fn redirect(path: &str) -> Response {
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", path).finish();
    Redirect::to(&format!("/status/sign-in?{query}")).into_response()
}

/// An address of ours; anything else leads to the first page.
pub(super) fn ours(address: &str) -> &str {
    let is_page = address == "/status" || address.starts_with("/status/") || address.starts_with("/status?");
    if is_page && !address.contains(['\\', '\n', '\r']) { address } else { "/status" }
}

/// `GET /status/sign-in`.
pub(super) async fn show(Query(Next { next }): Query<Next>) -> Response {
    form(&next, None)
}

fn form(next: &str, wrong: Option<&str>) -> Response {
    let body = html! {
        main #content {
            h1 { "readypost" }
            @if let Some(wrong) = wrong { p.banner role="alert" { (wrong) } }
            form.act method="post" action="/status/sign-in" {
                input type="hidden" name="next" value=(ours(next));
                label { "Token"
                    input type="password" name="token" autocomplete="current-password" required autofocus size="40"; }
                button.main type="submit" { "Sign in" }
            }
            p.quiet { "The token is yours alone: what you decide is kept with your name. " code { "readypost token" } " makes one for the configuration." }
        }
    };
    Sheet::new("Sign in", Here::Below).bare(&body)
}

/// `POST /status/sign-in`.
pub(super) async fn begin(
    State(surface): State<Arc<Surface>>,
    headers: HeaderMap,
    Form(Offered { token, next }): Form<Offered>,
) -> Response {
    let now = surface.parts.clock.now();
    let Some(operator) = operator_of(token.trim(), &surface) else {
        if let Err(wait) = surface.pace.stranger() {
            return Problem::too_many(wait).into_response();
        }
        tracing::warn!("somebody tried to sign in with a token that is not known");
        return (StatusCode::FORBIDDEN, form(&next, Some("This token is not in the configuration."))).into_response();
    };
    let Some(value) = surface.sessions.begin(&operator.token_sha256, now) else {
        let wrong = "The system has no random numbers now; try again.";
        return (StatusCode::SERVICE_UNAVAILABLE, form(&next, Some(wrong))).into_response();
    };
    tracing::info!(operator = operator.name, "signed in");
    ([(header::SET_COOKIE, set_cookie(Some(&value), &headers))], Redirect::to(ours(&next))).into_response()
}

/// `POST /status/sign-out`.
pub(super) async fn end(
    State(surface): State<Arc<Surface>>,
    headers: HeaderMap,
    Form(Ended { form_key }): Form<Ended>,
) -> Response {
    let session = surface.sessions.of(&headers, surface.parts.clock.now());
    if session.is_some_and(|session| session.made(&form_key)) {
        surface.sessions.end(&headers);
    }
    ([(header::SET_COOKIE, set_cookie(None, &headers))], Redirect::to("/status/sign-in")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for elsewhere in
            ["", "//evil.test", "https://evil.test", "/statusx", "/status/\\evil", "/api/v1/records", "/status/a\nb"]
        {
            assert_eq!(ours(elsewhere), "/status");
        }
        for here in ["/status", "/status/records?state=held", "/status?x", "/status/issues"] {
            assert_eq!(ours(here), here);
        }
    }
}
