//! E-mail by SMTP: over STARTTLS, TLS from the beginning, or without TLS to a relay on this machine.

use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;

use super::letter::Letter;
use super::line::Refusal;
use crate::config::{Email, Security};
use crate::domain::text::{printable, shorten};
use crate::remote::Secrets;

/// The longest time for one answer of the mail server.
const ANSWER_MAX: Duration = Duration::from_secs(15);
/// A shorter user or password could be part of anything that is said.
const SECRET_BYTES_MIN: usize = 8;
/// The longest text of an answer that is kept, in characters.
const SAID_CHARS_MAX: usize = 300;

/// A mail server, and who writes to whom.
pub(super) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    /// What the server may repeat and nobody may read.
    secrets: Secrets,
    /// One of them is too short to be found in a text, so that no refusal is quoted.
    is_quiet: bool,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mail").finish_non_exhaustive()
    }
}

impl Mail {
    pub(super) fn new(email: &Email) -> anyhow::Result<Self> {
        let tls = || TlsParameters::new_rustls(email.host.clone()).context("making the TLS client of alerts");
        let tls = match email.security {
            Security::Starttls => Tls::Required(tls()?),
            Security::Tls => Tls::Wrapper(tls()?),
            Security::None => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&email.host);
        transport = transport.port(email.port).tls(tls).timeout(Some(ANSWER_MAX));
        let (mut secrets, mut is_quiet) = (Secrets::default(), false);
        if let (Some(user), Some(password)) = (&email.user, &email.password) {
            let (user, password) = (user.expose_secret(), password.expose_secret());
            for said in [user.to_owned(), password.to_owned(), format!("\0{user}\0{password}")] {
                secrets.add(&said);
                secrets.add(&STANDARD.encode(said));
            }
            is_quiet = [user, password].iter().any(|secret| secret.len() < SECRET_BYTES_MIN);
            transport = transport.credentials(Credentials::new(user.to_owned(), password.to_owned()));
        }
        Ok(Self { transport: transport.build(), from: email.from.clone(), to: email.to.clone(), secrets, is_quiet })
    }

    /// Sends a letter; what the server said.
    pub(super) async fn send(&self, letter: &Letter) -> Result<String, Refusal> {
        let message =
            self.message(letter).map_err(|error| Refusal::new(format!("the e-mail cannot be made: {error}")))?;
        let answer = self.transport.send(message).await.map_err(|error| Refusal::new(self.cause(&error)))?;
        let said: Vec<&str> = answer.message().collect();
        Ok(self.shown(&format!("{} {}", answer.code(), said.join(" "))))
    }

    /// Greets the server and says who it is, and sends nothing.
    pub(super) async fn greet(&self) -> Result<String, Refusal> {
        match self.transport.test_connection().await {
            Ok(true) => Ok("the mail server answers, and takes who greets it".to_owned()),
            Ok(false) => Err(Refusal::new("the mail server breaks the connection off")),
            Err(error) => Err(Refusal::new(self.cause(&error))),
        }
    }

    fn message(&self, letter: &Letter) -> Result<Message, lettre::error::Error> {
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(&letter.subject)
            .message_id(Some(format!("<{}@readypost>", letter.id)))
            .header(ContentType::TEXT_PLAIN)
            // Nobody's absence is told to a program.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in &self.to {
            message = message.to(to.clone());
        }
        message.body(letter.text.clone())
    }

    fn cause(&self, error: &Error) -> String {
        let mut text = error.to_string();
        let mut inner = std::error::Error::source(error);
        while let Some(source) = inner {
            let more = source.to_string();
            if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            inner = source.source();
        }
        // A server that refuses a password may repeat it, however short it is.
        match error.status() {
            Some(code) if [530, 534, 535, 538].contains(&u16::from(code)) => {
                format!("the mail server does not accept user and password ({code})")
            }
            Some(code) if self.is_quiet => format!("the mail server refused ({code})"),
            _ => self.shown(&text),
        }
    }

    fn shown(&self, text: &str) -> String {
        let masked = self.secrets.mask(text.trim().as_bytes().to_vec());
        printable(&shorten(&String::from_utf8_lossy(&masked), SAID_CHARS_MAX))
    }
}
