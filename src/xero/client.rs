//! One organisation: how a call is admitted, sent and judged, whatever it is about.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use uuid::Uuid;

use super::TokenVault;
use super::budget::{Budget, BudgetView, Purpose, Slot, later};
use super::contacts::Contacts;
use super::error::{CompanyFault, XeroError};
use super::journals;
use super::reference::Reference;
use super::token::{Access, FAULT_PAUSE, Grant, Tokens};
use super::wire;
use crate::clock::Clock;
use crate::domain::hold::{HoldCode, HoldReason};
use crate::remote::{self, Answer, RemoteError};

/// Whom errors are about.
pub(super) const SYSTEM: &str = "Xero";
/// How often a read is tried within seconds.
const READ_TRIES: u32 = 2;

/// How one Xero organisation is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base of the Accounting API: `https://api.xero.com/api.xro/2.0`.
    pub api_url: Url,
    /// The token endpoint: `https://identity.xero.com/connect/token`.
    pub token_url: Url,
    /// Where a person lets the app in: `https://login.xero.com/identity/connect/authorize`.
    pub authorize_url: Url,
    /// What the organisation is called in the configuration, for whoever reads a cure.
    pub name: String,
    /// Client id of the app.
    pub client_id: String,
    /// Client secret of the app; an app for PKCE has none.
    pub client_secret: Option<SecretString>,
    /// How access tokens are got.
    pub grant: Grant,
    /// Tenant id; a custom connection needs none, and another is told it when it is connected.
    pub tenant_id: Option<Uuid>,
    /// The longest time for one call; 60 s is usual.
    pub timeout: Duration,
    /// Calls in 60 s; Xero allows 60.
    pub minute_limit: u32,
}

/// The client of one organisation; shared in an [`Arc`].
#[derive(Debug)]
pub struct Xero {
    api_url: String,
    pub(super) http: reqwest::Client,
    pub(super) tokens: Arc<Tokens>,
    budget: Arc<Budget>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reference: Reference,
    pub(super) contacts: Contacts,
}

/// The right to one call: a valid token, a place among five, a call of the minute and of the day.
///
/// Whoever holds one asks nothing else of [`Xero`] meanwhile; dropping it gives the place back.
#[derive(Debug)]
pub struct Permit {
    slot: Slot,
    access: Access,
}

/// One call, as data.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Call<'a> {
    /// Below the base, such as `Invoices`.
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) modified_since: Option<Timestamp>,
    /// Makes it a PUT, or a POST.
    pub(super) write: Option<Write<'a>>,
}

/// How something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// By PUT, which can only create.
    Create,
    /// By POST to the address of what there is already.
    Change,
}

/// What is written, under which key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write<'a> {
    pub(super) how: How,
    pub(super) key: &'a str,
    pub(super) body: &'a str,
}

impl Xero {
    /// A client that has not called anybody yet.
    ///
    /// # Errors
    /// When the TLS roots of the system cannot be read.
    pub fn new(settings: Settings, vault: Arc<dyn TokenVault>, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        let http = remote::http_client(settings.timeout)?;
        Ok(Self {
            api_url: settings.api_url.as_str().trim_end_matches('/').to_owned(),
            budget: Budget::new(settings.minute_limit, Arc::clone(&clock)),
            tokens: Arc::new(Tokens::new(settings, http.clone(), vault, Arc::clone(&clock))),
            http,
            clock,
            reference: Reference::default(),
            contacts: Contacts::default(),
        })
    }

    /// Whether it lives on a refresh token, which ends when it is not used.
    #[must_use]
    pub fn refreshes(&self) -> bool {
        self.tokens.refreshes()
    }

    /// The organisation; none for a custom connection that names none, and before it is connected.
    #[must_use]
    pub fn tenant(&self) -> Option<Uuid> {
        self.tokens.tenant()
    }

