//! A service on a free port between two simulators; `settle` turns the pipeline until nothing is due.
//!
//! Dropping a [`World`] checks the law that every test shares: no ConnectWise record is in Xero twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use readypost::app::App;
use readypost::clock::{Clock, ManualClock};
use readypost::config;
use readypost::domain::delivery::Record;
use readypost::domain::facts::mark_in;
use readypost::pipeline::{Turn, turn};
use readypost::simulator::connectwise::{ConnectWise, Delivery, NewCompany, NewInvoice, NewLine};
use readypost::simulator::{connectwise, xero};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(crate) const TOKEN: &str = "test-token";
/// Of someone who may look only; its digest is in the configuration below.
pub(crate) const VIEWER: &str = "viewer-token";
const TOKEN_SHA256: &str = "4c5dc9b7708905f77f5e5d16316b5dfb425e68cb326dcd55a860e90a7707031e";

/// What the webhooks of the usual company are signed with.
pub(crate) const WEBHOOK_KEY: &str = "s+Tl8D0ZbQ==";

/// The name of the configuration file.
const FILE: &str = "readypost.toml";

/// Both systems and the service between them.
pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) connectwise: ConnectWise,
    pub(crate) xero: xero::Xero,
    pub(crate) app: App,
    pub(crate) url: String,
    pub(crate) client: i64,
    pub(crate) http: reqwest::Client,
    folder: tempfile::TempDir,
    /// Holds the configuration file, which `rewrite` writes anew.
    file: tempfile::TempDir,
    pub(crate) shutdown: CancellationToken,
    process: Option<Process>,
}

/// What a service has to itself when it is run like a process of its own: all of it ends at once.
pub(crate) struct Process {
    runtime: tokio::runtime::Runtime,
    /// The port outlives the process, as an address behind a proxy does.
    door: std::net::TcpListener,
}

impl Process {
    fn new(door: std::net::TcpListener) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, door }
    }

    /// Has the process do something; dropped with it.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(work)
    }

    fn serve(&self, app: &App) -> (String, CancellationToken) {
        let door = self.door.try_clone().unwrap();
        let listener = {
            let _inside = self.runtime.enter();
            tokio::net::TcpListener::from_std(door).unwrap()
        };
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        self.runtime.spawn(app.serve_only(listener, shutdown.clone()));
        (url, shutdown)
    }
}

/// How a world differs from the usual one.
pub(crate) struct Differently {
    pub(crate) rules: &'static str,
    pub(crate) connectwise: fn(&mut connectwise::Settings),
    pub(crate) xero: fn(&mut xero::Settings),
    pub(crate) server: &'static str,
    /// The service is run like a process of its own, which can be killed.
    pub(crate) apart: bool,
}

