//! Planted secrets are in no log, answer, page, history or file, packed or not, though both systems repeat our requests
//! in their errors.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use flate2::write::{DeflateEncoder, GzEncoder};
use readypost::clock::SystemClock;
use readypost::simulator::connectwise::NewInvoice;
use readypost::simulator::{connectwise, xero};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::process::Command;
use url::form_urlencoded;

use crate::harness::{RULES, WEBHOOK_KEY, configuration_text, furnish, labour};
use crate::process::Service;
use crate::receivers::{Hook, Manner, Says, Smtp};

const PRIVATE: &str = "planted/Private+Key=1";
const PUBLIC: &str = "plantedPublicKey1";
const CLIENT_SECRET: &str = "planted-Client/Secret+1";
const REFRESH: &str = "planted-Refresh-Token-1";
const STORE_KEY: &str = "planted-store-key-0123456789";
const WEBHOOK: &str = "planted+Webhook/Key==";
const OPERATOR: &str = "planted-operator-token";
/// Parts of the addresses of alerts.
const SLACK: &str = "planted-Slack-Hook-0123456789";
const TEAMS: &str = "planted-Teams-Signature-0123456789";
const MAIL_USER: &str = "planted-mail-user";
const MAIL_PASSWORD: &str = "planted-mail-password";
/// Of nobody.
const STRANGER: &str = "planted-wrong-token";

