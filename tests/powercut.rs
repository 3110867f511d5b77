//! The power goes in the middle of the work: what was acknowledged is there afterwards, and the store opens.
//!
//! Commands of their own, because they want root, Linux or strace. Where one cannot run it says why and ends with
//! code 77. It ends with code 1 when anything is lost or does not open.
//!
//! - `cargo test --test powercut -- cuts 100`: so many power cuts of a real ext4, under the real binary and under a
//!   process that only stores.
//! - `cargo test --test powercut -- strict`: a disk that forgets every byte and name that was not synced, cut after
//!   every change of what it has.
//! - `cargo test --test powercut -- calls 60`: the n-th call of each sort fails, or the process dies in it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what was counted is shown")]

#[path = "powercut/binary.rs"]
mod binary;
#[path = "powercut/calls.rs"]
mod calls;
#[path = "powercut/child.rs"]
mod child;
#[path = "powercut/cuts.rs"]
mod cuts;
#[expect(dead_code, reason = "other tests turn it read-only")]
#[path = "powercut/disk.rs"]
mod disk;
#[path = "powercut/forgetful.rs"]
mod forgetful;
#[expect(dead_code, reason = "the parts of the harness for a service in this process are not used here")]
#[path = "it/harness.rs"]
mod harness;
#[path = "powercut/load.rs"]
mod load;
#[expect(dead_code, reason = "not everything about a process is asked here")]
#[path = "it/process.rs"]
mod process;

#[path = "powercut/strict.rs"]
mod strict;
#[path = "powercut/trace.rs"]
mod trace;

use std::path::Path;
use std::process::ExitCode;

/// Ends the command where it cannot run.
const LEFT_OUT: u8 = 77;

/// The `SplitMix64` step: the same points for the same seed.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

/// What a part of this command came to.
pub(crate) enum Verdict {
    /// Nothing acknowledged was lost.
    Clean,
    /// Something was.
    Lost,
    /// It cannot run here, and why.
    LeftOut(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let verdict = match words[..] {
        ["child", folder, ..] => {
            let code = runtime.block_on(child::run(Path::new(folder), child::Work::parse(&arguments[2..])));
            return ExitCode::from(u8::try_from(code).unwrap_or(1));
        }
        [] => runtime.block_on(until_stopped(cuts::run(100))),
        ["cuts", count] => runtime.block_on(until_stopped(cuts::run(count.parse().unwrap()))),
        ["calls", seconds] => runtime.block_on(until_stopped(calls::run(seconds.parse().unwrap(), ""))),
        ["calls", seconds, only] => runtime.block_on(until_stopped(calls::run(seconds.parse().unwrap(), only))),
        ["strict"] => runtime.block_on(until_stopped(strict::run())),
        _ => {
            println!(
                "cuts <how many> | strict | calls <seconds for the real binary> [<only these, such as fsync:error>]"
            );
            return ExitCode::from(2);
        }
    };
    match verdict {
        Verdict::Clean => ExitCode::SUCCESS,
        Verdict::Lost => ExitCode::FAILURE,
        Verdict::LeftOut(why) => {
            println!("left out: {why}");
            ExitCode::from(LEFT_OUT)
        }
    }
}

/// Ctrl-C, too, leaves nothing mounted behind.
async fn until_stopped(work: impl Future<Output = Verdict>) -> Verdict {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    tokio::select! {
        verdict = work => verdict,
        _ = tokio::signal::ctrl_c() => Verdict::Lost,
        _ = terminated.recv() => Verdict::Lost,
    }
}
