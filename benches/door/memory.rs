//! Resident memory, of a process that holds nothing but the service.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use readypost::app::App;
use readypost::clock::{Clock, SystemClock};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::load;
use crate::world::{self, TOKEN, World};

/// The argument before the configuration file's path.
const CHILD: &str = "--serve-for-memory";
/// Longer than the store waits before it flushes its index.
const SETTLING: Duration = Duration::from_secs(12);

/// The configuration file, when this process is the one whose memory is read.
pub(crate) fn child_config(arguments: &[String]) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == CHILD)?;
    arguments.get(at + 1).cloned()
}

/// Serves until it is killed, and says where.
pub(crate) async fn child(config: &str) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let app = App::build(world::parse(&std::fs::read_to_string(config)?)?, &clock)?;
    let listener = app.bind().await?;
    println!("{}", listener.local_addr()?);
    app.serve_only(listener, CancellationToken::new()).await;
    Ok(())
}

/// Prints the service's memory when idle and when it holds so many records.
///
/// # Errors
/// When the child does not serve.
pub(crate) async fn run(folder: &Path, stored: u64) -> anyhow::Result<()> {
    let world = World::start(folder, Duration::ZERO).await?;
    let config = world.folder.path().join("readypost.toml");
    std::fs::write(&config, world.text(&world.connectwise.api_url(), &world.xero.api_url()))?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg(CHILD)
        .arg(&config)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().context("the child has no output")?;
    let address = BufReader::new(output).lines().next_line().await?.context("the child does not serve")?;
    let address: SocketAddr = address.parse()?;
    list(address).await?;
    let idle = resident(&child)?;
    for part in 0..10 {
        let requests = load::requests(&world.connectwise, part * (stored / 10) + 1, stored / 10);
        load::run(address, requests, 64).await?;
    }
    let loaded = resident(&child)?;
    list(address).await?;
    tokio::time::sleep(SETTLING).await;
    let settled = resident(&child)?;
    child.kill().await?;
    println!("resident memory of a process that only serves");
    println!("  idle {idle} MiB");
    println!("  {stored} records accepted and queued: {loaded} MiB under load, {settled} MiB settled");
    println!("  aim: less than 100 MiB at 100000 records");
    Ok(())
}

/// Asks for a page of records, which waits until the index has caught up.
async fn list(address: SocketAddr) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client.get(format!("http://{address}/api/v1/records")).bearer_auth(TOKEN).send().await?;
    ensure!(answer.status().is_success(), "the records were answered with {}", answer.status());
    Ok(())
}

/// `VmRSS` in MiB.
fn resident(child: &Child) -> anyhow::Result<u64> {
    let id = child.id().context("the child has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("there is no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}
