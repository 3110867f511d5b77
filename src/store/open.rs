//! Opening: find the end of the journal, believe the index only if it fits, fold what it lacks.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::event::{Entry, Event};
use super::fold::{self, Folded};
use super::index::{Index, IndexError, Mark, Queued};
use super::journal::{self, Begun, Damage, Journal, Scan, Scanned};
use super::memory::{Memory, Row};
use super::{FORM, Options, StoreError};
use crate::clock::Clock;

/// A file of this name says that the index failed while it was in use, so that it must not be opened again.
pub(super) const BROKEN: &str = "index-broken";

/// A file of this name says that the folder was restored from a backup and not opened since.
pub(super) const RESTORED: &str = "restored";

/// The parts of an open store.
pub(super) struct Opened {
    pub(super) journal: Journal,
    pub(super) index: Index,
    pub(super) memory: Memory,
    /// Closed segments that wait to be compressed.
    pub(super) closed: Receiver<u32>,
    /// Held for the life of the store: two processes must not share a folder.
    pub(super) lock: Arc<File>,
}

/// Opens the store in `path`.
pub(super) fn open(path: &Path, clock: &dyn Clock, options: Options) -> Result<Opened, StoreError> {
    let unavailable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    journal::create_folder(path).map_err(unavailable)?;
    let lock = File::create(path.join("lock")).map_err(unavailable)?;
    lock.try_lock().map_err(|_| StoreError::Unavailable(format!("{} is in use by another process", path.display())))?;
    let (index_path, directory) = (path.join("index"), path.join("journal"));
    let broken = path.join(BROKEN);
    let (index, mark) = if broken.exists() {
        tracing::warn!("the index failed while it was in use and is rebuilt");
        let created = set_aside_and_create(&index_path, &directory, "broken")?;
        std::fs::remove_file(broken).map_err(unavailable)?;
        created
    } else {
        open_index(&index_path, &directory)?
    };
    let (index, memory, scan) = match fold_journal(&directory, &index, mark.as_ref(), options.rebuild_rows) {
        Ok((memory, scan)) => (index, memory, scan),
        Err(Unfit::Journal(error)) => return Err(error),
        Err(Unfit::Index(cause)) => {
            drop(index);
            tracing::warn!(cause, "the index does not fit the journal and is rebuilt");
            let (index, _) = set_aside_and_create(&index_path, &directory, "broken")?;
            let (memory, scan) =
                fold_journal(&directory, &index, None, options.rebuild_rows).map_err(Unfit::into_store_error)?;
            (index, memory, scan)
        }
    };
    // Only now, when index and journal are known to fit, is anything in the journal cut or begun.
    let missing = mark.is_some_and(|mark| mark.sequence() > scan.sequence());
    let Begun { journal, damage, closed } =
        Journal::begin(&directory, scan, options.segment_bytes).map_err(unavailable)?;
    let mut opened = Opened { journal, index, memory, closed, lock: Arc::new(lock) };
    opened.memory.applied = Some((opened.journal.last(), opened.journal.end()));
    begin(&mut opened, &damage, missing, (path, options.configured), clock)?;
    Ok(opened)
}

fn open_index(path: &Path, journal: &Path) -> Result<(Index, Option<Mark>), StoreError> {
    match Index::open(path, journal) {
        Ok((index, mark)) => Ok((index, mark)),
        Err(IndexError::Older) => {
            tracing::info!("the index is of an earlier version and is built anew from the journal");
            set_aside_and_create(path, journal, "older")
        }
        Err(error) => {
            tracing::warn!(%error, "the index cannot be used and is rebuilt");
            set_aside_and_create(path, journal, "broken")
        }
    }
}

