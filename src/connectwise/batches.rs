//! The batches that ConnectWise has, and whether anything is in them: a record that was taken out of its batch leaves
//! it empty.

use super::client::{ConnectWise, equals, malformed};
use super::failure::Denied;
use super::wire;
use crate::remote::RemoteError;

pub(super) const BATCHES: &str = "finance/accounting/batches";

impl ConnectWise {
    /// Whether there is a batch of this name.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn has_batch(&self, name: &str) -> Result<bool, RemoteError> {
        Ok(!self.batches_of(name).await?.is_empty())
    }

    /// The entries that are in the batches of these names, by their ids, where they have one. Whether those are the ids of
    /// GL entries is not documented.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn entries_in(&self, names: &[String]) -> Result<Vec<Option<i64>>, RemoteError> {
        let mut found = Vec::new();
        for name in names {
            for batch in self.batches_of(name).await? {
                found.extend(self.held_by(&batch).await?);
            }
        }
        Ok(found)
    }

    /// Whether anything is in a batch whose name begins so.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn is_any_batched(&self, prefix: &str) -> Result<bool, RemoteError> {
        for batch in self.batches_from(prefix).await? {
            if !self.held_by(&batch).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The newest batch whose name begins so, if anything is in it.
    pub(super) async fn newest_batch(&self, prefix: &str) -> Result<Option<String>, RemoteError> {
        match self.batches_from(prefix).await?.into_iter().max_by_key(|row| row.id) {
            Some(newest) if !self.held_by(&newest).await?.is_empty() => Ok(Some(newest.batch_identifier)),
            _ => Ok(None),
        }
    }

    /// ConnectWise's id of the batch of this name.
    pub(super) async fn batch_id(&self, name: &str) -> Result<Option<i64>, RemoteError> {
        match self.batches_of(name).await?.first() {
            None => Ok(None),
            Some(row) => row.id.map(Some).ok_or_else(|| malformed(format!("the batch {name} has no id"))),
        }
    }

    /// The batches of this name, in whatever case.
    async fn batches_of(&self, name: &str) -> Result<Vec<wire::Batch>, RemoteError> {
        let mut rows: Vec<wire::Batch> = self.list(BATCHES, Some(&equals("batchIdentifier", name))).await??;
        rows.retain(|row| row.batch_identifier.eq_ignore_ascii_case(name));
        Ok(rows)
    }

    /// The batches whose names begin so.
    async fn batches_from(&self, prefix: &str) -> Result<Vec<wire::Batch>, RemoteError> {
        let conditions = format!("batchIdentifier contains \"{prefix}\"");
        let mut rows: Vec<wire::Batch> = self.list(BATCHES, Some(&conditions)).await??;
        rows.retain(|row| row.batch_identifier.starts_with(prefix));
        Ok(rows)
    }

    /// The entries in a batch, by their ids.
    async fn held_by(&self, batch: &wire::Batch) -> Result<Vec<Option<i64>>, RemoteError> {
        // It is there, and what is in it cannot be asked.
        let Some(id) = batch.id else { return Ok(vec![None]) };
        match self.list::<wire::BatchEntry>(&format!("{BATCHES}/{id}/entries"), None).await? {
            Ok(entries) => Ok(entries.iter().map(|entry| entry.id).collect()),
            Err(Denied::NoRecord(_)) => Ok(Vec::new()),
            Err(denied) => Err(denied.into()),
        }
    }
}
