//! Records that were accepted and not worked on: many share a value of the index, and one by one they leave it.

use super::damage::copy;
use super::*;

/// So many records do not fit into one value of the index.
const MANY: u64 = 500;

async fn accept(store: &dyn Store, ids: std::ops::Range<u64>) {
    for id in ids {
        let at = now(i64::try_from(id).unwrap());
        assert_eq!(store.accept(&key(id), callback(id.into()), at).await.unwrap(), Accepted::Queued);
    }
}

async fn finish(store: &dyn Store, count: u64) {
    for _ in 0..count {
        let lease = lease(store, 10_000);
        let settlement = Settlement::Skip { reason: SkipReason::StatusOpen };
        store.settle(lease, settlement, Some(about(1)), now(10_001)).await.unwrap();
    }
}

async fn reopened(store: Arc<dyn Store>, folder: &Path) -> Arc<dyn Store> {
    let (before, overview) = (all(&*store).await, store.overview());
    store.close().await;
    drop(store);
    let store = open(folder);
    assert_eq!(all(&*store).await, before);
    assert_eq!((store.overview().counts, store.overview().oldest_due), (overview.counts, overview.oldest_due));
    // The index was believed: a rebuild moves the old one aside.
    assert!(!folder.join("index.broken-1").exists());
    store
}

#[tokio::test]
async fn they_are_the_same_after_a_restart_whether_worked_on_or_not() {
    let folder = folder();
    let store = open(folder.path());
    accept(&*store, 1..MANY).await;
    let store = reopened(store, folder.path()).await;
    finish(&*store, 70).await;
    // A replay is known, and another message about one of them makes a row of its own.
    assert_eq!(store.accept(&key(400), callback(400), now(3)).await.unwrap(), Accepted::Duplicate);
    assert_eq!(store.accept(&key(400), callback(9_400), now(3)).await.unwrap(), Accepted::Merged);
    let store = reopened(store, folder.path()).await;
    accept(&*store, MANY..MANY + 20).await;
    finish(&*store, MANY - 1 - 70 + 20).await;
    assert!(store.lease(now(20_000), now(20_300)).unwrap().is_none());
    reopened(store, folder.path()).await.close().await;
}

#[tokio::test]
async fn a_rebuild_in_batches_ends_with_the_same() {
    let folder = folder();
    let first = folder.path().join("0");
    let store = open(&first);
    accept(&*store, 1..60).await;
    finish(&*store, 30).await;
    live(&*store, 5, 200).await;
    let (before, overview) = (all(&*store).await, store.overview());
    store.close().await;
    drop(store);
    for rebuild_rows in [1, 2, 7, 40] {
        std::fs::remove_dir_all(first.join("index")).unwrap();
        let options = store::Options { rebuild_rows, ..store::Options::default() };
        let store = store::open_with(&first, &ManualClock::new(now(0)), options).unwrap();
        assert_eq!(all(&*store).await, before, "{rebuild_rows} rows a batch");
        assert_eq!(store.overview().counts, overview.counts, "{rebuild_rows} rows a batch");
        reopened(store, &first).await.close().await;
    }
}

#[tokio::test]
async fn one_whose_entry_is_damaged_is_a_gap_and_not_forgotten_silently() {
    let folder = folder();
    let store = open(&folder.path().join("0"));
    accept(&*store, 1..4).await;
    store.close().await;
    drop(store);
    let copied = folder.path().join("1");
    copy(&folder.path().join("0"), &copied);
    let path = copied.join("journal/00000001.log");
    let mut journal = std::fs::read(&path).unwrap();
    let needle = key(2).to_string();
    let at = journal.windows(needle.len()).position(|bytes| bytes == needle.as_bytes()).unwrap();
    journal[at] ^= 1;
    std::fs::write(&path, journal).unwrap();
    // The index is asked first, and fails where the journal does; the next start finds the gap.
    let store = open(&copied);
    assert!(matches!(store.record(&key(2)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(*store.health().borrow(), Health::Poisoned(_)));
    drop(store);
    let store = store::open(&copied, &ManualClock::new(now(9_999))).unwrap();
    assert_eq!(store.trusted_since(), now(9_999), "the gap is noticed");
    assert_eq!(all(&*store).await.into_keys().collect::<Vec<_>>(), [key(1).to_string(), key(3).to_string()]);
}
