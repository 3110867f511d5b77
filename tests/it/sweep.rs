//! What no callback told of is found by the lists of unposted records, counted, and posted once; and callbacks that do
//! not come any more are mended.

use axum::http::Method;
use jiff::SignedDuration;
use readypost::domain::delivery::Record;
use readypost::simulator::connectwise::{DateStyle, Settings};
use readypost::simulator::faults::{Canned, Fault, Rule};
use serde_json::{Value, json};

use crate::harness::{Differently, VIEWER, World, labour};
use crate::month::{Month, RULES};

/// The steps of a month that have callbacks.
const CALLED: [usize; 4] = [0, 1, 2, 3];

async fn month(connectwise: fn(&mut Settings)) -> Month {
    Month::with(Differently { rules: RULES, connectwise, ..Differently::default() }).await
}

/// Sweeps, without working the queue.
async fn sweep(world: &World) {
    readypost::pipeline::sweep(&world.app.parts).await.unwrap();
}

async fn status(world: &World) -> Value {
    world.get("/status").await
}

/// The result of the last sweep.
async fn last(world: &World) -> Value {
    status(world).await["connections"][0]["last_sweep"].clone()
}

async fn known(world: &World, key: &str) -> Option<Record> {
    world.app.parts.store.record(&key.parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn what_no_callback_told_of_is_found_counted_and_posted_whatever_the_ids_mean() {
    let tenants: [fn(&mut Settings); 3] = [
        |_| {},
        |settings| {
            settings.billing_log_offset = 5_000;
            settings.expense_detail_offset = 7_000;
            settings.purchase_id_offset = 900;
        },
        |settings| {
            settings.date_style = DateStyle::DateOnly;
            settings.billing_log_offset = 1;
            settings.expense_detail_offset = 1;
        },
    ];
    for (number, tenant) in tenants.into_iter().enumerate() {
        let mut month = month(tenant).await;
        for step in CALLED {
            month.step(step);
        }
        let _ = month.world.connectwise.take_callbacks();
        // Callbacks may be under way.
        sweep(&month.world).await;
        assert_eq!(last(&month.world).await["found"], json!({}), "{number}");
        assert_eq!(month.status().await["records"]["queued"], 0);
        month.world.clock.advance(SignedDuration::from_mins(11));
        month.sweep().await;
        let result = last(&month.world).await;
        // Two sales, the order, and both entries.
        assert_eq!(result["found"], json!({"missed": 5}), "{number}: {result}");
        assert_eq!(
            result["listed"],
            json!({"invoice": 2, "purchase": 3, "expense": 2, "adjustment": 0, "transfer": 0}),
            "{number}"
        );
        assert!(month.unposted().is_empty(), "{number}: {:?} {}", month.unposted(), month.held().await);
        let view = &month.status().await["connections"][0];
        assert_eq!((&view["missed_in_7_days"], &view["missed_per_week"]), (&json!(5), &json!("5.0")));
        // Nothing is left, and nothing is found twice.
        month.world.clock.advance(SignedDuration::from_mins(15));
        month.sweep().await;
        let result = last(&month.world).await;
        assert_eq!((&result["found"], &result["listed"]["invoice"]), (&json!({}), &json!(0)), "{number}");
        // Invoices, purchases, expenses, adjustments, transfers, payments in ConnectWise; changed invoices in Xero.
        assert_eq!((&result["calls"], &result["xero_calls"]), (&json!(6), &json!(1)), "{number}: {result}");
        // The count is durable, and forgotten after eight weeks.
        month.world.restart().await;
        assert_eq!(status(&month.world).await["connections"][0]["missed_in_7_days"], 5);
        month.world.clock.advance(SignedDuration::from_hours(24 * 10));
        let view = &status(&month.world).await["connections"][0];
        assert_eq!((&view["missed_in_7_days"], &view["missed_per_week"]), (&json!(0), &json!("3.1")));
    }
}

#[tokio::test]
async fn a_record_tells_that_the_sweep_found_it() {
    let world = World::new().await;
    let (invoice, _lost) = world.closed("1001");
    world.clock.advance(SignedDuration::from_mins(10));
    sweep(&world).await;
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
    let first = &shown["history"][0];
    assert_eq!(first["event"], "sweep");
    assert!(first["sentence"].as_str().unwrap().contains("no callback told of it"), "{first}");
    let metrics = world.http.get(format!("{}/metrics", world.url)).bearer_auth(VIEWER).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("readypost_sweep_missed_7_days{connection=\"acme\"} 1"), "{metrics}");
    assert!(metrics.contains("readypost_connection_silent{connection=\"acme\"} 0"), "{metrics}");
}

#[tokio::test]
async fn without_a_start_date_what_piled_up_long_ago_is_left_alone_and_counted() {
    let mut world = World::new().await;
    let (old, _lost) = world.closed("1001");
    world.clock.advance(SignedDuration::from_hours(24 * 10));
    let (recent, _lost) = world.closed("1002");
    world.clock.advance(SignedDuration::from_hours(24 * 30));
    world.lose_store().await;
    world.clock.advance(SignedDuration::from_mins(11));
    sweep(&world).await;
    world.settle().await;
    assert_eq!((world.knows(old).await, world.state(recent).await.as_str()), (false, "done"));
    let result = last(&world).await;
    assert_eq!((&result["found"], &result["older"]), (&json!({"before_store": 1}), &json!(1)), "{result}");
    assert_eq!(status(&world).await["connections"][0]["missed_in_7_days"], 0, "nobody could have been told");
    // With a start it is taken in.
    let text = world.configuration().replace("[company.rules]", "[company.rules]\nstart_date = \"2026-11-01\"");
    assert_eq!(world.reload(&text).await.0, 200);
    sweep(&world).await;
    world.settle().await;
    assert_eq!(world.state(old).await, "done");
}

#[tokio::test]
async fn an_invoice_whose_opening_was_told_and_whose_closing_was_not_is_missed_too() {
    let world = World::new().await;
    let invoice = world.invoice("1001", vec![labour("1", "100")]);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "skipped status_open");
    world.clock.advance(SignedDuration::from_mins(30));
    world.ready(invoice);
    let _ = world.connectwise.take_callbacks();
    sweep(&world).await;
    assert_eq!(world.state(invoice).await, "skipped status_open", "its callback may be under way");
    world.clock.advance(SignedDuration::from_mins(10));
    sweep(&world).await;
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
    assert_eq!(status(&world).await["connections"][0]["missed_in_7_days"], 1);
}

