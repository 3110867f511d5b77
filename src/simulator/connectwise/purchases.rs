//! Purchase orders: ordered, received under packing slips, closed, and opened again.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::amounts::{TaxRow, round2};
use super::events::{Action, Subject};
use super::ledger::GlEntry;
use super::purchase_records::{NewPurchaseLine, NewPurchaseOrder, Rest};
use super::records::{Mapping, Refusal};
use super::settings::PurchasesReach;
use super::state::{Actor, Series, State};

/// A purchase order.
#[derive(Clone, Debug)]
pub(super) struct PurchaseOrder {
    pub(super) id: i64,
    /// Its lines are below.
    pub(super) new: NewPurchaseOrder,
    pub(super) status: i64,
    pub(super) closed: Option<(Timestamp, String)>,
    pub(super) lines: Vec<OrderLine>,
    pub(super) slips: Vec<Slip>,
    pub(super) notes: String,
    pub(super) updated: (Timestamp, String),
}

/// A line of a purchase order.
#[derive(Clone, Debug)]
pub(super) struct OrderLine {
    pub(super) id: i64,
    pub(super) number: i64,
    pub(super) new: NewPurchaseLine,
    pub(super) receipt: Option<Receipt>,
}

/// That a line was received.
#[derive(Clone, Debug)]
pub(super) struct Receipt {
    pub(super) slip: String,
    pub(super) quantity: Decimal,
    pub(super) at: Timestamp,
    pub(super) status: &'static str,
}

/// What an entry of a purchase stands for.
#[derive(Clone, Debug)]
pub(super) enum Bought {
    /// A line, as it was when it was distributed.
    Line(Box<OrderLine>),
    Freight,
    /// Tax on lines or on freight.
    Tax(TaxRow),
}

/// What came with one packing slip: one record of the accounting interface.
#[derive(Clone, Debug)]
pub(super) struct Slip {
    pub(super) name: String,
    /// Id of its row in the unposted list, which is not the id to export it by.
    pub(super) unposted_id: i64,
    pub(super) distributed: Timestamp,
    pub(super) entries: Vec<GlEntry<Bought>>,
    /// The batch that it was taken out of.
    pub(super) unbatched: Option<i64>,
}

impl Slip {
    /// The entries that are in no batch.
    pub(super) fn free(&self) -> Vec<&GlEntry<Bought>> {
        self.entries.iter().filter(|entry| entry.batch.is_none()).collect()
    }

    /// The batch of the purchase, once every entry is in one.
    pub(super) fn batch(&self) -> Option<i64> {
        let mut batch = None;
        for entry in &self.entries {
            batch = Some(entry.batch?);
        }
        batch
    }
}

impl PurchaseOrder {
    /// The entry that a line was distributed by, and the packing slip that it is on.
    pub(super) fn entry_of(&self, line: i64) -> Option<(&Slip, &GlEntry<Bought>)> {
        let is_of = |entry: &&GlEntry<Bought>| matches!(&entry.source, Bought::Line(of) if of.id == line);
        self.slips.iter().find_map(|slip| Some((slip, slip.entries.iter().find(is_of)?)))
    }

    fn is_freight_distributed(&self) -> bool {
        let mut entries = self.slips.iter().flat_map(|slip| &slip.entries);
        entries.any(|entry| matches!(entry.source, Bought::Freight))
    }

    /// The packing slip that freight belongs to, once something has come.
    fn freight_slip(&self) -> Option<String> {
        let first = self.lines.iter().find_map(|line| line.receipt.as_ref())?;
        let own = &self.new.freight_packing_slip;
        Some(if own.is_empty() { first.slip.clone() } else { own.clone() })
    }
}

/// Set-up and what the staff does on the screen.
impl State {
    pub(super) fn add_purchase_order(&mut self, mut new: NewPurchaseOrder) -> i64 {
        let id = self.next_id(Series::PurchaseOrder);
        let status = self.order_statuses.values().find(|status| !status.closed).map_or(0, |status| status.id);
        let updated = (self.now(), self.member(Actor::Staff));
        let lines = std::mem::take(&mut new.lines);
        let (notes, slips) = (String::new(), Vec::new());
        let order = PurchaseOrder { id, new, status, closed: None, lines: Vec::new(), slips, notes, updated };
        self.purchase_orders.insert(id, order);
        for line in lines {
            self.append_purchase_line(id, line);
        }
        self.notify_order(id, Action::Added, Actor::Staff);
        id
    }

