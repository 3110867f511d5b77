//! Changed input: what both systems, forgers and a careless hand may send, against the laws of whoever reads it.
//!
//! Good input is changed by a seeded generator (`fuzz/mutate.rs`) and read as the service reads it. Nothing may panic,
//! take seconds, or grow the process, and each target has laws of its own. `cargo test --test fuzz` makes a fixed number
//! of changes; `READYPOST_FUZZ_SECONDS=300` goes on for that long for each target, `READYPOST_FUZZ_SEED` begins
//! elsewhere, and `-- --nocapture` prints what was reached. A failure names the seed that repeats it alone, with
//! `READYPOST_FUZZ_ONLY=<seed>`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what was reached is shown with --nocapture")]

#[path = "fuzz/connectwise.rs"]
mod connectwise;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/parsers.rs"]
mod parsers;
#[path = "fuzz/scenes.rs"]
mod scenes;
#[path = "fuzz/stage.rs"]
mod stage;
#[path = "fuzz/xero.rs"]
mod xero;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mutate::Seeded;

/// The longest that one execution may take; a machine that is busy with other work is allowed for.
const EXECUTION_TIME: Duration = Duration::from_secs(10);
/// The most that this process may ever have held, in KiB, all targets together.
const PEAK_KIB: u64 = 400 * 1024;

/// How often each thing happened.
pub(crate) type Reached = BTreeMap<String, u64>;

/// Counts one more.
pub(crate) fn reach(reached: &mut Reached, what: impl Into<String>) {
    *reached.entry(what.into()).or_default() += 1;
}

/// One target's run: which executions there are, and for how long.
pub(crate) struct Run {
    name: &'static str,
    first: u64,
    count: u64,
    until: Option<Instant>,
    begun: Instant,
    done: u64,
    slowest: (Duration, u64),
}

impl Run {
    /// `count` executions, or as the environment says.
    pub(crate) fn new(name: &'static str, count: u64) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
        let seconds = number("READYPOST_FUZZ_SECONDS");
        let only = number("READYPOST_FUZZ_ONLY");
        let begun = Instant::now();
        Self {
            name,
            first: only.or_else(|| number("READYPOST_FUZZ_SEED").map(|seed| seed << 32)).unwrap_or(1 << 32),
            count: if only.is_some() { 1 } else { count },
            until: seconds.filter(|_| only.is_none()).map(|seconds| begun + Duration::from_secs(seconds)),
            begun,
            done: 0,
            slowest: (Duration::ZERO, 0),
        }
    }

    /// The next execution, or none when it is enough.
    pub(crate) fn next(&mut self) -> Option<Execution> {
        let more = match self.until {
            Some(until) => Instant::now() < until,
            None => self.done < self.count,
        };
        let seed = self.first.wrapping_add(self.done);
        more.then(|| Execution { name: self.name, seed, begun: Instant::now(), random: Seeded::new(seed) })
    }

    /// It ended without a panic; it must have ended in time, too.
    pub(crate) fn ended(&mut self, execution: &Execution) {
        let took = execution.begun.elapsed();
        self.slowest = self.slowest.max((took, execution.seed));
        assert!(took < EXECUTION_TIME, "took {took:?}");
        self.done += 1;
    }

    /// Says what was reached, and checks that the process did not grow beyond all measure.
    pub(crate) fn finish(self, reached: &Reached) {
        let seconds = self.begun.elapsed().as_secs().max(1);
        let (slowest, seed) = self.slowest;
        println!(
            "{}: {} executions in {seconds} s, {} a second; the slowest took {slowest:?} (seed {seed}); {reached:?}",
            self.name,
            self.done,
            self.done / seconds
        );
        let peak = peak_kib();
        println!("{}: the process held {peak} KiB at most", self.name);
        assert!(peak < PEAK_KIB, "{peak} KiB");
    }
}

/// One execution; if it panics, it says how to repeat it.
pub(crate) struct Execution {
    name: &'static str,
    seed: u64,
    begun: Instant,
    pub(crate) random: Seeded,
}

impl Drop for Execution {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("to repeat: READYPOST_FUZZ_ONLY={} cargo test --test fuzz {}", self.seed, self.name);
        }
    }
}

/// The most that this process has ever held.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
