//! A schedule of faults, as data: which request, how often, and what goes wrong.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::Method;
use tokio::sync::watch;

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection closes before the request is handled.
    DropBefore,
    /// The request is handled, then the connection closes without an answer.
    DropAfter,
    /// The request is not handled; this is answered instead.
    Answer(Canned),
    /// The request is handled, then this is answered instead of its result.
    AnswerAfter(Canned),
    /// The request is handled after this delay.
    Delay(Duration),
    /// Only the first half of the list in this field of the request's JSON body is handled.
    Halve(String),
    /// The request waits at a gate before it is handled, and again before it is answered.
    Hold(Arc<Gate>),
}

/// Where a request waits twice, so that something can happen just before and just after it is handled.
///
/// What was received is handled once the gate is passed, even if the client is gone by then.
#[derive(Debug)]
pub struct Gate {
    stage: watch::Sender<Stage>,
    then: Mutex<Option<Fault>>,
}

/// How far the request at a gate has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Awaited,
    Arrived,
    Passed,
    Handled,
    Answered,
}

impl Default for Gate {
    fn default() -> Self {
        Self { stage: watch::Sender::new(Stage::Awaited), then: Mutex::new(None) }
    }
}

impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Gate {}

impl Gate {
    /// Returns once the request is there.
    pub async fn arrived(&self) {
        self.reaches(Stage::Arrived).await;
    }

    /// Lets the request be handled, under a fault if one is given.
    pub fn pass(&self, then: Option<Fault>) {
        *self.then.lock().unwrap_or_else(PoisonError::into_inner) = then;
        self.set(Stage::Passed);
    }

    /// Returns once the request was handled and waits to be answered.
    pub async fn handled(&self) {
        self.reaches(Stage::Handled).await;
    }

    /// Lets the request be answered.
    pub fn answer(&self) {
        self.set(Stage::Answered);
    }

    /// The request is there; what is to be done with it.
    pub(super) async fn wait_to_pass(&self) -> Option<Fault> {
        self.set(Stage::Arrived);
        self.reaches(Stage::Passed).await;
        self.then.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The request was handled.
    pub(super) async fn wait_to_answer(&self) {
        self.set(Stage::Handled);
        self.reaches(Stage::Answered).await;
    }

    /// Stages only go on.
    fn set(&self, stage: Stage) {
        self.stage.send_modify(|reached| *reached = stage.max(*reached));
    }

    async fn reaches(&self, stage: Stage) {
        // The sender lives in `self`, so waiting cannot fail while it is borrowed.
        let _ = self.stage.subscribe().wait_for(|reached| *reached >= stage).await;
    }
}

/// A prepared answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canned {
    /// HTTP status.
    pub status: u16,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// Body text, possibly empty.
    pub body: String,
}

impl Canned {
    /// An answer with a status and a body.
    #[must_use]
    pub fn new(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.to_owned() }
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Which requests a fault applies to, and how often.
#[derive(Clone, Debug)]
pub struct Rule {
    method: Option<Method>,
    path: String,
    skip: u32,
    times: u32,
    fault: Fault,
}

impl Rule {
    /// A fault for the next request whose path contains `path`.
    #[must_use]
    pub fn next(method: Method, path: &str, fault: Fault) -> Self {
        Self { method: Some(method), path: path.to_owned(), skip: 0, times: 1, fault }
    }

    /// A fault for every request whose path contains `path`, whatever its method.
    #[must_use]
    pub fn every(path: &str, fault: Fault) -> Self {
        Self { method: None, path: path.to_owned(), skip: 0, times: u32::MAX, fault }
    }

    /// The same rule, first letting `skip` matching requests pass.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// The same rule, applying `times` times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    fn matches(&self, method: &Method, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method) && path.contains(&self.path)
    }
}

/// Seeded random faults: one request in a thousand times `per_mille` goes wrong.
#[derive(Debug)]
struct Chaos {
    state: u64,
    per_mille: u64,
    menu: Vec<Fault>,
}

#[derive(Debug, Default)]
struct Schedule {
    rules: Vec<Rule>,
    chaos: Option<Chaos>,
}

/// The faults of one simulator.
#[derive(Debug, Default)]
pub struct Faults {
    schedule: Mutex<Schedule>,
}

impl Faults {
    /// Adds a rule; earlier rules are tried first.
    pub fn add(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Removes all rules and the random faults.
    pub fn clear(&self) {
        *self.lock() = Schedule::default();
    }

    /// Makes `per_mille` of the requests go wrong with a fault of `menu`, the same way for the same seed.
    pub fn seed(&self, seed: u64, per_mille: u64, menu: Vec<Fault>) {
        self.lock().chaos = Some(Chaos { state: seed.wrapping_mul(2).wrapping_add(1), per_mille, menu });
    }

    /// The fault for this request, if any; counts it as used.
    pub fn take(&self, method: &Method, path: &str) -> Option<Fault> {
        let mut schedule = self.lock();
        for rule in &mut schedule.rules {
            if rule.times == 0 || !rule.matches(method, path) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip = rule.skip.saturating_sub(1);
                continue;
            }
            if rule.times != u32::MAX {
                rule.times = rule.times.saturating_sub(1);
            }
            return Some(rule.fault.clone());
        }
        schedule.chaos.as_mut().and_then(Chaos::roll)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chaos {
    fn roll(&mut self) -> Option<Fault> {
        if self.next() % 1000 >= self.per_mille {
            return None;
        }
        let choice = usize::try_from(self.next()).unwrap_or(0).checked_rem(self.menu.len())?;
        self.menu.get(choice).cloned()
    }

    /// The `SplitMix64` step.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
