//! A 2xx means that the callback survives a power cut: the sync is seen between its arrival and its answer.
//!
//! strace watches the real binary, and breaks its disk. Without strace these tests say so and pass, unless
//! `READYPOST_REQUIRE_STRACE` is set, as it is where strace was installed for them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use readypost::clock::SystemClock;
use readypost::simulator::connectwise::{ConnectWise, Delivery, NewInvoice};
use readypost::simulator::{connectwise, xero};

use crate::harness::{RULES, TOKEN, configuration_text, furnish, labour};
use crate::process::{Service, traced};

/// Whether strace can be used here.
fn can_trace() -> bool {
    let works = std::process::Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).status();
    let works = works.is_ok_and(|status| status.success());
    assert!(works || std::env::var_os("READYPOST_REQUIRE_STRACE").is_none(), "strace is required and does not work");
    if !works {
        println!("skipped: strace does not work here");
    }
    works
}

/// Simulators for the real binary, and its configuration.
pub(crate) struct Traced {
    pub(crate) connectwise: ConnectWise,
    _xero: xero::Xero,
    folder: tempfile::TempDir,
    client: i64,
    pub(crate) http: reqwest::Client,
}

impl Traced {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    pub(crate) async fn with(server: &str) -> Self {
        let clock = Arc::new(SystemClock);
        let connectwise = ConnectWise::start(connectwise::Settings::new(clock.clone())).await.unwrap();
        let xero = xero::Xero::start(xero::Settings::new(clock)).await.unwrap();
        // The work behind the door is of no interest here.
        xero.set_outage(Some("closed".to_owned()));
        let client = furnish(&connectwise, &xero);
        let folder = tempfile::tempdir().unwrap();
        let text = configuration_text(&connectwise, &xero, &folder.path().join("store"), (RULES, server));
        std::fs::write(folder.path().join("readypost.toml"), text).unwrap();
        // None is kept: the door may close an idle connection at the moment of the next request.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).pool_max_idle_per_host(0);
        let http = http.build().unwrap();
        Self { connectwise, _xero: xero, folder, client, http }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn start(&self, wrapper: &[&str]) -> Service {
        Service::start(wrapper, &self.path("readypost.toml"), &self.path("log")).await.unwrap()
    }

    /// The same of a copy of the binary that everybody may run; none when it ended before it listened.
    pub(crate) async fn start_copy(&self, wrapper: &[&str]) -> Option<Service> {
        let copy = self.path("readypost");
        if !copy.exists() {
            std::fs::copy(env!("CARGO_BIN_EXE_readypost"), &copy).unwrap();
        }
        Service::start_program(wrapper, &copy, &self.path("readypost.toml"), &self.path("log")).await
    }

    /// A callback of a new, open invoice.
    pub(crate) fn delivery(&self, number: i32, service: &Service) -> (i64, Delivery) {
        let url = format!("{}/callbacks/acme?recordId=", service.url);
        let registered = self.connectwise.register_callback(&url, "invoice", "owner", 1);
        assert!(registered.is_ok() || number > 0);
        let invoice = self.connectwise.add_invoice(NewInvoice {
            number: number.to_string(),
            company: self.client,
            lines: vec![labour("1", "100")],
            ..NewInvoice::default()
        });
        self.connectwise.save_invoice(invoice);
        let sent = self.connectwise.take_callbacks().into_iter().rfind(|sent| sent.url.starts_with(&service.url));
        (invoice, sent.unwrap())
    }

