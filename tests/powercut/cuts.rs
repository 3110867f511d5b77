//! Power cuts of a real ext4 under the real binary, and under a process that closes and compresses segments all the
//! time. After each the store is opened twice, as it was left and from its journal alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use readypost::clock::SystemClock;
use readypost::simulator::connectwise::ConnectWise;
use readypost::simulator::{connectwise, xero};
use readypost::store::{Event, Options, Store};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::child::{self, Stages, Work};
use crate::disk::Disk;
use crate::harness::{RULES, configuration_text, furnish};
use crate::load::{Acknowledged, Load};
use crate::process::Service;
use crate::{Seeded, Verdict};

/// Cuts until the disk is made anew, so that stores are cut when they are new and when they are not.
const CUTS_OF_A_DISK: u64 = 8;
const DISK_MIB: u64 = 400;
const CONNECTIONS: usize = 6;
/// Of the binary, whose segments are longer than a round writes.
const SEGMENT_BYTES: u64 = 300_000;

/// What is cut.
#[derive(Clone, Copy)]
enum Kind {
    /// The binary under callbacks of so many bytes.
    Door(usize),
    /// The process that only stores.
    Store(Work),
}

const SMALL: Work =
    Work { segment_bytes: 20_000, tasks: 8, records: u64::MAX, body_bytes_max: 900, dies_after: 0, hour: 0 };
const LARGE: Work =
    Work { segment_bytes: 400_000, tasks: 8, records: u64::MAX, body_bytes_max: 200_000, dies_after: 0, hour: 0 };
const KINDS: [(&str, Kind); 5] = [
    ("binary, callbacks of 600 bytes", Kind::Door(600)),
    ("binary, callbacks of 20 kB", Kind::Door(20_000)),
    ("binary, callbacks of 900 kB", Kind::Door(900_000)),
    ("store, entries to 1 kB, segments of 20 kB", Kind::Store(SMALL)),
    ("store, entries to 200 kB, segments of 400 kB", Kind::Store(LARGE)),
];

/// What one kind came to.
#[derive(Default)]
struct Sum {
    cuts: u64,
    acknowledged: usize,
    lost: usize,
    unopened: u64,
    rebuilt: u64,
    compressed: usize,
    ended: u64,
}

/// What a cut left.
#[derive(Default)]
struct Found {
    lost: Vec<String>,
    unopened: Option<String>,
    rebuilt: bool,
    compressed: usize,
}

/// Makes so many cuts, and prints what came of them.
pub(crate) async fn run(cuts: u64) -> Verdict {
    if let Err(why) = Disk::new(32).and_then(|disk| disk.cut(|| ())) {
        return Verdict::LeftOut(format!("a power cut needs root, loop devices, mkfs.ext4 and perl: {why}"));
    }
    println!(
        "{:<46}{:>6}{:>14}{:>6}{:>10}{:>9}{:>12}{:>8}",
        "power cuts of", "cuts", "acknowledged", "lost", "unopened", "rebuilt", "compressed", "s"
    );
    let mut all = Sum::default();
    for ((name, kind), number) in KINDS.into_iter().zip(0..) {
        let share = cuts / 5 + u64::from(number < cuts % 5);
        let (mut sum, begun) = (Sum::default(), Instant::now());
        while sum.cuts < share {
            let mut random = Seeded(1_000 * (number + 1) + sum.cuts);
            let round = (share - sum.cuts).min(CUTS_OF_A_DISK);
            match kind {
                Kind::Door(bytes) => door(bytes, round, &mut random, &mut sum).await,
                Kind::Store(work) => store(work, round, &mut random, &mut sum).await,
            }
        }
        println!(
            "{name:<46}{:>6}{:>14}{:>6}{:>10}{:>9}{:>12}{:>8}",
            sum.cuts,
            sum.acknowledged,
            sum.lost,
            sum.unopened,
            sum.rebuilt,
            sum.compressed,
            begun.elapsed().as_secs()
        );
        all.cuts += sum.cuts;
        all.acknowledged += sum.acknowledged;
        all.lost += sum.lost;
        all.unopened += sum.unopened;
        all.ended += sum.ended;
    }
    println!(
        "{} cuts, {} acknowledged, {} lost, {} did not open; {} processes ended by themselves, with code 1",
        all.cuts, all.acknowledged, all.lost, all.unopened, all.ended
    );
    if all.lost == 0 && all.unopened == 0 { Verdict::Clean } else { Verdict::Lost }
}

