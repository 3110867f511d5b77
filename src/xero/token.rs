//! Access tokens: one at a time, renewed before they expire, by one request at a time.
//!
//! A refresh token is kept before anything is done with its access token: Xero takes the one before it
//! for 30 minutes only. So whoever gives up waiting for a token does not end the work that gets and keeps it.

use std::sync::{Arc, OnceLock};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use super::budget::later;
use super::client::{SYSTEM, Settings};
use super::error::{CompanyFault, XeroError};
use super::wire::{self, TokenAnswer};
use super::{Connected, TokenVault};
use crate::clock::Clock;
use crate::remote::{self, Answer, RemoteError, Secrets};

/// What readypost asks for; a custom connection may be given more.
pub(super) const SCOPES: &str = "accounting.invoices accounting.payments accounting.contacts accounting.settings.read";
/// What is asked for besides. An app that may not have it posts all but journals.
pub(super) const JOURNALS_SCOPE: &str = "accounting.manualjournals";
/// A token is renewed this long before it expires.
const MARGIN: SignedDuration = SignedDuration::from_mins(2);
/// Life of an access token when Xero does not say it.
const LIFE_S: u32 = 1800;
/// A refusal is believed this long, so that a backlog does not ask again and again.
const REFUSAL_LIFE: SignedDuration = SignedDuration::from_secs(10);
/// The longest pause after failures of the token endpoint, in seconds.
const PAUSE_S_MAX: i64 = 60;
/// When a fault that a person mends is looked at again.
pub(super) const FAULT_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// How access tokens are got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A custom connection: by client id and secret alone.
    ClientCredentials,
    /// A web app: by a refresh token that changes with each use.
    RefreshToken,
}

/// An access token, and which one it is.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) token: SecretString,
    serial: u64,
}

/// Gets and keeps the tokens of one organisation.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) settings: Settings,
    http: reqwest::Client,
    vault: Arc<dyn TokenVault>,
    clock: Arc<dyn Clock>,
    /// The organisation, once it is known.
    tenant: OnceLock<Uuid>,
    state: Arc<Mutex<State>>,
}

/// What Xero gave for a code; nothing of it is kept or used yet.
#[derive(Clone, Debug)]
pub struct Granted {
    pub(super) access: SecretString,
    pub(super) refresh: SecretString,
    expires_in: Option<u32>,
    asked_at: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Current>,
    /// Granted, but its refresh token could not be kept yet.
    unsaved: Option<(Current, SecretString)>,
    failed: Option<(Timestamp, XeroError)>,
    failures: u32,
    serial: u64,
}

#[derive(Clone, Debug)]
struct Current {
    access: Access,
    renew_at: Timestamp,
    expires_at: Timestamp,
}

impl Tokens {
    pub(super) fn new(
        settings: Settings,
        http: reqwest::Client,
        vault: Arc<dyn TokenVault>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let tenant = settings.tenant_id.map(OnceLock::from).unwrap_or_default();
        Self { settings, http, vault, clock, tenant, state: Arc::default() }
    }

    pub(super) fn tenant(&self) -> Option<Uuid> {
        self.tenant.get().copied()
    }

    /// Who mends a token that is dead or missing, and how.
    pub(super) fn connect_again(&self) -> String {
        match self.settings.grant {
            Grant::ClientCredentials => "Connect the custom connection to the organisation again in Xero.".to_owned(),
            Grant::RefreshToken => format!("Run `readypost xero connect --company {}`.", self.settings.name),
        }
    }

    /// What else may be done when the organisation is not there; nothing for a custom connection.
    pub(super) fn or_connect(&self) -> String {
        match self.settings.grant {
            Grant::ClientCredentials => String::new(),
            Grant::RefreshToken => {
                format!("; `readypost xero connect --company {}` connects it anew", self.settings.name)
            }
        }
    }

    /// Takes what a person has just been given in Xero instead of all tokens before: durably first, and not while
    /// one of them is being renewed.
    ///
    /// # Errors
    /// When it cannot be kept, or another organisation was connected meanwhile. Nothing has changed then.
    pub(super) async fn adopt(&self, granted: &Granted, tenant: Uuid, by: String) -> Result<(), String> {
        let mut state = self.state.lock().await;
        if self.tenant().is_some_and(|known| known != tenant) {
            return Err("another organisation was connected meanwhile".to_owned());
        }
        self.vault.connect(Connected { token: granted.refresh.clone(), tenant, by }).await?;
        let _ = self.tenant.set(tenant);
        let serial = state.serial.saturating_add(1);
        let current = current(granted.access.clone(), (granted.expires_in, granted.asked_at), serial);
        *state = State { serial, current: Some(current), ..State::default() };
        Ok(())
    }