    /// Adds a line after the others.
    pub(super) fn append_purchase_line(&mut self, order: i64, new: NewPurchaseLine) {
        let id = self.next_id(Series::PurchaseLine);
        let Some(order) = self.purchase_orders.get_mut(&order) else { return };
        let number = order.lines.iter().map(|line| line.number).max().unwrap_or(0) + 1;
        order.lines.push(OrderLine { id, number, new, receipt: None });
    }

    /// Marks a purchase order as changed and tells who listens.
    pub(super) fn touch_order(&mut self, id: i64, actor: Actor) {
        let updated = (self.now(), self.member(actor));
        if let Some(order) = self.purchase_orders.get_mut(&id) {
            order.updated = updated;
            self.notify_order(id, Action::Updated, actor);
        }
    }

    /// Queues a message for every registration that a change of a purchase order concerns.
    pub(super) fn notify_order(&mut self, id: i64, action: Action, actor: Actor) {
        let Some(order) = self.purchase_orders.get(&id) else { return };
        let mut levels = vec![("status", order.status), ("vendor", order.new.vendor), ("purchaseorder", id)];
        levels.extend(order.new.customer.map(|customer| ("company", customer)));
        let href = ("purchaseorder_href", format!("procurement/purchaseorders/{id}"));
        let fields = ["poNumber", "status", "vendorCompany", "poDate", "total", "closedFlag"];
        let entity = self.summary(&self.purchase_order_row(order), &fields, href);
        self.announce(&Subject { kind: "purchaseorder", id, levels, entity }, action, actor);
    }

    /// Receives a quantity of the line with this number, or all that is outstanding of it.
    pub(super) fn receive_line(
        &mut self,
        (order, number): (i64, i64),
        slip: &str,
        part: Option<(Decimal, Rest)>,
    ) -> Result<(), Refusal> {
        let at = self.now();
        let record = self.purchase_orders.get_mut(&order).ok_or(Refusal::Unknown)?;
        if record.closed.is_some() {
            return Err(Refusal::Closed);
        }
        // The screen fills in the number of the purchase order.
        let slip = if slip.is_empty() { record.new.number.clone() } else { slip.to_owned() };
        let waiting = |line: &&mut OrderLine| line.number == number && line.receipt.is_none();
        let line = record.lines.iter_mut().find(waiting).ok_or(Refusal::Unknown)?;
        let (quantity, status) = match part {
            Some((quantity, Rest::Cancel)) => (quantity, "PartiallyReceiveCancelRest"),
            Some((quantity, Rest::Clone)) => (quantity, "PartiallyReceiveCloneRest"),
            None => (line.new.quantity, "FullyReceived"),
        };
        line.receipt = Some(Receipt { slip, quantity, at, status });
        if matches!(part, Some((_, Rest::Clone))) {
            let rest = NewPurchaseLine { quantity: line.new.quantity - quantity, ..line.new.clone() };
            line.new.quantity = quantity;
            self.append_purchase_line(order, rest);
        }
        if self.settings.purchases_reach == PurchasesReach::WhenReceived {
            self.distribute_order(order);
        }
        self.touch_order(order, Actor::Staff);
        Ok(())
    }

    /// Moves a purchase order to another status: closing distributes it, opening takes back what is unposted.
    pub(super) fn set_order_status(&mut self, id: i64, status: i64, actor: Actor) -> Result<(), Refusal> {
        let closed = self.order_statuses.get(&status).ok_or(Refusal::Unknown)?.closed;
        let closing = (self.now(), self.member(actor));
        let await_closing = self.settings.purchases_reach == PurchasesReach::WhenClosed;
        let order = self.purchase_orders.get_mut(&id).ok_or(Refusal::Unknown)?;
        order.status = status;
        if !closed {
            order.closed = None;
            if await_closing {
                order.slips.iter_mut().for_each(|slip| slip.entries.retain(|entry| entry.batch.is_some()));
            }
        } else if order.closed.is_none() {
            order.closed = Some(closing);
            self.distribute_order(id);
        }
        self.touch_order(id, actor);
        Ok(())
    }
}

