//! Connecting an organisation: a person lets the app in, and readypost exchanges Xero's code for the first tokens.
//!
//! A web app proves who it is by its secret. An app without one sends the digest of a random text with the address
//! and the text itself with the code (PKCE), so that a code is of no use to whoever else sees it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;

use super::client::{SYSTEM, Xero};
use super::token::{Granted, JOURNALS_SCOPE, SCOPES};
use super::wire;
use crate::remote::{self, Answer};

/// What is asked for besides, so that there is a refresh token.
const OFFLINE_SCOPE: &str = "offline_access";

/// An address that somebody was given, and what the answer to it must fit.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Comes back with the answer; nobody else knows it.
    pub state: SecretString,
    /// Where a person lets the app in.
    pub address: Url,
    redirect: String,
    /// What proves that the code was asked for here; none where the app has a secret.
    verifier: Option<SecretString>,
}

/// An organisation that the app was let into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tenant {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// Why an organisation was not connected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// It may be another time.
    #[error("{0}")]
    Passing(String),
    /// Somebody has to change something.
    #[error("{0}")]
    Refused(String),
}

/// A row of `GET /connections`.
#[derive(Deserialize)]
struct Connection {
    #[serde(rename = "tenantId")]
    id: Uuid,
    #[serde(default, rename = "tenantType")]
    kind: String,
    #[serde(default, rename = "tenantName")]
    name: Option<String>,
}

impl Xero {
    /// Begins to connect the organisation; Xero's answer goes to `redirect`. None without random numbers.
    #[must_use]
    pub fn attempt(&self, redirect: &str) -> Option<Attempt> {
        let settings = &self.tokens.settings;
        let state = random()?;
        let verifier = if settings.client_secret.is_none() { Some(random()?) } else { None };
        let mut address = settings.authorize_url.clone();
        let mut query = address.query_pairs_mut();
        query.append_pair("response_type", "code").append_pair("client_id", &settings.client_id);
        query.append_pair("redirect_uri", redirect);
        query.append_pair("scope", &format!("{OFFLINE_SCOPE} {SCOPES} {JOURNALS_SCOPE}"));
        query.append_pair("state", &state);
        if let Some(verifier) = &verifier {
            let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
            query.append_pair("code_challenge", &challenge).append_pair("code_challenge_method", "S256");
        }
        drop(query);
        let (state, verifier) = (state.into(), verifier.map(SecretString::from));
        Some(Attempt { state, address, redirect: redirect.to_owned(), verifier })
    }

    /// Exchanges the code that came back for tokens, which are not used yet.
    ///
    /// # Errors
    /// When Xero does not take it. The code is spent all the same.
    pub async fn redeem(&self, attempt: &Attempt, code: &SecretString) -> Result<Granted, ConnectError> {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", attempt.redirect.as_str()),
        ];
        form.extend(attempt.verifier.as_ref().map(|verifier| ("code_verifier", verifier.expose_secret())));
        match self.tokens.redeem(&form).await {
            Ok(Ok(granted)) => Ok(granted),
            Ok(Err(answer)) => Err(self.not_redeemed(&answer)),
            Err(error) => Err(self.passing(&error.to_string())),
        }
    }

    /// The organisations that the app was let into, with those of earlier times.
    ///
    /// # Errors
    /// When Xero does not say it.
    pub async fn tenants(&self, granted: &Granted) -> Result<Vec<Tenant>, ConnectError> {
        let mut url = self.tokens.settings.api_url.clone();
        url.set_path("/connections");
        let request = self.http.get(url).header("accept", "application/json");
        let request = request.bearer_auth(granted.access.expose_secret());
        let answer = remote::send(SYSTEM, request).await.map_err(|error| self.passing(&error.to_string()))?;
        let rows = answer.status.is_success().then(|| wire::parse::<Vec<Connection>>(&answer.body)).flatten();
        let rows = rows.ok_or_else(|| self.passing(&format!("{}: {}", answer.status, answer.excerpt())))?;
        // An accountant's practice is a tenant, too, and has no books of its own.
        let organisations = rows.into_iter().filter(|row| row.kind.eq_ignore_ascii_case("organisation"));
        Ok(organisations.map(|row| Tenant { id: row.id, name: row.name.unwrap_or_default() }).collect())
    }

    /// From now on the organisation is reached by these tokens. The refresh token is durable before that.
    ///
    /// # Errors
    /// When it cannot be kept; the tokens before are used as if nothing had happened.
    pub async fn connect(&self, granted: &Granted, tenant: Uuid, by: String) -> Result<(), ConnectError> {
        let kept = self.tokens.adopt(granted, tenant, by).await;
        kept.map_err(|error| {
            let cause = format!("the refresh token cannot be stored: {error}");
            ConnectError::Passing(format!("Nothing was connected: {cause}. Mend it, then: {}", self.command()))
        })
    }

    /// The command that begins anew.
    fn command(&self) -> String {
        format!("readypost xero connect --company {}", self.tokens.settings.name)
    }

    fn passing(&self, cause: &str) -> ConnectError {
        let again = self.command();
        ConnectError::Passing(format!("Xero did not answer as it should ({cause}). In a while, run `{again}` again."))
    }

    /// What is wrong with a code or the app, and who mends it.
    fn not_redeemed(&self, answer: &Answer) -> ConnectError {
        let (status, error, again) = (answer.status, wire::token_error(&answer.body), self.command());
        if status.is_server_error() || status == 429 || status == 408 {
            return self.passing(&format!("{status}: {}", answer.excerpt()));
        }
        let sentence = match error.as_str() {
            _ if status.is_success() => format!(
                "Xero's answer has no refresh token. Allow the scope {OFFLINE_SCOPE} for the app, then run `{again}` again."
            ),
            "invalid_grant" => format!(
                "Xero does not take the code (invalid_grant): it lives for 5 minutes, works once, and only for the address that it was asked for with. Run `{again}` again."
            ),
            "invalid_client" if self.tokens.settings.client_secret.is_none() => format!(
                "Xero does not know the app (invalid_client). Check `client_id`, and set `client_secret` if the app is a web app; then `readypost reload`, and run `{again}` again."
            ),
            "invalid_client" => format!(
                "Xero does not know the app (invalid_client). Check `client_id` and `client_secret`, then `readypost reload`, and run `{again}` again."
            ),
            "" => format!("Xero refuses the code ({status}). Run `{again}` again."),
            other => format!(
                "Xero refuses the app ({other}). Check its type, its scopes and its redirect in Xero's developer portal, then run `{again}` again."
            ),
        };
        ConnectError::Refused(sentence)
    }
}

/// 43 letters and digits that nobody guesses.
fn random() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}
