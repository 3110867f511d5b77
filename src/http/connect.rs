//! Connecting an organisation of Xero. The command that asks for it has the browser; the secrets stay here.
//!
//! Whoever asks gets an address for a person to open, and brings what Xero answered to it. Only the running service
//! has the store, so only it ever has a refresh token, and no two processes can spend the same one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Surface;
use super::access::{Decider, same};
use super::error::Problem;
use super::extract::{Path, Sent};
use crate::domain::record::CompanyId;
use crate::pipeline::{Company, Parts};
use crate::store::Event;
use crate::xero::{Attempt, ConnectError, Granted, Tenant};

/// How long a person may take. Xero's code itself lives for 5 minutes.
const ATTEMPT_LIFE: SignedDuration = SignedDuration::from_mins(30);

/// The attempts under way, one for a company: a new one takes the place of the one before it.
#[derive(Debug, Default)]
pub struct Connects(Mutex<BTreeMap<CompanyId, Pending>>);

#[derive(Debug)]
struct Pending {
    attempt: Attempt,
    until: Timestamp,
    /// What Xero gave, where it is still to be said for which organisation.
    granted: Option<Granted>,
}

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
pub(super) struct Answered {
    /// The `state` of the attempt.
    state: String,
    /// The `code` that Xero gave; not when only the organisation is named.
    #[serde(default)]
    code: Option<String>,
    /// The organisation, where there are several.
    #[serde(default)]
    tenant: Option<Uuid>,
}

impl Connects {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<CompanyId, Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, company: &CompanyId, pending: Pending) {
        self.lock().insert(company.clone(), pending);
    }

    /// The attempt that has this state. It is taken, so that of two answers one counts.
    fn take(&self, company: &CompanyId, state: &str, now: Timestamp) -> Option<Pending> {
        let mut pending = self.lock();
        let fits = |one: &Pending| now < one.until && same(one.attempt.state.expose_secret(), state);
        if pending.get(company).is_some_and(fits) { pending.remove(company) } else { None }
    }
}

impl From<ConnectError> for Problem {
    fn from(error: ConnectError) -> Self {
        let status = match &error {
            ConnectError::Passing(_) => StatusCode::SERVICE_UNAVAILABLE,
            ConnectError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
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
    if !may_be_redirect(&redirect) {
        let detail = "the redirect must be https, or http://localhost with a port: Xero takes no other";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let parts = surface.parts.current();
    let company = connectable(&parts, &company)?;
    let attempt = company.client.attempt(&redirect);
    let attempt = attempt
        .ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the system has no random numbers just now"))?;
    let now = surface.parts.clock.now();
    let until = now.saturating_add(ATTEMPT_LIFE).unwrap_or(now);
    let (address, state) = (attempt.address.to_string(), attempt.state.expose_secret().to_owned());
    surface.connects.put(&company.id, Pending { attempt, until, granted: None });
    tracing::info!(company = %company.id, by = operator.name, "an operator connects the organisation");
    Ok(Json(AttemptView { company: company.id.to_string(), address, state, until }))
}

/// Ends an attempt by what Xero answered. The refresh token is durable before it is used, and never leaves the service.
#[utoipa::path(post, path = "/api/v1/companies/{company}/connect/answer", operation_id = "answer_connect", tag = "companies",
    params(("company" = String, Path, description = "Its id in the configuration.")), request_body = Answered,
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
    Sent(answered): Sent<Answered>,
) -> Result<Json<ConnectedView>, Problem> {
    // A code works once: what was begun with it is ended, also when nobody waits for it any more.
    let ended = tokio::spawn(async move { end(&surface, operator.name, &company, answered).await });
    ended.await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "it failed; the log says where"))?.map(Json)
}

