//! Client of one Xero organisation: its settings, its contacts, its documents, what was paid on them.
//!
//! Every write goes out under an idempotency key: a PUT, which can only create, or a POST to the address of a document
//! that was read a moment ago. Every error says who acts next. Facts of Xero's API are in its own words where they are quoted.

mod allocations;
mod budget;
mod client;
mod connect;
mod contacts;
mod documents;
mod error;
mod journals;
mod listing;
mod lookup;
mod modest;
mod payments;
mod reference;
mod refusal;
mod standing;
mod stated;
mod token;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt::Debug;

use async_trait::async_trait;
use secrecy::SecretString;
use uuid::Uuid;

pub use allocations::{CreditNote, allocation_body};
pub use budget::BudgetView;
pub use client::{Permit, Settings, Xero};
pub use connect::{Attempt, ConnectError, Tenant};
pub use documents::{Created, Request, body, path};
pub use error::{CompanyFault, XeroError};
pub use listing::Listing;
pub use modest::modest;
pub use payments::{ChangedInvoice, PastPayment, payment_body};
pub use standing::{Standing, change_body, sent, void_body};
pub use stated::Stated;
pub use token::{Grant, Granted};

/// Keeps the refresh token of one organisation; client credentials need none.
#[async_trait]
pub trait TokenVault: Debug + Send + Sync {
    /// The token kept last, or none.
    async fn load(&self) -> Option<SecretString>;

    /// Keeps `token` durably before it returns: Xero forgets the one before it.
    ///
    /// # Errors
    /// What went wrong; the token is then not kept.
    async fn keep(&self, token: SecretString) -> Result<(), String>;

    /// Keeps the first token of an organisation that somebody connected, as durably.
    ///
    /// # Errors
    /// As [`Self::keep`].
    async fn connect(&self, connected: Connected) -> Result<(), String>;
}

/// An organisation that somebody connected.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The refresh token.
    pub token: SecretString,
    /// Which organisation it is.
    pub tenant: Uuid,
    /// Who connected it.
    pub by: String,
}
