//! Asks the running service; errors say what to do next.

use anyhow::{Context, anyhow, bail};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Service;
use super::print::out;
use crate::remote::{Answer, http_client, send};

/// The running service.
#[derive(Debug)]
pub struct Remote {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Remote {
    /// The service that the arguments name.
    ///
    /// # Errors
    /// When no HTTP client can be had.
    pub fn new(service: &Service) -> anyhow::Result<Self> {
        let http = http_client(std::time::Duration::from_secs(30))?;
        Ok(Self { http, url: service.url.trim_end_matches('/').to_owned(), token: service.token.clone() })
    }

    /// Reads.
    ///
    /// # Errors
    /// When the service does not answer, or refuses.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let request = self.http.get(format!("{}{path}", self.url)).query(query).bearer_auth(&self.token);
        self.read(send("readypost", request).await)
    }

    /// Decides.
    ///
    /// # Errors
    /// When the service does not answer, or refuses.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body).bearer_auth(&self.token);
        self.read(send("readypost", request).await)
    }

    /// Asks without a token: whether the answer is a good one, and what it says.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn ask(&self, path: &str) -> anyhow::Result<(bool, Value)> {
        let (answer, body) = self.body(send("readypost", self.http.get(format!("{}{path}", self.url))).await)?;
        Ok((answer.status.is_success(), body))
    }

    fn body(&self, answer: Result<Answer, crate::remote::RemoteError>) -> anyhow::Result<(Answer, Value)> {
        let advice = || {
            format!("is the service running? Start it with `readypost serve`, or name it with --url (now {})", self.url)
        };
        let answer = answer.with_context(advice)?;
        let body: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| anyhow!("{} is not a readypost service (HTTP {})", self.url, answer.status))?;
        Ok((answer, body))
    }

    fn read(&self, answer: Result<Answer, crate::remote::RemoteError>) -> anyhow::Result<Value> {
        let (answer, body) = self.body(answer)?;
        if answer.status.is_success() {
            return Ok(body);
        }
        let detail = body.get("detail").and_then(Value::as_str).unwrap_or("no reason given");
        match answer.status.as_u16() {
            401 => bail!(
                "{detail}\nGive the operator's token with --token or READYPOST_TOKEN; `readypost token` makes a new one."
            ),
            _ => bail!("{detail} (HTTP {})", answer.status.as_u16()),
        }
    }
}

/// The answer as the struct that the service made it from.
///
/// # Errors
/// When the service is of another version.
pub(super) fn view<T: DeserializeOwned>(value: &Value) -> anyhow::Result<T> {
    serde_json::from_value(value.clone()).context("the service is of another version than this command")
}

/// Prints JSON for programs.
pub(super) fn print_json(value: &Value) -> anyhow::Result<()> {
    out!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}
