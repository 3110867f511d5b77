//! The store's contract, and what it survives: restarts, a lost or broken index, a cut or damaged journal.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use readypost::clock::ManualClock;
use readypost::domain::delivery::{About, Accepted, Actor, Decision, Intent, Posted, Record, State, Trigger};
use readypost::domain::draft::DocumentKind;
use readypost::domain::facts::ContentHash;
use readypost::domain::hold::{HoldCode, HoldReason, SkipReason};
use readypost::domain::money::Money;
use readypost::domain::record::RecordKey;
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
        batch: None,
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
    store.settle(first, Settlement::Mark { posted: posted(9), warnings: Vec::new() }, None, now(2)).await.unwrap();
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
    let actor = Actor { by: "finance-desk".to_owned(), note: "stop".into() };
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
    let actor = || Actor { by: "finance-desk".to_owned(), note: "why not".into() };
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
            0..5 => drop(store.accept(&key(id), callback(u128::from(next(90)) + 1), now(at)).await.unwrap()),
            5..9 => {
                let Some(lease) = store.lease(now(at), now(at + 300)).unwrap() else { continue };
                let settlement = match next(5) {
                    0 => Settlement::Mark { posted: posted(u128::from(id)), warnings: Vec::new() },
                    1 => Settlement::Done { batch: None, warnings: Vec::new() },
                    2 => Settlement::Skip { reason: SkipReason::StatusOpen },
                    3 => Settlement::Retry {
                        due: now(at + 20),
                        cause: "x".into(),
                        counts: true,
                        intent: IntentFate::Keep,
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
                let actor = Actor { by: "o".to_owned(), note: "n".into() };
                let _ = store.resolve(&key(id), Decision::Retry, actor, now(at)).await;
            }
        }
    }
    let (company, contact) = ("acme-au".parse().unwrap(), Uuid::from_u128(5));
    store.note(Event::Linked { company, client: 250, contact }, now(0)).await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &to.join(file.file_name()));
        } else {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
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
async fn a_lost_or_broken_index_is_rebuilt_to_the_same_state() {
    let folder = folder();
    let store = open(&folder.path().join("0"));
    live(&*store, 2, 400).await;
    let (before, overview) = (all(&*store).await, store.overview());
    store.close().await;
    drop(store);
    for round in 1..=20_u64 {
        let copied = folder.path().join(round.to_string());
        copy(&folder.path().join("0"), &copied);
        break_index(&copied.join("index"), round);
        let store = open(&copied);
        assert_eq!(all(&*store).await, before, "round {round}");
        assert_eq!(store.overview().counts, overview.counts, "round {round}");
    }
}

/// Deletes, truncates or garbles the sled folder, each round otherwise.
fn break_index(index: &Path, round: u64) {
    if round == 1 {
        std::fs::remove_dir_all(index).unwrap();
        return;
    }
    let file = index.join("db");
    let mut bytes = std::fs::read(&file).unwrap();
    let length = u64::try_from(bytes.len()).unwrap();
    if round.is_multiple_of(3) {
        bytes.truncate(usize::try_from(length * round / 25).unwrap());
    } else {
        let mut state = round;
        for _ in 0..(round * 40) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from((state >> 20) % length).unwrap();
            bytes[at] ^= 0x5A;
        }
    }
    std::fs::write(&file, bytes).unwrap();
}

/// The journal of a small store, and where each entry of it ends, with the records as they were then.
async fn small_journal(folder: &Path) -> Vec<u8> {
    let store = open(folder);
    live(&*store, 3, 8).await;
    store.close().await;
    std::fs::read(folder.join("journal/00000001.log")).unwrap()
}

async fn records_of(folder: &Path, journal: &[u8]) -> BTreeMap<String, Record> {
    std::fs::create_dir_all(folder.join("journal")).unwrap();
    std::fs::write(folder.join("journal/00000001.log"), journal).unwrap();
    let store = open(folder);
    let records = all(&*store).await;
    store.close().await;
    records
}

#[tokio::test]
async fn a_journal_cut_anywhere_opens_with_what_was_complete() {
    let folder = folder();
    let journal = small_journal(&folder.path().join("0")).await;
    let mut seen: Vec<BTreeMap<String, Record>> = Vec::new();
    for length in (0..=journal.len()).rev() {
        let copied = folder.path().join("cut");
        let records = records_of(&copied, &journal[..length]).await;
        if seen.last() != Some(&records) {
            seen.push(records);
        }
        std::fs::remove_dir_all(copied).unwrap();
    }
    // Every state on the way back is one the journal went through: one fewer entry each time.
    assert!(seen.len() > 3, "{}", seen.len());
    assert!(seen.last().unwrap().is_empty());
}

