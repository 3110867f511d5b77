//! kill -9 of a process whose store compresses segments of a few entries all the time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use readypost::clock::ManualClock;
use readypost::domain::delivery::Trigger;
use readypost::domain::record::RecordKey;
use readypost::store::{self, Options, Store};

/// The folder of the process that is to be killed.
const FOLDER: &str = "READYPOST_TEST_FOLDER";
const ROUNDS: usize = 30;

fn open(path: &Path) -> Arc<dyn Store> {
    store::open_with(
        path,
        &ManualClock::new(Timestamp::UNIX_EPOCH),
        Options { segment_bytes: 1_500, ..Options::default() },
    )
    .unwrap()
}

fn key(id: u64) -> RecordKey {
    format!("acme/invoice/{id}").parse().unwrap()
}

/// Lengths of the journal's files of one ending.
fn lengths(folder: &Path, ending: &str) -> Vec<u64> {
    let files = std::fs::read_dir(folder.join("journal")).unwrap().map(|file| file.unwrap().path());
    let named = files.filter(|file| file.to_str().unwrap().ends_with(ending));
    // One that is compressed meanwhile is gone.
    named.filter_map(|file| Some(file.metadata().ok()?.len())).collect()
}

#[tokio::test]
#[ignore = "it is the process that is killed, and no test of its own"]
async fn stores_until_it_is_killed() {
    let store = open(Path::new(&std::env::var_os(FOLDER).unwrap()));
    let operator = Trigger::Operator { name: "o".to_owned() };
    for id in store.overview().entries.. {
        store.accept(&key(id), operator.clone(), Timestamp::UNIX_EPOCH).await.unwrap();
        writeln!(std::io::stdout(), "stored {id}").unwrap();
    }
}

/// Lets a process store until it has told of so many records, kills it, and returns their ids.
fn store_and_kill(folder: &Path, count: usize) -> Vec<u64> {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "compressing::stores_until_it_is_killed", "--ignored"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let ids = lines.filter_map(|line| line.unwrap().split_once("stored ")?.1.parse().ok());
    let ids: Vec<u64> = ids.take(count).collect();
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(ids.len(), count, "it ended by itself");
    ids
}

#[tokio::test]
async fn a_process_that_is_killed_while_it_compresses_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let stored: Vec<u64> = (0..ROUNDS).flat_map(|round| store_and_kill(&path, 3 + round * 7 % 40)).collect();
    let store = open(&path);
    let begun = Instant::now();
    // A file that was killed before its header was written stays empty.
    while lengths(&path, ".log").iter().filter(|length| **length > 0).count() > 1 {
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", lengths(&path, ".log"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(lengths(&path, ".log.gz").len() > ROUNDS);
    assert!(lengths(&path, ".tmp").is_empty());
    store.close().await;
    // The same from the journal alone.
    let copied = folder.path().join("copied");
    std::fs::create_dir_all(copied.join("journal")).unwrap();
    for file in std::fs::read_dir(path.join("journal")).unwrap().map(|file| file.unwrap()) {
        std::fs::copy(file.path(), copied.join("journal").join(file.file_name())).unwrap();
    }
    let rebuilt = open(&copied);
    for id in stored {
        let record = store.record(&key(id)).await.unwrap();
        assert!(record.is_some(), "{id} was stored");
        assert_eq!(rebuilt.record(&key(id)).await.unwrap(), record);
        let history = store.history(&key(id), 10).await.unwrap();
        assert_eq!((history.len(), rebuilt.history(&key(id), 10).await.unwrap()), (1, history), "{id}");
    }
    assert_eq!(rebuilt.overview().counts, store.overview().counts);
    rebuilt.close().await;
}
