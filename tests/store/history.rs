//! The history cannot be changed quietly: every edit, cut, swap and removal is found, in the journal, beside it and in
//! an exported file. Backups are whole, and a store of the first version is continued.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use readypost::domain::exchange::{Body, Exchange};
use readypost::store::audit::{self, Choice, Verdict};
use readypost::store::{Head, Options};
use sha2::{Digest, Sha256};

use super::damage::copy;
use super::*;

fn exchange(at: i64, text: &str) -> Exchange {
    Exchange {
        at: now(at),
        answered: Some(now(at)),
        system: "Xero".to_owned(),
        method: "PUT".to_owned(),
        address: "api.xero.com/api.xro/2.0/Invoices?unitdp=4".to_owned(),
        headers: BTreeMap::new(),
        request: Body::new(text.as_bytes(), 1_000),
        status: Some(200),
        response: Body::new(text.repeat(30).as_bytes(), 100_000),
        failure: None,
    }
}

fn small(path: &Path, at: i64, exchanges_days: u32) -> Arc<dyn Store> {
    let options = Options { segment_bytes: 2_000, exchanges_days, ..Options::default() };
    store::open_with(path, &ManualClock::new(now(at)), options).unwrap()
}

/// A store of three segments, the first two of them compressed, and exchanges of four steps; closed.
async fn filled(path: &Path) {
    let store = small(path, 0, 0);
    for id in 1..=4_u64 {
        let at = i64::try_from(id).unwrap();
        store.accept(&key(id), callback(u128::from(id)), now(at)).await.unwrap();
        let lease = super::lease(&*store, at).under("0123456789abcdef");
        lease.recorder().add(exchange(at, &format!("before {id}")));
        let lease = arm(&*store, lease, at).await;
        lease.recorder().add(exchange(at, &format!("after {id}")));
        let settlement = Settlement::Done { batch: Some(format!("RP-{id}")), warnings: Vec::new() };
        store.settle(lease, settlement, Some(about(id)), now(at)).await.unwrap();
    }
    while std::fs::read_dir(path.join("journal")).unwrap().count() != 3
        || !path.join("journal/00000002.log.gz").exists()
        || path.join("journal/00000002.log").exists()
    {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    store.close().await;
}

fn verify(path: &Path, heads: &[Head]) -> Verdict {
    audit::verify(path, heads).unwrap()
}

/// The bytes of a segment before it was compressed.
fn plain(store: &Path, segment: u32) -> Vec<u8> {
    let path = store.join(format!("journal/{segment:08}.log"));
    if let Ok(bytes) = std::fs::read(&path) {
        return bytes;
    }
    let mut bytes = Vec::new();
    let packed = std::fs::File::open(path.with_extension("log.gz")).unwrap();
    flate2::read::MultiGzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Where the entries of a segment are.
fn entries(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 16);
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let end = at + 8 + usize::try_from(length).unwrap();
        found.push(at..end);
        at = end;
    }
    found
}

/// Makes an entry's checksum right again, as whoever edits it on purpose does.
fn reseal(entry: &mut [u8]) {
    let crc = crc32c::crc32c(&entry[8..]);
    entry[4..8].copy_from_slice(&crc.to_le_bytes());
}

/// What somebody could do to entry `at` of a segment: how it is called, and the segment then.
fn deeds(bytes: &[u8], at: usize) -> Vec<(&'static str, Vec<u8>)> {
    let places = entries(bytes);
    let place = places[at].clone();
    let with = |from: std::ops::Range<usize>, to: &[u8]| [&bytes[..from.start], to, &bytes[from.end..]].concat();
    let mut deeds = Vec::new();
    for offset in [0, 4, 8, 16, 48, place.len() / 2, place.len() - 1] {
        let mut entry = bytes[place.clone()].to_vec();
        entry[offset] ^= 1;
        deeds.push(("a byte flipped", with(place.clone(), &entry)));
        if offset >= 8 {
            reseal(&mut entry);
            deeds.push(("a byte edited", with(place.clone(), &entry)));
        }
    }
    // Another amount of the same length, with the checksum made anew.
    let mut entry = bytes[place.clone()].to_vec();
    let digit = entry.iter().rposition(u8::is_ascii_digit).unwrap();
    entry[digit] = if entry[digit] == b'9' { b'1' } else { entry[digit] + 1 };
    reseal(&mut entry);
    deeds.push(("a digit edited", with(place.clone(), &entry)));
    deeds.push(("removed", with(place.clone(), b"")));
    deeds.push(("written twice", with(place.clone(), &bytes[place.clone()].repeat(2))));
    // A new entry of the same place in the chain before it.
    let mut forged = bytes[place.clone()].to_vec();
    forged.extend_from_slice(b" ");
    let length = u32::try_from(forged.len() - 8).unwrap();
    forged[..4].copy_from_slice(&length.to_le_bytes());
    reseal(&mut forged);
    deeds.push(("another one put before it", with(place.start..place.start, &forged)));
    deeds.push(("cut in the middle", bytes[..place.start + place.len() / 2].to_vec()));
    deeds.push(("cut off with what follows", bytes[..place.start].to_vec()));
    if let Some(next) = places.get(at + 1) {
        let swapped = [&bytes[next.clone()], &bytes[place.clone()]].concat();
        deeds.push(("swapped with the next", with(place.start..next.end, &swapped)));
    }
    deeds
}

