//! What the store survives: a lost, broken or strange index, a cut or damaged journal.

use super::*;

pub(super) fn copy(from: &Path, to: &Path) {
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
