//! `readypost demo`.

use std::process::ExitCode;

use clap::Args;

/// Play a month end with simulators of both systems.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// End when the month is posted, instead of staying up
    #[arg(long)]
    once: bool,
}

impl Demo {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let _ = self.once;
        Ok(ExitCode::SUCCESS)
    }
}
