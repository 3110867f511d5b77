//! Several companies on one ConnectWise: apart in everything, and each to be paused by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Method;
use jiff::SignedDuration;
use readypost::pipeline;
use readypost::simulator::connectwise::NewInvoice;
use readypost::simulator::faults::{Fault, Rule};
use readypost::simulator::xero;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{Differently, VIEWER, World, company_text, labour};

/// The location of records that the second company takes; those of the simulator's usual one are the first's.
pub(crate) const NZ: i64 = 22;

/// The second organisation.
pub(crate) async fn organisation(world: &World, adjust: impl FnOnce(&mut xero::Settings)) -> xero::Xero {
    let mut settings = xero::Settings::new(world.clock.clone());
    settings.minute_limit = 10_000;
    adjust(&mut settings);
    let nz = xero::Xero::start(settings).await.unwrap();
    nz.add_contact(xero::NewContact { name: "Blue Gum Dental".to_owned(), ..xero::NewContact::default() });
    nz
}

/// A world with a second company, taken in without a restart.
async fn two() -> (World, xero::Xero) {
    two_with(Differently::default(), |_| {}).await
}

async fn two_with(differently: Differently, adjust: fn(&mut xero::Settings)) -> (World, xero::Xero) {
    let world = World::with(differently).await;
    let nz = organisation(&world, adjust).await;
    let text = world.configuration() + &company_text("acme-nz", "acme", &format!("[{NZ}]"), &nz);
    let (status, answer) = world.reload(&text).await;
    assert_eq!((status, &answer["companies"][0]["change"]), (200, &json!("added")), "{answer}");
    world.clock.advance(SignedDuration::from_mins(3));
    (world, nz)
}

/// An open invoice of the second company's location.
pub(crate) fn nz_invoice(world: &World, number: &str) -> i64 {
    let lines = vec![labour("1", "100")];
    world.invoice_like(NewInvoice { number: number.to_owned(), location_id: NZ, lines, ..NewInvoice::default() })
}

/// Open invoices of the first company, ready to post at once.
fn backlog(world: &World, prefix: &str, count: usize) -> Vec<i64> {
    let invoices: Vec<i64> =
        (0..count).map(|number| world.invoice(&format!("{prefix}{number}"), vec![labour("1", "100")])).collect();
    for invoice in &invoices {
        world.ready(*invoice);
    }
    invoices
}

pub(crate) fn numbers(xero: &xero::Xero) -> Vec<String> {
    let mut numbers: Vec<String> = xero.documents().into_iter().map(|document| document.number).collect();
    numbers.sort();
    numbers
}

/// What the API shows of a company.
async fn shown(world: &World, id: &str) -> Value {
    let all = world.get("/api/v1/companies").await;
    all.as_array().unwrap().iter().find(|company| company["id"] == id).unwrap().clone()
}

async fn act(world: &World, company: &str, action: &str, body: Value) -> (u16, Value) {
    world.post(&format!("/api/v1/companies/{company}/{action}"), &body).await
}

async fn metrics(world: &World) -> String {
    let answer = world.http.get(format!("{}/metrics", world.url)).bearer_auth(VIEWER).send().await.unwrap();
    answer.text().await.unwrap()
}

/// Reads of an invoice from ConnectWise.
fn reads(world: &World, invoice: i64) -> usize {
    let path = format!("/finance/invoices/{invoice}");
    world.connectwise.server.requests().iter().filter(|request| request.uri.path().ends_with(&path)).count()
}

#[tokio::test]
async fn records_go_to_the_company_of_their_location() {
    let (world, nz) = two().await;
    let (ours, theirs) = (world.invoice("A1", vec![labour("1", "100")]), nz_invoice(&world, "N1"));
    world.ready(ours);
    world.ready(theirs);
    world.settle().await;
    assert_eq!((world.state(ours).await, world.state(theirs).await), ("done".to_owned(), "done".to_owned()));
    assert_eq!((numbers(&world.xero), numbers(&nz)), (vec!["A1".to_owned()], vec!["N1".to_owned()]));
    for (id, locations) in [("acme-au", json!([])), ("acme-nz", json!([NZ]))] {
        let company = shown(&world, id).await;
        assert_eq!((&company["records"]["done"], &company["locations"]), (&json!(1), &locations), "{company}");
        assert!(company["calls_last_minute"].as_u64().unwrap() > 5, "its own budget: {company}");
    }
    // No company takes all any more, and a third location is nobody's.
    let text = world.configuration().replace("id = \"acme-au\"", "id = \"acme-au\"\nlocations = [11]");
    assert_eq!(world.reload(&text).await.0, 200);
    let lost = NewInvoice {
        number: "L1".to_owned(),
        location_id: 33,
        lines: vec![labour("1", "100")],
        ..NewInvoice::default()
    };
    let lost = world.invoice_like(lost);
    world.ready(lost);
    world.settle().await;
    assert_eq!(world.state(lost).await, "held no_company");
}

