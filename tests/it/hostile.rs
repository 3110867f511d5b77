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

/// What one request is made of.
struct Arsenal {
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

impl Arsenal {
    /// The bytes of one hostile request, by its number; the second part is sent after a pause.
    fn request(&self, number: usize) -> (&'static str, Vec<u8>, Vec<u8>) {
        let (seed, sort) = (number / 24, number % 24);
        let (body, door) = (&self.callback.body, "/callbacks/acme");
        let right = self.callback.signature.clone().unwrap();
        let signed = |signature: &str| format!("x-content-signature: {signature}\r\n");
        let forged = |forgery: &Forgery| {
            let forged = self.world.connectwise.forge(&self.callback, forgery);
            whole(door, &forged.signature.map_or(String::new(), |signature| signed(&signature)), &forged.body)
        };
        let own = |body: &[u8]| {
            let delivery = self.world.connectwise.sign(door, body);
            whole(door, &signed(&delivery.signature.unwrap()), body)
        };
        let webhook = format!(r#"{{"events":[],"entropy":"{seed}"}}"#).into_bytes();
        let hooked = |signature: &str| whole("/xero/webhooks", &format!("x-xero-signature: {signature}\r\n"), &webhook);
        let mut flipped = body.clone();
        flipped[seed % body.len()] ^= 1 << (seed % 8);
        let none = Vec::new();
        match sort {
            0 => ("unsigned", forged(&Forgery::NoSignature), none),
            1 => ("signed with another key", forged(&Forgery::WrongKey), none),
            2 => ("altered", whole(door, &signed(&right), &flipped), none),
            3 => ("replayed at another connection", whole("/callbacks/other", &signed(&right), body), none),
            4 => (
                "cut short",
                [head(door, &signed(&right), body.len()), body[..seed % body.len()].to_vec()].concat(),
                none,
            ),
            5 => ("announced as huge", head(door, &signed(&right), 10_000_000_000), none),
            6 => ("too large", whole(door, &signed(&right), &vec![b' '; BODY_MAX + 1 + seed % 1000]), none),
            7 => ("nested", own("[".repeat(1000 + seed % 60_000).as_bytes()), none),
            8 => ("UTF-16", own(&body.iter().flat_map(|byte| [*byte, 0]).collect::<Vec<u8>>()), none),
            9 => (
                "Latin-1",
                whole(door, &signed(&right), &body.iter().map(|byte| byte | 0x80).collect::<Vec<u8>>()),
                none,
            ),
            10 => {
                let half = body.len() / 2;
                let first = [head(door, &signed("AAAA"), body.len()), body[..half].to_vec()].concat();
                ("slow", first, body[half..].to_vec())
            }
            11 => ("no HTTP", vec![u8::try_from(seed % 256).unwrap(); 300], none),
            12 => ("huge header", whole(door, &format!("x-long: {}\r\n", "x".repeat(200_000)), body), none),
            13 => ("two signatures", whole(door, &(signed(&right) + &signed(&right)), body), none),
            14 => {
                let chunked = format!(
                    "POST {door} HTTP/1.1\r\nhost: x\r\n{}transfer-encoding: chunked\r\n\r\nzz\r\n",
                    signed(&right)
                );
                ("broken chunks", chunked.into_bytes(), none)
            }
            15 => ("webhook of another key", hooked(&xero::signature("another", &webhook)), none),
            16 => ("webhook signed for ConnectWise", hooked(&right), none),
            17 => ("webhook unsigned", whole("/xero/webhooks", "", &webhook), none),
            18 => (
                "key from elsewhere",
                forged(&Forgery::KeyUrl(format!("http://127.0.0.1:{}/k", 1 + seed % 60_000))),
                none,
            ),
            19 => {
                ("said to be compressed", whole(door, &(signed(&right) + "content-encoding: gzip\r\n"), &flipped), none)
            }
            20 => (
                "other paths",
                whole(
                    ["/callbacks/", "/callbacks/..%2f", "/callbacks/acme/x", "//callbacks/acme"][seed % 4],
                    &signed(&right),
                    body,
                ),
                none,
            ),
            21 => {
                let smuggled = format!("{}transfer-encoding: chunked\r\n", signed(&right));
                ("two lengths", whole(door, &smuggled, body), none)
            }
            22 => ("no JSON", own(format!("{seed} is no callback").as_bytes()), none),
            _ => (
                "no record",
                own(format!(
                    r#"{{"Type":"invoice","ID":"-{seed}","Metadata":{{"key_url":"{}"}}}}"#,
                    self.world.connectwise.key_url()
                )
                .as_bytes()),
                none,
            ),
        }
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
    let _ = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("never answered");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_hostile_requests_leave_nothing_behind() {
    let world = Traced::with(&format!("body_bytes_max = {BODY_MAX}")).await;
    let service = world.start(&[]).await;
    let address = service.url.trim_start_matches("http://").to_owned();
    // Known to the attacker, signed by ConnectWise, and never let in.
    let (_, callback) = world.delivery(0, &service);
    let arsenal = Arc::new(Arsenal { callback, world });
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