impl Default for Differently {
    fn default() -> Self {
        Self { rules: "", connectwise: |_| {}, xero: |_| {}, server: "", apart: false }
    }
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy_files(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

pub(crate) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// Rules that fit the demo organisation of the simulator.
pub(crate) const RULES: &str = "untaxed = \"GST Free Income\"\ntax_names = { GST = \"GST on Income\" }\n";

/// Tax, terms and one client that both systems know; the id is the client's.
pub(crate) fn furnish(connectwise: &ConnectWise, xero: &xero::Xero) -> i64 {
    let tax = connectwise.add_tax_code("GST", "GST on Income", &[("GST on Income", dec("0.1"))]);
    let terms = connectwise.add_terms("Net 20", 20, "20");
    xero.add_contact(xero::NewContact { name: "Blue Gum Dental".to_owned(), ..xero::NewContact::default() });
    connectwise.add_company(NewCompany {
        identifier: "BLUEGUM".to_owned(),
        name: "Blue Gum Dental".to_owned(),
        account_number: "BLUEGUM".to_owned(),
        terms: Some(terms),
        tax_code: Some(tax),
        ..NewCompany::default()
    })
}

/// A line of labour.
pub(crate) fn labour(quantity: &str, price: &str) -> NewLine {
    NewLine {
        description: "Labour".to_owned(),
        quantity: dec(quantity),
        unit_price: dec(price),
        region: "Sydney".to_owned(),
        department: "Service".to_owned(),
        non_product_id: "LABOUR".to_owned(),
        ..NewLine::default()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Differently::default()).await
    }

    pub(crate) async fn with(differently: Differently) -> Self {
        let start: Timestamp = "2026-11-30T09:00:00Z".parse().unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let mut settings = connectwise::Settings::new(clock.clone());
        (differently.connectwise)(&mut settings);
        let connectwise = ConnectWise::start(settings).await.unwrap();
        let mut settings = xero::Settings::new(clock.clone());
        settings.minute_limit = 10_000;
        (differently.xero)(&mut settings);
        let xero = xero::Xero::start(settings).await.unwrap();
        let client = furnish(&connectwise, &xero);
        let (folder, file) = (scratch(), scratch());
        let rules = format!("{RULES}{}", differently.rules);
        let text = configuration_text(&connectwise, &xero, folder.path(), (&rules, differently.server));
        std::fs::write(file.path().join(FILE), text).unwrap();
        let app = build(&clock, file.path()).unwrap();
        // Some minutes later, so that what is closed from now on is known to be younger than the store.
        clock.advance(SignedDuration::from_mins(3));
        let process = differently.apart.then(|| {
            let door = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            door.set_nonblocking(true).unwrap();
            Process::new(door)
        });
        let (url, shutdown) = match &process {
            Some(process) => process.serve(&app),
            None => serve(&app).await,
        };
        connectwise.register_callback(&format!("{url}/callbacks/acme?recordId="), "invoice", "owner", 1).unwrap();
        // None is kept: the door may close an idle connection at the moment of the next request.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).pool_max_idle_per_host(0);
        let http = http.build().unwrap();
        Self { clock, connectwise, xero, app, url, client, http, folder, file, shutdown, process }
    }

    /// The service as a process of its own.
    pub(crate) fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    /// Ends the process as SIGKILL does: nothing is finished, nothing is flushed, nobody is asked. It is dead for a
    /// while before another one starts on the same folder and the same port.
    pub(crate) async fn kill(&mut self, dead: SignedDuration) {
        let Process { runtime, door } = self.process.take().unwrap();
        // Returns once nothing of it runs any more.
        let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(Duration::from_secs(10)));
        ended.await.unwrap();
        self.clock.advance(dead);
        self.process = Some(Process::new(door));
        self.rebuild().await;
        (self.url, self.shutdown) = self.process().serve(&self.app);
    }

    /// The configuration file.
    pub(crate) fn file(&self) -> PathBuf {
        self.file.path().join(FILE)
    }

