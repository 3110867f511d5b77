//! Pages of records, from the index and the queue in memory.

use std::sync::Arc;

use jiff::Timestamp;

use super::StoreError;
use super::index::{Group, Strands};
use super::local::{Shared, corrupt};
use super::page::{Cursor, EXAMINED_MAX, Filter, Issue, ORDER, Page};
use crate::domain::delivery::StateName;
use crate::domain::issue::IssueId;
use crate::domain::record::RecordKey;

/// Waits until the index has everything that is stored now.
fn catch_up(shared: &Shared) {
    let mut memory = shared.memory();
    let wanted = memory.applied.map_or(0, |(link, _)| link.sequence);
    while memory.indexed < wanted && shared.works() {
        memory = shared.wait_for_index(memory);
    }
}

/// The issues, those first that the most records wait with, and whether those are all.
pub(super) async fn issues(shared: Arc<Shared>) -> Result<(Vec<Issue>, bool), StoreError> {
    tokio::task::spawn_blocking(move || all_issues(&shared)).await.map_err(corrupt)?
}

/// One page, from an index that has caught up.
pub(super) async fn list(shared: Arc<Shared>, filter: Filter) -> Result<Page, StoreError> {
    tokio::task::spawn_blocking(move || page(&shared, &filter)).await.map_err(corrupt)?
}

fn all_issues(shared: &Shared) -> Result<(Vec<Issue>, bool), StoreError> {
    catch_up(shared);
    let (groups, complete) = shared.index.issues().map_err(|error| shared.index_failed(&error))?;
    let mut issues = Vec::new();
    for Group { count, newest, since } in groups {
        let Some(row) = shared.row(&newest)? else { continue };
        // It may have moved on since.
        if let Some(id) = IssueId::of(&row.record) {
            issues.push(Issue { id, count, newest: row.record.clone(), since });
        }
    }
    issues.sort_by_key(|issue| std::cmp::Reverse(issue.count));
    Ok((issues, complete))
}

fn page(shared: &Shared, filter: &Filter) -> Result<Page, StoreError> {
    let start = filter.start().ok_or(StoreError::BadCursor)?;
    catch_up(shared);
    let mut page = Page { records: Vec::new(), next: None };
    let mut examined = 0_usize;
    let first = ORDER.iter().position(|state| *state == start.state).unwrap_or(0);
    for state in ORDER.into_iter().skip(first).filter(|state| filter.state.is_none_or(|wanted| wanted == *state)) {
        let mut cursor = if state == start.state { start.clone() } else { Cursor { state, after: None } };
        let keys = Keys::of(shared, state, filter)?;
        loop {
            let keys = keys.next(shared, &cursor)?;
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

/// Where the keys of a state come from.
enum Keys {
    /// The queue in memory.
    Waiting,
    /// The index.
    Settled(Strands),
}

impl Keys {
    fn of(shared: &Shared, state: StateName, filter: &Filter) -> Result<Self, StoreError> {
        if state == StateName::Queued {
            return Ok(Self::Waiting);
        }
        let strands = shared.index.strands(state, &filter.by()).map_err(|error| shared.index_failed(&error))?;
        Ok(Self::Settled(strands))
    }

    /// The next keys behind the cursor, with the times by which they are listed.
    fn next(&self, shared: &Shared, cursor: &Cursor) -> Result<Vec<(Timestamp, RecordKey)>, StoreError> {
        const BATCH: usize = 200;
        match self {
            Self::Waiting => {
                let after = cursor.after.clone().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
                Ok(shared.memory().queue.after(&after, BATCH))
            }
            Self::Settled(strands) => {
                let after = cursor.after.as_ref().map(|(at, key)| (*at, key));
                shared.index.merged(strands, after, BATCH).map_err(|error| shared.index_failed(&error))
            }
        }
    }
}
