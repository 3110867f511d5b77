//! From what a client reports to who acts next: the one place where errors are converted.

use jiff::{SignedDuration, Timestamp};

use crate::domain::hold::{HoldCode, HoldReason};
use crate::domain::settle::{Blame, Failure, IntentFate};
use crate::domain::text::Sentence;
use crate::remote::RemoteError;
use crate::xero::XeroError;

/// How long a company rests after the credentials of ConnectWise were refused.
const CREDENTIALS_REST: SignedDuration = SignedDuration::from_mins(1);

/// A failure that a person has to look at.
pub(super) fn hold(code: HoldCode, sentence: impl Into<Sentence>) -> Failure {
    Failure::Never { reason: HoldReason::new(code, sentence), intent: IntentFate::LookFirst }
}

/// A call to ConnectWise failed.
pub(super) fn of_connectwise(error: &RemoteError, now: Timestamp) -> Failure {
    let cause = error.to_string().into();
    let later = |not_before, blame| Failure::Later { not_before, cause, blame, intent: IntentFate::Keep };
    match error {
        RemoteError::Transport { .. } => later(None, Blame::Outage),
        RemoteError::Throttled { wait, .. } => {
            let wait = wait.and_then(|wait| SignedDuration::try_from(wait).ok());
            later(wait.and_then(|wait| now.checked_add(wait).ok()), Blame::Outage)
        }
        RemoteError::Failed { .. } | RemoteError::Malformed { .. } => later(None, Blame::Record),
        RemoteError::Unauthorized { .. } => Failure::Everyone {
            cause: error.to_string().into(),
            until: now.saturating_add(CREDENTIALS_REST).unwrap_or(now),
        },
        RemoteError::Refused { .. } => hold(HoldCode::RefusedByConnectWise, error.to_string()),
    }
}

/// A call to Xero failed. `not_handled` is what becomes of the intent of a request that Xero did not handle.
pub(super) fn of_xero(error: XeroError, not_handled: IntentFate) -> Failure {
    match error {
        XeroError::Unknown { cause, not_before } => {
            Failure::Later { not_before, cause: cause.into(), blame: Blame::Outage, intent: IntentFate::Keep }
        }
        // It may be in Xero, and its key is of no more use.
        XeroError::ServerError { cause }
        | XeroError::NumberTaken { message: cause }
        | XeroError::Malformed { cause } => Failure::Later {
            not_before: None,
            cause: cause.into(),
            blame: Blame::Record,
            intent: IntentFate::LookFirst,
        },
        XeroError::Wait { until, cause } => {
            Failure::Later { not_before: Some(until), cause: cause.into(), blame: Blame::Outage, intent: not_handled }
        }
        XeroError::Company { cause, until, .. } => Failure::Everyone { cause: cause.into(), until },
        XeroError::Refused(reason) => Failure::Never { reason, intent: not_handled },
    }
}
