//! What the door does at its limits, and how a record gets in without it.

use readypost::simulator::connectwise::{Delivery, Forgery};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Differently, World};

#[tokio::test]
async fn an_operator_feeds_an_invoice_whose_callback_was_lost() {
    let world = World::new().await;
    let (invoice, _lost) = world.closed("1001");
    for action in ["hold", "skip", "release", "acknowledge"] {
        assert_eq!(world.decide(invoice, action, json!({})).await, 404, "{action}");
    }
    for other in ["acme/invoice/007", "acme/invoice/0", "acme/invoice/-1", "acme/invoice/INV-1"] {
        let url = format!("{}/api/v1/records/{other}/retry", world.url);
        let answer = world.http.post(url).bearer_auth(crate::harness::TOKEN).json(&json!({})).send().await.unwrap();
        assert_eq!(answer.status(), 422, "{other}");
    }
    let url = format!("{}/api/v1/records/nobody/invoice/{invoice}/retry", world.url);
    let answer = world.http.post(url).bearer_auth(crate::harness::TOKEN).json(&json!({})).send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(!world.knows(invoice).await);
    assert_eq!(world.decide(invoice, "retry", json!({ "note": "was down on Sunday" })).await, 200);
    world.settle().await;
    assert_eq!((world.state(invoice).await.as_str(), world.documents("1001").len()), ("done", 1));
    let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await.to_string();
    assert!(shown.contains("tester asked for it") && shown.contains("was down on Sunday"), "{shown}");
}

#[tokio::test]
async fn a_connection_too_many_can_read_its_answer() {
    let world = World::with(Differently { server: "connections_max = 1", ..Differently::default() }).await;
    let address = world.url.trim_start_matches("http://");
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    first.read_exact(&mut [0; 12]).await.unwrap();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let body = vec![b'x'; 300_000];
        stream.write_all(b"POST /callbacks/acme HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n").await.unwrap();
        stream.write_all(&body).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: 2"), "{answer}");
    }
}

#[tokio::test]
async fn made_up_parameters_do_not_push_out_a_key_that_verified() {
    let world = World::new().await;
    let post = async |delivery: &Delivery| -> u16 {
        let request = world.http.post(&delivery.url).body(delivery.body.clone());
        let signed = request.header("x-content-signature", delivery.signature.clone().unwrap());
        signed.send().await.unwrap().status().as_u16()
    };
    let (_, sent) = world.closed("1001");
    assert_eq!(post(&sent).await, 200);
    for number in 0..200 {
        let url = format!("{}&x={number}", world.connectwise.key_url());
        let attack = world.connectwise.forge(&sent, &Forgery::KeyUrl(url));
        let attack = Delivery { signature: sent.signature.clone(), ..attack };
        assert_eq!(post(&attack).await, 401);
    }
    let requests =
        || world.connectwise.server.requests().iter().filter(|asked| asked.uri.path().contains("callbackkey")).count();
    let before = requests();
    let (_, honest) = world.closed("1002");
    assert_eq!((post(&honest).await, requests()), (200, before));
}
