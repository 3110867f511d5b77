//! The store's contract, and what it survives: restarts, a lost or broken index, a cut or damaged journal,
//! compressed segments.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "store/bulk.rs"]
mod bulk;
#[path = "store/compressed.rs"]
mod compressed;
#[path = "store/damage.rs"]
mod damage;
#[path = "store/form.rs"]
mod form;
#[path = "store/fresh.rs"]
mod fresh;
#[path = "store/history.rs"]
mod history;
#[path = "store/listing.rs"]
mod listing;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use readypost::clock::ManualClock;
use readypost::domain::delivery::{About, Accepted, Actor, Decision, Intent, Posted, Purpose, Record, State, Trigger};
use readypost::domain::draft::DocumentKind;
use readypost::domain::facts::ContentHash;
use readypost::domain::hold::{HoldCode, HoldReason, SkipReason};
use readypost::domain::money::Money;
use readypost::domain::record::{RecordKey, SourceId};
use readypost::domain::settle::{IntentFate, Settlement};
use readypost::domain::warning::{Part, Warning, WarningCode};
use readypost::store::{self, ArmRequest, Event, Filter, Health, Lease, ResolveError, Store, StoreError};
use uuid::Uuid;

const START: &str = "2026-11-30T10:00:00Z";

/// A folder in memory where there is one: these tests open hundreds of stores, and cut the power of none.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn now(seconds: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

fn open(path: &Path) -> Arc<dyn Store> {
    store::open(path, &ManualClock::new(now(0))).unwrap()
}

fn key(id: u64) -> RecordKey {
    format!("acme/invoice/{id}").parse().unwrap()
}

fn callback(message: u128) -> Trigger {
    Trigger::Callback { message: Some(Uuid::from_u128(message)), action: "updated".to_owned(), member: None }
}

fn about(number: u64) -> About {
    About {
        company: Some("acme-au".parse().unwrap()),
        number: number.to_string(),
        client: "Blue Gum Dental".into(),
        total: Money::CENT * 11_000.into(),
        currency: "AUD".to_owned(),
        date: None,
        party: None,
    }
}

fn posted(id: u128) -> Posted {
    Posted {
        id: Uuid::from_u128(id),
        company: "acme-au".parse().unwrap(),
        kind: DocumentKind::Invoice,
        number: id.to_string(),
        total: Money::CENT,
        xero_total: Money::CENT,
        at: now(2),
        content: ContentHash("c".to_owned()),
        lines: None,
        batch: None,
        journal: None,
    }
}

fn intent(key: &str) -> Intent {
    Intent {
        key: key.to_owned(),
        body_hash: "h".to_owned(),
        company: "acme-au".parse().unwrap(),
        kind: DocumentKind::Invoice,
        number: "1".to_owned(),
        at: now(1),
        resend: true,
        change: None,
        purpose: Purpose::Create,
    }
}

fn lease(store: &dyn Store, at: i64) -> Lease {
    store.lease(now(at), now(at + 300)).unwrap().expect("a record is due")
}

async fn arm(store: &dyn Store, lease: Lease, at: i64) -> Lease {
    let request = ArmRequest { intent: intent("k"), about: about(1), body: "{}".to_owned() };
    store.arm(lease, request, now(at)).await.unwrap().into_lease()
}

