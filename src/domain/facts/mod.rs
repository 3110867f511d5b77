//! What is known about one record when it is planned: read fresh, or slow-moving and cached.
//!
//! The shapes are readypost's own; the wire names of both systems stay in the clients.

mod existing;
mod expense;
mod gathered;
mod invoice;
mod movement;
mod organisation;
mod party;
mod purchase;
mod rows;

pub use existing::{Existing, ExistingDocument, cost_mark, is_of_cost, mark, mark_in, mark_of, marked_key};
pub use expense::{Expense, ExpenseClass, ExpenseEntry, ExpenseUnit, ListedExpense, is_approved};
pub use gathered::{Facts, RecordFacts};
pub use invoice::{ContentHash, Invoice, InvoiceFacts, InvoiceType, Transaction};
pub use movement::{Adjusted, Movement, MovementKind, Offset, Shifted, Stock, Unposted};
pub use organisation::{Account, Organisation, TaxRate, TrackingCategory};
pub use party::{Address, Party, PartyKind, Person};
pub use purchase::{Purchase, PurchaseOrder, PurchaseTax, Received};
pub use rows::{Caption, Cost, Detail, SegmentType, Status, TaxLevel};
