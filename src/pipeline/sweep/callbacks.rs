//! Callbacks that ConnectWise switched off or somebody deleted are made to come again.

use super::pass::Pass;
use crate::connectwise::ConnectWise;
use crate::domain::record::ConnectionId;
use crate::domain::registration::{Change, Keeping, Standing, address, compared};
use crate::domain::rules::ExpensesBy;
use crate::pipeline::parts::{Live, Parts};
use crate::remote::RemoteError;
use crate::store::Event;

/// The callbacks of a connection compared with what is needed, and what was done about them.
#[derive(Clone, Debug, Default)]
pub struct CallbackCheck {
    /// Where callbacks have to lead.
    pub address: String,
    /// What is there, and what is needed.
    pub rows: Vec<CallbackRow>,
}

/// A callback that is there, or is needed.
#[derive(Clone, Debug)]
pub struct CallbackRow {
    /// How it stands to what is needed.
    pub standing: Standing,
    /// Whether it was changed, or why that cannot be; none where nobody tried.
    pub outcome: Option<Result<(), String>>,
}

impl CallbackCheck {
    /// Changes that are needed, with what came of them; none = all is well.
    pub fn needed(&self) -> impl Iterator<Item = (&Change, Option<&Result<(), String>>)> {
        self.rows.iter().filter_map(|row| Some((row.standing.change()?, row.outcome.as_ref())))
    }

    /// What was done.
    #[must_use]
    pub fn done(&self) -> Vec<String> {
        self.needed().filter(|(_, outcome)| matches!(outcome, Some(Ok(())))).map(|(change, _)| change.done()).collect()
    }

    /// What could not be done, and why.
    #[must_use]
    pub fn failed(&self) -> Vec<String> {
        let failed = |(change, outcome): (&Change, Option<&Result<(), String>>)| {
            let cause = outcome?.as_ref().err()?;
            Some(format!("{}; it cannot be mended: {cause}", change.wrong()))
        };
        self.needed().filter_map(failed).collect()
    }
}

/// Compares the callbacks of a connection with what is needed, and with `mend` makes them so. Callbacks that lead
/// elsewhere are never touched.
///
/// # Errors
/// When they cannot be read.
pub async fn check_callbacks(
    client: &ConnectWise,
    address: &str,
    needed: &[&'static str],
    mend: bool,
) -> Result<CallbackCheck, RemoteError> {
    let registered = client.callbacks().await?;
    let mut check = CallbackCheck { address: address.to_owned(), rows: Vec::new() };
    for standing in compared(&registered, address, needed) {
        let outcome = match standing.change().filter(|_| mend) {
            Some(change) => Some(client.change_callback(change, address).await.map_err(|error| error.to_string())),
            None => None,
        };
        check.rows.push(CallbackRow { standing, outcome });
    }
    Ok(check)
}

/// The types of callbacks that the companies of a connection need.
pub(super) fn needed(connection: &ConnectionId, parts: &Parts) -> Vec<&'static str> {
    let mut ours = parts.companies.iter().filter(|company| company.connection == *connection);
    let mut needed = vec!["invoice", "purchaseorder"];
    if ours.any(|company| company.rules.expenses != ExpensesBy::Off) {
        needed.push("expense");
    }
    needed
}

impl Pass<'_> {
    /// Looks at the callbacks, as far as the configuration wants it; what cannot be done is shown and fails nothing.
    pub(super) async fn callbacks(&mut self) {
        let keeping = self.connection.callbacks.keeping;
        let Some(public_url) = self.connection.callbacks.public_url.as_ref().filter(|_| keeping != Keeping::Off) else {
            return;
        };
        let address = address(public_url, self.id);
        let mend = keeping == Keeping::Keep && self.way.act;
        let needed = needed(self.id, self.parts);
        let check = match check_callbacks(&self.connection.client, &address, &needed, mend).await {
            Ok(check) => check,
            Err(error) => {
                let result = self.result();
                result.callbacks_good = Some(false);
                result.callbacks.push(format!("the callbacks cannot be read: {error}. Give the API member the right to read and change them, or set `callbacks` to off.").into());
                return;
            }
        };
        let done = check.done();
        for done in &done {
            tracing::warn!(connection = %self.id, done, "a callback was mended");
            let by = self.way.by.clone();
            let event = Event::CallbackKept { connection: self.id.clone(), done: done.as_str().into(), by };
            if let Err(error) = self.parts.store.note(event, self.parts.clock.now()).await {
                self.problem(format!("callbacks: {error}"));
            }
        }
        let open = check.needed().count().saturating_sub(done.len());
        let wrong = check.needed().filter(|_| !mend).map(|(change, _)| change.wrong());
        let said: Vec<String> = done.into_iter().chain(check.failed()).chain(wrong).collect();
        let result = self.result();
        result.callbacks_good = Some(open == 0);
        result.callbacks.extend(said.into_iter().map(Into::into));
    }
}

/// Looks at the callbacks of every connection, and when somebody asks for it, `by`, makes them come again; none without
/// an address of ours.
pub async fn sync_callbacks(
    live: &Live,
    by: Option<&str>,
) -> Option<Vec<(ConnectionId, Result<CallbackCheck, String>)>> {
    let parts = live.current();
    let mut checks = Vec::new();
    for (id, connection) in &parts.connections {
        let address = address(connection.callbacks.public_url.as_ref()?, id);
        let check = check_callbacks(&connection.client, &address, &needed(id, &parts), by.is_some()).await;
        if let Ok(check) = &check {
            for done in check.done() {
                let by = by.map(str::to_owned);
                let event = Event::CallbackKept { connection: id.clone(), done: done.as_str().into(), by };
                if let Err(error) = parts.store.note(event, parts.clock.now()).await {
                    tracing::error!(%error, "what was done about callbacks was not stored");
                }
            }
        }
        checks.push((id.clone(), check.map_err(|error| error.to_string())));
    }
    Some(checks)
}
