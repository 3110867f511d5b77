//! `readypost xero connect`: the real binary, a browser that follows redirects, and a person at the simulator who lets
//! the app in, or does not.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use jiff::SignedDuration;
use readypost::clock::SystemClock;
use readypost::simulator::connectwise::{ConnectWise, NewInvoice};
use readypost::simulator::faults::{Fault, Rule};
use readypost::simulator::{connectwise, xero};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use url::Url;
use uuid::Uuid;

use crate::harness::{Differently, RULES, TOKEN, World, company_text, configuration_text, furnish, labour};
use crate::process::Service;

const OTHER: Uuid = Uuid::from_u128(7);

/// A redirect to a port that is free.
fn redirect() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://localhost:{port}/callback")
}

/// A web app's access instead of a custom connection's; nothing is connected yet.
fn web_app(text: &str, xero: &xero::Xero) -> String {
    let settings = xero.settings();
    let access = format!("grant = \"refresh_token\"\nauthorize_url = \"{}\"", xero.authorize_url());
    text.replace(&format!("tenant_id = \"{}\"", settings.tenant_id), &access)
}

/// A service whose app nobody has let in yet, and the redirect of the app.
async fn unconnected(xero: fn(&mut xero::Settings)) -> (World, String) {
    let world = World::with(Differently { xero, ..Differently::default() }).await;
    let redirect = redirect();
    world.xero.register_redirect(&redirect);
    let (code, answer) = world.reload(&web_app(&world.configuration(), &world.xero)).await;
    assert_eq!(code, 200, "{answer}");
    (world, redirect)
}

/// The command, once it has printed the address.
struct Connect {
    address: Url,
    child: Child,
    stderr: Lines<BufReader<ChildStderr>>,
    said: String,
}

