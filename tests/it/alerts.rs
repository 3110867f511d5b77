//! Channels of alerts are told what stands: at once, in the digest, within their budget, once, and each by itself.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::World;
use crate::receivers::{Certificate, Got, Hook, Manner, Says, Smtp};

/// 24 random bytes, and their text.
const KEY: [u8; 24] = *b"\xa1\x07never told to anyone\xff\x00";

pub(crate) fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(KEY))
}

/// A channel that is a signed webhook.
fn webhook(name: &str, hook: &Hook, more: &str) -> String {
    let url = format!("{}/in", hook.address);
    format!("\n[[alert]]\nname = {name:?}\nchannel = \"webhook\"\nurl = {url:?}\nsecret = {:?}\n{more}\n", secret())
}

/// A channel by e-mail.
fn email(name: &str, port: u16, more: &str) -> String {
    format!(
        "\n[[alert]]\nname = {name:?}\nchannel = \"email\"\nhost = \"localhost\"\nport = {port}\n\
         from = \"readypost <rp@example.com>\"\nto = [\"finance@example.com\", \"desk@example.com\"]\n{more}\n"
    )
}

/// Takes in these channels.
async fn with(channels: &str) -> World {
    let world = World::new().await;
    let (status, answer) = world.reload(&(world.configuration() + channels)).await;
    assert_eq!(status, 200, "{answer}");
    world
}

async fn pause(world: &World, kind: Option<&str>) {
    let (status, answer) =
        world.post("/api/v1/companies/acme-au/pause", &json!({ "kind": kind, "note": "audit" })).await;
    assert_eq!(status, 200, "{answer}");
}

async fn resume(world: &World) {
    assert_eq!(world.post("/api/v1/companies/acme-au/resume", &json!({})).await.0, 200);
}

async fn look(world: &World) {
    world.app.alerter().look().await;
}

/// What a webhook was told, as `+new -over =still`.
fn told(got: &[Got]) -> Vec<String> {
    let names = |value: &Value, sign: &str| -> Vec<String> {
        let all = value.as_array().unwrap().iter();
        all.map(|alert| format!("{sign}{}/{}", alert["kind"], alert["subject"]).replace('"', "")).collect()
    };
    let one = |got: &Got| {
        let data = &got.json()["data"];
        [names(&data["new"], "+"), names(&data["over"], "-"), names(&data["still"], "=")].concat().join(" ")
    };
    got.iter().map(one).collect()
}

/// Sees by another library than the service's that it is signed as Standard Webhooks says.
fn verify(got: &Got) {
    let (id, at) = (got.header("webhook-id"), got.header("webhook-timestamp"));
    let signature = STANDARD.decode(got.header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    let content = [format!("{id}.{at}.").as_bytes(), &got.body].concat();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &KEY);
    ring::hmac::verify(&key, &content, &signature).unwrap();
}

