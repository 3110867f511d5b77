//! Ten thousand hostile requests of every sort at the real binary: nothing is accepted, and nothing grows.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use readypost::simulator::connectwise::{Delivery, Forgery};
use readypost::simulator::xero;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::durable::Traced;
use crate::harness::{TOKEN, WEBHOOK_KEY};
use crate::process::Service;

/// Hostile requests, all sorts together.
const REQUESTS: usize = 10_000;
/// Of these, the first ones warm up the caches and pools of the process.
const WARM: usize = 2_000;
/// Connections at the same time.
const SIDE_BY_SIDE: usize = 32;
/// How much the process may grow after it is warm, in KiB.
const GROWTH_KIB: u64 = 16 * 1024;
/// The largest body that the door takes here, so that many too large ones are cheap to send.
const BODY_MAX: usize = 64 << 10;

/// Sorts whose sender goes away before they are whole; others wait for their answer.
const UNFINISHED: [&str; 4] = ["cut short", "no HTTP", "broken chunks", "two lengths"];
/// The sort of which the second half of the body comes after a pause.
const SLOW: &str = "slow";

/// The door for the callbacks of the connection that there is.
const DOOR: &str = "/callbacks/acme";

/// Makes the bytes of one request; the number tells those of one sort apart.
type Make = fn(&Arsenal, usize) -> Vec<u8>;

