//! Leases: one worker, one record, one step.

use jiff::Timestamp;

use crate::domain::delivery::{About, Intent, Record};
use crate::domain::exchange::Recorder;

/// The right to work on a record until a time. It is given back by settling it, once.
#[derive(Debug)]
#[must_use]
pub struct Lease {
    /// The record when it was leased.
    pub record: Record,
    /// When somebody else may lease it.
    pub until: Timestamp,
    pub(crate) fence: u64,
    /// What the step says to both systems; it is stored with the requests and the end of the step.
    pub(crate) recorder: Recorder,
    /// The rules that the step is done by, as [`super::Event::Configured`] names them.
    pub(crate) rules: Option<String>,
}

impl Lease {
    /// What takes down the exchanges of the step, for the history.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Says which rules the step is done by, for the history.
    pub fn under(self, rules: &str) -> Self {
        Self { rules: Some(rules.to_owned()), ..self }
    }

    /// The same right once more, for whoever settles a step that did not come to its end.
    ///
    /// Of the two only the first to settle succeeds.
    pub(crate) fn spare(&self) -> Self {
        let Self { record, until, fence, recorder, rules } = self;
        let (record, recorder, rules) = (record.clone(), recorder.clone(), rules.clone());
        Self { record, until: *until, fence: *fence, recorder, rules }
    }
}

/// What is about to be sent.
#[derive(Clone, Debug)]
pub struct ArmRequest {
    /// The request's identity.
    pub intent: Intent,
    /// What the record is about.
    pub about: About,
    /// The request's body, byte for byte.
    pub body: String,
}

/// A request whose intent is durable; only [`super::Store::arm`] makes one.
#[derive(Debug)]
#[must_use]
pub struct Armed {
    pub(crate) lease: Lease,
    pub(crate) request: ArmRequest,
}

impl Armed {
    /// The request's body, byte for byte.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.request.body
    }

    /// The idempotency key.
    #[must_use]
    pub fn idempotency_key(&self) -> &str {
        &self.request.intent.key
    }

    /// The lease, to be settled with the outcome.
    pub fn into_lease(self) -> Lease {
        self.lease
    }
}
