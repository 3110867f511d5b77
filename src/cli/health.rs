//! `readypost health`: for supervisors and health checks, which have no token and no shell.

use std::process::ExitCode;

use serde_json::Value;

use super::client::{Remote, show};
use super::screen::Hue;
use super::{PROBLEMS, Service};

/// Asks whether callbacks can be stored. The exit code is 1 when they cannot; a company that rests or is paused is
/// named, and no reason for it.
pub(super) async fn run(service: &Service) -> anyhow::Result<ExitCode> {
    let (good, answer) = Remote::new(service)?.ask("/readyz").await?;
    show(service.json, &answer, |screen| {
        let store = answer.get("store").and_then(Value::as_str).unwrap_or_default();
        screen.line(if good {
            Hue::Good.of("ready")
        } else {
            Hue::Bad.of("not ready").and(Hue::Plain, format!(": the store failed: {store}"))
        });
        for (member, what) in [("resting", "rests"), ("paused", "is paused")] {
            for one in answer.get(member).and_then(Value::as_array).into_iter().flatten() {
                let company = one.get("company").and_then(Value::as_str).unwrap_or_default();
                screen.line(format!("{company} {what}"));
            }
        }
    })?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
}
