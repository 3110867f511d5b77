//! The ConnectWise client: signing keys, what is known of a record, and the batch that marks it.
//!
//! It writes three things only, the batch of [`ConnectWise::mark`] (which [`ConnectWise::unmark`] deletes), payments of
//! invoices, and the registration of its own callbacks; everything else is a read, and the accounting export is one too
//! though it is a POST. Wire names live in `wire`, tolerance of odd shapes in `lenient` and `dates`; no address that
//! ConnectWise sends is ever followed, only the configured one, so credentials go nowhere else.

mod batch;
mod batches;
mod callbacks;
mod check;
mod client;
mod dates;
mod expense_preview;
mod expenses;
mod failure;
mod kept;
mod keys;
mod lenient;
mod listed;
mod movements;
mod names;
mod page;
mod party;
mod payments;
mod place;
mod purchases;
mod read;
mod root;
mod settings;
mod tables;
mod unposted;
mod wire;

#[cfg(test)]
mod tests;

pub use batch::{Left, Marked};
pub use client::ConnectWise;
pub use keys::KeyError;
pub use listed::{ListedExpense, ListedInvoice, Lists, OwnedExpense};
pub use movements::ListedMovement;
pub use payments::{Entered, UnpostedPayment};
pub use purchases::ListedPurchase;
pub use read::Posting;
pub use settings::{Endpoint, Settings};
