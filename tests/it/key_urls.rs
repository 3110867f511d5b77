//! Addresses of signing keys that an attacker chooses: none is followed that is not allowed, and what an allowed one
//! answers, or does not answer, costs little and verifies nothing.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use readypost::simulator::connectwise::{Delivery, Forgery, signature};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::World;

/// The longest that the door may take: the key has 2 s.
const ANSWER_TIME: Duration = Duration::from_secs(4);
/// What the attacker knows, because its own server gives it.
const THEIR_KEY: &str = "their-key";

/// A server of the attacker, or an allowed one that has lost its mind.
struct Trap {
    host: String,
    connections: Arc<AtomicUsize>,
}

impl Trap {
    async fn set(elsewhere: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(misbehave(stream, elsewhere.clone(), number));
            }
        });
        Self { host, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Answers as the path asks; ends when the other side has gone.
async fn misbehave(mut stream: TcpStream, elsewhere: String, number: usize) -> Option<()> {
    let mut head = vec![0; 4096];
    let read = stream.read(&mut head).await.ok()?;
    let head = String::from_utf8_lossy(&head[..read]).to_ascii_lowercase();
    assert!(!head.contains("accept-encoding"), "nothing compressed is asked for: {head}");
    assert!(!head.contains("authorization") && !head.contains("cookie"), "{head}");
    let path = head.split(' ').nth(1)?.split('?').next()?.to_owned();
    let key = json!({"signing_key": THEIR_KEY}).to_string();
    let whole = |status: &str, headers: &str, body: &[u8]| {
        // Each connection is for one request, and the answer says so: else the next one may come to a closed connection.
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let answer = match path.as_str() {
        "/html" => whole("200 OK", "content-type: text/html\r\n", b"<html>{\"signing_key\":\"their-key\"}</html>"),
        "/gzip" => {
            let bomb = gzipped(&vec![b' '; 10 << 20]);
            assert!(bomb.len() < 16 << 10);
            whole("200 OK", "content-encoding: gzip\r\n", &bomb)
        }
        "/gzipped-key" => whole("200 OK", "content-encoding: gzip\r\n", &gzipped(key.as_bytes())),
        "/elsewhere" => whole("302 Found", &format!("location: http://{elsewhere}/key\r\n"), b""),
        "/inside" => whole("307 Temporary Redirect", "location: http://169.254.169.254/latest/\r\n", key.as_bytes()),
        "/itself" => whole("301 Moved Permanently", "location: /itself\r\n", key.as_bytes()),
        "/changing" => whole("200 OK", "", json!({"signing_key": format!("key-{number}")}).to_string().as_bytes()),
        "/nested" => whole("200 OK", "", format!("{}1{}", "[".repeat(5000), "]".repeat(5000)).as_bytes()),
        "/latin" => whole("200 OK", "", b"{\"signing_key\":\"\xe9\xff\"}"),
        "/twice" => whole("200 OK", "", b"{\"signing_key\":\"a\",\"signing_key\":\"their-key\"}"),
        "/garbage" => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        "/giant" => b"HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n".to_vec(),
        "/endless" => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        "/drip" => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", key.len()).into_bytes(),
        "/headers" => b"HTTP/1.1 200 OK\r\n".to_vec(),
        "/cut" => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{key}", key.len() + 1).into_bytes(),
        "/key" => whole("200 OK", "content-type: application/json\r\n", key.as_bytes()),
        _ => Vec::new(),
    };
    stream.write_all(&answer).await.ok()?;
    match path.as_str() {
        "/giant" => loop {
            stream.write_all(&vec![b' '; 32 << 10]).await.ok()?;
        },
        "/endless" => loop {
            let chunk = [b"8000\r\n", vec![b' '; 32 << 10].as_slice(), b"\r\n"].concat();
            stream.write_all(&chunk).await.ok()?;
        },
        "/headers" => loop {
            stream.write_all(b"x-more: 1\r\n").await.ok()?;
        },
        "/drip" => {
            for byte in key.bytes() {
                tokio::time::sleep(Duration::from_millis(300)).await;
                stream.write_all(&[byte]).await.ok()?;
            }
        }
        "/silent" => tokio::time::sleep(Duration::from_mins(1)).await,
        _ => {}
    }
    Some(())
}

/// A world that also allows these hosts.
async fn allowing(hosts: &[&str]) -> World {
    let world = World::new().await;
    let ours = format!("[\"{}\"", world.connectwise.key_host());
    let all = hosts.iter().fold(ours.clone(), |all, host| format!("{all}, \"{host}\""));
    let (status, answer) = world.reload(&world.configuration().replace(&ours, &all)).await;
    assert_eq!(status, 200, "{answer}");
    world
}

/// Sends this callback with another address of its key, signed with the key that the attacker would have there.
async fn attack(world: &World, sent: &Delivery, key_url: &str) -> u16 {
    let forged = world.connectwise.forge(sent, &Forgery::KeyUrl(key_url.to_owned()));
    let signed = signature(THEIR_KEY.as_bytes(), &forged.body);
    let request = world.http.post(&forged.url).header("x-content-signature", signed).body(forged.body);
    let begun = Instant::now();
    let status = request.send().await.unwrap().status().as_u16();
    assert!(begun.elapsed() < ANSWER_TIME, "{key_url}: {:?}", begun.elapsed());
    status
}

/// A host of ConnectWise's cloud that is allowed; `CLOUD` in the tables below.
const CLOUD: &str = "na.myconnectwise.net";

/// Hosts that only look like an allowed one, or hide another one. `OURS` is the allowed one, `THEIRS` the attacker's.
const HOSTS: &[&str] = &[
    "THEIRS",
    "CLOUD@THEIRS",
    "CLOUD:x@THEIRS",
    "CLOUD%40THEIRS",
    "THEIRS#@CLOUD",
    "THEIRS\\@CLOUD",
    "THEIRS?@CLOUD",
    "user:secret@CLOUD",
    "@CLOUD",
    ":@CLOUD",
    "CLOUD.evil.example",
    "evil-CLOUD",
    "evil.example.CLOUD.test",
    "xCLOUD",
    "myconnectwise.net",
    "api-na.myconnectwise.net",
    "eu.myconnectwise.net",
    "CLOUD.",
    "CLOUD:8443",
    "CLOUD:80",
    "CLOUD:THEIR_PORT",
    "na.myconnectwise.net\u{ff0f}x",
    "n\u{430}.myconnectwise.net",
    "\u{ff4e}\u{ff41}.myconnectwise.net",
    "na\u{3002}myconnectwise.net",
    "xn--n-7sb.myconnectwise.net",
    "na.myconnectwise\u{ad}.net",
    "na%2emyconnectwise.net",
    "na.my\tconnectwise.net",
    "na.my\nconnectwise.net",
    "localhost:THEIR_PORT",
    "localhost:OUR_PORT",
    "127.1:OUR_PORT",
    "2130706433:OUR_PORT",
    "0x7f000001:OUR_PORT",
    "0x7f.0.0.1:OUR_PORT",
    "0177.0.0.1:OUR_PORT",
    "017700000001:OUR_PORT",
    "127.0.0.2:OUR_PORT",
    "0.0.0.0:OUR_PORT",
    "0:OUR_PORT",
    "[::1]:OUR_PORT",
    "[::ffff:127.0.0.1]:OUR_PORT",
    "[::ffff:7f00:1]:OUR_PORT",
    "[0:0:0:0:0:0:0:1]:OUR_PORT",
    "127.0.0.1.:OUR_PORT",
    "127.0.0.1",
    "169.254.169.254",
    "[fd00:ec2::254]",
    "metadata.google.internal",
    "10.0.0.1",
    "OURS.evil.example",
    "OURS@THEIRS",
    "user@OURS",
    "",
];

/// What is no web.
const SCHEMES: &[&str] =
    &["ftp", "file", "gopher", "ws", "wss", "javascript", "data", "jar:http", "blob:https", "view-source:https"];

/// Addresses of the allowed host that are not addresses of it, or not by https.
const WHOLE: &[&str] = &[
    "http://CLOUD/key",
    "//CLOUD/key",
    "CLOUD/key",
    "https:CLOUD/key",
    "https:/CLOUD/key",
    "https:///CLOUD/key",
    "https:\\\\CLOUD\\key",
    " https://CLOUD/key",
    "\u{0}https://CLOUD/key",
    "https://CLOUD/key\r\nhost: evil.example",
    "https://CLOUD:443/key",
    "data:application/json,{\"signing_key\":\"their-key\"}",
    "file:///etc/passwd",
    "not an address",
    "",
];

/// Another company's key on the allowed host, in every way of saying it.
const OF_OTHERS: &[&str] = &[
    "key?companyName=other&id=1",
    "key?companyName=acme&companyName=other",
    "key?companyName=acme&companyName=acme",
    "key?COMPANYNAME=other",
    "key?%63ompanyName=other",
    "key?id=1;companyName=other",
    "key?id=1%26companyName=other",
    "key?companyName=acme%00other",
    "key?companyName[]=other",
    "key;companyName=other?companyName=acme",
    "companyName=other/../key?id=1&x=companyName",
    "key%3FcompanyName=other",
    "key?companyName=acme%26companyName=other",
    "key?companyName=",
];

/// Every address that must not be followed.
fn refused(ours: &str, theirs: &str) -> Vec<String> {
    let port = |host: &str| host.rsplit(':').next().unwrap().to_owned();
    let (our_port, their_port) = (port(ours), port(theirs));
    let meant = |text: &str| {
        let text = text.replace("OUR_PORT", &our_port).replace("THEIR_PORT", &their_port);
        text.replace("OURS", ours).replace("THEIRS", theirs).replace("CLOUD", CLOUD)
    };
    let mut urls: Vec<String> = WHOLE.iter().map(|url| meant(url)).collect();
    urls.push(format!("https://{CLOUD}/{}", "x".repeat(5000)));
    for host in HOSTS.iter().map(|host| meant(host)) {
        urls.extend(["http", "https"].map(|scheme| format!("{scheme}://{host}/key?companyName=acme&id=1")));
    }
    for scheme in SCHEMES {
        urls.extend([ours, CLOUD].map(|host| format!("{scheme}://{host}/key")));
    }
    urls.extend(OF_OTHERS.iter().map(|rest| format!("http://{ours}/{rest}")));
    urls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_form_of_an_address_leads_to_a_host_that_is_not_allowed() {
    let decoy = Trap::set(String::new()).await;
    let world = allowing(&[CLOUD]).await;
    let theirs = decoy.host.clone();
    let urls = refused(&world.connectwise.key_host(), &theirs);
    assert_eq!(urls.len(), 160);
    let (invoice, sent) = world.closed("1001");
    for url in &urls {
        assert_eq!(attack(&world, &sent, url).await, 401, "{url:?}");
    }
    println!("{} addresses were refused", urls.len());
    assert!(!world.knows(invoice).await);
    assert_eq!(decoy.connections(), 0, "a host that is not allowed was asked");
    assert!(world.connectwise.server.requests().is_empty(), "nor was the allowed one");
    // The decoy's address alone is what kept it from being asked.
    let world = allowing(&[&theirs]).await;
    let (invoice, sent) = world.closed("1001");
    assert_eq!(attack(&world, &sent, &format!("http://{theirs}/key")).await, 200);
    assert!(world.knows(invoice).await && decoy.connections() == 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_allowed_host_answers_costs_little_and_verifies_nothing() {
    let elsewhere = Trap::set(String::new()).await;
    let trap = Trap::set(elsewhere.host.clone()).await;
    let world = allowing(&[&trap.host]).await;
    let (invoice, sent) = world.closed("1001");
    for (path, status) in [
        ("html", 401),
        ("gzip", 401),
        ("gzipped-key", 401),
        ("elsewhere", 401),
        ("inside", 401),
        ("itself", 401),
        ("changing", 401),
        ("nested", 401),
        ("latin", 401),
        ("twice", 401),
        ("giant", 401),
        ("endless", 401),
        // It may pass: ConnectWise is to try again.
        ("garbage", 429),
        ("headers", 429),
        ("drip", 429),
        ("silent", 429),
        ("cut", 429),
    ] {
        let before = trap.connections();
        assert_eq!(attack(&world, &sent, &format!("http://{}/{path}", trap.host)).await, status, "{path}");
        let asked = trap.connections() - before;
        assert!((1..=2).contains(&asked), "{path}: {asked} requests");
        assert!(!world.knows(invoice).await, "{path}");
    }
    assert_eq!(elsewhere.connections(), 0, "a redirect was followed");
    // A key that is another one each time is asked for once and once again, not for each forged callback.
    let before = trap.connections();
    for _ in 0..50 {
        assert_eq!(attack(&world, &sent, &format!("http://{}/changing", trap.host)).await, 401);
    }
    assert!(trap.connections() - before <= 1, "{}", trap.connections() - before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_addresses_neither_fill_the_memory_nor_push_out_the_good_key() {
    let trap = Trap::set(String::new()).await;
    let world = allowing(&[&trap.host]).await;
    let (_, sent) = world.closed("1001");
    assert_eq!(world.send(&sent).await, 200);
    let keys = || world.connectwise.server.requests().iter().filter(|asked| asked.uri.path().contains("key")).count();
    let before = keys();
    for number in 0..2000 {
        let url = format!("http://{}/html?{number}={}", trap.host, "x".repeat(900));
        // On a machine that is busy with other work the trap may miss its 2 s.
        assert!(matches!(attack(&world, &sent, &url).await, 401 | 429));
    }
    let (invoice, honest) = world.closed("1002");
    assert_eq!((world.send(&honest).await, keys()), (200, before), "the good key was still known");
    assert!(world.knows(invoice).await);
}