    /// The text of the configuration file.
    pub(crate) fn configuration(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    /// Writes the configuration file anew, without telling the service.
    pub(crate) fn rewrite(&self, text: &str) {
        std::fs::write(self.file.path().join(FILE), text).unwrap();
    }

    /// Writes the configuration file anew and has it read; the status and the answer.
    pub(crate) async fn reload(&self, text: &str) -> (u16, Value) {
        self.rewrite(text);
        self.post("/api/v1/reload", &serde_json::json!({})).await
    }

    /// Stops the service as a shutdown does and starts another one on the same folder.
    pub(crate) async fn restart(&mut self) {
        self.shutdown.cancel();
        self.app.parts.store.close().await;
        self.reopen().await;
    }

    /// Starts a service on an empty folder: the store was lost.
    pub(crate) async fn lose_store(&mut self) {
        self.shutdown.cancel();
        self.app.parts.store.close().await;
        let lost = std::mem::replace(&mut self.folder, scratch());
        let text = self.configuration().replace(lost.path().to_str().unwrap(), self.folder.path().to_str().unwrap());
        self.rewrite(&text);
        self.reopen().await;
    }

    /// A copy of the folder of the store; nothing is written meanwhile.
    pub(crate) fn backup(&self) -> tempfile::TempDir {
        let copy = scratch();
        copy_files(self.folder.path(), copy.path());
        copy
    }

    /// Starts a service on a copy of the folder.
    pub(crate) async fn restore(&mut self, backup: &tempfile::TempDir) {
        self.shutdown.cancel();
        self.app.parts.store.close().await;
        let lost = std::mem::replace(&mut self.folder, scratch());
        copy_files(backup.path(), self.folder.path());
        let text = self.configuration().replace(lost.path().to_str().unwrap(), self.folder.path().to_str().unwrap());
        self.rewrite(&text);
        self.reopen().await;
    }

    async fn reopen(&mut self) {
        self.rebuild().await;
        let (url, shutdown) = serve(&self.app).await;
        (self.url, self.shutdown) = (url, shutdown);
        self.connectwise
            .register_callback(&format!("{}/callbacks/acme?recordId=", self.url), "invoice", "owner", 1)
            .unwrap();
    }

    async fn rebuild(&mut self) {
        // The old store holds its folder's lock until it is dropped.
        let (empty, other) = (scratch(), scratch());
        let text = self.configuration().replace(self.folder.path().to_str().unwrap(), empty.path().to_str().unwrap());
        std::fs::write(other.path().join(FILE), text).unwrap();
        self.app = build(&self.clock, other.path()).unwrap();
        self.app.parts.store.close().await;
        for attempt in 0.. {
            tokio::time::sleep(Duration::from_millis(5)).await;
            match build(&self.clock, self.file.path()) {
                Ok(app) => {
                    self.app = app;
                    break;
                }
                Err(error) if attempt > 400 => panic!("{error:#}"),
                Err(_) => {}
            }
        }
    }

    /// An invoice over these lines, open.
    pub(crate) fn invoice(&self, number: &str, lines: Vec<NewLine>) -> i64 {
        self.invoice_like(NewInvoice { number: number.to_owned(), lines, ..NewInvoice::default() })
    }

    /// An invoice of the usual client, open.
    pub(crate) fn invoice_like(&self, invoice: NewInvoice) -> i64 {
        self.connectwise.add_invoice(NewInvoice {
            kind: if invoice.kind.is_empty() { "Standard".to_owned() } else { invoice.kind.clone() },
            company: if invoice.company == 0 { self.client } else { invoice.company },
            ..invoice
        })
    }

    /// Closes an invoice in ConnectWise.
    pub(crate) fn ready(&self, invoice: i64) {
        self.connectwise.set_status(invoice, "Ready to Post").unwrap();
    }

    /// Sends all callbacks that wait, and returns their statuses.
    pub(crate) async fn callbacks(&self) -> Vec<u16> {
        let mut statuses = Vec::new();
        for delivery in self.connectwise.take_callbacks() {
            // Callbacks to the address of a service that was restarted go nowhere.
            if delivery.url.starts_with(&self.url) {
                statuses.push(self.send(&delivery).await);
            }
        }
        statuses
    }

    pub(crate) async fn send(&self, delivery: &Delivery) -> u16 {
        self.connectwise.send(delivery).await.status.unwrap_or(0)
    }

    /// Sends callbacks and turns the pipeline until nothing is due now.
    pub(crate) async fn settle(&self) {
        loop {
            self.callbacks().await;
            if turn(&self.app.parts).await.unwrap() == Turn::Idle && self.callbacks().await.is_empty() {
                return;
            }
        }
    }

    /// Lets time pass, in steps, settling after each.
    pub(crate) async fn pass(&self, time: SignedDuration) {
        let steps = 8;
        for _ in 0..steps {
            self.clock.advance(time / steps);
            self.settle().await;
        }
    }

    pub(crate) async fn record(&self, invoice: i64) -> Record {
        let key = format!("acme/invoice/{invoice}").parse().unwrap();
        self.app.parts.store.record(&key).await.unwrap().expect_record(invoice)
    }

    pub(crate) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether the service has heard of an invoice.
    pub(crate) async fn knows(&self, invoice: i64) -> bool {
        let key = format!("acme/invoice/{invoice}").parse().unwrap();
        self.app.parts.store.record(&key).await.unwrap().is_some()
    }

    /// The folder of the store.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client that Xero does not know yet.
    pub(crate) fn new_client(&self, identifier: &str, name: &str) -> i64 {
        let mut usual = NewCompany::default();
        self.connectwise.edit_company(self.client, |company| usual = company.clone()).unwrap();
        self.connectwise.add_company(NewCompany {
            identifier: identifier.to_owned(),
            name: name.to_owned(),
            account_number: identifier.to_owned(),
            ..usual
        })
    }

    /// The one callback that waits.
    pub(crate) fn callback(&self) -> Delivery {
        let mut waiting = self.connectwise.take_callbacks();
        assert_eq!(waiting.len(), 1, "one callback waits");
        waiting.remove(0)
    }

    /// Closes a new invoice over 100.00 and takes its callback.
    pub(crate) fn closed(&self, number: &str) -> (i64, Delivery) {
        let invoice = self.invoice(number, vec![labour("1", "100")]);
        let _ = self.connectwise.take_callbacks();
        self.ready(invoice);
        (invoice, self.callback())
    }

    /// The state's name and, when there is one, the reason's code.
    pub(crate) async fn state(&self, invoice: i64) -> String {
        self.state_of(&format!("acme/invoice/{invoice}")).await
    }

    /// The same of any record, by its key.
    pub(crate) async fn state_of(&self, key: &str) -> String {
        use readypost::domain::delivery::State;
        let record = self.app.parts.store.record(&key.parse().unwrap()).await.unwrap();
        match record.unwrap_or_else(|| panic!("{key} is not known")).state {
            State::Queued { cause: Some(cause), .. } => format!("queued: {cause}"),
            State::Queued { .. } => "queued".to_owned(),
            State::Done => "done".to_owned(),
            State::Skipped { reason } => format!("skipped {}", reason.as_str()),
            State::Held { reason } => format!("held {}", reason.code.as_str()),
        }
    }

    /// Codes of the record's warnings.
    pub(crate) async fn warnings(&self, invoice: i64) -> Vec<&'static str> {
        self.record(invoice).await.warnings.iter().map(|open| open.warning.code.as_str()).collect()
    }

