//! From the callback to the document: what readypost adds to the time that both systems take.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use readypost::app::App;
use readypost::clock::{Clock, SystemClock};
use readypost::domain::delivery::StateName;
use readypost::store::{self, Event, Filter, Options};
use tokio_util::sync::CancellationToken;

use crate::load::percentile;
use crate::ms;
use crate::world::World;

/// Time that each simulated call takes.
const LATENCY: Duration = Duration::from_millis(20);
/// Calls that wait for each other between the callback and the document, once everything slow-moving is known.
///
/// The company and its contact are read beside the unposted row and the preview, the GL entries too.
const CALLS: [&str; 4] =
    ["GET invoice", "GET unposted row", "POST export (preview)", "PUT document (the intent is synced before)"];
/// The longest wait for one document or for all records.
const PATIENCE: Duration = Duration::from_mins(10);

/// Prints the time that readypost adds to the calls.
///
/// # Errors
/// When a record does not end in Xero.
pub(crate) async fn run(folder: &Path, invoices: u32) -> anyhow::Result<()> {
    let (slow, _) = added(folder, invoices, LATENCY).await?;
    let (quick, call) = added(folder, invoices, Duration::ZERO).await?;
    let (p50, p99) = (percentile(&slow, 50), percentile(&slow, 99));
    let count = u32::try_from(CALLS.len())?;
    let (simulated, timer) = (LATENCY * count, timer().await);
    println!("callback to document, {invoices} invoices one after another, {} ms per simulated call", ms(LATENCY));
    println!("  the path waits for {count} calls in a row: {}", CALLS.join(", "));
    println!("  p50 {} ms, p99 {} ms; the calls alone: {} ms", ms(p50), ms(p99), ms(simulated));
    println!("  added: p50 {} ms; aim: less than 5 ms", ms(p50.saturating_sub(simulated)));
    let coarse = timer.saturating_sub(LATENCY) * count;
    println!("  of it the simulators' timers, which end late by {} ms in {count} calls", ms(coarse));
    println!(
        "  with calls that take no time: p50 {} ms, p99 {} ms",
        ms(percentile(&quick, 50)),
        ms(percentile(&quick, 99))
    );
    println!(
        "  one such call by the same client alone: p50 {} ms, so {} ms in {count} calls\n",
        ms(call),
        ms(call * count)
    );
    Ok(())
}

/// A running service between its two systems.
struct Running {
    world: World,
    app: App,
    shutdown: CancellationToken,
}

/// The machine's clock, which was some minutes behind when the service was begun.
#[derive(Debug)]
struct Begun {
    behind: AtomicBool,
}

#[async_trait]
impl Clock for Begun {
    fn now(&self) -> Timestamp {
        let now = SystemClock.now();
        let minutes = if self.behind.load(Ordering::Relaxed) { 5 } else { 0 };
        now.saturating_sub(SignedDuration::from_mins(minutes)).unwrap_or(now)
    }

    async fn sleep_until(&self, at: Timestamp) {
        SystemClock.sleep_until(at).await;
    }
}

impl Running {
    async fn start(folder: &Path, latency: Duration) -> anyhow::Result<(Self, tokio::task::JoinHandle<()>)> {
        let world = World::start(folder, latency).await?;
        // Begun some minutes ago: what is closed from now on needs no look-up before it is posted.
        let begun = Arc::new(Begun { behind: AtomicBool::new(true) });
        let clock: Arc<dyn Clock> = begun.clone();
        let app = App::build(world.config()?, &clock)?;
        begun.behind.store(false, Ordering::Relaxed);
        let listener = app.bind().await?;
        let url = format!("http://{}/callbacks/acme?recordId=", listener.local_addr()?);
        let registered = world.connectwise.register_callback(&url, "invoice", "owner", 1);
        registered.ok().context("the callback was not registered")?;
        let shutdown = CancellationToken::new();
        let serving = app.serve_only(listener, shutdown.clone());
        let working = readypost::pipeline::run(std::sync::Arc::clone(&app.parts), shutdown.clone());
        let all = tokio::spawn(async move {
            tokio::join!(serving, working);
        });
        // ConnectWise tells seconds: what is closed from the next one on is known to be younger than the store.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        Ok((Self { world, app, shutdown }, all))
    }

    /// Closes an invoice and returns when the callback was sent.
    async fn close(&self, number: &str) -> anyhow::Result<Instant> {
        let invoice = self.world.invoice(number);
        drop(self.world.connectwise.take_callbacks());
        self.world.connectwise.set_status(invoice, "Ready to Post").ok().context("the invoice cannot be closed")?;
        let begun = Instant::now();
        for delivery in self.world.connectwise.take_callbacks() {
            let outcome = self.world.connectwise.send(&delivery).await;
            ensure!(outcome.is_delivered(), "the callback was answered with {:?}", outcome.status);
        }
        Ok(begun)
    }