/// Part of the path, method, status and body of an answer; `{echo}` in it becomes the request.
type Said = (&'static str, &'static str, u16, &'static str);

/// A system that gives back what it was asked, word for word.
struct Echo {
    upstream: String,
    armed: Mutex<Option<Said>>,
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

/// Everything that somebody could read: names and texts.
#[derive(Default)]
struct Seen(Vec<(String, String)>);

impl Seen {
    /// Adds bytes as they are and, where they are packed, what is in them.
    fn add(&mut self, what: &str, bytes: &[u8]) {
        self.0.push((what.to_owned(), String::from_utf8_lossy(bytes).into_owned()));
        for text in unpacked(bytes) {
            self.0.push((format!("{what}, unpacked"), String::from_utf8_lossy(&text).into_owned()));
        }
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

    /// How many of the outputs with this in their name say that.
    fn count(&self, what: &str, said: &str) -> usize {
        self.0.iter().filter(|(name, text)| name.contains(what) && text.contains(said)).count()
    }

    /// Where which of these secrets can be read, as it is or percent-encoded.
    fn found(&self, secrets: &BTreeSet<String>) -> Vec<String> {
        let encoded = |secret: &String| form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>();
        let forms: BTreeSet<String> = secrets.iter().flat_map(|secret| [secret.clone(), encoded(secret)]).collect();
        let mut found = Vec::new();
        for (what, text) in &self.0 {
            for secret in &forms {
                if let Some(at) = text.find(secret.as_str()) {
                    let around: String = text[..at].chars().rev().take(160).collect::<Vec<_>>().iter().rev().collect();
                    found.push(format!("{what} shows {secret}: {around}…"));
                }
            }
        }
        found
    }
}

/// What is packed in these bytes: the texts of a file of exchanges, or what was gzipped.
fn unpacked(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        MultiGzDecoder::new(bytes).read_to_end(&mut text).unwrap();
        return vec![text];
    }
    let mut rest = if bytes.starts_with(b"readypost-xchg") { &bytes[24..] } else { &[] };
    let mut texts = Vec::new();
    while !rest.is_empty() {
        let mut decoder = DeflateDecoder::new(rest);
        let mut text = Vec::new();
        let whole = decoder.read_to_end(&mut text).is_ok();
        texts.push(text);
        // A text that was cut off by the end of the process: what follows it is in the export.
        rest = if whole { decoder.into_inner() } else { &[] };
    }
    texts
}

#[test]
fn a_secret_is_found_where_it_is_packed() {
    let folder = tempfile::tempdir().unwrap();
    // Long enough that it is not merely wrapped.
    let said = |secret: &str| {
        let before = "what was said with both systems ".repeat(40);
        format!(r#"[{{"response":{{"text":"{before}{secret} it was"}}}}]"#).into_bytes()
    };
    let deflated = |text: &[u8]| {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let gzipped = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let header = [b"readypost-xchg\0\x01".as_slice(), &[0; 8]].concat();
    let harmless = deflated(&said("nothing"));
    std::fs::create_dir(folder.path().join("deeper")).unwrap();
    let files = |secret: &str| {
        [
            ("plain", said(secret)),
            ("deeper/1.xchg", [header.clone(), harmless.clone(), deflated(&said(secret))].concat()),
            ("2.gz", [gzipped(&said("nothing")), gzipped(&said(secret))].concat()),
        ]
    };
    let secrets = BTreeSet::from([PRIVATE.to_owned()]);
    let percent = "planted%2FPrivate%2BKey%3D1";
    for (planted, places) in [("[secret]", 0), (PRIVATE, 3), (percent, 3)] {
        let mut seen = Seen::default();
        for (name, bytes) in files(planted) {
            std::fs::write(folder.path().join(name), &bytes).unwrap();
            let bare = String::from_utf8_lossy(&bytes).contains(planted);
            assert_eq!(bare, name == "plain", "{name} is not packed");
        }
        seen.add_folder(folder.path());
        let found = seen.found(&secrets);
        assert_eq!(found.len(), places, "{planted}: {found:?}");
        for name in ["plain shows", "1.xchg, unpacked shows", "2.gz, unpacked shows"].iter().take(places) {
            assert_eq!(found.iter().filter(|found| found.contains(name)).count(), 1, "{name}: {found:?}");
        }
    }
}

/// What each system is made to say, where, and as what.
const CONNECTWISE: &[Said] = &[
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
const XERO: &[Said] = &[
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

/// Both systems behind their echoes, full of planted secrets.
struct Stage {
    psa: connectwise::ConnectWise,
    psa_echo: Arc<Echo>,
    books: xero::Xero,
    books_echo: Arc<Echo>,
    client: i64,
    folder: tempfile::TempDir,
    /// Who is told of alerts, and gives back what it was told, word for word.
    hook: Hook,
    mail: Smtp,
    /// The configuration, without its log.
    text: String,
    http: reqwest::Client,
}

impl Stage {
    async fn new() -> Self {
        let clock = Arc::new(SystemClock);
        let mut settings = connectwise::Settings::new(clock.clone());
        (settings.public_key, settings.private_key) = (PUBLIC.to_owned(), PRIVATE.to_owned());
        let psa = connectwise::ConnectWise::start(settings).await.unwrap();
        let mut settings = xero::Settings::new(clock);
        CLIENT_SECRET.clone_into(&mut settings.client_secret);
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
        let (hook, mail) = (Hook::start().await, Smtp::start(Manner::RefusesUsers, None).await);
        hook.says([Says::Echo(400)]);
        let text = text + &channels(&hook, &mail);
        // None is kept: the door may close an idle connection at the moment of the next request.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).pool_max_idle_per_host(0);
        let http = http.build().unwrap();
        Self { psa, psa_echo, books, books_echo, client, folder, hook, mail, text, http }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("readypost.toml")
    }

    /// One run of the service in which the systems say this; whether an error quoted a masked secret.
    async fn round(&self, number: usize, (psa, books): (Option<Said>, Option<Said>), seen: &mut Seen) -> bool {
        let format = if number.is_multiple_of(2) { "json" } else { "pretty" };
        let log = format!("\n[log]\nformat = \"{format}\"\nfilter = \"trace\"\n");
        std::fs::write(self.config(), self.text.clone() + &log).unwrap();
        *self.psa_echo.armed.lock().unwrap() = psa;
        *self.books_echo.armed.lock().unwrap() = books;
        let log = self.folder.path().join(format!("log-{number}"));
        let service = Service::start(&[], &self.config(), &log).await.unwrap();
        let record = self.closed(number, &service).await;
        for _ in 0..40 {
            let shown = self.get(&service, &format!("/api/v1/records/{record}"), OPERATOR).await;
            if shown.contains("[secret]") || shown.contains("\"done\"") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let quoted = self.read(&service, &record, seen).await;
        service.kill().await;
        seen.add(&format!("the log, {format}"), &std::fs::read(&log).unwrap());
        if number.is_multiple_of(4) {
            seen.add("doctor", &run(&["doctor"], &self.config()).await);
        }
        quoted
    }

    /// Closes a new invoice and sends its callback, once as it is and once forged; the key of its record.
    async fn closed(&self, number: usize, service: &Service) -> String {
        let url = format!("{}/callbacks/acme?recordId=", service.url);
        self.psa.register_callback(&url, "invoice", "owner", 1).unwrap();
        let invoice = self.psa.add_invoice(NewInvoice {
            number: format!("INV-{number}"),
            company: self.client,
            kind: "Standard".to_owned(),
            lines: vec![labour("1", "100")],
            ..NewInvoice::default()
        });
        let _ = self.psa.take_callbacks();
        self.psa.set_status(invoice, "Ready to Post").unwrap();
        let sent = self.psa.take_callbacks().into_iter().rfind(|sent| sent.url.starts_with(&service.url)).unwrap();
        assert_eq!(self.psa.send(&sent).await.status, Some(200));
        let forged = self.psa.forge(&sent, &connectwise::Forgery::AlteredBody);
        assert_eq!(self.psa.send(&forged).await.status, Some(401));
        format!("acme/invoice/{invoice}")
    }

    async fn get(&self, service: &Service, path: &str, token: &str) -> String {
        let answer = self.http.get(format!("{}{path}", service.url)).bearer_auth(token).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// Reads all that can be asked of a running service; whether the record quotes a masked secret.
    async fn read(&self, service: &Service, record: &str, seen: &mut Seen) -> bool {
        for path in [
            "/status",
            "/api/v1/alerts",
            "/metrics",
            "/healthz",
            "/readyz",
            "/api/v1/records",
            "/api/v1/companies",
            "/api/v1/warnings",
        ] {
            seen.add(path, self.get(service, path, OPERATOR).await.as_bytes());
        }
        let shown = self.get(service, &format!("/api/v1/records/{record}"), OPERATOR).await;
        seen.add("/api/v1/records/one", shown.as_bytes());
        for (what, path) in [
            ("/status/records", format!("/status/records/{record}")),
            ("/exchanges", format!("/api/v1/records/{record}/exchanges")),
        ] {
            seen.add(what, self.get(service, &path, OPERATOR).await.as_bytes());
        }
        seen.add("401", self.get(service, "/status", STRANGER).await.as_bytes());
        for arguments in [
            &["status", "--json"][..],
            &["records", "show", record],
            &["records", "show", record, "--raw"],
            &["companies", "list"],
            &["alerts", "test"],
            &["alerts", "list"],
        ] {
            let said = run(&[arguments, &["--url", &service.url]].concat(), &self.config()).await;
            seen.add(&arguments.join(" "), &said);
        }
        shown.contains("[secret]")
    }

    /// Hands the whole history out, as it is and gzipped, and adds that and the store's folder.
    async fn read_store(&self, seen: &mut Seen) {
        let store = self.folder.path().join("store");
        for name in ["export", "export.gz"] {
            let out = self.folder.path().join(name);
            let arguments = ["history", "export", "--out", out.to_str().unwrap(), "--path", store.to_str().unwrap()];
            let said = run(&arguments, &self.config()).await;
            assert!(String::from_utf8_lossy(&said).contains("Written to"), "{}", String::from_utf8_lossy(&said));
            seen.add("history export", &said);
            seen.add(name, &std::fs::read(&out).unwrap());
        }
        seen.add_folder(&store);
    }

    /// Every secret that was planted or handed out, in the forms in which it is sent.
    async fn secrets(&self) -> BTreeSet<String> {
        let planted = [PRIVATE, PUBLIC, CLIENT_SECRET, REFRESH, STORE_KEY, WEBHOOK, OPERATOR, STRANGER];
        let of_alerts = [SLACK, TEAMS, MAIL_USER, MAIL_PASSWORD];
        let mut secrets: BTreeSet<String> = planted.into_iter().chain(of_alerts).map(str::to_owned).collect();
        let (signing, mail) = (crate::alerts::secret(), format!("\0{MAIL_USER}\0{MAIL_PASSWORD}"));
        secrets.extend([signing.trim_start_matches("whsec_").to_owned(), STANDARD.encode(mail)]);
        assert!(self.hook.got().len() > 20 && self.mail.said().iter().any(|line| line.starts_with("AUTH PLAIN ")));
        let signing = self.http.get(self.psa.key_url()).send().await.unwrap().text().await.unwrap();
        let signing: Value = serde_json::from_str(&signing).unwrap();
        secrets.insert(signing["signing_key"].as_str().unwrap().to_owned());
        secrets.insert(STANDARD.encode(format!("acme+{PUBLIC}:{PRIVATE}")));
        secrets.insert(STANDARD.encode(format!("{}:{CLIENT_SECRET}", self.books.settings().client_id)));
        let tokens = self.books_echo.tokens.lock().unwrap().clone();
        assert!(tokens.len() >= 4, "tokens were handed out: {}", tokens.len());
        secrets.extend(tokens);
        secrets
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_secrets_are_nowhere_to_be_read() {
    let stage = Stage::new().await;
    let mut seen = Seen::default();
    let mut quoted = 0;
    let plain = [(None, None); 2].into_iter();
    let of_psa = CONNECTWISE.iter().map(|said| (Some(*said), None));
    let of_books = XERO.iter().map(|said| (None, Some(*said)));
    for (number, said) in (1..).zip(plain.chain(of_psa).chain(of_books)) {
        quoted += usize::from(stage.round(number, said, &mut seen).await);
    }
    stage.read_store(&mut seen).await;
    wrong_configurations(&stage.text, &stage.config(), &mut seen).await;
    let secrets = stage.secrets().await;
    println!(
        "{} secrets were looked for in {} outputs; {quoted} errors quoted a masked one",
        secrets.len(),
        seen.0.len()
    );
    assert!(quoted >= 10, "{quoted}");
    // What was said with both systems was there to be read, also where it is packed.
    for place in ["alerts test", "the log"] {
        assert!(seen.count(place, "[secret]") > 0, "{place} quotes no answer of a channel");
    }
    for place in [".xchg, unpacked", "export", "export.gz, unpacked", "--raw", "/exchanges"] {
        for said in ["INV-1", "[secret]", "finance/invoices"] {
            assert!(seen.count(place, said) > 0, "{place} does not say {said}");
        }
    }
    let found = seen.found(&secrets);
    assert!(found.is_empty(), "{} times:\n{}", found.len(), found.join("\n"));
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Channels of each sort; all of them are told, and refuse.
fn channels(hook: &Hook, mail: &Smtp) -> String {
    let alert = |name: &str, channel: &str| format!("\n[[alert]]\nname = {name:?}\nchannel = {channel:?}\n");
    let (address, port, signing) = (&hook.address, mail.port, crate::alerts::secret());
    [
        format!("{}url = \"{address}/services/{SLACK}\"\n", alert("slack", "slack")),
        format!("{}url = \"{address}/workflows?sig={TEAMS}\"\n", alert("teams", "teams")),
        format!("{}url = \"{address}/{SLACK}\"\nsecret = {signing:?}\n", alert("hook", "webhook")),
        format!("{}host = \"localhost\"\nport = {port}\nsecurity = \"none\"\n", alert("mail", "email")),
        format!("user = {MAIL_USER:?}\npassword = {MAIL_PASSWORD:?}\n"),
        "from = \"rp@example.com\"\nto = [\"desk@example.com\"]\n".to_owned(),
    ]
    .concat()
}

/// Configurations that are wrong around their secrets.
async fn wrong_configurations(text: &str, config: &Path, seen: &mut Seen) {
    let private = format!("private_key = {PRIVATE:?}");
    for (right, wrong) in [
        ("url = \"http://127.0.0.1", "url = \"http://example.com"),
        ("url = \"http://", "url = \"ftp://"),
        ("secret = \"whsec_", "secret = \"whsec-"),
        ("url = \"http://", "url_file = \"http://"),
    ] {
        assert!(text.contains(right), "{right}");
        std::fs::write(config, text.replace(right, wrong)).unwrap();
        let said = run(&["serve"], config).await;
        assert!(String::from_utf8_lossy(&said).contains("to correct"), "{wrong}: {}", String::from_utf8_lossy(&said));
        seen.add(&format!("faults of {wrong}"), &said);
    }
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
