//! Marks an invoice as posted: one batch per invoice, made once.
//!
//! ConnectWise knows no idempotency key, so the batch's name is one: it is looked up before anything is
//! sent, and a request whose answer was lost is never sent again blindly.

use super::client::{Call, ConnectWise, equals, malformed};
use super::unposted::same_size;
use super::wire;
use crate::domain::facts::{Invoice, Transaction};
use crate::remote::RemoteError;

/// What became of marking an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marked {
    /// The batch is there.
    Batched {
        /// GL entry ids that ConnectWise still lists as unposted; empty when all is well.
        leftover: Vec<i64>,
    },
    /// Somebody else's batch has it.
    Elsewhere {
        /// That batch's name.
        batch: String,
    },
    /// It is neither unposted nor batched: it was reopened or deleted meanwhile.
    NotUnposted,
}

impl ConnectWise {
    /// Makes the batch `name` (at most 50 characters) of `invoice`, unless it is there already.
    ///
    /// # Errors
    /// After [`RemoteError::Transport`] and [`RemoteError::Failed`] the batch may be there; call again with
    /// the same name to find out. [`RemoteError::Refused`] when ConnectWise refuses the batch and there is none.
    pub async fn mark(&self, invoice: &Invoice, name: &str) -> Result<Marked, RemoteError> {
        if self.has_batch(name).await? {
            return self.read_back(invoice).await;
        }
        let Some(row) = self.unposted_row(invoice).await? else {
            let now = self.batched_by(invoice, name).await?;
            return Ok(now.unwrap_or(Marked::NotUnposted));
        };
        if !is_surely(&row, invoice) {
            let cause = format!("the unposted record {} has another total than the invoice", row.invoice_number);
            return Err(malformed(cause));
        }
        let ids = self.entry_ids(invoice, &row).await?;
        if ids.is_empty() {
            return Err(malformed(format!("the preview of invoice {} names no GL entries", invoice.number)));
        }
        let call = Call::post("finance/accounting/batches", wire::batch_request(name, &ids));
        // The answer is an export and not the batch; what counts is read back.
        match self.once(&call).await.and_then(|outcome| Ok(outcome?)) {
            Ok(_) => self.read_back(invoice).await,
            Err(error @ RemoteError::Refused { .. }) => self.after_refusal(invoice, name, error).await,
            Err(error) => Err(error),
        }
    }

    /// A refusal may mean that the batch was made by an earlier request, or by somebody else.
    async fn after_refusal(&self, invoice: &Invoice, name: &str, error: RemoteError) -> Result<Marked, RemoteError> {
        tracing::debug!(%error, "the batch was refused; looking whether it is there");
        if self.has_batch(name).await? {
            return self.read_back(invoice).await;
        }
        self.batched_by(invoice, name).await?.ok_or(error)
    }

    /// Whether there is a batch of this name.
    async fn has_batch(&self, name: &str) -> Result<bool, RemoteError> {
        let conditions = equals("batchIdentifier", name);
        let rows: Vec<wire::Batch> = self.list("finance/accounting/batches", Some(&conditions)).await??;
        Ok(rows.iter().any(|row| row.batch_identifier.eq_ignore_ascii_case(name)))
    }

    /// What the invoice itself now says about its batch; none when it is in none.
    async fn batched_by(&self, invoice: &Invoice, name: &str) -> Result<Option<Marked>, RemoteError> {
        let now = self.invoice(&invoice.id.to_string()).await?;
        Ok(now.and_then(|now| now.batch).map(|batch| {
            if batch.eq_ignore_ascii_case(name) {
                Marked::Batched { leftover: Vec::new() }
            } else {
                Marked::Elsewhere { batch }
            }
        }))
    }

    /// What of the invoice is still unposted, now that the batch is there.
    async fn read_back(&self, invoice: &Invoice) -> Result<Marked, RemoteError> {
        let leftover = match self.unposted_row(invoice).await? {
            Some(row) if is_surely(&row, invoice) => self.entry_ids(invoice, &row).await?,
            _ => Vec::new(),
        };
        Ok(Marked::Batched { leftover })
    }

    async fn entry_ids(&self, invoice: &Invoice, row: &wire::Unposted) -> Result<Vec<i64>, RemoteError> {
        let transaction: Transaction = self.export(invoice, row).await?.into_facts(String::new(), String::new());
        Ok(transaction.processed_ids())
    }
}

/// Whether a row is the invoice by more than its number, which alone must not close another record.
fn is_surely(row: &wire::Unposted, invoice: &Invoice) -> bool {
    row.billing_log_id == Some(invoice.id) || same_size(row.total, invoice.total)
}
