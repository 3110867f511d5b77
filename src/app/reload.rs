//! Reads the configuration anew and exchanges what may change while the service runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::clients::Workshop;
use super::rules::InForce;
use crate::config::{self, Changes, Config, Fault, Grant, Server};
use crate::http::{Reload, Shown, Surface};

/// Exchanges the systems, the rules and the operators of a running service.
#[derive(Clone, Debug)]
pub(super) struct Reloader {
    surface: Arc<Surface>,
    workshop: Workshop,
    path: Option<PathBuf>,
    /// What is in force.
    running: Arc<Mutex<Config>>,
    /// What the door shows where it speaks TLS.
    certificate: Option<Arc<Shown>>,
}

impl Reloader {
    /// For a service that was built from this configuration.
    pub(super) fn new(
        surface: Arc<Surface>,
        workshop: Workshop,
        running: Config,
        certificate: Option<Arc<Shown>>,
    ) -> Self {
        Self { surface, workshop, path: None, running: Arc::new(Mutex::new(running)), certificate }
    }

    /// With the file that is read.
    pub(super) fn with_file(self, path: &Path) -> Self {
        Self { path: Some(path.to_owned()), ..self }
    }

    /// Does what is asked, one reload after the other.
    pub(super) async fn run(self: Arc<Self>, asked: Option<mpsc::Receiver<Reload>>) {
        // Somebody else serves as well, and has it.
        let Some(mut asked) = asked else { return std::future::pending().await };
        while let Some(Reload { by, dry_run, answer }) = asked.recv().await {
            let this = Arc::clone(&self);
            // Files are read, and certificates for the new clients.
            let outcome = tokio::task::spawn_blocking(move || this.reload(&by, dry_run)).await;
            self.look_at_certificate();
            let outcome = outcome.unwrap_or_else(|_| Err(vec![fault("file", "the reload failed; its log says where")]));
            // Whoever asked may be gone; the log has it, too.
            let _ = answer.send(outcome);
        }
    }

    fn reload(&self, by: &str, dry_run: bool) -> Result<Changes, Vec<Fault>> {
        let outcome = self.exchange(by, dry_run);
        match &outcome {
            Ok(_) if dry_run => {}
            Ok(changes) => {
                for (section, change) in changes.all() {
                    let (name, settings) = (&change.name, change.settings.join(", "));
                    tracing::info!(
                        section,
                        name,
                        change = change.change.as_str(),
                        settings,
                        "the configuration changed"
                    );
                }
                let needs_restart = changes.needs_restart.join(", ");
                tracing::info!(by, changes = changes.all().count(), needs_restart, "the configuration was read anew");
            }
            Err(faults) => {
                for fault in faults {
                    tracing::warn!(%fault, "the configuration has a fault");
                }
                tracing::warn!(by, faults = faults.len(), "the configuration was not changed");
            }
        }
        outcome
    }

    /// All or nothing: what can fail comes before what changes.
    fn exchange(&self, by: &str, dry_run: bool) -> Result<Changes, Vec<Fault>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path.as_ref().ok_or_else(|| vec![fault("file", "the service was not started with one")])?;
        let mut wanted = config::read(path)?;
        self.tokens_can_be_kept(&wanted)?;
        let changes = Changes::between(&running, &wanted);
        let live = &self.surface.parts;
        let systems = self.workshop.systems(&wanted, Some((&live.current(), &changes)));
        let (connections, companies) =
            systems.map_err(|error| vec![fault("clients", &format!("they cannot be made: {error:#}"))])?;
        let channels = self.surface.alerts.channels(&wanted.alerts, |name| changes.keep_alert(name));
        let channels = channels.map_err(|error| vec![fault("alert", &format!("it cannot be made: {error:#}"))])?;
        if dry_run {
            return Ok(changes);
        }
        let rules = InForce::of(&wanted);
        // The history has the rules before any step is done by them.
        let noted = Handle::current().block_on(live.store.note(rules.event(Some(by)), live.clock.now()));
        noted.map_err(|error| vec![fault("store", &format!("the history cannot take the rules: {error}"))])?;
        live.exchange(connections, companies, rules.name);
        self.surface.operators.write().unwrap_or_else(PoisonError::into_inner).clone_from(&wanted.operators);
        self.surface.alerts.exchange(channels);
        let mut tls = running.server.tls.clone();
        if let (Some(shown), Some(wanted)) = (&self.certificate, &wanted.server.tls) {
            shown.exchange(Arc::clone(&wanted.identity));
            tls = Some(wanted.clone());
        }
        // What needs a restart goes on as it is, and is named again at the next reload.
        let Config { server, store, log, .. } = running.clone();
        (wanted.server, wanted.store, wanted.log) = (Server { tls, ..server }, store, log);
        *running = wanted;
        Ok(changes)
    }

    /// Says in the log and the metrics how long the certificate of the door is good.
    pub(super) fn look_at_certificate(&self) {
        let (running, live) = (self.running.lock().unwrap_or_else(PoisonError::into_inner), &self.surface.parts);
        let Some(tls) = &running.server.tls else { return };
        if let Some(valid) = tls.valid {
            live.metrics.certificate(valid.until.as_second());
        }
        if let Some(complaint) = tls.complaint(live.clock.now()) {
            tracing::warn!("{complaint}");
        }
    }

    /// Refresh tokens are encrypted with the key that the store was opened with.
    fn tokens_can_be_kept(&self, wanted: &Config) -> Result<(), Vec<Fault>> {
        let needs = wanted.companies.iter().find(|company| company.xero.grant == Grant::RefreshToken);
        match needs {
            Some(company) if self.workshop.sealer.is_none() => {
                let message = format!("company '{}' needs it, and it is read at the start only: restart", company.id);
                Err(vec![fault("store.key", &message)])
            }
            _ => Ok(()),
        }
    }
}

fn fault(key: &str, message: &str) -> Fault {
    Fault { line: 0, key: key.to_owned(), message: message.to_owned() }
}