impl Connect {
    /// Starts it with these arguments and waits for the address.
    async fn start(url: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_readypost"));
        command.args(["xero", "connect", "--company", "acme-au", "--url", url, "--token", TOKEN]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        loop {
            let line = stderr.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended: {said}"));
            if let Some(address) = line.starts_with("http").then(|| line.parse().unwrap()) {
                return Self { address, child, stderr, said };
            }
            said = said + &line + "\n";
        }
    }

    /// What the address has under this name.
    fn asked(&self, name: &str) -> Option<String> {
        self.address.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    async fn paste(&mut self, text: &str) {
        self.child.stdin.as_mut().unwrap().write_all(format!("{text}\n").as_bytes()).await.unwrap();
    }

    /// The exit code, and all that it printed.
    async fn ended(mut self) -> (i32, String) {
        while let Some(line) = self.stderr.next_line().await.unwrap() {
            self.said = self.said + &line + "\n";
        }
        self.child.stdout.as_mut().unwrap().read_to_string(&mut self.said).await.unwrap();
        let code = self.child.wait().await.unwrap().code().unwrap();
        for secret in ["refresh-", "access-", "demo-secret", "code-"] {
            assert!(!self.said.contains(secret), "{secret} is shown in\n{}", self.said);
        }
        (code, self.said)
    }
}

/// A person's browser.
fn browser() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

/// Opens an address as a person does who agrees to all; the last page.
async fn open(address: &Url) -> (u16, String) {
    let answer = browser().get(address.clone()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Where the browser would end, without going there.
async fn end_of(address: &Url) -> Url {
    let still = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = still.get(address.clone()).send().await.unwrap();
    answer.headers()["location"].to_str().unwrap().parse().unwrap()
}

/// How often tokens were asked for by a code.
fn exchanges(xero: &xero::Xero) -> usize {
    let sent = xero.server.requests();
    let tokens = sent.iter().filter(|sent| sent.uri.path() == "/connect/token");
    tokens.filter(|sent| String::from_utf8_lossy(&sent.body).contains("grant_type=authorization_code")).count()
}

fn fits((code, text): &(i32, String), expected: i32, parts: &[&str]) {
    assert_eq!(*code, expected, "{text}");
    for part in parts {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

/// The whole way with a person who agrees.
async fn connected(world: &World, redirect: &str, arguments: &[&str]) -> (i32, String) {
    let command = Connect::start(&world.url, &[&["--redirect", redirect], arguments].concat()).await;
    let (status, page) = open(&command.address).await;
    assert!(status == 200 && page.contains("Go back to the command line"), "{status}: {page}");
    command.ended().await
}

/// Closes a new invoice and works until nothing is due.
async fn post(world: &World, number: &str) -> String {
    let invoice = world.invoice(number, vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    world.state(invoice).await
}

#[tokio::test]
async fn a_company_that_is_connected_posts_at_once_and_after_a_restart() {
    let (mut world, redirect) = unconnected(|_| {}).await;
    let state = post(&world, "1001").await;
    assert!(
        state.contains("no refresh token") && state.contains("`readypost xero connect --company acme-au`"),
        "{state}"
    );
    let command = Connect::start(&world.url, &["--redirect", &redirect]).await;
    assert_eq!(command.asked("redirect_uri").as_deref(), Some(redirect.as_str()));
    assert_eq!(command.asked("code_challenge"), None, "the app has a secret");
    let scopes = command.asked("scope").unwrap();
    assert!(scopes.split(' ').any(|scope| scope == "offline_access") && scopes.contains("accounting.manualjournals"));
    let (status, page) = open(&command.address).await;
    assert!(status == 200 && page.contains("Close this page and go back"), "{page}");
    let tenant = world.xero.settings().tenant_id.to_string();
    fits(&command.ended().await, 0, &["acme-au is connected to Demo Company (AU)", &tenant]);
    // The rest is over, and the token that came with the code is used.
    assert_eq!(world.get("/status").await["companies"][0]["resting"], Value::Null);
    assert_eq!(post(&world, "1002").await, "done");
    assert_eq!(exchanges(&world.xero), 1);
    world.pass(SignedDuration::from_mins(10)).await;
    assert_eq!(world.documents("1001").len(), 1, "the one that found out waited for five minutes");
    // It is renewed, kept with its organisation, and found there.
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(post(&world, "1003").await, "done");
    world.restart().await;
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(post(&world, "1004").await, "done");
    // The history says who connected it, and nothing of the tokens.
    let (folder, exports) = (world.folder().to_str().unwrap().to_owned(), tempfile::tempdir().unwrap());
    world.app.parts.store.close().await;
    let file = exports.path().join("export");
    let arguments = ["history", "export", "--path", &folder, "--out", file.to_str().unwrap()];
    let output = Command::new(env!("CARGO_BIN_EXE_readypost")).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let exported = std::fs::read_to_string(&file).unwrap();
    let kept: Vec<&str> = exported.lines().filter(|line| line.contains("sealed")).collect();
    assert!(kept.len() >= 3 && !exported.contains("refresh-"), "{kept:?}");
    assert_eq!(kept.iter().filter(|line| line.contains("tester")).count(), 1, "{kept:?}");
}

#[tokio::test]
async fn a_dead_token_is_replaced_by_the_one_that_a_person_gets() {
    let mut world = World::with(Differently {
        xero: |settings| settings.refresh_token = Some("refresh-of-the-configuration".to_owned()),
        ..Differently::default()
    })
    .await;
    let redirect = redirect();
    world.xero.register_redirect(&redirect);
    let access = format!("[company.xero]\nauthorize_url = \"{}\"", world.xero.authorize_url());
    assert_eq!(world.reload(&world.configuration().replace("[company.xero]", &access)).await.0, 200);
    assert_eq!(post(&world, "1001").await, "done");
    world.xero.revoke_refresh_tokens();
    world.xero.expire_tokens();
    let state = post(&world, "1002").await;
    assert!(state.contains("invalid_grant") && state.contains("`readypost xero connect --company acme-au`"), "{state}");
    fits(&connected(&world, &redirect, &["--json"]).await, 0, &["\"connected\": {", "\"company\": \"acme-au\""]);
    assert_eq!(post(&world, "1003").await, "done");
    // The token of the configuration is still there, and still dead: what was connected stands for it.
    world.restart().await;
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(post(&world, "1004").await, "done");
}

#[tokio::test]
async fn who_gives_no_access_changes_nothing() {
    let (world, redirect) = unconnected(|_| {}).await;
    world.xero.refuse_access(true);
    let command = Connect::start(&world.url, &["--redirect", &redirect]).await;
    let (_, page) = open(&command.address).await;
    assert!(page.contains("did not let readypost in"), "{page}");
    fits(&command.ended().await, 1, &["access was not given in Xero", "readypost xero connect --company acme-au"]);
    assert_eq!(exchanges(&world.xero), 0);
    // Xero shows an unknown redirect to the person, and readypost never hears of it.
    let unknown = self::redirect();
    let command = Connect::start(&world.url, &["--redirect", &unknown, "--timeout", "1"]).await;
    assert_eq!(open(&command.address).await.0, 400);
    fits(&command.ended().await, 1, &["within 1 s", &format!("register {unknown} in the app"), "--paste"]);
    // The app may not have what was asked for.
    world.xero.refuse_access(false);
    let command = Connect::start(&world.url, &["--redirect", &redirect]).await;
    let refused = format!("{redirect}?error=invalid_scope&state={}", command.asked("state").unwrap());
    open(&refused.parse().unwrap()).await;
    fits(&command.ended().await, 1, &["(invalid_scope)", "developer portal"]);
}

#[tokio::test]
async fn an_answer_of_another_attempt_is_not_taken_and_of_two_the_first_counts() {
    let (world, redirect) = unconnected(|_| {}).await;
    let command = Connect::start(&world.url, &["--redirect", &redirect]).await;
    let good = end_of(&command.address).await;
    for wrong in ["state=", "state=x", "nothing=1"] {
        let (status, page) = open(&format!("{redirect}?code=code-of-a-stranger&{wrong}").parse().unwrap()).await;
        assert!(status == 400 && page.contains("not the answer that readypost waits for"), "{status}: {page}");
    }
    let elsewhere: Url = redirect.replace("/callback", "/favicon.ico").parse().unwrap();
    assert_eq!(open(&elsewhere).await.0, 404);
    // While Xero takes its time, the page is loaded again.
    let slow = Fault::Delay(Duration::from_millis(500));
    world.xero.server.faults.add(Rule::next(Method::POST, "/connect/token", slow));
    assert_eq!(open(&good).await.0, 200);
    let (status, page) = open(&good).await;
    assert!(status == 409 && page.contains("has an answer already"), "{status}: {page}");
    fits(&command.ended().await, 0, &["with another state", "Still waiting", "is connected to"]);
    assert_eq!(exchanges(&world.xero), 1);
    // Nor does the service take an answer twice, or one of an attempt that another has followed.
    let state = good.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    let bring = async |state: &str| {
        let body = json!({"state": state, "code": "code-of-a-stranger"});
        world.post("/api/v1/companies/acme-au/connect/answer", &body).await
    };
    let begin = async || {
        let (_, begun) = world.post("/api/v1/companies/acme-au/connect", &json!({"redirect": redirect})).await;
        begun["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(bring(&state).await.0, 409);
    let (first, second) = (begin().await, begin().await);
    assert_eq!(bring(&first).await.0, 409);
    let (status, refused) = bring(&second).await;
    assert!(status == 422 && refused["detail"].as_str().unwrap().contains("invalid_grant"), "{refused}");
    assert_eq!(bring(&second).await.0, 409, "it was spent");
    let late = begin().await;
    world.clock.advance(SignedDuration::from_mins(31));
    assert_eq!(bring(&late).await.0, 409, "it is too late");
    assert_eq!(exchanges(&world.xero), 2);
}

#[tokio::test]
async fn without_a_browser_here_the_address_is_pasted() {
    let (world, redirect) = unconnected(|_| {}).await;
    let arguments = ["--redirect", redirect.as_str(), "--paste"];
    let mut command = Connect::start(&world.url, &arguments).await;
    let end = end_of(&command.address).await;
    command.paste(end.as_str()).await;
    fits(&command.ended().await, 0, &["Paste that address here", "is connected to"]);
    assert_eq!(post(&world, "1001").await, "done");
    // Of another attempt, of none, and too late.
    let mut command = Connect::start(&world.url, &arguments).await;
    command.paste(end.as_str()).await;
    fits(&command.ended().await, 1, &["belongs to another attempt", "readypost xero connect --company acme-au"]);
    let mut command = Connect::start(&world.url, &arguments).await;
    command.paste("4711").await;
    fits(&command.ended().await, 1, &["not the address that the browser ended at"]);
    let mut command = Connect::start(&world.url, &arguments).await;
    let end = end_of(&command.address).await;
    world.clock.advance(SignedDuration::from_mins(6));
    command.paste(end.as_str()).await;
    fits(&command.ended().await, 1, &["invalid_grant", "5 minutes", "readypost xero connect --company acme-au"]);
    // What failed has not touched what was connected.
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(post(&world, "1002").await, "done");
}

#[tokio::test]
async fn another_organisation_than_the_company_s_is_not_taken() {
    let (world, redirect) =
        unconnected(|settings| settings.other_tenants = vec![(OTHER, "Stranger Ltd".to_owned())]).await;
    let ours = world.xero.settings().tenant_id.to_string();
    // Nobody sits at a terminal, so it has to be named.
    let several = connected(&world, &redirect, &[]).await;
    fits(&several, 1, &["several organisations", "Stranger Ltd", &ours, "--company acme-au --tenant"]);
    assert!(post(&world, "1001").await.contains("no refresh token"));
    let nobody = Uuid::from_u128(9).to_string();
    fits(
        &connected(&world, &redirect, &["--tenant", &nobody]).await,
        1,
        &["Stranger Ltd", &format!("not into {nobody}")],
    );
    fits(&connected(&world, &redirect, &["--tenant", &ours]).await, 0, &["is connected to Demo Company (AU)"]);
    assert_eq!(post(&world, "1002").await, "done");
    // Once it is known, another does not follow it by accident.
    let other = OTHER.to_string();
    fits(
        &connected(&world, &redirect, &["--tenant", &other]).await,
        1,
        &["must not follow it by accident", "`tenant_id`"],
    );
    let text = world.configuration();
    let configured = |tenant: Uuid| text.replace("authorize_url", &format!("tenant_id = \"{tenant}\"\nauthorize_url"));
    world.reload(&configured(Uuid::from_u128(9))).await;
    let wrong = connected(&world, &redirect, &[]).await;
    fits(&wrong, 1, &[&format!("acme-au is the organisation {nobody}"), "Stranger Ltd", "Nothing was changed."]);
    // An organisation that another company has is not meant.
    world.reload(&(configured(OTHER) + &company_text("acme-nz", "acme", "[22]", &world.xero))).await;
    fits(&connected(&world, &redirect, &[]).await, 0, &["is connected to Stranger Ltd"]);
}

#[tokio::test]
async fn an_organisation_that_another_company_has_is_not_offered() {
    let (world, redirect) = unconnected(|settings| settings.other_tenants = vec![(OTHER, "Free Ltd".to_owned())]).await;
    let taken = company_text("acme-nz", "acme", "[22]", &world.xero);
    world.reload(&(world.configuration() + &taken)).await;
    fits(&connected(&world, &redirect, &[]).await, 0, &["is connected to Free Ltd"]);
}

#[tokio::test]
async fn an_app_without_a_secret_proves_that_it_asked() {
    let (mut world, redirect) = unconnected(|_| {}).await;
    world.xero.take_secret();
    let secret = "client_secret = \"demo-secret\"\n";
    assert_eq!(world.reload(&world.configuration().replace(secret, "")).await.0, 200);
    // Somebody else's challenge does not fit our verifier.
    let command = Connect::start(&world.url, &["--redirect", &redirect]).await;
    let mut tampered = command.address.clone();
    let others = command.address.query_pairs().filter(|(name, _)| name != "code_challenge");
    tampered.query_pairs_mut().clear().extend_pairs(others).append_pair("code_challenge", &"A".repeat(43));
    open(&tampered).await;
    fits(&command.ended().await, 1, &["invalid_grant"]);
    let command = Connect::start(&world.url, &["--redirect", &redirect]).await;
    assert_eq!(command.asked("code_challenge_method").as_deref(), Some("S256"));
    open(&command.address).await;
    fits(&command.ended().await, 0, &["is connected to"]);
    assert_eq!(post(&world, "1001").await, "done");
    world.restart().await;
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(post(&world, "1002").await, "done", "it is renewed without a secret, too");
}

#[tokio::test]
async fn what_cannot_be_connected_says_why() {
    let (world, redirect) = unconnected(|_| {}).await;
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_readypost"));
        let output = command.args(["xero", "connect", "--url", &world.url]).args(arguments).output().await.unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let token = ["--company", "acme-au", "--token", TOKEN, "--redirect"];
    let here = &redirect;
    let _taken = std::net::TcpListener::bind(
        here.trim_start_matches("http://localhost").trim_end_matches("/callback").replace(':', "127.0.0.1:"),
    )
    .unwrap();
    fits(&run(&[&token[..], &[here]].concat()).await, 2, &["cannot be had", "--paste"]);
    fits(
        &run(&[&token[..], &["https://example.com/cb"]].concat()).await,
        2,
        &["does not lead to this machine", "--paste"],
    );
    let paste = ["--paste", "--redirect", "http://example.com/cb"];
    fits(&run(&[&token[..4], &paste].concat()).await, 1, &["must be https, or http://localhost"]);
    let stranger = ["--paste", "--token", TOKEN, "--company", "nobody"];
    fits(&run(&stranger).await, 1, &["there is no company \"nobody\""]);
    let viewer = ["--paste", "--token", "viewer", "--company", "acme-au"];
    assert_eq!(run(&viewer).await.0, 1);
    // A custom connection, after a reload.
    let tenant = format!("tenant_id = \"{}\"", world.xero.settings().tenant_id);
    world.reload(&world.configuration().replace("grant = \"refresh_token\"", &tenant)).await;
    fits(&run(&[&token[..4], &["--paste"]].concat()).await, 1, &["custom connection", "grant = \"refresh_token\""]);
    // Xero is away: nothing is connected, and another attempt is named.
    let (world, redirect) = unconnected(|_| {}).await;
    world.xero.server.faults.add(Rule::next(Method::POST, "/connect/token", Fault::DropAfter));
    fits(&connected(&world, &redirect, &[]).await, 1, &["Xero did not answer as it should", "In a while, run"]);
    fits(&connected(&world, &redirect, &[]).await, 0, &["is connected to"]);
}

#[tokio::test]
async fn the_real_service_posts_with_what_was_connected() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let psa = ConnectWise::start(connectwise::Settings::new(clock.clone())).await.unwrap();
    let books = xero::Xero::start(xero::Settings::new(clock)).await.unwrap();
    let (client, redirect) = (furnish(&psa, &books), redirect());
    books.register_redirect(&redirect);
    let text = web_app(&configuration_text(&psa, &books, &folder.path().join("store"), (RULES, "")), &books);
    let (file, log) = (folder.path().join("readypost.toml"), folder.path().join("log"));
    std::fs::write(&file, text + "\n[log]\nfilter = \"trace\"\n").unwrap();
    let posted = async |service: &Service, number: &str| {
        let invoice = psa.add_invoice(NewInvoice {
            number: number.to_owned(),
            company: client,
            lines: vec![labour("1", "100")],
            ..NewInvoice::default()
        });
        psa.set_status(invoice, "Ready to Post").unwrap();
        let url = format!("{}/api/v1/records/acme/invoice/{invoice}", service.url);
        for delivery in psa.take_callbacks() {
            if delivery.url.starts_with(&service.url) {
                assert_eq!(psa.send(&delivery).await.status, Some(200));
            }
        }
        for _ in 0..500 {
            let shown = browser().get(&url).bearer_auth(TOKEN).send().await.unwrap().json::<Value>().await.unwrap();
            if shown["record"]["state"] == "done" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{number} was not posted: {}", std::fs::read_to_string(&log).unwrap());
    };
    let service = Service::start(&[], &file, &log).await.unwrap();
    psa.register_callback(&format!("{}/callbacks/acme?recordId=", service.url), "invoice", "owner", 1).unwrap();
    let command = Connect::start(&service.url, &["--redirect", &redirect]).await;
    open(&command.address).await;
    fits(&command.ended().await, 0, &["is connected to Demo Company (AU)"]);
    posted(&service, "R-1").await;
    // Killed, not stopped: the token was durable before it was used.
    service.kill().await;
    let service = Service::start(&[], &file, &log).await.unwrap();
    psa.register_callback(&format!("{}/callbacks/acme?recordId=", service.url), "invoice", "owner", 1).unwrap();
    posted(&service, "R-2").await;
    service.kill().await;
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains("the organisation is connected"));
    for secret in ["refresh-", "access-", "demo-secret", "code-"] {
        assert!(!logged.contains(secret), "{secret} is in the log");
    }
}
