//! Purchase orders from the outside: what the buyer does on the screen, and what is there now.

use rust_decimal::Decimal;
use serde_json::Value;

use super::events::Action;
use super::marks::Kind;
use super::purchase_records::{NewPurchaseLine, NewPurchaseOrder, Rest};
use super::records::Refusal;
use super::reply::pruned;
use super::state::Actor;
use super::tenant::ConnectWise;

/// A purchase of the accounting interface: what came with one packing slip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// The string that it is exported by.
    pub unposted_product_id: String,
    /// Packing slip.
    pub packing_slip: String,
    /// The batch that all of it is in.
    pub batch: Option<i64>,
    /// GL entries in no batch, by id.
    pub free_entry_ids: Vec<i64>,
}

/// What the buyer does on the screen.
impl ConnectWise {
    /// Adds a purchase order with an open status.
    #[must_use]
    pub fn add_purchase_order(&self, order: NewPurchaseOrder) -> i64 {
        self.state().add_purchase_order(order)
    }

    /// Adds a line to a purchase order, after the others.
    ///
    /// # Errors
    /// When there is no such purchase order.
    pub fn add_purchase_line(&self, order: i64, line: NewPurchaseLine) -> Result<(), Refusal> {
        let mut state = self.state();
        state.purchase_orders.get(&order).ok_or(Refusal::Unknown)?;
        state.append_purchase_line(order, line);
        state.touch_order(order, Actor::Staff);
        Ok(())
    }

    /// Changes a purchase order but not its lines; its GL entries stay as they are until it is closed again.
    ///
    /// # Errors
    /// When there is none.
    pub fn edit_purchase_order(&self, id: i64, change: impl FnOnce(&mut NewPurchaseOrder)) -> Result<(), Refusal> {
        let mut state = self.state();
        change(&mut state.purchase_orders.get_mut(&id).ok_or(Refusal::Unknown)?.new);
        state.touch_order(id, Actor::Staff);
        Ok(())
    }

    /// Changes the line with this number; entries made before keep what it was.
    ///
    /// # Errors
    /// When there is none.
    pub fn edit_purchase_line(
        &self,
        order: i64,
        number: i64,
        change: impl FnOnce(&mut NewPurchaseLine),
    ) -> Result<(), Refusal> {
        let mut state = self.state();
        let record = state.purchase_orders.get_mut(&order).ok_or(Refusal::Unknown)?;
        let line = record.lines.iter_mut().find(|line| line.number == number).ok_or(Refusal::Unknown)?;
        change(&mut line.new);
        state.touch_order(order, Actor::Staff);
        Ok(())
    }

    /// Receives every line that is outstanding under one packing slip; empty = the order's number.
    ///
    /// # Errors
    /// When there is no such purchase order or it is closed.
    pub fn receive(&self, order: i64, packing_slip: &str) -> Result<(), Refusal> {
        let mut state = self.state();
        let record = state.purchase_orders.get(&order).ok_or(Refusal::Unknown)?;
        if record.closed.is_some() {
            return Err(Refusal::Closed);
        }
        let waiting = record.lines.iter().filter(|line| line.receipt.is_none());
        let numbers: Vec<i64> = waiting.map(|line| line.number).collect();
        numbers.into_iter().try_for_each(|number| state.receive_line((order, number), packing_slip, None))
    }

    /// Receives the whole line with this number under a packing slip.
    ///
    /// # Errors
    /// When there is no such line outstanding or the purchase order is closed.
    pub fn receive_line(&self, order: i64, number: i64, packing_slip: &str) -> Result<(), Refusal> {
        self.state().receive_line((order, number), packing_slip, None)
    }

    /// Receives part of the line with this number under a packing slip.
    ///
    /// # Errors
    /// When there is no such line outstanding or the purchase order is closed.
    pub fn receive_part(
        &self,
        (order, number): (i64, i64),
        packing_slip: &str,
        quantity: Decimal,
        rest: Rest,
    ) -> Result<(), Refusal> {
        self.state().receive_line((order, number), packing_slip, Some((quantity, rest)))
    }