/// Every sort of hostile request.
const SORTS: [(&str, Make); 24] = [
    ("unsigned", |own, _| own.forged(&Forgery::NoSignature)),
    ("signed with another key", |own, _| own.forged(&Forgery::WrongKey)),
    ("altered", |own, seed| whole(DOOR, &own.signature(), &own.flipped(seed))),
    ("replayed at another connection", |own, _| whole("/callbacks/other", &own.signature(), own.body())),
    ("cut short", |own, seed| {
        let length = own.body().len();
        [head(DOOR, &own.signature(), length), own.body()[..seed % length].to_vec()].concat()
    }),
    ("announced as huge", |own, _| head(DOOR, &own.signature(), 10_000_000_000)),
    ("too large", |own, seed| whole(DOOR, &own.signature(), &vec![b' '; BODY_MAX + 1 + seed % 1000])),
    ("nested", |own, seed| own.honest("[".repeat(1000 + seed % 60_000).as_bytes())),
    ("UTF-16", |own, _| own.honest(&own.body().iter().flat_map(|byte| [*byte, 0]).collect::<Vec<u8>>())),
    ("Latin-1", |own, _| {
        let latin: Vec<u8> = own.body().iter().map(|byte| byte | 0x80).collect();
        whole(DOOR, &own.signature(), &latin)
    }),
    (SLOW, |own, _| whole(DOOR, &signed("AAAA"), own.body())),
    ("no HTTP", |_, seed| vec![u8::try_from(seed % 256).unwrap(); 300]),
    ("huge header", |own, _| whole(DOOR, &format!("x-long: {}\r\n", "x".repeat(200_000)), own.body())),
    ("two signatures", |own, _| whole(DOOR, &own.signature().repeat(2), own.body())),
    ("broken chunks", |own, _| {
        let headers = format!("host: x\r\n{}transfer-encoding: chunked\r\n", own.signature());
        format!("POST {DOOR} HTTP/1.1\r\n{headers}\r\nzz\r\n").into_bytes()
    }),
    ("webhook of another key", |_, seed| hooked(&xero::signature("another", &webhook(seed)), seed)),
    ("webhook signed for ConnectWise", |own, seed| hooked(own.callback.signature.as_deref().unwrap(), seed)),
    ("webhook unsigned", |_, seed| whole("/xero/webhooks", "", &webhook(seed))),
    ("key from elsewhere", |own, seed| {
        own.forged(&Forgery::KeyUrl(format!("http://127.0.0.1:{}/k", 1 + seed % 60_000)))
    }),
    ("said to be compressed", |own, seed| {
        whole(DOOR, &(own.signature() + "content-encoding: gzip\r\n"), &own.flipped(seed))
    }),
    ("other paths", |own, seed| {
        let paths = ["/callbacks/", "/callbacks/..%2f", "/callbacks/acme/x", "//callbacks/acme"];
        whole(paths[seed % paths.len()], &own.signature(), own.body())
    }),
    ("two lengths", |own, _| whole(DOOR, &(own.signature() + "transfer-encoding: chunked\r\n"), own.body())),
    ("no JSON", |own, seed| own.honest(format!("{seed} is no callback").as_bytes())),
    ("no record", |own, seed| {
        let key_url = own.world.connectwise.key_url();
        own.honest(format!(r#"{{"Type":"invoice","ID":"-{seed}","Metadata":{{"key_url":"{key_url}"}}}}"#).as_bytes())
    }),
];

/// What one request is made of.
struct Arsenal {
    /// Known to the attacker, signed by ConnectWise, and never let in.
    callback: Delivery,
    world: Traced,
}

fn head(path: &str, headers: &str, length: usize) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n")
        .into_bytes()
}

fn whole(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    [head(path, headers, body.len()), body.to_vec()].concat()
}

fn signed(signature: &str) -> String {
    format!("x-content-signature: {signature}\r\n")
}

fn webhook(seed: usize) -> Vec<u8> {
    format!(r#"{{"events":[],"entropy":"{seed}"}}"#).into_bytes()
}

fn hooked(signature: &str, seed: usize) -> Vec<u8> {
    whole("/xero/webhooks", &format!("x-xero-signature: {signature}\r\n"), &webhook(seed))
}

impl Arsenal {
    fn body(&self) -> &[u8] {
        &self.callback.body
    }

    /// The header with the right signature of the callback.
    fn signature(&self) -> String {
        signed(self.callback.signature.as_deref().unwrap())
    }

    fn forged(&self, forgery: &Forgery) -> Vec<u8> {
        let forged = self.world.connectwise.forge(&self.callback, forgery);
        whole(DOOR, &forged.signature.as_deref().map_or_else(String::new, signed), &forged.body)
    }

    /// A body of the attacker's own with the right signature, as if ConnectWise had lost its mind.
    fn honest(&self, body: &[u8]) -> Vec<u8> {
        let delivery = self.world.connectwise.sign(DOOR, body);
        whole(DOOR, &signed(&delivery.signature.unwrap()), body)
    }

    /// The callback with one bit that is another one.
    fn flipped(&self, seed: usize) -> Vec<u8> {
        let mut flipped = self.body().to_vec();
        flipped[seed % self.callback.body.len()] ^= 1 << (seed % 8);
        flipped
    }

    /// Sort and bytes of one hostile request, by its number; the second part is sent after a pause.
    fn request(&self, number: usize) -> (&'static str, Vec<u8>, Vec<u8>) {
        let (sort, make) = SORTS[number % SORTS.len()];
        let mut first = make(self, number / SORTS.len());
        let half = if sort == SLOW { self.body().len().div_ceil(2) } else { 0 };
        let rest = first.split_off(first.len() - half);
        (sort, first, rest)
    }
}

/// Sends one; the status, or 0 when the connection was closed without one.
async fn send(address: &str, (first, rest): (&[u8], &[u8]), ends: bool) -> io::Result<u16> {
    let mut stream = TcpStream::connect(address).await?;
    let _ = stream.write_all(first).await;
    if !rest.is_empty() {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let _ = stream.write_all(rest).await;
    }
    if ends {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    if tokio::time::timeout(Duration::from_secs(20), reading).await.is_err() {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "never answered"));
    }
    let status = answer.get(9..12).map(|digits| String::from_utf8_lossy(digits).into_owned());
    Ok(status.and_then(|status| status.parse().ok()).unwrap_or_default())
}

/// Sends the requests of these numbers; how often each sort got which status.
async fn flood(arsenal: &Arc<Arsenal>, address: &str, numbers: std::ops::Range<usize>) -> BTreeMap<(String, u16), u32> {
    let mut tasks = JoinSet::new();
    for worker in 0..SIDE_BY_SIDE {
        let (arsenal, address) = (Arc::clone(arsenal), address.to_owned());
        let numbers = numbers.clone().filter(move |number| number % SIDE_BY_SIDE == worker);
        tasks.spawn(async move {
            let mut seen: BTreeMap<(String, u16), u32> = BTreeMap::new();
            for number in numbers {
                let (sort, first, rest) = arsenal.request(number);
                let status = send(&address, (&first, &rest), UNFINISHED.contains(&sort)).await.unwrap();
                *seen.entry((sort.to_owned(), status)).or_default() += 1;
            }
            seen
        });
    }
    let mut all = BTreeMap::new();
    for (what, count) in tasks.join_all().await.into_iter().flatten() {
        *all.entry(what).or_default() += count;
    }
    all
}

/// Entries in the journal, and records in all states together.
async fn kept(service: &Service) -> (String, Vec<String>) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let text =
        http.get(format!("{}/metrics", service.url)).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
    let line = |start: &str| text.lines().filter(|line| line.starts_with(start)).map(str::to_owned).collect::<Vec<_>>();
    let kept = (line("readypost_journal_entries").concat(), line("readypost_queue_depth"));
    assert!(!kept.0.is_empty() && !kept.1.is_empty(), "{text}");
    kept
}

