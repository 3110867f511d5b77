//! The door: every delivery gets its verdict over real HTTP, and what is answered with 2xx is durable.

use std::time::Duration;

use jiff::SignedDuration;
use readypost::simulator::connectwise::{ConnectWise, Delivery, Forgery, KeyMode, Settings};
use readypost::simulator::faults::{Canned, Fault, Rule};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{World, labour};

/// Where signing keys are fetched.
const KEYS: &str = "callbackkey";

/// The delivery with another body, signed anew.
fn edited(world: &World, delivery: &Delivery, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Delivery {
    let mut body: Value = serde_json::from_slice(&delivery.body).unwrap();
    edit(body.as_object_mut().unwrap());
    world.connectwise.sign(&delivery.url, body.to_string().as_bytes())
}

fn key_requests(connectwise: &ConnectWise) -> usize {
    connectwise.server.requests().iter().filter(|request| request.uri.path().contains(KEYS)).count()
}

/// Sends a delivery as it is; status and `Retry-After` come back.
async fn post(world: &World, delivery: &Delivery) -> (u16, Option<String>) {
    let mut request = world.http.post(&delivery.url).body(delivery.body.clone());
    if let Some(signature) = &delivery.signature {
        request = request.header("x-content-signature", signature);
    }
    let answer = request.send().await.unwrap();
    let wait = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), wait)
}

/// Writes raw bytes to the service and returns the status it answers.
async fn raw(world: &World, request: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(world.url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "closed without an answer");
        answer.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8_lossy(&answer[9..12]).parse().unwrap()
}

type Spoil = fn(&World, &Delivery) -> Delivery;

fn forged(forgery: &Forgery, world: &World, delivery: &Delivery) -> Delivery {
    world.connectwise.forge(delivery, forgery)
}

/// What is done to an honest delivery, what is answered, and whether the record is known afterwards.
const VERDICTS: &[(&str, Spoil, u16, bool)] = &[
    ("good", |_, sent| sent.clone(), 200, true),
    ("no signature", |world, sent| forged(&Forgery::NoSignature, world, sent), 401, false),
    ("wrong key", |world, sent| forged(&Forgery::WrongKey, world, sent), 401, false),
    ("altered body", |world, sent| forged(&Forgery::AlteredBody, world, sent), 401, false),
    ("signature not base64", |_, sent| Delivery { signature: Some("%%%".to_owned()), ..sent.clone() }, 401, false),
    ("signature too short", |_, sent| Delivery { signature: Some("AAAA".to_owned()), ..sent.clone() }, 401, false),
    ("signature empty", |_, sent| Delivery { signature: Some(String::new()), ..sent.clone() }, 401, false),
    ("null entity", |world, sent| forged(&Forgery::NullEntity, world, sent), 200, true),
    ("stale entity", |world, sent| forged(&Forgery::StaleEntity("{\"id\":9}".to_owned()), world, sent), 200, true),
    ("invalid UTF-8", |world, sent| forged(&Forgery::InvalidUtf8, world, sent), 200, true),
    ("old envelope", |world, sent| forged(&Forgery::OldEnvelope, world, sent), 200, true),
    (
        "odd case",
        |world, sent| edited(world, sent, |body| drop(body.insert("Type".into(), json!("InVoIcE")))),
        200,
        true,
    ),
    (
        "unknown fields",
        |world, sent| edited(world, sent, |body| drop(body.insert("Brand".into(), json!([{"new": null}])))),
        200,
        true,
    ),
    (
        "null message id",
        |world, sent| edited(world, sent, |body| drop(body.insert("MessageId".into(), Value::Null))),
        200,
        true,
    ),
    (
        "deleted",
        |world, sent| edited(world, sent, |body| drop(body.insert("Action".into(), json!("deleted")))),
        200,
        true,
    ),
    (
        "id as text",
        |world, sent| {
            edited(world, sent, |body| {
                let id = body["ID"].to_string();
                body.insert("ID".into(), json!(id));
            })
        },
        200,
        true,
    ),
    ("ticket", |world, sent| edited(world, sent, |body| drop(body.insert("Type".into(), json!("ticket")))), 204, false),
    ("no id", |world, sent| edited(world, sent, |body| drop(body.remove("ID"))), 400, false),
    ("no type", |world, sent| edited(world, sent, |body| drop(body.remove("Type"))), 400, false),
    ("no metadata", |world, sent| edited(world, sent, |body| drop(body.remove("Metadata"))), 400, false),
    (
        "id that is a path",
        |world, sent| edited(world, sent, |body| drop(body.insert("ID".into(), json!("../1")))),
        400,
        false,
    ),
    ("not JSON", |world, sent| world.connectwise.sign(&sent.url, b"hello"), 400, false),
    ("empty", |world, sent| world.connectwise.sign(&sent.url, b""), 400, false),
    ("an array", |world, sent| world.connectwise.sign(&sent.url, b"[]"), 400, false),
    ("deep nesting", |world, sent| world.connectwise.sign(&sent.url, "[".repeat(100_000).as_bytes()), 400, false),
    (
        "unknown connection",
        |_, sent| Delivery { url: sent.url.replace("/acme", "/nobody"), ..sent.clone() },
        410,
        false,
    ),
    (
        "connection that is no name",
        |_, sent| Delivery { url: sent.url.replace("/acme", "/%2e%2e%2fx"), ..sent.clone() },
        410,
        false,
    ),
];

