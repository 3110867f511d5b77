//! Inventory: adjustments and transfers, which share the unposted list of procurement with purchases.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::amounts::{number, round2};
use super::oddities::{Oddities, View};
use super::records::{Item, Mapping, Refusal};
use super::state::{Series, State};
use super::tables::reference;

/// A quantity of an item that comes, goes or moves, with the GL mapping in force for it.
#[derive(Clone, Debug)]
pub struct NewStock {
    /// What it is.
    pub description: String,
    /// The catalog item.
    pub item: Item,
    /// How much of it; below zero for what is gone.
    pub quantity: Decimal,
    /// Cost of one.
    pub unit_cost: Decimal,
    /// GL mapping of the difference.
    pub mapping: Mapping,
    /// Account of the inventory.
    pub inventory_account: String,
    /// Account of the cost.
    pub cost_account: String,
}

impl Default for NewStock {
    fn default() -> Self {
        Self {
            description: "Disk".to_owned(),
            item: Item::new(741, "SSD1"),
            quantity: Decimal::ONE,
            unit_cost: Decimal::ZERO,
            mapping: Mapping::account("310"),
            inventory_account: "630".to_owned(),
            cost_account: "310".to_owned(),
        }
    }
}

impl NewStock {
    fn cost(&self) -> Decimal {
        round2(self.quantity * self.unit_cost)
    }
}

/// What is done to the inventory.
#[derive(Clone, Debug)]
pub enum Movement {
    /// Counts are corrected, for a reason of this type.
    Adjustment {
        /// Type, such as `Stock take`.
        kind: String,
        /// Why.
        reason: String,
        /// What comes or goes.
        stock: Vec<NewStock>,
    },
    /// Something moves from one warehouse to another.
    Transfer {
        /// Warehouse that it leaves.
        from: String,
        /// Warehouse that it goes to.
        to: String,
        /// What moves.
        stock: Box<NewStock>,
    },
}

/// A change of the inventory to add.
#[derive(Clone, Debug)]
pub struct NewMovement {
    /// Its number, as people know it.
    pub identifier: String,
    /// Date.
    pub date: Date,
    /// Location id.
    pub location_id: i64,
    /// What is done.
    pub movement: Movement,
    /// What is odd about what it shows.
    pub oddities: Oddities,
}

/// A change of the inventory; it is one record of the accounting interface.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) id: i64,
    /// Id of its row in the unposted list, which is also the one that a batch has to have.
    pub(super) unposted_id: i64,
    pub(super) new: NewMovement,
    pub(super) closed: Option<Timestamp>,
    pub(super) batch: Option<i64>,
}

impl Change {
    /// The string that it is exported by.
    pub(super) fn product_id(&self) -> String {
        match self.new.movement {
            Movement::Adjustment { .. } => format!("{}-adjustment", self.id),
            Movement::Transfer { .. } => format!("{}-transfer", self.id),
        }
    }

    pub(super) fn is_unposted(&self) -> bool {
        self.closed.is_some() && self.batch.is_none()
    }

    fn cost(&self) -> Decimal {
        match &self.new.movement {
            Movement::Adjustment { stock, .. } => stock.iter().map(NewStock::cost).sum(),
            Movement::Transfer { stock, .. } => stock.cost(),
        }
    }
}

impl State {
    /// Adds a change of the inventory; a transfer is closed with that, an adjustment is open.
    pub(super) fn add_movement(&mut self, new: NewMovement) -> i64 {
        let (series, closed) = match new.movement {
            Movement::Adjustment { .. } => (Series::Adjustment, None),
            Movement::Transfer { .. } => (Series::Transfer, Some(self.now())),
        };
        let (id, unposted_id) = (self.next_id(series), self.next_id(Series::UnpostedProcurement));
        self.changes.insert(id, Change { id, unposted_id, new, closed, batch: None });
        id
    }

    /// Closes or opens an adjustment.
    pub(super) fn move_adjustment(&mut self, id: i64, closed: Option<Timestamp>) -> Result<(), Refusal> {
        let change = self.changes.get_mut(&id).ok_or(Refusal::Unknown)?;
        if change.batch.is_some() {
            return Err(Refusal::Batched);
        }
        change.closed = closed;
        Ok(())
    }

    /// The adjustments as records.
    pub(super) fn adjustment_rows(&self) -> Vec<Value> {
        self.changes.values().filter_map(adjustment_row).collect()
    }

    /// The changes of the inventory in the unposted list.
    pub(super) fn unposted_change_rows(&self) -> Vec<Value> {
        let unposted = self.changes.values().filter(|change| change.is_unposted());
        unposted.map(|change| change.new.oddities.show(View::Unposted, self.unposted_change_row(change))).collect()
    }

    fn unposted_change_row(&self, change: &Change) -> Value {
        let kind = match change.new.movement {
            Movement::Adjustment { .. } => "Adjustment",
            Movement::Transfer { .. } => "Transfer",
        };
        json!({"id": change.unposted_id, "description": change.new.identifier,
            "unpostedProductId": change.product_id(), "locationId": change.new.location_id, "departmentId": 1,
            "procurementType": kind, "purchaseDate": self.accounting_date(change.new.date),
            "total": number(change.cost()), "avalaraTaxFlag": false, "itemTaxableFlag": false,
            "dateClosed": change.closed.map(|at| self.accounting_instant(at)), "_info": {}})
    }

