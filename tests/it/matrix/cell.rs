//! One cell of the matrix: one call of a scene meets one fault, and the process dies before it, after it or not.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::http::Method;
use jiff::SignedDuration;
use readypost::pipeline::{Turn, turn};
use readypost::simulator::connectwise::Delivery;
use readypost::simulator::faults::{Canned, Fault, Gate, Rule};
use readypost::simulator::{Request, Server};
use readypost::store::StoreError;

use super::books::{self, Books};
use super::scene::{Scene, Stage};

/// The longest simulated time until all is done.
const PATIENCE: SignedDuration = SignedDuration::from_hours(8);
/// ConnectWise sends a callback so many times.
const CALLBACK_TRIES: u32 = 3;

/// A remote call of a scene, as the scene's own run without a fault made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) xero: bool,
    pub(super) method: Method,
    /// Its path up to what Xero made up.
    pub(super) path: String,
    /// Calls of this method and path that come before.
    pub(super) skip: u32,
    /// The list that it sends has a half.
    pub(super) has_halves: bool,
}

impl Call {
    pub(super) fn is_read(&self) -> bool {
        self.method == Method::GET || self.path.ends_with("/export") || self.is_token()
    }

    pub(super) fn is_token(&self) -> bool {
        self.path.ends_with("/connect/token")
    }

    pub(super) fn is_key(&self) -> bool {
        self.path.contains("callbackkey")
    }

    fn server<'a>(&self, stage: &'a Stage) -> &'a Server {
        if self.xero { &stage.world.xero.server } else { &stage.world.connectwise.server }
    }

    fn rule(&self, fault: Fault) -> Rule {
        Rule::next(self.method.clone(), &self.path, fault)
    }
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Nothing,
    DroppedBefore,
    DroppedAfter,
    /// 500 after commit.
    FailedAfter,
    FailedBefore,
    GatewayAfter,
    ThrottledFor,
    Throttled,
    Unavailable,
    EmptyAfter,
    HalfAnswerAfter,
    /// It takes 30 s: as long as readypost waits for ConnectWise, and half as long as for Xero.
    Slow,
    TokenExpired,
    /// The signing key changes while a callback is on its way.
    SigningKeyRotated,
    /// The keys of the API are of no more use, until they are put right 10 minutes later.
    CredentialsRotated,
    /// Only half of what is sent is handled.
    HalfBatch,
}

impl Trouble {
    pub(super) const ALL: [Self; 16] = [
        Self::Nothing,
        Self::DroppedBefore,
        Self::DroppedAfter,
        Self::FailedAfter,
        Self::FailedBefore,
        Self::GatewayAfter,
        Self::ThrottledFor,
        Self::Throttled,
        Self::Unavailable,
        Self::EmptyAfter,
        Self::HalfAnswerAfter,
        Self::Slow,
        Self::TokenExpired,
        Self::SigningKeyRotated,
        Self::CredentialsRotated,
        Self::HalfBatch,
    ];

    /// Whether the call can meet it.
    pub(super) fn fits(self, scene: Scene, call: &Call) -> bool {
        match self {
            Self::TokenExpired => !call.is_token() && !call.is_key(),
            Self::CredentialsRotated => !call.is_key(),
            Self::SigningKeyRotated => !call.xero && scene.is_told(),
            Self::HalfBatch => call.has_halves,
            _ => true,
        }
    }

    /// Whether it can happen several times in a row.
    pub(super) fn repeats(self) -> bool {
        !matches!(
            self,
            Self::Nothing | Self::Slow | Self::SigningKeyRotated | Self::CredentialsRotated | Self::HalfBatch
        )
    }

    /// Whether another one leaves as much behind, so that deaths are tried with that one.
    fn is_variant(self) -> bool {
        matches!(self, Self::FailedBefore | Self::GatewayAfter | Self::EmptyAfter | Self::HalfAnswerAfter)
    }