#[tokio::test]
async fn a_journal_with_any_byte_flipped_is_never_misread() {
    let folder = folder();
    let journal = small_journal(&folder.path().join("0")).await;
    let whole = records_of(&folder.path().join("whole"), &journal).await;
    let born = open(&folder.path().join("whole")).trusted_since();
    for at in 0..journal.len() {
        let copied = folder.path().join("flip");
        let mut damaged = journal.clone();
        damaged[at] ^= 1 << (at % 8);
        std::fs::create_dir_all(copied.join("journal")).unwrap();
        std::fs::write(copied.join("journal/00000001.log"), &damaged).unwrap();
        let clock = ManualClock::new(now(9_999));
        let store = store::open(&copied, &clock).unwrap();
        assert_eq!(store.trusted_since(), now(9_999), "byte {at}: the gap is noticed");
        assert_ne!(store.trusted_since(), born);
        for (key, record) in all(&*store).await {
            assert!(whole.contains_key(&key), "byte {at}: {key} was never there");
            assert_eq!(record.key.to_string(), key);
        }
        store.close().await;
        drop(store);
        // A second start finds nothing new and stores on.
        let store = store::open(&copied, &ManualClock::new(now(20_000))).unwrap();
        assert_eq!(store.trusted_since(), now(9_999), "byte {at}");
        assert_eq!(store.accept(&key(777), callback(777), now(20_000)).await.unwrap(), Accepted::Queued);
        store.close().await;
        drop(store);
        std::fs::remove_dir_all(copied).unwrap();
    }
}

/// The part of a journal that consists of whole entries.
fn complete(journal: &[u8]) -> &[u8] {
    let mut end = 16;
    while let Some(length) = journal.get(end..end + 4) {
        let next = end + 8 + usize::try_from(u32::from_le_bytes(length.try_into().unwrap())).unwrap();
        if next > journal.len() {
            break;
        }
        end = next;
    }
    journal.get(..end).unwrap_or_default()
}

/// Opens `journal` next to a copy of `index`: what is found must be what the journal says, and nothing of it lost.
async fn opens_as_without_index(folder: &Path, index: &Path, journal: &[u8]) {
    let (alone, both) = (folder.join("alone"), folder.join("both"));
    let expected = records_of(&alone, journal).await;
    copy(index, &both.join("index"));
    assert_eq!(records_of(&both, journal).await, expected, "{} bytes", journal.len());
    let kept = std::fs::read(both.join("journal/00000001.log")).unwrap();
    assert!(kept.starts_with(complete(journal)), "{} bytes", journal.len());
    std::fs::remove_dir_all(alone).unwrap();
    std::fs::remove_dir_all(both).unwrap();
}

#[tokio::test]
async fn an_index_ahead_of_a_shortened_journal_is_rebuilt_and_costs_nothing() {
    let folder = folder();
    let whole = folder.path().join("0");
    let journal = small_journal(&whole).await;
    for length in (16..=journal.len()).step_by(3) {
        opens_as_without_index(folder.path(), &whole.join("index"), &journal[..length]).await;
    }
    // Cut between two entries there is no damage to be seen, but the index knows of what is missing.
    let shortened = complete(&journal[..journal.len() - 1]);
    std::fs::write(whole.join("journal/00000001.log"), shortened).unwrap();
    let store = store::open(&whole, &ManualClock::new(now(70))).unwrap();
    assert_eq!(store.trusted_since(), now(70));
    store.close().await;
}

#[tokio::test]
async fn an_index_of_another_journal_costs_nothing() {
    let folder = folder();
    let length = small_journal(&folder.path().join("0")).await.len();
    let store = open(&folder.path().join("1"));
    live(&*store, 4, 40).await;
    store.close().await;
    let longer = std::fs::read(folder.path().join("1/journal/00000001.log")).unwrap();
    assert!(longer.len() > length + 600);
    // The mark lies before, in and behind the last entry, and exactly at the end.
    for cut in (length..length + 600).step_by(7).chain([longer.len()]) {
        opens_as_without_index(folder.path(), &folder.path().join("0/index"), &longer[..cut]).await;
    }
}

#[tokio::test]
async fn a_torn_tail_where_the_index_ends_is_an_ordinary_crash() {
    let folder = folder();
    let journal = small_journal(folder.path()).await;
    let file = folder.path().join("journal/00000001.log");
    std::fs::write(&file, [&journal[..], &journal[16..50]].concat()).unwrap();
    for at in [50, 60] {
        let store = store::open(folder.path(), &ManualClock::new(now(at))).unwrap();
        assert_eq!(store.trusted_since(), now(50), "one gap");
        store.close().await;
        assert!(std::fs::read(&file).unwrap().starts_with(&journal));
        assert!(!folder.path().join("index.broken-1").exists(), "the index was kept");
    }
    let aside = folder.path().join(format!("journal/00000001-{}.damaged", journal.len()));
    assert_eq!(std::fs::read(aside).unwrap(), journal[16..50]);
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
        store.settle(first, Settlement::Mark { posted: posted(9), warnings }, None, now(2)).await.unwrap();
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
