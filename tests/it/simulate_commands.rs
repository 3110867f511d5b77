//! A simulation that the command line waits for goes on when nobody waits, is found again, and can be cancelled.

use serde_json::{Value, json};

use crate::harness::{Differently, TOKEN, World, labour};
use crate::simulate::{begin, program};
use crate::terminal::Program;

const ASKED: [&str; 4] = ["simulate", "--company", "acme-au", "--unposted"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_the_waiting_and_cancel_ends_the_simulation() {
    let scarce = Differently { xero: |settings| settings.minute_limit = 15, ..Differently::default() };
    let world = World::with(scarce).await;
    for number in 0..12 {
        world.ready(world.invoice(&format!("40{number:02}"), vec![labour("1", "100")]));
    }
    let arguments = [&ASKED[..], &["--url", &world.url, "--token", TOKEN]].concat();
    let mut waiting = Program::on_terminal(160, &arguments, &[]);
    waiting.until(|seen| seen.contains("waits for calls until")).await;
    waiting.interrupt();
    let (code, said) = waiting.ended().await;
    assert_eq!(code, 1, "{said}");
    for part in ["simulation 1 goes on in the service", "readypost simulate --show 1", "readypost simulate --cancel 1"]
    {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
    let state = async || world.get("/api/v1/simulate?id=1").await["state"].clone();
    assert_eq!(state().await, "running");
    // Another one may not begin, and is told how it may.
    let (code, _, said) = program(&world, &["simulate", "--company", "acme-au", "--month", "2026-11"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("cancel it by `readypost simulate --cancel 1`") && said.contains("--show ID"), "{said}");
    let (code, said, _) = program(&world, &["simulate", "--cancel", "1"]).await;
    assert_eq!((code, said.as_str()), (0, "Simulation 1 is cancelled; nothing was written by it.\n"));
    assert_eq!(state().await, "cancelled");
    let (code, _, said) = program(&world, &["simulate", "--show", "1"]).await;
    assert!(code == 1 && said.contains("the simulation was cancelled"), "{said}");
    let (code, _, said) = program(&world, &["simulate", "--cancel", "7"]).await;
    assert!(code == 1 && said.contains("of simulations the last four are kept"), "{said}");
    for wrong in [&["simulate", "--cancel", "1", "--company", "acme-au"][..], &["simulate", "--cancel", "one"]] {
        assert_eq!(program(&world, wrong).await.0, 2, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_simulation_that_has_ended_is_shown_again_and_not_cancelled() {
    let world = World::new().await;
    world.ready(world.invoice("1001", vec![labour("1", "100")]));
    let id = begin(&world, &json!({"company": "acme-au", "unposted": true})).await.to_string();
    let (code, body, _) = program(&world, &["simulate", "--show", &id, "--json"]).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &answer["simulation"]["rows"][0]["number"]), (0, &json!("1001")), "{body}");
    let (code, said, _) = program(&world, &["simulate", "--cancel", &id]).await;
    assert!(code == 0 && said.contains("had ended before: done."), "{said}");
}
