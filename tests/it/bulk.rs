//! What was decided in bulk outlives the process: how it ended, or how far it came when the process was killed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use readypost::clock::{Clock, SystemClock};
use readypost::domain::bulk::Begun;
use readypost::domain::delivery::{Actor, Decision, Trigger};
use readypost::store::{self, Event};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::durable::Traced;
use crate::harness::{TOKEN, World, labour};
use crate::process::Service;

/// Records of the bulk that is killed: each decision is synced by itself, so it takes a while.
const RECORDS: u64 = 2_000;
/// Decided at least when it is killed.
const BEFORE: u64 = 40;

/// What a command says and its exit code; what it complains of counts as said.
async fn said(url: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
    let output = command.args(arguments).args(["--url", url, "--token", TOKEN]).output().await.unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

async fn json_of(url: &str, arguments: &[&str]) -> Value {
    let (_, text) = said(url, arguments).await;
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?}: {text}"))
}

async fn page(http: &reqwest::Client, url: &str) -> String {
    let request = http.get(url).header("accept", "text/html").bearer_auth(TOKEN);
    request.send().await.unwrap().text().await.unwrap()
}

async fn get(http: &reqwest::Client, url: &str) -> Value {
    let answer = http.get(url).bearer_auth(TOKEN).send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn post(http: &reqwest::Client, url: &str, body: Value) -> (u16, Value) {
    let answer = http.post(url).bearer_auth(TOKEN).json(&body).send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

/// Fills a store with records that an operator holds, so that nothing else happens to them.
async fn fill(path: &Path) {
    let store = store::open(path, &SystemClock).unwrap();
    let now = SystemClock.now();
    // Side by side, so that many are synced together.
    let mut held = tokio::task::JoinSet::new();
    for id in 1..=RECORDS {
        let store = Arc::clone(&store);
        held.spawn(async move {
            let key = format!("acme/invoice/{id}").parse().unwrap();
            store.accept(&key, Trigger::Operator { name: "tester".to_owned() }, now).await.unwrap();
            let actor = Actor { by: "tester".to_owned(), note: "".into(), bulk: None };
            store.resolve(&key, Decision::Hold, actor, now).await.unwrap();
        });
    }
    held.join_all().await;
    store.close().await;
}

/// An owner for everything that has none.
async fn assigned(http: &reqwest::Client, service: &Service) -> Value {
    let plan = json!({ "action": "assign", "because": { "owner": "Ann", "note": "as agreed" },
        "filter": { "state": "held", "owner": "nobody" } });
    let (status, planned) = post(http, &format!("{}/api/v1/bulk", service.url), plan).await;
    assert_eq!(status, 201, "{planned}");
    planned
}

async fn owned(http: &reqwest::Client, service: &Service) -> u64 {
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let list = format!("{}/api/v1/records?owner=Ann&limit=500{cursor}", service.url);
        let page = get(http, &list).await;
        count += u64::try_from(page["records"].as_array().unwrap().len()).unwrap();
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return count,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_a_kill_cut_off_says_how_far_it_came_and_what_to_do() {
    let world = Traced::with("requests_per_minute = 100000").await;
    fill(&world.path("store")).await;
    let service = world.start(&[]).await;
    let planned = assigned(&world.http, &service).await;
    assert_eq!(planned["records"], RECORDS);
    let id = planned["id"].as_str().unwrap();
    let (status, _) = post(&world.http, &format!("{}/api/v1/bulk/{id}/run", service.url), json!({})).await;
    assert_eq!(status, 202);
    let before = loop {
        let bulk = get(&world.http, &format!("{}/api/v1/bulk/{id}", service.url)).await;
        assert_eq!(bulk["state"], "running", "it was over before it could be killed");
        if bulk["done"].as_u64().unwrap() >= BEFORE {
            break bulk["done"].as_u64().unwrap();
        }
    };
    service.kill().await;

    let service = world.start(&[]).await;
    let bulk = get(&world.http, &format!("{}/api/v1/bulk/{id}", service.url)).await;
    let done = bulk["done"].as_u64().unwrap();
    println!("killed after {before} of {RECORDS} were told of; {done} have their decision");
    assert!((before..RECORDS).contains(&done), "{bulk}");
    assert_eq!(done, owned(&world.http, &service).await, "what the records themselves say");
    assert_eq!((&bulk["state"], &bulk["ended"], &bulk["refused"]), (&json!("interrupted"), &Value::Null, &json!(0)));
    for field in ["id", "by", "action", "note", "filter", "planned", "records", "complete"] {
        assert_eq!(bulk[field], planned[field], "{field}");
    }
    let cure = bulk["failed"].as_str().unwrap().to_owned();
    let count = format!("{done} of {RECORDS} records have a decision by it");
    assert!(cure.contains(&count) && cure.contains("Plan it again"), "{cure}");

    // All say the same.
    assert_eq!(get(&world.http, &format!("{}/api/v1/bulk", service.url)).await, json!([bulk]));
    assert_eq!(json_of(&service.url, &["bulk", "show", id, "--json"]).await, bulk);
    assert_eq!(json_of(&service.url, &["bulk", "list", "--json"]).await, json!([bulk]));
    let (code, text) = said(&service.url, &["bulk", "show", id]).await;
    assert!(code == Some(1) && text.contains(&cure) && text.contains("interrupted"), "{code:?} {text}");
    // A watch of what nobody works on any more ends.
    let (code, text) = said(&service.url, &["bulk", "show", id, "--watch", "1"]).await;
    assert!(code == Some(1) && text.contains(&cure), "{code:?} {text}");
    let (code, text) = said(&service.url, &["bulk", "list"]).await;
    assert!(code == Some(0) && text.contains("interrupted") && text.contains(&format!("{done}        0")), "{text}");
    let shown = page(&world.http, &format!("{}/status/bulk/{id}", service.url)).await;
    assert!(shown.contains(&cure) && shown.contains("interrupted"), "{shown}");
    let listed = page(&world.http, &format!("{}/status/bulk", service.url)).await;
    assert!(listed.contains("interrupted") && listed.contains(&format!("{done} of {RECORDS}")), "{listed}");

    // It is not run on; planned again it finds the rest.
    for action in ["run", "cancel"] {
        let url = format!("{}/api/v1/bulk/{id}/{action}", service.url);
        let (status, answer) = post(&world.http, &url, json!({})).await;
        assert!(status == 409 && answer["detail"].as_str().unwrap().contains("plan it anew"), "{answer}");
    }
    let again = assigned(&world.http, &service).await;
    assert_eq!(again["records"], RECORDS - done);
    let (code, text) = said(&service.url, &["bulk", "run", again["id"].as_str().unwrap()]).await;
    assert!(code == Some(0) && text.contains(&format!("{rest}     {rest}        0", rest = RECORDS - done)), "{text}");
    assert_eq!(owned(&world.http, &service).await, RECORDS);
    assert_eq!(service.terminate().await, Some(0));
    // After an ordinary stop, too.
    let service = world.start(&[]).await;
    let listed = get(&world.http, &format!("{}/api/v1/bulk", service.url)).await;
    assert_eq!((&listed[0]["state"], &listed[1]), (&json!("done"), &bulk));
    service.kill().await;
}

#[tokio::test]
async fn how_a_run_ended_is_the_same_after_a_restart() {
    let mut world = World::new().await;
    let mut line = labour("1", "100");
    "999".clone_into(&mut line.account);
    for number in ["1001", "1002"] {
        world.ready(world.invoice(number, vec![line.clone()]));
        world.settle().await;
    }
    let plan = async |world: &World, action: &str| {
        let body = json!({ "action": action, "because": { "note": "month end" }, "filter": { "state": "held" } });
        world.post("/api/v1/bulk", &body).await.1["id"].as_str().unwrap().to_owned()
    };
    let ended = async |world: &World, id: &str| {
        for _ in 0..1_000 {
            let bulk = world.get(&format!("/api/v1/bulk/{id}")).await;
            if bulk["ended"] != Value::Null {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not end");
    };
    // Refused with causes, done, cancelled; and a plan that nobody ran.
    for (action, cancelled) in [("release", false), ("retry", false), ("skip", true)] {
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        let id = plan(&world, action).await;
        if cancelled {
            world.post(&format!("/api/v1/bulk/{id}/cancel"), &json!({})).await;
        }
        assert_eq!(world.post(&format!("/api/v1/bulk/{id}/run"), &json!({})).await.0, 202);
        ended(&world, &id).await;
        world.settle().await;
    }
    world.clock.advance(jiff::SignedDuration::from_secs(1));
    plan(&world, "retry").await;
    let before = world.get("/api/v1/bulk").await;
    let ends: Vec<&str> = before.as_array().unwrap().iter().map(|bulk| bulk["state"].as_str().unwrap()).collect();
    assert_eq!(ends, ["planned", "cancelled", "done", "done"]);
    assert_eq!(before[3]["causes"].as_array().unwrap().len(), 2);
    world.restart().await;
    let after = world.get("/api/v1/bulk").await;
    assert_eq!(after.as_array().unwrap().as_slice(), &before.as_array().unwrap()[1..], "but for the plan");
    let planned = before[0]["id"].as_str().unwrap();
    let (status, answer) = world.post(&format!("/api/v1/bulk/{planned}/run"), &json!({})).await;
    assert!(status == 404 && answer["detail"].as_str().unwrap().contains("plan it anew"), "{answer}");
    let long = json!({ "action": "retry", "filter": { "q": "x".repeat(2_000) } });
    assert_eq!(world.post("/api/v1/bulk", &long).await.0, 400);
}

#[tokio::test]
async fn a_run_that_was_cut_off_before_or_behind_all_of_its_records_says_so() {
    let world = World::new().await;
    let (invoice, _) = world.closed("1001");
    world.connectwise.save_invoice(invoice);
    world.callbacks().await;
    let (store, now) = (&world.app.parts.store, world.clock_now());
    let begun = Begun {
        id: Uuid::from_u128(1),
        by: "tester".to_owned(),
        run_by: "tester".to_owned(),
        action: "hold".to_owned(),
        note: "".into(),
        filter: "state=queued".to_owned(),
        planned: now,
        records: 1,
        complete: true,
    };
    let says = async |part: &str| {
        let bulk = world.get(&format!("/api/v1/bulk/{}", Uuid::from_u128(1))).await;
        assert_eq!(bulk["state"], "interrupted");
        assert!(bulk["failed"].as_str().unwrap().contains(part), "{part}: {bulk}");
    };
    store.note(Event::BulkBegun { bulk: begun }, now).await.unwrap();
    says("0 of 1 records have a decision by it").await;
    let actor = Actor { by: "tester".to_owned(), note: "".into(), bulk: Some(Uuid::from_u128(1)) };
    store.resolve(&format!("acme/invoice/{invoice}").parse().unwrap(), Decision::Hold, actor, now).await.unwrap();
    says("all 1 records have a decision by it. Nothing is left to do").await;
}