#[tokio::test]
async fn what_was_taken_out_of_its_batch_is_marked_again_and_not_posted_again() {
    let mut month = Month::new().await;
    for step in [0, 1, 2, 3] {
        month.step(step);
    }
    month.world.settle().await;
    let books = month.books();
    assert!(month.unposted().is_empty());
    for _ in 0..2 {
        let batches: Vec<i64> = month.world.connectwise.batches().iter().map(|batch| batch.id).collect();
        for batch in batches {
            let _ = month.world.connectwise.delete_batch(batch);
        }
        let _ = month.world.connectwise.take_callbacks();
        month.world.clock.advance(SignedDuration::from_mins(15));
        // Two sales, three purchases, the report of two entries.
        assert_eq!(month.unposted().len(), 7);
        month.sweep().await;
        assert_eq!(last(&month.world).await["found"], json!({"back": 6}), "{}", last(&month.world).await);
        assert!(month.unposted().is_empty(), "{:?} {}", month.unposted(), month.held().await);
        assert_eq!(month.books(), books);
    }
    assert_eq!(month.status().await["connections"][0]["missed_in_7_days"], 0, "they are no misses");
}

/// An invoice that is held because Xero lacks its account.
async fn held() -> (World, i64) {
    let world = World::new().await;
    let mut line = labour("1", "100");
    "999".clone_into(&mut line.account);
    let invoice = world.invoice("1001", vec![line]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held unknown_account");
    (world, invoice)
}

#[tokio::test]
async fn a_hold_is_looked_at_when_it_left_the_list_and_otherwise_left_alone() {
    let (world, invoice) = held().await;
    let history = async || {
        let shown = world.get(&format!("/api/v1/records/acme/invoice/{invoice}")).await;
        shown["history"].as_array().unwrap().len()
    };
    let before = history().await;
    for _ in 0..5 {
        world.clock.advance(SignedDuration::from_mins(15));
        sweep(&world).await;
        world.settle().await;
    }
    assert_eq!((world.state(invoice).await.as_str(), history().await), ("held unknown_account", before));
    // Somebody posts it by hand.
    world.connectwise.manual_batch(&[invoice], "M-1").unwrap();
    let _ = world.connectwise.take_callbacks();
    world.clock.advance(SignedDuration::from_mins(15));
    sweep(&world).await;
    world.settle().await;
    assert_eq!(world.state(invoice).await, "skipped batched_elsewhere");
    assert_eq!(last(&world).await["found"], json!({"gone": 1}));
    // And takes it out again.
    world.connectwise.unbatch(invoice).unwrap();
    let _ = world.connectwise.take_callbacks();
    world.clock.advance(SignedDuration::from_mins(15));
    sweep(&world).await;
    world.settle().await;
    assert_eq!(last(&world).await["found"], json!({"back": 1}));
    assert_eq!(world.state(invoice).await, "held unknown_account");
    // An operator's hold is an operator's.
    assert_eq!(world.decide(invoice, "hold", json!({"note": "audit"})).await, 200);
    world.connectwise.manual_batch(&[invoice], "M-2").unwrap();
    let _ = world.connectwise.take_callbacks();
    world.clock.advance(SignedDuration::from_mins(15));
    sweep(&world).await;
    assert_eq!(
        (world.state(invoice).await.as_str(), last(&world).await["found"].clone()),
        ("held operator", json!({}))
    );
}

#[tokio::test]
async fn a_hold_that_is_in_no_list_is_looked_at_once() {
    let world = World::new().await;
    let (invoice, delivery) = world.closed("1001");
    let canned = Canned::new(200, "[]");
    world.connectwise.server.faults.add(Rule::every("/unpostedinvoices", Fault::Answer(canned)));
    world.send(&delivery).await;
    world.settle().await;
    assert_eq!(world.state(invoice).await, "held not_unposted");
    let mut found = Vec::new();
    for _ in 0..4 {
        world.clock.advance(SignedDuration::from_mins(15));
        sweep(&world).await;
        world.settle().await;
        found.push(last(&world).await["found"].clone());
    }
    assert_eq!(found, [json!({"gone": 1}), json!({}), json!({}), json!({})]);
    world.connectwise.server.faults.clear();
    // Once it is listed it was closed for the service's purposes when its list was mended: a retry looks.
    assert_eq!(world.decide(invoice, "retry", json!({})).await, 200);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_hides_no_other_one_and_nothing_is_taken_for_gone() {
    let (world, invoice) = held().await;
    let (other, _lost) = world.closed("1002");
    let denied = Fault::Answer(Canned::new(403, r#"{"code":"Security","message":"no right"}"#));
    world.connectwise.server.faults.add(Rule::every("/unpostedprocurement", denied.clone()));
    world.clock.advance(SignedDuration::from_mins(15));
    assert!(readypost::pipeline::sweep(&world.app.parts).await.unwrap_err().contains("purchases"));
    world.settle().await;
    assert_eq!(world.state(other).await, "done");
    let shown = status(&world).await;
    let stands = |shown: &Value| shown["alerts"].as_array().unwrap().iter().any(|alert| alert["code"] == "sweep");
    assert!(stands(&shown), "{}", shown["alerts"]);
    // Rows that cannot be read: the others count, and a hold is not taken for gone.
    world.connectwise.server.faults.clear();
    let rows = Canned::new(200, r#"[{"id":1,"invoiceNumber":["?"],"total":"x"}]"#);
    world.connectwise.server.faults.add(Rule::every("/unpostedinvoices", Fault::Answer(rows)));
    world.clock.advance(SignedDuration::from_mins(15));
    assert!(readypost::pipeline::sweep(&world.app.parts).await.unwrap_err().contains("cannot be read"));
    assert_eq!(
        (world.state(invoice).await.as_str(), last(&world).await["found"].clone()),
        ("held unknown_account", json!({}))
    );
    world.connectwise.server.faults.clear();
    sweep(&world).await;
    assert!(!stands(&status(&world).await));
}

/// Waits for the sweep that was asked for.
async fn ended(world: &World) -> Value {
    for _ in 0..500 {
        let sweep = world.get("/api/v1/sweep").await;
        if !sweep["ended"].is_null() {
            return sweep;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the sweep does not end")
}

#[tokio::test]
async fn an_operator_asks_what_a_sweep_would_do_and_then_for_the_sweep() {
    let mut month = Month::new().await;
    CALLED.into_iter().chain([4]).for_each(|step| month.step(step));
    let _ = month.world.connectwise.take_callbacks();
    month.world.clock.advance(SignedDuration::from_mins(30));
    let world = &month.world;
    assert_eq!(world.get("/api/v1/sweep").await["status"], 404);
    let entries = world.app.parts.store.overview().entries;
    let viewer = world.http.post(format!("{}/api/v1/sweep", world.url)).bearer_auth(VIEWER).json(&json!({}));
    assert_eq!(viewer.send().await.unwrap().status(), 403);
    assert_eq!(world.post("/api/v1/sweep", &json!({"dry": true})).await.0, 400);
    let (code, begun) = world.post("/api/v1/sweep", &json!({"dry_run": true})).await;
    assert_eq!((code, &begun["by"], &begun["dry_run"]), (202, &json!("tester"), &json!(true)));
    let dry = ended(world).await;
    let report = &dry["reports"][0];
    assert_eq!(report["result"]["found"], json!({"missed": 5, "new": 1}), "{report}");
    let why: Vec<&str> = report["found"].as_array().unwrap().iter().map(|row| row["why"].as_str().unwrap()).collect();
    assert_eq!(why, ["missed", "missed", "missed", "missed", "missed", "new"]);
    assert_eq!(report["xero_calls_about"], 12);
    assert_eq!(world.app.parts.store.overview().entries, entries, "nothing was written");
    assert!(known(world, &format!("acme/purchase_order/{}", month.order)).await.is_none());
    // One at a time.
    let slow = Fault::Delay(std::time::Duration::from_millis(300));
    world.connectwise.server.faults.add(Rule::next(Method::GET, "/unpostedinvoices", slow));
    assert_eq!(world.post("/api/v1/sweep", &json!({})).await.0, 202);
    let (code, refused) = world.post("/api/v1/sweep", &json!({"dry_run": true})).await;
    assert_eq!(code, 409);
    assert!(refused["detail"].as_str().unwrap().contains("tester asked for"), "{refused}");
    let done = ended(world).await;
    assert_eq!(done["reports"][0]["result"]["found"], report["result"]["found"]);
    world.settle().await;
    assert!(month.unposted().is_empty(), "{}", month.held().await);
    assert_eq!(last(world).await["by"], "tester");
    let page = world.http.get(format!("{}/status", world.url)).header("accept", "text/html").bearer_auth(VIEWER);
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Missed in 7 days"), "{page}");
}

pub(crate) const PUBLIC: &str = "public_url = \"https://hooks.example.com\"\n";

/// The callbacks that lead to the public address: type, and whether they are off.
fn registered(world: &World) -> Vec<(String, bool)> {
    let ours = |row: &&Value| row["url"] == "https://hooks.example.com/callbacks/acme?recordId=";
    let pair = |row: &Value| (row["type"].as_str().unwrap().to_owned(), row["inactiveFlag"] == true);
    world.connectwise.callbacks().iter().filter(ours).map(pair).collect()
}

/// Changes a registration in ConnectWise, as a person does.
pub(crate) async fn by_hand(world: &World, method: Method, id: i64, body: Value) {
    let request = world.http.request(method, format!("{}/system/callbacks/{id}", world.connectwise.api_url()));
    let request = request.basic_auth("acme+public-key", Some("private-key"));
    let request = request.header("clientId", "3f1d4b7e-6a55-4c0c-9d0b-0c8f3a7d2e11").json(&body);
    let status = request.send().await.unwrap().status();
    assert!(status.is_success(), "{status}");
}

fn id_of(world: &World, kind: &str) -> i64 {
    let ours = |row: &&Value| row["type"] == kind && row["url"].as_str().unwrap().starts_with("https://hooks");
    world.connectwise.callbacks().iter().find(ours).unwrap()["id"].as_i64().unwrap()
}

/// Who had callbacks mended, as the journal says.
fn asked_for(world: &World) -> Vec<String> {
    let files = std::fs::read_dir(world.folder().join("journal")).unwrap();
    let text: String =
        files.map(|file| String::from_utf8_lossy(&std::fs::read(file.unwrap().path()).unwrap()).into_owned()).collect();
    let kept = text.split("\"callback_kept\"").skip(1).map(|rest| rest.split('}').next().unwrap());
    kept.filter_map(|event| Some(event.split("\"by\":\"").nth(1)?.split('"').next()?.to_owned())).collect()
}

pub(crate) fn off() -> Value {
    json!([{"op": "replace", "path": "inactiveFlag", "value": true}])
}

#[tokio::test]
async fn callbacks_that_are_missing_or_switched_off_are_mended_and_foreign_ones_left_alone() {
    let world = World::with(Differently { server: PUBLIC, ..Differently::default() }).await;
    let foreign = world.connectwise.callbacks();
    by_hand(&world, Method::PATCH, foreign[0]["id"].as_i64().unwrap(), off()).await;
    let foreign = world.connectwise.callbacks();
    sweep(&world).await;
    let all = ["invoice", "purchaseorder", "expense"].map(|kind| (kind.to_owned(), false));
    assert_eq!(registered(&world), all);
    assert_eq!(world.connectwise.callbacks()[..foreign.len()], foreign[..]);
    assert_eq!(last(&world).await["callbacks"].as_array().unwrap().len(), 3);
    sweep(&world).await;
    assert_eq!(
        (last(&world).await["callbacks"].clone(), last(&world).await["callbacks_good"].clone()),
        (Value::Null, json!(true))
    );
    // Switched off by ConnectWise, and deleted by somebody.
    by_hand(&world, Method::PATCH, id_of(&world, "invoice"), off()).await;
    by_hand(&world, Method::DELETE, id_of(&world, "expense"), json!({})).await;
    let (code, dry) = world.post("/api/v1/callbacks", &json!({"dry_run": true})).await;
    assert_eq!((code, dry[0]["wrong"].as_array().unwrap().len(), &dry[0]["done"]), (200, 2, &json!([])));
    assert_eq!(registered(&world)[0], ("invoice".to_owned(), true));
    sweep(&world).await;
    assert_eq!(registered(&world), all);
    // A version that cannot switch one on: it is registered anew.
    for fault in [Canned::new(404, r#"{"code":"ConnectWiseApi","message":"none"}"#), Canned::new(400, "{}")] {
        by_hand(&world, Method::PATCH, id_of(&world, "purchaseorder"), off()).await;
        world
            .connectwise
            .server
            .faults
            .add(Rule::next(Method::PATCH, "/system/callbacks", Fault::Answer(fault)).times(3));
        let (code, synced) = world.post("/api/v1/callbacks", &json!({})).await;
        assert_eq!((code, synced[0]["done"].as_array().unwrap().len()), (200, 1), "{synced}");
        world.connectwise.server.faults.clear();
        let mut kinds = registered(&world);
        kinds.sort();
        assert_eq!(kinds.len(), 3);
        assert!(kinds.iter().all(|(_, off)| !off), "{kinds:?}");
    }
    assert_eq!(asked_for(&world), ["tester", "tester"], "sweeps did the others");
}

#[tokio::test]
async fn callbacks_that_cannot_be_mended_are_shown_and_the_sweep_goes_on() {
    for (server, code) in [
        (PUBLIC, "callbacks"),
        ("public_url = \"https://hooks.example.com\"\ncallbacks = \"report\"\n", "callbacks"),
        ("public_url = \"https://hooks.example.com\"\ncallbacks = \"off\"\n", ""),
    ] {
        let world = World::with(Differently { server, ..Differently::default() }).await;
        let denied = || Fault::Answer(Canned::new(403, r#"{"code":"Security","message":"no right"}"#));
        world.connectwise.server.faults.add(Rule::next(Method::POST, "/system/callbacks", denied()).times(9));
        let (invoice, _lost) = world.closed("1001");
        world.clock.advance(SignedDuration::from_mins(15));
        sweep(&world).await;
        world.settle().await;
        assert_eq!(world.state(invoice).await, "done");
        let alerts = status(&world).await["alerts"].clone();
        let codes: Vec<&str> = alerts.as_array().unwrap().iter().map(|alert| alert["code"].as_str().unwrap()).collect();
        assert_eq!(codes, if code.is_empty() { vec!["missed"] } else { vec![code, "missed"] }, "{alerts}");
        assert_eq!(registered(&world), []);
        let ready: Value = {
            let answer = world.http.get(format!("{}/readyz", world.url)).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
        };
        // Without a token nobody reads what is in the books.
        let counts = if code.is_empty() { json!({ "missed": 1 }) } else { json!({ code: 1, "missed": 1 }) };
        assert_eq!(ready["alerts"], counts);
    }
}

#[tokio::test]
async fn silence_in_business_hours_is_an_alert_until_a_callback_comes() {
    let world = World::new().await;
    let silent =
        async || status(&world).await["alerts"].as_array().unwrap().iter().any(|alert| alert["code"] == "silent");
    // A Monday, 09:03 UTC.
    world.clock.advance(SignedDuration::from_mins(7 * 60 + 50));
    assert!(!silent().await);
    world.clock.advance(SignedDuration::from_mins(10));
    assert!(silent().await);
    let (_, delivery) = world.closed("1001");
    world.send(&delivery).await;
    assert!(!silent().await);
    // Until Tuesday at 15:00 there are less than eight hours, at 15:10 there are eight.
    world.clock.advance(SignedDuration::from_hours(14 + 7));
    assert!(!silent().await);
    world.clock.advance(SignedDuration::from_mins(65));
    assert!(silent().await);
    let text = world.configuration().replace("client_id = \"3f1d", "silent_hours = 0\nclient_id = \"3f1d");
    let (code, changes) = world.reload(&text).await;
    assert_eq!((code, &changes["connections"][0]["settings"]), (200, &json!(["silent_hours"])), "{changes}");
    assert!(!silent().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_running_service_finds_what_was_missed_by_itself_and_stops_cleanly() {
    let world = World::new().await;
    let (invoice, _lost) = world.closed("1001");
    world.clock.advance(SignedDuration::from_mins(11));
    let shutdown = tokio_util::sync::CancellationToken::new();
    let parts = std::sync::Arc::clone(&world.app.parts);
    let sweeping = tokio::spawn(readypost::pipeline::run_sweeps(parts.clone(), shutdown.clone()));
    let working = tokio::spawn(readypost::pipeline::run(parts, shutdown.clone()));
    let done = async |invoice: i64| {
        for _ in 0..3_000 {
            // Only then its step has made its last call.
            if world.knows(invoice).await && world.state(invoice).await == "done" {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        false
    };
    assert!(done(invoice).await, "at the start");
    let (other, _lost) = world.closed("1002");
    world.clock.advance(SignedDuration::from_mins(15));
    assert!(done(other).await, "at its interval");
    // A sweep under way does not keep the process from ending.
    let slow = Fault::Delay(std::time::Duration::from_secs(30));
    world.connectwise.server.faults.add(Rule::next(Method::GET, "/unpostedinvoices", slow));
    assert_eq!(world.post("/api/v1/sweep", &json!({})).await.0, 202);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let begun = std::time::Instant::now();
    shutdown.cancel();
    sweeping.await.unwrap();
    working.await.unwrap();
    assert!(begun.elapsed() < std::time::Duration::from_secs(4), "{:?}", begun.elapsed());
    world.settle().await;
}
