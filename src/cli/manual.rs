//! `readypost completions`, `man` and `openapi`: what shells, `man` and integrators want to know.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::print::out;

/// Prints completions.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> ExitCode {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "readypost", &mut text);
        out!("{}", String::from_utf8_lossy(&text).trim_end());
        ExitCode::SUCCESS
    }
}

/// Prints the manual page of all commands, in roff: `readypost man | man -l -`.
pub(super) fn man() -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    let mut all = Cli::command();
    all.build();
    page(&all, &mut text)?;
    out!("{}", String::from_utf8_lossy(&text).trim_end());
    Ok(ExitCode::SUCCESS)
}

/// Prints the description of the HTTP interface; the running service has the same at `/openapi.json`.
pub(super) fn openapi() -> anyhow::Result<ExitCode> {
    out!("{}", serde_json::to_string_pretty(crate::http::openapi())?);
    Ok(ExitCode::SUCCESS)
}

/// The command with what it is for and its options, and the commands below it.
fn page(command: &clap::Command, text: &mut Vec<u8>) -> anyhow::Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    if text.is_empty() {
        man.render_title(text)?;
        man.render_name_section(text)?;
        man.render_synopsis_section(text)?;
        man.render_description_section(text)?;
    }
    for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        if below.get_subcommands().next().is_some_and(|first| first.get_name() != "help") {
            page(below, text)?;
            continue;
        }
        let name = below.get_display_name().unwrap_or_else(|| below.get_name()).replace('-', " ");
        writeln!(text, ".SH {}", name.to_uppercase())?;
        let man = clap_mangen::Man::new(below.clone());
        man.render_description_section(text)?;
        man.render_options_section(text)?;
    }
    Ok(())
}
