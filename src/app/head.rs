//! Once a day: the head of the history goes to the log, exchanges that are old go, and the certificate is looked at.
//!
//! A log that leaves the machine makes the head known where whoever owns the store's disk cannot change it.

use std::sync::Arc;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use super::reload::Reloader;
use crate::pipeline::Live;

/// How often.
const EVERY: SignedDuration = SignedDuration::from_hours(24);

/// Runs until `shutdown`; the first time at once.
pub(super) async fn run(live: Arc<Live>, reloader: Arc<Reloader>, shutdown: CancellationToken) {
    loop {
        reloader.look_at_certificate();
        let now = live.clock.now();
        match live.store.expire(now).await {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "exchanges that are older than exchanges_days were removed"),
            Err(error) => tracing::warn!(%error, "old exchanges could not be removed"),
        }
        tracing::info!(head = %live.store.overview().head, "the head of the history; note it elsewhere");
        let next = now.saturating_add(EVERY).unwrap_or(now);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = live.clock.sleep_until(next) => {}
        }
    }
}