#[tokio::test]
async fn nothing_can_be_done_to_an_entry_that_is_not_found() {
    let folder = folder();
    let path = folder.path().join("store");
    filled(&path).await;
    let clean = verify(&path, &[]);
    assert_eq!((clean.findings.clone(), clean.entries, clean.exchanges.whole), (vec![], 13, 8));
    let (mut done, mut needs_head) = (0, Vec::new());
    for segment in 1..=3 {
        let bytes = plain(&path, segment);
        for at in 0..entries(&bytes).len() {
            for (deed, changed) in deeds(&bytes, at) {
                let other = folder.path().join("other");
                copy(&path, &other);
                let _ = std::fs::remove_file(other.join(format!("journal/{segment:08}.log.gz")));
                std::fs::write(other.join(format!("journal/{segment:08}.log")), changed).unwrap();
                done += 1;
                if verify(&other, &[]).is_clean() {
                    needs_head.push((segment, at, deed));
                }
                assert!(!verify(&other, &[clean.head]).is_clean(), "{deed}: entry {at} of segment {segment}");
                std::fs::remove_dir_all(other).unwrap();
            }
        }
    }
    println!("{done} deeds, {} of them found by the head alone: {needs_head:?}", needs_head.len());
    assert!(done > 200);
    // Without a head, only the end can be cut off or written anew: all else is found by the chain.
    let last = entries(&plain(&path, 3)).len() - 1;
    let (cut, anew): (Vec<_>, Vec<_>) = needs_head.into_iter().partition(|(.., deed)| deed.starts_with("cut off"));
    assert!(cut.iter().all(|(segment, ..)| *segment == 3) && cut.len() == last + 1, "{cut:?}");
    assert!(
        anew.iter().all(|(segment, at, deed)| {
            (*segment, *at) == (3, last) && ["a byte edited", "a digit edited", "removed"].contains(deed)
        }),
        "{anew:?}"
    );
}

#[tokio::test]
async fn nothing_can_be_done_to_a_file_of_the_journal_that_is_not_found() {
    let folder = folder();
    let path = folder.path().join("store");
    filled(&path).await;
    let clean = verify(&path, &[]);
    let packed = path.join("journal/00000001.log.gz");
    let bytes = std::fs::read(&packed).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        std::fs::write(&packed, &changed).unwrap();
        assert!(!verify(&path, &[]).is_clean(), "byte {at} of the compressed segment");
        std::fs::write(&packed, &bytes[..at]).unwrap();
        assert!(!verify(&path, &[]).is_clean(), "the compressed segment cut at {at}");
    }
    std::fs::write(&packed, &bytes).unwrap();
    let name = |segment: u32| match segment {
        3 => path.join("journal/00000003.log"),
        segment => path.join(format!("journal/{segment:08}.log.gz")),
    };
    for segment in 1..=3 {
        let aside = folder.path().join("aside");
        std::fs::rename(name(segment), &aside).unwrap();
        assert!(!verify(&path, &[clean.head]).is_clean(), "segment {segment} removed");
        assert_eq!(verify(&path, &[]).is_clean(), segment == 3, "segment {segment} removed, no head noted");
        std::fs::rename(&aside, name(segment)).unwrap();
    }
    let (one, two) = (std::fs::read(name(1)).unwrap(), std::fs::read(name(2)).unwrap());
    std::fs::write(name(1), &two).unwrap();
    std::fs::write(name(2), &one).unwrap();
    assert!(!verify(&path, &[]).is_clean(), "segments swapped");
    std::fs::write(name(1), &one).unwrap();
    std::fs::write(name(2), &two).unwrap();
    let mut header = std::fs::read(name(3)).unwrap();
    header[3] ^= 1;
    std::fs::write(name(3), &header).unwrap();
    assert!(!verify(&path, &[]).is_clean(), "the header of a segment");
    header[3] ^= 1;
    std::fs::write(name(3), &header).unwrap();
    assert_eq!(verify(&path, &[clean.head]), clean);
    // A history that was written anew from end to end is whole, and has another head.
    let anew = folder.path().join("anew");
    rewritten(&path, &anew);
    assert!(verify(&anew, &[]).findings.iter().all(|finding| finding.sentence.contains("exchanges")));
    let found = verify(&anew, &[clean.head]);
    assert!(found.findings.iter().any(|finding| finding.sentence.contains("written anew")), "{:?}", found.findings);
}