    /// The documents of this number that are not void.
    pub(crate) fn documents(&self, number: &str) -> Vec<xero::Document> {
        let alive =
            |document: &xero::Document| !matches!(document.status, xero::Status::Voided | xero::Status::Deleted);
        self.xero.documents().into_iter().filter(|document| document.number == number && alive(document)).collect()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.url)).bearer_auth(TOKEN).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Posts as the operator; the status and the answer.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.http.post(format!("{}{path}", self.url)).bearer_auth(TOKEN).json(body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    }

    pub(crate) async fn decide(&self, invoice: i64, action: &str, body: Value) -> u16 {
        let url = format!("{}/api/v1/records/acme/invoice/{invoice}/{action}", self.url);
        self.http.post(url).bearer_auth(TOKEN).json(&body).send().await.unwrap().status().as_u16()
    }
}

trait ExpectRecord {
    fn expect_record(self, invoice: i64) -> Record;
}

impl ExpectRecord for Option<Record> {
    fn expect_record(self, invoice: i64) -> Record {
        self.unwrap_or_else(|| panic!("invoice {invoice} is not known"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(process) = self.process.take() {
            process.runtime.shutdown_background();
        }
        if std::thread::panicking() {
            return;
        }
        let mut seen: BTreeMap<(String, String, String), u32> = BTreeMap::new();
        for document in self.xero.documents() {
            if !matches!(document.status, xero::Status::Voided | xero::Status::Deleted) {
                // Numbers of bills are not unique; what readypost makes is marked.
                let marks = document.lines.iter().filter_map(|line| mark_in(&line.description));
                let mark = marks.collect::<String>();
                let kind = document.kind.name().to_owned();
                if !mark.is_empty() {
                    *seen.entry((kind, String::new(), mark)).or_default() += 1;
                } else if kind.starts_with("ACCREC") {
                    *seen.entry((kind, document.number, mark)).or_default() += 1;
                }
            }
        }
        for payment in self.xero.payments() {
            if !payment.is_deleted && payment.reference.starts_with("CW payment ") {
                let name = ("payment".to_owned(), payment.reference, String::new());
                *seen.entry(name).or_default() += 1;
            }
        }
        for journal in self.xero.journals() {
            if !matches!(journal.status, xero::JournalStatus::Voided | xero::JournalStatus::Deleted)
                && let Some(mark) = mark_in(&journal.narration)
            {
                *seen.entry(("journal".to_owned(), String::new(), mark.to_owned())).or_default() += 1;
            }
        }
        let twice: Vec<_> = seen.into_iter().filter(|(_, count)| *count > 1).collect();
        assert!(twice.is_empty(), "in Xero more than once: {twice:?}");
    }
}

/// The text of a configuration file for a service between these two.
pub(crate) fn configuration_text(
    connectwise: &ConnectWise,
    xero: &xero::Xero,
    folder: &Path,
    (rules, server): (&str, &str),
) -> String {
    let settings = xero.settings();
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
{server}
[store]
path = {path:?}
key = "0123456789abcdef"
[[operator]]
name = "tester"
role = "operator"
token_sha256 = "{TOKEN_SHA256}"
[[operator]]
name = "watcher"
role = "viewer"
token_sha256 = "d036bd6d01a1cae081d39a2f8dab751dc042de814fd60df31fcb553170950f29"
[[connectwise]]
name = "acme"
api_url = "{api}"
company = "acme"
public_key = "public-key"
private_key = "private-key"
client_id = "3f1d4b7e-6a55-4c0c-9d0b-0c8f3a7d2e11"
key_url_hosts = ["{keys}"]
[[company]]
id = "acme-au"
connectwise = "acme"
[company.xero]
api_url = "{xero_api}"
token_url = "{token_url}"
client_id = "{client_id}"
client_secret = "{client_secret}"
tenant_id = "{tenant}"
minute_limit = {minute}
webhook_key = "{WEBHOOK_KEY}"
{grant}
[company.rules]
{rules}
"#,
        path = folder.to_str().unwrap(),
        api = connectwise.api_url(),
        keys = connectwise.key_host(),
        xero_api = xero.api_url(),
        token_url = xero.token_url(),
        client_id = settings.client_id,
        client_secret = settings.client_secret,
        tenant = settings.tenant_id,
        minute = settings.minute_limit,
        grant = settings
            .refresh_token
            .as_ref()
            .map(|token| format!("grant = \"refresh_token\"\nrefresh_token = \"{token}\""))
            .unwrap_or_default(),
    )
}

/// A further company in the same file.
pub(crate) fn company_text(id: &str, connection: &str, locations: &str, xero: &xero::Xero) -> String {
    let settings = xero.settings();
    format!(
        r#"
[[company]]
id = "{id}"
connectwise = "{connection}"
locations = {locations}
[company.xero]
api_url = "{}"
token_url = "{}"
client_id = "{}"
client_secret = "{}"
tenant_id = "{}"
minute_limit = {}
[company.rules]
{RULES}"#,
        xero.api_url(),
        xero.token_url(),
        settings.client_id,
        settings.client_secret,
        settings.tenant_id,
        settings.minute_limit,
    )
}

/// A folder that is gone afterwards, in memory where that can be: whether syncs reach a disk is tested elsewhere.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn build(clock: &Arc<ManualClock>, file: &Path) -> anyhow::Result<App> {
    let clock: Arc<dyn Clock> = clock.clone();
    let config = config::read(&file.join(FILE)).unwrap_or_else(|faults| panic!("{faults:?}"));
    Ok(App::build(config, &clock)?.with_file(&file.join(FILE)))
}

async fn serve(app: &App) -> (String, CancellationToken) {
    let listener = app.bind().await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    tokio::spawn(app.serve_only(listener, shutdown.clone()));
    (url, shutdown)
}