/// A metric's value, if it is there.
async fn sent(world: &World, channel: &str, outcome: &str) -> Option<u32> {
    let metrics = world.http.get(format!("{}/metrics", world.url)).bearer_auth(crate::harness::TOKEN);
    let metrics = metrics.send().await.unwrap().text().await.unwrap();
    let name = format!("readypost_alerts_sent_total{{channel=\"{channel}\",outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).map(|value| value.parse().unwrap())
}

#[tokio::test]
async fn every_sort_of_channel_is_told_at_once_then_in_the_digest_and_when_it_is_over() {
    let (slack, teams, signed) = (Hook::start().await, Hook::start().await, Hook::start().await);
    let mail = Smtp::start(Manner::Plain, None).await;
    let hook = |name: &str, hook: &Hook| {
        format!("\n[[alert]]\nname = {name:?}\nchannel = {name:?}\nurl = \"{}/services/T1/B2/x\"\n", hook.address)
    };
    let channels = [
        hook("slack", &slack),
        hook("teams", &teams),
        webhook("signed", &signed, ""),
        email("mail", mail.port, "security = \"none\""),
    ];
    let world = with(&channels.concat()).await;
    look(&world).await;
    assert!(signed.got().is_empty() && mail.mails().is_empty(), "nothing stands");
    pause(&world, None).await;
    look(&world).await;
    look(&world).await;
    assert_eq!(told(&signed.got()), ["+paused/acme-au"]);
    let (slack_got, teams_got) = (slack.take(), teams.take());
    assert_eq!((slack_got.len(), teams_got.len(), mail.mails().len()), (1, 1, 1));
    let text = slack_got[0].json()["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("*readypost: Paused by an operator: acme-au*\nNew:\n- Paused by an operator: acme-au"));
    assert!(text.contains("tester paused all records of acme-au: audit"), "{text}");
    let card = &teams_got[0].json();
    assert_eq!((&card["type"], card["attachments"].as_array().unwrap().len()), (&json!("message"), 1));
    let attachment = &card["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    let content = &attachment["content"];
    assert_eq!((&content["type"], &content["version"]), (&json!("AdaptiveCard"), &json!("1.4")));
    assert_eq!(content["body"][0]["text"], "readypost: Paused by an operator: acme-au");
    assert!(content["body"][1]["text"].as_str().unwrap().contains("tester paused all records of acme-au: audit"));
    verify(&signed.got()[0]);
    let letter = &mail.mails()[0];
    for line in [
        "From: readypost <rp@example.com>",
        "Subject: readypost: Paused by an operator: acme-au",
        "To: finance@example.com, desk@example.com",
        "Auto-Submitted: auto-generated",
        "tester paused all records",
    ] {
        assert!(letter.contains(line), "{line}: {letter}");
    }
    // More of the same kind waits for the digest, which also says what is over.
    pause(&world, Some("invoice")).await;
    look(&world).await;
    world.clock.advance(SignedDuration::from_mins(59));
    look(&world).await;
    assert_eq!(signed.got().len(), 1);
    world.clock.advance(SignedDuration::from_mins(1));
    look(&world).await;
    assert_eq!(told(&signed.got()[1..]), ["+paused/acme-au/invoice =paused/acme-au"]);
    resume(&world).await;
    look(&world).await;
    world.clock.advance(SignedDuration::from_mins(60));
    look(&world).await;
    assert_eq!(told(&signed.got()[2..]), ["-paused/acme-au -paused/acme-au/invoice"]);
    assert_eq!((slack.got().len(), teams.got().len(), mail.mails().len()), (2, 2, 3));
    for name in ["slack", "teams", "signed", "mail"] {
        assert_eq!((sent(&world, name, "sent").await, sent(&world, name, "failed").await), (Some(3), None), "{name}");
    }
}

#[tokio::test]
async fn a_webhook_that_fails_is_tried_again_under_the_same_id_and_is_an_alert_meanwhile() {
    let (hook, other) = (Hook::start().await, Hook::start().await);
    let world = with(&[webhook("flaky", &hook, ""), webhook("good", &other, "")].concat()).await;
    hook.says([Says::Status(500, "try later"), Says::Status(200, "thanks")]);
    pause(&world, None).await;
    look(&world).await;
    let tries = hook.take();
    assert_eq!(told(&tries), ["+paused/acme-au"; 2]);
    assert_eq!((tries[0].header("webhook-id"), &tries[0].body), (tries[1].header("webhook-id"), &tries[1].body));
    tries.iter().for_each(verify);
    assert_eq!(sent(&world, "flaky", "failed").await, None);
    // Three tries in a row fail: then it waits for minutes, and the others are told of it.
    hook.says([Says::Status(503, "down")]);
    world.clock.advance(SignedDuration::from_mins(60));
    pause(&world, Some("invoice")).await;
    look(&world).await;
    assert_eq!(hook.got().len(), 3);
    let shown = world.get("/status").await["alerts"].clone();
    let problem = shown.as_array().unwrap().iter().find(|alert| alert["code"] == "delivery").unwrap();
    assert_eq!(problem["subject"], "flaky");
    assert!(problem["sentence"].as_str().unwrap().contains("webhook asks to wait: HTTP 503 down"), "{problem}");
    other.take();
    look(&world).await;
    assert_eq!(hook.got().len(), 3, "its pause is not over");
    assert_eq!(told(&other.take()), ["+delivery/flaky =paused/acme-au =paused/acme-au/invoice"]);
    hook.says([Says::Status(200, "")]);
    world.clock.advance(SignedDuration::from_mins(1));
    look(&world).await;
    let tries = hook.take();
    let ids: std::collections::BTreeSet<&str> = tries.iter().map(|got| got.header("webhook-id")).collect();
    assert_eq!((tries.len(), ids.len()), (4, 1), "one message, whenever it is tried");
    assert_eq!((sent(&world, "flaky", "failed").await, sent(&world, "flaky", "sent").await), (Some(1), Some(2)));
    let listed = world.get("/api/v1/alerts").await;
    assert_eq!((&listed["channels"][0]["problem"], &listed["channels"][0]["messages"]), (&Value::Null, &json!(2)));
}

#[tokio::test]
async fn a_channel_that_asks_for_time_gets_it_and_one_that_fails_for_long_is_tried_rarely() {
    let hook = Hook::start().await;
    let world = with(&webhook("busy", &hook, "")).await;
    hook.says([Says::Busy("600")]);
    pause(&world, None).await;
    look(&world).await;
    assert_eq!(hook.take().len(), 1, "it is not asked again at once");
    world.clock.advance(SignedDuration::from_secs(599));
    look(&world).await;
    assert_eq!(hook.got().len(), 0);
    hook.says([Says::Status(410, "gone")]);
    let mut tries = Vec::new();
    for minute in 0..180 {
        world.clock.advance(SignedDuration::from_mins(1));
        look(&world).await;
        tries.extend(hook.take().iter().map(|_| minute));
    }
    assert_eq!(tries, [0, 2, 6, 14, 30, 60, 90, 120, 150]);
    // A clock that is set back does not lengthen it.
    world.clock.set(world.clock_now() - SignedDuration::from_hours(48));
    hook.says([Says::Status(200, "")]);
    look(&world).await;
    assert_eq!(told(&hook.got()), ["+paused/acme-au"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_that_hang_keep_no_other_one_waiting() {
    let (hook, other) = (Hook::start().await, Hook::start().await);
    let mail = Smtp::start(Manner::Hangs, None).await;
    hook.says([Says::Hangs]);
    let channels =
        [webhook("hangs", &hook, ""), email("silent", mail.port, "security = \"none\""), webhook("good", &other, "")];
    let world = with(&channels.concat()).await;
    pause(&world, None).await;
    let (began, alerter) = (Instant::now(), world.app.alerter());
    let looking = tokio::spawn(async move { alerter.look().await });
    while other.got().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(8), "it waits for the others");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // What comes meanwhile is told as well, and to nobody twice.
    world.clock.advance(SignedDuration::from_mins(60));
    pause(&world, Some("invoice")).await;
    look(&world).await;
    assert!(!looking.is_finished());
    assert_eq!(told(&other.got()), ["+paused/acme-au", "+paused/acme-au/invoice =paused/acme-au"]);
    looking.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    let shown = world.get("/api/v1/alerts").await;
    let problem = |number: usize| shown["channels"][number]["problem"].as_str().unwrap_or_default().to_owned();
    assert!(problem(0).contains("no answer within 25 s"), "{}", problem(0));
    assert!(!problem(1).is_empty() && problem(2).is_empty(), "{shown}");
}

#[tokio::test]
async fn a_server_whose_certificate_is_wrong_is_told_nothing() {
    // Nobody trusts who issued them; one is for another name besides.
    let (unknown, foreign) = (Certificate::of(&["localhost"]), Certificate::of(&["mail.example.com"]));
    let tls = Smtp::start(Manner::Tls, Some(&unknown)).await;
    let upgraded = Smtp::start(Manner::Starttls, Some(&foreign)).await;
    // Its STARTTLS was taken away on the way.
    let stripped = Smtp::start(Manner::Plain, None).await;
    let user = "user = \"planted-user\"\npassword = \"planted-password\"\n";
    let channels = [
        email("tls", tls.port, &format!("security = \"tls\"\n{user}")),
        email("starttls", upgraded.port, user),
        email("stripped", stripped.port, user),
        format!(
            "\n[[alert]]\nname = \"https\"\nchannel = \"slack\"\nurl = \"https://localhost:{}/services/x\"\n",
            tls.port
        ),
    ];
    let world = with(&channels.concat()).await;
    pause(&world, None).await;
    look(&world).await;
    let shown = world.get("/api/v1/alerts").await;
    let problems: Vec<&str> =
        shown["channels"].as_array().unwrap().iter().map(|channel| channel["problem"].as_str().unwrap()).collect();
    for (number, part) in [(0, "certificate"), (1, "certificate"), (2, "STARTTLS"), (3, "certificate")] {
        assert!(problems[number].contains(part), "{number}: {problems:?}");
    }
    for server in [&tls, &upgraded, &stripped] {
        assert_eq!(server.mails(), [""; 0]);
        let said = server.said();
        assert!(said.iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS" || line == "QUIT"), "{said:?}");
    }
}

#[tokio::test]
async fn a_flood_of_a_hundred_alerts_stays_within_the_budget_of_the_hour() {
    let hook = Hook::start().await;
    let world = with(&webhook("few", &hook, "digest_minutes = 0\nper_hour = 10")).await;
    for number in 0..100 {
        if number % 2 == 0 {
            pause(&world, None).await;
        } else {
            resume(&world).await;
        }
        world.clock.advance(SignedDuration::from_secs(35));
        look(&world).await;
    }
    assert_eq!(hook.got().len(), 10);
    pause(&world, Some("invoice")).await;
    world.clock.advance(SignedDuration::from_mins(3));
    look(&world).await;
    assert_eq!(told(&hook.got()[10..]), ["+paused/acme-au/invoice"], "the budget has a message again, and all is told");
}

#[tokio::test]
async fn a_restart_tells_nothing_twice_and_a_lost_file_everything_once_more() {
    let hook = Hook::start().await;
    let mut world = with(&webhook("signed", &hook, "")).await;
    pause(&world, None).await;
    look(&world).await;
    assert_eq!(told(&hook.take()), ["+paused/acme-au"]);
    let since = world.get("/api/v1/alerts").await["standing"][0]["since"].clone();
    world.restart().await;
    world.clock.advance(SignedDuration::from_mins(90));
    look(&world).await;
    assert_eq!(told(&hook.take()), [""; 0]);
    let shown = world.get("/api/v1/alerts").await;
    assert_eq!((&shown["standing"][0]["since"], &shown["channels"][0]["messages"]), (&since, &json!(1)));
    let file = world.folder().join("alerts.json");
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(!kept.contains(&secret()) && !kept.contains(&hook.address), "{kept}");
    for damage in ["", "{\"channels\": 7}"] {
        std::fs::write(&file, damage).unwrap();
        world.restart().await;
        look(&world).await;
        look(&world).await;
        assert_eq!(told(&hook.take()), ["+paused/acme-au"], "{damage:?}");
    }
    // It ends while nobody looks: that is told by whoever looks next.
    resume(&world).await;
    world.restart().await;
    look(&world).await;
    world.clock.advance(SignedDuration::from_mins(60));
    look(&world).await;
    assert_eq!(told(&hook.take()), ["-paused/acme-au"]);
}

#[tokio::test]
async fn a_reload_keeps_what_a_channel_knows_and_names_no_secret() {
    let hook = Hook::start().await;
    let world = with(&webhook("signed", &hook, "")).await;
    pause(&world, None).await;
    look(&world).await;
    let text = world.configuration();
    let quieter = text.replace("secret = \"whsec_", "kinds = [\"paused\", \"held\"]\nsecret = \"whsec_");
    let (status, changes) = world.reload(&quieter).await;
    let expected = json!([{ "name": "signed", "change": "changed", "settings": ["kinds"] }]);
    assert_eq!((status, &changes["alerts"]), (200, &expected));
    look(&world).await;
    assert_eq!(told(&hook.take()), ["+paused/acme-au"]);
    for (from, to, fault) in [
        ("\"webhook\"", "\"pager\"", "\"pager\" is none of: email, slack, teams, webhook"),
        ("whsec_", "whsec", "secret: must be `whsec_` and base64"),
        ("url = \"http://", "url = \"http://user:planted@", "url: must be an address with https"),
        ("127.0.0.1:", "planted.example.com:", ""),
        ("\"paused\", ", "\"paused\", \"planets\", ", "\"planets\" is none of: silent, "),
        ("kinds =", "per_hour = 0\nkinds =", "per_hour: must be at least 1"),
    ] {
        let at = quieter.find("[[alert]]").unwrap();
        let wrong = format!("{}{}", &quieter[..at], quieter[at..].replace(from, to));
        let (status, answer) = world.reload(&wrong).await;
        assert_eq!(status, 422, "{from}");
        assert!(answer.to_string().replace('\\', "").contains(fault), "{answer}");
        assert!(!answer.to_string().contains("planted"), "{answer}");
    }
    let (status, changes) = world.reload(&text[..text.find("[[alert]]").unwrap()]).await;
    assert_eq!((status, &changes["alerts"][0]["change"]), (200, &json!("removed")));
    pause(&world, Some("invoice")).await;
    world.clock.advance(SignedDuration::from_mins(100));
    look(&world).await;
    assert_eq!(told(&hook.take()), [""; 0]);
}
