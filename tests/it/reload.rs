//! The configuration is read anew while the service runs: all or nothing, and others do not notice.

use std::time::Duration;

use axum::http::Method;
use jiff::SignedDuration;
use readypost::simulator::connectwise::{self, ConnectWise, NewInvoice};
use readypost::simulator::xero::{self, Status};
use serde_json::{Value, json};

use crate::companies::{NZ, numbers, nz_invoice, organisation};
use crate::harness::{TOKEN, VIEWER, World, company_text, configuration_text, furnish, labour};
use crate::process::Service;

/// Posts an invoice of the first company.
async fn post(world: &World, number: &str) -> i64 {
    let invoice = world.invoice(number, vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    invoice
}

/// Names and changes of a part of the answer.
fn changed(answer: &Value, part: &str) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let settings = |change: &Value| change["settings"].as_array().unwrap().iter().map(text).collect();
    let changes = answer[part].as_array().unwrap().iter();
    changes.map(|change| (text(&change["name"]), text(&change["change"]), settings(change))).collect()
}

fn change(name: &str, how: &str, settings: &[&str]) -> (String, String, Vec<String>) {
    (name.to_owned(), how.to_owned(), settings.iter().map(|setting| (*setting).to_owned()).collect())
}

#[tokio::test]
async fn rules_change_at_once_and_the_client_keeps_its_token_and_caches() {
    let world = World::new().await;
    post(&world, "1001").await;
    let (calls, tokens) = (world.xero.calls(), world.xero.calls_by(&Method::POST, "/connect/token"));
    let text = world.configuration().replace("[company.rules]", "[company.rules]\ndocument_status = \"DRAFT\"");
    let (status, answer) = world.reload(&text).await;
    assert_eq!(status, 200);
    assert_eq!(changed(&answer, "companies"), [change("acme-au", "changed", &["rules.document_status"])]);
    let second = post(&world, "1002").await;
    assert_eq!(world.state(second).await, "done");
    assert_eq!(world.documents("1002")[0].status, Status::Draft);
    assert_eq!(world.xero.calls(), calls + 1, "nothing of the organisation was read anew");
    assert_eq!(world.xero.calls_by(&Method::POST, "/connect/token"), tokens);
    // The same file again: nothing has changed.
    let (_, answer) = world.reload(&text).await;
    assert_eq!(answer, json!({ "companies": [], "connections": [], "operators": [], "needs_restart": [] }));
}

#[tokio::test]
async fn a_company_with_new_credentials_gets_a_new_client_and_others_keep_theirs() {
    let world = World::new().await;
    let nz = organisation(&world, |_| {}).await;
    let text = world.configuration() + &company_text("acme-nz", "acme", &format!("[{NZ}]"), &nz);
    assert_eq!(world.reload(&text).await.0, 200);
    let first = nz_invoice(&world, "N1");
    world.ready(first);
    post(&world, "A1").await;
    let before = world.app.parts.current();
    let begin = text.find("[[company]]\nid = \"acme-nz\"").unwrap();
    let (head, tail) = text.split_at(begin);
    let wrong = head.to_owned() + &tail.replace("client_secret = \"", "client_secret = \"not-");
    let (_, answer) = world.reload(&wrong).await;
    assert_eq!(changed(&answer, "companies"), [change("acme-nz", "changed", &["xero.client_secret"])]);
    let after = world.app.parts.current();
    let same = |index: usize| std::sync::Arc::ptr_eq(&before.companies[index].client, &after.companies[index].client);
    assert_eq!((same(0), same(1)), (true, false));
    let second = nz_invoice(&world, "N2");
    world.ready(second);
    let ours = post(&world, "A2").await;
    assert_eq!(world.state(ours).await, "done");
    assert!(world.state(second).await.contains("invalid_client"), "{}", world.state(second).await);
    assert_eq!(world.reload(&text).await.0, 200);
    world.pass(SignedDuration::from_mins(10)).await;
    assert_eq!((world.state(second).await.as_str(), numbers(&nz).len()), ("done", 2));
}

