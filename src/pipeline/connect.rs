//! Connecting an organisation of Xero. Whoever asks has the browser; the secrets stay here.
//!
//! Whoever asks gets an address for a person to open, and brings what Xero answered to it. Only the running service
//! has the store, so only it ever has a refresh token, and no two processes can spend the same one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use uuid::Uuid;

use super::parts::{Company, Live, Parts};
use crate::domain::record::CompanyId;
use crate::domain::text::same;
use crate::store::{Event, StoreError};
pub use crate::xero::Tenant;
use crate::xero::{Attempt, ConnectError, Granted};

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

/// What a person opens in a browser, and until when its answer is taken.
#[derive(Debug)]
pub struct Begun {
    /// The address.
    pub address: Url,
    /// What Xero's answer has to carry.
    pub state: SecretString,
    /// Until when.
    pub until: Timestamp,
}

/// What Xero answered, or which organisation it is to be.
pub struct Answered {
    /// Which attempt.
    pub state: String,
    /// What Xero gave; not when only the organisation is named.
    pub code: Option<SecretString>,
    /// The organisation, where there are several.
    pub tenant: Option<Uuid>,
}

/// What an answer came to.
#[derive(Debug)]
pub struct Ended {
    /// The organisation that is connected; none = one of all is to be named.
    pub connected: Option<Tenant>,
    /// All that the app was let into.
    pub organisations: Vec<Tenant>,
}

/// Why an organisation was not connected.
#[derive(Debug, thiserror::Error)]
pub enum NotConnected {
    /// There is no such company.
    #[error("{0}")]
    NoCompany(String),
    /// The company cannot be connected so, or the answer is of no attempt.
    #[error("{0}")]
    NotNow(String),
    /// Somebody has to change something.
    #[error("{0}")]
    Refused(String),
    /// It may be another time.
    #[error("{0}")]
    Passing(String),
}

impl From<ConnectError> for NotConnected {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Passing(sentence) => Self::Passing(sentence),
            ConnectError::Refused(sentence) => Self::Refused(sentence),
        }
    }
}

impl From<StoreError> for NotConnected {
    fn from(error: StoreError) -> Self {
        Self::Passing(error.to_string())
    }
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

    /// Begins an attempt; Xero's answer goes to the redirect.
    ///
    /// # Errors
    /// Why there can be none.
    pub fn begin(&self, live: &Live, company: &str, redirect: &str) -> Result<Begun, NotConnected> {
        if !may_be_redirect(redirect) {
            let detail = "the redirect must be https, or http://localhost with a port: Xero takes no other";
            return Err(NotConnected::Refused(detail.to_owned()));
        }
        let parts = live.current();
        let company = connectable(&parts, company)?;
        let random = || NotConnected::Passing("the system has no random numbers just now".to_owned());
        let attempt = company.client.attempt(redirect).ok_or_else(random)?;
        let now = live.clock.now();
        let until = now.saturating_add(ATTEMPT_LIFE).unwrap_or(now);
        let begun = Begun { address: attempt.address.clone(), state: attempt.state.clone(), until };
        self.put(&company.id, Pending { attempt, until, granted: None });
        Ok(begun)
    }

    /// Ends an attempt by what Xero answered. What was begun with a code has to be carried to its end, because the
    /// code works once.
    ///
    /// # Errors
    /// Why nothing was connected.
    pub async fn answer(
        &self,
        live: &Live,
        company: &str,
        answered: Answered,
        by: String,
    ) -> Result<Ended, NotConnected> {
        let Answered { state, code, tenant } = answered;
        let (parts, now) = (live.current(), live.clock.now());
        let company = connectable(&parts, company)?;
        let pending = self.take(&company.id, &state, now).ok_or_else(|| unknown(company))?;
        let granted = match (&pending.granted, code) {
            (Some(granted), _) => granted.clone(),
            (None, Some(code)) => company.client.redeem(&pending.attempt, &code).await?,
            (None, None) => return Err(NotConnected::Refused("`code` is missing".to_owned())),
        };
        let organisations = company.client.tenants(&granted).await?;
        let chosen = Choice { company, tenants: &organisations, asked: tenant, parts: &parts }.chosen();
        let Some(chosen) = chosen.map_err(NotConnected::Refused)?.cloned() else {
            self.put(&company.id, Pending { granted: Some(granted), ..pending });
            return Ok(Ended { connected: None, organisations });
        };
        company.client.connect(&granted, chosen.id, by.clone()).await?;
        tracing::info!(company = %company.id, tenant = %chosen.id, by, "the organisation is connected");
        if live.store.company(&company.id).rest.is_some() {
            live.store.note(Event::Awoke { company: company.id.clone() }, now).await?;
        }
        Ok(Ended { connected: Some(chosen), organisations })
    }
}

/// The company, if it is one that somebody connects.
fn connectable<'parts>(parts: &'parts Parts, name: &str) -> Result<&'parts Company, NotConnected> {
    let known = parts.companies.iter().find(|known| known.id.as_str() == name);
    let known = known.ok_or_else(|| NotConnected::NoCompany(format!("there is no company {name:?}")))?;
    if known.client.refreshes() {
        return Ok(known);
    }
    let detail = format!(
        "{name} is a custom connection, which the organisation authorises in Xero alone. For a web app set `grant = \"refresh_token\"` in its [company.xero], then `readypost reload`"
    );
    Err(NotConnected::NotNow(detail))
}

fn unknown(company: &Company) -> NotConnected {
    let detail = format!(
        "this answer was brought before, is too late, or belongs to another attempt. Run `readypost xero connect --company {}` again",
        company.id
    );
    NotConnected::NotNow(detail)
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