    /// Waits until so many records are done.
    async fn done(&self, records: u64) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let counts = self.app.parts.store.overview().counts;
            if counts.state(StateName::Done) >= records && counts.state(StateName::Queued) == 0 {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "{records} records should be done: {counts:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The sorted times from sending a callback until its document is in Xero, and the median of a single call.
async fn added(folder: &Path, invoices: u32, latency: Duration) -> anyhow::Result<(Vec<Duration>, Duration)> {
    let (running, all) = Running::start(folder, latency).await?;
    // The first one also fetches the signing key, the token, the organisation and the contact.
    running.close("W").await?;
    running.done(1).await?;
    let mut times = Vec::new();
    for number in 0..invoices {
        let (calls, before) = (running.world.xero.calls(), running.world.xero.documents().len());
        let begun = running.close(&format!("C{number}")).await?;
        while running.world.xero.documents().len() == before {
            ensure!(begun.elapsed() < PATIENCE, "C{number} is not in Xero");
            // Tokio's timers are too coarse for this.
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_micros(100))).await?;
        }
        times.push(begun.elapsed());
        running.done(u64::from(number) + 2).await?;
        ensure!(running.world.xero.calls() == calls + 1, "a warm posting takes one call to Xero");
    }
    times.sort_unstable();
    let parts = running.app.parts.current();
    let connection = parts.connections.values().next().context("there is no connection")?;
    let mut calls = Vec::new();
    for _ in 0..invoices {
        let begun = Instant::now();
        connection.client.invoice("1").await?;
        calls.push(begun.elapsed());
    }
    calls.sort_unstable();
    running.shutdown.cancel();
    all.await?;
    running.app.parts.store.close().await;
    Ok((times, percentile(&calls, 50)))
}

/// How long a timer of [`LATENCY`] really takes.
async fn timer() -> Duration {
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        tokio::time::sleep(LATENCY).await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    percentile(&times, 50)
}

/// Prints the bytes that a posted record leaves on disk, before and after its segment of the journal is compressed.
///
/// # Errors
/// When a record does not end in Xero.
pub(crate) async fn bytes(folder: &Path, posted: u32) -> anyhow::Result<()> {
    let (running, all) = Running::start(folder, Duration::ZERO).await?;
    let begun = Instant::now();
    for number in 0..posted {
        running.close(&format!("B{number}")).await?;
        // The simulated tenant lists what is unposted, and slows down with a long list.
        if number % 50 == 49 {
            running.done(u64::from(number) + 1).await?;
        }
    }
    running.done(u64::from(posted)).await?;
    let took = begun.elapsed();
    running.shutdown.cancel();
    all.await?;
    let Running { world, app, .. } = running;
    app.parts.store.close().await;
    drop(app);
    let store = world.folder.path().join("store");
    let (journal, index) = (size(&store.join("journal"))?, size(&store.join("index"))?);
    let each = u64::from(posted);
    println!("bytes on disk after {posted} invoices from callback to batch ({} ms)", ms(took));
    println!(
        "  journal {} per record, index {} per record ({journal} and {index} in all)",
        journal / each,
        index / each
    );
    let plain = histories(&store).await?;
    let first = store.join("journal/00000001.log");
    // Longer than a byte, so it is closed with the next entry.
    let small = store::open_with(&store, &SystemClock, Options { segment_bytes: 1, ..Options::default() })?;
    let begun = Instant::now();
    small.note(Event::Awoke { company: "acme-au".parse()? }, SystemClock.now()).await?;
    while first.exists() {
        ensure!(begun.elapsed() < PATIENCE, "the segment is not compressed");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = begun.elapsed();
    small.close().await;
    drop(small);
    let compressed = size(&first.with_extension("log.gz"))?;
    println!("  journal compressed: {} per record, {} ms with rests for all of it", compressed / each, ms(took));
    let gzip = histories(&store).await?;
    println!("  history of a record: p50 {} ms plain, {} ms compressed\n", ms(plain), ms(gzip));
    Ok(())
}

/// Half of the histories are read within this time.
async fn histories(folder: &Path) -> anyhow::Result<Duration> {
    let store = store::open(folder, &SystemClock)?;
    let page = store.records(Filter { limit: 100, ..Filter::default() }).await?;
    let mut times = Vec::new();
    for record in page.records {
        let begun = Instant::now();
        let history = store.history(&record.key, 100).await?;
        times.push(begun.elapsed());
        ensure!(history.len() > 2, "the history of {} has {} entries", record.key, history.len());
    }
    store.close().await;
    times.sort_unstable();
    Ok(percentile(&times, 50))
}

/// Bytes of a file, or of all files below a folder.
fn size(folder: &Path) -> std::io::Result<u64> {
    let about = folder.metadata()?;
    if about.is_file() {
        return Ok(about.len());
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        bytes += size(&entry?.path())?;
    }
    Ok(bytes)
}