    /// What is left of the calls.
    #[must_use]
    pub fn budget(&self) -> BudgetView {
        self.budget.view()
    }

    /// How many calls the minute has left, for whoever is about to prepare some.
    ///
    /// # Errors
    /// [`XeroError::Wait`] when it has none.
    pub fn room(&self) -> Result<u32, XeroError> {
        self.budget.room()
    }

    /// When work that is [`modest`](super::modest()) has so many calls of a minute; none when that is now. The day is
    /// not asked.
    #[must_use]
    pub fn spare_at(&self, wanted: u32) -> Option<Timestamp> {
        self.budget.spare_at(wanted)
    }

    /// Gets the right to one call to post with.
    ///
    /// It is taken before an intent is made durable, so that our own budget never refuses a request
    /// that is armed.
    ///
    /// # Errors
    /// [`XeroError::Wait`] and [`XeroError::Company`]; nothing was sent but, perhaps, for a token.
    pub async fn permit(&self) -> Result<Permit, XeroError> {
        self.admit(Purpose::Post).await
    }

    async fn admit(&self, purpose: Purpose) -> Result<Permit, XeroError> {
        let access = self.tokens.ready().await?;
        let slot = self.budget.slot(purpose).await?;
        Ok(Permit { slot, access })
    }

    /// Reads; a failure that passes is tried again within seconds.
    pub(super) async fn read(&self, purpose: Purpose, call: Call<'_>) -> Result<Answer, XeroError> {
        let outcome = remote::with_retry(READ_TRIES, || self.read_once(purpose, call)).await;
        match outcome {
            Ok(read) => read,
            Err(RemoteError::Transport { cause, .. }) => Err(XeroError::Unknown { cause, not_before: None }),
            Err(RemoteError::Failed { cause, .. }) => Err(XeroError::ServerError { cause }),
            Err(other) => Err(XeroError::Malformed { cause: other.to_string() }),
        }
    }

    /// Only what may pass in a moment is an error here; all else is the outcome.
    async fn read_once(&self, purpose: Purpose, call: Call<'_>) -> Result<Result<Answer, XeroError>, RemoteError> {
        let system = SYSTEM;
        let read = match self.admit(purpose).await {
            Ok(permit) => self.exchange(permit, call).await,
            Err(error) => Err(error),
        };
        match read {
            Err(XeroError::Unknown { cause, not_before: None }) => Err(RemoteError::Transport { system, cause }),
            Err(XeroError::ServerError { cause }) => Err(RemoteError::Failed { system, cause }),
            other => Ok(other),
        }
    }

