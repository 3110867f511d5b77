//! From the outcome of a step to what happens next, sorted by who acts: time, a person, or everyone.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::content::Content;
use super::delivery::Posted;
use super::hold::{HoldCode, HoldReason, SkipReason};
use super::payments::Link;
use super::record::SourceId;
use super::text::Sentence;
use super::undo::Undone;
use super::warning::Warning;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The document is in Xero.
    Posted {
        /// The document.
        posted: Posted,
        /// What ConnectWise said of the record; none when only the rest of what belongs to it was posted.
        content: Option<Box<Content>>,
        /// What to look at.
        warnings: Vec<Warning>,
    },
    /// One part of what was posted is undone.
    Undone(Undone),
    /// All that was posted is undone.
    Unposted,
    /// The record is in its batch in ConnectWise.
    Marked {
        /// The batch; none when nothing had to be done.
        batch: Option<String>,
        /// What to look at.
        warnings: Vec<Warning>,
    },
    /// Nothing had to be posted.
    Skipped(SkipReason),
    /// Its purchases are records of their own.
    FannedOut {
        /// Which.
        purchases: Vec<SourceId>,
        /// Why there is one more that cannot be a record.
        unnamed: Option<HoldReason>,
    },
    /// It is posted with its expense report, which is a record of its own.
    HandedOver {
        /// ConnectWise's id of the report.
        report: i64,
    },
    /// The payments of both systems agree, or came one change nearer.
    Paid(Paid),
    /// It did not work.
    Failed(Failure),
}

/// What a step found or made of the payments of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// What is linked now.
    pub links: Vec<Link>,
    /// When what was looked at had changed, by the clock of its system.
    pub looked: Option<Timestamp>,
    /// Whether there is more to do.
    pub more: bool,
    /// What to look at.
    pub warnings: Vec<Warning>,
}

/// Why a step failed, by who acts next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Time helps.
    Later {
        /// Not before, when the other side said so.
        not_before: Option<Timestamp>,
        /// What happened.
        cause: Sentence,
        /// Whether the record itself may be at fault: those failures are counted.
        blame: Blame,
        /// What is known about a request that was sent.
        intent: IntentFate,
    },
    /// A person helps.
    Never {
        /// The hold.
        reason: HoldReason,
        /// What is known about a request that was sent.
        intent: IntentFate,
    },
    /// Nothing of this company can be posted until an operator or time has helped.
    Everyone {
        /// What happened.
        cause: Sentence,
        /// When to look again.
        until: Timestamp,
    },
}

/// Whose failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The other system or the network: never ends in a hold.
    Outage,
    /// Perhaps the record: ends in a hold after [`RetryPolicy::faults_max`] times.
    Record,
}

/// What becomes of a stored intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntentFate {
    /// Its outcome is not known: the same bytes may be sent again while Xero remembers the key.
    Keep,
    /// Its outcome is not known, and the key is of no more use: look before anything is sent.
    LookFirst,
    /// Xero refused it: there is no document, and the next request gets a new key.
    Clear,
}

/// What happens next; journalled, and applied by [`super::delivery::settle`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// Mark it in ConnectWise.
    Mark {
        /// The document.
        posted: Posted,
        /// What ConnectWise said of the record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Box<Content>>,
        /// What to look at.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<Warning>,
    },
    /// Undo the rest of what was posted.
    Undone {
        /// What is undone now.
        part: Undone,
    },
    /// All that was posted is undone.
    Unposted,
    /// Nothing more.
    Done {
        /// The batch.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<String>,
        /// What to look at.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<Warning>,
    },
    /// Nothing to be posted.
    Skip {
        /// Why.
        reason: SkipReason,
    },
    /// Nothing to be posted of the order itself.
    FannedOut {
        /// Its purchases, which were accepted.
        purchases: Vec<SourceId>,
        /// Why there is one more that cannot be a record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unnamed: Option<HoldReason>,
    },
    /// Nothing to be posted of the expense entry itself.
    HandedOver {
        /// ConnectWise's id of its report, which was accepted.
        report: i64,
    },
    /// The payments of both systems are these.
    Paid {
        /// What is linked now.
        links: Vec<Link>,
        /// When what was looked at had changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        looked: Option<Timestamp>,
        /// Whether there is more to do.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        more: bool,
        /// What to look at.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<Warning>,
    },
    /// A person decides.
    Hold {
        /// Why.
        reason: HoldReason,
        /// The document, when there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        posted: Option<Posted>,
        /// What becomes of the intent.
        intent: IntentFate,
        /// What to look at.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<Warning>,
    },
    /// Try again.
    Retry {
        /// Not before.
        due: Timestamp,
        /// Why.
        cause: Sentence,
        /// Whether it counts towards a hold.
        counts: bool,
        /// What becomes of the intent.
        intent: IntentFate,
    },
}

/// When failed steps are tried again.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Delay after the first failure; it doubles with each.
    pub first: SignedDuration,
    /// The longest delay.
    pub longest: SignedDuration,
    /// Failures of the record's own until it is held.
    pub faults_max: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { first: SignedDuration::from_secs(2), longest: SignedDuration::from_mins(15), faults_max: 16 }
    }
}

