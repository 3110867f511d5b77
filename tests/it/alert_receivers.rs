//! What stands comes out at a real receiver, each kind by its own cause, and so does its end.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::{Differently, World, labour};
use crate::receivers::Hook;

/// A service whose only channel is this receiver.
async fn told_by(differently: Differently) -> (World, Hook) {
    let (world, hook) = (World::with(differently).await, Hook::start().await);
    tell(&world, &hook).await;
    (world, hook)
}

/// Takes in the receiver as a channel.
async fn tell(world: &World, hook: &Hook) {
    let channel = format!(
        "\n[[alert]]\nname = \"desk\"\nchannel = \"webhook\"\nurl = \"{}/in\"\nsecret = {:?}\ndigest_minutes = 0\n",
        hook.address,
        crate::alerts::secret()
    );
    assert_eq!(world.reload(&(world.configuration() + &channel)).await.0, 200);
}

/// What came since this was asked the last time: what is new with its sentence, and what is over.
async fn heard(world: &World, hook: &Hook) -> (Vec<(String, String)>, Vec<String>) {
    world.app.alerter().look().await;
    let (mut new, mut over) = (Vec::new(), Vec::new());
    for got in hook.take() {
        let data = got.json()["data"].clone();
        let name =
            |alert: &Value| format!("{}/{}", alert["kind"].as_str().unwrap(), alert["subject"].as_str().unwrap());
        let sentence = |alert: &Value| alert["sentence"].as_str().unwrap().to_owned();
        new.extend(data["new"].as_array().unwrap().iter().map(|alert| (name(alert), sentence(alert))));
        over.extend(data["over"].as_array().unwrap().iter().map(name));
    }
    (new, over)
}

/// One alert comes, and says this; nothing else does.
async fn comes(world: &World, hook: &Hook, name: &str, says: &str) {
    let (new, over) = heard(world, hook).await;
    assert!(new.len() == 1 && new[0].0 == name && new[0].1.contains(says), "{name}, {says}: {new:?}");
    assert_eq!(over, [""; 0], "{name}");
}

/// The alert is over, and nothing new comes.
async fn goes(world: &World, hook: &Hook, name: &str) {
    assert_eq!(heard(world, hook).await, (Vec::new(), vec![name.to_owned()]));
}

async fn quiet(world: &World, hook: &Hook) {
    assert_eq!(heard(world, hook).await, (Vec::new(), Vec::new()));
}

