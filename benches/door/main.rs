//! What the door costs, next to the same server without a store and next to a bare journal.
//!
//! `cargo bench` runs it all in a few minutes, `cargo bench -- quick` in a fraction of that; `accepts`, `chain`,
//! `bytes`, `memory` and `lists` are its parts. It prints figures beside what they aim at and fails on none: machines
//! differ, the ratios of one run do not.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod chain;
mod lists;
mod load;
mod memory;
mod servers;
mod world;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use load::{Figures, percentile};
use readypost::app::{App, connectwise_client};
use tokio_util::sync::CancellationToken;
use world::World;

/// How many connections are open at the same time.
const CONNECTIONS: [usize; 3] = [1, 16, 64];

/// How much is done.
#[derive(Clone, Copy, Debug)]
struct Size {
    syncs: usize,
    /// Requests at each of [`CONNECTIONS`].
    requests: [u64; 3],
    invoices: u32,
    posted: u32,
    stored: u64,
    listed: u64,
}

const FULL: Size = Size {
    syncs: 3000,
    requests: [4000, 40_000, 60_000],
    invoices: 50,
    posted: 2000,
    stored: 100_000,
    listed: 1_000_000,
};
const QUICK: Size =
    Size { syncs: 500, requests: [500, 4000, 8000], invoices: 10, posted: 200, stored: 20_000, listed: 50_000 };

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if let Some(config) = memory::child_config(&arguments) {
        return runtime.block_on(memory::child(&config));
    }
    let size = if arguments.iter().any(|argument| argument == "quick") { QUICK } else { FULL };
    // Next to the build and not in /tmp, which is memory on many machines.
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&folder)?;
    runtime.block_on(async {
        let parts = ["accepts", "chain", "bytes", "memory", "lists"];
        let asked = |part: &str| arguments.iter().any(|argument| argument == part);
        let wants = |part: &str| asked(part) || !parts.into_iter().any(asked);
        let sync = syncs(&folder, size.syncs)?;
        if wants("accepts") {
            accepts(&folder, size, sync).await?;
        }
        if wants("chain") {
            chain::run(&folder, size.invoices).await?;
        }
        if wants("bytes") {
            chain::bytes(&folder, size.posted).await?;
        }
        if wants("memory") {
            memory::run(&folder, size.stored).await?;
        }
        if wants("lists") {
            lists::run(&folder, size.listed).await?;
        }
        Ok(())
    })
}

/// What the disk does: the median time of a 4 kB append with `fdatasync`.
fn syncs(folder: &Path, count: usize) -> anyhow::Result<Duration> {
    let path = folder.join("fdatasync");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    std::fs::remove_file(path)?;
    times.sort_unstable();
    let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
    println!("disk\n  fdatasync of a 4 kB append: p50 {} ms, p99 {} ms\n", ms(p50), ms(p99));
    Ok(p50)
}

async fn accepts(folder: &Path, size: Size, sync: Duration) -> anyhow::Result<()> {
    let world = World::start(folder, Duration::ZERO).await?;
    let stop = CancellationToken::new();
    let connection = world.config()?.connections.pop().context("there is no connection")?;
    let client = Arc::new(connectwise_client(&connection, &world.clock)?);
    let url =
        client.key_url(format!(r#"{{"Metadata":{{"key_url":"{}"}}}}"#, world.connectwise.key_url()).as_bytes())?;
    let key = client.signing_key(&url).await?;
    let (bare, synced) = servers::bare_journal(Arc::clone(&key), &world.folder.path().join("bare"))?;
    let app = App::build(world.config()?, &world.clock)?;
    let listener = app.bind().await?;
    let door = listener.local_addr()?;
    tokio::spawn(app.serve_only(listener, stop.clone()));
    let verify = servers::start(servers::verify_only(key), stop.clone()).await?;
    let storeless = servers::start(servers::door_without_store(client), stop.clone()).await?;
    let bare = servers::start(bare, stop.clone()).await?;
    // The store announces every group once.
    let groups = app.parts.store.changed();

    println!("durable verified accepts, one answer after another on kept connections, load in this process");
    println!("  {:<34}{:>6}{:>12}{:>10}{:>10}{:>13}", "server", "conns", "per second", "p50 ms", "p99 ms", "per sync");
    let mut first = 1;
    let mut table = Vec::new();
    for (connections, count) in CONNECTIONS.into_iter().zip(size.requests) {
        let mut rows = Vec::new();
        let cases =
            [("verify only", verify), ("door without a store", storeless), ("bare journal", bare), ("readypost", door)];
        for (name, address) in cases {
            let requests = load::requests(&world.connectwise, first, count);
            first += count;
            let before = (synced.load(Ordering::Relaxed), *groups.borrow());
            let figures = load::run(address, requests, connections).await?;
            let per_sync = match name {
                "bare journal" => decimal(count * 10, synced.load(Ordering::Relaxed) - before.0),
                "readypost" => decimal(count * 10, *groups.borrow() - before.1),
                _ => "-".to_owned(),
            };
            let (p50, p99) = (ms(figures.p50), ms(figures.p99));
            println!("  {name:<34}{connections:>6}{:>12}{p50:>10}{p99:>10}{per_sync:>13}", figures.per_second);
            rows.push(figures);
        }
        table.push(rows);
    }
    stop.cancel();
    let begun = Instant::now();
    app.parts.store.close().await;
    println!("  closing the store after that, index and all: {} ms", ms(begun.elapsed()));
    compare(&table, sync);
    Ok(())
}

/// Ratios of one run, beside their aims.
fn compare(table: &[Vec<Figures>], sync: Duration) {
    println!(
        "\n  {:<34}{:>6}{:>12}{:>18}{:>18}",
        "readypost to", "conns", "verify only", "without a store", "bare journal"
    );
    for (connections, rows) in CONNECTIONS.iter().zip(table) {
        let [verify, storeless, bare, door] = rows.as_slice() else { continue };
        let to = |other: &Figures| ratio(door.per_second, other.per_second);
        println!("  {:<34}{connections:>6}{:>12}{:>18}{:>18}", "  per second", to(verify), to(storeless), to(bare));
    }
    let of = |at: usize| table.get(at).and_then(|rows| rows.last());
    if let (Some(one), Some(sixteen)) = (of(0), of(1)) {
        let syncs = decimal(whole(one.p50.as_micros()) * 10, whole(sync.as_micros()));
        println!("  aim: at least 0.60 of the bare journal at 64 connections");
        println!("  p50 at 1 connection is {syncs} times a raw fdatasync; aim: at most 3");
        println!("  p99 at 16 connections is {} ms; aim: at most 2 ms\n", ms(sixteen.p99));
    }
}

/// Milliseconds with three decimals.
pub(crate) fn ms(time: Duration) -> String {
    let micros = time.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

/// A quotient with two decimals.
fn ratio(one: u64, other: u64) -> String {
    let hundredths = one * 100 / other.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// A quotient of tenths with one decimal.
fn decimal(tenths: u64, by: u64) -> String {
    let tenths = tenths / by.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn whole(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