#[tokio::test]
async fn a_paused_company_keeps_its_records_and_costs_no_call_until_it_is_resumed() {
    let (mut world, nz) = two().await;
    let first = nz_invoice(&world, "N1");
    world.ready(first);
    world.settle().await;
    let body = json!({ "kind": "invoice", "note": "the auditors are here" });
    let (status, company) = act(&world, "acme-nz", "pause", body).await;
    assert_eq!(status, 200);
    assert_eq!((&company["paused"][0]["kind"], &company["paused"][0]["by"]), (&json!("invoice"), &json!("tester")));
    world.restart().await;
    let (ours, theirs) = (world.invoice("A1", vec![labour("1", "100")]), nz_invoice(&world, "N2"));
    world.ready(ours);
    world.ready(theirs);
    let calls = nz.calls();
    world.settle().await;
    world.pass(SignedDuration::from_hours(5)).await;
    assert_eq!((world.state(ours).await.as_str(), nz.calls()), ("done", calls), "the other company goes on");
    // It was read once, to know whose it is.
    assert_eq!(reads(&world, theirs), 1);
    let entries = world.app.parts.store.overview().entries;
    world.pass(SignedDuration::from_hours(50)).await;
    assert_eq!((reads(&world, theirs), world.app.parts.store.overview().entries), (1, entries), "waiting is free");
    let record = world.get(&format!("/api/v1/records/acme/invoice/{theirs}")).await;
    let cause = record["record"]["waiting"]["cause"].as_str().unwrap().to_owned();
    assert_eq!(cause, "tester paused invoices of acme-nz: the auditors are here");
    assert_eq!(record["record"]["company"], "acme-nz");
    let page = world.http.get(format!("{}/status", world.url)).bearer_auth(VIEWER).header("accept", "text/html");
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("the auditors are here"), "{page}");
    let text = metrics(&world).await;
    for line in [
        "readypost_company_paused{company=\"acme-nz\",kind=\"invoice\"} 1",
        "readypost_company_paused{company=\"acme-nz\",kind=\"all\"} 0",
        "readypost_company_paused{company=\"acme-au\",kind=\"invoice\"} 0",
        "readypost_company_resting{company=\"acme-nz\"} 0",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let ready = world.get("/readyz").await;
    assert_eq!((&ready["ready"], &ready["paused"][0]["company"]), (&json!(true), &json!("acme-nz")));
    assert_eq!(act(&world, "acme-nz", "resume", json!({ "note": "they left" })).await.0, 200);
    world.settle().await;
    assert_eq!((world.state(theirs).await.as_str(), numbers(&nz).len()), ("done", 2));
    assert_eq!(shown(&world, "acme-nz").await["paused"], json!([]));
}

#[tokio::test]
async fn only_an_operator_pauses_and_only_what_is_there() {
    let (world, _nz) = two().await;
    let rows = [
        ("acme-nz", "resume", json!({}), 409),
        ("acme-xx", "pause", json!({}), 404),
        ("acme-nz", "stop", json!({}), 404),
        ("acme-nz", "pause", json!({ "kind": "ticket" }), 400),
        ("acme-nz", "pause", json!({ "why": "unknown field" }), 400),
        ("acme-nz", "pause", json!({ "note": "all" }), 200),
        ("acme-nz", "pause", json!({}), 409),
        ("acme-nz", "pause", json!({ "kind": "invoice" }), 200),
        ("acme-nz", "resume", json!({ "kind": "invoice" }), 200),
        // All of it is still paused.
        ("acme-nz", "resume", json!({ "kind": "invoice" }), 409),
        ("acme-nz", "resume", json!({}), 200),
    ];
    for (company, action, body, status) in rows {
        let said = body.to_string();
        assert_eq!(act(&world, company, action, body).await.0, status, "{company} {action} {said}");
    }
    for (path, status) in [("companies/acme-au/pause", 403), ("reload", 403)] {
        let request = world.http.post(format!("{}/api/v1/{path}", world.url)).bearer_auth(VIEWER).json(&json!({}));
        assert_eq!(request.send().await.unwrap().status(), status, "{path}");
    }
    assert_eq!(shown(&world, "acme-au").await["paused"], json!([]));
}