/// The whole chain made anew after an edit, as only whoever owns the disk can.
fn rewritten(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("journal")).unwrap();
    let mut previous = [0; 32];
    for segment in 1..=3 {
        let bytes = plain(from, segment);
        let mut out = bytes[..16].to_vec();
        for place in entries(&bytes) {
            let payload = std::str::from_utf8(&bytes[place.start + 48..place.end]).unwrap();
            let payload = payload.replace("Blue Gum Dental", "Red Gum Dental");
            let mut entry = vec![0; 8];
            entry.extend_from_slice(&bytes[place.start + 8..place.start + 16]);
            entry.extend_from_slice(&previous);
            entry.extend_from_slice(payload.as_bytes());
            previous = Sha256::digest(&entry[8..]).into();
            let length = u32::try_from(entry.len() - 8).unwrap();
            entry[..4].copy_from_slice(&length.to_le_bytes());
            reseal(&mut entry);
            out.extend_from_slice(&entry);
        }
        std::fs::write(to.join(format!("journal/{segment:08}.log")), out).unwrap();
    }
}

#[tokio::test]
async fn exchanges_are_in_the_chain_and_their_removal_is_told() {
    let folder = folder();
    let path = folder.path().join("store");
    filled(&path).await;
    let file = path.join("exchanges/00000001.xchg");
    let bytes = std::fs::read(&file).unwrap();
    for at in 24..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        std::fs::write(&file, &changed).unwrap();
        assert!(!verify(&path, &[]).is_clean(), "byte {at} of the exchanges");
    }
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(verify(&path, &[]).findings.len(), 1, "cut");
    std::fs::remove_file(&file).unwrap();
    let gone = verify(&path, &[]);
    assert_eq!((gone.findings.len(), gone.exchanges.whole), (8, 0), "one for each entry that names some");
    std::fs::write(&file, &bytes).unwrap();
    // 30 days later the file is not gone on with; another 30 days later it is old.
    let day = 86_400;
    let store = small(&path, 30 * day, 40);
    let said = store.said(&key(1), 100).await.unwrap();
    assert_eq!(said.iter().map(|said| said.before.as_str()).collect::<Vec<_>>(), ["request", "settled"]);
    let text = said[0].exchanges.as_ref().unwrap()[0].request.as_ref().unwrap().text.clone();
    assert_eq!((text.as_str(), said[0].rules.as_deref()), ("before 1", Some("0123456789abcdef")));
    store.accept(&key(9), callback(99), now(30 * day)).await.unwrap();
    let mut left = 0;
    while let Some(lease) = store.lease(now(30 * day), now(30 * day + 300)).unwrap() {
        lease.recorder().add(exchange(30 * day, "a month later"));
        let settlement = Settlement::Skip { reason: SkipReason::StatusOpen };
        store.settle(lease, settlement, None, now(30 * day)).await.unwrap();
        left += 1;
    }
    assert!(path.join("exchanges/00000002.xchg").exists());
    assert_eq!(store.expire(now(60 * day)).await.unwrap(), 0, "30 days are not 40");
    assert_eq!(store.expire(now(71 * day)).await.unwrap(), 1);
    assert!(!file.exists());
    let expired = verify(&path, &[]);
    assert!(expired.is_clean(), "{:?}", expired.findings);
    assert_eq!((expired.exchanges.removed, expired.exchanges.whole), (8, left));
    let said = store.said(&key(1), 100).await.unwrap();
    assert!(said[0].exchanges.is_none() && said[0].missing.as_ref().unwrap().contains("not there"));
    assert_eq!(store.expire(now(400 * day)).await.unwrap(), 0, "the last file stays");
    store.close().await;
    // What goes without the rule is found, although another file went by it.
    std::fs::remove_file(path.join("exchanges/00000002.xchg")).unwrap();
    assert_eq!(u64::try_from(verify(&path, &[]).findings.len()).unwrap(), left);
}

