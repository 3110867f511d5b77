//! The n-th call of each sort fails, for n = 1 until a run is clean: of a process that only stores, on the disk that
//! forgets, with an error or with its death; with short writes; and of the real binary.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::child::{self, Stages, Work};
use crate::strict::Run;
use crate::{Verdict, binary, trace};

/// Enough to begin, close and compress some segments, in one task.
const WORK: Work = Work { segment_bytes: 1_500, tasks: 1, records: 5, body_bytes_max: 900, dies_after: 0, hour: 1 };
/// What is done to the calls: an error of the disk, or the end of the process.
const INJECTIONS: [&str; 13] = [
    "pwrite64:error=ENOSPC",
    "pwrite64:error=EIO",
    "fdatasync:error=EIO",
    "fsync:error=EIO",
    "openat:error=EMFILE",
    "rename:error=EIO",
    "unlink:error=EIO",
    "pwrite64:signal=SIGKILL",
    "fdatasync:signal=SIGKILL",
    "fsync:signal=SIGKILL",
    "openat:signal=SIGKILL",
    "rename:signal=SIGKILL",
    "unlink:signal=SIGKILL",
];
/// How many runs of one sort may follow each other without anything being done to a call: calls are counted for each
/// thread, and how they are spread differs from run to run.
const CLEAN: u32 = 2;
/// Runs of one sort that are repeated, because it is not known what a process did last.
const AGAIN_MAX: u32 = 40;
/// Of the limit of a file's length, in bytes.
const STEP: u64 = 211;

/// Runs all whose name begins so; the real binary at most so many seconds.
pub(crate) async fn run(seconds: u64, only: &str) -> Verdict {
    if !trace::works() {
        return Verdict::LeftOut("strace does not work here, and it is what makes calls fail".to_owned());
    }
    let mut wrong = Vec::new();
    for injection in INJECTIONS.into_iter().filter(|name| name.starts_with(only)) {
        injected(injection, &mut wrong).await;
    }
    if only.is_empty() {
        short_writes(&mut wrong).await;
        binary::run(seconds, &mut wrong).await;
    }
    for line in wrong.iter().take(40) {
        println!("  {line}");
    }
    println!("{} wrong", wrong.len());
    if wrong.is_empty() { Verdict::Clean } else { Verdict::Lost }
}

/// One process that something is done to, and one after it on what is left; both are cut everywhere.
async fn injected(injection: &str, wrong: &mut Vec<String>) {
    let (mut runs, mut cuts, mut clean, begun) = (0, 0, 0, Instant::now());
    let (mut number, mut again) = (0, 0);
    while clean < CLEAN {
        number += 1;
        let name = format!("{injection}:when={number}");
        let mut run = Run::new(false);
        let first = run.process(&name, WORK, Some(&name)).await;
        let both = match first {
            Some(first) => run.process(&format!("after {name}"), Work { hour: 2, ..WORK }, None).await.map(|_| first),
            None => None,
        };
        wrong.append(&mut run.sum.wrong);
        let Some(traced) = both else {
            again += 1;
            number -= 1;
            assert!(again < AGAIN_MAX, "{name}: what a process did last is never told in full");
            continue;
        };
        // It ends well, says that it is refused, or was killed; 101 would be a panic.
        if !matches!(traced.code, Some(0 | 3 | 137) | None) {
            wrong.push(format!("{name}: it ended with {:?}", traced.code));
        }
        clean = if traced.injected { 0 } else { clean + 1 };
        runs += 1;
        cuts += run.sum.strict + run.sum.partly;
    }
    println!(
        "{injection:<28}{runs:>5} runs{cuts:>7} cuts{:>5} s{}",
        begun.elapsed().as_secs(),
        match again {
            0 => String::new(),
            again => format!(", {again} repeated"),
        }
    );
}

/// Files may grow to a length and no further: a write is cut short, and the next one fails.
async fn short_writes(wrong: &mut Vec<String>) {
    let (mut runs, mut refused, begun) = (0, 0, Instant::now());
    for limit in (0..).step_by(usize::try_from(STEP).unwrap()) {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let store = folder.path().join("store");
        let (mut said, code) = limited(&store, limit);
        if !matches!(code, Some(0 | 3)) {
            wrong.push(format!("files of {limit} bytes: it ended with {code:?}"));
        }
        runs += 1;
        refused += u32::from(code == Some(3));
        let (again, code_again) = limited(&store, u64::MAX);
        said.extend(again);
        if code_again != Some(0) {
            wrong.push(format!("files of {limit} bytes: with room it ended with {code_again:?}"));
        }
        let store = child::open(&store, WORK.segment_bytes, 9).unwrap();
        let lost = child::lost(&*store, &said).await;
        wrong.extend(lost.into_iter().map(|lost| format!("files of {limit} bytes: {lost}")));
        store.close().await;
        if code == Some(0) {
            break;
        }
    }
    let name = "short writes";
    println!("{name:<28}{runs:>5} runs{refused:>7} refused{:>5} s", begun.elapsed().as_secs());
}

/// A process whose files may not be longer, and what it said.
fn limited(store: &Path, bytes: u64) -> (Stages, Option<i32>) {
    // The signal that comes with it would end the process before the error shows.
    let script = r#"trap "" XFSZ; limit=$1; shift; exec prlimit --fsize="$limit" "$@""#;
    let limit = if bytes == u64::MAX { "unlimited".to_owned() } else { bytes.to_string() };
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", &limit]).arg(std::env::current_exe().unwrap()).args(WORK.arguments(store));
    let ran = command.stdin(Stdio::null()).stderr(Stdio::null()).output().unwrap();
    let mut said = Stages::new();
    for line in String::from_utf8_lossy(&ran.stdout).lines() {
        child::note(line, &mut said);
    }
    (said, ran.status.code())
}