    /// `adjustmentTransactions` and `inventoryTransfers` of an export.
    pub(super) fn change_parts(&self, chosen: impl Fn(&Change) -> bool) -> (Vec<Value>, Vec<Value>) {
        let (mut adjustments, mut transfers) = (Vec::new(), Vec::new());
        for change in self.changes.values().filter(|change| chosen(change)) {
            let (rows, row) = match &change.new.movement {
                Movement::Adjustment { stock, .. } => (&mut adjustments, self.adjustment_transaction(change, stock)),
                Movement::Transfer { stock, .. } => (&mut transfers, self.inventory_transfer(change, stock)),
            };
            rows.push(change.new.oddities.show(View::Export, row));
        }
        (adjustments, transfers)
    }

    /// Its rows have no ids: a batch has to have the one of the unposted list.
    fn adjustment_transaction(&self, change: &Change, stock: &[NewStock]) -> Value {
        let detail = |stock: &NewStock| {
            json!({"glClass": self.mapped_class(&stock.mapping), "description": stock.description,
                "memo": stock.description, "item": {"id": stock.item.id, "identifier": stock.item.identifier},
                "quantity": whole(stock.quantity), "total": number(stock.cost()), "cost": number(stock.unit_cost),
                "costAccountNumber": stock.cost_account, "inventoryAccountNumber": stock.inventory_account,
                "accountNumber": self.mapped_account(&stock.mapping), "productAccountNumber": ""})
        };
        let first = stock.first();
        let detail: Vec<Value> = stock.iter().map(detail).collect();
        // "glTypeID" is spelled otherwise than everywhere else.
        json!({"id": change.product_id(), "documentType": "ADJUSTMENT", "glTypeID": "IA",
            "documentDate": self.accounting_date(change.new.date), "memo": change.new.identifier,
            "accountNumber": first.map(|stock| self.mapped_account(&stock.mapping)),
            "glClass": first.map(|stock| self.mapped_class(&stock.mapping)),
            "adjustmentDescription": change.new.identifier, "adjustmentDetail": detail})
    }

    fn inventory_transfer(&self, change: &Change, stock: &NewStock) -> Value {
        let (from, to) = match &change.new.movement {
            Movement::Transfer { from, to, .. } => (from.as_str(), to.as_str()),
            Movement::Adjustment { .. } => ("", ""),
        };
        let (account, class) = (self.mapped_account(&stock.mapping), self.mapped_class(&stock.mapping));
        let date = self.accounting_date(change.new.date);
        let offset = json!({"id": change.unposted_id, "documentType": "TRANSFER", "documentDate": date,
            "accountNumber": stock.inventory_account, "glClass": class, "total": number(-stock.cost()),
            "memo": from, "description": stock.description, "glTypeId": "IT"});
        json!({"id": change.product_id(), "transferId": change.id, "documentType": "TRANSFER", "documentDate": date,
            "accountNumber": account, "glClass": class, "glTypeId": "IT", "description": stock.description,
            "memo": to, "costAccountNumber": stock.cost_account, "inventoryAccountNumber": stock.inventory_account,
            "item": {"id": stock.item.id, "identifier": stock.item.identifier}, "glItemId": stock.item.identifier,
            "itemDescription": stock.description, "salesDescription": stock.description, "taxable": false,
            "unitOfMeasure": reference(1, "Each"), "quantity": number(stock.quantity),
            "cost": number(stock.cost()), "total": number(stock.cost()), "serializedFlag": false,
            "transferFromLocationXref": from, "transferToLocationXref": to, "offset": offset})
    }

    /// The changes of the inventory in a batch.
    pub(super) fn change_batch_rows(&self, batch: i64) -> Vec<Value> {
        let inside = self.changes.values().filter(|change| change.batch == Some(batch));
        let row = |change: &Change| {
            let (cost, name) = (change.cost(), change.new.identifier.as_str());
            let (debit, credit) = (cost.max(Decimal::ZERO), (-cost).max(Decimal::ZERO));
            let of = match change.new.movement {
                Movement::Adjustment { .. } => ("IA", Some(reference(change.id, name)), None),
                Movement::Transfer { .. } => ("IT", None, Some(name)),
            };
            json!({"id": change.unposted_id, "accountType": of.0, "name": name, "debit": number(debit),
                "credit": number(credit), "cost": number(cost), "adjustmentDetail": of.1, "transfer": of.2, "_info": {}})
        };
        inside.map(row).collect()
    }
}

fn adjustment_row(change: &Change) -> Option<Value> {
    let Movement::Adjustment { kind, reason, stock } = &change.new.movement else { return None };
    let detail = |(id, stock): (i64, &NewStock)| {
        json!({"id": change.id * 10 + id, "description": stock.description, "unitCost": number(stock.unit_cost),
            "catalogItem": {"id": stock.item.id, "identifier": stock.item.identifier},
            "quantityAdjusted": whole(stock.quantity), "warehouse": reference(1, "Main warehouse"),
            "warehouseBin": reference(1, "Default"), "adjustment": reference(change.id, &change.new.identifier)})
    };
    let details: Vec<Value> = (1..).zip(stock).map(detail).collect();
    let row = json!({"id": change.id, "identifier": change.new.identifier, "type": {"id": 1, "identifier": kind},
        "reason": reason, "notes": "", "closedFlag": change.closed.is_some(),
        "closedDate": change.closed.map(|at| at.to_string()), "adjustmentDetails": details, "_info": {}});
    Some(change.new.oddities.show(View::Record, row))
}

/// A quantity as it is declared: a whole number, though the service may hold another.
fn whole(quantity: Decimal) -> Value {
    serde_json::from_str(&quantity.normalize().to_string()).unwrap_or_default()
}