#[tokio::test]
async fn an_export_verifies_by_itself_and_no_line_of_it_can_be_changed() {
    let folder = folder();
    let path = folder.path().join("store");
    filled(&path).await;
    let all = Choice::default();
    for name in ["history.jsonl", "history.jsonl.gz"] {
        let file = folder.path().join(name);
        let written = audit::export(&path, &file, &all).unwrap();
        assert_eq!(written, verify(&path, &[]));
        assert_eq!(audit::verify_export(&file, &[written.head]).unwrap(), written);
        assert!(audit::export(&path, &file, &all).is_err(), "it is there already");
    }
    let head = verify(&path, &[]).head;
    let packed = std::fs::read(folder.path().join("history.jsonl.gz")).unwrap();
    let text = std::fs::read_to_string(folder.path().join("history.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 15);
    let file = folder.path().join("changed.jsonl");
    let found = |changed: &[u8]| {
        std::fs::write(&file, changed).unwrap();
        audit::verify_export(&file, &[head]).map_or(true, |verdict| !verdict.is_clean())
    };
    let joined = |lines: &[&str]| format!("{}\n", lines.join("\n")).into_bytes();
    for at in 0..lines.len() {
        let mut changed = lines.clone();
        changed.remove(at);
        assert!(found(&joined(&changed)), "line {at} removed");
        let mut changed = lines.clone();
        changed.insert(at, lines[at]);
        assert!(found(&joined(&changed)), "line {at} twice");
        if at + 1 < lines.len() {
            let mut changed = lines.clone();
            changed.swap(at, at + 1);
            assert!(found(&joined(&changed)), "lines {at} and {} swapped", at + 1);
        }
        assert!(found(&joined(&lines[..at])), "cut behind line {at}");
        // Any digit that is changed in an entry is found, in what was said, too.
        let is_entry = (1..lines.len() - 1).contains(&at);
        for digit in lines[at].match_indices(|c: char| c.is_ascii_digit()).map(|(place, _)| place).filter(|_| is_entry)
        {
            let mut line = lines[at].as_bytes().to_vec();
            line[digit] = if line[digit] == b'9' { b'0' } else { line[digit] + 1 };
            let line = String::from_utf8(line).unwrap();
            let mut changed = lines.clone();
            changed[at] = &line;
            assert!(found(&joined(&changed)), "line {at}, digit at {digit}");
        }
    }
    for length in (0..packed.len()).step_by(11) {
        assert!(found(&packed[..length]), "the compressed file cut at {length}");
    }
    // A part: the rest is hashes, and the file says so.
    let one = Choice { record: Some(key(2)), ..Choice::default() };
    let part = folder.path().join("one.jsonl");
    audit::export(&path, &part, &one).unwrap();
    let verdict = audit::verify_export(&part, &[head]).unwrap();
    assert!(verdict.is_clean() && verdict.notes.len() == 1, "{verdict:?}");
    assert_eq!((verdict.entries, verdict.hashes_only, verdict.exchanges.whole), (13, 9, 2));
    assert!(!std::fs::read_to_string(&part).unwrap().contains("before 1"));
    let text = std::fs::read_to_string(&part).unwrap();
    assert!(found(text.replace("before 2", "before 3").as_bytes()));
    let times = Choice { since: Some(now(2)), until: Some(now(3)), ..Choice::default() };
    let part = folder.path().join("times.jsonl.gz");
    audit::export(&path, &part, &times).unwrap();
    assert_eq!(audit::verify_export(&part, &[head]).unwrap().hashes_only, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_store_is_verified_exported_and_backed_up_while_it_is_written_and_compressed() {
    let folder = folder();
    let path = folder.path().join("store");
    let store = small(&path, 0, 0);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3_u64)
        .map(|writer| {
            let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut done = 0_u64;
                while !stop.load(Ordering::Relaxed) {
                    let key = key(writer * 1_000_000 + done % 500);
                    let message = u128::from(writer * 1_000_000 + done);
                    store.accept(&key, callback(message), now(0)).await.unwrap();
                    if done.is_multiple_of(10)
                        && let Some(lease) = store.lease(now(0), now(300)).unwrap()
                    {
                        lease.recorder().add(exchange(0, &format!("{writer} {done}")));
                        let settlement = Settlement::Skip { reason: SkipReason::StatusOpen };
                        store.settle(lease, settlement, None, now(0)).await.unwrap();
                    }
                    done += 1;
                }
                done
            })
        })
        .collect();
    let (begun, mut rounds, mut last) = (std::time::Instant::now(), 0, 0);
    while rounds < 8 || (begun.elapsed().as_secs() < 3 && rounds < 200) {
        let (path, to) = (path.clone(), folder.path().join(format!("backup-{rounds}")));
        let known = store.overview().head;
        let verdict = tokio::task::spawn_blocking(move || {
            let verdict = match rounds % 3 {
                0 => verify(&path, &[known]),
                1 => {
                    audit::export(&path, &to, &Choice::default()).unwrap();
                    audit::verify_export(&to, &[known]).unwrap()
                }
                _ => {
                    audit::backup(&path, &to, &ManualClock::new(now(9))).unwrap();
                    verify(&to, &[known])
                }
            };
            let _ = std::fs::remove_dir_all(&to).or_else(|_| std::fs::remove_file(&to));
            verdict
        });
        let verdict = verdict.await.unwrap();
        assert!(verdict.is_clean(), "round {rounds}: {:?}", verdict.findings);
        assert!(verdict.entries >= last, "round {rounds}");
        (last, rounds) = (verdict.entries, rounds + 1);
    }
    stop.store(true, Ordering::Relaxed);
    let mut done = 0;
    for writer in writers {
        done += writer.await.unwrap();
    }
    store.close().await;
    let compressed = std::fs::read_dir(path.join("journal")).unwrap();
    let compressed = compressed
        .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "gz"))
        .count();
    println!("{rounds} rounds beside {done} callbacks, {compressed} segments compressed");
    assert!(compressed > 3 && last > 100);
}

