//! `readypost health`: for supervisors and health checks, which have no token and no shell.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{Remote, print_json};
use super::print::out;
use super::{PROBLEMS, Service};

/// Asks whether callbacks can be stored. The exit code is 1 when they cannot; a company that rests or is paused is
/// named, and no reason for it.
pub(super) async fn run(service: &Service) -> anyhow::Result<ExitCode> {
    let (good, answer) = Remote::new(service)?.ask("/readyz").await?;
    if service.json {
        print_json(&answer)?;
    } else {
        let store = answer.get("store").and_then(Value::as_str).unwrap_or_default();
        out!("{}", if good { "ready".to_owned() } else { format!("not ready: the store failed: {store}") });
        for (member, what) in [("resting", "rests"), ("paused", "is paused")] {
            for one in answer.get(member).and_then(Value::as_array).into_iter().flatten() {
                out!("{} {what}", one.get("company").and_then(Value::as_str).unwrap_or_default());
            }
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
}
