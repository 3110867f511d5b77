//! Inventory from the outside: what the storekeeper does, and what is there now.

use rust_decimal::Decimal;

use super::inventory::{Movement, NewMovement, NewStock};
use super::marks::Kind;
use super::oddities::Oddities;
use super::records::Refusal;
use super::tenant::ConnectWise;

impl NewMovement {
    /// A stock take that finds a difference of these.
    #[must_use]
    pub fn adjustment(identifier: &str, stock: Vec<NewStock>) -> Self {
        let (kind, reason) = ("Stock take".to_owned(), "Counted".to_owned());
        Self::of(identifier, Movement::Adjustment { kind, reason, stock })
    }

    /// A transfer from the main warehouse to the van.
    #[must_use]
    pub fn transfer(identifier: &str, quantity: Decimal, unit_cost: Decimal) -> Self {
        let stock = Box::new(NewStock { quantity, unit_cost, ..NewStock::default() });
        let (from, to) = ("Main warehouse".to_owned(), "Van".to_owned());
        Self::of(identifier, Movement::Transfer { from, to, stock })
    }

    fn of(identifier: &str, movement: Movement) -> Self {
        let (date, location_id) = (jiff::civil::date(2026, 11, 30), 11);
        Self { identifier: identifier.to_owned(), date, location_id, movement, oddities: Oddities::default() }
    }
}

impl ConnectWise {
    /// Adds a change of the inventory: an open adjustment, or a transfer, which is closed at once.
    #[must_use]
    pub fn add_movement(&self, movement: NewMovement) -> i64 {
        self.state().add_movement(movement)
    }

    /// Closes an adjustment, so that it reaches the accounting interface.
    ///
    /// # Errors
    /// When there is none or it is batched.
    pub fn close_adjustment(&self, id: i64) -> Result<(), Refusal> {
        let mut state = self.state();
        let now = state.now();
        state.move_adjustment(id, Some(now))
    }

    /// Opens an adjustment again.
    ///
    /// # Errors
    /// When there is none or it is batched.
    pub fn reopen_adjustment(&self, id: i64) -> Result<(), Refusal> {
        self.state().move_adjustment(id, None)
    }

    /// Removes a change of the inventory from the unposted list by a batch of its own; the id is of the batch.
    ///
    /// # Errors
    /// When it is not unposted, or the identifier exists and duplicates are refused.
    pub fn manual_inventory_batch(&self, id: i64, identifier: &str) -> Result<i64, Refusal> {
        let mut state = self.state();
        let change = state.changes.get(&id).filter(|change| change.is_unposted()).ok_or(Refusal::Unknown)?;
        let entries = std::iter::once(change.unposted_id).collect();
        state.manual_batch_of(Kind::Product, &entries, identifier)
    }

    /// The batch that a change of the inventory is in.
    #[must_use]
    pub fn inventory_batch(&self, id: i64) -> Option<i64> {
        self.state().changes.get(&id)?.batch
    }
}
