//! TLS at the door: the real binary with certificates from files, and clients that are slow to agree on it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use readypost::config;
use readypost::simulator::connectwise::Delivery;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::Certificate;
use crate::durable::Traced;
use crate::harness::TOKEN;
use crate::process::Service;

/// How long the service may wait for a slow client; its own limit is 10 s.
const CUT_WITHIN: Duration = Duration::from_secs(15);

fn good() -> Certificate {
    Certificate::new("2020-01-01T00:00:00Z", "2051-02-03T04:05:06Z")
}

/// The settings that name the files in this folder.
fn settings(folder: &Path) -> String {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    format!("tls_certificate = {:?}\ntls_key = {:?}\n", path("tls.pem"), path("tls.key"))
}

/// A client that believes this certificate alone, with a connection of its own for each request.
fn client(certificate: &Certificate) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let root = reqwest::Certificate::from_der(&certificate.der).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]).pool_max_idle_per_host(0);
    client.timeout(Duration::from_secs(20)).build().unwrap()
}

async fn post(client: &reqwest::Client, delivery: &Delivery) -> reqwest::Result<reqwest::Response> {
    let request = client.post(&delivery.url).header("x-content-signature", delivery.signature.clone().unwrap());
    request.body(delivery.body.clone()).send().await
}

fn address(service: &Service) -> String {
    service.url.strip_prefix("https://").unwrap().to_owned()
}

/// A connection on which TLS is spoken, and nothing said yet.
async fn agreed(address: &str, certificate: &Certificate) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.der.clone())).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
    let stream = TcpStream::connect(address).await.unwrap();
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_arrive_over_tls_whatever_silent_clients_do() {
    let (folder, certificate) = (tempfile::tempdir().unwrap(), good());
    certificate.write(folder.path());
    let world = Traced::with(&settings(folder.path())).await;
    let service = world.start(&[]).await;
    let (client, address) = (client(&certificate), address(&service));
    // Plain HTTP gets no answer, and its connection ends.
    let mut plain = TcpStream::connect(&address).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
    let mut slow = JoinSet::new();
    let begun = Instant::now();
    for kind in 0..300 {
        let (address, certificate) = (address.clone(), certificate.clone());
        slow.spawn(async move {
            match kind % 3 {
                // Opens the connection and says nothing.
                0 => ends(TcpStream::connect(address).await.unwrap(), b"").await,
                // Begins to agree, a byte a second: the head of a long handshake.
                1 => {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    stream.write_all(&[0x16, 0x03, 0x01, 0x20, 0x00]).await.unwrap();
                    ends(stream, b"x").await;
                }
                // Agrees, and drips its headers.
                _ => ends(agreed(&address, &certificate).await, b"x").await,
            }
            begun.elapsed()
        });
        if kind % 50 == 49 {
            // No more at once than the system lets wait: what it forgets, no service can end.
            let health = client.get(format!("{}/healthz", service.url));
            assert_eq!(health.send().await.unwrap().status(), 200);
        }
    }
    let mut worst = Duration::ZERO;
    for number in 0..30 {
        let (_, delivery) = world.delivery(number, &service);
        let sent = Instant::now();
        assert_eq!(post(&client, &delivery).await.unwrap().status(), 200);
        worst = worst.max(sent.elapsed());
        let again = post(&client, &delivery).await.unwrap();
        assert_eq!(again.json::<Value>().await.unwrap()["verdict"], "duplicate");
    }
    assert!(worst < Duration::from_secs(3), "{worst:?}");
    let longest = slow.join_all().await.into_iter().max().unwrap();
    println!("60 callbacks over TLS, the slowest {worst:?}; the last of 300 slow clients was cut after {longest:?}");
    assert!(longest > Duration::from_secs(5), "they were slow: {longest:?}");
    assert!(longest < CUT_WITHIN, "{longest:?}");
    assert_eq!(service.terminate().await, Some(0));
}

