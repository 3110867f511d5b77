//! Exactly once under every fault: every remote call of every kind of record meets every fault, while the process
//! lives, dies just before or dies just after. In the end there is one document of the right total, marked, nothing
//! else has changed in either system, and the history is complete.
//!
//! The calls are those that a run without a fault makes, so a new call is in the matrix by itself. Time is the tests':
//! waits, rests and the 30 seconds of a slow call are steps of the clock. A process that dies is a runtime that ends
//! with all its tasks; `tests/crash.rs` kills the real binary.

mod books;
mod cell;
mod scene;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use cell::{Cell, Clean, Proof, Trouble, When, clean};
use scene::Scene;

/// Cells that run at a time: most of them wait for a read to be tried again.
const SIDE_BY_SIDE: usize = 24;
/// The longest real time for a cell.
const CELL_MAX: Duration = Duration::from_mins(3);

/// Every scene as it goes without a fault, and every cell.
async fn table() -> Vec<(Arc<Clean>, Cell)> {
    let mut table = Vec::new();
    for scene in Scene::ALL {
        let clean = Arc::new(clean(scene).await);
        check_clean(scene, &clean);
        let (to_xero, to_connectwise): (Vec<_>, Vec<_>) = clean.calls.iter().partition(|call| call.xero);
        println!("{scene:?}: {} calls to ConnectWise, {} to Xero", to_connectwise.len(), to_xero.len());
        for call in &clean.calls {
            for (trouble, when) in Trouble::ALL.into_iter().flat_map(|trouble| When::ALL.map(|when| (trouble, when))) {
                if trouble.fits(scene, call) && when.fits(trouble, call) {
                    table.push((Arc::clone(&clean), Cell { scene, call: call.clone(), trouble, when }));
                }
            }
        }
    }
    println!("{} cells in the matrix", table.len());
    table
}

/// What a scene comes to, against what was worked out by hand.
fn check_clean(scene: Scene, clean: &Clean) {
    let (books, wanted) = (&clean.books, scene.expected());
    let documents: Vec<&str> = books.documents.iter().map(|line| line.split(" |").next().unwrap()).collect();
    assert_eq!(documents, wanted.documents, "{scene:?}: {books:#?}");
    let journals: Vec<&str> = books.journals.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(journals, wanted.journals, "{scene:?}: {books:#?}");
    let standing = books.payments.iter().filter(|line| !line.ends_with("deleted")).count();
    let entered = books.entered.iter().filter(|line| !line.contains("balance")).count();
    assert_eq!((standing, entered), wanted.payments, "{scene:?}: {books:#?}");
    assert_eq!((books.batches.len(), books.unposted.len()), (wanted.batches, 0), "{scene:?}: {books:#?}");
    assert!(books.records.iter().all(|line| line.contains(" done, ") || line.contains(" skipped ")), "{books:#?}");
}

/// Runs the cells; how many counted, by when the process died.
async fn run(cells: Vec<(Arc<Clean>, Cell)>) {
    let (begun, count) = (Instant::now(), cells.len());
    let (mut running, limit) = (JoinSet::new(), Arc::new(Semaphore::new(SIDE_BY_SIDE)));
    for (clean, cell) in cells {
        let limit = Arc::clone(&limit);
        running.spawn(async move {
            let _place = limit.acquire_owned().await.unwrap();
            let proof = tokio::time::timeout(CELL_MAX, cell.run(&clean)).await;
            let proof = proof.unwrap_or_else(|_| panic!("{}: it takes too long", cell.label()));
            (cell, proof)
        });
    }
    let (mut counted, mut left_out, mut failed) = (BTreeMap::<String, u32>::new(), Vec::new(), Vec::new());
    while let Some(ended) = running.join_next().await {
        if running.len().is_multiple_of(500) {
            println!("{} of {count} cells, {} s", count - running.len(), begun.elapsed().as_secs());
        }
        match ended {
            Ok((cell, Proof::Counted)) => *counted.entry(format!("{:?}", cell.when)).or_default() += 1,
            Ok((cell, Proof::LeftOut)) => left_out.push(cell.label()),
            Err(error) => {
                let panic = error.into_panic();
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.unwrap_or_else(|| "a panic without words".to_owned());
                println!("failed: {text}");
                failed.push(text);
            }
        }
    }
    let sum: u32 = counted.values().sum();
    println!("{counted:?}");
    println!(
        "{sum} cells counted, {} left out because the call or the fault did not come, {} failed, {} s",
        left_out.len(),
        failed.len(),
        begun.elapsed().as_secs()
    );
    for label in left_out.iter().take(40) {
        println!("left out: {label}");
    }
    assert!(failed.is_empty(), "{} of {count} cells failed:\n{}", failed.len(), failed.join("\n"));
    assert!(left_out.len() * 50 <= count, "{} of {count} cells prove nothing", left_out.len());
}

/// The `SplitMix64` step, to choose the same cells each time.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// One cell of so many is in the sample.
const SAMPLE: u64 = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_call_survives_faults_and_deaths_in_a_sample_of_the_matrix() {
    let table = table().await;
    // For trying: only cells whose label has this text, all of them.
    let only = std::env::var("READYPOST_CELLS").ok();
    let sample = std::env::var("READYPOST_SAMPLE").ok().and_then(|n| n.parse().ok()).unwrap_or(SAMPLE);
    let chosen = table.into_iter().zip(0..).filter(|((_, cell), number)| match &only {
        Some(text) => cell.label().contains(text.as_str()),
        None => mixed(*number).is_multiple_of(sample),
    });
    run(chosen.map(|(cell, _)| cell).collect()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "it takes longer than all other tests together: cargo test --release --test it full_matrix -- --ignored --nocapture"]
async fn the_full_matrix() {
    run(table().await).await;
}
