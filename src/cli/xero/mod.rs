//! `readypost xero …`: a person lets readypost into an organisation.
//!
//! The command has the browser, and nothing else: it brings Xero's answer to the running service, which exchanges the
//! code and keeps the tokens. So it may run on another machine than the service, and no secret passes through it.

mod listener;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use url::Url;
use uuid::Uuid;

use super::client::{Remote, print_json, view};
use super::print::out;
use super::{Service, UNUSABLE};
use crate::domain::record::CompanyId;
use crate::domain::text::same;
use crate::http::{AttemptView, ConnectedView};
use crate::xero::Tenant;
use listener::{Listener, Serving};

/// What to do about Xero.
#[derive(Debug, Subcommand)]
pub(super) enum Xero {
    /// Connect a company to its organisation: a person allows it in a browser
    Connect(Connect),
}

#[derive(Debug, Args)]
pub(super) struct Connect {
    /// The company's id in the configuration
    #[arg(long)]
    company: CompanyId,
    /// Tenant id of the organisation, where there are several
    #[arg(long)]
    tenant: Option<Uuid>,
    /// Where Xero sends the browser back to, exactly as it is registered in the app
    #[arg(long, default_value = "http://localhost:8484/callback")]
    redirect: String,
    /// Do not wait for the browser: the address that it ends at is pasted here
    #[arg(long)]
    paste: bool,
    /// How long a person may take, in seconds
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=1800))]
    timeout: u64,
    #[command(flatten)]
    service: Service,
}

/// What Xero answered, by way of the browser.
#[derive(Default)]
struct Answer {
    state: String,
    code: Option<String>,
    error: Option<String>,
}

impl Answer {
    /// The answer in the address that the browser was sent to.
    fn of(address: &Url) -> Self {
        let mut answer = Self::default();
        for (name, value) in address.query_pairs() {
            match &*name {
                "state" => answer.state = value.into_owned(),
                "code" => answer.code = Some(value.into_owned()),
                "error" => answer.error = Some(value.into_owned()),
                _ => {}
            }
        }
        answer
    }

    /// Whether it belongs to the attempt with this state.
    fn belongs(&self, state: &str) -> bool {
        same(&self.state, state)
    }
}

impl Xero {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Connect(connect) = self;
        // The port is taken first: without it nobody has to be asked.
        if connect.paste {
            return connect.run(None).await;
        }
        match Listener::open(&connect.redirect).await {
            Ok(listener) => connect.run(Some(listener)).await,
            Err(cause) => {
                say(&format!("readypost: {cause}"));
                Ok(ExitCode::from(UNUSABLE))
            }
        }
    }
}

impl Connect {
    async fn run(self, listener: Option<Listener>) -> anyhow::Result<ExitCode> {
        let remote = Remote::new(&self.service)?;
        let path = format!("/api/v1/companies/{}/connect", self.company);
        let attempt: AttemptView = view(&remote.post(&path, &json!({ "redirect": self.redirect })).await?)?;
        say("Open this address in a browser, sign in to Xero and allow access to the organisation:\n");
        say(&format!("{}\n", attempt.address));
        let mut serving = listener.map(|listener| listener.serve(&attempt.state));
        let ended = self.end(&remote, &path, &attempt, serving.as_mut()).await;
        if let Some(serving) = serving {
            serving.close().await;
        }
        ended
    }

    /// Brings the answer to the service, and says what became of it.
    async fn end(
        &self,
        remote: &Remote,
        path: &str,
        attempt: &AttemptView,
        serving: Option<&mut Serving>,
    ) -> anyhow::Result<ExitCode> {
        let answer = match serving {
            Some(serving) => self.awaited(serving).await?,
            None => self.pasted(attempt).await?,
        };
        let (code, path) = (self.code(answer)?, format!("{path}/answer"));
        let answer = json!({ "state": attempt.state, "code": code, "tenant": self.tenant });
        let mut answer = remote.post(&path, &answer).await?;
        let mut ended: ConnectedView = view(&answer)?;
        if ended.connected.is_none() {
            let tenant = self.choice(&ended.organisations).await?;
            answer = remote.post(&path, &json!({ "state": attempt.state, "tenant": tenant })).await?;
            ended = view(&answer)?;
        }
        self.told(&ended, &answer)
    }

    fn told(&self, ended: &ConnectedView, answer: &Value) -> anyhow::Result<ExitCode> {
        let Some(Tenant { id, name }) = &ended.connected else {
            bail!("the organisation was not taken. {}", self.again());
        };
        if self.service.json {
            print_json(answer)?;
            return Ok(ExitCode::SUCCESS);
        }
        out!("{} is connected to {name} ({id}).", self.company);
        out!("The service has the refresh token, encrypted, and goes on by itself: readypost status");
        Ok(ExitCode::SUCCESS)
    }