#[tokio::test]
async fn a_backup_is_restored_with_a_gap_and_nothing_is_overwritten() {
    let folder = folder();
    let path = folder.path().join("store");
    filled(&path).await;
    let (backup, target) = (folder.path().join("backup"), folder.path().join("restored"));
    let clock = ManualClock::new(now(5_000));
    let verdict = audit::backup(&path, &backup, &clock).unwrap();
    assert!(verdict.is_clean());
    let refused = |outcome: Result<Verdict, audit::AuditError>| outcome.unwrap_err().to_string();
    assert!(refused(audit::backup(&path, &backup, &clock)).contains("not empty"));
    assert!(refused(audit::restore(&backup, &path, &clock)).contains("not empty"));
    assert!(refused(audit::restore(&folder.path().join("nothing"), &target, &clock)).contains("no journal"));
    // One that lost its end since is not restored: its label says where it ended.
    let short = folder.path().join("short");
    copy(&backup, &short);
    std::fs::remove_file(short.join("journal/00000003.log")).unwrap();
    assert!(refused(audit::restore(&short, &target, &clock)).contains("cut off"));
    assert!(!target.exists());
    let before = {
        let store = small(&path, 0, 0);
        let before = all(&*store).await;
        assert_eq!(store.trusted_since(), now(0));
        store.close().await;
        before
    };
    let restored = audit::restore(&backup, &target, &clock).unwrap();
    assert_eq!(restored.head.sequence, verdict.head.sequence + 1);
    assert_eq!(restored.notes.len(), 1);
    let store = small(&target, 6_000, 0);
    assert_eq!(all(&*store).await, before);
    assert_eq!(store.trusted_since(), now(6_000), "what was posted between restore and start is looked up, too");
    store.close().await;
    drop(store);
    let store = small(&target, 7_000, 0);
    assert_eq!(store.trusted_since(), now(6_000), "once");
    store.close().await;
    let verdict = verify(&target, &[verdict.head, restored.head]);
    assert!(verdict.is_clean() && verdict.exchanges.whole == 8, "{:?}", verdict.findings);
    // A backup that is used without `restore` notes its gap as well.
    let store = small(&backup, 8_000, 0);
    assert_eq!(store.trusted_since(), now(8_000));
    store.close().await;
}

