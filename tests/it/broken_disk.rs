//! What an operator sees of a disk that is full, read-only, not theirs or damaged: 429 at the door, the cause at
//! `/readyz` and in the log, exit code 1; and after the repair everything that was acknowledged.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::disk::Disk;
use crate::durable::Traced;
use crate::harness::TOKEN;
use crate::process::Service;
use crate::receivers::Hook;

/// A service whose store is on a small disk of its own; none, with a line that says why, where that cannot be made.
async fn on_a_disk() -> Option<(Traced, Disk)> {
    match Disk::new(32) {
        Err(why) => {
            println!("skipped: a disk of its own cannot be made here: {why}");
            None
        }
        Ok(disk) => {
            let world = Traced::new().await;
            std::fs::create_dir(disk.path().join("store")).unwrap();
            symlink(disk.path().join("store"), world.path("store")).unwrap();
            Some((world, disk))
        }
    }
}

/// Sends so many callbacks, and returns the invoices of those that got a 2xx; every other answer is 429.
async fn send(world: &Traced, service: &Service, numbers: std::ops::Range<i32>) -> Vec<i64> {
    let mut kept = Vec::new();
    for number in numbers {
        let (invoice, sent) = world.delivery(number, service);
        match world.connectwise.send(&sent).await.status {
            Some(200) => kept.push(invoice),
            Some(429) => {}
            other => panic!("{other:?}"),
        }
    }
    kept
}

/// The store failed: `/readyz` says so, and the process ends with code 1 and a sentence, each with one of these causes.
async fn ends_with(world: &Traced, mut service: Service, causes: &[&str]) {
    let names = |text: &str| causes.iter().any(|cause| text.contains(cause));
    let ready = world.http.get(format!("{}/readyz", service.url)).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    let ready: Value = serde_json::from_slice(&ready.bytes().await.unwrap()).unwrap();
    assert!(names(ready["store"].as_str().unwrap()), "{ready}");
    let code = tokio::time::timeout(Duration::from_mins(1), service.ended()).await.unwrap();
    assert_eq!(code, Some(1));
    assert!(names(&last_words(world)), "{}", last_words(world));
}

/// The log's last lines.
fn last_words(world: &Traced) -> String {
    let log = std::fs::read_to_string(world.path("log")).unwrap();
    log.lines().rev().take(3).collect::<Vec<_>>().join("\n")
}

/// It does not start, and says this on its way out.
async fn does_not_start(world: &Traced, wrapper: &[&str], cause: &str) {
    let started = Service::start(wrapper, &world.path("readypost.toml"), &world.path("log")).await;
    assert!(started.is_none());
    assert!(last_words(world).contains(cause), "{}", last_words(world));
}

async fn all_known(world: &Traced, service: &Service, invoices: &[i64]) {
    assert!(!invoices.is_empty());
    for invoice in invoices {
        assert!(world.known(service, *invoice).await, "invoice {invoice} was acknowledged and is lost");
    }
}

#[tokio::test]
async fn a_disk_that_is_full_gets_429_until_there_is_room_and_is_told_of_before_the_end() {
    let Some((world, disk)) = on_a_disk().await else { return };
    let hook = Hook::start().await;
    let text = std::fs::read_to_string(world.path("readypost.toml")).unwrap();
    let channel = "\n[[alert]]\nname = \"one\"\nchannel = \"slack\"\nkinds = [\"store\"]\n";
    let text = format!("{text}{channel}url = \"{}/x\"\n", hook.address);
    std::fs::write(world.path("readypost.toml"), text).unwrap();
    let service = world.start(&[]).await;
    let mut kept = send(&world, &service, 0..20).await;
    assert_eq!(kept.len(), 20);
    let ballast = disk.path().join("ballast");
    let mut fill = Command::new("dd");
    fill.args(["if=/dev/zero", "bs=4096", "status=none"]).arg(format!("of={}", ballast.display()));
    let filled = fill.output().unwrap();
    assert!(String::from_utf8_lossy(&filled.stderr).contains("No space left"), "{filled:?}");
    let more = send(&world, &service, 20..120).await;
    assert!(more.len() < 100, "some of it has to be refused");
    kept.extend(more);
    ends_with(&world, service, &["No space left on device"]).await;
    let told = hook.take();
    assert_eq!(told.len(), 1);
    let told = told[0].json()["text"].as_str().unwrap().to_owned();
    assert!(told.contains("The store failed and takes nothing any more: ") && told.contains("No space left"), "{told}");
    std::fs::remove_file(ballast).unwrap();
    let service = world.start(&[]).await;
    all_known(&world, &service, &kept).await;
    assert_eq!(send(&world, &service, 200..205).await.len(), 5);
    service.kill().await;
}

