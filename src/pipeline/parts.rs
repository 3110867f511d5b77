//! What a step works with: the store, the clock, and the clients of both systems.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::slots::Slots;
use super::sweep::Sweeps;
use crate::clock::Clock;
use crate::connectwise::ConnectWise;
use crate::domain::hours::Listening;
use crate::domain::record::{CompanyId, ConnectionId, RecordKey};
use crate::domain::registration::Keeping;
use crate::domain::rules::Rules;
use crate::domain::settle::RetryPolicy;
use crate::domain::signature::WebhookKey;
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::xero::Xero;

/// One ConnectWise system.
#[derive(Debug)]
pub struct Connection {
    /// Its client.
    pub client: Arc<ConnectWise>,
    /// What is done about its callbacks.
    pub callbacks: CallbackRule,
    /// When it counts as silent.
    pub listening: Listening,
}

/// What is done about the callbacks of a connection.
#[derive(Clone, Debug, Default)]
pub struct CallbackRule {
    /// What ConnectWise is told to call; without it nothing is done.
    pub public_url: Option<String>,
    /// What is done.
    pub keeping: Keeping,
}

/// One Xero organisation.
#[derive(Debug)]
pub struct Company {
    /// Its name in the configuration.
    pub id: CompanyId,
    /// The ConnectWise system whose records it takes.
    pub connection: ConnectionId,
    /// The locations whose records it takes; empty = all.
    pub locations: Vec<i64>,
    /// Its rules.
    pub rules: Rules,
    /// Its client.
    pub client: Arc<Xero>,
    /// What its webhooks are signed with; none = it sends none.
    pub webhook_key: Option<WebhookKey>,
    /// Since when its client is used; what was closed before may have been posted by another one.
    pub since: Timestamp,
}

/// Everything that steps share. A step sees one set of it from its beginning to its end.
#[derive(Debug)]
pub struct Parts {
    /// The records.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The ConnectWise systems.
    pub connections: BTreeMap<ConnectionId, Connection>,
    /// The Xero organisations.
    pub companies: Vec<Company>,
    /// Names the rules of all organisations in the history: 16 hexadecimal digits.
    pub rules: String,
    /// When failed steps are tried again.
    pub policy: RetryPolicy,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The running service: what stays as long as the process, and the parts as they are now.
#[derive(Debug)]
pub struct Live {
    /// The records.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The steps under way; they outlive the parts that they began with.
    pub(super) slots: Arc<Slots>,
    /// What sweeps remember; it outlives the parts, too.
    pub(super) sweeps: Arc<Sweeps>,
    parts: watch::Sender<Arc<Parts>>,
}

impl Live {
    /// A service that begins with these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            store: Arc::clone(&parts.store),
            clock: Arc::clone(&parts.clock),
            metrics: Arc::clone(&parts.metrics),
            slots: Arc::default(),
            sweeps: Arc::default(),
            parts: watch::Sender::new(Arc::new(parts)),
        }
    }

    /// The parts as they are now: one set that belongs together.
    #[must_use]
    pub fn current(&self) -> Arc<Parts> {
        Arc::clone(&self.parts.borrow())
    }

    /// Exchanges both systems' clients and all rules at once. Steps under way finish with those they began with.
    pub fn exchange(&self, connections: BTreeMap<ConnectionId, Connection>, companies: Vec<Company>, rules: String) {
        let Parts { store, clock, policy, metrics, .. } = &*self.current();
        let (store, clock, metrics) = (Arc::clone(store), Arc::clone(clock), Arc::clone(metrics));
        let parts = Parts { store, clock, connections, companies, rules, policy: *policy, metrics };
        self.parts.send_replace(Arc::new(parts));
    }

    /// Changes when the parts were exchanged.
    pub(super) fn exchanged(&self) -> watch::Receiver<Arc<Parts>> {
        self.parts.subscribe()
    }
}

impl Parts {
    /// Whether the configuration has the company.
    pub(super) fn has(&self, company: &CompanyId) -> bool {
        self.companies.iter().any(|candidate| candidate.id == *company)
    }

    /// The organisation that takes a record: the one that names its location, else the one that takes all.
    pub(super) fn company(&self, key: &RecordKey, location: Option<i64>) -> Option<&Company> {
        let mut ours = self.companies.iter().filter(|company| company.connection == key.connection);
        let names = |company: &&Company| location.is_some_and(|location| company.locations.contains(&location));
        ours.clone().find(names).or_else(|| ours.find(|company| company.locations.is_empty()))
    }
}
