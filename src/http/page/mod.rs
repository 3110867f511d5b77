//! The page: the same views as the JSON, for people. It works without scripts, and asks nothing of other hosts.

mod actions;
mod bulk;
mod checks;
mod home;
mod issues;
mod plot;
mod record;
mod records;
mod sign_in;

use axum::Router;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};
use std::sync::Arc;

use super::Surface;
use super::access::Looker;
use super::error::Detail;
use super::view::RecordView;
use crate::config::Role;

pub(super) use home::show as home;
pub(super) use sign_in::redirect as to_sign_in;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing but our own style and script, and forms only to ourselves.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The pages below `/status`.
pub(super) fn routes() -> Router<Arc<Surface>> {
    let record = "/status/records/{connection}/{kind}/{source}";
    Router::new()
        .route("/status/page.css", get(async || asset("text/css; charset=utf-8", STYLE)))
        .route("/status/page.js", get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/status/sign-in", get(sign_in::show).post(sign_in::begin))
        .route("/status/sign-out", post(sign_in::end))
        .route("/status/records", get(records::list))
        .route("/status/warnings", get(records::warnings))
        .route("/status/issues", get(issues::list))
        .route("/status/bulk", get(bulk::list).post(bulk::plan))
        .route("/status/bulk/{id}", get(bulk::show))
        .route("/status/bulk/{id}/{action}", post(bulk::decide))
        .merge(checks::routes())
        .route(record, get(record::show))
        .route(&format!("{record}/{{action}}"), post(actions::decide))
}

/// A problem becomes a page for whom looks at pages.
pub(super) async fn told(request: Request, next: Next) -> Response {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let is_page =
        request.uri().path().starts_with("/status") && accept.is_some_and(|kinds| kinds.contains("text/html"));
    let mut response = next.run(request).await;
    let Some(Detail(detail)) = response.extensions_mut().remove().filter(|_| is_page) else { return response };
    let body = html! {
        main #content {
            h1 { (response.status().canonical_reason().unwrap_or("Not possible")) }
            p.banner role="alert" { (detail) }
            p { a href="/status" { "To the status" } }
        }
    };
    let mut page = (response.status(), Sheet::new("Problem", Here::Below).bare(&body)).into_response();
    if let Some(seconds) = response.headers_mut().remove(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    page
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache"), NOSNIFF];
    (headers, text).into_response()
}

const NOSNIFF: (header::HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

/// A page of the navigation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Home,
    Issues,
    Records,
    Warnings,
    Bulk,
    Checks,
    /// None of them.
    Below,
}

/// What a page is.
struct Sheet<'looker> {
    title: &'looker str,
    here: Here,
    /// It is shown anew by itself after so many seconds.
    refresh: Option<u32>,
}

impl<'looker> Sheet<'looker> {
    fn new(title: &'looker str, here: Here) -> Self {
        Self { title, here, refresh: None }
    }

    fn refreshed(self, seconds: u32) -> Self {
        Self { refresh: Some(seconds), ..self }
    }

    /// The whole page for somebody who may look.
    fn show(&self, looker: &Looker, body: &Markup) -> Response {
        let link = |here: Here, address: &str, name: &str| {
            let current = (here == self.here).then_some("page");
            html! { a href=(address) aria-current=[current] { (name) } }
        };
        let top = html! {
            header.top { div {
                nav aria-label="Pages" {
                    (link(Here::Home, "/status", "Status"))
                    (link(Here::Issues, "/status/issues", "Issues"))
                    (link(Here::Warnings, "/status/warnings", "Warnings"))
                    (link(Here::Records, "/status/records", "Records"))
                    (link(Here::Bulk, "/status/bulk", "Bulk"))
                    (link(Here::Checks, "/status/checks", "Checks"))
                }
                @if let Some(session) = &looker.session {
                    form method="post" action="/status/sign-out" {
                        input type="hidden" name="form_key" value=(session.form_key);
                        span.quiet { (looker.operator.name) @if looker.operator.role == Role::Viewer { " (viewer)" } }
                        button type="submit" { "Sign out" }
                    }
                } @else { a href="/status/sign-in" { "Sign in" } }
            } }
        };
        self.bare(&html! { a.skip href="#content" { "To the content" } (top) main #content data-refresh=[self.refresh] { (body) } })
    }

    /// A page without the navigation.
    fn bare(&self, body: &Markup) -> Response {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · readypost" }
                    link rel="icon" href="data:,";
                    link rel="stylesheet" href="/status/page.css";
                    script src="/status/page.js" defer {}
                }
                body { (body) }
            }
        };
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            NOSNIFF,
        ];
        (headers, page.into_string()).into_response()
    }
}

fn link(record: &RecordView) -> Markup {
    let kind = record.key.split('/').nth(1).unwrap_or_default().replace('_', " ");
    html! {
        a href={ "/status/records/" (record.path) } { (record.number.as_ref().unwrap_or(&record.key)) }
        br;
        span.quiet { (kind) @if let Some(owner) = &record.owner { " · " (owner) } }
    }
}

fn amount(record: &RecordView) -> Markup {
    html! { @if let Some(total) = &record.total { (total) " " (text(record.currency.as_ref())) } @else { "–" } }
}

fn text(text: Option<&String>) -> &str {
    text.map(String::as_str).unwrap_or_default()
}

fn time(at: jiff::Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

/// A code, as a link to all records that have it.
fn code(name: &str, code: &str) -> Markup {
    html! { a.code href={ "/status/records?" (name) "=" (code) } { (code) } }
}
