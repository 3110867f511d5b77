//! The command line. `serve`, `demo`, `doctor` and `token` stand alone; `history`, `backup` and
//! `restore` read the store's folder; everything else is a client of the running service.

mod alerts;
mod bulk;
mod callbacks;
mod client;
mod companies;
mod demo;
mod doctor;
mod health;
mod history;
mod issues;
mod manual;
mod map;
mod print;
mod progress;
mod reconcile;
mod records;
mod said;
mod screen;
mod serve;
mod simulate;
mod status;
mod sweep;
mod table;
mod token;
mod watch;
mod xero;

use std::path::PathBuf;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use client::Remote;

/// Exit code for arguments or a configuration that cannot be used.
const UNUSABLE: u8 = 2;
/// Exit code for problems that were found, or a service that failed.
const PROBLEMS: u8 = 1;

/// Posts ConnectWise PSA records to Xero the moment they are ready to post.
#[derive(Debug, Parser)]
#[command(name = "readypost", version, about)]
pub struct Cli {
    /// When to use colours: auto is on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    color: Colours,
    #[command(subcommand)]
    command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Colours {
    #[default]
    Auto,
    Always,
    Never,
}

impl Colours {
    fn choose(self) {
        let choice = match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Arguments that cannot be used; the exit code says so.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unusable(String);

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service
    Serve(ConfigFile),
    /// Play a month end with simulators of both systems
    Demo(demo::Demo),
    /// Check the configuration and both systems
    Doctor(doctor::Doctor),
    /// Show the service at a glance
    Status(status::Status),
    /// Ask, without a token, whether the service is ready
    Health(Service),
    /// List, show and decide about records
    #[command(subcommand)]
    Records(records::Records),
    /// List what records wait for, those first that the most wait for
    Issues(issues::Issues),
    /// Decide once about many records: plan, run, watch, cancel
    #[command(subcommand)]
    Bulk(bulk::Bulk),
    /// After an outage: sweep for what was missed, and look again at what was held since
    Recover(bulk::Recover),
    /// List, pause and resume the Xero organisations
    #[command(subcommand)]
    Companies(companies::Companies),
    /// State a month of a company: what ConnectWise closed and what Xero has
    Reconcile(reconcile::Reconcile),
    /// Compare the names of both systems
    #[command(subcommand)]
    Map(map::Map),
    /// Find out what posting would do, without writing anything
    Simulate(simulate::Simulate),
    /// Read the configuration anew, without a restart
    Reload(companies::Reload),
    /// Verify and export what readypost has done
    #[command(subcommand)]
    History(history::History),
    /// Copy the store into a new folder, also while the service runs
    Backup(history::Backup),
    /// Make a store out of a backup
    Restore(history::Restore),
    /// Compare what ConnectWise lists as unposted with what readypost knows
    Sweep(sweep::Sweep),
    /// Check and mend the callbacks that ConnectWise has registered
    #[command(subcommand)]
    Callbacks(callbacks::Callbacks),
    /// Show what stands and test who is told
    #[command(subcommand)]
    Alerts(alerts::Alerts),
    /// Print the completions of a shell
    Completions(manual::Completions),
    /// Print the manual page
    Man,
    /// Print what the HTTP interface is, as an `OpenAPI` document
    Openapi,
    /// Connect the Xero organisations
    #[command(subcommand)]
    Xero(xero::Xero),
    /// Make an operator's token and its entry in the configuration
    Token(token::Token),
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigFile {
    /// Configuration file
    #[arg(long, default_value = "readypost.toml", env = "READYPOST_CONFIG")]
    config: PathBuf,
}

/// Which service to ask.
#[derive(Debug, Args)]
pub struct Service {
    /// Address of the running service
    #[arg(long, env = "READYPOST_URL", default_value = "http://127.0.0.1:8080", global = true)]
    url: String,
    /// Operator's token
    #[arg(long, env = "READYPOST_TOKEN", hide_env_values = true, default_value = "", global = true)]
    token: String,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

impl Cli {
    /// Runs the command and says how it ended.
    #[must_use]
    pub fn run(self) -> ExitCode {
        self.color.choose();
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return fail(&anyhow::Error::new(error)),
        };
        let outcome = runtime.block_on(async {
            match self.command {
                Command::Serve(file) => serve::run(&file.config).await,
                Command::Demo(demo) => demo.run().await,
                Command::Doctor(doctor) => doctor.run().await,
                Command::Status(status) => status.run().await,
                Command::Health(service) => health::run(&service).await,
                Command::Records(records) => records.run().await,
                Command::Issues(issues) => issues.run().await,
                Command::Bulk(bulk) => bulk.run().await,
                Command::Recover(recover) => recover.run().await,
                Command::Companies(companies) => companies.run().await,
                Command::Reconcile(reconcile) => reconcile.run().await,
                Command::Map(map) => map.run().await,
                Command::Simulate(simulate) => simulate.run().await,
                Command::Reload(reload) => reload.run().await,
                Command::History(history) => history.run(),
                Command::Backup(backup) => backup.run(),
                Command::Restore(restore) => restore.run(),
                Command::Sweep(sweep) => sweep.run().await,
                Command::Callbacks(callbacks) => callbacks.run().await,
                Command::Alerts(alerts) => alerts.run().await,
                Command::Completions(completions) => Ok(completions.run()),
                Command::Man => manual::man(),
                Command::Openapi => manual::openapi(),
                Command::Xero(xero) => xero.run().await,
                Command::Token(token) => token.run(),
            }
        });
        outcome.unwrap_or_else(|error| fail(&error))
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    print::complaint(&format!("readypost: {error:#}"));
    ExitCode::from(if error.is::<Unusable>() { UNUSABLE } else { PROBLEMS })
}

/// Reads the configuration, or lists all its faults.
fn load(path: &std::path::Path) -> Result<crate::config::Config, ExitCode> {
    let unusable = |text: &str| {
        print::complaint(text);
        ExitCode::from(UNUSABLE)
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        unusable(&format!(
            "readypost: {}: {error}\nName the file with --config. For a new one, `readypost token` makes its first \
             entry; section 6 of the README lists all settings.",
            path.display()
        ))
    })?;
    crate::config::parse(&text, &|name| std::env::var(name).ok()).map_err(|faults| {
        let many = if faults.len() == 1 { "one setting".to_owned() } else { format!("{} settings", faults.len()) };
        let mut text = vec![format!("readypost: {} has {many} to correct:", path.display())];
        text.extend(faults.iter().map(|fault| format!("  {fault}")));
        unusable(&text.join("\n"))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_commands_fit_together() {
        super::Cli::command().debug_assert();
    }
}