#[tokio::test]
async fn a_store_of_the_first_version_is_opened_continued_and_verified() {
    let written = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/store/v1");
    let records: Vec<Record> =
        serde_json::from_str(&std::fs::read_to_string(written.join("records.json")).unwrap()).unwrap();
    assert_eq!(records.len(), 12);
    let expected: BTreeMap<String, Record> =
        records.into_iter().map(|record| (record.key.to_string(), record)).collect();
    for with_index in [true, false] {
        let folder = folder();
        let path = folder.path().join("store");
        copy(&written, &path);
        let mut db = Vec::new();
        let packed = std::fs::File::open(path.join("index/db.gz")).unwrap();
        flate2::read::GzDecoder::new(packed).read_to_end(&mut db).unwrap();
        std::fs::write(path.join("index/db"), db).unwrap();
        std::fs::remove_file(path.join("index/db.gz")).unwrap();
        if !with_index {
            std::fs::remove_dir_all(path.join("index")).unwrap();
        }
        let old = verify(&path, &[]);
        assert!(old.is_clean(), "{:?}", old.findings);
        assert_eq!((old.entries, old.exchanges.whole), (97, 0));
        let store = small(&path, 86_400, 0);
        let asides = std::fs::read_dir(&path).unwrap();
        let names: Vec<_> = asides.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        // The index of an earlier version is built anew, and kept.
        let mut indexes: Vec<_> = names.iter().filter(|name| name.starts_with("index")).collect();
        indexes.sort();
        let expected_indexes: &[&str] = if with_index { &["index", "index.older-1"] } else { &["index"] };
        assert_eq!(indexes, expected_indexes);
        assert_eq!(all(&*store).await, expected, "with its index: {with_index}");
        assert_eq!(store.overview().entries, 97);
        let posted = expected.values().find(|record| record.posted.is_some()).unwrap();
        assert!(store.history(&posted.key, 100).await.unwrap().len() > 4);
        assert!(store.said(&posted.key, 100).await.unwrap().is_empty(), "nothing was kept then");
        // It goes on with what is new.
        let lease = super::lease(&*store, 86_400).under("fedcba9876543210");
        let record = lease.record.key.clone();
        lease.recorder().add(exchange(86_400, "with the new version"));
        let settlement = Settlement::Skip { reason: SkipReason::StatusOpen };
        store.settle(lease, settlement, None, now(86_400)).await.unwrap();
        assert_eq!(store.said(&record, 100).await.unwrap().len(), 1);
        let after = all(&*store).await;
        store.close().await;
        drop(store);
        let new = verify(&path, &[old.head]);
        assert!(new.is_clean(), "{:?}", new.findings);
        assert_eq!((new.entries, new.exchanges.whole), (98, 1));
        let store = small(&path, 86_500, 0);
        assert_eq!(all(&*store).await, after);
        store.close().await;
    }
}

#[tokio::test]
async fn exchanges_that_cannot_be_written_stop_the_store_before_anything_is_said_of_them() {
    let folder = folder();
    let path = folder.path().join("store");
    let store = small(&path, 0, 0);
    // A file where the folder should be stands for a disk that refuses.
    std::fs::write(path.join("exchanges"), "").unwrap();
    store.accept(&key(1), callback(1), now(0)).await.unwrap();
    let lease = super::lease(&*store, 0);
    lease.recorder().add(exchange(0, "lost"));
    let settlement = Settlement::Skip { reason: SkipReason::StatusOpen };
    let refused = store.settle(lease, settlement, None, now(0)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(matches!(&*store.health().borrow(), Health::Poisoned(cause) if cause.contains("exchanges")));
    assert!(store.accept(&key(2), callback(2), now(1)).await.is_err());
    store.close().await;
    assert_eq!(verify(&path, &[]).entries, 2, "the step is repeated at the next start");
}