/// Waits for the sweep with which the service begins: it is noted in the journal.
async fn first_sweep(service: &Service) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..200 {
        let answer = http.get(format!("{}/status", service.url)).bearer_auth(TOKEN).send().await.unwrap();
        let status: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        if !status["connections"][0]["last_sweep"].is_null() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the first sweep did not end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hostile_requests_leave_nothing_behind() {
    let world = Traced::with(&format!("body_bytes_max = {BODY_MAX}")).await;
    let service = world.start(&[]).await;
    let address = service.url.trim_start_matches("http://").to_owned();
    let (_, callback) = world.delivery(0, &service);
    let arsenal = Arc::new(Arsenal { callback, world });
    first_sweep(&service).await;
    let before = kept(&service).await;
    let begun = Instant::now();
    let mut seen = flood(&arsenal, &address, 0..WARM).await;
    let (resident, descriptors) = (service.resident(), service.descriptors());
    for (what, count) in flood(&arsenal, &address, WARM..REQUESTS).await {
        *seen.entry(what).or_default() += count;
    }
    let grown = service.resident().saturating_sub(resident);
    println!(
        "{REQUESTS} hostile requests in {:?} grew the process by {grown} KiB from {resident} KiB",
        begun.elapsed()
    );
    for ((sort, status), count) in &seen {
        println!("{sort}: {status} x {count}");
        assert!(matches!(status, 0 | 400..=499 | 503), "{sort} was answered with {status}");
    }
    assert_eq!(seen.values().sum::<u32>(), u32::try_from(REQUESTS).unwrap());
    assert_eq!(kept(&service).await, before, "something was stored");
    assert!(grown < GROWTH_KIB, "{grown} KiB");
    let mut open = service.descriptors();
    for _ in 0..200 {
        if open <= descriptors {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        open = service.descriptors();
    }
    assert!(open <= descriptors, "{open} descriptors are open, {descriptors} were");
    // The door is as good as before.
    assert_eq!(arsenal.world.connectwise.send(&arsenal.callback).await.status, Some(200));
    assert_ne!(kept(&service).await, before);
    service.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_is_replayed_is_one_message() {
    let world = Traced::with("").await;
    let service = world.start(&[]).await;
    let (invoice, callback) = world.delivery(0, &service);
    for _ in 0..1000 {
        assert_eq!(world.connectwise.send(&callback).await.status, Some(200));
    }
    let elsewhere = Delivery { url: callback.url.replace("/acme", "/other"), ..callback.clone() };
    assert_eq!(world.connectwise.send(&elsewhere).await.status, Some(410));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/v1/records/acme/invoice/{invoice}", service.url);
    let shown: serde_json::Value =
        serde_json::from_str(&http.get(url).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap()).unwrap();
    let history = shown["history"].as_array().unwrap();
    let callbacks = history.iter().filter(|line| line["event"] == "callback").count();
    assert_eq!(callbacks, 1, "{history:?}");
    let metrics =
        http.get(format!("{}/metrics", service.url)).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("verdict=\"duplicate\"} 999"), "{metrics}");
    assert!(!WEBHOOK_KEY.is_empty() && !metrics.contains(WEBHOOK_KEY));
    service.kill().await;
}
