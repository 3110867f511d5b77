//! Planted secrets are in no log, answer, page, history or file, though both systems repeat our requests in their errors.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use readypost::clock::SystemClock;
use readypost::simulator::connectwise::NewInvoice;
use readypost::simulator::{connectwise, xero};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::harness::{RULES, WEBHOOK_KEY, configuration_text, furnish, labour};
use crate::process::Service;

const PRIVATE: &str = "planted/Private+Key=1";
const PUBLIC: &str = "plantedPublicKey1";
const CLIENT_SECRET: &str = "planted-Client/Secret+1";
const REFRESH: &str = "planted-Refresh-Token-1";
const STORE_KEY: &str = "planted-store-key-0123456789";
const WEBHOOK: &str = "planted+Webhook/Key==";
const OPERATOR: &str = "planted-operator-token";

/// A system that gives back what it was asked, word for word.
struct Echo {
    upstream: String,
    /// Part of the path, method, status and body; `{echo}` in it becomes the request.
    armed: Mutex<Option<(&'static str, &'static str, u16, &'static str)>>,
    /// What was handed out.
    tokens: Mutex<BTreeSet<String>>,
    http: reqwest::Client,
}

impl Echo {
    async fn before(upstream: String) -> (Arc<Self>, String) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let echo = Arc::new(Self { upstream, armed: Mutex::default(), tokens: Mutex::default(), http });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&echo));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (echo, address)
    }
}

async fn answer(State(echo): State<Arc<Echo>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, 1 << 24).await.unwrap();
    let armed = *echo.armed.lock().unwrap();
    if let Some((path, method, status, template)) = armed
        && parts.uri.path().contains(path)
        && parts.method.as_str() == method
    {
        let authorization = parts.headers.get("authorization").map_or("", |value| value.to_str().unwrap()).to_owned();
        let said = format!("authorization: {authorization} {}", String::from_utf8_lossy(&body));
        let plain = STANDARD.decode(authorization.trim_start_matches("Basic ")).unwrap_or_default();
        let said = Value::String(format!("{} {said}", String::from_utf8_lossy(&plain))).to_string();
        let body = template.replace("{echo}", said.trim_matches('"'));
        let answer = Response::builder().status(status).header("x-cw-request-id", &authorization);
        return answer.header("www-authenticate", authorization).body(Body::from(body)).unwrap();
    }
    let url = format!("{}{}", echo.upstream, parts.uri);
    let mut headers = parts.headers.clone();
    headers.remove("host");
    let forwarded = echo.http.request(parts.method, url).headers(headers).body(body).send().await.unwrap();
    let (status, headers) = (forwarded.status(), forwarded.headers().clone());
    let body = forwarded.bytes().await.unwrap();
    if parts.uri.path().contains("token") && status == StatusCode::OK {
        let given: Value = serde_json::from_slice(&body).unwrap();
        let given = ["access_token", "refresh_token"].map(|name| given[name].as_str().unwrap_or_default().to_owned());
        echo.tokens.lock().unwrap().extend(given.into_iter().filter(|token| !token.is_empty()));
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for name in ["content-type", "link", "retry-after"] {
        headers.get(name).map(|value| response.headers_mut().insert(name, value.clone()));
    }
    response
}

/// Everything that somebody could read.
#[derive(Default)]
struct Seen(Vec<(String, String)>);

impl Seen {
    fn add(&mut self, what: &str, bytes: &[u8]) {
        self.0.push((what.to_owned(), String::from_utf8_lossy(bytes).into_owned()));
    }

    fn add_folder(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                self.add_folder(&entry);
            } else {
                self.add(&entry.display().to_string(), &std::fs::read(&entry).unwrap());
            }
        }
    }

    fn shows_none_of(&self, secrets: &BTreeSet<String>) {
        let mut found = Vec::new();
        for (what, text) in &self.0 {
            for secret in secrets {
                if let Some(at) = text.find(secret.as_str()) {
                    let around: String = text[..at].chars().rev().take(160).collect::<Vec<_>>().iter().rev().collect();
                    found.push(format!("{what} shows {secret}: {around}…"));
                }
            }
        }
        assert!(found.is_empty(), "{} times:\n{}", found.len(), found.join("\n"));
    }
}

