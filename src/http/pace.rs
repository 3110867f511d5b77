//! So many requests a minute for each token, so that a program that runs wild leaves the service to others.
//!
//! The doors for webhooks have no token and are not counted here; they have limits of their own.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Every token may ask for a minute's requests at once; from then on they come back evenly.
const SPAN: Duration = Duration::from_mins(1);
/// What requests with a wrong token are counted under, all together: their number must not cost memory. No operator
/// has a blank name.
const STRANGERS: &str = "";

/// How many requests each token still has.
#[derive(Debug)]
pub struct Pace {
    /// The time that one request takes of its minute; none = no limit.
    each: Option<Duration>,
    /// Until when each operator's requests are used up, if they were used one by one. Operators are as many as the
    /// configuration has.
    used: Mutex<BTreeMap<String, Instant>>,
}

impl Pace {
    /// So many requests a minute; 0 = no limit.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        Self { each: SPAN.checked_div(per_minute), used: Mutex::default() }
    }

    /// Counts a request of this operator; the wait, if there is none left.
    pub(super) fn take(&self, operator: &str) -> Result<(), Duration> {
        self.take_at(operator, Instant::now())
    }

    /// Counts a request of somebody whose token is not known.
    pub(super) fn stranger(&self) -> Result<(), Duration> {
        self.take(STRANGERS)
    }

    fn take_at(&self, operator: &str, now: Instant) -> Result<(), Duration> {
        let Some(each) = self.each else { return Ok(()) };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let until = used.get(operator).map_or(now, |until| (*until).max(now));
        let after = until + each;
        let over = after.saturating_duration_since(now).saturating_sub(SPAN);
        if !over.is_zero() {
            return Err(over);
        }
        match used.get_mut(operator) {
            Some(until) => *until = after,
            None => {
                used.insert(operator.to_owned(), after);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_requests_come_at_once_and_then_evenly() {
        let (pace, begun) = (Pace::new(60), Instant::now());
        let taken = |at: u64| (0..100).filter(|_| pace.take_at("a", begun + Duration::from_millis(at)).is_ok()).count();
        assert_eq!(taken(0), 60);
        assert_eq!(pace.take_at("a", begun), Err(Duration::from_secs(1)));
        assert_eq!(taken(999), 0);
        assert_eq!(taken(1_000), 1);
        assert_eq!(taken(11_000), 10);
        assert_eq!(taken(600_000), 60, "what was not used is not saved up");
        // Others have theirs, and a refused request takes nothing.
        assert_eq!(pace.take_at("b", begun), Ok(()));
    }

    #[test]
    fn without_a_limit_nothing_is_refused_or_remembered() {
        let (pace, begun) = (Pace::new(0), Instant::now());
        assert!((0..10_000).all(|_| pace.take_at("a", begun).is_ok()));
        assert!(pace.used.lock().unwrap().is_empty());
    }
}