#[tokio::test]
async fn a_disk_that_turns_read_only_gets_429_until_it_is_writable() {
    let Some((world, mut disk)) = on_a_disk().await else { return };
    let service = world.start(&[]).await;
    let kept = send(&world, &service, 0..5).await;
    assert_eq!(kept.len(), 5);
    disk.fail().unwrap();
    assert_eq!(send(&world, &service, 5..10).await, [0_i64; 0]);
    // A write that was under way then fails otherwise.
    ends_with(&world, service, &["Read-only file system", "Input/output error"]).await;
    does_not_start(&world, &[], "Read-only file system").await;
    disk.mend().unwrap();
    let service = world.start(&[]).await;
    all_known(&world, &service, &kept).await;
    assert_eq!(send(&world, &service, 20..25).await.len(), 5);
    service.kill().await;
}

#[tokio::test]
async fn a_folder_that_is_not_ours_any_more_is_named_and_costs_nothing() {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    // Permissions do not bind root.
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let wrapper: &[&str] = if root { &nobody } else { &[] };
    let world = Traced::new().await;
    let run = |program: &str, arguments: &[&str]| {
        assert!(Command::new(program).args(arguments).status().unwrap().success());
    };
    let (folder, store) = (world.path(""), world.path("store"));
    let (folder, store) = (folder.to_str().unwrap(), store.to_str().unwrap());
    std::fs::create_dir(store).unwrap();
    run("chmod", &["755", folder]);
    if root {
        run("chown", &["65534:65534", store]);
    }
    // The binary lies where nobody may look.
    let service = world.start_copy(wrapper).await.unwrap();
    let kept = send(&world, &service, 0..5).await;
    assert_eq!(kept.len(), 5);
    service.kill().await;
    let journal = format!("{store}/journal");
    for (path, mode) in [(store, "000"), (&journal, "500"), (&journal, "000")] {
        run("chmod", &[mode, path]);
        let started = world.start_copy(wrapper).await;
        if mode == "500" {
            // It may still be read and its files written; a new one may not be made.
            assert!(started.is_some() || last_words(&world).contains("Permission denied"), "{}", last_words(&world));
        } else {
            assert!(started.is_none() && last_words(&world).contains("Permission denied"), "{}", last_words(&world));
        }
        if let Some(service) = started {
            service.kill().await;
        }
        run("chmod", &["755", path]);
    }
    let service = world.start_copy(wrapper).await.unwrap();
    all_known(&world, &service, &kept).await;
    assert_eq!(send(&world, &service, 5..8).await.len(), 3);
    service.kill().await;
}

/// The plain segment of a store that was killed, and the index.
fn files(world: &Traced) -> (PathBuf, PathBuf) {
    (world.path("store/journal/00000001.log"), world.path("store/index/db"))
}

#[tokio::test]
async fn damage_is_named_in_the_log_and_what_is_whole_is_served() {
    let world = Traced::new().await;
    let service = world.start(&[]).await;
    let kept = send(&world, &service, 0..12).await;
    assert_eq!(kept.len(), 12);
    service.kill().await;
    let (journal, index) = files(&world);
    let whole = std::fs::read(&journal).unwrap();
    let place = |invoice: i64| {
        let needle = format!("acme/invoice/{invoice}\"");
        whole.windows(needle.len()).position(|bytes| bytes == needle.as_bytes()).unwrap()
    };
    // The middle, with an index that is gone; the tail, torn in the last entry; the index, garbled.
    let garbled = |bytes: &mut Vec<u8>| bytes.iter_mut().step_by(7).for_each(|byte| *byte ^= 0x5A);
    for (what, lost) in [("middle", Some(kept[6])), ("tail", None), ("index", None)] {
        std::fs::write(&journal, &whole).unwrap();
        let _ = std::fs::remove_dir_all(world.path("store/index"));
        match what {
            "middle" => {
                let mut bytes = whole.clone();
                bytes[place(kept[6])] ^= 1;
                std::fs::write(&journal, bytes).unwrap();
            }
            "tail" => std::fs::write(&journal, [&whole[..], &whole[16..100]].concat()).unwrap(),
            _ => {
                let service = world.start(&[]).await;
                assert_eq!(service.terminate().await, Some(0));
                let mut bytes = std::fs::read(&index).unwrap();
                garbled(&mut bytes);
                std::fs::write(&index, bytes).unwrap();
            }
        }
        std::fs::remove_file(world.path("log")).unwrap();
        let service = world.start(&[]).await;
        let log = std::fs::read_to_string(world.path("log")).unwrap();
        // sled may take a garbled file for an empty one; then the index is made anew without a word.
        assert!(what == "index" || log.contains("the journal has a gap"), "{what}: {log}");
        for invoice in &kept {
            let there = world.known(&service, *invoice).await;
            assert_eq!(there, Some(*invoice) != lost, "{what}: invoice {invoice}");
        }
        assert_eq!(send(&world, &service, 100..103).await.len(), 3, "{what}: it stores on");
        let status = world.http.get(format!("{}/readyz", service.url)).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(status.status(), 200, "{what}");
        service.kill().await;
    }
}
