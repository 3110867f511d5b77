//! What the tables of faults share: the faults, and cells that run side by side.

use std::sync::Arc;

use readypost::simulator::faults::{Canned, Fault};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Cells that run at a time.
const SIDE_BY_SIDE: usize = 8;

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
