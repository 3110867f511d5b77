//! Marks a record as posted: one batch per record, made once.
//!
//! ConnectWise knows no idempotency key, so the batch's name is one: it is looked up before anything is
//! sent, and a request whose answer was lost is never sent again blindly.

use super::batches::BATCHES;
use super::client::{Call, ConnectWise, malformed};
use super::failure::Denied;
use super::unposted::same_size;
use super::wire;
use crate::domain::facts::{Invoice, Received, RecordFacts, Transaction};
use crate::remote::RemoteError;

/// What became of marking a record.
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

/// What one more batch leaves unposted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// There is such a batch already.
    Taken,
    /// These GL entry ids.
    Ids(Vec<i64>),
}

impl ConnectWise {
    /// Calls of the step that marks an invoice when nothing goes wrong, its read included; for other kinds it is about
    /// as many.
    pub const MARKING_CALLS: u32 = 7;

    /// Makes the batch `name` (at most 50 characters) of `record`, unless it is there already.
    ///
    /// # Errors
    /// After [`RemoteError::Transport`] and [`RemoteError::Failed`] the batch may be there; call again with
    /// the same name to find out. [`RemoteError::Refused`] when ConnectWise refuses the batch and there is none.
    pub async fn mark(&self, record: &RecordFacts, name: &str) -> Result<Marked, RemoteError> {
        if self.has_batch(name).await? {
            return self.read_back(record).await;
        }
        let ids = match self.unposted_ids(record).await? {
            Unposted::Not => {
                let now = self.batched_by(record, name).await?;
                return Ok(now.unwrap_or(Marked::NotUnposted));
            }
            Unposted::Doubtful { why } => return Err(malformed(why)),
            Unposted::Ids(ids) if ids.is_empty() => {
                return Err(malformed(format!("the preview of {} names no GL entries", record.title())));
            }
            // What came to the record after it was read was not posted with it.
            Unposted::Ids(ids) if known_ids(record).is_some_and(|known| known != ids) => {
                return Err(malformed(format!("{} has changed in the meantime", record.title())));
            }
            Unposted::Ids(ids) => ids,
        };
        // The answer is an export and not the batch; what counts is read back.
        match self.make_batch(record, name, &ids).await {
            Ok(()) => self.read_back(record).await,
            Err(error @ RemoteError::Refused { .. }) => self.after_refusal(record, name, error).await,
            Err(error) => Err(error),
        }
    }