    /// Asks the token endpoint; what was sent is not in the answer.
    pub(super) async fn ask(&self, form: &[(&str, &str)]) -> Result<Answer, RemoteError> {
        let Settings { client_id, client_secret, token_url, .. } = &self.settings;
        let request = self.http.post(token_url.clone()).header("accept", "application/json");
        let request = match client_secret {
            Some(secret) => request.basic_auth(client_id, Some(secret.expose_secret())).form(form),
            // An app without a secret says who it is, and proves it by what it has.
            None => request.form(&form.iter().chain(&[("client_id", client_id.as_str())]).collect::<Vec<_>>()),
        };
        let mut answer = remote::send_secret(SYSTEM, request).await?;
        if !answer.status.is_success() {
            let mut secrets = Secrets::default();
            let secret = |name: &str| ["refresh_token", "code", "code_verifier"].contains(&name);
            form.iter().filter(|(name, _)| secret(name)).for_each(|(_, value)| secrets.add(value));
            answer.body = secrets.mask(answer.body);
        }
        Ok(answer)
    }

    /// Exchanges a code for tokens, which are not used yet.
    ///
    /// # Errors
    /// The answer, if it is a refusal or unreadable.
    pub(super) async fn redeem(&self, form: &[(&str, &str)]) -> Result<Result<Granted, Answer>, RemoteError> {
        let asked_at = self.clock.now();
        let answer = self.ask(form).await?;
        let given = answer.status.is_success().then(|| wire::parse(&answer.body)).flatten();
        let Some(TokenAnswer { access_token, expires_in, refresh_token: Some(refresh) }) = given else {
            return Ok(Err(answer));
        };
        Ok(Ok(Granted { access: access_token.into(), refresh: refresh.into(), expires_in, asked_at }))
    }

    pub(super) fn refreshes(&self) -> bool {
        self.settings.grant == Grant::RefreshToken
    }

    /// A token that will be valid for a while.
    pub(super) async fn ready(self: &Arc<Self>) -> Result<Access, XeroError> {
        let state = Arc::clone(&self.state).lock_owned().await;
        self.valid(state).await
    }

    /// A newer token than the one that Xero did not take.
    pub(super) async fn renew(self: &Arc<Self>, refused: &Access) -> Result<Access, XeroError> {
        let mut state = Arc::clone(&self.state).lock_owned().await;
        state.forget(refused);
        self.valid(state).await
    }

    /// Lets the next call get a new token, because rights are fixed when a token is made.
    pub(super) async fn forget(&self, access: &Access) {
        self.state.lock().await.forget(access);
    }

    /// The token that is there, else a new one. The work on it has the lock with it, so that nobody else asks meanwhile,
    /// however many give up waiting.
    async fn valid(self: &Arc<Self>, mut state: OwnedMutexGuard<State>) -> Result<Access, XeroError> {
        let now = self.clock.now();
        if let Some(current) = state.current.as_ref().filter(|current| now < current.renew_at) {
            return Ok(current.access.clone());
        }
        let tokens = Arc::clone(self);
        let obtained = remote::to_its_end(async move { tokens.obtain(&mut state).await }).await;
        let failed = || XeroError::Wait {
            until: later(now, SignedDuration::from_secs(1)),
            cause: "getting a token failed inside readypost; its log says where".to_owned(),
        };
        obtained.unwrap_or_else(|| Err(failed()))
    }

    async fn obtain(&self, state: &mut State) -> Result<Access, XeroError> {
        let now = self.clock.now();
        let failed = state.failed.as_ref().filter(|(until, _)| now < *until).map(|(_, error)| error.clone());
        let outcome = match failed {
            Some(error) => Err(error),
            None => self.fetch(state).await,
        };
        match outcome {
            Ok(current) => {
                let access = current.access.clone();
                state.current = Some(current);
                (state.failed, state.failures) = (None, 0);
                Ok(access)
            }
            // The margin is there for this: what is still valid is used while the endpoint is down.
            Err(XeroError::Wait { .. }) if state.current.as_ref().is_some_and(|held| now < held.expires_at) => {
                state.current.as_ref().map(|held| held.access.clone()).ok_or_else(|| self.no_token())
            }
            Err(error) => Err(error),
        }
    }

    /// Asks for a token, and remembers a failure for a while.
    async fn fetch(&self, state: &mut State) -> Result<Current, XeroError> {
        let outcome = match self.settings.grant {
            Grant::ClientCredentials => self.by_credentials(state).await,
            Grant::RefreshToken => self.by_refresh_token(state).await,
        };
        let now = self.clock.now();
        match &outcome {
            Err(error @ XeroError::Wait { until, .. }) => {
                state.failures = state.failures.saturating_add(1);
                state.failed = Some((*until, error.clone()));
            }
            Err(error) => state.failed = Some((later(now, REFUSAL_LIFE), error.clone())),
            Ok(_) => {}
        }
        outcome
    }

    async fn by_credentials(&self, state: &mut State) -> Result<Current, XeroError> {
        let all = format!("{SCOPES} {JOURNALS_SCOPE}");
        let mut granted = self.request(state, &[("grant_type", "client_credentials"), ("scope", &all)]).await;
        if let Err(XeroError::Company { kind: CompanyFault::InvalidScope, .. }) = &granted {
            granted = self.request(state, &[("grant_type", "client_credentials"), ("scope", SCOPES)]).await;
        }
        granted.map(|(current, _)| current)
    }

