//! Closed segments are compressed and kept: what is read is the same, whatever cut the compressing off.

use std::io::Read;
use std::time::{Duration, Instant};

use readypost::store::Options;

use super::damage::copy;
use super::*;

fn open_with(path: &Path, at: i64, segment_bytes: u64) -> Arc<dyn Store> {
    store::open_with(path, &ManualClock::new(now(at)), Options { segment_bytes, ..Options::default() }).unwrap()
}

/// With segments of a few entries.
fn open_small(path: &Path) -> Arc<dyn Store> {
    open_with(path, 0, 1_500)
}

fn files(folder: &Path, ending: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder.join("journal")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    names
}

/// Waits until so many segments are plain, which is the work of another thread.
fn wait_for_plain(folder: &Path, count: usize) {
    let begun = Instant::now();
    while files(folder, ".log").len() != count {
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", files(folder, ".log"));
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// All records, and all that is said of them.
async fn everything(store: &dyn Store) -> (BTreeMap<String, Record>, Vec<String>) {
    let records = all(store).await;
    let mut histories = Vec::new();
    for record in records.values() {
        histories.push(format!("{:?}", store.history(&record.key, 1_000).await.unwrap()));
    }
    (records, histories)
}

/// A store with many compressed segments and an open one, closed; and what it holds.
async fn filled(folder: &Path) -> (BTreeMap<String, Record>, Vec<String>) {
    let store = open_small(folder);
    live(&*store, 5, 400).await;
    let before = everything(&*store).await;
    wait_for_plain(folder, 1);
    assert!(files(folder, ".log.gz").len() > 20, "{:?}", files(folder, ""));
    assert!(everything(&*store).await == before, "while it is open");
    store.close().await;
    before
}

fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(packed).read_to_end(&mut plain).unwrap();
    plain
}

#[tokio::test]
async fn compressed_segments_are_read_like_plain_ones() {
    let folder = folder();
    let before = filled(folder.path()).await;
    let store = open_small(folder.path());
    assert!(everything(&*store).await == before, "after a restart");
    store.close().await;
    drop(store);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open_small(folder.path());
    assert!(everything(&*store).await == before, "after a rebuild");
    store.close().await;
}

#[tokio::test]
async fn an_index_that_ends_within_a_compressed_segment_is_followed() {
    let folder = folder();
    let store = open_small(folder.path());
    live(&*store, 5, 30).await;
    store.close().await;
    drop(store);
    copy(&folder.path().join("index"), &folder.path().join("old"));
    let before = filled(folder.path()).await;
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    std::fs::rename(folder.path().join("old"), folder.path().join("index")).unwrap();
    let store = open_small(folder.path());
    assert!(everything(&*store).await == before);
    assert!(!folder.path().join("index.broken-1").exists(), "the index was kept");
    store.close().await;
}

#[tokio::test]
async fn a_power_cut_between_any_two_steps_changes_nothing() {
    let folder = folder();
    let whole = folder.path().join("0");
    let before = filled(&whole).await;
    let packed = std::fs::read(whole.join("journal/00000003.log.gz")).unwrap();
    let plain = gunzip(&packed);
    // What there is beside the plain segment.
    let half = &packed[..packed.len() / 2];
    let states: [Option<(&str, &[u8])>; 6] = [
        None,
        Some((".gz.tmp", &[])),
        Some((".gz.tmp", half)),
        Some((".gz.tmp", &packed)),
        Some((".gz", &packed)),
        Some((".gz", half)),
    ];
    for (number, beside) in states.into_iter().enumerate() {
        for index in [true, false] {
            let copied = folder.path().join(format!("{number}-{index}"));
            copy(&whole, &copied);
            let file = |ending| copied.join(format!("journal/00000003.log{ending}"));
            std::fs::remove_file(file(".gz")).unwrap();
            std::fs::write(file(""), &plain).unwrap();
            if let Some((ending, bytes)) = beside {
                std::fs::write(file(ending), bytes).unwrap();
            }
            if !index {
                std::fs::remove_dir_all(copied.join("index")).unwrap();
            }
            let store = open_with(&copied, 999, 1_500);
            assert!(everything(&*store).await == before, "state {number}");
            assert_eq!(store.trusted_since(), now(0), "state {number}: no gap");
            wait_for_plain(&copied, 1);
            assert!(everything(&*store).await == before, "state {number}, compressed again");
            store.close().await;
            assert_eq!(std::fs::read(file(".gz")).unwrap(), packed, "state {number}");
            assert!(files(&copied, ".tmp").is_empty(), "state {number}");
        }
    }
}

#[tokio::test]
async fn a_journal_that_ends_in_a_compressed_segment_goes_on_behind_it() {
    let folder = folder();
    filled(folder.path()).await;
    let store = open_small(folder.path());
    store.accept(&key(776), callback(776), now(0)).await.unwrap();
    wait_for_plain(folder.path(), 1);
    store.close().await;
    drop(store);
    let last = files(folder.path(), ".log").remove(0);
    std::fs::remove_file(folder.path().join("journal").join(&last)).unwrap();
    for at in [50, 60] {
        let store = open_with(folder.path(), at, 100_000);
        assert_eq!(store.trusted_since(), now(50), "what the index knew of is missing, once");
        let accepted = store.accept(&key(777), callback(777), now(at)).await.unwrap();
        assert_eq!(accepted, if at == 50 { Accepted::Queued } else { Accepted::Duplicate });
        store.close().await;
        assert_eq!(files(folder.path(), ".log"), [last.as_str()]);
    }
}

#[tokio::test]
async fn a_damaged_segment_is_left_as_it_is() {
    let folder = folder();
    let store = open_with(folder.path(), 0, 20_000);
    live(&*store, 5, 400).await;
    store.close().await;
    drop(store);
    // Made plain again, whatever was compressed by then.
    for name in files(folder.path(), ".log.gz") {
        let file = folder.path().join("journal").join(name);
        std::fs::write(file.with_extension(""), gunzip(&std::fs::read(&file).unwrap())).unwrap();
        std::fs::remove_file(file).unwrap();
    }
    let file = folder.path().join("journal/00000001.log");
    let mut damaged = std::fs::read(&file).unwrap();
    damaged[9_000] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    assert!(files(folder.path(), ".log").len() > 3);
    let store = open_with(folder.path(), 0, 20_000);
    wait_for_plain(folder.path(), 2);
    store.close().await;
    assert_eq!(std::fs::read(file).unwrap(), damaged);
}

/// Opens a store whose only closed segment is `packed`: the damage is said, nothing is made up, and it stores on.
async fn opens_with_a_gap(folder: &Path, (packed, open): (&[u8], &[u8]), whole: &BTreeMap<String, Record>, what: &str) {
    std::fs::create_dir_all(folder.join("journal")).unwrap();
    std::fs::write(folder.join("journal/00000001.log.gz"), packed).unwrap();
    std::fs::write(folder.join("journal/00000002.log"), open).unwrap();
    let store = open_with(folder, 9_999, 100_000);
    assert_eq!(store.trusted_since(), now(9_999), "{what}: the gap is noticed");
    for (key, record) in all(&*store).await {
        assert!(whole.contains_key(&key), "{what}: {key} was never there");
        store.history(&record.key, 100).await.unwrap();
    }
    store.close().await;
    drop(store);
    assert_eq!(std::fs::read(folder.join("journal/00000001.log.gz")).unwrap(), packed, "{what}: it is left as it is");
    std::fs::remove_dir_all(folder.join("index")).unwrap();
    let store = open_with(folder, 20_000, 100_000);
    assert_eq!(store.trusted_since(), now(9_999), "{what}: a second start finds nothing new");
    assert_eq!(store.accept(&key(777), callback(777), now(20_000)).await.unwrap(), Accepted::Queued);
    store.close().await;
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_compressed_segment_cut_anywhere_or_with_any_byte_flipped_is_never_misread() {
    let folder = folder();
    let path = folder.path().join("0");
    let store = open_with(&path, 0, 1_000);
    while files(&path, "").len() < 2 {
        store.accept(&key(1), Trigger::Operator { name: "o".to_owned() }, now(0)).await.unwrap();
        store.accept(&key(2), Trigger::Operator { name: "o".to_owned() }, now(0)).await.unwrap();
    }
    wait_for_plain(&path, 1);
    let whole = all(&*store).await;
    store.close().await;
    let packed = std::fs::read(path.join("journal/00000001.log.gz")).unwrap();
    let open = std::fs::read(path.join("journal/00000002.log")).unwrap();
    let copied = folder.path().join("damaged");
    for length in 0..packed.len() {
        opens_with_a_gap(&copied, (&packed[..length], &open), &whole, &format!("cut at {length}")).await;
    }
    for at in 0..packed.len() {
        let mut damaged = packed.clone();
        damaged[at] ^= 1 << (at % 8);
        opens_with_a_gap(&copied, (&damaged, &open), &whole, &format!("byte {at}")).await;
    }
}