/// Distribution to the general ledger.
impl State {
    /// Makes entries for all that has come and has none yet.
    fn distribute_order(&mut self, id: i64) {
        let Some(mut order) = self.purchase_orders.remove(&id) else { return };
        let mut names: Vec<String> =
            order.lines.iter().filter_map(|line| Some(line.receipt.as_ref()?.slip.clone())).collect();
        names.extend(order.freight_slip());
        let mut seen = Vec::new();
        for name in names {
            if !seen.contains(&name) {
                self.distribute_slip(&mut order, &name);
                seen.push(name);
            }
        }
        self.purchase_orders.insert(id, order);
    }

    fn distribute_slip(&mut self, order: &mut PurchaseOrder, name: &str) {
        let mut entries = Vec::new();
        let mut taxable = Decimal::ZERO;
        for line in &order.lines {
            let Some(receipt) = line.receipt.as_ref().filter(|receipt| receipt.slip == name) else { continue };
            if order.entry_of(line.id).is_some() {
                continue;
            }
            let cost = line.new.cost_of(receipt.quantity);
            if order.new.taxable && line.new.taxable {
                taxable += cost;
            }
            entries.push(self.entry("P", cost, &line.new.mapping, Bought::Line(Box::new(line.clone()))));
        }
        let mut taxes = vec![("PT", taxable)];
        let freight = order.new.freight;
        if !freight.is_zero() && !order.is_freight_distributed() && order.freight_slip().as_deref() == Some(name) {
            entries.push(self.entry("PF", freight, &order.new.freight_mapping, Bought::Freight));
            taxes.extend(order.new.freight_taxable.then_some(("FT", freight)));
        }
        if entries.is_empty() {
            return;
        }
        let tax_account = Mapping::account(&self.settings.tax_account);
        for (kind, row) in self.purchase_taxes(order, &taxes) {
            entries.push(self.entry(kind, row.tax, &tax_account, Bought::Tax(row)));
        }
        let distributed = self.now();
        let unposted_id = self.next_id(Series::UnpostedProcurement);
        match order.slips.iter_mut().find(|slip| slip.name == name) {
            Some(slip) => {
                slip.distributed = distributed;
                slip.entries.extend(entries);
            }
            None => {
                order.slips.push(Slip { name: name.to_owned(), unposted_id, distributed, entries, unbatched: None });
            }
        }
    }

    /// Tax of each level on amounts of each kind, without rows of nothing.
    fn purchase_taxes(
        &self,
        order: &PurchaseOrder,
        amounts: &[(&'static str, Decimal)],
    ) -> Vec<(&'static str, TaxRow)> {
        let code = self.order_tax_code(&order.new).unwrap_or(0);
        let mut rows = Vec::new();
        for (kind, taxable) in amounts.iter().filter(|(_, taxable)| !taxable.is_zero()) {
            for (level, (xref, rate)) in (1..).zip(self.tax_levels(code)) {
                let (xref, rate, tax) = (xref.clone(), *rate, round2(*taxable * *rate));
                rows.push((*kind, TaxRow { code, level, xref, rate, taxable: *taxable, tax }));
            }
        }
        let computed: Decimal = rows.iter().map(|(_, row)| row.tax).sum();
        if let (Some(tax), Some((_, first))) = (order.new.tax, rows.first_mut()) {
            first.tax += tax - computed;
        }
        rows.retain(|(_, row)| !row.tax.is_zero());
        rows
    }

    /// The tax code in force for a purchase order.
    pub(super) fn order_tax_code(&self, order: &NewPurchaseOrder) -> Option<i64> {
        order.tax_code.or_else(|| self.companies.get(&order.vendor)?.new.tax_code)
    }
}