fn set_aside_and_create(path: &Path, journal: &Path, why: &str) -> Result<(Index, Option<Mark>), StoreError> {
    let aside = Index::set_aside(path, why).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    if let Some(aside) = aside {
        tracing::warn!(moved_to = %aside.display(), "the old index was moved aside");
    }
    Index::open(path, journal).map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// Why a fold did not succeed.
enum Unfit {
    /// The index is of another journal, or failed.
    Index(String),
    /// The journal cannot be used.
    Journal(StoreError),
}

impl Unfit {
    fn into_store_error(self) -> StoreError {
        match self {
            Self::Index(cause) => StoreError::Unavailable(cause),
            Self::Journal(error) => error,
        }
    }
}

/// Reads the journal behind the mark and folds it into memory and, when there is much, into the index.
fn fold_journal(
    directory: &Path,
    index: &Index,
    mark: Option<&Mark>,
    rebuild_rows: usize,
) -> Result<(Memory, Scan), Unfit> {
    let mut memory = Memory::default();
    let from = match mark {
        Some(mark) => Some(mark.resume().ok_or_else(|| Unfit::Index("its mark is unreadable".to_owned()))?),
        None => None,
    };
    if let Some(mark) = mark {
        memory.totals = mark.totals.clone();
        memory.companies = index.companies().map_err(|error| Unfit::Index(error.to_string()))?;
        memory.bulks = index.bulks().map_err(|error| Unfit::Index(error.to_string()))?;
        let queued = index.queued(&mut |queued| match queued {
            Queued::Row(row) => memory.queue.insert(&row.record),
            Queued::First(key, due) => memory.queue.insert_first(key, due),
        });
        queued.map_err(|error| Unfit::Index(error.to_string()))?;
        known_form(&memory)?;
    }
    let mut failure = None;
    let scan = Journal::scan(directory, from, &mut |scanned| {
        if failure.is_none() {
            failure = fold_entry(&scanned, &mut memory, index)
                .and_then(|()| index_many(&scanned, &mut memory, index, rebuild_rows))
                .err();
        }
    })
    .map_err(|error| Unfit::Journal(StoreError::Unavailable(format!("{}: {error}", directory.display()))))?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let scan = scan.ok_or_else(|| Unfit::Index("it is ahead of the journal, or of another one".to_owned()))?;
    Ok((memory, scan))
}

fn fold_entry(scanned: &Scanned<'_>, memory: &mut Memory, index: &Index) -> Result<(), Unfit> {
    let sequence = scanned.link.sequence;
    let entry: Entry = serde_json::from_slice(scanned.payload).map_err(|error| {
        Unfit::Journal(StoreError::Corrupt(format!(
            "entry {sequence} is not of this version of readypost: {error}. If a newer one has written it, start that one, or restore a backup from before it was started"
        )))
    })?;
    if let Some(key) = entry.event.key() {
        let current = match memory.newer_than_index(key) {
            Some(row) => Some(row),
            None => index.row(key).map_err(|error| Unfit::Index(error.to_string()))?.map(Arc::new),
        };
        if let Folded::Changed(record, _) = fold::record(current.as_deref(), &entry, sequence) {
            let row: Row = fold::row(*record, sequence, scanned.position, current.is_none());
            memory.put(current.as_deref(), Arc::new(row));
        }
    }
    fold::surroundings(memory, &entry);
    known_form(memory)
}

/// Nothing is done with a folder that a newer version has written in a form of its own.
fn known_form(memory: &Memory) -> Result<(), Unfit> {
    let (form, version) = &memory.totals.form;
    if *form <= FORM {
        return Ok(());
    }
    let message = format!(
        "readypost {version} has written it in form {form}, and this is readypost {} with form {FORM}: start {version} again, or restore a backup from before it was started",
        env!("CARGO_PKG_VERSION")
    );
    Err(Unfit::Journal(StoreError::Corrupt(message)))
}

/// Moves rows from memory to the index when there are as many as `rebuild_rows`.
fn index_many(scanned: &Scanned<'_>, memory: &mut Memory, index: &Index, rebuild_rows: usize) -> Result<(), Unfit> {
    if memory.recent.len() >= rebuild_rows {
        let mark = Mark::new(scanned.link, scanned.next(), memory.totals.clone());
        let beside = memory.beside(true);
        index.apply(memory.recent.values(), &mark, &beside).map_err(|error| Unfit::Index(error.to_string()))?;
        memory.recent.clear();
    }
    Ok(())
}

/// Writes the first entry of a new journal, or what was found to be missing.
fn begin(
    opened: &mut Opened,
    damage: &[Damage],
    missing: bool,
    (path, configured): (&Path, Option<Event>),
    clock: &dyn Clock,
) -> Result<(), StoreError> {
    let mut events = Vec::new();
    if opened.journal.last().sequence == 0 {
        events.push(Event::Opened { version: env!("CARGO_PKG_VERSION").to_owned() });
    }
    for damage in damage.iter().filter(|damage| !opened.memory.totals.gaps.contains(&damage.after)) {
        let found = format!(
            "{} bytes of segment {} at {} are damaged",
            damage.bytes, damage.position.segment, damage.position.offset
        );
        tracing::warn!(found, after = damage.after, "the journal has a gap");
        events.push(Event::Gap { after: damage.after, found: found.into() });
    }
    let last = opened.journal.last().sequence;
    if missing && damage.iter().all(|damage| damage.after != last) {
        tracing::warn!(after = last, "the index knows of later entries than the journal has");
        events.push(Event::Gap { after: last, found: "entries that were indexed are not in the journal".into() });
    }
    let restored = path.join(RESTORED);
    if restored.exists() {
        tracing::warn!("the store was restored from a backup: what was posted since is looked up in Xero");
        events.push(Event::Gap { after: last, found: "the store is a restored backup, used from here on".into() });
    }
    events.extend(configured);
    for event in events {
        let entry = Entry { at: clock.now(), before: None, event };
        let payload = serde_json::to_vec(&entry).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        opened.journal.append(&payload).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        fold::surroundings(&mut opened.memory, &entry);
    }
    opened
        .journal
        .sync()
        .and_then(|()| opened.journal.cut_off())
        .map_err(|error| StoreError::Unavailable(format!("the journal cannot be written: {error}")))?;
    opened.memory.applied = Some((opened.journal.last(), opened.journal.end()));
    match std::fs::remove_file(restored) {
        // It stays, and the next start says the same once more, which does no harm.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the mark of a restored backup could not be removed");
        }
        _ => {}
    }
    Ok(())
}