#[tokio::test]
async fn a_removed_company_leaves_holds_that_say_so_and_comes_back() {
    let world = World::new().await;
    let nz = organisation(&world, |_| {}).await;
    let alone = world.configuration().replace("id = \"acme-au\"", "id = \"acme-au\"\nlocations = [11]");
    let both = alone.clone() + &company_text("acme-nz", "acme", &format!("[{NZ}]"), &nz);
    assert_eq!(world.reload(&both).await.0, 200);
    let done = nz_invoice(&world, "N1");
    world.ready(done);
    world.settle().await;
    // One waits in its company's lane when that goes.
    assert_eq!(world.post("/api/v1/companies/acme-nz/pause", &json!({})).await.0, 200);
    let waiting = nz_invoice(&world, "N2");
    world.ready(waiting);
    world.settle().await;
    assert_eq!(world.record(waiting).await.about.unwrap().company.unwrap().as_str(), "acme-nz");
    let (_, answer) = world.reload(&alone).await;
    assert_eq!(changed(&answer, "companies"), [change("acme-nz", "removed", &[])]);
    world.connectwise.save_invoice(done);
    world.settle().await;
    assert_eq!(world.state(done).await, "done", "what is done stays so");
    assert_eq!(world.state(waiting).await, "held no_company");
    let shown = world.get("/api/v1/records?company=acme-nz&state=held").await;
    let sentence = shown["records"][0]["reason"]["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("The company 'acme-nz', which took this record, is not in the configuration"),
        "{sentence}"
    );
    // Back again, and still paused: only an operator ends that.
    assert_eq!(world.reload(&both).await.0, 200);
    assert_eq!(world.decide(waiting, "retry", json!({ "note": "it is back" })).await, 200);
    world.settle().await;
    assert_eq!(world.state(waiting).await.get(..6), Some("queued"));
    assert_eq!(world.post("/api/v1/companies/acme-nz/resume", &json!({})).await.0, 200);
    world.settle().await;
    assert_eq!((world.state(waiting).await.as_str(), numbers(&nz)), ("done", vec!["N1".to_owned(), "N2".to_owned()]));
}

#[tokio::test]
async fn faults_are_listed_with_line_and_key_and_change_nothing() {
    let world = World::new().await;
    let text = world.configuration();
    let draft = text.replace("[company.rules]", "[company.rules]\ndocument_status = \"DRAFT\"\nno_such_rule = 1");
    let wrong = draft.replace("role = \"operator\"", "role = \"boss\"");
    let (status, answer) = world.reload(&wrong).await;
    let faults: Vec<&str> = answer["faults"].as_array().unwrap().iter().map(|fault| fault.as_str().unwrap()).collect();
    assert_eq!((status, faults.len()), (422, 2), "{answer}");
    assert!(faults[0].starts_with("line ") && faults[0].contains("operator.role: \"boss\""), "{faults:?}");
    assert!(faults[1].contains("company.rules.no_such_rule: is not a setting"), "{faults:?}");
    assert!(answer["detail"].as_str().unwrap().starts_with("nothing was changed"), "{answer}");
    assert_eq!(world.reload("not a table").await.0, 422);
    let invoice = post(&world, "1001").await;
    assert_eq!(world.state(invoice).await, "done");
    assert_eq!(world.documents("1001")[0].status, Status::Authorised, "the old rules are in force");
    // A dry run of a good file changes nothing, either.
    let good = text.replace("[company.rules]", "[company.rules]\ndocument_status = \"DRAFT\"");
    world.rewrite(&good);
    let (status, answer) = world.post("/api/v1/reload", &json!({ "dry_run": true })).await;
    assert_eq!((status, changed(&answer, "companies").len()), (200, 1));
    post(&world, "1002").await;
    assert_eq!(world.documents("1002")[0].status, Status::Authorised);
}

#[tokio::test]
async fn what_needs_a_restart_is_named_each_time_and_the_rest_is_done() {
    let world = World::new().await;
    let text = world.configuration().replace("127.0.0.1:0", "127.0.0.1:1").replace("\"viewer\"", "\"operator\"");
    for operators in [vec![change("watcher", "changed", &["role"])], Vec::new()] {
        let (status, answer) = world.reload(&text).await;
        assert_eq!((status, &answer["needs_restart"]), (200, &json!(["server.listen"])));
        assert_eq!(changed(&answer, "operators"), operators);
    }
    let request = world.http.post(format!("{}/api/v1/reload", world.url)).bearer_auth(VIEWER).json(&json!({}));
    assert_eq!(request.send().await.unwrap().status(), 200, "the watcher is an operator now");
}

