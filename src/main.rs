//! The `readypost` command.

use std::process::ExitCode;

use clap::Parser;
use readypost::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