async fn end(surface: &Surface, by: String, company: &str, answered: Answered) -> Result<ConnectedView, Problem> {
    let Answered { state, code, tenant } = answered;
    let (parts, now) = (surface.parts.current(), surface.parts.clock.now());
    let company = connectable(&parts, company)?;
    let pending = surface.connects.take(&company.id, &state, now).ok_or_else(|| unknown(company))?;
    let granted = match (&pending.granted, code) {
        (Some(granted), _) => granted.clone(),
        (None, Some(code)) => company.client.redeem(&pending.attempt, &SecretString::from(code)).await?,
        (None, None) => return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "`code` is missing")),
    };
    let organisations = company.client.tenants(&granted).await?;
    let chosen = Choice { company, tenants: &organisations, asked: tenant, parts: &parts }.chosen();
    let chosen = chosen.map_err(|detail| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))?.cloned();
    let id = company.id.to_string();
    let Some(chosen) = chosen else {
        surface.connects.put(&company.id, Pending { granted: Some(granted), ..pending });
        return Ok(ConnectedView { company: id, connected: None, organisations });
    };
    company.client.connect(&granted, chosen.id, by.clone()).await?;
    tracing::info!(company = %company.id, tenant = %chosen.id, by, "the organisation is connected");
    if surface.parts.store.company(&company.id).rest.is_some() {
        surface.parts.store.note(Event::Awoke { company: company.id.clone() }, now).await?;
    }
    Ok(ConnectedView { company: id, connected: Some(chosen), organisations })
}

/// The company, if it is one that somebody connects.
fn connectable<'parts>(parts: &'parts Parts, name: &str) -> Result<&'parts Company, Problem> {
    let known = parts.companies.iter().find(|known| known.id.as_str() == name);
    let known = known.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, format!("there is no company {name:?}")))?;
    if known.client.refreshes() {
        return Ok(known);
    }
    let detail = format!(
        "{name} is a custom connection, which the organisation authorises in Xero alone. For a web app set `grant = \"refresh_token\"` in its [company.xero], then `readypost reload`"
    );
    Err(Problem::new(StatusCode::CONFLICT, detail))
}

fn unknown(company: &Company) -> Problem {
    let detail = format!(
        "this answer was brought before, is too late, or belongs to another attempt. Run `readypost xero connect --company {}` again",
        company.id
    );
    Problem::new(StatusCode::CONFLICT, detail)
}

/// What Xero takes as a redirect of an app.
fn may_be_redirect(redirect: &str) -> bool {
    redirect
        .parse::<Url>()
        .is_ok_and(|url| url.scheme() == "https" || (url.scheme() == "http" && url.host_str() == Some("localhost")))
}

/// Which organisation it is to be.
struct Choice<'a> {
    company: &'a Company,
    tenants: &'a [Tenant],
    /// The one that was named with the answer.
    asked: Option<Uuid>,
    parts: &'a Parts,
}

impl<'a> Choice<'a> {
    /// The organisation; none when there are several and nobody has named one.
    fn chosen(&self) -> Result<Option<&'a Tenant>, String> {
        let (id, named) = (&self.company.id, names(self.tenants));
        let again = format!("readypost xero connect --company {id}");
        let find = |wanted: Uuid| self.tenants.iter().find(|tenant| tenant.id == wanted);
        match (self.company.client.tenant(), self.asked) {
            _ if self.tenants.is_empty() => {
                Err(format!("The app was let into no organisation. Run `{again}` again, and choose one in Xero's list."))
            }
            (Some(known), Some(asked)) if known != asked => Err(format!(
                "{id} is connected to the organisation {known}, and another must not follow it by accident. If it is to be {asked}, set it as `tenant_id`, `readypost reload`, then run `{again}` again."
            )),
            (Some(known), _) => find(known).map(Some).ok_or_else(|| {
                format!(
                    "The app was let into {named}, and {id} is the organisation {known}. Run `{again}` again and choose that one in Xero's list, or mend `tenant_id`. Nothing was changed."
                )
            }),
            (None, Some(asked)) => find(asked).map(Some).ok_or_else(|| {
                format!("The app was let into {named}, and not into {asked}. Run `{again}` again. Nothing was changed.")
            }),
            (None, None) => self.only(),
        }
    }

    /// The only one that no other company has.
    fn only(&self) -> Result<Option<&'a Tenant>, String> {
        let others = self.parts.companies.iter().filter(|other| other.id != self.company.id);
        let taken: Vec<Uuid> = others.filter_map(|other| other.client.tenant()).collect();
        let free: Vec<&Tenant> = self.tenants.iter().filter(|tenant| !taken.contains(&tenant.id)).collect();
        match free.as_slice() {
            [] => Err(format!(
                "The app was let into {}, which other companies have. Run `readypost xero connect --company {}` again and choose another in Xero's list, or name it with --tenant.",
                names(self.tenants),
                self.company.id
            )),
            [only] => Ok(Some(only)),
            _ => Ok(None),
        }
    }
}

fn names(tenants: &[Tenant]) -> String {
    let names: Vec<String> = tenants.iter().map(|tenant| format!("{} ({})", tenant.name, tenant.id)).collect();
    names.join(", ")
}