impl Sum {
    fn add(&mut self, acknowledged: usize, found: Found, seed: &str) {
        self.cuts += 1;
        self.acknowledged += acknowledged;
        self.lost += found.lost.len();
        self.rebuilt += u64::from(found.rebuilt);
        self.compressed = self.compressed.max(found.compressed);
        for line in found.lost.iter().take(5) {
            println!("  {seed}: lost: {line}");
        }
        if let Some(cause) = found.unopened {
            self.unopened += 1;
            println!("  {seed}: did not open: {cause}");
        }
    }
}

/// Cuts under the binary, all on one disk.
async fn door(bytes: usize, cuts: u64, random: &mut Seeded, sum: &mut Sum) {
    let clock = Arc::new(SystemClock);
    let connectwise = Arc::new(ConnectWise::start(connectwise::Settings::new(clock.clone())).await.unwrap());
    let xero = xero::Xero::start(xero::Settings::new(clock)).await.unwrap();
    furnish(&connectwise, &xero);
    let mut disk = Disk::new(DISK_MIB).unwrap();
    let path = disk.path().join("store");
    fill(&path).await;
    let (config, log) = (disk.beside().join("readypost.toml"), disk.beside().join("log"));
    std::fs::write(&config, configuration_text(&connectwise, &xero, &path, (RULES, ""))).unwrap();
    let load = Load::new(connectwise, bytes);
    for cut in 0..cuts {
        let Some(mut service) = Service::start(&[], &config, &log).await else {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            let cause = log.lines().last().unwrap_or_default().to_owned();
            sum.add(0, Found { unopened: Some(cause), ..Found::default() }, "the binary");
            return;
        };
        let before = load.retain(|_| true).len();
        let mut clients = load.start(&service.url, CONNECTIONS);
        let wanted = before + usize::try_from(1 + random.below(if bytes > 100_000 { 5 } else { 80 })).unwrap();
        until(&mut || load.retain(|_| true).len() >= wanted).await;
        tokio::time::sleep(Duration::from_millis(random.below(200))).await;
        let cut_at = disk.cut(Instant::now).unwrap();
        let dark = Instant::now();
        tokio::time::sleep(Duration::from_millis(random.below(60))).await;
        if cut % 4 == 0 {
            let code = tokio::time::timeout(Duration::from_mins(1), service.ended()).await.unwrap();
            assert_eq!(code, Some(1), "a process whose disk is gone ends with code 1");
            sum.ended += 1;
        } else {
            service.kill().await;
        }
        load.stop();
        while clients.join_next().await.is_some() {}
        disk.unmount().unwrap();
        disk.mount().unwrap();
        // What was sent when the disk was gone must not be acknowledged at all, so it counts.
        let acknowledged = load.retain(|callback| callback.answered < cut_at || callback.sent > dark);
        let found = after(&path, disk.beside(), &Asked::Callbacks(&acknowledged)).await;
        sum.add(acknowledged.len() - before, found, &format!("cut {cut}"));
    }
}

