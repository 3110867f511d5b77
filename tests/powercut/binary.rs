//! The real binary, of which the n-th call of each sort fails while it takes callbacks and posts: what got a 2xx is
//! there at the next start, and nothing is in Xero twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use readypost::clock::SystemClock;
use readypost::simulator::connectwise::{ConnectWise, Delivery, NewInvoice};
use readypost::simulator::{connectwise, xero};

use crate::harness::{RULES, TOKEN, configuration_text, furnish, labour};
use crate::process::{Service, traced};

/// Calls and what they fail with. Those on the network are the binary's answers, and its requests to both systems.
const INJECTIONS: [&str; 9] = [
    "fdatasync:error=EIO",
    "pwrite64:error=ENOSPC",
    "fsync:error=EIO",
    "openat:error=EMFILE",
    "sendto:error=EPIPE",
    "writev:error=EPIPE",
    "ftruncate:error=EIO",
    "rename:error=EIO",
    "pwrite64:error=EIO",
];
/// Callbacks of each run.
const CALLBACKS: i32 = 6;

struct World {
    connectwise: ConnectWise,
    xero: xero::Xero,
    client: i64,
    http: reqwest::Client,
    /// Open invoices whose callback got a 2xx, and closed ones.
    acknowledged: Vec<i64>,
    closed: Vec<i64>,
    folder: tempfile::TempDir,
}

/// Runs it for at most so many seconds, in turn for all calls, for n = 1 and on; until a run is clean where there is
/// time for it.
pub(crate) async fn run(seconds: u64, wrong: &mut Vec<String>) {
    let begun = Instant::now();
    let mut left: Vec<&str> = INJECTIONS.to_vec();
    let (mut runs, mut refused, mut ended, mut number) = (0, 0, 0, 0);
    let mut world = World::new().await;
    while !left.is_empty() && begun.elapsed() < Duration::from_secs(seconds) {
        number += 1;
        let mut more = Vec::new();
        for injection in left {
            let name = format!("{injection}:when={number}");
            let met = world.once(&name, wrong).await;
            (runs, refused, ended) = (runs + 1, refused + met.refused, ended + u32::from(met.ended));
            if met.injected {
                more.push(injection);
            }
        }
        left = more;
    }
    world.check(wrong).await;
    println!(
        "the real binary: {runs} runs to n = {number}, {} callbacks acknowledged, {refused} refused, {ended} processes ended by themselves; {} sorts of calls not until a run was clean; {} s",
        world.acknowledged.len() + world.closed.len(),
        left.len(),
        begun.elapsed().as_secs()
    );
}

/// What one run met.
struct Met {
    refused: u32,
    ended: bool,
    injected: bool,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(SystemClock);
        let connectwise = ConnectWise::start(connectwise::Settings::new(clock.clone())).await.unwrap();
        let mut settings = xero::Settings::new(clock);
        (settings.minute_limit, settings.day_limit) = (100_000, 1_000_000);
        let xero = xero::Xero::start(settings).await.unwrap();
        let client = furnish(&connectwise, &xero);
        connectwise.register_callback("http://readypost.test/callbacks/acme?recordId=", "invoice", "owner", 1).unwrap();
        // None is kept: the process may close an idle connection at the moment of the next request.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).pool_max_idle_per_host(0);
        let http = http.build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (acknowledged, closed) = (Vec::new(), Vec::new());
        Self { connectwise, xero, client, http, acknowledged, closed, folder }
    }

    /// The same store all the time, so that each run starts on what the one before left.
    async fn start(&self, wrapper: &[&str]) -> Option<Service> {
        let path = self.folder.path().join("readypost.toml");
        let store = self.folder.path().join("store");
        std::fs::write(&path, configuration_text(&self.connectwise, &self.xero, &store, (RULES, ""))).unwrap();
        Service::start(wrapper, &path, &self.folder.path().join("log")).await
    }

    /// Callbacks of new invoices, every second of them closed and so to be posted.
    fn callbacks(&self) -> Vec<(i64, bool, Delivery)> {
        let mut made = Vec::new();
        for number in 0..CALLBACKS {
            let lines = vec![labour("1", "100")];
            let number_text = format!("B{}-{number}", self.acknowledged.len() + self.closed.len());
            let invoice = NewInvoice { number: number_text, company: self.client, lines, ..NewInvoice::default() };
            let invoice = self.connectwise.add_invoice(invoice);
            let _ = self.connectwise.take_callbacks();
            let closes = number % 2 == 0;
            if closes {
                self.connectwise.set_status(invoice, "Ready to Post").unwrap();
            } else {
                self.connectwise.save_invoice(invoice);
            }
            made.extend(self.connectwise.take_callbacks().pop().map(|sent| (invoice, closes, sent)));
        }
        made
    }

    async fn once(&mut self, injection: &str, wrong: &mut Vec<String>) -> Met {
        let log = self.folder.path().join("trace");
        let (call, inject) = (injection.split(':').next().unwrap(), format!("inject={injection}"));
        let trace = format!("trace={call}");
        let wrapper = ["strace", "-D", "-f", "-s", "0", "-e", &trace, "-e", &inject, "-o", log.to_str().unwrap()];
        let mut met = Met { refused: 0, ended: true, injected: false };
        if let Some(mut service) = self.start(&wrapper).await {
            for (invoice, closes, sent) in self.callbacks() {
                let here = Delivery { url: sent.url.replace("http://readypost.test", &service.url), ..sent };
                match self.connectwise.send(&here).await.status {
                    Some(200) if closes => self.closed.push(invoice),
                    Some(200) => self.acknowledged.push(invoice),
                    None | Some(429) => met.refused += 1,
                    Some(other) => wrong.push(format!("{injection}: the door answered {other}")),
                }
            }
            // Time for a post, during which the call may be met, too.
            let ended = tokio::time::timeout(Duration::from_millis(300), service.ended()).await;
            met.ended = ended.is_ok();
            if let Ok(code) = ended
                && code != Some(1)
            {
                wrong.push(format!("{injection}: it ended with {code:?}"));
            }
            service.kill().await;
        }
        met.injected = traced(&log).await.contains("(INJECTED)");
        met
    }

    /// At last nothing fails: what got a 2xx is there, and what was to be posted is in Xero once.
    async fn check(&self, wrong: &mut Vec<String>) {
        let Some(service) = self.start(&[]).await else {
            wrong.push("the binary does not start any more".to_owned());
            return;
        };
        for invoice in self.acknowledged.iter().chain(&self.closed) {
            let url = format!("{}/api/v1/records/acme/invoice/{invoice}", service.url);
            if self.http.get(url).bearer_auth(TOKEN).send().await.unwrap().status() != 200 {
                wrong.push(format!("invoice {invoice} was acknowledged and is not there"));
            }
        }
        let begun = Instant::now();
        let posted = |number: &str| self.xero.documents().iter().filter(|document| document.number == number).count();
        let numbers: Vec<String> = self
            .closed
            .iter()
            .map(|id| self.connectwise.invoice(*id)["invoiceNumber"].as_str().unwrap().to_owned())
            .collect();
        while numbers.iter().any(|number| posted(number) == 0) && begun.elapsed() < Duration::from_mins(1) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        for number in &numbers {
            let count = posted(number);
            if count != 1 {
                wrong.push(format!("{number} is in Xero {count} times"));
            }
        }
        service.kill().await;
    }
}
