//! Channels that are told by a POST: Slack, Teams, and webhooks signed as Standard Webhooks says.
//!
//! Sources: Slack, "Sending messages using incoming webhooks"; Microsoft, "Create incoming webhooks with Workflows for
//! Microsoft Teams" (a message with one Adaptive Card); standardwebhooks.com, version 1.0.0 of the specification.

use std::time::Duration;

use anyhow::Context;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::letter::Letter;
use super::line::Refusal;
use crate::clock::Clock;
use crate::domain::signature::WebhookSecret;
use crate::remote::{Answer, RemoteError, Secrets, http_client, send_secret, with_retry};

/// The longest time for one try.
const TRY_MAX: Duration = Duration::from_secs(10);
/// Shorter parts of an address are words that may be said.
const PART_BYTES_MIN: usize = 16;
/// Tries of one message, within seconds; after them it waits for minutes.
const TRIES: u32 = 3;

/// An address that takes messages.
pub(super) struct Hook {
    form: Form,
    http: reqwest::Client,
    url: Url,
    /// What the other side may repeat and nobody may read.
    secrets: Secrets,
}

#[derive(Debug)]
enum Form {
    Slack,
    Teams,
    Signed(WebhookSecret),
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hook").field(&self.form).finish_non_exhaustive()
    }
}

impl Hook {
    pub(super) fn slack(url: &SecretString) -> anyhow::Result<Self> {
        Self::new(Form::Slack, url)
    }

    pub(super) fn teams(url: &SecretString) -> anyhow::Result<Self> {
        Self::new(Form::Teams, url)
    }

    pub(super) fn signed(url: &SecretString, secret: &SecretString) -> anyhow::Result<Self> {
        let key = WebhookSecret::read(secret.expose_secret()).context("the secret of a webhook cannot be read")?;
        let mut hook = Self::new(Form::Signed(key), url)?;
        hook.secrets.add(secret.expose_secret().trim());
        hook.secrets.add(secret.expose_secret().trim().trim_start_matches("whsec_"));
        Ok(hook)
    }

    fn new(form: Form, url: &SecretString) -> anyhow::Result<Self> {
        let http = http_client(TRY_MAX).context("making the client of alerts")?;
        // Its text is not in the error.
        let url: Url =
            url.expose_secret().parse().map_err(|_| anyhow::anyhow!("an address of alerts is unreadable"))?;
        let mut secrets = Secrets::default();
        secrets.add(url.as_str());
        let (path, query) = (url.path().trim_matches('/'), url.query().unwrap_or_default());
        let parts = path.split('/').chain(query.split(['&', '='])).filter(|part| part.len() >= PART_BYTES_MIN);
        for part in [path, query].into_iter().chain(parts) {
            secrets.add(part);
        }
        Ok(Self { form, http, url, secrets })
    }

    /// slack, teams or webhook.
    pub(super) fn name(&self) -> &'static str {
        match self.form {
            Form::Slack => "slack",
            Form::Teams => "teams",
            Form::Signed(_) => "webhook",
        }
    }

    /// Sends a letter, more than once where that may help, each time under its id; what the other side said.
    pub(super) async fn send(&self, letter: &Letter, clock: &dyn Clock) -> Result<String, Refusal> {
        let body = self.body(letter).to_string();
        let answer = with_retry(TRIES, || self.once(letter, &body, clock)).await.map_err(|error| {
            let wait = if let RemoteError::Throttled { wait, .. } = &error { *wait } else { None };
            Refusal { cause: self.masked(&error.to_string()), wait }
        })?;
        let said = self.masked(&answer.excerpt());
        Ok(format!("HTTP {} {said}", answer.status.as_u16()).trim_end().to_owned())
    }

    /// Asks the host for its first page, so that nobody is told anything: neither a message nor the address.
    pub(super) async fn greet(&self) -> Result<String, Refusal> {
        let host = self.url.join("/").map_err(|error| Refusal::new(error.to_string()))?;
        // Any answer will do: what matters is that the host is there and its certificate is good.
        let answer = send_secret(self.name(), self.http.head(host)).await;
        answer.map(|_| "its host answers".to_owned()).map_err(|error| Refusal::new(self.masked(&error.to_string())))
    }

    async fn once(&self, letter: &Letter, body: &str, clock: &dyn Clock) -> Result<Answer, RemoteError> {
        let system = self.name();
        let mut request = self.http.post(self.url.clone()).header("content-type", "application/json");
        if let Form::Signed(key) = &self.form {
            // The time of the try, because receivers refuse old ones.
            let at = clock.now().as_second();
            let signature = key.sign(&letter.id, at, body.as_bytes()).unwrap_or_default();
            request = request.header("webhook-id", &letter.id).header("webhook-timestamp", at.to_string());
            request = request.header("webhook-signature", signature);
        }
        let answer = send_secret(system, request.body(body.to_owned())).await?;
        let cause = || format!("HTTP {} {}", answer.status.as_u16(), answer.excerpt()).trim_end().to_owned();
        match answer.status {
            status if status.is_success() => Ok(answer),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Err(RemoteError::Throttled { system, cause: cause(), wait: answer.retry_after() })
            }
            status if status.is_server_error() => Err(RemoteError::Failed { system, cause: cause() }),
            _ => Err(RemoteError::Refused { system, cause: cause() }),
        }
    }

    fn body(&self, letter: &Letter) -> Value {
        let Letter { subject, text, body, .. } = letter;
        match self.form {
            Form::Slack => json!({ "text": format!("*{}*\n{}", slack(subject), slack(text)) }),
            Form::Teams => {
                let title = json!({ "type": "TextBlock", "text": teams(subject), "weight": "Bolder", "wrap": true });
                let text = json!({ "type": "TextBlock", "text": teams(text), "wrap": true });
                let card = json!({ "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard", "version": "1.4", "body": [title, text] });
                let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null,
                    "content": card });
                json!({ "type": "message", "attachments": [attachment] })
            }
            Form::Signed(_) => body.clone(),
        }
    }

    fn masked(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.secrets.mask(text.as_bytes().to_vec())).into_owned()
    }
}

/// The three characters that steer Slack.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A line break of Markdown is a blank line; brackets would make links.
fn teams(text: &str) -> String {
    text.replace('[', "\\[").replace(']', "\\]").replace('\n', "\n\n")
}