    async fn by_refresh_token(&self, state: &mut State) -> Result<Current, XeroError> {
        if let Some((current, token)) = state.unsaved.clone() {
            self.keep(state, token).await?;
            state.unsaved = None;
            if self.clock.now() < current.renew_at {
                return Ok(current);
            }
        }
        let token = self.vault.load().await.ok_or_else(|| self.no_token())?;
        let granted = match self.refresh(state, &token).await {
            // Another process may have used it, and kept its successor.
            Err(refused @ XeroError::Company { kind: CompanyFault::InvalidGrant, .. }) => {
                let again = self.vault.load().await;
                match again.filter(|again| again.expose_secret() != token.expose_secret()) {
                    Some(again) => self.refresh(state, &again).await,
                    None => Err(refused),
                }
            }
            other => other,
        };
        let (current, successor) = granted?;
        if let Some(successor) = successor {
            state.unsaved = Some((current.clone(), successor.clone()));
            self.keep(state, successor).await?;
            state.unsaved = None;
        }
        Ok(current)
    }

    async fn keep(&self, state: &State, token: SecretString) -> Result<(), XeroError> {
        let cause = |error| format!("the new refresh token could not be stored and is not used until it is: {error}");
        self.vault.keep(token).await.map_err(|error| self.pause(state, None, cause(error)))
    }

    async fn refresh(
        &self,
        state: &mut State,
        token: &SecretString,
    ) -> Result<(Current, Option<SecretString>), XeroError> {
        self.request(state, &[("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())]).await
    }

    /// The access token and, if there is one, the refresh token that follows the one sent.
    async fn request(
        &self,
        state: &mut State,
        form: &[(&str, &str)],
    ) -> Result<(Current, Option<SecretString>), XeroError> {
        // Its life is counted from before it was asked for.
        let asked_at = self.clock.now();
        let answer = self.ask(form).await.map_err(|error| self.pause(state, None, error.to_string()))?;
        if !answer.status.is_success() {
            return Err(self.refused(state, &answer));
        }
        let unreadable = || self.pause(state, None, "Xero's token answer was unreadable".to_owned());
        let TokenAnswer { access_token, expires_in, refresh_token } =
            wire::parse(&answer.body).ok_or_else(unreadable)?;
        state.serial = state.serial.saturating_add(1);
        let current = current(access_token.into(), (expires_in, asked_at), state.serial);
        Ok((current, refresh_token.map(SecretString::from)))
    }

    fn refused(&self, state: &State, answer: &Answer) -> XeroError {
        let status = answer.status;
        if status.is_server_error() || status == 429 || status == 408 {
            let cause = format!("Xero's token endpoint answered {status}: {}", answer.excerpt());
            let asked = answer.retry_after().and_then(|wait| SignedDuration::try_from(wait).ok());
            return self.pause(state, asked, cause);
        }
        let (error, again) = (wire::token_error(&answer.body), self.connect_again());
        let (kind, cure) = match error.as_str() {
            "invalid_grant" => (CompanyFault::InvalidGrant, again.as_str()),
            "unauthorized_client" => (
                CompanyFault::UnauthorizedClient,
                "Check the client id and the scopes of the app in Xero's developer portal.",
            ),
            "invalid_scope" => (
                CompanyFault::InvalidScope,
                "Enable the scopes that readypost needs for the app in Xero's developer portal.",
            ),
            _ => (CompanyFault::InvalidClient, "Check the client id and the client secret in the configuration."),
        };
        let said = if error.is_empty() { status.to_string() } else { error };
        self.company(kind, format!("Xero gives no token ({said}). {cure}"))
    }

    fn no_token(&self) -> XeroError {
        let cause = format!("There is no refresh token for Xero. {}", self.connect_again());
        self.company(CompanyFault::InvalidGrant, cause)
    }

    fn company(&self, kind: CompanyFault, cause: String) -> XeroError {
        XeroError::Company { kind, cause, until: later(self.clock.now(), FAULT_PAUSE) }
    }

    /// A pause that doubles with each failure, or is as long as Xero says.
    fn pause(&self, state: &State, asked: Option<SignedDuration>, cause: String) -> XeroError {
        let doubled = 1_i64.checked_shl(state.failures.min(10)).unwrap_or(PAUSE_S_MAX).min(PAUSE_S_MAX);
        let pause = asked.unwrap_or(SignedDuration::from_secs(doubled)).min(SignedDuration::from_hours(1));
        XeroError::Wait { until: later(self.clock.now(), pause), cause }
    }
}

/// A token with its life in seconds, as Xero says it, and since when it counts.
fn current(token: SecretString, (expires_in, asked_at): (Option<u32>, Timestamp), serial: u64) -> Current {
    let life = SignedDuration::from_secs(i64::from(expires_in.unwrap_or(LIFE_S)));
    let expires_at = later(asked_at, life);
    let renew_at = later(asked_at, life.saturating_sub(MARGIN).max(SignedDuration::from_secs(life.as_secs() / 2)));
    Current { access: Access { token, serial }, renew_at, expires_at }
}

impl State {
    fn forget(&mut self, access: &Access) {
        if self.current.as_ref().is_some_and(|held| held.access.serial == access.serial) {
            self.current = None;
        }
    }
}