    /// Sends the call once, or twice if Xero did not take the token, and sorts out what no endpoint needs to know.
    ///
    /// The answer has a status of 2xx, 3xx or 4xx other than 401, 403 and 429.
    pub(super) async fn exchange(&self, permit: Permit, call: Call<'_>) -> Result<Answer, XeroError> {
        let Permit { mut slot, mut access } = permit;
        let mut answer = self.send(&mut slot, &access, call).await?;
        // The right to journals may have been given since the token was; all else was there from the beginning.
        let may_be_given = !lacks_scope(&answer) || is_of_journals(call.path);
        if answer.status == StatusCode::UNAUTHORIZED && may_be_given {
            access = self.tokens.renew(&access).await?;
            answer = self.send(&mut slot, &access, call).await?;
        }
        match answer.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                self.tokens.forget(&access).await;
                Err(self.barred(&answer, call.path))
            }
            StatusCode::TOO_MANY_REQUESTS => Err(self.budget.throttled(&answer)),
            status if is_unknown(status) => Err(self.unknown(&answer)),
            status if status.is_server_error() => {
                Err(XeroError::ServerError { cause: format!("{status}: {}", answer.excerpt()) })
            }
            _ => Ok(answer),
        }
    }

    async fn send(&self, slot: &mut Slot, access: &Access, call: Call<'_>) -> Result<Answer, XeroError> {
        let url = format!("{}/{}", self.api_url, call.path);
        let mut request = match call.write {
            None => self.http.get(url),
            Some(Write { how, key, body }) => {
                let request = match how {
                    How::Create => self.http.put(url),
                    How::Change => self.http.post(url),
                };
                let request = request.header("idempotency-key", key);
                request.header("content-type", "application/json").body(body.to_owned())
            }
        };
        request = request.query(call.query).header("accept", "application/json");
        request = request.bearer_auth(access.token.expose_secret());
        if let Some(tenant) = self.tenant() {
            request = request.header("xero-tenant-id", tenant.to_string());
        }
        if let Some(since) = call.modified_since {
            // With the zone, as Xero's own SDKs send it and its OpenAPI has it; the guide's example has none.
            request = request.header("if-modified-since", since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        slot.send();
        match remote::send(SYSTEM, request).await {
            Ok(answer) => {
                self.budget.note(&answer);
                Ok(answer)
            }
            Err(error @ RemoteError::Malformed { .. }) => Err(XeroError::ServerError { cause: error.to_string() }),
            Err(error) => Err(XeroError::Unknown { cause: error.to_string(), not_before: None }),
        }
    }

    /// What is wrong with our rights, and who mends it.
    fn barred(&self, answer: &Answer, path: &str) -> XeroError {
        let said = wire::problem_detail(&answer.body);
        if lacks_scope(answer) && is_of_journals(path) {
            // Everything else can be posted without it.
            let sentence = format!(
                "The Xero app lacks the scope accounting.manualjournals ({said}). Enable it for the app and connect again, or let the rules post no journals."
            );
            let reason = HoldReason::new(HoldCode::RefusedByXero, sentence);
            return XeroError::Refused(reason.caused_by("scope accounting.manualjournals"));
        }
        let (kind, cause) = if lacks_scope(answer) {
            let cause = format!(
                "The Xero app lacks a scope for this call ({said}). Enable accounting.invoices, accounting.contacts and accounting.settings.read for it and connect again."
            );
            (CompanyFault::ScopeMissing, cause)
        } else if answer.status == StatusCode::FORBIDDEN {
            let cause = format!(
                "Xero gives no access to the organisation ({said}). Check `tenant_id`, and whether the organisation is still connected to the app{}.",
                self.tokens.or_connect()
            );
            (CompanyFault::Tenant, cause)
        } else {
            let cause = format!("Xero takes no token of this app ({said}). {}", self.tokens.connect_again());
            (CompanyFault::Token, cause)
        };
        XeroError::Company { kind, cause, until: later(self.clock.now(), FAULT_PAUSE) }
    }

    fn unknown(&self, answer: &Answer) -> XeroError {
        let said = answer.excerpt();
        // Without a time from Xero the queue's own delays are used: short at first, because most outages
        // are, and a request whose outcome is unknown is best repeated while its key lives.
        let asked = answer.retry_after().and_then(|wait| SignedDuration::try_from(wait).ok());
        let not_before = asked.map(|pause| later(self.clock.now(), pause));
        XeroError::Unknown { cause: format!("{}: {said}", answer.status), not_before }
    }
}

fn is_of_journals(path: &str) -> bool {
    path.split('/').next() == Some(journals::COLLECTION)
}

/// Statuses that gateways answer with, too, and that say nothing about the request.
fn is_unknown(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 409 | 425 | 502..=504 | 520..=527)
}

/// A missing scope is 401 with this detail, and Xero misspells it in the header.
fn lacks_scope(answer: &Answer) -> bool {
    let header = answer.header("www-authenticate").unwrap_or_default().to_ascii_lowercase();
    let named = header.contains("insufficent_scope") || header.contains("insufficient_scope");
    let detail = wire::problem_detail(&answer.body).to_ascii_lowercase();
    answer.status == StatusCode::UNAUTHORIZED && (named || detail.contains("authorizationunsuccessful"))
}
