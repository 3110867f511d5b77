//! Connecting an organisation of Xero over HTTP, for the command that has the browser.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Surface;
use super::access::Decider;
use super::error::Problem;
use super::extract::{Path, Sent};
use crate::pipeline::connect::{Answered, Ended, NotConnected, Tenant};

/// An attempt to connect an organisation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    /// Name of the company in the configuration.
    pub company: String,
    /// What a person opens in a browser.
    pub address: String,
    /// What Xero's answer has to carry.
    pub state: String,
    /// Until when the answer is taken.
    pub until: Timestamp,
}

/// What became of an attempt.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConnectedView {
    /// Name of the company in the configuration.
    pub company: String,
    /// The organisation that it is connected to; none = one of `organisations` is to be named.
    pub connected: Option<Tenant>,
    /// The organisations that the app was let into.
    pub organisations: Vec<Tenant>,
}

/// What begins an attempt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConnectAttempt)]
pub(super) struct Asked {
    /// Where Xero sends the browser back to, as it is registered in the app.
    redirect: String,
}

/// What Xero answered, as the browser brought it, or which organisation it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConnectAnswer)]
pub(super) struct Answer {
    /// The `state` of the attempt.
    state: String,
    /// The `code` that Xero gave; not when only the organisation is named.
    #[serde(default)]
    code: Option<String>,
    /// The organisation, where there are several.
    #[serde(default)]
    tenant: Option<Uuid>,
}

impl From<NotConnected> for Problem {
    fn from(error: NotConnected) -> Self {
        let status = match &error {
            NotConnected::NoCompany(_) => StatusCode::NOT_FOUND,
            NotConnected::NotNow(_) => StatusCode::CONFLICT,
            NotConnected::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            NotConnected::Passing(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

/// Begins to connect a company to its organisation: gives the address that a person opens in a browser.
#[utoipa::path(post, path = "/api/v1/companies/{company}/connect", operation_id = "begin_connect", tag = "companies",
    params(("company" = String, Path, description = "Its id in the configuration.")), request_body = Asked,
    responses(
        (status = 200, description = "The attempt; it is good for 30 minutes.", body = AttemptView),
        (status = 404, description = "There is no such company."),
        (status = 409, description = "The company has a custom connection, which is authorised in Xero alone."),
        (status = 422, description = "The redirect is none that Xero takes."),
    ), security(("token" = ["operator"])))]
pub(super) async fn begin(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Path(company): Path<String>,
    Sent(Asked { redirect }): Sent<Asked>,
) -> Result<Json<AttemptView>, Problem> {
    let begun = surface.connects.begin(&surface.parts, &company, &redirect)?;
    tracing::info!(company, by = operator.name, "an operator connects the organisation");
    let (address, state) = (begun.address.to_string(), begun.state.expose_secret().to_owned());
    Ok(Json(AttemptView { company, address, state, until: begun.until }))
}

/// Ends an attempt by what Xero answered. The refresh token is durable before it is used, and never leaves the service.
#[utoipa::path(post, path = "/api/v1/companies/{company}/connect/answer", operation_id = "answer_connect", tag = "companies",
    params(("company" = String, Path, description = "Its id in the configuration.")), request_body = Answer,
    responses(
        (status = 200, description = "It is connected, or `organisations` are named of which one is to be chosen.", body = ConnectedView),
        (status = 404, description = "There is no such company."),
        (status = 409, description = "The answer was brought before, is too late or of another attempt, or the company has a custom connection."),
        (status = 422, description = "Xero does not take the code, or the organisation is not the right one."),
    ), security(("token" = ["operator"])))]
pub(super) async fn answer(
    State(surface): State<Arc<Surface>>,
    Decider(operator): Decider,
    Path(company): Path<String>,
    Sent(answer): Sent<Answer>,
) -> Result<Json<ConnectedView>, Problem> {
    let Answer { state, code, tenant } = answer;
    let answered = Answered { state, code: code.map(SecretString::from), tenant };
    let (ending, id) = (Arc::clone(&surface), company.clone());
    // A code works once: what was begun with it is ended, also when nobody waits for it any more.
    let ended = tokio::spawn(async move { ending.connects.answer(&ending.parts, &id, answered, operator.name).await });
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "it failed; the log says where");
    let Ended { connected, organisations } = ended.await.map_err(failed)??;
    Ok(Json(ConnectedView { company, connected, organisations }))
}