    /// Makes one more batch, `name`, of the GL entries `left` that another one did not take; says what is left then.
    ///
    /// # Errors
    /// As of [`ConnectWise::mark`], but a refusal leaves what was left.
    pub async fn mark_rest(&self, record: &RecordFacts, name: &str, left: &[i64]) -> Result<Left, RemoteError> {
        if self.has_batch(name).await? {
            return Ok(Left::Taken);
        }
        let ids = match self.unposted_ids(record).await? {
            Unposted::Not => return Ok(Left::Ids(Vec::new())),
            Unposted::Doubtful { why } => return Err(malformed(why)),
            Unposted::Ids(ids) => ids,
        };
        // What came meanwhile was not posted with it.
        let is_known = |id: &i64| left.contains(id) && known_ids(record).is_none_or(|known| known.contains(id));
        if !ids.iter().all(is_known) {
            return Ok(Left::Ids(ids));
        }
        if !ids.is_empty() {
            match self.make_batch(record, name, &ids).await {
                Ok(()) | Err(RemoteError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        match self.read_back(record).await? {
            Marked::Batched { leftover } => Ok(Left::Ids(leftover)),
            Marked::Elsewhere { .. } | Marked::NotUnposted => Ok(Left::Ids(Vec::new())),
        }
    }

    async fn make_batch(&self, record: &RecordFacts, name: &str, ids: &[i64]) -> Result<(), RemoteError> {
        let call = Call::post(BATCHES, wire::batch_request(name, flag(record), ids));
        self.once(&call).await.and_then(|outcome| Ok(outcome?)).map(drop)
    }

    /// Deletes the batch `name`, so that all in it is unposted again; one that is gone already is as good as deleted.
    ///
    /// # Errors
    /// After any of them the batch may be gone; call again with the same name to find out.
    pub async fn unmark(&self, name: &str) -> Result<(), RemoteError> {
        let Some(id) = self.batch_id(name).await? else { return Ok(()) };
        let path = format!("{BATCHES}/{id}");
        match self.once(&Call::delete(&path)).await? {
            Ok(_) | Err(Denied::NoRecord(_)) => {}
            Err(denied) => return Err(denied.into()),
        }
        match self.batch_id(name).await? {
            None => Ok(()),
            Some(_) => Err(malformed(format!("the batch {name} is still there after it was deleted"))),
        }
    }

    /// A refusal may mean that the batch was made by an earlier request, or by somebody else.
    async fn after_refusal(&self, record: &RecordFacts, name: &str, error: RemoteError) -> Result<Marked, RemoteError> {
        tracing::debug!(%error, "the batch was refused; looking whether it is there");
        if self.has_batch(name).await? {
            return self.read_back(record).await;
        }
        self.batched_by(record, name).await?.ok_or(error)
    }

    /// What the record itself now says about its batch; none when it is in none.
    async fn batched_by(&self, record: &RecordFacts, name: &str) -> Result<Option<Marked>, RemoteError> {
        let batch = match record {
            RecordFacts::Invoice(facts) => self.invoice(&facts.invoice.id.to_string()).await?.and_then(|now| now.batch),
            RecordFacts::Purchase(purchase) => {
                self.purchase(&purchase.id, Some(purchase.order.id)).await?.and_then(|now| now.batch)
            }
            RecordFacts::Expense(expense) => self.expense_now(expense).await?.and_then(|now| now.batch),
            RecordFacts::Movement(movement) => self.movement(&movement.id, movement.kind).await?.batch,
        };
        Ok(batch.map(|batch| {
            if batch.eq_ignore_ascii_case(name) {
                Marked::Batched { leftover: Vec::new() }
            } else {
                Marked::Elsewhere { batch }
            }
        }))
    }

    /// What of the record is still unposted, now that the batch is there.
    async fn read_back(&self, record: &RecordFacts) -> Result<Marked, RemoteError> {
        let leftover = match self.unposted_ids(record).await? {
            Unposted::Ids(ids) => ids,
            Unposted::Not | Unposted::Doubtful { .. } => Vec::new(),
        };
        Ok(Marked::Batched { leftover })
    }

    /// The GL entries of the record that are still unposted.
    async fn unposted_ids(&self, record: &RecordFacts) -> Result<Unposted, RemoteError> {
        let invoice = match record {
            RecordFacts::Invoice(facts) => &facts.invoice,
            RecordFacts::Purchase(purchase) => {
                let now = self.purchase(&purchase.id, Some(purchase.order.id)).await?;
                let received = now.and_then(|now| now.received);
                return Ok(received.map_or(Unposted::Not, |received| Unposted::Ids(received.processed_ids())));
            }
            RecordFacts::Expense(expense) => {
                // An entry that came into the report just now is in no bill, so it is not marked with the others.
                let posted = expense.processed_ids();
                let now = self.expense_now(expense).await?.map(|now| now.processed_ids()).unwrap_or_default();
                let ids: Vec<i64> = now.into_iter().filter(|id| posted.contains(id)).collect();
                return Ok(if ids.is_empty() { Unposted::Not } else { Unposted::Ids(ids) });
            }
            RecordFacts::Movement(movement) => {
                let unposted = self.movement(&movement.id, movement.kind).await?.unposted;
                return Ok(
                    unposted.map_or(Unposted::Not, |unposted| Unposted::Ids(unposted.entry.into_iter().collect()))
                );
            }
        };
        let Some(row) = self.unposted_row(invoice).await? else { return Ok(Unposted::Not) };
        if !is_surely(&row, invoice) {
            let why = format!("the unposted record {} has another total than the invoice", row.invoice_number);
            return Ok(Unposted::Doubtful { why });
        }
        let transaction: Transaction = self.export(invoice, &row).await?.into_facts(String::new(), String::new());
        Ok(Unposted::Ids(transaction.processed_ids()))
    }
}

/// What of a record the accounting interface lists as unposted.
enum Unposted {
    /// Nothing.
    Not,
    /// Something that may be other than what was posted.
    Doubtful { why: String },
    /// These GL entries.
    Ids(Vec<i64>),
}

/// The GL entries that the record had when it was read, ascending; none when they were not read with it.
fn known_ids(record: &RecordFacts) -> Option<Vec<i64>> {
    match record {
        // Of expenses, what is marked is what was posted, whatever came since.
        RecordFacts::Invoice(_) | RecordFacts::Expense(_) => None,
        RecordFacts::Purchase(purchase) => purchase.received.as_ref().map(Received::processed_ids),
        RecordFacts::Movement(movement) => movement.unposted.as_ref()?.entry.map(|entry| vec![entry]),
    }
}

/// What kind of records a batch exports.
fn flag(record: &RecordFacts) -> wire::Exports {
    match record {
        RecordFacts::Invoice(_) => wire::Exports::Invoices,
        RecordFacts::Purchase(_) | RecordFacts::Movement(_) => wire::Exports::Products,
        RecordFacts::Expense(_) => wire::Exports::Expenses,
    }
}

/// Whether a row is the invoice by more than its number, which alone must not close another record.
fn is_surely(row: &wire::Unposted, invoice: &Invoice) -> bool {
    row.billing_log_id == Some(invoice.id) || same_size(row.total, invoice.total)
}
