//! The door's load: signed callbacks of one size over several connections, and which of them got a 2xx.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use readypost::simulator::connectwise::ConnectWise;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

/// A whole request for a record, as a message of its own, whose body has about so many bytes.
fn request(connectwise: &ConnectWise, id: u64, message: Uuid, bytes: usize) -> Vec<u8> {
    let entity = json!({
        "id": id, "invoiceNumber": id.to_string(), "type": "Standard", "status": {"id": 7, "name": "Ready to Post"},
        "bottomComment": "c".repeat(bytes.saturating_sub(560)),
    });
    let body = json!({
        "MessageId": message, "FromUrl": "na.myconnectwise.net", "CompanyId": "acme", "MemberId": "jdoe",
        "Action": "updated", "Type": "invoice", "ID": id, "ProductInstanceId": null, "PartnerId": null,
        "Entity": entity.to_string(), "Metadata": {"key_url": connectwise.key_url()}, "CallbackObjectRecId": 26604,
    });
    let signed = connectwise.sign("", body.to_string().as_bytes());
    let head = format!(
        "POST /callbacks/acme?recordId={id}&action=updated HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nx-content-signature: {}\r\ncontent-length: {}\r\n\r\n",
        signed.signature.unwrap_or_default(),
        signed.body.len()
    );
    [head.as_bytes(), &signed.body].concat()
}

/// A callback that got a 2xx.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) message: Uuid,
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

/// What is sent, and what was acknowledged, by record.
pub(crate) struct Load {
    connectwise: Arc<ConnectWise>,
    bytes: usize,
    next: AtomicU64,
    stop: AtomicBool,
    acknowledged: Mutex<BTreeMap<u64, Acknowledged>>,
}

impl Load {
    pub(crate) fn new(connectwise: Arc<ConnectWise>, bytes: usize) -> Arc<Self> {
        let (next, stop, acknowledged) = (AtomicU64::new(1_000_000), AtomicBool::new(false), Mutex::default());
        Arc::new(Self { connectwise, bytes, next, stop, acknowledged })
    }

    /// Opens so many connections, each of which sends until [`Self::stop`].
    pub(crate) fn start(self: &Arc<Self>, url: &str, connections: usize) -> tokio::task::JoinSet<()> {
        self.stop.store(false, Ordering::Relaxed);
        let address = url.trim_start_matches("http://").to_owned();
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..connections {
            let (load, address) = (Arc::clone(self), address.clone());
            clients.spawn(async move {
                // A process that was killed answers nobody.
                let _ = load.client(&address).await;
            });
        }
        clients
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// All that got a 2xx so far, without those that `keep` forgets.
    pub(crate) fn retain(&self, keep: impl Fn(&Acknowledged) -> bool) -> BTreeMap<u64, Acknowledged> {
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.retain(|_, callback| keep(callback));
        acknowledged.clone()
    }

    async fn client(&self, address: &str) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut answer = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let (id, message) = (self.next.fetch_add(1, Ordering::Relaxed), Uuid::new_v4());
            let request = request(&self.connectwise, id, message, self.bytes);
            let sent = Instant::now();
            stream.write_all(&request).await?;
            answer.clear();
            while !is_whole(&answer) {
                if stream.read_buf(&mut answer).await? == 0 {
                    return Ok(());
                }
            }
            if answer.starts_with(b"HTTP/1.1 2") {
                let callback = Acknowledged { message, sent, answered: Instant::now() };
                self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(id, callback);
            } else {
                // ConnectWise would wait, too.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }
}

/// Whether headers and body have arrived.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    answer.len() >= end + 4 + length.map_or(0, |length| length.trim().parse().unwrap_or(0))
}
