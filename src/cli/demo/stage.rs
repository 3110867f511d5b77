//! The stage: both simulators and the real service on free ports, with an embedded store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use jiff::SignedDuration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::scene::Scene;
use super::show;
use crate::app::{App, Sweeper};
use crate::cli::token;
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::config;
use crate::domain::record::{RecordKey, RecordKind, SourceId};
use crate::http::RecordView;
use crate::simulator::connectwise::ConnectWise;
use crate::simulator::{connectwise, xero};
use crate::store::Store;

/// The longest that one act may take.
const ACT_MAX: Duration = Duration::from_secs(90);

/// How a record should end.
pub(super) struct Expected {
    pub(super) number: String,
    pub(super) ends: &'static str,
    pub(super) warnings: &'static [&'static str],
    pub(super) begun: std::time::Instant,
    pub(super) took: Option<Duration>,
}

/// What Xero's webhooks are signed with.
const WEBHOOK_KEY: &str = "the-demo's-webhook-key";

/// The store was begun some minutes ago: for a while after that, no payment is entered, because a request from before
/// could still be under way.
const STORE_AGE: SignedDuration = SignedDuration::from_mins(10);

async fn begin_store(folder: &Path, clock: &Arc<dyn Clock>) -> anyhow::Result<()> {
    let begun = ManualClock::new(clock.now().saturating_sub(STORE_AGE)?);
    let store = crate::store::open(folder, &begun)?;
    store.close().await;
    Ok(())
}