/// Says a little each second, until the other side ends it.
async fn ends(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, said: &[u8]) {
    let mut answer = [0; 512];
    for _ in 0..60 {
        match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut answer)).await {
            Ok(Ok(0) | Err(_)) => return,
            Ok(Ok(_)) => {}
            Err(_) => {
                if stream.write_all(said).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
        }
    }
    panic!("a slow client was never cut");
}

#[tokio::test]
async fn a_connection_too_many_can_read_its_answer_in_tls() {
    let (folder, certificate) = (tempfile::tempdir().unwrap(), good());
    certificate.write(folder.path());
    let world = Traced::with(&format!("{}connections_max = 1\n", settings(folder.path()))).await;
    let service = world.start(&[]).await;
    let client = client(&certificate);
    let (_, delivery) = world.delivery(0, &service);
    let mut held = agreed(&address(&service), &certificate).await;
    held.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    held.read_exact(&mut [0; 12]).await.unwrap();
    for _ in 0..20 {
        let answer = post(&client, &delivery).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"2".parse().unwrap()));
    }
    drop(held);
    let mut status = 429;
    while status == 429 {
        status = post(&client, &delivery).await.unwrap().status().as_u16();
    }
    assert_eq!(status, 200);
    service.kill().await;
}

#[tokio::test]
async fn a_reload_shows_a_new_certificate_and_a_wrong_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let expired = Certificate::new("2019-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    expired.write(folder.path());
    let world = Traced::with(&settings(folder.path())).await;
    let service = world.start(&[]).await;
    let health = format!("{}/healthz", service.url);
    // A warning and no fault: the service does its work, and only clients that look refuse it.
    assert!(client(&expired).get(&health).send().await.is_err());
    wait_for(&world, "has expired: clients refuse it").await;
    let said = run(&["doctor", "--config", world.path("readypost.toml").to_str().unwrap()], None).await.1;
    let line = said.lines().find(|line| line.starts_with("WRONG  tls_certificate ")).unwrap_or_default();
    assert!(line.contains(" the certificate in "), "{said}");
    let certificate = good();
    certificate.write(folder.path());
    service.hangup().await;
    let http = client(&certificate);
    let mut tries = 0;
    while http.get(&health).send().await.is_err() {
        tries += 1;
        assert!(tries < 200, "the new certificate is not shown");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    wait_for(&world, "change=\"changed\" settings=\"tls_certificate\"").await;
    let metrics = http.get(format!("{}/metrics", service.url)).bearer_auth(TOKEN).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let until = "2051-02-03T04:05:06Z".parse::<jiff::Timestamp>().unwrap().as_second();
    assert!(metrics.contains(&format!("readypost_tls_certificate_expires{{}} {until}\n")), "{metrics}");
    let reload = async |dry_run: bool| {
        let request = http.post(format!("{}/api/v1/reload", service.url)).bearer_auth(TOKEN);
        let answer = request.json(&json!({ "dry_run": dry_run })).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    // Commands believe what the system believes, or the roots in a file.
    let root = folder.path().join("root.pem");
    std::fs::write(&root, certificate.pem()).unwrap();
    assert_eq!(run(&["health", "--url", &service.url], Some(&root)).await, (Some(0), "ready\n".to_owned()));
    let (code, said) = run(&["health", "--url", &service.url], None).await;
    assert!(code == Some(1) && said.contains("SSL_CERT_FILE"), "{said}");
    // A key of another certificate, files that are gone: nothing changes.
    std::fs::write(folder.path().join("tls.key"), expired.key()).unwrap();
    let (status, answer) = reload(false).await;
    assert_eq!(status, 422);
    assert!(answer["faults"][0].as_str().unwrap().contains("server.tls_key: is not the key of the cert"), "{answer}");
    std::fs::remove_file(folder.path().join("tls.pem")).unwrap();
    let (status, answer) = reload(false).await;
    assert_eq!(status, 422);
    assert!(answer["faults"][0].as_str().unwrap().contains("server.tls_certificate: this file cannot"), "{answer}");
    assert_eq!(http.get(&health).send().await.unwrap().status(), 200);
    // What would change is said first, and only a restart makes it plain HTTP.
    let next = good();
    next.write(folder.path());
    let (status, answer) = reload(true).await;
    let expected = json!([{ "name": "tls", "change": "changed", "settings": ["tls_certificate"] }]);
    assert_eq!((status, &answer["server"]), (200, &expected));
    let text = std::fs::read_to_string(world.path("readypost.toml")).unwrap();
    std::fs::write(world.path("readypost.toml"), text.replace(&settings(folder.path()), "")).unwrap();
    let (status, answer) = reload(false).await;
    assert_eq!((status, &answer["needs_restart"]), (200, &json!(["server.tls_certificate"])));
    assert_eq!(http.get(&health).send().await.unwrap().status(), 200, "as it was: nothing was shown of the next");
    service.kill().await;
}

/// Runs a command, with other roots than the system's; its exit code and what it said.
async fn run(arguments: &[&str], roots: Option<&Path>) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
    command.args(arguments).env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    if let Some(roots) = roots {
        command.env("SSL_CERT_FILE", roots);
    }
    let output = command.output().await.unwrap();
    (output.status.code(), [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat())
}

/// Waits until the log says this.
async fn wait_for(world: &Traced, said: &str) {
    for _ in 0..500 {
        if std::fs::read_to_string(world.path("log")).unwrap().contains(said) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the log does not say {said}: {}", std::fs::read_to_string(world.path("log")).unwrap());
}

#[test]
fn files_that_cannot_be_used_are_faults_that_do_not_repeat_them() {
    const FULL: &str = include_str!("../../fixtures/config/full.toml");
    let (folder, certificate) = (tempfile::tempdir().unwrap(), good());
    certificate.write(folder.path());
    let path = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let (pem, key) = (path("tls.pem", &certificate.pem()), path("tls.key", &certificate.key()));
    let cut = path("cut", &certificate.pem()[..200]);
    let locked = path("locked", &certificate.key().replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"));
    let broken = path("broken", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    let other = path("other", &good().key());
    let faults = |lines: &str| {
        let text = FULL.replacen("[server]\n", &format!("[server]\n{lines}\n"), 1);
        let faults = config::parse(&text, &|_| None).err().unwrap_or_default();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let both = |pem: &str, key: &str| faults(&format!("tls_certificate = {pem:?}\ntls_key = {key:?}"));
    assert_eq!(both(&pem, &key), [""; 0]);
    let begins = |found: &[String], expected: &[&str]| {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found} for {expected}");
        }
    };
    begins(&faults(&format!("tls_certificate = {pem:?}")), &["line 3: server.tls_key: is missing"]);
    begins(&faults(&format!("tls_key = {key:?}")), &["line 3: server.tls_certificate: is missing"]);
    begins(
        &both("/nowhere", "/nowhere"),
        &[
            "line 4: server.tls_certificate: this file cannot be read: No such file",
            "line 5: server.tls_key: this file cannot be read: No such file",
        ],
    );
    begins(&both(&key, &key), &["line 4: server.tls_certificate: this file holds no certificate"]);
    begins(&both(&cut, &key), &["line 4: server.tls_certificate: this file is cut off"]);
    begins(
        &both(&broken, &key),
        &["line 4: server.tls_certificate: the first certificate of this file cannot be used"],
    );
    begins(&both(&pem, &pem), &["line 5: server.tls_key: this file holds no key"]);
    begins(&both(&pem, &locked), &["line 5: server.tls_key: this file holds no key"]);
    begins(&both(&pem, &other), &["line 5: server.tls_key: is not the key of the certificate"]);
    // Who mistakes the setting writes the key itself there.
    let pasted = both(&pem, &certificate.key()).join("\n");
    assert!(pasted.contains("server.tls_key: this file cannot be read"), "{pasted}");
    assert!(!pasted.contains("PRIVATE KEY"), "{pasted}");
}