async fn all(store: &dyn Store) -> BTreeMap<String, Record> {
    let mut found = BTreeMap::new();
    let mut filter = Filter { limit: 7, ..Filter::default() };
    loop {
        let page = store.records(filter.clone()).await.unwrap();
        found.extend(page.records.into_iter().map(|record| (record.key.to_string(), record)));
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn one_record_goes_all_the_way() {
    let folder = folder();
    let store = open(folder.path());
    assert_eq!(store.accept(&key(1), callback(1), now(0)).await.unwrap(), Accepted::Queued);
    let first = lease(&*store, 0);
    assert!(store.lease(now(0), now(300)).unwrap().is_none(), "a leased record is not leased again");
    let first = arm(&*store, first, 1).await;
    store
        .settle(first, Settlement::Mark { posted: posted(9), content: None, warnings: Vec::new() }, None, now(2))
        .await
        .unwrap();
    let second = lease(&*store, 2);
    assert_eq!(second.record.intent, None);
    store
        .settle(second, Settlement::Done { batch: Some("B".to_owned()), warnings: Vec::new() }, None, now(3))
        .await
        .unwrap();
    let record = store.record(&key(1)).await.unwrap().unwrap();
    assert_eq!(record.state, State::Done);
    assert_eq!(record.posted.unwrap().batch.as_deref(), Some("B"));
    let history = store.history(&key(1), 100).await.unwrap();
    assert_eq!(history.len(), 4);
    assert!(matches!(history[0].event, Event::Accepted { .. }) && matches!(history[3].event, Event::Settled { .. }));
    assert!(store.next_due().is_none());
}

#[tokio::test]
async fn messages_are_merged_and_replays_are_told_apart() {
    let folder = folder();
    let store = open(folder.path());
    let accept = async |message| store.accept(&key(1), callback(message), now(0)).await.unwrap();
    assert_eq!(accept(1).await, Accepted::Queued);
    assert_eq!(accept(1).await, Accepted::Duplicate);
    assert_eq!(accept(2).await, Accepted::Merged);
    let nameless = Trigger::Callback { message: None, action: String::new(), member: None };
    assert_eq!(store.accept(&key(1), nameless.clone(), now(0)).await.unwrap(), Accepted::Merged);
    assert_eq!(store.history(&key(1), 9).await.unwrap().len(), 3, "a duplicate leaves no entry");
    // What arrives while a worker has the record asks for one more look.
    let held = lease(&*store, 0);
    assert_eq!(store.accept(&key(1), nameless, now(1)).await.unwrap(), Accepted::Merged);
    store.settle(held, Settlement::Skip { reason: SkipReason::StatusOpen }, None, now(2)).await.unwrap();
    let again = lease(&*store, 2);
    store.settle(again, Settlement::Skip { reason: SkipReason::StatusOpen }, None, now(2)).await.unwrap();
    assert!(store.next_due().is_none());
    assert_eq!(accept(1).await, Accepted::Duplicate, "messages are remembered when the record is settled");
    assert_eq!(accept(3).await, Accepted::Queued);
}

#[tokio::test]
async fn a_lease_that_ran_out_is_worth_nothing() {
    let folder = folder();
    let store = open(folder.path());
    store.accept(&key(1), callback(1), now(0)).await.unwrap();
    let slow = lease(&*store, 0);
    let fast = lease(&*store, 300);
    let done = || Settlement::Skip { reason: SkipReason::Deleted };
    assert_eq!(store.settle(slow, done(), None, now(301)).await, Err(StoreError::LeaseLost));
    store.settle(fast, done(), None, now(301)).await.unwrap();
}

#[tokio::test]
async fn a_lease_that_ran_out_on_a_stopped_record_is_forgotten() {
    let folder = folder();
    let store = open(folder.path());
    store.accept(&key(1), callback(1), now(0)).await.unwrap();
    let slow = lease(&*store, 0);
    let actor = Actor { by: "finance-desk".to_owned(), note: "stop".into(), bulk: None };
    store.resolve(&key(1), Decision::Skip, actor, now(1)).await.unwrap();
    assert!(store.lease(now(299), now(600)).unwrap().is_none());
    assert_eq!(store.overview().leased, 1, "its worker may still settle it");
    assert!(store.lease(now(300), now(600)).unwrap().is_none());
    assert_eq!(store.overview().leased, 0);
    drop(slow);
}

#[tokio::test]
async fn operators_decide() {
    let folder = folder();
    let store = open(folder.path());
    let actor = || Actor { by: "finance-desk".to_owned(), note: "why not".into(), bulk: None };
    let resolve = async |decision| store.resolve(&key(1), decision, actor(), now(5)).await;
    assert_eq!(resolve(Decision::Retry).await, Err(ResolveError::Missing));
    store.accept(&key(1), callback(1), now(0)).await.unwrap();
    let held = lease(&*store, 0);
    let reason = HoldReason::new(HoldCode::UnknownTax, "no tax");
    store
        .settle(
            held,
            Settlement::Hold { reason, posted: None, intent: IntentFate::Clear, warnings: Vec::new() },
            Some(about(7)),
            now(1),
        )
        .await
        .unwrap();
    assert!(matches!(resolve(Decision::Release).await, Err(ResolveError::Refused(_))));
    assert!(matches!(resolve(Decision::Retry).await.unwrap().state, State::Queued { .. }));
    assert!(matches!(resolve(Decision::Hold).await.unwrap().state, State::Held { .. }));
    assert!(store.next_due().is_none());
    assert_eq!(store.accept(&key(1), callback(2), now(6)).await.unwrap(), Accepted::Merged, "an operator's hold stays");
    assert!(store.next_due().is_none());
    resolve(Decision::Release).await.unwrap();
    resolve(Decision::Skip).await.unwrap();
    let page = store.records(Filter { reason: Some("operator".to_owned()), ..Filter::default() }).await.unwrap();
    assert_eq!(page.records.len(), 1);
    assert!(
        store.records(Filter { q: Some("BLUE".to_owned()), ..Filter::default() }).await.unwrap().records.len() == 1
    );
    assert!(
        store
            .records(Filter { company: Some("other".to_owned()), ..Filter::default() })
            .await
            .unwrap()
            .records
            .is_empty()
    );
}

#[tokio::test]
async fn two_processes_do_not_share_a_folder() {
    let folder = folder();
    let _first = open(folder.path());
    let second = store::open(folder.path(), &ManualClock::new(now(0)));
    assert!(matches!(second, Err(StoreError::Unavailable(cause)) if cause.contains("in use")));
}

/// A small random month: accepts, leases, holds, posts, decisions; the same for the same seed.
async fn live(store: &dyn Store, seed: u64, steps: u64) {
    let mut state = seed;
    let mut next = move |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    for step in 0..steps {
        let at = i64::try_from(step).unwrap();
        let id = next(40);
        match next(10) {
            0..5 => {
                let order = Trigger::Order { order: 7 };
                let trigger = if next(4) == 0 { order } else { callback(u128::from(next(90)) + 1) };
                store.accept(&key(id), trigger, now(at)).await.unwrap();
            }
            5..9 => {
                let Some(lease) = store.lease(now(at), now(at + 300)).unwrap() else { continue };
                let settlement = match next(6) {
                    0 => Settlement::Mark { posted: posted(u128::from(id)), content: None, warnings: Vec::new() },
                    1 => Settlement::Done { batch: None, warnings: Vec::new() },
                    2 => Settlement::Skip { reason: SkipReason::StatusOpen },
                    3 => Settlement::Retry {
                        due: now(at + 20),
                        cause: "x".into(),
                        counts: true,
                        intent: IntentFate::Keep,
                    },
                    4 => Settlement::FannedOut {
                        purchases: (0..next(60)).map(|id| SourceId::from(i64::try_from(id).unwrap())).collect(),
                        unnamed: None,
                    },
                    _ => Settlement::Hold {
                        reason: HoldReason::new(HoldCode::UnknownTax, "x"),
                        posted: None,
                        intent: IntentFate::LookFirst,
                        warnings: Vec::new(),
                    },
                };
                let lease = if next(2) == 0 { arm(store, lease, at).await } else { lease };
                store.settle(lease, settlement, Some(about(id)), now(at)).await.unwrap();
            }
            _ => {
                let actor = Actor { by: "o".to_owned(), note: "n".into(), bulk: None };
                let _ = store.resolve(&key(id), Decision::Retry, actor, now(at)).await;
            }
        }
    }
    let (company, contact) = ("acme-au".parse().unwrap(), Uuid::from_u128(5));
    store.note(Event::Linked { company, client: 250, contact }, now(0)).await.unwrap();
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let folder = folder();
    let store = open(folder.path());
    live(&*store, 1, 400).await;
    let (before, overview) = (all(&*store).await, store.overview());
    store.close().await;
    drop(store);
    let store = open(folder.path());
    assert_eq!(all(&*store).await, before);
    assert_eq!(store.overview().counts, overview.counts);
    assert_eq!(store.contact(&"acme-au".parse().unwrap(), 250), Some(Uuid::from_u128(5)));
    assert_eq!(*store.health().borrow(), Health::Good);
}

#[tokio::test]
async fn a_gap_ends_the_history_of_a_record_and_hides_nothing_newer() {
    let folder = folder();
    let store = open(folder.path());
    for message in 1..=4 {
        store.accept(&key(1), callback(message), now(0)).await.unwrap();
    }
    let file = folder.path().join("journal/00000001.log");
    let mut journal = std::fs::read(&file).unwrap();
    let needle = Uuid::from_u128(2).to_string();
    let at = journal.windows(needle.len()).position(|bytes| bytes == needle.as_bytes()).unwrap();
    journal[at] ^= 1;
    std::fs::write(&file, journal).unwrap();
    let history = store.history(&key(1), 10).await.unwrap();
    assert_eq!(history.len(), 2, "the entries after the gap");
    store.close().await;
}

#[tokio::test]
async fn pages_of_any_size_list_every_record_once() {
    let folder = folder();
    let store = open(folder.path());
    let odd = |nanos: i64| now(0) + SignedDuration::from_nanos(nanos);
    for id in 0..12_i64 {
        // Three records at each instant, and instants within one microsecond.
        let at = odd(id / 3 * 7 + 1);
        store.accept(&key(u64::try_from(id).unwrap()), callback(1), at).await.unwrap();
        if id % 2 == 0 {
            let lease = store.lease(now(1), now(300)).unwrap().unwrap();
            store.settle(lease, Settlement::Skip { reason: SkipReason::Deleted }, None, at).await.unwrap();
        }
    }
    for limit in [1, 2, 5] {
        let mut filter = Filter { limit, ..Filter::default() };
        let mut keys = Vec::new();
        loop {
            let page = store.records(filter.clone()).await.unwrap();
            keys.extend(page.records.iter().map(|record| record.key.to_string()));
            assert!(keys.len() <= 12, "limit {limit}: {keys:?}");
            match page.next {
                Some(next) => filter.cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), 12, "limit {limit}");
        assert_eq!(keys.len(), 12, "limit {limit}");
    }
    let wrong = Filter { cursor: Some("queued~x~acme/invoice/1".to_owned()), ..Filter::default() };
    assert_eq!(store.records(wrong).await.map(|page| page.records.len()), Err(StoreError::BadCursor));
}

#[tokio::test]
async fn a_record_with_much_to_say_is_the_same_after_a_restart_and_a_rebuild() {
    let folder = folder();
    let store = open(folder.path());
    let warning = |number: u32| {
        let part = Part::new("é".repeat(300), Money::CENT);
        Warning::new(WarningCode::TermsMismatch, format!("{number}{}", "\u{1}é".repeat(200)))
            .explained(vec![part.clone(), part])
    };
    for id in 1..=5 {
        store.accept(&key(id), callback(1), now(0)).await.unwrap();
        let first = lease(&*store, 0);
        let warnings = (0..16).map(warning).collect();
        store
            .settle(first, Settlement::Mark { posted: posted(9), content: None, warnings }, None, now(2))
            .await
            .unwrap();
        all(&*store).await;
    }
    let expected = all(&*store).await;
    assert!(expected.values().all(|record| record.warnings.len() == 16));
    store.close().await;
    drop(store);
    let store = open(folder.path());
    assert_eq!(all(&*store).await, expected, "after a restart");
    // One of them becomes another long row, which replaces all pieces of the old one.
    let second = lease(&*store, 2);
    store.settle(second, Settlement::Done { batch: None, warnings: vec![warning(99)] }, None, now(3)).await.unwrap();
    let expected = all(&*store).await;
    store.close().await;
    drop(store);
    assert_eq!(std::fs::read_dir(folder.path().join("index/blobs")).map_or(0, Iterator::count), 0, "no blob files");
    let store = open(folder.path());
    assert_eq!(all(&*store).await, expected, "after another restart");
    store.close().await;
    drop(store);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let store = open(folder.path());
    assert_eq!(all(&*store).await, expected, "after a rebuild");
    store.close().await;
    assert_eq!(std::fs::read_dir(folder.path().join("index/blobs")).map_or(0, Iterator::count), 0, "no blob files");
}
