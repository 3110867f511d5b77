//! Simulator of ConnectWise PSA: callbacks, records and the accounting interface.
//!
//! It follows the documented behaviour where there is documentation, and what working integrations
//! depend on where there is none. Facts that nobody has confirmed are switches in [`Settings`], so that
//! a test can hold the product to either reading. It must never use the product's own client types.

mod amounts;
mod api;
mod batches;
mod callbacks;
mod companies;
mod conditions;
mod events;
mod expense_export;
mod expense_operator;
mod expense_records;
mod expense_rows;
mod expenses;
mod export;
mod forgery;
mod inventory;
mod inventory_operator;
mod invoices;
mod key;
mod ledger;
mod marks;
mod oddities;
mod paging;
mod payment_operator;
mod payments;
mod preview;
mod procurement;
mod purchase_export;
mod purchase_operator;
mod purchase_records;
mod purchase_rows;
mod purchases;
mod records;
mod reply;
mod routes;
mod sender;
mod settings;
mod state;
mod tables;
mod tenant;

#[cfg(test)]
mod tests;

pub use events::Delivery;
pub use expense_records::{NewExpense, NewMember};
pub use forgery::Forgery;
pub use inventory::{Movement, NewMovement, NewStock};
pub use key::{KeyMode, signature};
pub use oddities::{Oddities, View};
pub use payments::NewPayment;
pub use purchase_operator::Purchase;
pub use purchase_records::{NewPurchaseLine, NewPurchaseOrder, Rest};
pub use records::{Address, Batch, Item, Mapping, NewCompany, NewInvoice, NewLine, Refusal, SegmentKind};
pub use sender::Outcome;
pub use settings::{
    ApiPayments, CostRows, DateStyle, DropShipCosts, DuplicateBatches, ExpenseIds, ExpenseShape, ExpensesReach,
    Overpayments, PurchaseTotal, PurchasesReach, ReportCallbacks, Settings, Sign, StatusAfterBatch, StrayIds,
    SyncStatus,
};
pub use tenant::{ConnectWise, Throttle};
