//! Pages of records, from the index and the queue in memory.

use jiff::Timestamp;

use super::StoreError;
use super::local::Shared;
use super::page::{Cursor, EXAMINED_MAX, Filter, ORDER, Page};
use crate::domain::delivery::StateName;
use crate::domain::record::RecordKey;

/// One page, from an index that has caught up.
pub(super) fn list(shared: &Shared, filter: &Filter) -> Result<Page, StoreError> {
    let start = filter.start().ok_or(StoreError::BadCursor)?;
    let mut memory = shared.memory();
    let wanted = memory.applied.map_or(0, |(link, _)| link.sequence);
    while memory.indexed < wanted && shared.works() {
        memory = shared.wait_for_index(memory);
    }
    drop(memory);
    let mut page = Page { records: Vec::new(), next: None };
    let mut examined = 0_usize;
    let first = ORDER.iter().position(|state| *state == start.state).unwrap_or(0);
    for state in ORDER.into_iter().skip(first).filter(|state| filter.state.is_none_or(|wanted| wanted == *state)) {
        let mut cursor = if state == start.state { start.clone() } else { Cursor { state, after: None } };
        loop {
            let keys = keys(shared, &cursor)?;
            for (at, key) in &keys {
                cursor.after = Some((*at, key.clone()));
                examined = examined.saturating_add(1);
                let Some(row) = shared.row(key)? else { continue };
                // The row may have moved on since its key was read.
                if row.record.state.name() == state && filter.matches(&row.record) {
                    page.records.push(row.record.clone());
                }
                if page.records.len() >= filter.limit() || examined >= EXAMINED_MAX {
                    page.next = cursor.text();
                    return Ok(page);
                }
            }
            if keys.is_empty() {
                break;
            }
        }
    }
    Ok(page)
}

/// The next keys of a state behind the cursor, with the times by which they are listed.
fn keys(shared: &Shared, cursor: &Cursor) -> Result<Vec<(Timestamp, RecordKey)>, StoreError> {
    const BATCH: usize = 200;
    if cursor.state != StateName::Queued {
        let after = cursor.after.as_ref().map(|(at, key)| (*at, key));
        return shared.index.settled(cursor.state, after, BATCH).map_err(|error| shared.index_failed(&error));
    }
    let after = cursor.after.clone().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    Ok(shared.memory().queue.after(&after, BATCH))
}
