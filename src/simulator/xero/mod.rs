//! Simulator of Xero: the token endpoint and the part of the Accounting API that invoices,
//! bills, payments and journals touch, and the webhooks that tell of them.
//!
//! It follows Xero where Xero is known (arithmetic, validation texts, limits, idempotency) and is
//! strict where it is not, so that a doubtful request fails in a test rather than in someone's books.
//! It never repairs what it is sent, and shares no code with the client that it tests.

mod allocations;
mod arithmetic;
mod batches;
mod by_hand;
mod check;
mod contacts;
mod documents;
mod draft;
mod family;
mod filter;
mod journals;
mod ledger;
mod limits;
mod notes;
mod operator;
mod organisation;
mod payments;
mod query;
mod records;
mod reference;
mod render;
mod replay;
mod sender;
mod service;
mod state;
mod token;
mod webhooks;
mod wire;

#[cfg(test)]
mod tests;

pub use arithmetic::HalfCent;
pub use by_hand::NewPayment;
pub use ledger::{Journal, JournalLine, JournalStatus};
pub use operator::{Settings, Xero};
pub use records::{Contact, Document, Kind, Line, LineAmounts, NewContact, Payment, Status, Tracking};
pub use sender::{Intent, Reception};
pub use webhooks::{Subscription, Webhook, signature};
