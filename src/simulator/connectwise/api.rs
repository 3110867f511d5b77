//! The HTTP surface: which root a call arrives at, who makes it, and the headers of every answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use super::key::KEY_PATH;
use super::reply::{Call, Reply};
use super::routes::route;
use super::state::State;

const LEGACY_ROOT: &str = "/v4_6_release/apis/3.0/";
const BODY_BYTES_MAX: usize = 4 << 20;

/// The state of a tenant, shared between its server and who tests with it.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) latency: Duration,
    state: Mutex<State>,
}

impl Tenant {
    pub(super) fn new(state: State) -> Self {
        Self { latency: state.settings.latency, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The router of a tenant.
pub(super) fn router(tenant: Arc<Tenant>) -> Router {
    Router::new().fallback(handle).with_state(tenant)
}

async fn handle(Shared(tenant): Shared<Arc<Tenant>>, request: Request) -> Response<Body> {
    // Even a sleep of no time ends with the next tick of a millisecond.
    if !tenant.latency.is_zero() {
        tokio::time::sleep(tenant.latency).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return Reply::error(413, "ConnectWiseApi", "The request is too large.").into_response();
    };
    let mut state = tenant.lock();
    let call = Call {
        address: format!("{}{}", state.site, parts.uri.path()),
        path: parts.uri.path().to_owned(),
        query: form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        method: parts.method,
        headers: parts.headers,
        body,
    };
    answer(&mut state, call).into_response()
}

fn answer(state: &mut State, mut call: Call) -> Reply {
    if let Some(company) = call.path.strip_prefix("/login/companyinfo/") {
        return Reply::ok(&company_info(state, company)).with_header("content-type", "application/json".to_owned());
    }
    if call.path.strip_suffix(KEY_PATH).is_some_and(|codebase| codebase.matches('/').count() == 1) {
        return state.key_answer(&call.query).with_header("content-type", "application/json".to_owned());
    }
    let current_root = format!("/{}apis/3.0/", state.codebase);
    let legacy = || call.path.strip_prefix(LEGACY_ROOT).filter(|_| state.legacy_path);
    let path = call.path.strip_prefix(&current_root).or_else(legacy);
    let version = call.header("accept").and_then(|accept| accept.split_once("version=")).map(|(_, version)| version);
    let version = version.unwrap_or("2025.1").to_owned();
    let reply = match path.map(|path| path.trim_matches('/').to_owned()) {
        None => Reply::no_endpoint(),
        Some(path) => refusal(state, &call).unwrap_or_else(|| {
            call.path = path;
            route(state, &call)
        }),
    };
    reply
        .with_header("content-type", format!("application/vnd.connectwise.com+json; version={version}"))
        .with_header("api-current-version", version)
        .with_header("x-cw-request-id", Uuid::new_v4().to_string())
        .with_header("x-server-name", "SIMULATOR".to_owned())
}

/// Why the caller is not let in, if so.
fn refusal(state: &State, call: &Call) -> Option<Reply> {
    let Some(given) = call.header("authorization").and_then(|value| value.strip_prefix("Basic ")) else {
        return Some(Reply::json(401, &json!({"code": "ConnectWiseApi", "message": "UserNotAuthenticated"})));
    };
    let settings = &state.settings;
    let plain = format!("{}+{}:{}", settings.company, settings.public_key, settings.private_key);
    if state.credentials_refused || given != STANDARD.encode(plain) {
        return Some(Reply::error(401, "Unauthorized", "Incorrect public/private key"));
    }
    if call.header("clientid") != Some(settings.client_id.as_str()) {
        return Some(Reply::error(401, "Unauthorized", "A valid clientId is required"));
    }
    None
}

/// What discovery answers: nothing but null for a company that is not here.
fn company_info(state: &State, company: &str) -> Value {
    if !company.eq_ignore_ascii_case(&state.settings.company) {
        return Value::Null;
    }
    let version = state.codebase.trim_end_matches('/').replace('_', ".");
    json!({"CompanyName": state.settings.company, "Codebase": state.codebase, "VersionCode": version,
        "VersionNumber": "v4.6.91234", "CompanyID": state.settings.company, "IsCloud": "True",
        "SiteUrl": state.site.trim_start_matches("http://")})
}
