//! The marks that batches leave on GL entries of every kind of record.

use std::collections::BTreeSet;

use super::state::{Actor, State};

/// What a batch can be asked to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Invoice,
    Expense,
    /// Purchases and inventory.
    Product,
}

/// One entry, whose record it is, and the batch that it is in.
struct Mark<'a> {
    record: (Kind, i64),
    entry: i64,
    batch: &'a mut Option<i64>,
}

impl State {
    fn marks(&mut self) -> impl Iterator<Item = Mark<'_>> {
        let invoices = self.invoices.values_mut().flat_map(|invoice| {
            let record = (Kind::Invoice, invoice.id);
            let entries = invoice.closing.iter_mut().flat_map(|closing| &mut closing.entries);
            entries.map(move |entry| Mark { record, entry: entry.id, batch: &mut entry.batch })
        });
        let purchases = self.purchase_orders.values_mut().flat_map(|order| {
            let record = (Kind::Product, order.id);
            let entries = order.slips.iter_mut().flat_map(|slip| &mut slip.entries);
            entries.map(move |entry| Mark { record, entry: entry.id, batch: &mut entry.batch })
        });
        let expenses = self.expenses.values_mut().flat_map(|expense| {
            let record = (Kind::Expense, expense.id);
            expense.entries.iter_mut().map(move |entry| Mark { record, entry: entry.id, batch: &mut entry.batch })
        });
        let changes = self.changes.values_mut().filter(|change| change.closed.is_some()).map(|change| {
            let record = (Kind::Product, change.id);
            Mark { record, entry: change.unposted_id, batch: &mut change.batch }
        });
        invoices.chain(purchases).chain(expenses).chain(changes)
    }

    /// Those of `ids` that are entries of these kinds and in no batch.
    pub(super) fn free_entries(&mut self, kinds: &[Kind], ids: &BTreeSet<i64>) -> BTreeSet<i64> {
        let free = |mark: &Mark<'_>| mark.batch.is_none() && kinds.contains(&mark.record.0);
        self.marks().filter(free).map(|mark| mark.entry).filter(|entry| ids.contains(entry)).collect()
    }

    /// Puts entries into a batch.
    pub(super) fn mark(&mut self, batch: i64, entries: &BTreeSet<i64>, actor: Actor) {
        let mut touched = BTreeSet::new();
        for mark in self.marks().filter(|mark| entries.contains(&mark.entry)) {
            *mark.batch = Some(batch);
            touched.insert(mark.record);
        }
        self.echo(&touched, actor);
    }

    /// Takes the entries of one record, or all of them, out of a batch.
    pub(super) fn take_out(&mut self, batch: i64, only: Option<(Kind, i64)>, actor: Actor) {
        let name = self.batches.get(&batch).map(|batch| batch.identifier.clone()).unwrap_or_default();
        let mut touched = BTreeSet::new();
        self.remember_batch(batch, only);
        let inside = |mark: &Mark<'_>| *mark.batch == Some(batch) && only.is_none_or(|only| only == mark.record);
        for mark in self.marks().filter(inside) {
            *mark.batch = None;
            touched.insert(mark.record);
        }
        for (kind, id) in &touched {
            if let (Kind::Invoice, Some(invoice)) = (kind, self.invoices.get_mut(id)) {
                invoice.unbatched = Some((batch, name.clone()));
            }
        }
        self.echo(&touched, actor);
    }

    /// Notes at the packing slips that are about to leave a batch which one that was.
    fn remember_batch(&mut self, batch: i64, only: Option<(Kind, i64)>) {
        for order in self.purchase_orders.values_mut() {
            let concerned = only.is_none_or(|only| only == (Kind::Product, order.id));
            for slip in order.slips.iter_mut().filter(|_| concerned) {
                if slip.entries.iter().any(|entry| entry.batch == Some(batch)) {
                    slip.unbatched = Some(batch);
                }
            }
        }
    }

    fn echo(&mut self, records: &BTreeSet<(Kind, i64)>, actor: Actor) {
        if !self.settings.batch_callbacks {
            return;
        }
        for (kind, id) in records {
            match kind {
                Kind::Invoice => self.touch(*id, actor),
                Kind::Product => self.touch_order(*id, actor),
                Kind::Expense => self.touch_expense(*id, actor),
            }
        }
    }
}