impl RetryPolicy {
    /// The delay after failure number `attempt`, counted from 0.
    #[must_use]
    pub fn delay(&self, attempt: u32) -> SignedDuration {
        let doubled = 1_i32.checked_shl(attempt.min(20)).unwrap_or(i32::MAX);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

/// Attempts so far, as the record counts them.
#[derive(Clone, Copy, Debug)]
pub struct Attempts {
    /// All since it was last queued afresh.
    pub all: u32,
    /// Those that were the record's own failures.
    pub faults: u32,
}

/// Decides what happens after `outcome`.
#[must_use]
pub fn settle(outcome: Outcome, attempts: Attempts, now: Timestamp, policy: &RetryPolicy) -> Settlement {
    match outcome {
        Outcome::Posted { posted, content, warnings } if posted.xero_total == posted.total => {
            Settlement::Mark { posted, content, warnings }
        }
        Outcome::Undone(part) => Settlement::Undone { part },
        Outcome::Unposted => Settlement::Unposted,
        Outcome::Posted { posted, warnings, .. } => {
            let sentence = format!(
                "Xero calculated {} for {}, ConnectWise has {}.",
                posted.xero_total, posted.number, posted.total
            );
            let reason = HoldReason::new(HoldCode::TotalDiffers, sentence);
            Settlement::Hold { reason, posted: Some(posted), intent: IntentFate::Clear, warnings }
        }
        Outcome::Marked { batch, warnings } => Settlement::Done { batch, warnings },
        Outcome::Skipped(reason) => Settlement::Skip { reason },
        Outcome::FannedOut { purchases, unnamed } => Settlement::FannedOut { purchases, unnamed },
        Outcome::HandedOver { report } => Settlement::HandedOver { report },
        Outcome::Paid(Paid { links, looked, more, warnings }) => Settlement::Paid { links, looked, more, warnings },
        Outcome::Failed(Failure::Never { reason, intent }) => {
            Settlement::Hold { reason, posted: None, intent, warnings: Vec::new() }
        }
        Outcome::Failed(Failure::Everyone { cause, until }) => {
            Settlement::Retry { due: until.max(now), cause, counts: false, intent: IntentFate::Keep }
        }
        Outcome::Failed(Failure::Later { cause, blame: Blame::Record, intent, .. })
            if attempts.faults.saturating_add(1) >= policy.faults_max =>
        {
            let sentence = format!("{} attempts failed, the last one with: {cause}", policy.faults_max);
            Settlement::Hold {
                reason: HoldReason::new(HoldCode::AttemptsSpent, sentence),
                posted: None,
                intent,
                warnings: Vec::new(),
            }
        }
        Outcome::Failed(Failure::Later { not_before, cause, blame, intent }) => {
            let paced = now.saturating_add(policy.delay(attempts.all)).unwrap_or(Timestamp::MAX);
            let due = not_before.map_or(paced, |at| at.max(now));
            Settlement::Retry { due, cause, counts: blame == Blame::Record, intent }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-30T10:00:00Z".parse().unwrap()
    }

    fn after(seconds: i64) -> Timestamp {
        now() + SignedDuration::from_secs(seconds)
    }

    fn failed(blame: Blame, not_before: Option<Timestamp>, attempts: Attempts) -> Settlement {
        let failure = Failure::Later { not_before, cause: "slow".into(), blame, intent: IntentFate::LookFirst };
        settle(Outcome::Failed(failure), attempts, now(), &RetryPolicy::default())
    }

    fn retry(due: Timestamp, counts: bool) -> Settlement {
        Settlement::Retry { due, cause: "slow".into(), counts, intent: IntentFate::LookFirst }
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let rows = [(0, 2), (1, 4), (2, 8), (3, 16), (7, 256), (8, 512), (9, 900), (20, 900), (u32::MAX, 900)];
        for (attempt, seconds) in rows {
            assert_eq!(RetryPolicy::default().delay(attempt), SignedDuration::from_secs(seconds), "{attempt}");
            let attempts = Attempts { all: attempt, faults: 0 };
            assert_eq!(failed(Blame::Outage, None, attempts), retry(after(seconds), false), "{attempt}");
        }
    }

    #[test]
    fn what_the_other_side_says_wins_over_the_ladder() {
        for (all, wanted, due) in [(0, 3600, 3600), (20, 1, 1), (3, 0, 0), (3, -60, 0)] {
            let settlement = failed(Blame::Outage, Some(after(wanted)), Attempts { all, faults: 0 });
            assert_eq!(settlement, retry(after(due), false), "attempt {all}, {wanted} s");
        }
    }

    #[test]
    fn only_failures_of_the_record_end_in_a_hold() {
        let blamed = |faults| failed(Blame::Record, Some(after(5)), Attempts { all: 1, faults });
        assert_eq!(blamed(0), retry(after(5), true));
        assert_eq!(blamed(14), retry(after(5), true));
        for faults in [15, 16, u32::MAX] {
            let Settlement::Hold { reason, posted: None, intent: IntentFate::LookFirst, .. } = blamed(faults) else {
                panic!("{faults} faults are enough")
            };
            assert_eq!(reason.code, HoldCode::AttemptsSpent);
            assert_eq!(reason.sentence.as_str(), "16 attempts failed, the last one with: slow");
        }
        let long = Attempts { all: u32::MAX, faults: u32::MAX };
        assert_eq!(failed(Blame::Outage, None, long), retry(after(900), false), "an outage never holds");
        for (until, due) in [(after(86_400), after(86_400)), (after(-5), now())] {
            let everyone = Failure::Everyone { cause: "slow".into(), until };
            let settlement = settle(Outcome::Failed(everyone), long, now(), &RetryPolicy::default());
            let expected = Settlement::Retry { due, cause: "slow".into(), counts: false, intent: IntentFate::Keep };
            assert_eq!(settlement, expected, "a pause of the company never holds");
        }
    }
}