#[tokio::test]
async fn every_delivery_gets_its_verdict() {
    let world = World::new().await;
    for (index, (name, spoil, status, known)) in VERDICTS.iter().enumerate() {
        // A failure to get a key is remembered for two seconds.
        world.clock.advance(SignedDuration::from_secs(11));
        let (invoice, sent) = world.closed(&format!("V{index}"));
        let answered = post(&world, &spoil(&world, &sent)).await.0;
        assert_eq!((answered, world.knows(invoice).await), (*status, *known), "{name}");
    }
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused_announced_or_not() {
    let world = World::new().await;
    let head = "POST /callbacks/acme HTTP/1.1\r\nhost: x\r\nx-content-signature: rqGiZc1S6gd1zbnDRkLr9aMxxMXlNyQFLZxDgthdLzw=\r\n";
    assert_eq!(raw(&world, format!("{head}content-length: 1048577\r\n\r\n").as_bytes()).await, 413);
    assert_eq!(raw(&world, format!("{head}content-length: 99999999999999999999\r\n\r\n").as_bytes()).await, 400);
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..17 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend(std::iter::repeat_n(b'x', 0x1_0000));
        chunked.extend_from_slice(b"\r\n");
    }
    assert_eq!(raw(&world, &chunked).await, 413);
    // The largest body that is allowed is taken.
    let (invoice, sent) = world.closed("1001");
    let mut body: Value = serde_json::from_slice(&sent.body).unwrap();
    body["Padding"] = json!("");
    let room = (1 << 20) - body.to_string().len();
    body["Padding"] = json!("x".repeat(room));
    let sent = world.connectwise.sign(&sent.url, body.to_string().as_bytes());
    assert_eq!(sent.body.len(), 1 << 20);
    assert_eq!((post(&world, &sent).await.0, world.knows(invoice).await), (200, true));
}

#[tokio::test]
async fn a_doubled_signature_header_is_refused() {
    let world = World::new().await;
    let (invoice, sent) = world.closed("1001");
    let signature = sent.signature.clone().unwrap();
    for headers in [[signature.as_str(), signature.as_str()], [signature.as_str(), "AAAA"]] {
        let mut request = world.http.post(&sent.url).body(sent.body.clone());
        for header in headers {
            request = request.header("x-content-signature", header);
        }
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    assert!(!world.knows(invoice).await);
}

#[tokio::test]
async fn a_replay_is_answered_and_posts_nothing_more() {
    let world = World::new().await;
    let (invoice, sent) = world.closed("1001");
    let verdict = async || -> String {
        let request = world.http.post(&sent.url).header("x-content-signature", sent.signature.clone().unwrap());
        let answer = request.body(sent.body.clone()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        body["verdict"].as_str().unwrap().to_owned()
    };
    assert_eq!(verdict().await, "queued");
    assert_eq!(verdict().await, "duplicate");
    world.settle().await;
    assert_eq!(verdict().await, "duplicate");
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("done", 1));
    let history = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
    let callbacks = history["history"].as_array().unwrap().iter().filter(|line| line["event"] == "callback").count();
    assert_eq!(callbacks, 2, "the first one and the echo of our own batch");
}

#[tokio::test]
async fn ten_saves_are_one_posting() {
    let world = World::new().await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.ready(invoice);
    for _ in 0..9 {
        world.connectwise.save_invoice(invoice);
    }
    let statuses = world.callbacks().await;
    assert!(statuses.len() >= 10 && statuses.iter().all(|status| *status == 200), "{statuses:?}");
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("done", 1));
    assert_eq!(world.connectwise.batches().len(), 1);
}

