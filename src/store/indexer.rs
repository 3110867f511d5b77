//! The indexing thread: follows the writer and applies its rows to the index, batch by batch.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::index::Mark;
use super::local::Shared;
use super::memory::Memory;

/// How often the index is made durable while it changes.
const FLUSH_EVERY: Duration = Duration::from_secs(10);
/// How long rows are gathered while nobody waits for them: each batch makes sled write several times beside
/// the journal, and a record that changes again meanwhile is indexed once.
const GATHER_FOR: Duration = Duration::from_millis(100);

/// Follows the writer: takes all rows that are not indexed yet and applies them in one batch.
pub(super) fn run(shared: &Shared) {
    let mut flushed = Instant::now();
    let mut dirty = false;
    loop {
        let mut memory = shared.memory();
        while memory.applied.map_or(0, |(link, _)| link.sequence) == memory.indexed && !memory.closing {
            let (guard, waited) = shared.work.wait_timeout(memory, FLUSH_EVERY).unwrap_or_else(PoisonError::into_inner);
            memory = guard;
            if waited.timed_out() && dirty {
                break;
            }
        }
        memory = gather(shared, memory);
        if shared.memory_is_torn() {
            // Rows and mark may not belong together any more; the journal has it all for the next start.
            shared.poison("a thread panicked while it changed the memory");
            return;
        }
        memory.awaited = false;
        let rows = Arc::new(std::mem::take(&mut memory.recent));
        memory.indexing = Arc::clone(&rows);
        let beside = memory.beside(false);
        let sequence = memory.applied.map_or(0, |(link, _)| link.sequence);
        let mark = memory.applied.map(|(link, next)| Mark::new(link, next, memory.totals.clone()));
        let closing = memory.closing;
        drop(memory);
        let applied = match mark {
            Some(mark) => shared.index.apply(rows.values(), &mark, &beside),
            None => Ok(()),
        };
        dirty = true;
        let flush = closing || flushed.elapsed() > FLUSH_EVERY;
        let applied = applied.and_then(|()| if flush { shared.index.flush() } else { Ok(()) });
        if flush {
            (flushed, dirty) = (Instant::now(), false);
        }
        if let Err(error) = applied {
            // The rows stay in `indexing`, so what is asked is still answered rightly until the restart.
            shared.index_failed(&error);
            return;
        }
        let mut memory = shared.memory();
        memory.indexing = Arc::new(HashMap::new());
        memory.indexed = sequence;
        shared.indexed.notify_all();
        if closing && memory.recent.is_empty() {
            return;
        }
    }
}

/// Lets more rows come together, unless somebody waits for those that are there.
fn gather<'memory>(shared: &Shared, mut memory: MutexGuard<'memory, Memory>) -> MutexGuard<'memory, Memory> {
    let begun = Instant::now();
    while !memory.awaited && !memory.closing && !memory.recent.is_empty() {
        let left = GATHER_FOR.saturating_sub(begun.elapsed());
        if left.is_zero() {
            break;
        }
        memory = shared.hurry.wait_timeout(memory, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    memory
}
