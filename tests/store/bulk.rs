//! Decisions about many records: what was begun, how many have their decision, and how it ended, outlive everything
//! that the records outlive.

use readypost::domain::bulk::{Begun, Ended, KEPT_MAX, Kept, NotDecided};
use readypost::store::audit::{self, Choice};

use super::*;

fn begun(id: u128) -> Begun {
    Begun {
        id: Uuid::from_u128(id),
        by: "finance-desk".to_owned(),
        run_by: "night-desk".to_owned(),
        action: "hold".to_owned(),
        note: "as agreed".into(),
        filter: "state=queued".to_owned(),
        planned: now(1),
        records: 5,
        complete: true,
    }
}

async fn begin(store: &dyn Store, id: u128, at: i64) {
    store.note(Event::BulkBegun { bulk: begun(id) }, now(at)).await.unwrap();
}

/// Holds records for a bulk decision, or for nobody's.
async fn hold(store: &dyn Store, ids: std::ops::RangeInclusive<u64>, bulk: Option<u128>) {
    for id in ids {
        store.accept(&key(id), callback(id.into()), now(2)).await.unwrap();
        let actor = Actor { by: "finance-desk".to_owned(), note: "".into(), bulk: bulk.map(Uuid::from_u128) };
        store.resolve(&key(id), Decision::Hold, actor, now(3)).await.unwrap();
    }
}

fn result() -> Ended {
    let cause = NotDecided { key: key(6), cause: "cannot hold a record that is done".into() };
    Ended { done: 3, refused: 1, causes: vec![cause], cancelled: true, failed: None }
}

/// Closes a store and opens it again: as it is, and once more without its index.
async fn reopened(path: &Path, store: Arc<dyn Store>) -> [Vec<Kept>; 2] {
    store.close().await;
    drop(store);
    let with = open(path);
    let kept = with.bulks();
    with.close().await;
    drop(with);
    std::fs::remove_dir_all(path.join("index")).unwrap();
    let without = open(path);
    let anew = without.bulks();
    without.close().await;
    [kept, anew]
}

#[tokio::test]
async fn what_was_begun_is_there_after_a_restart_with_its_decisions_counted() {
    let folder = folder();
    let store = open(folder.path());
    begin(&*store, 1, 1).await;
    hold(&*store, 1..=3, Some(1)).await;
    // Not of it: another decision, and one that was refused.
    hold(&*store, 4..=5, None).await;
    let actor = Actor { by: "finance-desk".to_owned(), note: "".into(), bulk: Some(Uuid::from_u128(1)) };
    let refused = store.resolve(&key(4), Decision::Retry, actor, now(4)).await;
    assert!(matches!(refused, Err(ResolveError::Refused(_))), "{refused:?}");
    let mut expected = Kept { begun: begun(1), at: now(1), decided: 3, end: None };
    assert_eq!(store.bulks(), [expected.clone()]);
    for kept in reopened(folder.path(), store).await {
        assert_eq!(kept, [expected.clone()]);
    }
    let store = open(folder.path());
    store.note(Event::BulkEnded { id: Uuid::from_u128(1), result: result() }, now(9)).await.unwrap();
    expected.end = Some((now(9), result()));
    for kept in reopened(folder.path(), store).await {
        assert_eq!(kept, [expected.clone()]);
    }
}

#[tokio::test]
async fn the_last_ones_are_kept() {
    let folder = folder();
    let store = open(folder.path());
    let last = u128::try_from(KEPT_MAX).unwrap() + 2;
    for id in 1..=last {
        begin(&*store, id, 1).await;
    }
    // The end of one that is forgotten changes nothing.
    store.note(Event::BulkEnded { id: Uuid::from_u128(2), result: result() }, now(2)).await.unwrap();
    let ids = |kept: &[Kept]| kept.iter().map(|kept| kept.begun.id.as_u128()).collect::<Vec<_>>();
    assert_eq!(ids(&store.bulks()), (3..=last).collect::<Vec<_>>());
    for kept in reopened(folder.path(), store).await {
        assert_eq!(ids(&kept), (3..=last).collect::<Vec<_>>());
        assert!(kept.iter().all(|kept| kept.end.is_none()));
    }
}

#[tokio::test]
async fn the_history_has_it_and_so_have_its_export_and_a_restored_backup() {
    let folder = folder();
    let path = folder.path().join("store");
    let store = open(&path);
    begin(&*store, 1, 1).await;
    hold(&*store, 1..=3, Some(1)).await;
    store.note(Event::BulkEnded { id: Uuid::from_u128(1), result: result() }, now(9)).await.unwrap();
    let kept = store.bulks();
    store.close().await;
    drop(store);
    let verdict = audit::verify(&path, &[]).unwrap();
    assert!(verdict.is_clean(), "{:?}", verdict.findings);
    let exported = |name: &str, choice: &Choice| {
        let file = folder.path().join(name);
        audit::export(&path, &file, choice).unwrap();
        assert!(audit::verify_export(&file, &[verdict.head]).unwrap().is_clean());
        std::fs::read_to_string(file).unwrap()
    };
    let all = exported("all.jsonl", &Choice::default());
    assert_eq!((all.matches("bulk_begun").count(), all.matches("bulk_ended").count()), (1, 1));
    // What it says of other records is not in the file about one of them; the record's own decision is.
    let one = exported("one.jsonl", &Choice { record: Some(key(2)), ..Choice::default() });
    assert!(!one.contains("bulk_begun") && !one.contains("bulk_ended") && !one.contains("acme/invoice/6"), "{one}");
    assert!(one.contains(&Uuid::from_u128(1).to_string()), "{one}");
    let clock = ManualClock::new(now(10));
    let (backup, restored) = (folder.path().join("backup"), folder.path().join("restored"));
    audit::backup(&path, &backup, &clock).unwrap();
    audit::restore(&backup, &restored, &clock).unwrap();
    let store = open(&restored);
    assert_eq!(store.bulks(), kept);
    store.close().await;
}
