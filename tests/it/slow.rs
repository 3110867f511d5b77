//! Slow clients, and too many of them, do not hold up good callbacks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use readypost::simulator::connectwise::Delivery;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::durable::Traced;
use crate::harness::{Differently, World};

/// Slow connections of each kind.
const SLOW: usize = 800;
/// How long the service may let a slow client drip; its own limits are 10 s.
const CUT_WITHIN: Duration = Duration::from_secs(15);
/// A head that is complete, but announces a body that will not come.
const HEAD: &str = "POST /callbacks/acme HTTP/1.1\r\nhost: x\r\nx-content-signature: rqGiZc1S6gd1zbnDRkLr9aMxxMXlNyQFLZxDgthdLzw=\r\ncontent-length: 1000000\r\n\r\n";

/// Drips a byte a second after `opening` until the service ends it; says how long that took.
async fn drip(address: String, opening: &'static str) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(opening.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let mut answer = [0; 512];
    loop {
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer)).await {
            // An answer such as 408 and then the end, or the end at once.
            Ok(Ok(0) | Err(_)) => return begun.elapsed(),
            Ok(Ok(_)) => {}
            Err(_) => {
                if stream.write_all(b"x").await.is_err() {
                    return begun.elapsed();
                }
            }
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "never cut");
    }
}

/// Sends all, a few at a time, each on a connection of its own; how long each took.
async fn good(world: &World, sent: &[Delivery]) -> Vec<Duration> {
    let mut times = Vec::new();
    for group in sent.chunks(4) {
        let mut sending = JoinSet::new();
        for delivery in group.iter().cloned() {
            let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
            sending.spawn(async move {
                let begun = Instant::now();
                let request = client.post(&delivery.url).header("x-content-signature", delivery.signature.unwrap());
                let answer = request.timeout(Duration::from_secs(10)).body(delivery.body).send().await.unwrap();
                assert_eq!(answer.status(), 200);
                begun.elapsed()
            });
        }
        times.extend(sending.join_all().await);
    }
    assert!(world.app.parts.store.overview().entries > 0);
    times
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort();
    times[(times.len() * 99).div_ceil(100) - 1]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn good_callbacks_go_through_between_slow_ones() {
    let world = Arc::new(World::new().await);
    let sent: Vec<Delivery> = (0..240).map(|number| world.closed(&format!("G{number}")).1).collect();
    let (idle, busy) = sent.split_at(80);
    let mut idle = good(&world, idle).await;
    let address = world.url.trim_start_matches("http://").to_owned();
    let mut slow = JoinSet::new();
    for _ in 0..SLOW {
        slow.spawn(drip(address.clone(), "POST /callbacks/acme HTTP/1.1\r\nhost: x\r\nx-drip: "));
        slow.spawn(drip(address.clone(), HEAD));
    }
    // All of them are connected before the good ones begin: the last one is accepted after the others.
    drop(TcpStream::connect(&address).await.unwrap());
    let mut times = good(&world, busy).await;
    let worst = p99(&mut times);
    println!(
        "p99 of {} good callbacks: {worst:?} among {} slow connections, {:?} without",
        times.len(),
        2 * SLOW,
        p99(&mut idle)
    );
    assert!(worst < Duration::from_secs(2), "{worst:?}");
    let cuts = slow.join_all().await;
    let longest = cuts.iter().max().unwrap();
    println!("the last of {} slow connections was cut after {longest:?}", cuts.len());
    assert!(*longest < CUT_WITHIN, "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_too_many_is_asked_to_come_again() {
    let world = World::with(Differently { server: "connections_max = 20", ..Differently::default() }).await;
    let address = world.url.trim_start_matches("http://").to_owned();
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 512];
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
        held.push(stream);
    }
    let (_, sent) = world.closed("1001");
    for _ in 0..500 {
        // A whole callback, and the answer must arrive: ConnectWise retries a 429, but no broken connection.
        assert_eq!(world.send(&sent).await, 429);
    }
    let answer = world.http.post(&sent.url).body(sent.body.clone()).send().await.unwrap();
    assert!(answer.headers().contains_key("retry-after"));
    drop(held);
    let mut status = 429;
    while status == 429 {
        // The service sees one after the other that the held connections are gone.
        tokio::task::yield_now().await;
        status = world.send(&sent).await;
    }
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_connections_and_bodies_does_not_grow_the_process() {
    let world = Traced::with("connections_max = 64").await;
    let service = world.start(&[]).await;
    let address = service.url.trim_start_matches("http://").to_owned();
    let (_, sent) = world.delivery(0, &service);
    assert_eq!(world.connectwise.send(&sent).await.status, Some(200));
    let flood = async |connections: usize| {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            // Refused ones may be gone already.
            let _ = stream.write_all(HEAD.as_bytes()).await;
            streams.push(stream);
        }
    };
    flood(500).await;
    let before = service.resident();
    for _ in 0..20 {
        flood(500).await;
    }
    let grown = service.resident().saturating_sub(before);
    println!("10000 connections over a limit of 64 grew the process by {grown} KiB from {before} KiB");
    assert!(grown < 8 * 1024, "{grown} KiB");
    let mut status = None;
    while status != Some(200) {
        status = world.connectwise.send(&sent).await.status;
    }
    service.kill().await;
}
