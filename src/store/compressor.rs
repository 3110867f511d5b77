//! The compressing thread: follows the writer and compresses segments that it closed, one after another.
//!
//! It takes no lock, so neither door nor writer ever waits for it, and nothing depends on it: what it does not
//! get to, or fails at, stays a plain segment until the next start.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;
use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::journal::{self, Compressed};

/// It rests so many times as long as it worked, so about an eighth of one core goes into compressing: whoever
/// posts a callback must not notice it.
const REST: u32 = 7;
/// The longest rest, when a slow disk or a busy machine made the work look long.
const REST_MAX: Duration = Duration::from_secs(1);

/// Runs until the journal is closed, even in the middle of a segment.
///
/// The folder's lock is taken over for each segment, so that no other store opens the folder meanwhile.
pub(super) fn run(directory: &Path, closed: Receiver<u32>, lock: &Weak<File>) {
    let mut queue = Queue { closed, waiting: VecDeque::new(), resumed: Instant::now() };
    while let Some(segment) = queue.next() {
        let Some(_lock) = lock.upgrade() else { return };
        let begun = Instant::now();
        match journal::compress(directory, segment, &mut || queue.rest()) {
            Ok(Compressed::Done { from, to }) => {
                let duration_ms = begun.elapsed().as_millis();
                tracing::info!(segment, from_bytes = from, to_bytes = to, duration_ms, "a segment is compressed");
            }
            Ok(Compressed::Damaged) => tracing::info!(segment, "a damaged segment is not compressed"),
            Ok(Compressed::Stopped) => return,
            Err(error) => tracing::warn!(segment, %error, "a segment could not be compressed and stays as it is"),
        }
    }
}

/// Closed segments. The channel ends when the journal is closed; it needs no limit, because each number in it
/// stands for a file of megabytes.
struct Queue {
    closed: Receiver<u32>,
    waiting: VecDeque<u32>,
    /// When it last went back to work.
    resumed: Instant,
}

impl Queue {
    fn next(&mut self) -> Option<u32> {
        let next = self.waiting.pop_front().or_else(|| self.closed.recv().ok());
        self.resumed = Instant::now();
        next
    }

    /// Rests in proportion to the work since it rested last; false when the journal is closed.
    fn rest(&mut self) -> bool {
        let until = Instant::now() + self.resumed.elapsed().saturating_mul(REST).min(REST_MAX);
        loop {
            match self.closed.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(segment) => self.waiting.push_back(segment),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
        self.resumed = Instant::now();
        true
    }
}