#[tokio::test]
async fn a_pause_is_not_ended_by_a_step_that_was_under_way() {
    let (world, nz) = two().await;
    let world = Arc::new(world);
    let first = nz_invoice(&world, "N1");
    world.ready(first);
    world.settle().await;
    let second = nz_invoice(&world, "N2");
    world.ready(second);
    world.callbacks().await;
    nz.server.faults.add(Rule::next(Method::PUT, "/Invoices", Fault::Delay(Duration::from_millis(400))));
    let puts = || nz.server.requests().iter().filter(|request| request.method == Method::PUT).count();
    let before = puts();
    let step = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { pipeline::turn(&world.app.parts).await })
    };
    while puts() == before {
        tokio::task::yield_now().await;
    }
    assert_eq!(act(&world, "acme-nz", "pause", json!({})).await.0, 200);
    step.await.unwrap().unwrap();
    assert_eq!(numbers(&nz), ["N1", "N2"], "the step that was begun came to its end");
    world.settle().await;
    assert_eq!(shown(&world, "acme-nz").await["paused"].as_array().unwrap().len(), 1);
    assert_eq!(world.state(second).await, "queued", "the mark waits for the operator");
    assert_eq!(act(&world, "acme-nz", "resume", json!({})).await.0, 200);
    world.settle().await;
    assert_eq!(world.state(second).await, "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_outage_of_one_company_leaves_the_other_at_full_speed() {
    let (world, nz) = two().await;
    // It takes the connection and says nothing: each call holds its step until the time-out.
    nz.server.faults.add(Rule::every("/", Fault::Delay(Duration::from_secs(50))));
    let theirs: Vec<i64> = (0..40).map(|number| nz_invoice(&world, &format!("N{number}"))).collect();
    for invoice in &theirs {
        world.ready(*invoice);
    }
    world.callbacks().await;
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(pipeline::run(Arc::clone(&world.app.parts), shutdown.clone()));
    let begun = Instant::now();
    let store = &world.app.parts.store;
    // All forty have been read, and those that found no place wait in their company's lane.
    while store.overview().leased != 8 || reads(&world, theirs[39]) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", store.overview());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ours = backlog(&world, "A", 30);
    let begun = Instant::now();
    world.callbacks().await;
    for invoice in &ours {
        while world.state(*invoice).await != "done" {
            assert!(begun.elapsed() < Duration::from_secs(30), "{}", world.state(*invoice).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    println!("30 invoices of the other company in {:?}", begun.elapsed());
    assert!(nz.documents().is_empty());
    assert_eq!(store.overview().leased, 8, "the steps of the company in the outage still hang");
    assert!(theirs.iter().all(|invoice| reads(&world, *invoice) == 1), "nothing is read again and again");
    running.abort();
    shutdown.cancel();
}

#[tokio::test]
async fn a_backlog_above_the_minute_limit_is_read_only_when_there_is_room() {
    let few = Differently { xero: |settings| settings.minute_limit = 12, ..Differently::default() };
    let world = World::with(few).await;
    let invoices = backlog(&world, "B", 40);
    let mut minutes = 0;
    loop {
        world.settle().await;
        let mut waiting = 0;
        for invoice in &invoices {
            if world.documents(&format!("B{}", invoice - invoices[0])).is_empty() {
                waiting += 1;
                // The minute may end within the step that first reads the settings of the organisation.
                assert!(minutes == 0 || reads(&world, *invoice) <= 1, "{}", reads(&world, *invoice));
            } else {
                assert_eq!(world.state(*invoice).await, "done", "marking needs no call to Xero");
            }
        }
        let read = invoices.iter().filter(|invoice| reads(&world, **invoice) > 0).count();
        assert!(read <= invoices.len() - waiting + 1, "minute {minutes}: {read} read, {waiting} waiting");
        if waiting == 0 {
            break;
        }
        let record = world.get(&format!("/api/v1/records/acme/invoice/{}", invoices[39])).await;
        assert_eq!(record["record"]["waiting"]["cause"], "the calls of this minute are used", "{record}");
        minutes += 1;
        assert!(minutes < 8, "{waiting} wait");
        world.clock.advance(SignedDuration::from_secs(61));
    }
    assert!(minutes >= 3);
}
