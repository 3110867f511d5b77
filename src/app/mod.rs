//! The only place that names concrete types: configuration to parts, run, reload, shut down.

mod clients;
mod head;
mod reload;
mod rules;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, bail};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

pub use clients::{connectwise_client, greet_channels, xero_client};

use crate::alerts::{self, Alerts, Channels};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::settle::RetryPolicy;
use crate::http::{self, Limits, Pace, Reload, Shown, Surface};
use crate::pipeline::{self, CallbackRule, Live, Parts};
use crate::store::{self, Health};
use crate::telemetry::Metrics;
use crate::vault::Sealer;
use clients::Workshop;
use reload::Reloader;
use rules::InForce;

/// How long a poisoned store goes on answering 429 and saying why, before the process ends.
const POISONED_FOR: Duration = Duration::from_secs(5);
/// Reloads that may wait for each other.
const RELOADS_MAX: usize = 4;
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
    /// How the door speaks; none = plain HTTP.
    tls: Option<Arc<ServerConfig>>,
    reloader: Arc<Reloader>,
    /// What is asked of the reloader; taken by whoever serves.
    asked: Mutex<Option<mpsc::Receiver<Reload>>>,
}

/// Tells the channels of alerts what stands, besides the intervals at which the running service does.
#[derive(Clone, Debug)]
pub struct Alerter(Arc<Alerts>);

impl Alerter {
    /// Looks once, and returns when every channel was told what it was to be told, or could not be.
    pub async fn look(&self) {
        self.0.look().await;
    }
}

/// Asks both systems for what nobody told of, besides the intervals at which the running service does.
#[derive(Clone, Debug)]
pub struct Sweeper(Arc<Live>);

impl Sweeper {
    /// Sweeps every company once.
    ///
    /// # Errors
    /// What went wrong with the first company that failed; the others are swept all the same.
    pub async fn sweep(&self) -> Result<(), String> {
        pipeline::sweep(&self.0).await
    }
}

impl App {
    /// What sweeps by hand while the service runs.
    #[must_use]
    pub fn sweeper(&self) -> Sweeper {
        Sweeper(Arc::clone(&self.parts))
    }

    /// What tells of alerts by hand while the service runs.
    #[must_use]
    pub fn alerter(&self) -> Alerter {
        Alerter(Arc::clone(&self.surface.alerts))
    }

    /// Builds everything that the configuration asks for and opens the store.
    ///
    /// # Errors
    /// When the store or an HTTP client cannot be had.
    pub fn build(config: Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Self> {
        let rules = InForce::of(&config);
        let options = store::Options {
            exchanges_days: config.store.exchanges_days,
            configured: Some(rules.event(None)),
            ..store::Options::default()
        };
        let store = store::open_with(&config.store.path, &**clock, options)
            .with_context(|| format!("opening the store in {}", config.store.path.display()))?;
        let sealer = config.store.key.as_ref().and_then(Sealer::new).map(Arc::new);
        let server = &config.server;
        let public_url = server.public_url.as_ref().map(ToString::to_string);
        let callbacks = CallbackRule { public_url, keeping: server.callbacks };
        let workshop = Workshop { store: Arc::clone(&store), clock: Arc::clone(clock), sealer, callbacks };
        let (connections, companies) = workshop.systems(&config, None)?;
        let parts = Arc::new(Live::new(Parts {
            store,
            clock: Arc::clone(clock),
            connections,
            companies,
            rules: rules.name,
            policy: RetryPolicy::default(),
            metrics: Arc::new(Metrics::default()),
        }));
        let channels = Channels::new(&config.alerts).context("making the channels of alerts")?;
        let alerts = Arc::new(Alerts::new(Arc::clone(&parts), &config.store.path, channels));
        parts.metrics.started(clock.now().as_second());
        let (reloads, asked) = mpsc::channel(RELOADS_MAX);
        let surface = Arc::new(Surface {
            parts: Arc::clone(&parts),
            operators: RwLock::new(config.operators.clone()),
            pace: Pace::new(config.server.requests_per_minute),
            reloads,
            body_bytes_max: config.server.body_bytes_max,
            verifying: Semaphore::new(VERIFYING_MAX),
            // Never less than the largest body that is allowed.
            bodies: Semaphore::new(BODIES_KIB_MAX.max(config.server.body_bytes_max.div_ceil(1 << 10))),
            started: clock.now(),
            alerts,
            statements: http::Statements::default(),
            simulations: http::Simulations::default(),
            map_checks: http::MapChecks::default(),
            sessions: http::Sessions::default(),
            bulks: http::Bulks::default(),
            connects: pipeline::connect::Connects::default(),
        });
        let limits = Limits { connections_max: config.server.connections_max };
        let listen = config.server.listen;
        let certificate = config.server.tls.as_ref().map(|tls| Arc::new(Shown::new(Arc::clone(&tls.identity))));
        let tls = certificate.clone().map(Shown::speaking).transpose().context("opening the door for TLS")?;
        let reloader = Reloader::new(Arc::clone(&surface), workshop, config, certificate);
        let (reloader, asked) = (Arc::new(reloader), Mutex::new(Some(asked)));
        Ok(Self { parts, surface, limits, listen, tls: tls.map(Arc::new), reloader, asked })
    }

    /// Names the file that a reload reads; without one the configuration stays as it was built.
    #[must_use]
    pub fn with_file(mut self, path: &Path) -> Self {
        self.reloader = Arc::new(Reloader::clone(&self.reloader).with_file(path));
        self
    }

    /// Where to ask for a reload.
    #[must_use]
    pub fn reloads(&self) -> mpsc::Sender<Reload> {
        self.surface.reloads.clone()
    }

    /// Binds the configured address; port 0 becomes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(&self) -> anyhow::Result<TcpListener> {
        TcpListener::bind(self.listen).await.with_context(|| format!("listening on {}", self.listen))
    }

    /// Serves without working the queue, until `shutdown`.
    pub fn serve_only(
        &self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        let router = http::router(Arc::clone(&self.surface));
        let serving = http::serve(listener, router, self.limits, self.tls.clone(), shutdown);
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        let reloading = Arc::clone(&self.reloader).run(asked);
        async move {
            tokio::select! {
                () = serving => {}
                () = reloading => {}
            }
        }
    }

    /// How the door is spoken to.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Runs until `shutdown`: the door closes first, steps that were begun finish, the store is flushed last.
    ///
    /// # Errors
    /// When the store failed meanwhile: the process should end and be started again.
    pub async fn run(&self, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
        let working = tokio::spawn(pipeline::run(Arc::clone(&self.parts), shutdown.clone()));
        let sweeping = tokio::spawn(pipeline::run_sweeps(Arc::clone(&self.parts), shutdown.clone()));
        let noting = tokio::spawn(head::run(Arc::clone(&self.parts), Arc::clone(&self.reloader), shutdown.clone()));
        let telling = tokio::spawn(alerts::run(Arc::clone(&self.surface.alerts), shutdown.clone()));
        let poisoned = self.watch_store(shutdown.clone());
        let serving = self.serve_only(listener, shutdown.clone());
        let (cause, ()) = tokio::join!(poisoned, serving);
        working.await.context("the worker stopped")?;
        sweeping.await.context("the sweeps stopped")?;
        noting.await.context("the daily look at the history stopped")?;
        telling.await.context("the alerts stopped")?;
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
