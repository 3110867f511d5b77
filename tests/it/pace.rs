//! A token that asks too often is told to come again; nobody else notices.

use readypost::simulator::connectwise::NewInvoice;
use reqwest::Response;
use serde_json::Value;
use tokio::process::Command;

use crate::harness::{Differently, TOKEN, VIEWER, World, labour};

const LIMIT: &str = "requests_per_minute = 20";

async fn ask(world: &World, path: &str, token: &str) -> Response {
    world.http.get(format!("{}{path}", world.url)).bearer_auth(token).send().await.unwrap()
}

/// The statuses of so many requests.
async fn statuses(world: &World, token: &str, times: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(ask(world, "/api/v1/records", token).await.status().as_u16());
    }
    statuses
}

#[tokio::test]
async fn a_token_that_asks_too_often_is_told_when_to_come_again() {
    let world = World::with(Differently { server: LIMIT, ..Differently::default() }).await;
    assert_eq!(statuses(&world, TOKEN, 20).await, [200; 20]);
    let refused = ask(&world, "/status", TOKEN).await;
    assert_eq!(
        (refused.status(), &refused.headers()["content-type"]),
        (429.try_into().unwrap(), &"application/problem+json".parse().unwrap())
    );
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=4).contains(&seconds), "one comes back every three seconds: {seconds}");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!((&problem["status"], &problem["title"]), (&429.into(), &"Too Many Requests".into()));
    assert!(problem["detail"].as_str().unwrap().contains("requests_per_minute"), "{problem}");
    // The other operator, the doors and the supervisor.
    assert_eq!(statuses(&world, VIEWER, 1).await, [200]);
    assert_eq!(world.http.get(format!("{}/readyz", world.url)).send().await.unwrap().status(), 200);
    for number in 0..30 {
        let lines = vec![labour("1", "100")];
        let invoice = world.invoice_like(NewInvoice { number: number.to_string(), lines, ..NewInvoice::default() });
        world.ready(invoice);
    }
    let answers = world.callbacks().await;
    assert!(answers.len() >= 30 && answers.iter().all(|status| *status == 200), "{answers:?}");
    // What it says is true.
    tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    assert_eq!(statuses(&world, TOKEN, 1).await, [200]);
}

#[tokio::test]
async fn wrong_tokens_are_counted_together_and_cost_nobody_else_anything() {
    let world = World::with(Differently { server: LIMIT, ..Differently::default() }).await;
    let mut answers = Vec::new();
    for number in 0..25 {
        answers.extend(statuses(&world, &format!("guess-{number}"), 1).await);
    }
    assert_eq!((&answers[..20], answers.last()), ([401; 20].as_slice(), Some(&429)));
    assert_eq!(statuses(&world, TOKEN, 5).await, [200; 5]);
}

#[tokio::test]
async fn a_health_check_needs_no_token_and_tells_a_pause_from_a_failure() {
    let world = World::new().await;
    let health = async |url: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_readypost"));
        let output = command.args(["health", "--url", url]).env_remove("READYPOST_TOKEN").output().await.unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code(), said)
    };
    assert_eq!(health(&world.url).await, (Some(0), "ready\n".to_owned()));
    assert_eq!(world.post("/api/v1/companies/acme-au/pause", &serde_json::json!({})).await.0, 200);
    assert_eq!(health(&world.url).await, (Some(0), "ready\nacme-au is paused\n".to_owned()));
    let (code, said) = health("http://127.0.0.1:9").await;
    assert_eq!(code, Some(1));
    assert!(said.contains("`readypost serve`"), "{said}");
}
