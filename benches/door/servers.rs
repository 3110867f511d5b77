//! What readypost is compared with: the same server with less behind it.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use readypost::connectwise::ConnectWise;
use readypost::domain::callback::Callback;
use readypost::domain::signature::{Signature, SigningKey, verify};
use readypost::http::{Limits, serve};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Commands per group, as in the store.
const GROUP_MAX: usize = 512;
/// Commands that may wait, as in the store.
const QUEUE_MAX: usize = 4096;
/// The door's own answer.
const ANSWER: &str = r#"{"verdict":"queued"}"#;
/// As readypost is configured by default.
const LIMITS: Limits = Limits { connections_max: 1024 };

/// Serves a router as readypost serves its own.
pub(crate) async fn start(router: Router, stop: CancellationToken) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, router, LIMITS, None, stop));
    Ok(address)
}

/// Verifies against a key that it has, and answers.
pub(crate) fn verify_only(key: Arc<SigningKey>) -> Router {
    let handler = |State(key): State<Arc<SigningKey>>, headers: HeaderMap, body: Bytes| async move {
        if is_signed(&headers, &body, &key) { (StatusCode::OK, ANSWER) } else { (StatusCode::UNAUTHORIZED, "") }
    };
    Router::new().route("/callbacks/{connection}", post(handler)).with_state(key)
}

/// Does all that the door does before it stores: reads the key's address, looks the key up, verifies, parses.
pub(crate) fn door_without_store(client: Arc<ConnectWise>) -> Router {
    let handler = |State(client): State<Arc<ConnectWise>>, headers: HeaderMap, body: Bytes| async move {
        match admit(&client, &headers, &body).await {
            Some(_) => (StatusCode::OK, ANSWER),
            None => (StatusCode::UNAUTHORIZED, ""),
        }
    };
    Router::new().route("/callbacks/{connection}", post(handler)).with_state(client)
}

async fn admit(client: &ConnectWise, headers: &HeaderMap, body: &[u8]) -> Option<Callback> {
    let url = client.key_url(body).ok()?;
    let key = client.signing_key(&url).await.ok()?;
    let signature = Signature::parse(headers.get("x-content-signature").map(axum::http::HeaderValue::as_bytes)).ok()?;
    let verified = verify(body, &signature, &key).ok()?;
    match Callback::parse(&verified).ok()? {
        readypost::domain::callback::Parsed::Record(callback) => Some(callback),
        readypost::domain::callback::Parsed::Unhandled(_) => None,
    }
}

fn is_signed(headers: &HeaderMap, body: &[u8], key: &SigningKey) -> bool {
    let signature = Signature::parse(headers.get("x-content-signature").map(axum::http::HeaderValue::as_bytes));
    signature.is_ok_and(|signature| verify(body, &signature, key).is_ok())
}

/// A body, and whom to tell that it is on disk.
type Waiting = (Bytes, oneshot::Sender<()>);

/// A key to verify with, and the way to the journal's thread.
#[derive(Clone)]
struct Bare {
    key: Arc<SigningKey>,
    journal: mpsc::Sender<Waiting>,
}

/// Verifies against a key that it has, and answers once the body is in a file and synced.
///
/// It finds no duplicate, keeps no state and cannot be asked anything: the least that is durable.
pub(crate) fn bare_journal(key: Arc<SigningKey>, path: &Path) -> anyhow::Result<(Router, Arc<AtomicU64>)> {
    let file = File::create(path).context("creating the bare journal")?;
    let (journal, waiting) = mpsc::channel(QUEUE_MAX);
    let groups = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&groups);
    std::thread::Builder::new().name("bare-journal".to_owned()).spawn(move || write(file, waiting, &counted))?;
    let handler = |State(bare): State<Bare>, headers: HeaderMap, body: Bytes| async move {
        if !is_signed(&headers, &body, &bare.key) {
            return (StatusCode::UNAUTHORIZED, "");
        }
        let (answer, synced) = oneshot::channel();
        let sent = bare.journal.try_send((body, answer)).is_ok();
        if sent && synced.await.is_ok() { (StatusCode::OK, ANSWER) } else { (StatusCode::TOO_MANY_REQUESTS, "") }
    };
    let router = Router::new().route("/callbacks/{connection}", post(handler)).with_state(Bare { key, journal });
    Ok((router, groups))
}

/// One write and one sync for all that wait; a failure ends it, which everybody is then told.
fn write(mut file: File, mut waiting: mpsc::Receiver<Waiting>, groups: &AtomicU64) {
    let mut buffer = Vec::new();
    while let Some((body, answer)) = waiting.blocking_recv() {
        let mut answers = vec![answer];
        buffer.clear();
        frame(&mut buffer, &body);
        while answers.len() < GROUP_MAX {
            let Ok((body, answer)) = waiting.try_recv() else { break };
            frame(&mut buffer, &body);
            answers.push(answer);
        }
        if file.write_all(&buffer).and_then(|()| file.sync_data()).is_err() {
            return;
        }
        groups.fetch_add(1, Ordering::Relaxed);
        for answer in answers {
            // Who asked may have gone.
            let _ = answer.send(());
        }
    }
}

/// Length, checksum, body.
fn frame(buffer: &mut Vec<u8>, body: &[u8]) {
    buffer.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    buffer.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    buffer.extend_from_slice(body);
}