/// What each system is made to say, where, and as what.
const CONNECTWISE: &[(&str, &str, u16, &str)] = &[
    (
        "/finance/invoices/",
        "GET",
        400,
        r#"{"code":"InvalidObject","message":"{echo}","errors":[{"message":"{echo}"}]}"#,
    ),
    ("/finance/invoices/", "GET", 403, r#"{"code":"Security","message":"{echo}"}"#),
    ("/finance/invoices/", "GET", 404, "{echo}"),
    ("/finance/invoices/", "GET", 500, r#"{"code":"X","message":"{echo}"}"#),
    ("/finance/invoices/", "GET", 200, r#"{"id":"{echo}"}"#),
    ("/finance/accounting/export", "POST", 200, r#"{"transactions":[{"documentNumber":"{echo}","total":"{echo}"}]}"#),
    ("/finance/accounting/export", "POST", 429, r#"{"code":"{echo}","message":"{echo}"}"#),
    ("/finance/invoices/", "GET", 401, r#"{"code":"Unauthorized","message":"{echo}"}"#),
];
const XERO: &[(&str, &str, u16, &str)] = &[
    ("/Invoices", "PUT", 400, r#"{"Message":"{echo}","Elements":[{"ValidationErrors":[{"Message":"{echo}"}]}]}"#),
    ("/Invoices", "PUT", 200, r#"{"Invoices":[{"InvoiceID":"{echo}"}]}"#),
    ("/Invoices", "PUT", 500, "{echo}"),
    ("/Invoices", "PUT", 503, "<html>{echo}</html>"),
    ("/Accounts", "GET", 200, r#"{"Accounts":"{echo}"}"#),
    ("/Contacts", "GET", 400, r#"{"Detail":"{echo}"}"#),
    ("/Invoices", "PUT", 403, r#"{"Title":"Forbidden","Detail":"{echo}"}"#),
    ("/Invoices", "PUT", 401, r#"{"Detail":"{echo}"}"#),
    ("token", "POST", 400, r#"{"error":"{echo}"}"#),
    ("token", "POST", 500, "{echo}"),
    ("token", "POST", 200, r#"{"access_token":{"a":"{echo}"}}"#),
];

async fn run(arguments: &[&str], config: &Path) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_readypost"));
    command.args(arguments).env("READYPOST_TOKEN", OPERATOR).env("READYPOST_CONFIG", config).stdin(Stdio::null());
    let output = tokio::time::timeout(Duration::from_mins(1), command.output()).await.unwrap().unwrap();
    [output.stdout, output.stderr].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_secrets_are_nowhere_to_be_read() {
    let clock = Arc::new(SystemClock);
    let mut settings = connectwise::Settings::new(clock.clone());
    (settings.public_key, settings.private_key) = (PUBLIC.to_owned(), PRIVATE.to_owned());
    let psa = connectwise::ConnectWise::start(settings).await.unwrap();
    let mut settings = xero::Settings::new(clock);
    settings.client_secret = CLIENT_SECRET.to_owned();
    settings.refresh_token = Some(REFRESH.to_owned());
    let books = xero::Xero::start(settings).await.unwrap();
    let client = furnish(&psa, &books);
    let (psa_echo, psa_address) = Echo::before(format!("http://{}", psa.server.address())).await;
    let (books_echo, books_address) = Echo::before(format!("http://{}", books.server.address())).await;
    let folder = tempfile::tempdir().unwrap();
    let text = configuration_text(&psa, &books, &folder.path().join("store"), (RULES, ""))
        .replace("\"public-key\"", &format!("{PUBLIC:?}"))
        .replace("\"private-key\"", &format!("{PRIVATE:?}"))
        .replace("0123456789abcdef", STORE_KEY)
        .replace(WEBHOOK_KEY, WEBHOOK)
        .replace("4c5dc9b7708905f77f5e5d16316b5dfb425e68cb326dcd55a860e90a7707031e", &sha256(OPERATOR))
        .replace(&format!("http://{}", psa.server.address()), &psa_address)
        .replace(&format!("http://{}", books.server.address()), &books_address);
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    let signing: Value =
        serde_json::from_str(&http.get(psa.key_url()).send().await.unwrap().text().await.unwrap()).unwrap();
    let config = folder.path().join("readypost.toml");
    let mut seen = Seen::default();
    let (mut quoted, mut number) = (0, 0);
    let plain = [(None, None); 2].into_iter();
    let of_psa = CONNECTWISE.iter().map(|fault| (Some(*fault), None));
    let of_books = XERO.iter().map(|fault| (None, Some(*fault)));
    for (psa_fault, books_fault) in plain.chain(of_psa).chain(of_books) {
        number += 1;
        let format = if number % 2 == 0 { "json" } else { "pretty" };
        std::fs::write(&config, format!("{text}\n[log]\nformat = \"{format}\"\nfilter = \"trace\"\n")).unwrap();
        *psa_echo.armed.lock().unwrap() = psa_fault;
        *books_echo.armed.lock().unwrap() = books_fault;
        let log = folder.path().join(format!("log-{number}"));
        let service = Service::start(&[], &config, &log).await.unwrap();
        let url = format!("{}/callbacks/acme?recordId=", service.url);
        psa.register_callback(&url, "invoice", "owner", 1).unwrap();
        let invoice = psa.add_invoice(NewInvoice {
            number: format!("INV-{number}"),
            company: client,
            kind: "Standard".to_owned(),
            lines: vec![labour("1", "100")],
            ..NewInvoice::default()
        });
        let _ = psa.take_callbacks();
        psa.set_status(invoice, "Ready to Post").unwrap();
        let sent = psa.take_callbacks().into_iter().rfind(|sent| sent.url.starts_with(&service.url)).unwrap();
        assert_eq!(psa.send(&sent).await.status, Some(200));
        let forged = psa.forge(&sent, &connectwise::Forgery::AlteredBody);
        assert_eq!(psa.send(&forged).await.status, Some(401));
        let record = format!("acme/invoice/{invoice}");
        let get = async |path: &str| {
            let answer = http.get(format!("{}{path}", service.url)).bearer_auth(OPERATOR).send().await.unwrap();
            answer.text().await.unwrap()
        };
        for _ in 0..40 {
            let shown = get(&format!("/api/v1/records/{record}")).await;
            if shown.contains("[secret]") || shown.contains("\"done\"") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for path in
            ["/status", "/metrics", "/healthz", "/readyz", "/api/v1/records", "/api/v1/companies", "/api/v1/warnings"]
        {
            seen.add(path, get(path).await.as_bytes());
        }
        for path in ["/api/v1/records", "/status/records"] {
            let shown = get(&format!("{path}/{record}")).await;
            quoted += usize::from(path.starts_with("/api") && shown.contains("[secret]"));
            seen.add(path, shown.as_bytes());
        }
        let unknown =
            http.get(format!("{}/status", service.url)).bearer_auth("planted-wrong-token").send().await.unwrap();
        seen.add("401", unknown.text().await.unwrap().as_bytes());
        for arguments in [&["status", "--json"][..], &["records", "show", &record], &["companies", "list"]] {
            seen.add(&arguments.join(" "), &run(&[arguments, &["--url", &service.url]].concat(), &config).await);
        }
        service.kill().await;
        seen.add(&format!("the log, {format}"), &std::fs::read(&log).unwrap());
        if number % 4 == 0 {
            seen.add("doctor", &run(&["doctor"], &config).await);
        }
    }
    wrong_configurations(&text, &config, &mut seen).await;
    seen.add_folder(&folder.path().join("store"));
    let mut secrets: BTreeSet<String> =
        [PRIVATE, PUBLIC, CLIENT_SECRET, REFRESH, STORE_KEY, WEBHOOK, OPERATOR, "planted-wrong-token"]
            .map(str::to_owned)
            .into();
    secrets.insert(signing["signing_key"].as_str().unwrap().to_owned());
    secrets.insert(STANDARD.encode(format!("acme+{PUBLIC}:{PRIVATE}")));
    secrets.insert(STANDARD.encode(format!("{}:{CLIENT_SECRET}", books.settings().client_id)));
    let tokens = books_echo.tokens.lock().unwrap().clone();
    assert!(tokens.len() >= 4, "tokens were handed out: {}", tokens.len());
    secrets.extend(tokens);
    println!(
        "{} secrets were looked for in {} outputs; {quoted} errors quoted a masked one",
        secrets.len(),
        seen.0.len()
    );
    assert!(quoted >= 10, "{quoted}");
    seen.shows_none_of(&secrets);
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Configurations that are wrong around their secrets.
async fn wrong_configurations(text: &str, config: &Path, seen: &mut Seen) {
    let private = format!("private_key = {PRIVATE:?}");
    for wrong in [
        format!("private_key_file = {PRIVATE:?}"),
        format!("private_key = [{PRIVATE:?}]"),
        format!("private_key = {PRIVATE}"),
        format!("private_key = \"{PRIVATE}"),
        format!("privat_key = {PRIVATE:?}"),
        format!("{private}\n{private}"),
        format!("{private}\nsite = \"http://user:{PRIVATE}@example.com\""),
        format!("{private}\nsite = \"https://user:{CLIENT_SECRET}@example.com/\""),
    ] {
        assert!(text.contains(&private));
        std::fs::write(config, text.replace(&private, &wrong)).unwrap();
        let said = run(&["serve"], config).await;
        assert!(String::from_utf8_lossy(&said).contains("to correct"), "{wrong}: {}", String::from_utf8_lossy(&said));
        seen.add(&format!("faults of {}", wrong.len()), &said);
        seen.add("doctor of a wrong one", &run(&["doctor"], config).await);
    }
}
