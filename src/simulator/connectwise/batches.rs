//! Batches: marking GL entries as posted, and taking that back.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ledger::GlEntry;
use super::marks::Kind;
use super::records::{Batch, Refusal};
use super::reply::{Call, FieldError, Reply};
use super::settings::{DuplicateBatches, ExpenseShape, StrayIds};
use super::state::{Actor, BatchRow, Series, State};

const RESOURCE: &str = "accountingBatch";
const IDENTIFIER_LENGTH_MAX: usize = 50;
/// What a batch or a preview may be made for, by the flags that ask for it.
pub(super) const KINDS: [(&str, Kind); 3] = [
    ("exportInvoicesFlag", Kind::Invoice),
    ("exportExpensesFlag", Kind::Expense),
    ("exportProductsFlag", Kind::Product),
];

impl State {
    /// POST of a batch: marks entries, and answers with the export and not with the batch.
    pub(super) fn post_batch(&mut self, call: &Call) -> Result<Reply, Reply> {
        let body = call.json()?;
        let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
        let identifier = body.get("batchIdentifier").and_then(Value::as_str).unwrap_or_default().to_owned();
        let ids: BTreeSet<i64> = body
            .get("processedRecordIds")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_i64)
            .collect();
        let mut errors = Vec::new();
        if identifier.is_empty() {
            errors.push(FieldError::required("batchIdentifier"));
        }
        if identifier.chars().count() > IDENTIFIER_LENGTH_MAX {
            errors.push(FieldError::too_long("batchIdentifier", IDENTIFIER_LENGTH_MAX));
        }
        if ids.is_empty() {
            errors.push(FieldError::required("processedRecordIds"));
        }
        if !KINDS.into_iter().any(|(name, _)| flag(name)) {
            let message = "Batch must export Invoices, Expenses or Products";
            errors.push(FieldError::invalid("exportInvoicesFlag", message));
        }
        if self.settings.duplicate_batches == DuplicateBatches::Refuse && self.batch_exists(&identifier) {
            let message = "A matching batch already exists".to_owned();
            errors.push(FieldError { code: "ObjectExists", message, field: "batchIdentifier" });
        }
        let kinds: Vec<Kind> = KINDS.into_iter().filter(|(name, _)| flag(name)).map(|(_, kind)| kind).collect();
        let free = self.free_entries(&kinds, &ids);
        if self.settings.stray_ids == StrayIds::Refuse && free != ids {
            let stray: Vec<String> = ids.difference(&free).map(i64::to_string).collect();
            let message = format!("GL entry not found: {}", stray.join(","));
            errors.push(FieldError { code: "NotFound", message, field: "processedRecordIds" });
        }
        if !errors.is_empty() {
            return Err(Reply::invalid(RESOURCE, &errors));
        }
        let id = self.add_batch(&identifier, &kinds);
        if let Some(batch) = self.batches.get_mut(&id) {
            batch.condensed |= flag("summarizeExpenses");
        }
        self.mark(id, &free, Actor::Api);
        Ok(Reply::json(201, &self.export_again(id)))
    }

    /// DELETE of a batch: all that is in it becomes unposted again.
    pub(super) fn delete_batch(&mut self, id: i64, actor: Actor) -> Result<(), Refusal> {
        self.batches.get(&id).ok_or(Refusal::Unknown)?;
        self.take_out(id, None, actor);
        self.batches.remove(&id);
        Ok(())
    }

    /// What "Remove Records" does on the screen.
    pub(super) fn manual_batch(&mut self, invoices: &[i64], identifier: &str) -> Result<i64, Refusal> {
        let mut entries = BTreeSet::new();
        for id in invoices {
            let closing = self.invoices.get(id).ok_or(Refusal::Unknown)?.closing.as_ref().ok_or(Refusal::Open)?;
            if closing.batch().is_some() {
                return Err(Refusal::Batched);
            }
            entries.extend(closing.entries.iter().filter(|entry| entry.batch.is_none()).map(|entry| entry.id));
        }
        self.manual_batch_of(Kind::Invoice, &entries, identifier)
    }

    /// A batch of the screen over these entries of one kind.
    pub(super) fn manual_batch_of(
        &mut self,
        kind: Kind,
        entries: &BTreeSet<i64>,
        identifier: &str,
    ) -> Result<i64, Refusal> {
        if entries.is_empty() {
            return Err(Refusal::Unknown);
        }
        if self.settings.duplicate_batches == DuplicateBatches::Refuse && self.batch_exists(identifier) {
            return Err(Refusal::DuplicateBatch);
        }
        let id = self.add_batch(identifier, &[kind]);
        self.mark(id, entries, Actor::Staff);
        Ok(id)
    }

    /// What "Unbatch" does on the screen: one invoice leaves its batch, which stays.
    pub(super) fn unbatch(&mut self, invoice: i64) -> Result<(), Refusal> {
        let batch = self.invoices.get(&invoice).ok_or(Refusal::Unknown)?.batch().ok_or(Refusal::NotBatched)?;
        self.take_out(batch, Some((Kind::Invoice, invoice)), Actor::Staff);
        Ok(())
    }

    /// What "Rebatch" does on the screen: an edited invoice goes back without being exported.
    pub(super) fn rebatch(&mut self, invoice: i64) -> Result<(), Refusal> {
        let record = self.invoices.get(&invoice).ok_or(Refusal::Unknown)?;
        let (batch, _) = record.unbatched.clone().ok_or(Refusal::NotBatched)?;
        self.batches.get(&batch).ok_or(Refusal::Unknown)?;
        let closing = record.closing.as_ref().ok_or(Refusal::Open)?;
        let entries: BTreeSet<i64> = closing.entries.iter().map(|entry| entry.id).collect();
        self.mark(batch, &entries, Actor::Staff);
        Ok(())
    }

    pub(super) fn batch_rows(&self) -> Vec<Value> {
        let row = |batch: &BatchRow| {
            let has = |kind: Kind| batch.kinds.contains(&kind);
            json!({"id": batch.id, "batchIdentifier": batch.identifier, "exportInvoicesFlag": has(Kind::Invoice),
                "exportExpensesFlag": has(Kind::Expense), "exportProductsFlag": has(Kind::Product), "closedFlag": false,
                "_info": {}})
        };
        self.batches.values().map(row).collect()
    }

    /// The batches and what is in them.
    pub(super) fn batch_contents(&self) -> Vec<Batch> {
        self.batches.values().map(|batch| self.contents(batch)).collect()
    }

    fn contents(&self, batch: &BatchRow) -> Batch {
        let mut contents = Batch {
            id: batch.id,
            identifier: batch.identifier.clone(),
            invoice_ids: Vec::new(),
            product_ids: Vec::new(),
            expense_ids: Vec::new(),
            entry_ids: Vec::new(),
        };
        for invoice in self.invoices.values() {
            let entries = invoice.closing.iter().flat_map(|closing| &closing.entries);
            if take_ids(entries, batch.id, &mut contents.entry_ids) {
                contents.invoice_ids.push(invoice.id);
            }
        }
        for order in self.purchase_orders.values() {
            for slip in &order.slips {
                if take_ids(&slip.entries, batch.id, &mut contents.entry_ids) {
                    contents.product_ids.push(self.purchase_id(order, slip));
                }
            }
        }
        for change in self.changes.values().filter(|change| change.batch == Some(batch.id)) {
            contents.product_ids.push(change.product_id());
            contents.entry_ids.push(change.unposted_id);
        }
        for expense in self.expenses.values() {
            if take_ids(&expense.entries, batch.id, &mut contents.entry_ids) {
                contents.expense_ids.push(expense.id);
            }
        }
        contents
    }

    fn batch_exists(&self, identifier: &str) -> bool {
        self.batches.values().any(|batch| batch.identifier.eq_ignore_ascii_case(identifier))
    }

    fn add_batch(&mut self, identifier: &str, kinds: &[Kind]) -> i64 {
        let id = self.next_id(Series::Batch);
        let condensed = self.settings.expense_shape == ExpenseShape::CondensedBills;
        self.batches.insert(id, BatchRow { id, identifier: identifier.to_owned(), kinds: kinds.to_vec(), condensed });
        id
    }
}

/// Notes the ids of the entries in a batch; true when there are some.
fn take_ids<'a, S: 'a>(entries: impl IntoIterator<Item = &'a GlEntry<S>>, batch: i64, ids: &mut Vec<i64>) -> bool {
    let before = ids.len();
    ids.extend(entries.into_iter().filter(|entry| entry.batch == Some(batch)).map(|entry| entry.id));
    ids.len() > before
}
