//! From the configuration to clients of both systems; those whose settings did not change are kept.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use secrecy::ExposeSecret;

use crate::alerts::{Channels, Tested};
use crate::clock::Clock;
use crate::config::{self, Changes, Config};
use crate::connectwise::{self, ConnectWise};
use crate::domain::record::{CompanyId, ConnectionId};
use crate::domain::signature::WebhookKey;
use crate::pipeline::{CallbackRule, Company, Connection, Parts};
use crate::store::Store;
use crate::vault::{Sealer, Vault};
use crate::xero::{self, Xero};

/// The model of ConnectWise's API that is asked for; without it each release would change the answers.
const CONNECTWISE_VERSION: &str = "2025.1";

/// What clients are made with, besides their settings.
#[derive(Clone, Debug)]
pub(super) struct Workshop {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sealer: Option<Arc<Sealer>>,
    /// What is done about callbacks; fixed at the start.
    pub(super) callbacks: CallbackRule,
}

/// Both systems' clients: of each connection, and of each company with its rules.
pub(super) type Systems = (BTreeMap<ConnectionId, Connection>, Vec<Company>);

/// Connects to the channels of alerts and greets them, without a message; what came of each.
///
/// # Errors
/// When the TLS roots of the system cannot be read.
pub async fn greet_channels(wanted: &[config::Alert]) -> anyhow::Result<Vec<Tested>> {
    Ok(Channels::new(wanted)?.greet().await)
}

impl Workshop {
    /// The systems of a configuration. What `before` has and `changes` does not touch goes on with its token,
    /// caches, budget and connections.
    pub(super) fn systems(&self, config: &Config, before: Option<(&Parts, &Changes)>) -> anyhow::Result<Systems> {
        let mut connections = BTreeMap::new();
        for connection in &config.connections {
            let name = &connection.name;
            let kept = before.filter(|(_, changes)| changes.keep_connection(name.as_str()));
            let kept = kept.and_then(|(parts, _)| parts.connections.get(name));
            let client = match kept {
                Some(kept) => Arc::clone(&kept.client),
                None => Arc::new(connectwise_client(connection, &self.clock)?),
            };
            let (callbacks, listening) = (self.callbacks.clone(), connection.listening.clone());
            connections.insert(name.clone(), Connection { client, callbacks, listening });
        }
        let mut companies = Vec::new();
        for company in &config.companies {
            let kept = before.filter(|(_, changes)| changes.keep_xero(company.id.as_str()));
            let kept = kept.and_then(|(parts, _)| parts.companies.iter().find(|known| known.id == company.id));
            let (client, since) = match kept {
                Some(kept) => (Arc::clone(&kept.client), kept.since),
                None => (self.xero(company)?, self.clock.now()),
            };
            companies.push(Company {
                id: company.id.clone(),
                connection: company.connection.clone(),
                locations: company.locations.clone(),
                rules: company.rules.clone(),
                client,
                webhook_key: company.xero.webhook_key.as_ref().map(|key| WebhookKey::new(key.expose_secret().trim())),
                since,
            });
        }
        Ok((connections, companies))
    }

    fn xero(&self, company: &config::Company) -> anyhow::Result<Arc<Xero>> {
        let mut access = company.xero.clone();
        let vault = Vault {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            company: company.id.clone(),
            sealer: self.sealer.clone(),
            first: company.xero.refresh_token.clone(),
        };
        // The configuration goes before what somebody connected.
        access.tenant_id = access.tenant_id.or_else(|| vault.tenant());
        xero_client((&company.id, &access), Arc::new(vault), &self.clock).map(Arc::new)
    }
}

/// The client of one configured ConnectWise system.
///
/// # Errors
/// When the TLS roots of the system cannot be read.
pub fn connectwise_client(connection: &config::Connection, clock: &Arc<dyn Clock>) -> anyhow::Result<ConnectWise> {
    let endpoint = match connection.endpoint.clone() {
        config::Endpoint::ApiUrl(url) => connectwise::Endpoint::ApiUrl(url),
        config::Endpoint::Site(url) => connectwise::Endpoint::Site(url),
    };
    let settings = connectwise::Settings {
        endpoint,
        company: connection.company.clone(),
        public_key: connection.public_key.clone(),
        private_key: connection.private_key.clone(),
        client_id: connection.client_id.clone(),
        version: CONNECTWISE_VERSION.to_owned(),
        key_hosts: connection.key_url_hosts.clone(),
        private_key_hosts: connection.key_url_private,
        timeout: Duration::from_secs(30),
    };
    ConnectWise::new(settings, Arc::clone(clock)).context("making the client of ConnectWise")
}

/// The client of one configured Xero organisation.
///
/// # Errors
/// When the TLS roots of the system cannot be read.
pub fn xero_client(
    (company, access): (&CompanyId, &config::XeroAccess),
    vault: Arc<dyn xero::TokenVault>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Xero> {
    let settings = xero::Settings {
        api_url: access.api_url.clone(),
        token_url: access.token_url.clone(),
        authorize_url: access.authorize_url.clone(),
        name: company.to_string(),
        client_id: access.client_id.clone(),
        client_secret: access.client_secret.clone(),
        grant: match access.grant {
            config::Grant::ClientCredentials => xero::Grant::ClientCredentials,
            config::Grant::RefreshToken => xero::Grant::RefreshToken,
        },
        tenant_id: access.tenant_id,
        timeout: Duration::from_mins(1),
        minute_limit: access.minute_limit,
    };
    Xero::new(settings, vault, Arc::clone(clock)).context("making the client of Xero")
}
