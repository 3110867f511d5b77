//! The only file that names concrete types: configuration to parts, run, shut down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::connectwise::{self, ConnectWise};
use crate::domain::settle::RetryPolicy;
use crate::http::{self, Limits, Surface};
use crate::pipeline::{self, Company, Connection, Live, Parts};
use crate::store::{self, Health, Store};
use crate::telemetry::Metrics;
use crate::vault::{Sealer, Vault};
use crate::xero::{self, Xero};

/// How long a poisoned store goes on answering 429 and saying why, before the process ends.
const POISONED_FOR: Duration = Duration::from_secs(5);
/// The model of ConnectWise's API that is asked for; without it each release would change the answers.
const CONNECTWISE_VERSION: &str = "2025.1";
/// Callbacks that are verified at the same time; more get 429.
const VERIFYING_MAX: usize = 256;
/// Bytes of callbacks that are held before they are verified, in KiB; more get 429.
const BODIES_KIB_MAX: usize = 64 << 10;

/// A service that is put together, but does not run yet.
#[derive(Debug)]
pub struct App {
    /// What steps work with; tests drive them by hand.
    pub parts: Arc<Live>,
    surface: Arc<Surface>,
    limits: Limits,
    listen: SocketAddr,
}

impl App {
    /// Builds everything that the configuration asks for and opens the store.
    ///
    /// # Errors
    /// When the store or an HTTP client cannot be had.
    pub fn build(config: Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let store = store::open(&config.store.path, &**clock)
            .with_context(|| format!("opening the store in {}", config.store.path.display()))?;
        let sealer = config.store.key.as_ref().and_then(Sealer::new).map(Arc::new);
        let mut connections = std::collections::BTreeMap::new();
        for connection in config.connections {
            let name = connection.name.clone();
            connections.insert(name, Connection { client: Arc::new(connectwise_client(connection, clock)?) });
        }
        let mut companies = Vec::new();
        for company in config.companies {
            companies.push(xero_company(company, &store, clock, sealer.clone())?);
        }
        let parts = Arc::new(Live::new(Parts {
            store,
            clock: Arc::clone(clock),
            connections,
            companies,
            policy: RetryPolicy::default(),
            metrics: Arc::new(Metrics::default()),
        }));
        let surface = Arc::new(Surface {
            parts: Arc::clone(&parts),
            operators: config.operators,
            body_bytes_max: config.server.body_bytes_max,
            verifying: Semaphore::new(VERIFYING_MAX),
            // Never less than the largest body that is allowed.
            bodies: Semaphore::new(BODIES_KIB_MAX.max(config.server.body_bytes_max.div_ceil(1 << 10))),
            started: clock.now(),
        });
        let limits = Limits { connections_max: config.server.connections_max };
        Ok(Self { parts, surface, limits, listen: config.server.listen })
    }

    /// Binds the configured address; port 0 becomes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(&self) -> anyhow::Result<TcpListener> {
        TcpListener::bind(self.listen).await.with_context(|| format!("listening on {}", self.listen))
    }

    /// Serves without working the queue, until `shutdown`; then the store is closed.
    pub fn serve_only(
        &self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        http::serve(listener, http::router(Arc::clone(&self.surface)), self.limits, shutdown)
    }

    /// Runs until `shutdown`: the door closes first, steps that were begun finish, the store is flushed last.
    ///
    /// # Errors
    /// When the store failed meanwhile: the process should end and be started again.
    pub async fn run(&self, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
        let working = tokio::spawn(pipeline::run(Arc::clone(&self.parts), shutdown.clone()));
        let poisoned = self.watch_store(shutdown.clone());
        let serving = self.serve_only(listener, shutdown.clone());
        let (cause, ()) = tokio::join!(poisoned, serving);
        working.await.context("the worker stopped")?;
        self.parts.store.close().await;
        match cause {
            None => Ok(()),
            Some(cause) => bail!("the store failed: {cause}"),
        }
    }

    /// Ends everything some time after the store failed; none at an ordinary shutdown.
    async fn watch_store(&self, shutdown: CancellationToken) -> Option<String> {
        let mut health = self.parts.store.health();
        let poisoned = tokio::select! {
            () = shutdown.cancelled() => return None,
            health = health.wait_for(|health| *health != Health::Good) => health.map(|health| health.clone()),
        };
        let cause = match poisoned {
            Ok(Health::Poisoned(cause)) => cause,
            Ok(Health::Good) | Err(_) => "it is gone".to_owned(),
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(POISONED_FOR) => shutdown.cancel(),
        }
        Some(cause)
    }
}

/// The client of one configured ConnectWise system.
///
/// # Errors
/// When the TLS roots of the system cannot be read.
pub fn connectwise_client(connection: config::Connection, clock: &Arc<dyn Clock>) -> anyhow::Result<ConnectWise> {
    let endpoint = match connection.endpoint {
        config::Endpoint::ApiUrl(url) => connectwise::Endpoint::ApiUrl(url),
        config::Endpoint::Site(url) => connectwise::Endpoint::Site(url),
    };
    let settings = connectwise::Settings {
        endpoint,
        company: connection.company,
        public_key: connection.public_key,
        private_key: connection.private_key,
        client_id: connection.client_id,
        version: CONNECTWISE_VERSION.to_owned(),
        key_hosts: connection.key_url_hosts,
        timeout: Duration::from_secs(30),
    };
    ConnectWise::new(settings, Arc::clone(clock)).context("making the client of ConnectWise")
}

/// The client of one configured Xero organisation.
///
/// # Errors
/// When the TLS roots of the system cannot be read.
pub fn xero_client(
    access: &config::XeroAccess,
    vault: Arc<dyn xero::TokenVault>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Xero> {
    let settings = xero::Settings {
        api_url: access.api_url.clone(),
        token_url: access.token_url.clone(),
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

fn xero_company(
    company: config::Company,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    sealer: Option<Arc<Sealer>>,
) -> anyhow::Result<Company> {
    let vault = Vault {
        store: Arc::clone(store),
        clock: Arc::clone(clock),
        company: company.id.clone(),
        sealer,
        first: company.xero.refresh_token.clone(),
    };
    let client = Arc::new(xero_client(&company.xero, Arc::new(vault), clock)?);
    Ok(Company {
        id: company.id,
        connection: company.connection,
        locations: company.locations,
        rules: company.rules,
        client,
        since: clock.now(),
    })
}