    /// What the simulator does with the call.
    fn fault(self, call: &Call) -> Option<Fault> {
        let answer = |status, body| Some(Fault::Answer(Canned::new(status, body)));
        let after = |status, body| Some(Fault::AnswerAfter(Canned::new(status, body)));
        match self {
            Self::DroppedBefore => Some(Fault::DropBefore),
            Self::DroppedAfter => Some(Fault::DropAfter),
            Self::FailedAfter => after(500, r#"{"ErrorNumber":500}"#),
            Self::FailedBefore => answer(500, "<html>An error occurred</html>"),
            Self::GatewayAfter => after(502, "<html>Bad gateway</html>"),
            Self::ThrottledFor => Some(Fault::Answer(Canned::new(429, "").header("retry-after", "30"))),
            Self::Throttled => answer(429, ""),
            Self::Unavailable if call.xero => answer(503, "The Organisation is offline"),
            Self::Unavailable => answer(503, "Service Unavailable"),
            Self::EmptyAfter => after(200, ""),
            Self::HalfAnswerAfter => after(200, r#"{"Invoices":[{"InvoiceID":"#),
            // readypost has given up by then.
            Self::Slow if !call.xero => Some(Fault::DropAfter),
            Self::TokenExpired if !call.xero => {
                answer(401, r#"{"code":"Unauthorized","message":"Provided token is expired."}"#)
            }
            Self::HalfBatch => Some(Fault::Halve("processedRecordIds".to_owned())),
            Self::Nothing | Self::Slow | Self::TokenExpired | Self::SigningKeyRotated | Self::CredentialsRotated => {
                None
            }
        }
    }

    /// Does to the systems what is done while the call is under way.
    fn happen(self, stage: &Stage, call: &Call) {
        let world = &stage.world;
        match self {
            Self::Slow => world.clock.advance(SignedDuration::from_secs(30)),
            Self::TokenExpired if call.xero => world.xero.expire_tokens(),
            Self::SigningKeyRotated => {
                // One callback is signed with the old key, whose address is gone, and one with the new one.
                stage.save_again();
                world.connectwise.rotate_key();
                stage.save_again();
            }
            Self::CredentialsRotated => {
                if call.xero {
                    world.xero.break_client();
                    world.xero.expire_tokens();
                } else {
                    world.connectwise.break_credentials();
                }
                let until = world.clock_now() + SignedDuration::from_mins(10);
                *stage.mended.lock().unwrap() = Some(until);
            }
            _ => {}
        }
    }
}

/// When the process dies, and how often the fault comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Once,
    /// Five times in a row.
    Again,
    /// The process dies just before the call is handled; the next one makes the call again and meets the fault.
    DiesBefore,
    /// It dies when the call has met the fault, before it sees an answer.
    DiesAfter,
    /// And it is dead for so long that the same request cannot be sent again.
    DiesAfterForLong,
    /// It dies before the call is handled, and the call is handled all the same, a minute later.
    HandledLate,
}

impl When {
    pub(super) const ALL: [Self; 6] =
        [Self::Once, Self::Again, Self::DiesBefore, Self::DiesAfter, Self::DiesAfterForLong, Self::HandledLate];

    /// Whether it is tried with this trouble of this call.
    pub(super) fn fits(self, trouble: Trouble, call: &Call) -> bool {
        match self {
            Self::Once => trouble != Trouble::Nothing,
            Self::Again => trouble.repeats(),
            Self::DiesBefore | Self::DiesAfter => !trouble.is_variant(),
            // What only reads leaves nothing behind that could be forgotten.
            Self::DiesAfterForLong => !trouble.is_variant() && !call.is_read(),
            Self::HandledLate => trouble == Trouble::Nothing,
        }
    }
}

/// How a scene goes when nothing goes wrong.
pub(super) struct Clean {
    pub(super) calls: Vec<Call>,
    pub(super) books: Books,
    last: BTreeMap<String, String>,
    warnings: Vec<&'static str>,
}

/// Callbacks that ConnectWise has not delivered yet.
#[derive(Default)]
struct Mail {
    waiting: VecDeque<(Delivery, u32)>,
    lost: bool,
    /// One was lost before: the lists are asked for now and then.
    swept: bool,
}

/// Delivers what both systems tell, asks for what nobody tells, and works until nothing is due.
async fn round(stage: &Stage, mail: &mut Mail) {
    let (world, process) = (&stage.world, stage.world.process());
    if stage.scene.is_swept() || mail.swept {
        let parts = Arc::clone(&world.app.parts);
        // What fails now is asked for next time.
        let _ = process.spawn(async move { readypost::pipeline::sweep(&parts).await }).await.unwrap();
    }
    let mut place = 0;
    loop {
        mail.waiting.extend(world.connectwise.take_callbacks().into_iter().map(|delivery| (delivery, 0)));
        while place < mail.waiting.len() {
            // It stays until it is accepted: whoever is killed meanwhile has not.
            let status = world.send(&mail.waiting[place].0).await;
            let tries = &mut mail.waiting[place].1;
            *tries += 1;
            if (200..300).contains(&status) {
                mail.waiting.remove(place);
                continue;
            }
            if *tries >= CALLBACK_TRIES || status == 401 {
                mail.lost = true;
                mail.waiting.remove(place);
            } else {
                place += 1;
            }
        }
        // Xero sends again later what was not taken.
        let _ = world.xero.deliver_webhooks().await;
        let parts = Arc::clone(&world.app.parts);
        let working = async move {
            loop {
                match turn(&parts).await {
                    Ok(Turn::Worked) => {}
                    Ok(Turn::Idle) => return Ok::<(), StoreError>(()),
                    Err(error) => return Err(error),
                }
            }
        };
        process.spawn(working).await.unwrap().unwrap();
        mail.waiting.extend(world.connectwise.take_callbacks().into_iter().map(|delivery| (delivery, 0)));
        if place >= mail.waiting.len() {
            return;
        }
    }
}

/// Lets the clock go to when something is due, but not further than sweeps are apart.
fn wait(stage: &Stage) {
    let (clock, now) = (&stage.world.clock, stage.world.clock_now());
    let due = stage.world.app.parts.store.next_due();
    let wait = due.map_or(SignedDuration::from_mins(2), |due| due.duration_since(now));
    clock.advance(wait.clamp(SignedDuration::from_secs(1), SignedDuration::from_mins(5)));
    let mut mended = stage.mended.lock().unwrap();
    if mended.is_some_and(|at| at <= stage.world.clock_now()) {
        stage.world.xero.mend_client();
        stage.world.connectwise.restore_credentials();
        *mended = None;
    }
}

/// When a scene is over.
enum Over<'a> {
    /// Nothing waits.
    Quiet,
    /// The books are these.
    As(&'a Books),
    /// All of this, and everything is in some batch: one of them took only a part.
    Halved(&'a Books),
}

impl Over<'_> {
    async fn is_so(&self, stage: &Stage) -> bool {
        match self {
            Self::Quiet => is_quiet(stage).await,
            Self::As(books) => books::read(stage).await == **books,
            Self::Halved(books) => books::read(stage).await.as_one_batch() == books.as_one_batch(),
        }
    }
}

/// Lets time pass until it is over; false when patience ends before.
async fn pass_until(stage: &Stage, mail: &mut Mail, over: Over<'_>) -> bool {
    let until = stage.world.clock_now() + PATIENCE;
    while stage.world.clock_now() < until {
        round(stage, mail).await;
        if std::mem::take(&mut mail.lost) {
            // What nobody heard of is found in the lists.
            mail.swept = true;
            wait(stage);
            continue;
        }
        if mail.waiting.is_empty() && stage.mended.lock().unwrap().is_none() && over.is_so(stage).await {
            return true;
        }
        wait(stage);
    }
    false
}

async fn is_quiet(stage: &Stage) -> bool {
    let records = books::records(stage).await;
    !records.is_empty() && !records.iter().any(|record| record.state.name().as_str() == "queued")
}

fn template(path: &str) -> String {
    let mut kept = Vec::new();
    for part in path.split('/') {
        if part.parse::<uuid::Uuid>().is_ok() {
            return format!("{}/", kept.join("/"));
        }
        kept.push(part);
    }
    kept.join("/")
}

/// The calls that were made, as rules find them again.
fn calls(xero: bool, requests: &[Request]) -> Vec<Call> {
    let call = |(index, request): (usize, &Request)| {
        let (method, path) = (request.method.clone(), template(request.uri.path()));
        let before = requests[..index].iter();
        let before = before.filter(|other| other.method == method && other.uri.path().contains(&path)).count();
        let body: Option<serde_json::Value> = serde_json::from_slice(&request.body).ok();
        let list = body.as_ref().and_then(|body| body.get("processedRecordIds")?.as_array());
        let has_halves = list.is_some_and(|list| list.len() > 1) && path.ends_with("/batches");
        Call { xero, method, path, skip: u32::try_from(before).unwrap(), has_halves }
    };
    requests.iter().enumerate().map(call).collect()
}

async fn warnings(stage: &Stage) -> Vec<&'static str> {
    let records = books::records(stage).await;
    records.iter().flat_map(|record| &record.warnings).map(|open| open.warning.code.as_str()).collect()
}

async fn begun(scene: Scene) -> Stage {
    let stage = Stage::new(scene).await;
    stage.begin();
    stage.world.connectwise.server.clear_requests();
    stage.world.xero.server.clear_requests();
    stage
}

/// Runs a scene without a fault.
pub(super) async fn clean(scene: Scene) -> Clean {
    let (stage, mut mail) = (begun(scene).await, Mail::default());
    assert!(pass_until(&stage, &mut mail, Over::Quiet).await, "{scene:?} does not end");
    let mut found = calls(false, &stage.world.connectwise.server.requests());
    found.extend(calls(true, &stage.world.xero.server.requests()));
    let (books, last) = (books::read(&stage).await, books::last_events(&stage).await);
    books::check_history(&stage, Some(&last), &format!("{scene:?}")).await;
    Clean { calls: found, books, last, warnings: warnings(&stage).await }
}

/// A cell.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) scene: Scene,
    pub(super) call: Call,
    pub(super) trouble: Trouble,
    pub(super) when: When,
}