async fn post(world: &World, number: &str) {
    let invoice = world.invoice(number, vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    assert_eq!(world.state(invoice).await, "done");
}

#[tokio::test]
async fn that_nothing_comes_in_business_hours() {
    let (world, hook) = told_by(Differently::default()).await;
    // A Monday, 09:03 UTC; eight business hours without a callback are too many.
    world.clock.advance(SignedDuration::from_mins(7 * 60 + 50));
    quiet(&world, &hook).await;
    world.clock.advance(SignedDuration::from_mins(10));
    comes(&world, &hook, "silent/acme", "callback").await;
    post(&world, "1001").await;
    goes(&world, &hook, "silent/acme").await;
}

#[tokio::test]
async fn that_a_callback_is_switched_off_and_a_record_missed_by_it() {
    let server = "public_url = \"https://hooks.example.com\"\ncallbacks = \"report\"\n";
    let (world, hook) = told_by(Differently { server, ..Differently::default() }).await;
    let url = "https://hooks.example.com/callbacks/acme?recordId=";
    for kind in ["invoice", "purchaseorder", "expense"] {
        world.connectwise.register_callback(url, kind, "owner", 1).unwrap();
    }
    let sweep = async || readypost::pipeline::sweep(&world.app.parts).await.unwrap();
    sweep().await;
    quiet(&world, &hook).await;
    let off = |inactive: bool| json!([{ "op": "replace", "path": "inactiveFlag", "value": inactive }]);
    let is_ours = |row: &&Value| row["type"] == "invoice" && row["url"] == url;
    let id = world.connectwise.callbacks().iter().find(is_ours).unwrap()["id"].clone();
    let set = async |inactive: bool| {
        let address = format!("{}/system/callbacks/{id}", world.connectwise.api_url());
        let request = world.http.patch(address).basic_auth("acme+public-key", Some("private-key"));
        let request = request.header("clientId", "3f1d4b7e-6a55-4c0c-9d0b-0c8f3a7d2e11").json(&off(inactive));
        assert!(request.send().await.unwrap().status().is_success());
    };
    set(true).await;
    sweep().await;
    comes(&world, &hook, "callbacks/acme", "switched off").await;
    // Nobody tells of what is closed meanwhile: the sweep does.
    let (invoice, _lost) = world.closed("1001");
    world.clock.advance(SignedDuration::from_mins(15));
    sweep().await;
    comes(&world, &hook, "missed/acme", &format!("acme/invoice/{invoice}")).await;
    set(false).await;
    sweep().await;
    goes(&world, &hook, "callbacks/acme").await;
    world.clock.set("2026-12-02T00:01:00Z".parse().unwrap());
    let (_, over) = heard(&world, &hook).await;
    assert_eq!(over, ["missed/acme"]);
}

#[tokio::test]
async fn that_a_token_comes_to_its_end() {
    let xero: fn(&mut readypost::simulator::xero::Settings) =
        |settings| settings.refresh_token = Some("first".to_owned());
    let (world, hook) = told_by(Differently { xero, ..Differently::default() }).await;
    let silent = world.configuration().replace("client_id = \"3f1d", "silent_hours = 0\nclient_id = \"3f1d");
    assert_eq!(world.reload(&silent).await.0, 200);
    post(&world, "1001").await;
    world.clock.advance(SignedDuration::from_hours(24 * 53 - 1));
    quiet(&world, &hook).await;
    world.clock.advance(SignedDuration::from_hours(2));
    comes(&world, &hook, "token/acme-au", "Any call renews it").await;
    // That it is over is news of its own.
    world.clock.advance(SignedDuration::from_hours(24 * 7));
    comes(&world, &hook, "token/acme-au", "Xero forgot the refresh token").await;
    post(&world, "1002").await;
    goes(&world, &hook, "token/acme-au").await;
}

#[tokio::test]
async fn that_the_calls_of_the_day_run_out() {
    let (world, hook) = told_by(Differently::default()).await;
    post(&world, "1001").await;
    quiet(&world, &hook).await;
    world.xero.set_day_remaining(999);
    post(&world, "1002").await;
    comes(&world, &hook, "budget/acme-au", "are left today").await;
    world.xero.set_day_remaining(4_000);
    post(&world, "1003").await;
    goes(&world, &hook, "budget/acme-au").await;
}

#[tokio::test]
async fn that_an_operator_paused_a_company() {
    let (world, hook) = told_by(Differently::default()).await;
    assert_eq!(world.post("/api/v1/companies/acme-au/pause", &json!({ "note": "audit" })).await.0, 200);
    comes(&world, &hook, "paused/acme-au", "tester paused all records of acme-au: audit").await;
    assert_eq!(world.post("/api/v1/companies/acme-au/resume", &json!({})).await.0, 200);
    goes(&world, &hook, "paused/acme-au").await;
}

#[tokio::test]
async fn that_an_index_was_moved_aside() {
    let (mut world, hook) = told_by(Differently::default()).await;
    post(&world, "1001").await;
    quiet(&world, &hook).await;
    // The store notes so that its index failed while it was in use.
    std::fs::write(world.folder().join("index-broken"), "").unwrap();
    world.restart().await;
    comes(&world, &hook, "store/index", "index.broken-1").await;
    world.restart().await;
    quiet(&world, &hook).await;
    std::fs::remove_dir_all(world.folder().join("index.broken-1")).unwrap();
    goes(&world, &hook, "store/index").await;
}
