//! The strict run: several processes, one after another, on a disk that forgets what was not synced. It is cut after
//! every change of what it has, and every time the store opens and holds all that was said to be stored.

use std::path::{Path, PathBuf};
use std::time::Instant;

use readypost::store::Options;

use crate::child::{self, Stages, Work};
use crate::forgetful::{Done, Forgetful};
use crate::trace::Traced;
use crate::{Seeded, Verdict, cuts, trace};

/// Records, tasks and sizes that make a process begin, close and compress a dozen segments.
const WORK: Work = Work { segment_bytes: 3_000, tasks: 2, records: 14, body_bytes_max: 2_500, dies_after: 0, hour: 1 };
/// Of the moments between syncs, every so many is cut, too, with some of what was not synced kept.
const PARTLY_EVERY: u64 = 3;
/// How often all of it is repeated, because it is not known what a process did last.
const AGAIN_MAX: u32 = 10;

/// What was cut, and what came of it.
#[derive(Default)]
pub(crate) struct Sum {
    pub(crate) strict: u64,
    pub(crate) partly: u64,
    pub(crate) wrong: Vec<String>,
}

/// The disk, what was said, and since when a gap must be known.
pub(crate) struct Run {
    /// On a disk in memory, because it is forgotten anyhow.
    folder: tempfile::TempDir,
    disk: Forgetful,
    said: Stages,
    /// What was said since the disk last had more.
    unchecked: bool,
    gap: Option<u64>,
    /// Whether it is cut when nothing was said since the last cut, too.
    thorough: bool,
    moments: u64,
    pub(crate) sum: Sum,
}

/// Runs them all and prints how often it was cut.
pub(crate) async fn run() -> Verdict {
    if !trace::works() {
        return Verdict::LeftOut("strace does not work here, and the strict run plays what it sees".to_owned());
    }
    let begun = Instant::now();
    let mut wrong = Vec::new();
    let mut again = 0;
    let (run, Sum { strict, partly, .. }) = loop {
        let mut run = Run::new(true);
        let is_whole = once(&mut run).await.is_some();
        let mut sum = std::mem::take(&mut run.sum);
        wrong.append(&mut sum.wrong);
        if is_whole {
            break (run, sum);
        }
        again += 1;
        assert!(again < AGAIN_MAX, "what a process did last is never told in full");
    };
    println!(
        "strict run: {strict} cuts with nothing kept that was not synced, {partly} with some of it, over {} calls; {} wrong; {} s",
        run.moments,
        wrong.len(),
        begun.elapsed().as_secs()
    );
    for line in wrong.iter().take(40) {
        println!("  {line}");
    }
    if wrong.is_empty() { Verdict::Clean } else { Verdict::Lost }
}

/// All processes, one after another; none when it is not known what one of them did last.
async fn once(run: &mut Run) -> Option<()> {
    run.process("a new store", WORK, None).await?;
    // After a death the next process finds what was written and not synced, and must not take it for stored.
    for dies_after in [1, 2, 3, 5, 8, 20, 31] {
        run.process("a store that dies", Work { dies_after, ..WORK }, None).await?;
    }
    run.process("a store after a death", Work { records: 5, ..WORK }, None).await?;
    run.damage(2, |bytes| bytes.extend_from_slice(&[7; 900])).await;
    run.process("a torn tail", Work { records: 5, dies_after: 9, hour: 2, ..WORK }, None).await?;
    run.damage(3, |bytes| bytes.truncate(bytes.len() - 5)).await;
    run.process("a tail that is cut", Work { records: 5, hour: 3, ..WORK }, None).await?;
    run.damage(4, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    })
    .await;
    // An index that fits would hide it until the entry is read.
    std::fs::remove_dir_all(run.store().join("index")).unwrap();
    run.disk.lose(&run.store().join("index"));
    run.process("a damaged middle", Work { records: 5, hour: 4, ..WORK }, None).await?;
    Some(())
}

