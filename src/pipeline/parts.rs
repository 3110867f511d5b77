//! What a step works with: the store, the clock, and the clients of both systems.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::connectwise::ConnectWise;
use crate::domain::facts::Invoice;
use crate::domain::record::{CompanyId, ConnectionId, RecordKey};
use crate::domain::rules::Rules;
use crate::domain::settle::RetryPolicy;
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::xero::Xero;

/// One ConnectWise system.
#[derive(Debug)]
pub struct Connection {
    /// Its client.
    pub client: Arc<ConnectWise>,
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
}

/// Everything that steps share.
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
    /// When the process was started; what was closed before may have been posted by another one.
    pub started: Timestamp,
    /// When failed steps are tried again.
    pub policy: RetryPolicy,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Parts {
    /// The organisation that takes an invoice: the one that names its location, else the one that takes all.
    pub(super) fn company(&self, key: &RecordKey, invoice: &Invoice) -> Option<&Company> {
        let mut ours = self.companies.iter().filter(|company| company.connection == key.connection);
        let names =
            |company: &&Company| invoice.location_id.is_some_and(|location| company.locations.contains(&location));
        ours.clone().find(names).or_else(|| ours.find(|company| company.locations.is_empty()))
    }
}