#[tokio::test]
async fn the_query_string_is_never_acted_on() {
    let world = World::new().await;
    let victim = world.invoice("1001", vec![labour("1", "100")]);
    let (invoice, sent) = world.closed("1002");
    let query = format!("recordId={victim}&action=deleted&MessageId=x&connection=other");
    let base = sent.url.split('?').next().unwrap().to_owned();
    let lying = Delivery { url: format!("{base}?{query}"), ..sent };
    assert_eq!(post(&world, &lying).await.0, 200);
    assert!(world.knows(invoice).await && !world.knows(victim).await);
}

#[tokio::test]
async fn a_rotated_key_costs_one_fetch() {
    let world = World::new().await;
    for number in 0..3 {
        let before = key_requests(&world.connectwise);
        for save in 0..4 {
            let (invoice, sent) = world.closed(&format!("K{number}-{save}"));
            assert_eq!(post(&world, &sent).await.0, 200);
            assert!(world.knows(invoice).await);
        }
        assert_eq!(key_requests(&world.connectwise) - before, 1, "rotation {number}");
        world.connectwise.rotate_key();
    }
    // A key that changes behind the same address is fetched once more, too.
    world.connectwise.set_key_mode(KeyMode::Wrong);
    let (invoice, sent) = world.closed("K-same");
    assert_eq!(post(&world, &sent).await.0, 401);
    world.connectwise.set_key_mode(KeyMode::Good);
    world.clock.advance(SignedDuration::from_secs(11));
    let before = key_requests(&world.connectwise);
    assert_eq!(post(&world, &sent).await.0, 200);
    assert_eq!(key_requests(&world.connectwise) - before, 1);
    assert!(world.knows(invoice).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_callbacks_with_a_cold_cache_fetch_the_key_once() {
    let world = std::sync::Arc::new(World::new().await);
    world.connectwise.server.faults.add(Rule::every(KEYS, Fault::Delay(Duration::from_millis(100))));
    let sent: Vec<(i64, Delivery)> = (0..50).map(|number| world.closed(&format!("C{number}"))).collect();
    let mut sending = tokio::task::JoinSet::new();
    for (_, delivery) in sent.clone() {
        let world = std::sync::Arc::clone(&world);
        sending.spawn(async move { post(&world, &delivery).await.0 });
    }
    assert_eq!(sending.join_all().await, vec![200; 50]);
    assert_eq!(key_requests(&world.connectwise), 1);
    for (invoice, _) in sent {
        assert!(world.knows(invoice).await);
    }
}

#[tokio::test]
async fn a_flood_of_bad_signatures_is_no_flood_of_key_fetches() {
    let world = World::new().await;
    let (_, sent) = world.closed("1001");
    let bad = world.connectwise.forge(&sent, &Forgery::WrongKey);
    for _ in 0..300 {
        assert_eq!(post(&world, &bad).await.0, 401);
    }
    assert!(key_requests(&world.connectwise) <= 2, "{}", key_requests(&world.connectwise));
    assert_eq!(post(&world, &sent).await.0, 200, "good ones go through all the while");
}

#[tokio::test]
async fn a_key_that_cannot_be_had_for_now_asks_for_another_try() {
    let answer = |status| Fault::Answer(Canned::new(status, "busy"));
    for (name, fault) in [
        ("slow", Fault::Delay(Duration::from_secs(3))),
        ("503", answer(503)),
        ("500", answer(500)),
        ("429", answer(429)),
        ("dropped", Fault::DropBefore),
        ("dropped late", Fault::DropAfter),
    ] {
        let world = World::new().await;
        world.connectwise.server.faults.add(Rule::every(KEYS, fault).times(1));
        let (invoice, sent) = world.closed("1001");
        let (status, wait) = post(&world, &sent).await;
        assert_eq!(status, 429, "{name}");
        assert!(wait.is_some_and(|wait| wait.parse::<u32>().unwrap() > 0), "{name}");
        assert!(!world.knows(invoice).await, "{name}");
        world.clock.advance(SignedDuration::from_secs(3));
        assert_eq!(post(&world, &sent).await.0, 200, "{name}");
        assert!(world.knows(invoice).await, "{name}");
    }
}

#[tokio::test]
async fn an_address_that_gives_no_key_verifies_nothing() {
    for mode in [KeyMode::Missing, KeyMode::Redirect, KeyMode::Oversized, KeyMode::Wrong] {
        let world = World::new().await;
        world.connectwise.set_key_mode(mode);
        let (invoice, sent) = world.closed("1001");
        assert_eq!(post(&world, &sent).await.0, 401, "{mode:?}");
        assert!(!world.knows(invoice).await, "{mode:?}");
    }
    for body in ["", "[]", "{}", "{\"signing_key\":\"\"}", "{\"signing_key\":\" \"}", "{\"signing_key\":null}"] {
        let world = World::new().await;
        world.connectwise.server.faults.add(Rule::every(KEYS, Fault::Answer(Canned::new(200, body))));
        let (_, sent) = world.closed("1001");
        assert_eq!(post(&world, &sent).await.0, 401, "{body}");
    }
}

#[tokio::test]
async fn a_key_from_anywhere_else_is_not_even_asked_for() {
    let world = World::new().await;
    let decoy = ConnectWise::start(Settings::new(world.clock.clone())).await.unwrap();
    let (ours, theirs) = (world.connectwise.key_host(), decoy.key_host());
    let (port, path) = (ours.rsplit(':').next().unwrap(), "/v1//system/callbackkey/index.rails?companyName=acme&id=1");
    let mut urls = vec![decoy.key_url(), "not an address".to_owned(), String::new()];
    for host in [
        theirs.clone(),
        format!("{ours}@{theirs}"),
        format!("user:secret@{ours}"),
        format!("user@{ours}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        format!("127.0.0.2:{port}"),
        "127.0.0.1".to_owned(),
        "169.254.169.254".to_owned(),
        format!("127.0.0.1.evil.test:{port}"),
        format!("127.0.0.1:{port}.evil.test"),
    ] {
        urls.push(format!("http://{host}{path}"));
    }
    for scheme in ["ftp", "file", "gopher"] {
        urls.push(format!("{scheme}://{ours}{path}"));
    }
    for query in [
        "companyName=other&id=1",
        "companyName=acme&companyName=other&id=1",
        "COMPANYNAME=other",
        "%63ompanyName=other",
    ] {
        urls.push(format!("http://{ours}/v1//system/callbackkey/index.rails?{query}"));
    }
    let (invoice, sent) = world.closed("1001");
    for url in urls {
        let attack = world.connectwise.forge(&sent, &Forgery::KeyUrl(url.clone()));
        assert_eq!(post(&world, &attack).await.0, 401, "{url}");
    }
    assert!(!world.knows(invoice).await);
    assert!(world.connectwise.server.requests().is_empty() && decoy.server.requests().is_empty());
}

#[tokio::test]
async fn made_up_key_addresses_do_not_shut_out_honest_callbacks() {
    let world = World::new().await;
    let (_, sent) = world.closed("1001");
    assert_eq!(post(&world, &sent).await.0, 200);
    for number in 0..200 {
        let url = format!("{}{number}", world.connectwise.key_url());
        let attack = world.connectwise.forge(&sent, &Forgery::KeyUrl(url));
        assert_eq!(post(&world, &attack).await.0, 401);
    }
    let before = key_requests(&world.connectwise);
    let (invoice, honest) = world.closed("1002");
    assert_eq!(post(&world, &honest).await.0, 200);
    assert!(world.knows(invoice).await);
    assert_eq!(key_requests(&world.connectwise), before, "the good key was not pushed out");
}
