//! The load: requests that were signed before the clock starts, over kept connections.
//!
//! It speaks HTTP/1.1 itself, because a client library would cost more than the door.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use readypost::simulator::connectwise::ConnectWise;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use uuid::Uuid;

/// How a load went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) per_second: u64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

/// Whole requests for the invoices from `first` on, each a message of its own.
pub(crate) fn requests(connectwise: &ConnectWise, first: u64, count: u64) -> Vec<Vec<u8>> {
    let key_url = connectwise.key_url();
    let request = |id: u64| {
        let entity = format!(
            r#"{{"id":{id},"invoiceNumber":"{id}","type":"Standard","status":{{"id":7,"name":"Ready to Post"}},"company":{{"id":250,"name":"Blue Gum Dental"}},"total":495.0}}"#
        );
        let body = serde_json::json!({
            "MessageId": Uuid::new_v4(), "FromUrl": "na.myconnectwise.net", "CompanyId": "acme", "MemberId": "jdoe",
            "Action": "updated", "Type": "invoice", "ID": id, "ProductInstanceId": null, "PartnerId": null,
            "Entity": entity, "Metadata": {"key_url": key_url}, "CallbackObjectRecId": 26604,
        });
        let signed = connectwise.sign("", body.to_string().as_bytes());
        let mut request = format!(
            "POST /callbacks/acme?recordId={id}&action=updated HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json; charset=utf-8\r\nx-content-signature: {}\r\ncontent-length: {}\r\n\r\n",
            signed.signature.unwrap_or_default(),
            signed.body.len()
        )
        .into_bytes();
        request.extend_from_slice(&signed.body);
        request
    };
    (first..first + count).map(request).collect()
}

/// Sends all requests over so many connections, each waiting for its answer before its next request.
///
/// # Errors
/// When any answer is not 200: a refused callback would make the figures better than they are.
pub(crate) async fn run(address: SocketAddr, requests: Vec<Vec<u8>>, connections: usize) -> anyhow::Result<Figures> {
    let count = requests.len();
    let start = Arc::new(Barrier::new(connections + 1));
    let mut shares: Vec<Vec<Vec<u8>>> = vec![Vec::new(); connections];
    for (number, request) in requests.into_iter().enumerate() {
        if let Some(share) = shares.get_mut(number % connections) {
            share.push(request);
        }
    }
    let mut clients = tokio::task::JoinSet::new();
    for share in shares {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        clients.spawn(client(stream, share, Arc::clone(&start)));
    }
    start.wait().await;
    let begun = Instant::now();
    let mut times = Vec::with_capacity(count);
    while let Some(finished) = clients.join_next().await {
        times.extend(finished??);
    }
    let took = begun.elapsed();
    times.sort_unstable();
    let per_second = u128::try_from(count)? * 1_000_000 / took.as_micros().max(1);
    Ok(Figures { per_second: u64::try_from(per_second)?, p50: percentile(&times, 50), p99: percentile(&times, 99) })
}

/// The value that this percentage of the sorted times does not exceed.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = sorted.len() * percent / 100;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

async fn client(mut stream: TcpStream, requests: Vec<Vec<u8>>, start: Arc<Barrier>) -> anyhow::Result<Vec<Duration>> {
    start.wait().await;
    let mut times = Vec::with_capacity(requests.len());
    let mut answer = Vec::with_capacity(1024);
    for request in requests {
        let begun = Instant::now();
        stream.write_all(&request).await?;
        answer.clear();
        while !is_whole(&answer)? {
            ensure!(stream.read_buf(&mut answer).await? > 0, "the connection was closed");
        }
        times.push(begun.elapsed());
        ensure!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    }
    Ok(times)
}

/// Whether headers and body have arrived.
fn is_whole(answer: &[u8]) -> anyhow::Result<bool> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(false) };
    let head = std::str::from_utf8(answer.get(..end).unwrap_or_default())?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("the answer has no length")?.trim().parse()?;
    Ok(answer.len() >= end + 4 + length)
}