/// Waits until so much is acknowledged, for a while: on a busy machine a cut after a fixed time would prove nothing.
async fn until(enough: &mut dyn FnMut() -> bool) {
    let begun = Instant::now();
    while !enough() && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Closed segments that were not compressed yet, for the binary to compress while it is cut.
async fn fill(path: &Path) {
    let work = Work { segment_bytes: SEGMENT_BYTES, tasks: 1, records: 60, body_bytes_max: 150_000, ..SMALL };
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    let status = command.args(work.arguments(path)).stdin(Stdio::null()).stdout(Stdio::null()).status().await;
    assert!(status.unwrap().success());
}

/// Cuts under the process that only stores.
async fn store(work: Work, cuts: u64, random: &mut Seeded, sum: &mut Sum) {
    let mut disk = Disk::new(DISK_MIB).unwrap();
    let path = disk.path().join("store");
    let stages: Arc<Mutex<Stages>> = Arc::default();
    let known = || stages.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for cut in 0..cuts {
        let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
        command.args(work.arguments(&path)).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        // sled tells there, at length, that its disk is gone.
        command.stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let noted = Arc::clone(&stages);
        let before = known().len();
        let reading = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                child::note(&line, &mut noted.lock().unwrap_or_else(PoisonError::into_inner));
            }
        });
        let wanted = before + usize::try_from(1 + random.below(80)).unwrap();
        until(&mut || known().len() >= wanted).await;
        tokio::time::sleep(Duration::from_millis(random.below(200))).await;
        let at_the_cut = disk.cut(known).unwrap();
        tokio::time::sleep(Duration::from_millis(random.below(40))).await;
        process.kill().await.unwrap();
        reading.await.unwrap();
        disk.unmount().unwrap();
        disk.mount().unwrap();
        *stages.lock().unwrap_or_else(PoisonError::into_inner) = at_the_cut.clone();
        let found = after(&path, disk.beside(), &Asked::Stages(&at_the_cut)).await;
        sum.add(at_the_cut.len() - before, found, &format!("cut {cut}"));
    }
}

/// What has to be there.
enum Asked<'a> {
    Callbacks(&'a BTreeMap<u64, Acknowledged>),
    Stages(&'a Stages),
}

/// Opens copies of the store, as it was left and without its index, and asks both.
async fn after(path: &Path, beside: &Path, asked: &Asked<'_>) -> Found {
    let copy = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir_in(beside)).unwrap();
    copy_all(path, copy.path());
    let mut found = Found { compressed: count(&copy.path().join("journal"), ".log.gz"), ..Found::default() };
    for round in ["as it was left", "without its index"] {
        let store = match child::open(copy.path(), Options::default().segment_bytes, 1) {
            Ok(store) => store,
            Err(error) => {
                found.unopened = Some(format!("{round}: {error}"));
                return found;
            }
        };
        let lost = match asked {
            Asked::Callbacks(callbacks) => unknown(&*store, callbacks).await,
            Asked::Stages(stages) => child::lost(&*store, stages).await,
        };
        found.lost.extend(lost.into_iter().map(|lost| format!("{round}: {lost}")));
        store.close().await;
        drop(store);
        found.rebuilt = count(copy.path(), "index.broken-1") > 0;
        std::fs::remove_dir_all(copy.path().join("index")).unwrap();
    }
    found
}

/// Callbacks that got a 2xx and are not there.
async fn unknown(store: &dyn Store, callbacks: &BTreeMap<u64, Acknowledged>) -> Vec<String> {
    let mut lost = Vec::new();
    for id in callbacks.keys() {
        if !matches!(store.record(&child::key(*id)).await, Ok(Some(_))) {
            lost.push(format!("{id} was acknowledged"));
        }
    }
    for (id, Acknowledged { message, .. }) in callbacks.iter().rev().take(200) {
        let history = store.history(&child::key(*id), 10).await.unwrap_or_default();
        let is_it = |event: &Event| serde_json::to_string(event).unwrap().contains(&message.to_string());
        if !history.iter().any(|entry| is_it(&entry.event)) {
            lost.push(format!("{id} was acknowledged, and its message is not in its history"));
        }
    }
    lost
}

fn count(folder: &Path, ending: &str) -> usize {
    // Where the power went that early, there is none yet.
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().file_name());
    files.filter(|name| name.to_str().unwrap().ends_with(ending)).count()
}

pub(crate) fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).into_iter().flatten() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_dir() {
            copy_all(&file.path(), &to.join(file.file_name()));
        } else {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}
