//! Asks the running service; errors name the next command.

use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::print::out;
use super::screen::Screen;
use super::{Service, Unusable};
use crate::domain::text::printable;
use crate::remote::{Answer, RemoteError, http_client_with, send};

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
    /// When the address is not one, or no HTTP client can be had.
    pub fn new(service: &Service) -> anyhow::Result<Self> {
        let usable = url::Url::parse(&service.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !usable {
            let said = format!(
                "--url {:?} is not the address of a service: it is such as http://127.0.0.1:8080 or \
                 https://hooks.example.com",
                service.url
            );
            return Err(anyhow!(Unusable(said)));
        }
        // The door closes a connection on which nothing came for 10 s; a request on its way then would be lost.
        let http =
            http_client_with(Duration::from_secs(30), |client| client.pool_idle_timeout(Duration::from_secs(5)))?;
        Ok(Self { http, url: service.url.trim_end_matches('/').to_owned(), token: service.token.clone() })
    }

    /// Reads.
    ///
    /// # Errors
    /// When the service does not answer, or refuses.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let request = self.http.get(format!("{}{path}", self.url)).query(query).bearer_auth(&self.token);
        self.read(send("the service", request).await, path)
    }

    /// Decides.
    ///
    /// # Errors
    /// When the service does not answer, or refuses.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body).bearer_auth(&self.token);
        self.read(send("the service", request).await, path)
    }

    /// Takes back.
    ///
    /// # Errors
    /// When the service does not answer, or refuses.
    pub async fn delete(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let request = self.http.delete(format!("{}{path}", self.url)).query(query).bearer_auth(&self.token);
        self.read(send("the service", request).await, path)
    }

    /// Asks without a token: whether the answer is a good one, and what it says.
    ///
    /// # Errors
    /// When the service does not answer.
    pub async fn ask(&self, path: &str) -> anyhow::Result<(bool, Value)> {
        let (answer, body) = self.body(send("the service", self.http.get(format!("{}{path}", self.url))).await)?;
        Ok((answer.status.is_success(), body))
    }

    fn body(&self, answer: Result<Answer, RemoteError>) -> anyhow::Result<(Answer, Value)> {
        let answer = answer.map_err(|error| {
            let said = error.to_string();
            let cure = if said.contains("certificate") {
                "Name the service with --url by the address that its certificate has; roots of your own are taken from \
                 the file in SSL_CERT_FILE"
            } else {
                "Start the service with `readypost serve`, or name it with --url or READYPOST_URL"
            };
            anyhow!("{}\n{cure} (now {}).", printable(&said), self.url)
        })?;
        let body: Value = serde_json::from_slice(&answer.body).map_err(|_| self.another(&answer))?;
        Ok((answer, body))
    }

    /// Something else answers there.
    fn another(&self, answer: &Answer) -> anyhow::Error {
        let status = answer.status.as_u16();
        anyhow!(
            "{} is not a readypost service (HTTP {status})\nName the service with --url or READYPOST_URL.",
            self.url
        )
    }

    fn read(&self, answer: Result<Answer, RemoteError>, path: &str) -> anyhow::Result<Value> {
        let (answer, body) = self.body(answer)?;
        if answer.status.is_success() {
            return Ok(body);
        }
        let status = answer.status.as_u16();
        let detail = body.get("detail").and_then(Value::as_str).ok_or_else(|| self.another(&answer))?;
        // Its faults are one on each line.
        let detail = detail.lines().map(printable).collect::<Vec<_>>().join("\n");
        let said = match cure(status, path) {
            Some(cure) => format!("{detail} (HTTP {status})\n{cure}"),
            None => format!("{detail} (HTTP {status})"),
        };
        Err(if status == 400 { anyhow!(Unusable(said)) } else { anyhow!(said) })
    }
}

/// What helps when the service refuses.
fn cure(status: u16, path: &str) -> Option<String> {
    let (_, place) = path.split_once("/api/v1/").unwrap_or_default();
    let (what, rest) = place.split_once('/').unwrap_or((place, ""));
    Some(match (status, what) {
        (401, _) => {
            "Give an operator's token with --token or READYPOST_TOKEN. `readypost token` makes a new one, with \
                     its entry for the configuration."
                .to_owned()
        }
        (403, _) => {
            "That is an operator's to do: `readypost token --role operator` makes such a token, with its entry for the \
             configuration."
                .to_owned()
        }
        (404, "records") => "`readypost records list --query …` finds a record by its number or its client. One that \
                             readypost never heard of is taken in by `readypost records retry`, with ConnectWise's \
                             internal id."
            .to_owned(),
        (404, "bulk") => "`readypost bulk list` names the last ones; `readypost bulk plan` makes a new one.".to_owned(),
        (404, "simulate") => {
            "`readypost companies list` names the companies; of simulations the last four are kept.".to_owned()
        }
        (404, _) => "`readypost companies list` names the companies.".to_owned(),
        (409, "records") => match rest.rsplit_once('/') {
            Some((key, _)) => format!("See how it stands: readypost records show {key}"),
            None => return None,
        },
        (409, "bulk") => "See which one runs: readypost bulk list".to_owned(),
        (409, "simulate") => {
            "Wait for one that runs: readypost simulate --show ID. End it: readypost simulate --cancel ID".to_owned()
        }
        (409, "companies") => "See which are paused: readypost companies list".to_owned(),
        (422, "reload") => "Correct the configuration, then: readypost reload --dry-run".to_owned(),
        (503, _) => "See how the service is: readypost health".to_owned(),
        _ => return None,
    })
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
    out!("{}", escaped(&serde_json::to_string_pretty(value)?));
    Ok(())
}

/// JSON that means the same, without what steers a terminal: JSON itself escapes only the first of these letters.
pub(super) fn escaped(json: &str) -> String {
    let steers = |letter: char| {
        !matches!(letter, '\n' | '\t') && letter.is_control()
            || matches!(letter, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if !json.contains(steers) {
        return json.to_owned();
    }
    let shown =
        |letter: char| if steers(letter) { format!("\\u{:04x}", u32::from(letter)) } else { letter.to_string() };
    json.chars().map(shown).collect()
}

/// Prints the answer: as it is for programs, or what people are shown of it.
pub(super) fn show(json: bool, answer: &Value, tell: impl FnOnce(&mut Screen)) -> anyhow::Result<()> {
    if json {
        return print_json(answer);
    }
    let mut screen = Screen::here();
    tell(&mut screen);
    screen.show();
    Ok(())
}
