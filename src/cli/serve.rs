//! `readypost serve`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::clock::{Clock, SystemClock};
use crate::http::Reload;
use crate::telemetry;

/// Runs the service until it is told to stop.
pub(super) async fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let config = match super::load(path) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    telemetry::start(&config.log)?;
    allow_open_files();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // Before the store is opened, which may take a while: until then a SIGHUP would end the process.
    let hangups = signal(SignalKind::hangup())?;
    let app = App::build(config, &clock)?.with_file(path);
    tokio::spawn(reload_on_signal(hangups, app.reloads()));
    let listener = app.bind().await?;
    let shutdown = CancellationToken::new();
    // Before anybody is told that it runs, and may stop it.
    stop_on_signal(shutdown.clone());
    // As one line, so that scripts can read it; a service goes on when nobody does.
    let _ = writeln!(std::io::stdout(), "listening on {}://{}", app.scheme(), listener.local_addr()?);
    app.run(listener, shutdown).await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Takes as many open files as the system allows: connections, journal and index share them.
fn allow_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Has the configuration read anew at each SIGHUP. What came of it is in the log.
async fn reload_on_signal(mut hangups: Signal, reloads: mpsc::Sender<Reload>) {
    while hangups.recv().await.is_some() {
        let (answer, outcome) = oneshot::channel();
        let reload = Reload { by: "SIGHUP".to_owned(), dry_run: false, answer };
        if reloads.send(reload).await.is_err() {
            return;
        }
        drop(outcome.await);
    }
}

/// Asks for a shutdown at the next SIGTERM or SIGINT. Both are taken from now on.
pub(super) fn stop_on_signal(shutdown: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received; stop the process with SIGKILL, nothing is lost by it");
        return;
    };
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: the door closes, steps under way finish");
        shutdown.cancel();
    });
}
