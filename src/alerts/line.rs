//! The sorts of channels behind one function.

use std::time::Duration;

use super::email::Mail;
use super::hook::Hook;
use super::letter::Letter;
use crate::clock::Clock;
use crate::config;

/// Where a channel leads, ready to be used.
#[derive(Debug)]
pub(super) enum Line {
    Email(Box<Mail>),
    Hook(Hook),
}

/// Why a channel was not told.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What happened, without a secret.
    pub(super) cause: String,
    /// How long it asks to be left alone.
    pub(super) wait: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), wait: None }
    }
}

impl Line {
    pub(super) fn new(channel: &config::Channel) -> anyhow::Result<Self> {
        Ok(match channel {
            config::Channel::Email(email) => Self::Email(Box::new(Mail::new(email)?)),
            config::Channel::Slack { url } => Self::Hook(Hook::slack(url)?),
            config::Channel::Teams { url } => Self::Hook(Hook::teams(url)?),
            config::Channel::Webhook { url, secret } => Self::Hook(Hook::signed(url, secret)?),
        })
    }

    /// email, slack, teams or webhook.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Hook(hook) => hook.name(),
        }
    }

    /// Sends a letter; what the other side said.
    pub(super) async fn send(&self, letter: &Letter, clock: &dyn Clock) -> Result<String, Refusal> {
        match self {
            Self::Email(mail) => mail.send(letter).await,
            Self::Hook(hook) => hook.send(letter, clock).await,
        }
    }

    /// Connects and greets, and sends no message; what was found.
    pub(super) async fn greet(&self) -> Result<String, Refusal> {
        match self {
            Self::Email(mail) => mail.greet().await,
            Self::Hook(hook) => hook.greet().await,
        }
    }
}
