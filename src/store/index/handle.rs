//! sled's handle. Dropping the last one writes and syncs once more, and where the disk fails sled panics then.

use std::ops::Deref;
use std::panic::AssertUnwindSafe;

/// An open database, whose end harms nobody.
#[derive(Clone, Debug)]
pub(super) struct Handle(Option<sled::Db>);

impl From<sled::Db> for Handle {
    fn from(db: sled::Db) -> Self {
        Self(Some(db))
    }
}

impl Deref for Handle {
    type Target = sled::Db;

    fn deref(&self) -> &sled::Db {
        match &self.0 {
            Some(db) => db,
            None => unreachable!("only dropping takes it"),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let db = self.0.take();
        if std::panic::catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
            tracing::warn!("the index could not be closed; the next start goes on from the journal");
        }
    }
}