/// The folder of the demo's store; it goes with the demo, however that ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // It may not be there yet.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Everything that plays.
pub(super) struct Stage {
    pub(super) connectwise: ConnectWise,
    pub(super) xero: xero::Xero,
    pub(super) url: String,
    pub(super) token: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) store: Arc<dyn Store>,
    sweeper: Sweeper,
    pub(super) expected: BTreeMap<RecordKey, Expected>,
    /// Callbacks by the status they were answered with.
    pub(super) callbacks: BTreeMap<u16, u32>,
    /// Webhooks of Xero by the status they were answered with.
    pub(super) webhooks: BTreeMap<u16, u32>,
    /// What was shown of each record last.
    shown: BTreeMap<RecordKey, String>,
    folder: Folder,
    shutdown: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Stage {
    /// Starts everything.
    pub(super) async fn set() -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let mut settings = connectwise::Settings::new(Arc::clone(&clock));
        settings.latency = Duration::from_millis(25);
        settings.payment_callbacks = true;
        settings.cost_rows = connectwise::CostRows::OfRow;
        let connectwise = ConnectWise::start(settings).await.context("starting the simulator of ConnectWise")?;
        let mut settings = xero::Settings::new(Arc::clone(&clock));
        settings.latency = Duration::from_millis(60);
        // A month in a minute: the real limit of 60 calls a minute would only make the demo wait.
        settings.minute_limit = 2000;
        let xero = xero::Xero::start(settings).await.context("starting the simulator of Xero")?;
        let folder = Folder(std::env::temp_dir().join(format!("readypost-demo-{}", uuid::Uuid::new_v4().simple())));
        let (token, digest) = token::make()?;
        let text = configuration(&connectwise, &xero, &folder.0, &digest);
        let config = config::parse(&text, &|_| None).map_err(|faults| anyhow!("{faults:?}"))?;
        begin_store(&folder.0, &clock).await?;
        let app = App::build(config, &clock)?;
        let listener = app.bind().await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (shutdown, store, sweeper) = (CancellationToken::new(), Arc::clone(&app.parts.store), app.sweeper());
        let stop = shutdown.clone();
        let running = tokio::spawn(async move { app.run(listener, stop).await });
        for kind in ["invoice", "purchaseorder", "expense"] {
            connectwise
                .register_callback(&format!("{url}/callbacks/acme?recordId="), kind, "owner", 1)
                .map_err(|refusal| anyhow!("{refusal:?}"))?;
        }
        xero.subscribe(&format!("{url}/xero/webhooks"), WEBHOOK_KEY);
        let (expected, callbacks, webhooks) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let shown = BTreeMap::new();
        Ok(Self {
            connectwise,
            xero,
            url,
            token,
            clock,
            store,
            sweeper,
            expected,
            callbacks,
            webhooks,
            shown,
            folder,
            shutdown,
            running,
        })
    }

    /// Stops the service and removes what it stored.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        self.running.await??;
        drop(self.folder);
        Ok(())
    }

    /// Puts invoices into ConnectWise and sets them to their status, without sending callbacks yet.
    pub(super) fn enter(&mut self, scenes: Vec<Scene>) -> anyhow::Result<Vec<RecordKey>> {
        let mut keys = Vec::new();
        for scene in scenes {
            let number = scene.invoice.number.clone();
            let id = self.connectwise.add_invoice(scene.invoice);
            self.connectwise
                .set_status(id, scene.status)
                .map_err(|refusal| anyhow!("closing {number}: {refusal:?}"))?;
            let key = key(RecordKind::Invoice, SourceId::from(id))?;
            self.expect(&key, number, scene.ends, scene.warnings);
            keys.push(key);
        }
        Ok(keys)
    }

    /// From now on the record should end so: `done`, or the code of a hold or skip.
    pub(super) fn expect(
        &mut self,
        key: &RecordKey,
        number: String,
        ends: &'static str,
        warnings: &'static [&'static str],
    ) {
        let begun = std::time::Instant::now();
        self.expected.insert(key.clone(), Expected { number, ends, warnings, begun, took: None });
    }

    /// Sends all callbacks that wait.
    pub(super) async fn send(&mut self) {
        for delivery in self.connectwise.take_callbacks() {
            let outcome = self.connectwise.deliver(&delivery).await;
            self.count(outcome);
        }
        for reception in self.xero.deliver_webhooks().await {
            let count = self.webhooks.entry(reception.status.unwrap_or_default()).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Asks both systems for what nobody told of, as readypost does at intervals.
    pub(super) async fn sweep(&self) -> anyhow::Result<()> {
        self.sweeper.sweep().await.map_err(|cause| anyhow!("the sweep: {cause}"))
    }

    /// ConnectWise's id of the invoice with this number.
    pub(super) fn connectwise_id(&self, number: &str) -> anyhow::Result<i64> {
        numbered(self, number).map(|key| invoice_id(&key))
    }

    /// Counts the answer to a callback and returns its status.
    pub(super) fn count(&mut self, outcome: connectwise::Outcome) -> u16 {
        let status = outcome.status.unwrap_or_default();
        let count = self.callbacks.entry(status).or_default();
        *count = count.saturating_add(1);
        status
    }

    /// Plays an act: enters, sends, and shows each record as it ends.
    pub(super) async fn act(&mut self, title: &str, scenes: Vec<Scene>) -> anyhow::Result<()> {
        show::heading(title);
        let keys = self.enter(scenes)?;
        self.send().await;
        self.watch(&keys).await
    }

    /// Shows these records as they move, until all have ended.
    pub(super) async fn watch(&mut self, keys: &[RecordKey]) -> anyhow::Result<()> {
        let until = tokio::time::Instant::now() + ACT_MAX;
        let mut changed = self.store.changed();
        loop {
            changed.mark_unchanged();
            let mut open = 0_u32;
            for key in keys {
                open = open.saturating_add(u32::from(!self.look(key).await?));
            }
            if open == 0 {
                return Ok(());
            }
            // Our own batches cause callbacks too; they are delivered as ConnectWise would.
            self.send().await;
            let wait = tokio::time::timeout(Duration::from_millis(200), changed.changed());
            // Without a change, the next look is at callbacks that wait.
            let _ = tokio::time::timeout_at(until, wait).await;
            if tokio::time::Instant::now() > until {
                bail!("some records of this act did not end in {} s", ACT_MAX.as_secs());
            }
        }
    }

    /// Shows what is new about these records, once.
    pub(super) async fn glance(&mut self, keys: &[RecordKey]) -> anyhow::Result<()> {
        for key in keys {
            self.look(key).await?;
        }
        Ok(())
    }

    /// Shows what is new about a record; returns whether it has ended.
    async fn look(&mut self, key: &RecordKey) -> anyhow::Result<bool> {
        let Some(view) = self.view(key).await? else { return Ok(false) };
        let ended = view.waiting.is_none();
        let cause = view.waiting.as_ref().and_then(|waiting| waiting.cause.clone());
        let news = format!("{}{:?}{cause:?}", view.state, view.reason);
        if (ended || cause.is_some()) && self.shown.get(key) != Some(&news) {
            self.shown.insert(key.clone(), news);
            let took = self.expected.get_mut(key).map(|expected| {
                let took = expected.begun.elapsed();
                expected.took = expected.took.or(ended.then_some(took));
                took
            });
            show::record(&view, took.filter(|_| ended));
        }
        Ok(ended)
    }

    /// A record as an operator sees it.
    pub(super) async fn view(&self, key: &RecordKey) -> anyhow::Result<Option<RecordView>> {
        Ok(self.store.record(key).await?.as_ref().map(RecordView::from))
    }
}

/// The key of the record with this number.
pub(super) fn numbered(stage: &Stage, number: &str) -> anyhow::Result<RecordKey> {
    let found = stage.expected.iter().find(|(_, expected)| expected.number == number);
    found.map(|(key, _)| key.clone()).ok_or_else(|| anyhow!("nothing of the demo has the number {number}"))
}

/// ConnectWise's id of an invoice of the demo.
pub(super) fn invoice_id(key: &RecordKey) -> i64 {
    key.source.as_str().parse().unwrap_or_default()
}

/// The key of a record of the demo's connection.
pub(super) fn key(kind: RecordKind, source: SourceId) -> anyhow::Result<RecordKey> {
    Ok(RecordKey { connection: "acme".parse()?, kind, source })
}

fn configuration(connectwise: &ConnectWise, xero: &xero::Xero, folder: &std::path::Path, digest: &str) -> String {
    let settings = xero.settings();
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
requests_per_minute = 0
[store]
path = {path:?}
[[operator]]
name = "demo"
role = "operator"
token_sha256 = "{digest}"
[[connectwise]]
name = "acme"
site = "{site}"
company = "acme"
public_key = "public-key"
private_key = "private-key"
client_id = "3f1d4b7e-6a55-4c0c-9d0b-0c8f3a7d2e11"
key_url_hosts = ["{keys}"]
[[company]]
id = "acme-au"
connectwise = "acme"
[company.xero]
api_url = "{api}"
token_url = "{token_url}"
client_id = "{client_id}"
client_secret = "{client_secret}"
tenant_id = "{tenant}"
webhook_key = "{WEBHOOK_KEY}"
minute_limit = 2000
[company.rules]
payments = "both"
payment_account = "090"
credits = "to_xero"
adjustments = "journal"
cost_of_goods = "journal"
invoice_statuses = ["Ready to Post", "Approved"]
untaxed = "GST Free Income"
untaxed_purchases = "GST Free Expenses"
purchase_tax_names = {{ GST = "GST on Expenses" }}
[company.rules.tax_names]
GST = "GST on Income"
FREE = "GST Free Income"
"#,
        path = folder.display().to_string(),
        site = connectwise.site_url(),
        keys = connectwise.key_host(),
        api = xero.api_url(),
        token_url = xero.token_url(),
        client_id = settings.client_id,
        client_secret = settings.client_secret,
        tenant = settings.tenant_id,
    )
}