/// What a cell proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The fault was met, the process died where it had to, and the books are right.
    Counted,
    /// The books are right, but the call or the fault did not come: that proves nothing.
    LeftOut,
}

/// What was met on the way.
#[derive(Default)]
struct Met {
    fault: Mutex<bool>,
}

impl Cell {
    pub(super) fn label(&self) -> String {
        let Call { xero, method, path, skip, .. } = &self.call;
        let system = if *xero { "Xero" } else { "ConnectWise" };
        format!("{:?}: {system} {method} {path} #{skip}: {:?}, {:?}", self.scene, self.trouble, self.when)
    }

    /// Lets the call meet its fault once it arrives at the gate.
    async fn meet(&self, stage: &Stage, gate: &Gate, met: &Met) {
        gate.arrived().await;
        let fault = self.trouble.fault(&self.call);
        if let (When::Again, Some(fault)) = (self.when, fault.clone()) {
            self.call.server(stage).faults.add(self.call.rule(fault).times(4));
        }
        self.trouble.happen(stage, &self.call);
        gate.pass(fault);
        gate.handled().await;
        *met.fault.lock().unwrap() = true;
    }

    fn gate(&self, stage: &Stage, skip: u32) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        self.call.server(stage).faults.add(self.call.rule(Fault::Hold(Arc::clone(&gate))).after(skip));
        gate
    }

    /// Runs the cell; panics when something is wrong in the end.
    pub(super) async fn run(&self, clean: &Clean) -> Proof {
        let label = self.label();
        let (mut stage, mut mail, met) = (begun(self.scene).await, Mail::default(), Met::default());
        let gate = self.gate(&stage, self.call.skip);
        let mut next = Arc::clone(&gate);
        match self.when {
            When::Once | When::Again => {}
            When::DiesBefore | When::HandledLate => {
                if !first(gate.arrived(), self.finish(&stage, &mut mail, clean)).await {
                    return Proof::LeftOut;
                }
                let late = self.when == When::HandledLate;
                if !late {
                    gate.pass(Some(Fault::DropBefore));
                    next = self.gate(&stage, 0);
                }
                stage.world.kill(SignedDuration::ZERO).await;
                if late {
                    round(&stage, &mut mail).await;
                    stage.world.clock.advance(SignedDuration::from_mins(1));
                }
            }
            When::DiesAfter | When::DiesAfterForLong => {
                if !first(self.meet(&stage, &gate, &met), self.finish(&stage, &mut mail, clean)).await {
                    return Proof::LeftOut;
                }
                let long = self.when == When::DiesAfterForLong;
                stage.world.kill(SignedDuration::from_mins(if long { 10 } else { 0 })).await;
            }
        }
        // The request of a process that died, or the one that is still to come.
        let operator = async {
            if !matches!(self.when, When::DiesAfter | When::DiesAfterForLong) {
                self.meet(&stage, &next, &met).await;
            }
            next.answer();
            gate.answer();
            std::future::pending::<()>().await;
        };
        first(operator, self.finish(&stage, &mut mail, clean)).await;
        self.check(&stage, &mut mail, clean, &label).await;
        self.proof(&stage, &met)
    }

    /// Lets time pass until the books are as they have to be.
    async fn finish(&self, stage: &Stage, mail: &mut Mail, clean: &Clean) {
        let halved = self.trouble == Trouble::HalfBatch;
        let over = if halved { Over::Halved(&clean.books) } else { Over::As(&clean.books) };
        if !pass_until(stage, mail, over).await {
            let now = books::read(stage).await;
            panic!("{}: it does not end well:\n{}", self.label(), now.difference(&clean.books));
        }
    }

    /// Once it is over it stays so, and the history is complete.
    async fn check(&self, stage: &Stage, mail: &mut Mail, clean: &Clean, label: &str) {
        let before = books::read(stage).await;
        for _ in 0..2 {
            stage.world.clock.advance(SignedDuration::from_mins(15));
            round(stage, mail).await;
        }
        let now = books::read(stage).await;
        assert!(now == before, "{label}: it does not stay so:\n{}", now.difference(&before));
        books::check_history(stage, Some(&clean.last), label).await;
        let warnings = warnings(stage).await;
        let missing: Vec<_> = clean.warnings.iter().filter(|code| !warnings.contains(code)).collect();
        let surplus: Vec<_> =
            warnings.iter().filter(|code| !clean.warnings.contains(code) && **code != "adopted").collect();
        assert!(missing.is_empty() && surplus.is_empty(), "{label}: warnings {warnings:?}");
    }

    /// Whether what had to happen did happen.
    fn proof(&self, stage: &Stage, met: &Met) -> Proof {
        let refused = || {
            let requests = self.call.server(stage).requests();
            requests.iter().any(|request| matches!(request.status, 400 | 401))
        };
        let effective = match self.trouble {
            Trouble::TokenExpired | Trouble::CredentialsRotated => refused(),
            _ => true,
        };
        if *met.fault.lock().unwrap() && effective { Proof::Counted } else { Proof::LeftOut }
    }
}

/// Whether `event` comes before `end`.
async fn first(event: impl Future<Output = ()>, end: impl Future<Output = ()>) -> bool {
    tokio::select! {
        () = event => true,
        () = end => false,
    }
}
