//! `readypost demo`: simulators of both systems, the real service between them, and a month end.

mod expenses;
mod inventory;
mod month;
mod payments;
mod purchases;
mod scene;
mod show;
mod stage;

use std::process::ExitCode;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::PROBLEMS;
use super::serve::stop_on_signal;
use stage::Stage;

/// Play a month end with simulators of both systems.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// End when the month is posted, instead of staying up
    #[arg(long)]
    once: bool,
    /// Show the service's own log as well
    #[arg(long)]
    log: bool,
}

impl Demo {
    /// Exit code 1 when a record did not end as it should.
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let filter = if self.log { "info" } else { "off" };
        let log = crate::config::Log { format: crate::config::LogFormat::Pretty, filter: filter.to_owned() };
        crate::telemetry::start(&log)?;
        let mut stage = Stage::set().await?;
        show::opening(&stage);
        month::play(&mut stage).await?;
        let surprises = show::summary(&stage).await?;
        if !self.once {
            show::address(&stage);
            let shutdown = CancellationToken::new();
            stop_on_signal(shutdown.clone());
            shutdown.cancelled().await;
        }
        stage.close().await?;
        Ok(if surprises == 0 { ExitCode::SUCCESS } else { ExitCode::from(PROBLEMS) })
    }
}
