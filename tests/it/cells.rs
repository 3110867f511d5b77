//! What the tables of faults share: calls and faults, cells that run side by side, work that is cut off.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use jiff::SignedDuration;
use readypost::pipeline::{Turn, turn};
use readypost::simulator::Server;
use readypost::simulator::faults::{Canned, Fault, Rule};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use crate::harness::World;

/// Cells that run at a time.
const SIDE_BY_SIDE: usize = 8;

/// A call: whether to Xero or to ConnectWise, its method and path, and how many like it come before.
pub(crate) type Call = (bool, Method, &'static str, u32);

pub(crate) fn server(world: &World, xero: bool) -> &Server {
    if xero { &world.xero.server } else { &world.connectwise.server }
}

/// Whether the call was made: the fault of a call that nobody makes proves nothing.
pub(crate) fn was_made(world: &World, (xero, method, path, skip): &Call) -> bool {
    let requests = server(world, *xero).requests();
    let like = requests.iter().filter(|request| request.method == method && request.uri.path().contains(path));
    like.count() > usize::try_from(*skip).unwrap()
}

/// Works on what waits until the call after so many is under way; the work, or `None` where there is no such call.
pub(crate) async fn work_until(world: &World, xero: bool, after: u32) -> Option<JoinHandle<()>> {
    let server = server(world, xero);
    let wanted = server.requests().len() + usize::try_from(after).unwrap() + 1;
    // The call is under way when the process dies, and is handled all the same.
    let slow = Fault::Delay(Duration::from_millis(60));
    server.faults.add(Rule::every("/", slow).after(after).times(1));
    let parts = Arc::clone(&world.app.parts);
    let working = tokio::spawn(async move { while turn(&parts).await == Ok(Turn::Worked) {} });
    while server.requests().len() < wanted && !working.is_finished() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // On a busy machine the work may end before anybody looks; then the process dies after it.
    (server.requests().len() >= wanted).then_some(working)
}

/// What goes wrong with a call; `half` is the beginning of an answer that breaks off.
pub(crate) fn faults(half: &'static str) -> Vec<(&'static str, Fault)> {
    vec![
        ("dropped before", Fault::DropBefore),
        ("dropped after commit", Fault::DropAfter),
        ("500 after commit", Fault::AnswerAfter(Canned::new(500, r#"{"ErrorNumber":500}"#))),
        ("500 with nothing done", Fault::Answer(Canned::new(500, "<html>An error occurred</html>"))),
        ("502 after commit", Fault::AnswerAfter(Canned::new(502, "<html>Bad gateway</html>"))),
        ("429 with Retry-After", Fault::Answer(Canned::new(429, "").header("retry-after", "30"))),
        ("429 without Retry-After", Fault::Answer(Canned::new(429, ""))),
        ("503", Fault::Answer(Canned::new(503, "offline"))),
        ("200 with an empty body, after commit", Fault::AnswerAfter(Canned::new(200, ""))),
        ("200 with half an answer, after commit", Fault::AnswerAfter(Canned::new(200, half))),
    ]
}

/// Runs all cells, and fails with what every failed one said.
pub(crate) async fn all_pass<C>(cells: Vec<C>)
where
    C: Future<Output = ()> + Send + 'static,
{
    let (mut running, limit, count) = (JoinSet::new(), Arc::new(Semaphore::new(SIDE_BY_SIDE)), cells.len());
    for cell in cells {
        let limit = Arc::clone(&limit);
        running.spawn(async move {
            let _slot = limit.acquire_owned().await.unwrap();
            cell.await;
        });
    }
    let mut failed = Vec::new();
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended {
            let panic = error.into_panic();
            failed.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
        }
    }
    println!("{count} cells of calls and faults");
    assert!(failed.is_empty(), "{} of {count} cells failed:\n{}", failed.len(), failed.join("\n"));
}

/// Lets the process die during every call that there is, to ConnectWise and to Xero, and stay dead for nothing or for
/// ten minutes; `dies` says whether there was such a call, up to `most`. There are more than `least`.
pub(crate) async fn dies_everywhere(most: u32, least: [u32; 2], dies: impl AsyncFn(bool, u32, SignedDuration) -> bool) {
    for dead in [SignedDuration::ZERO, SignedDuration::from_mins(10)] {
        let mut points = [0, 0];
        for (xero, points) in [false, true].into_iter().zip(&mut points) {
            while *points < most && dies(xero, *points, dead).await {
                *points += 1;
            }
        }
        println!("{points:?} points, during calls to ConnectWise and to Xero, dead for {dead}");
        assert!(points[0] > least[0] && points[1] > least[1] && points[0] < most, "{points:?}");
    }
}
