//! What stands: each kind of alert comes by its own cause, says what helps, and goes.

use jiff::SignedDuration;
use readypost::simulator::faults::{Canned, Fault, Rule};
use serde_json::{Value, json};

use crate::harness::{Differently, World, labour};
use crate::receivers::{Hook, Says};

/// The sentences of the alerts of a kind, by their subject.
async fn standing(world: &World, code: &str) -> Vec<(String, String)> {
    let shown = world.get("/status").await["alerts"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found = shown.as_array().unwrap().iter().filter(|alert| alert["code"] == code);
    let found: Vec<_> = found.map(|alert| (text(&alert["subject"]), text(&alert["sentence"]))).collect();
    // The metrics and the list of the API say the same.
    let metrics = world.http.get(format!("{}/metrics", world.url)).bearer_auth(crate::harness::TOKEN);
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    let gauge = format!("readypost_alerts{{code=\"{code}\"}} {}\n", found.len());
    assert!(metrics.contains(&gauge), "{gauge}{metrics}");
    let listed = world.get("/api/v1/alerts").await["standing"].clone();
    assert_eq!(listed.as_array().unwrap().iter().filter(|alert| alert["code"] == code).count(), found.len());
    found
}

/// The one alert of a kind stands for this and says that.
async fn stands(world: &World, code: &str, subject: &str, says: &[&str]) {
    let found = standing(world, code).await;
    assert_eq!(found.len(), 1, "{code}: {found:?}");
    assert_eq!(found[0].0, subject);
    for part in says {
        assert!(found[0].1.contains(part), "{part}: {}", found[0].1);
    }
}

async fn is_over(world: &World, code: &str) {
    assert_eq!(standing(world, code).await, []);
}

async fn post(world: &World, number: &str) -> i64 {
    let invoice = world.invoice(number, vec![labour("1", "100")]);
    world.ready(invoice);
    world.settle().await;
    invoice
}

#[tokio::test]
async fn a_refresh_token_that_nobody_uses_is_told_of_a_week_before_its_end() {
    let xero: fn(&mut readypost::simulator::xero::Settings) =
        |settings| settings.refresh_token = Some("first".to_owned());
    let mut world = World::with(Differently { xero, ..Differently::default() }).await;
    is_over(&world, "token").await;
    post(&world, "1001").await;
    world.clock.advance(SignedDuration::from_hours(24 * 53 - 1));
    is_over(&world, "token").await;
    world.restart().await;
    world.clock.advance(SignedDuration::from_hours(1));
    // Two months on, less a second for each call on the way.
    stands(&world, "token", "acme-au", &["on 2027-01-29", "`readypost reconcile acme-au 2027-01`"]).await;
    world.clock.advance(SignedDuration::from_hours(24 * 7));
    stands(
        &world,
        "token",
        "acme-au",
        &["Xero forgot the refresh token", "`readypost xero connect --company acme-au`"],
    )
    .await;
    // Any call renews it, as long as Xero knows it: the simulator does.
    assert_eq!(world.state(post(&world, "1002").await).await, "done");
    is_over(&world, "token").await;
    // An app without refresh tokens has nothing that ends, whatever it had before.
    world.clock.advance(SignedDuration::from_hours(24 * 58));
    stands(&world, "token", "acme-au", &[]).await;
    let text = world.configuration();
    let without: Vec<&str> = text.lines().filter(|line| !line.contains("refresh_token")).collect();
    assert_eq!(world.reload(&without.join("\n")).await.0, 200);
    is_over(&world, "token").await;
}

#[tokio::test]
async fn few_calls_of_the_day_are_told_of_before_the_company_rests() {
    let world = World::new().await;
    post(&world, "1001").await;
    for (left, is_few) in [(1_001, false), (999, true)] {
        world.xero.set_day_remaining(left);
        post(&world, &format!("of {left}")).await;
        assert_eq!(standing(&world, "budget").await.len(), usize::from(is_few), "{left}");
    }
    stands(&world, "budget", "acme-au", &["998 are left today, of 4", "At 49", "`sweep_minutes`"]).await;
    is_over(&world, "resting").await;
    world.xero.exhaust_day();
    post(&world, "1002").await;
    stands(&world, "resting", "acme-au", &["Nothing can be posted to acme-au", "its records wait"]).await;
    world.pass(SignedDuration::from_hours(26)).await;
    is_over(&world, "resting").await;
    is_over(&world, "budget").await;
}

#[tokio::test]
async fn a_miss_is_told_of_by_its_key_until_the_next_day_is_over() {
    let world = World::new().await;
    let (invoice, _lost) = world.closed("1001");
    world.clock.advance(SignedDuration::from_mins(15));
    is_over(&world, "missed").await;
    readypost::pipeline::sweep(&world.app.parts).await.unwrap();
    let key = format!("such as acme/invoice/{invoice}.");
    stands(&world, "missed", "acme", &["found 1 that no callback", &key, "`readypost callbacks check`"]).await;
    let connection = world.get("/status").await["alerts"][0]["connection"].clone();
    assert_eq!(connection, "acme");
    world.clock.advance(SignedDuration::from_hours(38));
    stands(&world, "missed", "acme", &["on 2026-11-30"]).await;
    world.clock.advance(SignedDuration::from_hours(2));
    is_over(&world, "missed").await;
}

#[tokio::test]
async fn an_index_that_was_moved_aside_and_a_restored_backup_are_told_of() {
    let mut world = World::new().await;
    let invoice = post(&world, "1001").await;
    is_over(&world, "store").await;
    // The store notes so that its index failed while it was in use.
    std::fs::write(world.folder().join("index-broken"), "").unwrap();
    world.restart().await;
    assert_eq!(world.state(invoice).await, "done");
    stands(&world, "store", "index", &["nothing is lost", "index.broken-1"]).await;
    world.restart().await;
    stands(&world, "store", "index", &[]).await;
    std::fs::remove_dir_all(world.folder().join("index.broken-1")).unwrap();
    is_over(&world, "store").await;
    let backup = world.backup();
    std::fs::write(backup.path().join("restored"), "").unwrap();
    world.restore(&backup).await;
    stands(&world, "store", "history", &["restored backup", "looked for in Xero", "`readypost history verify`"]).await;
    world.clock.advance(SignedDuration::from_hours(24 * 7));
    is_over(&world, "store").await;
}

#[tokio::test]
async fn held_records_are_told_of_by_reason_and_named_only_where_that_is_wanted() {
    let (plain, detailed) = (Hook::start().await, Hook::start().await);
    let world = World::new().await;
    let channel = |name: &str, hook: &Hook, more: &str| {
        format!("\n[[alert]]\nname = {name:?}\nchannel = \"slack\"\nurl = \"{}/x\"\n{more}\n", hook.address)
    };
    let channels = [channel("plain", &plain, ""), channel("detailed", &detailed, "details = true")].concat();
    assert_eq!(world.reload(&(world.configuration() + &channels)).await.0, 200);
    for number in ["INV-71", "INV-72"] {
        let mut line = labour("1", "100");
        "999".clone_into(&mut line.account);
        world.ready(world.invoice(number, vec![line]));
        world.settle().await;
    }
    let says =
        ["2 records are held as `unknown_account`. Add the account in Xero", "records list --reason unknown_account`"];
    stands(&world, "held", "unknown_account", &says).await;
    world.app.alerter().look().await;
    let text = |hook: &Hook| hook.got()[0].json()["text"].as_str().unwrap().to_owned();
    for named in ["INV-71", "INV-72", "Blue Gum Dental"] {
        assert!(text(&detailed).contains(named), "{}", text(&detailed));
        assert!(!text(&plain).contains(named), "{}", text(&plain));
    }
    assert!(text(&plain).contains("2 records are held"), "{}", text(&plain));
}

#[tokio::test]
async fn a_channel_that_is_told_again_stands_no_more_and_the_sweep_has_its_alert() {
    let hook = Hook::start().await;
    let world = World::new().await;
    let channel = format!("\n[[alert]]\nname = \"one\"\nchannel = \"teams\"\nurl = \"{}/x\"\n", hook.address);
    assert_eq!(world.reload(&(world.configuration() + &channel)).await.0, 200);
    let denied = Fault::Answer(Canned::new(403, r#"{"code":"Security","message":"no right"}"#));
    world.connectwise.server.faults.add(Rule::every("/unpostedprocurement", denied));
    let _ = readypost::pipeline::sweep(&world.app.parts).await;
    stands(&world, "sweep", "acme", &["could not compare everything"]).await;
    hook.says([Says::Status(404, "gone")]);
    world.app.alerter().look().await;
    stands(&world, "delivery", "one", &["teams refused: HTTP 404 gone", "`readypost alerts test --channel one`"]).await;
    assert_eq!(hook.take().len(), 1, "what is refused is not tried again at once");
    hook.says([Says::Status(202, "")]);
    world.clock.advance(SignedDuration::from_mins(1));
    world.app.alerter().look().await;
    assert_eq!(hook.take().len(), 1);
    is_over(&world, "delivery").await;
    world.connectwise.server.faults.clear();
    readypost::pipeline::sweep(&world.app.parts).await.unwrap();
    is_over(&world, "sweep").await;
    assert_eq!(world.get("/api/v1/alerts").await["channels"][0]["kinds"], json!([]));
}