    /// Moves a purchase order to a status by name.
    ///
    /// # Errors
    /// When there is no such purchase order or status.
    pub fn set_purchase_status(&self, order: i64, status: &str) -> Result<(), Refusal> {
        let mut state = self.state();
        let found = state.order_statuses.values().find(|known| known.name == status).map(|status| status.id);
        let status = found.ok_or(Refusal::Unknown)?;
        state.set_order_status(order, status, Actor::Staff)
    }

    /// Closes a purchase order, so that it is ready to be posted.
    ///
    /// # Errors
    /// When there is none.
    pub fn close_purchase_order(&self, order: i64) -> Result<(), Refusal> {
        self.set_purchase_status(order, "Ready to Post")
    }

    /// Opens a purchase order again: what is in no batch leaves the unposted list.
    ///
    /// # Errors
    /// When there is none.
    pub fn reopen_purchase_order(&self, order: i64) -> Result<(), Refusal> {
        self.set_purchase_status(order, "New")
    }

    /// Saves a purchase order without changing it.
    pub fn save_purchase_order(&self, order: i64) {
        self.state().touch_order(order, Actor::Staff);
    }

    /// Deletes a purchase order.
    ///
    /// # Errors
    /// When there is none or part of it is batched.
    pub fn delete_purchase_order(&self, order: i64) -> Result<(), Refusal> {
        let mut state = self.state();
        let record = state.purchase_orders.get(&order).ok_or(Refusal::Unknown)?;
        if record.slips.iter().flat_map(|slip| &slip.entries).any(|entry| entry.batch.is_some()) {
            return Err(Refusal::Batched);
        }
        state.notify_order(order, Action::Deleted, Actor::Staff);
        state.purchase_orders.remove(&order);
        Ok(())
    }

    /// Adds a closed or an open purchase order status.
    #[must_use]
    pub fn add_purchase_status(&self, name: &str, closed: bool) -> i64 {
        self.state().add_order_status(name, closed)
    }

    /// Takes all of a purchase order out of its batches, as "Unbatch" does.
    ///
    /// # Errors
    /// When it is in none.
    pub fn unbatch_purchase_order(&self, order: i64) -> Result<(), Refusal> {
        self.state().unbatch_order(order)
    }

    /// Puts a purchase order back into its batches without an export, as "Rebatch" does.
    ///
    /// # Errors
    /// When it was in none, or they are gone.
    pub fn rebatch_purchase_order(&self, order: i64) -> Result<(), Refusal> {
        self.state().rebatch_order(order)
    }

    /// Removes all that is unposted of a purchase order from the list by a batch of its own; the id is of the batch.
    ///
    /// # Errors
    /// When nothing of it is unposted, or the identifier exists and duplicates are refused.
    pub fn manual_purchase_batch(&self, order: i64, identifier: &str) -> Result<i64, Refusal> {
        let mut state = self.state();
        let record = state.purchase_orders.get(&order).ok_or(Refusal::Unknown)?;
        let entries = record.slips.iter().flat_map(|slip| slip.free()).map(|entry| entry.id).collect();
        state.manual_batch_of(Kind::Product, &entries, identifier)
    }
}

/// What it holds now.
impl ConnectWise {
    /// A purchase order as the API shows it; null when there is none.
    #[must_use]
    pub fn purchase_order(&self, id: i64) -> Value {
        let state = self.state();
        state.purchase_orders.get(&id).map_or(Value::Null, |order| pruned(state.purchase_order_row(order)))
    }

    /// What has come to the accounting interface from a purchase order, posted or not.
    #[must_use]
    pub fn purchases(&self, order: i64) -> Vec<Purchase> {
        let state = self.state();
        let Some(order) = state.purchase_orders.get(&order) else { return Vec::new() };
        let distributed = order.slips.iter().filter(|slip| !slip.entries.is_empty());
        let purchase = |slip: &super::purchases::Slip| Purchase {
            unposted_product_id: state.purchase_id(order, slip),
            packing_slip: slip.name.clone(),
            batch: slip.batch(),
            free_entry_ids: slip.free().iter().map(|entry| entry.id).collect(),
        };
        distributed.map(purchase).collect()
    }

    /// The unposted list of procurement.
    #[must_use]
    pub fn unposted_procurement(&self) -> Vec<Value> {
        self.state().unposted_procurement_rows().into_iter().map(pruned).collect()
    }
}