    pub(crate) async fn known(&self, service: &Service, invoice: i64) -> bool {
        let url = format!("{}/api/v1/records/acme/invoice/{invoice}", service.url);
        self.http.get(url).bearer_auth(TOKEN).send().await.unwrap().status() == 200
    }
}

#[tokio::test]
async fn the_journal_is_synced_between_receiving_a_callback_and_answering_it() {
    if !can_trace() {
        return;
    }
    let world = Traced::new().await;
    let log = world.path("trace");
    let calls = "trace=fdatasync,fsync,read,recvfrom,write,writev,pwrite64,sendto";
    // Whole writes: what other records had to say may be synced together with a callback, and before it.
    let wrapper = ["strace", "-D", "-f", "-s", "1000000", "-e", calls, "-o", log.to_str().unwrap()];
    let service = world.start(&wrapper).await;
    let mut messages = Vec::new();
    for number in 0..20 {
        let (_, sent) = world.delivery(number, &service);
        assert_eq!(world.connectwise.send(&sent).await.status, Some(200));
        messages.push(sent.message_id);
    }
    service.kill().await;
    let lines = traced(&log).await;
    let lines: Vec<&str> = lines.lines().collect();
    let sends = |line: &str| ["write(", "writev(", "sendto("].iter().any(|call| line.contains(call));
    let mut rest = &lines[..];
    let mut skip_to = |what: &str, fits: &dyn Fn(&str) -> bool| {
        let at = rest.iter().position(|line| fits(line)).unwrap_or_else(|| panic!("no {what}"));
        let (before, after) = rest.split_at(at);
        rest = after;
        before
    };
    for message in messages {
        skip_to("arrival", &|line| line.contains("\"POST /callbacks/"));
        let handled = skip_to("answer", &|line| sends(line) && line.contains("\"HTTP/1.1 200"));
        // The entry of exactly this message, and after it a sync that succeeded.
        let entry = handled.iter().position(|line| line.contains("pwrite64") && line.contains(&message));
        let entry = entry.unwrap_or_else(|| panic!("answered before it was written:\n{}", handled.join("\n")));
        let synced = |line: &&str| line.contains("fdatasync") && line.trim_end().ends_with("= 0");
        assert!(handled[entry..].iter().any(synced), "answered before it was synced:\n{}", handled.join("\n"));
    }
}

#[tokio::test]
async fn a_disk_that_does_not_sync_gets_no_2xx_and_ends_the_process() {
    if !can_trace() {
        return;
    }
    let world = Traced::new().await;
    // Counted for each thread: the writer's fourth sync and all later ones fail. Opening syncs less often.
    let broken = "inject=fdatasync:error=EIO:when=4+";
    let wrapper = ["strace", "-D", "-f", "-e", "trace=fdatasync", "-e", broken, "-o", "/dev/null"];
    let mut service = world.start(&wrapper).await;
    let (mut kept, mut refused) = (Vec::new(), Vec::new());
    for number in 0..12 {
        let (invoice, sent) = world.delivery(number, &service);
        match world.connectwise.send(&sent).await.status {
            Some(200) => kept.push(invoice),
            Some(429) => refused.push(invoice),
            other => panic!("{other:?}"),
        }
    }
    assert!(!kept.is_empty() && kept.len() < 4 && refused.len() > 8, "{kept:?} {refused:?}");
    let ready = world.http.get(format!("{}/readyz", service.url)).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    let code = tokio::time::timeout(Duration::from_mins(1), service.ended()).await.unwrap();
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
    let service = world.start(&[]).await;
    for invoice in kept {
        assert!(world.known(&service, invoice).await, "acknowledged and lost");
    }
    let (invoice, sent) = world.delivery(99, &service);
    assert_eq!(world.connectwise.send(&sent).await.status, Some(200));
    assert!(world.known(&service, invoice).await);
    service.kill().await;
}

#[tokio::test]
async fn a_full_disk_gets_no_2xx() {
    if !can_trace() {
        return;
    }
    let world = Traced::new().await;
    let wrapper = [
        "strace",
        "-D",
        "-f",
        "-e",
        "trace=pwrite64,write",
        "-P",
        world.folder.path().join("store/journal/00000001.log").to_str().unwrap(),
        "-e",
        "inject=pwrite64,write:error=ENOSPC:when=3+",
        "-o",
        "/dev/null",
    ]
    .map(str::to_owned);
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let mut service = world.start(&wrapper).await;
    let mut statuses = Vec::new();
    for number in 0..8 {
        let (_, sent) = world.delivery(number, &service);
        statuses.push(world.connectwise.send(&sent).await.status.unwrap());
    }
    assert!(statuses.contains(&429) && statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    let refused_from = statuses.iter().position(|status| *status == 429).unwrap();
    assert!(statuses[refused_from..].iter().all(|status| *status == 429), "{statuses:?}");
    let code = tokio::time::timeout(Duration::from_mins(1), service.ended()).await.unwrap();
    assert!(code.is_some_and(|code| code != 0), "{code:?}");
}
