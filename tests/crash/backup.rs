//! A backup of a service under load, restored into a new process: the books have nothing twice, and after one look at
//! what was closed since, nothing is missing.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::TOKEN;
use super::process::Service;
use super::{Seeded, World};

/// Backups that are made while callbacks come in; the one that is restored is among the first.
const BACKUPS: usize = 6;
const RESTORED: usize = 2;

/// Runs a command of the real binary; its exit code and what it printed.
async fn run(arguments: &[&str]) -> (Option<i32>, Value) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_readypost"));
    let done = command.args(arguments).output().await.unwrap();
    let (out, said) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    let out = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{arguments:?}: {out}{said}"));
    (done.status.code(), out)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Closes invoices and sends their callbacks until the backups are made, one after another.
async fn backed_up(world: &mut World, service: &Service, random: &mut Seeded, file: &Path) -> Vec<(PathBuf, Value)> {
    let folder = world.folder.path().to_owned();
    let file = file.to_owned();
    let mut copying = tokio::spawn(async move {
        let mut made = Vec::new();
        for number in 0..BACKUPS {
            tokio::time::sleep(Duration::from_millis(150)).await;
            let out = folder.join(format!("backup-{number}"));
            let (code, verdict) = run(&["backup", "--out", text(&out), "--config", text(&file), "--json"]).await;
            assert_eq!(code, Some(0), "{verdict}");
            made.push((out, verdict));
        }
        made
    });
    loop {
        world.close(random);
        world.deliver(&service.url).await;
        if let Ok(made) = tokio::time::timeout(Duration::from_millis(20), &mut copying).await {
            return made.unwrap();
        }
    }
}

/// Until everything is done, or was found to be done already; how many of the latter.
async fn calm_down(world: &mut World, service: &Service) -> usize {
    world.connectwise.server.faults.clear();
    world.xero.server.faults.clear();
    let (begun, mut retried) = (Instant::now(), Instant::now());
    loop {
        world.deliver(&service.url).await;
        let records = world.records(&service.url).await;
        let before = |record: &&Value| record["reason"]["code"] == "posted_before";
        let open: Vec<&Value> = records.iter().filter(|record| record["state"] != "done" && !before(record)).collect();
        if open.is_empty() && world.unsent.is_empty() && records.len() == world.invoices.len() {
            return records.iter().filter(before).count();
        }
        assert!(begun.elapsed() < Duration::from_secs(90), "not quiet: {open:?}\n{}", world.log());
        if retried.elapsed() > Duration::from_secs(3) {
            for record in open {
                let url = format!("{}/api/v1/records/{}/retry", service.url, record["key"].as_str().unwrap());
                world.http.post(url).bearer_auth(TOKEN).json(&json!({})).send().await.unwrap();
            }
            retried = Instant::now();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_under_load_is_restored_and_the_books_are_right() {
    let mut random = Seeded(77);
    let mut world = World::new(77).await;
    let file = world.folder.path().join("readypost.toml");
    let service = world.start().await;
    let made = backed_up(&mut world, &service, &mut random, &file).await;
    // Some more is posted, then the machine with its store is lost.
    for _ in 0..4 {
        world.close(&mut random);
        world.deliver(&service.url).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let status: Value = {
        let answer = world.http.get(format!("{}/status", service.url)).bearer_auth(TOKEN);
        let answer = answer.header("accept", "application/json").send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    };
    let head = status["history_head"].as_str().unwrap().to_owned();
    service.kill().await;
    let store = world.folder.path().join("store");
    let (code, verdict) = run(&["history", "verify", "--path", text(&store), "--head", &head, "--json"]).await;
    assert_eq!(code, Some(0), "killed, and still whole: {verdict}");
    let lost = world.folder.path().join("lost");
    std::fs::rename(&store, &lost).unwrap();
    let (backup, before) = &made[RESTORED];
    let entries = before["entries"].as_u64().unwrap();
    assert!(entries > made[0].1["entries"].as_u64().unwrap() && entries < verdict["entries"].as_u64().unwrap());
    let (code, restored) = run(&["restore", "--from", text(backup), "--to", text(&store), "--json"]).await;
    assert_eq!((code, restored["entries"].as_u64()), (Some(0), Some(entries + 1)), "{restored}");
    assert!(restored["exchanges"]["whole"].as_u64().unwrap() > 0);
    // A cut tail of the lost store is what the noted head finds.
    let (code, verdict) = run(&["history", "verify", "--path", text(&store), "--head", &head, "--json"]).await;
    assert_eq!(code, Some(1), "{verdict}");
    // One look at every record that the backup does not know, then it runs to the end.
    let service = world.start().await;
    let known = world.records(&service.url).await.len();
    for invoice in world.invoices.clone() {
        let key = format!("acme/invoice/{invoice}");
        let shown = format!("{}/api/v1/records/{key}", service.url);
        if world.http.get(&shown).bearer_auth(TOKEN).send().await.unwrap().status() == 404 {
            let url = format!("{shown}/retry");
            let asked =
                world.http.post(url).bearer_auth(TOKEN).json(&json!({"note": "restored"})).send().await.unwrap();
            assert!(asked.status().is_success(), "{key}");
            world.acknowledged.entry(invoice).or_default();
        }
    }
    let begun = Instant::now();
    let posted_before = calm_down(&mut world, &service).await;
    service.kill().await;
    world.check();
    let (code, verdict) = run(&["history", "verify", "--path", text(&store), "--json"]).await;
    assert_eq!(code, Some(0), "{verdict}");
    println!(
        "{} invoices, {known} of them in the backup of {entries} entries, {posted_before} posted before; whole after {} s",
        world.invoices.len(),
        begun.elapsed().as_secs()
    );
    assert!(known < world.invoices.len());
}
