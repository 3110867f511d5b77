//! What can go wrong with Xero, sorted by who acts next.

use jiff::Timestamp;

use crate::domain::hold::HoldReason;

/// Why Xero did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XeroError {
    /// No answer, 502, 503, 504: the request may have been handled; the same bytes may be sent again
    /// while the key lives.
    #[error("it is not known whether Xero did it: {cause}")]
    Unknown {
        /// What happened.
        cause: String,
        /// Not before, when Xero said so.
        not_before: Option<Timestamp>,
    },
    /// 500, or an answer to a write that says neither yes nor no: it may have been handled, and the
    /// answer is cached under the key. Look up first; what is sent then needs a new key.
    #[error("Xero failed: {cause}")]
    ServerError {
        /// What happened.
        cause: String,
    },
    /// Not sent or not handled: our own budget, a limit of Xero that passes soon, or no token yet.
    #[error("Xero asks to wait: {cause}")]
    Wait {
        /// Not before.
        until: Timestamp,
        /// What happened.
        cause: String,
    },
    /// Nothing of this organisation works.
    #[error("{cause}")]
    Company {
        /// Which fault.
        kind: CompanyFault,
        /// A sentence with the cure.
        cause: String,
        /// When to look again.
        until: Timestamp,
    },
    /// The document's number is taken: look up, then adopt or hold.
    #[error("the number is taken in Xero: {message}")]
    NumberTaken {
        /// Xero's words.
        message: String,
    },
    /// Refused, and nothing was saved.
    #[error("{}", .0.sentence)]
    Refused(HoldReason),
    /// An answer that does not fit the question.
    #[error("Xero answered something unexpected: {cause}")]
    Malformed {
        /// What is wrong with it.
        cause: String,
    },
}

/// Why nothing of an organisation works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CompanyFault {
    /// The calls of the day are used, but for a reserve.
    DayLimit,
    /// The refresh token is used, revoked, expired or was never given.
    InvalidGrant,
    /// The client id or secret is wrong.
    InvalidClient,
    /// The client may not do this.
    UnauthorizedClient,
    /// A scope is not enabled for the app.
    InvalidScope,
    /// The token lacks a scope.
    ScopeMissing,
    /// The organisation is not connected, or the tenant id is wrong.
    Tenant,
    /// A new token was refused too.
    Token,
}

impl CompanyFault {
    /// The stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DayLimit => "day_limit",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::InvalidScope => "invalid_scope",
            Self::ScopeMissing => "scope_missing",
            Self::Tenant => "tenant",
            Self::Token => "token",
        }
    }
}