impl Run {
    /// An empty disk.
    pub(crate) fn new(thorough: bool) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        std::fs::create_dir(folder.path().join("disk")).unwrap();
        let disk = Forgetful::new(&folder.path().join("disk"));
        let (said, sum) = (Stages::new(), Sum::default());
        Self { folder, disk, said, unchecked: false, gap: None, thorough, moments: 0, sum }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("disk/store")
    }

    /// One process from beginning to end, cut everywhere; something may be done to one of its calls. None when a call was
    /// under way as it ended, and did something that nobody told of.
    pub(crate) async fn process(&mut self, name: &str, work: Work, injection: Option<&str>) -> Option<Traced> {
        let traced = trace::run(&work.arguments(&self.store()), injection, &self.folder.path().join("trace"));
        for (number, moment) in (0..).zip(&traced.moments) {
            // What the disk has is about to become more: the last moment to look at what it had.
            let syncs = moment.name.ends_with("sync") && moment.result == Some(0);
            if syncs && self.unchecked {
                self.check(&format!("{name}, call {number}"), None).await;
            }
            match self.disk.play(moment) {
                Done::Nothing => continue,
                Done::Changed => {}
                Done::Says(line) => {
                    child::note(line.trim_end(), &mut self.said);
                    self.unchecked = true;
                }
                Done::Synced if !self.thorough => {}
                Done::Synced => {
                    self.check(&format!("{name}, {} {number}", moment.name), None).await;
                }
            }
            self.moments += 1;
            if self.thorough && self.moments.is_multiple_of(PARTLY_EVERY) {
                self.check(&format!("{name}, {} {number} partly", moment.name), Some(Seeded(self.moments))).await;
            }
        }
        self.check(&format!("{name}, at its end"), None).await;
        self.disk.process_ended();
        let differ = self.differences();
        assert!(differ.is_empty() || traced.under_way > 0, "{name}: {differ:?} was not played rightly");
        if !differ.is_empty() {
            println!(
                "{name}: {} calls were under way at its end, and nobody says what became of {differ:?}",
                traced.under_way
            );
        }
        differ.is_empty().then_some(traced)
    }

    /// What was played must read as what is there; otherwise calls were missed, and nothing is proved. The index is
    /// left out: its threads change names side by side, and any state of it has to do.
    fn differences(&self) -> Vec<String> {
        let played = self.folder.path().join("played");
        self.disk.write_seen(&played);
        let of = |folder: &Path| {
            let mut found = tree(folder);
            found.retain(|(path, _)| !path.starts_with("store/index"));
            found
        };
        let (seen, real) = (of(&played), of(&self.folder.path().join("disk")));
        std::fs::remove_dir_all(played).unwrap();
        let missed = real.iter().filter(|entry| !seen.contains(entry));
        missed.chain(seen.iter().filter(|entry| !real.contains(entry))).map(|(path, _)| path.clone()).collect()
    }

    /// Damages the last plain segment. What is gone by that is not asked for any more; that there is a gap is.
    async fn damage(&mut self, hour: u64, spoil: impl Fn(&mut Vec<u8>)) {
        let journal = self.store().join("journal");
        let files = std::fs::read_dir(&journal).unwrap().map(|file| file.unwrap().path());
        let last = files.filter(|path| path.extension().is_some_and(|ending| ending == "log")).max().unwrap();
        let mut bytes = std::fs::read(&last).unwrap();
        spoil(&mut bytes);
        std::fs::write(&last, &bytes).unwrap();
        self.disk.damage(&last, &bytes);
        self.gap = Some(hour);
        let copy = self.folder.path().join("damaged");
        cuts::copy_all(&self.store(), &copy);
        // The journal is the truth.
        std::fs::remove_dir_all(copy.join("index")).unwrap();
        let store = child::open(&copy, WORK.segment_bytes, 0).unwrap();
        for (id, stage) in &mut self.said {
            *stage = child::stage(&*store, *id).await.unwrap().min(*stage);
        }
        store.close().await;
        drop(store);
        std::fs::remove_dir_all(copy).unwrap();
        self.said.retain(|_, stage| *stage > 0);
    }

    /// Opens what the disk has now.
    async fn check(&mut self, at: &str, random: Option<Seeded>) {
        let cut = self.folder.path().join("cut");
        if random.is_none() {
            self.sum.strict += 1;
            self.unchecked = false;
        } else {
            self.sum.partly += 1;
        }
        self.disk.write_kept(&cut, random);
        let wrong = wrong(&cut.join("store"), &self.said, self.gap).await;
        self.sum.wrong.extend(wrong.into_iter().map(|wrong| format!("{at}: {wrong}")));
        std::fs::remove_dir_all(cut).unwrap();
    }
}

/// What is wrong with a store after a cut.
async fn wrong(folder: &Path, said: &Stages, gap: Option<u64>) -> Vec<String> {
    let store = match child::open(folder, Options::default().segment_bytes, 100) {
        Ok(store) => store,
        Err(error) => return vec![format!("did not open: {error}")],
    };
    let mut wrong = child::lost(&*store, said).await;
    wrong.truncate(3);
    if let Some(hour) = gap
        && store.trusted_since() < child::hour(hour)
    {
        wrong.push("a gap was forgotten".to_owned());
    }
    if let Err(error) = child::accept(&*store, u64::from(u32::MAX)).await {
        wrong.push(format!("it does not store on: {error}"));
    }
    store.close().await;
    wrong
}

/// All files below a folder with their bytes.
fn tree(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()));
            found.push((name, None));
        } else {
            found.push((name, Some(std::fs::read(&path).unwrap())));
        }
    }
    found.sort();
    found
}