#[tokio::test]
async fn a_connection_is_added_and_removed() {
    let world = World::new().await;
    let alone = world.configuration();
    let other = ConnectWise::start(connectwise::Settings::new(world.clock.clone())).await.unwrap();
    let nz = xero::Xero::start(xero::Settings::new(world.clock.clone())).await.unwrap();
    let client = furnish(&other, &nz);
    // The second connection as the usual text has it, under another name.
    let usual = configuration_text(&other, &nz, world.folder(), ("", ""));
    let begin = usual.find("[[connectwise]]").unwrap();
    let connection = usual[begin..usual.find("[[company]]").unwrap()].replace("name = \"acme\"", "name = \"other\"");
    let both = alone.clone() + "\n" + &connection + &company_text("other-nz", "other", "[]", &nz);
    other.register_callback(&format!("{}/callbacks/other?recordId=", world.url), "invoice", "owner", 1).unwrap();
    let deliver = async || {
        let mut statuses = Vec::new();
        for delivery in other.take_callbacks() {
            statuses.push(other.send(&delivery).await.status.unwrap());
        }
        statuses.last().copied()
    };
    let lines = vec![labour("1", "100")];
    let invoice = other.add_invoice(NewInvoice {
        number: "O1".to_owned(),
        kind: "Standard".to_owned(),
        company: client,
        lines,
        ..NewInvoice::default()
    });
    assert_eq!(deliver().await, Some(410), "nobody knows it yet");
    let (status, answer) = world.reload(&both).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(changed(&answer, "connections"), [change("other", "added", &[])]);
    world.clock.advance(SignedDuration::from_mins(3));
    other.set_status(invoice, "Ready to Post").unwrap();
    assert_eq!(deliver().await, Some(200));
    world.settle().await;
    assert_eq!(numbers(&nz), ["O1"]);
    let ours = post(&world, "A1").await;
    assert_eq!(world.state(ours).await, "done");
    let (_, answer) = world.reload(&alone).await;
    assert_eq!(changed(&answer, "connections"), [change("other", "removed", &[])]);
    other.save_invoice(invoice);
    assert_eq!(deliver().await, Some(410));
    let key = format!("other/invoice/{invoice}").parse().unwrap();
    let record = world.app.parts.store.record(&key).await.unwrap().unwrap();
    assert_eq!(record.state.name().as_str(), "done", "its history is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_real_binary_reads_its_file_at_a_hangup_and_at_the_command() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = (folder.path().join("readypost.toml"), folder.path().join("log"));
    let text = world.configuration().replace(world.folder().to_str().unwrap(), folder.path().to_str().unwrap());
    std::fs::write(&file, &text).unwrap();
    let service = Service::start(&[], &file, &log).await.unwrap();
    let nz = organisation(&world, |_| {}).await;
    std::fs::write(&file, text.clone() + &company_text("acme-nz", "acme", "[22]", &nz)).unwrap();
    service.hangup().await;
    let listed = async || {
        let answer = world.http.get(format!("{}/api/v1/companies", service.url)).bearer_auth(TOKEN).send().await;
        let listed: Value = serde_json::from_slice(&answer.unwrap().bytes().await.unwrap()).unwrap();
        listed.as_array().unwrap().len()
    };
    let begun = std::time::Instant::now();
    while listed().await != 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", std::fs::read_to_string(&log).unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The log may be written a moment after the change is in force.
    let logged = || std::fs::read_to_string(&log).unwrap();
    while !(logged().contains("acme-nz") && logged().contains("SIGHUP")) {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", logged());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let said = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
        let output = command.args(arguments).args(["--url", &service.url, "--token", TOKEN]).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    };
    let paused = said(&["companies", "pause", "acme-nz", "--kind", "invoice", "--note", "stock-taking"]).await;
    assert!(paused.0 == 0 && paused.1.contains("by tester, invoice: stock-taking"), "{paused:?}");
    std::fs::write(&file, text.clone() + "no_such_rule = 1\n").unwrap();
    let refused = said(&["reload"]).await;
    assert!(refused.0 == 1 && refused.1.contains("no_such_rule: is not a setting"), "{refused:?}");
    assert_eq!(listed().await, 2, "nothing was changed");
    std::fs::write(&file, &text).unwrap();
    assert_eq!(
        said(&["reload", "--dry-run"]).await,
        (0, "company acme-nz removed\nNothing was changed; without --dry-run it will be.\n".to_owned())
    );
    assert_eq!(said(&["reload"]).await, (0, "company acme-nz removed\n".to_owned()));
    assert_eq!(said(&["reload"]).await, (0, "Nothing has changed.\n".to_owned()));
    let list = said(&["companies", "list"]).await;
    assert!(list.0 == 0 && list.1.contains("\nacme-au ") && !list.1.contains("acme-nz"), "{list:?}");
}