    fn again(&self) -> String {
        format!("Run `readypost xero connect --company {}` again.", self.company)
    }

    /// The answer that the browser brings.
    async fn awaited(&self, serving: &mut Serving) -> anyhow::Result<Answer> {
        say(&format!("Waiting for Xero's answer at {} …", self.redirect));
        let answer = serving.answer(Duration::from_secs(self.timeout)).await;
        answer.ok_or_else(|| {
            anyhow!(
                "no answer came within {} s. If Xero spoke of an invalid redirect_uri, register {} in the app, exactly so. If the browser is on another machine, use --paste. {}",
                self.timeout,
                self.redirect,
                self.again()
            )
        })
    }

    /// The answer in the address that somebody pastes.
    async fn pasted(&self, attempt: &AttemptView) -> anyhow::Result<Answer> {
        say(&format!(
            "The browser ends at an address that begins with {} and may show an error, because nothing listens there.\nPaste that address here and press Enter:",
            self.redirect
        ));
        let line = self.line().await?;
        let address = line.trim().parse::<Url>().ok().filter(|address| address.query().is_some());
        let Some(address) = address else {
            bail!("this is not the address that the browser ended at: it has `?code=` in it. {}", self.again());
        };
        let answer = Answer::of(&address);
        if !answer.belongs(&attempt.state) {
            bail!("this address belongs to another attempt: its state is not the one just given. {}", self.again());
        }
        Ok(answer)
    }

    /// The code, or what Xero has against it.
    fn code(&self, answer: Answer) -> anyhow::Result<String> {
        match (answer.error.as_deref(), answer.code) {
            (Some("access_denied"), _) => bail!("access was not given in Xero. {}", self.again()),
            (Some(error), _) => {
                // It came by way of a browser, and goes to a terminal.
                let known = error.len() < 40 && error.chars().all(|sign| sign.is_ascii_lowercase() || sign == '_');
                bail!(
                    "Xero refuses the app ({}). Check its client id, its scopes and its redirect in Xero's developer portal. {}",
                    if known { error } else { "for a reason that is not known here" },
                    self.again()
                )
            }
            (None, Some(code)) => Ok(code),
            (None, None) => bail!("Xero's answer has no code. {}", self.again()),
        }
    }

    /// The organisation that is meant, of several.
    async fn choice(&self, organisations: &[Tenant]) -> anyhow::Result<Uuid> {
        say("The app was let into several organisations:");
        for (number, Tenant { id, name }) in (1..).zip(organisations) {
            say(&format!("  {number:>2}  {id}  {name}"));
        }
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            bail!("name one of them: `readypost xero connect --company {} --tenant …`", self.company);
        }
        say(&format!("Which one is {}? Its number:", self.company));
        let number: Option<usize> = self.line().await?.trim().parse().ok();
        let chosen = number.and_then(|number| organisations.get(number.checked_sub(1)?));
        chosen.map(|tenant| tenant.id).ok_or_else(|| anyhow!("there is no such number. {}", self.again()))
    }

    /// A line that somebody types, if they do so in time.
    async fn line(&self) -> anyhow::Result<String> {
        let (sender, line) = oneshot::channel();
        // Not a task: nothing could end its reading, and the program would wait for it.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line);
            sender.send(read.map(|_| line))
        });
        let line = tokio::time::timeout(Duration::from_secs(self.timeout), line).await;
        let line = line.map_err(|_| anyhow!("nothing was typed within {} s. {}", self.timeout, self.again()))???;
        if line.trim().is_empty() {
            bail!("nothing was typed. {}", self.again());
        }
        Ok(line)
    }
}

/// Speaks to whoever sits there; standard output is for the result.
fn say(text: &str) {
    // What cannot be shown is not missed: the answer is waited for all the same.
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_from_its_address() {
        let answer = |address: &str| Answer::of(&address.parse().unwrap());
        let good = answer("http://localhost:8484/callback?code=a%2Bb&state=s-1&session_state=x");
        assert_eq!((good.code.as_deref(), good.error.as_deref()), (Some("a+b"), None));
        assert!(good.belongs("s-1") && !good.belongs("s-2") && !good.belongs("s-11"));
        let denied = answer("http://localhost:8484/callback?error=access_denied&state=s-1");
        assert_eq!((denied.code, denied.error.as_deref()), (None, Some("access_denied")));
        assert!(!answer("http://localhost:8484/callback").belongs("s-1"));
    }
}
