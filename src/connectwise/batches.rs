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

    /// Whether anything is in a batch of one of these names.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn has_any_in(&self, names: &[String]) -> Result<bool, RemoteError> {
        for name in names {
            if self.is_any_filled(&self.batches_of(name).await?).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether anything is in a batch whose name begins so.
    ///
    /// # Errors
    /// As [`RemoteError`] says.
    pub async fn is_any_batched(&self, prefix: &str) -> Result<bool, RemoteError> {
        self.is_any_filled(&self.batches_from(prefix).await?).await
    }

    /// The newest batch whose name begins so, if anything is in it.
    pub(super) async fn newest_batch(&self, prefix: &str) -> Result<Option<String>, RemoteError> {
        match self.batches_from(prefix).await?.into_iter().max_by_key(|row| row.id) {
            Some(newest) if self.is_filled(&newest).await? => Ok(Some(newest.batch_identifier)),
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

    async fn is_any_filled(&self, batches: &[wire::Batch]) -> Result<bool, RemoteError> {
        for batch in batches {
            if self.is_filled(batch).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether anything is in a batch.
    async fn is_filled(&self, batch: &wire::Batch) -> Result<bool, RemoteError> {
        let Some(id) = batch.id else { return Ok(true) };
        match self.list::<wire::BatchEntry>(&format!("{BATCHES}/{id}/entries"), None).await? {
            Ok(entries) => Ok(!entries.is_empty()),
            Err(Denied::NoRecord(_)) => Ok(false),
            Err(denied) => Err(denied.into()),
        }
    }
}
