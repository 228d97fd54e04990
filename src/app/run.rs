//! `campanile run`: starts the gateway, reloads it on SIGHUP or a changed file, and stops it on a signal.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::{App, Error};
use crate::config::{self, Config, Environment};
use crate::telemetry::{self, Logs, Metrics};
use campanile_model::Clock;

/// Threads for deliveries and background work. The listeners have their own threads.
const WORKER_THREADS: usize = 2;

/// The reasons that make `run` fail.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The gateway did not start.
    #[error(transparent)]
    Start(#[from] Error),
    /// Logging did not start.
    #[error(transparent)]
    Log(#[from] telemetry::log::Error),
    /// The system refused a thread or a signal handler.
    #[error("cannot start the runtime or install signal handlers: {0}")]
    System(#[from] std::io::Error),
}

/// Runs the gateway until SIGTERM or SIGINT. Reads `paths` again on SIGHUP and when one of the files changes. `color` is for
/// the log of people. With `hold`, every sink is paused until an operator resumes it.
pub fn run(
    paths: &[PathBuf],
    environment: &Environment,
    config: Config,
    color: bool,
    hold: bool,
) -> Result<(), RunError> {
    let metrics = Arc::new(Metrics::new());
    let logs = telemetry::log::init(&config.log, color, metrics.log_dropped())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()?;
    runtime.block_on(serve(paths, environment, config, hold, metrics, &logs))
}

async fn serve(
    paths: &[PathBuf],
    environment: &Environment,
    config: Config,
    hold: bool,
    metrics: Arc<Metrics>,
    logs: &Logs,
) -> Result<(), RunError> {
    let mut signals = Signals::new()?;
    let mut watched = watched(paths, &config);
    let mut changes = config::watch::changes(&watched);
    let greeting = sources(&config);
    let schemes = config.tls().map(|tls| tls.map_or("http", |_| "https"));
    warn_of_expired(&config);
    let mut app = App::start_with(config, Clock::machine(), metrics, hold).await?;
    if hold {
        tracing::warn!(
            "the gateway was started with --hold: it sends nothing to a sink until an operator runs `campanile sinks resume`"
        );
    }
    greet(&app, schemes, &greeting);
    loop {
        let wish = tokio::select! {
            wish = signals.next(&mut changes) => wish,
            // What it would still write could be wrong in the tables of the newer program, so nothing is finished.
            error = app.outgrown() => return Err(error.into()),
        };
        if let Wish::Stop = wish {
            break;
        }
        let now = reload(&app, paths, environment, logs).await;
        if let Some(now) = now.filter(|now| *now != watched) {
            changes = config::watch::changes(&now);
            watched = now;
        }
    }
    drain(&mut app, &mut signals.stop).await;
    tracing::info!(
        "the gateway is stopping: it accepts no more callbacks and finishes the work in progress"
    );
    app.stop().await;
    tracing::info!("the gateway has stopped");
    Ok(())
}

/// Callbacks are still answered until the load balancer sends them elsewhere. A second signal ends that.
async fn drain(app: &mut App, signals: &mut StopSignals) {
    let wait = app.drains_for();
    if !wait.is_zero() {
        tracing::info!(
            "the gateway is draining: `/readyz` says 503, and callbacks are still accepted for {wait:?}. A second signal ends this at once"
        );
    }
    tokio::select! {
        () = app.drain() => {}
        () = signals.next() => {}
    }
}

/// The files of the configuration. A change of any of them causes a reload.
fn watched(paths: &[PathBuf], config: &Config) -> Vec<PathBuf> {
    let tls = config.tls().into_iter().flatten();
    let tls = tls.flat_map(|tls| [tls.files.certificate.clone(), tls.files.key.clone()]);
    let mappings = config::mapping_files(paths);
    paths.iter().cloned().chain(mappings).chain(tls).collect()
}

fn warn_of_expired(config: &Config) {
    let now = Clock::machine().now();
    for tls in config.tls().into_iter().flatten() {
        if let Some(at) = tls.expired(now) {
            let file = tls.files.certificate.display();
            tracing::warn!(%file, %at, "the certificate of a listener has expired; clients that verify it refuse to connect");
        }
    }
}

/// Prints the addresses of the listeners and the sources on the standard output.
fn greet(app: &App, [outside, inside]: [&str; 2], sources: &str) {
    let shown = |scheme: &str, address: Option<std::net::SocketAddr>| {
        address.map_or_else(String::new, |a| format!("{scheme}://{a}"))
    };
    let public = shown(outside, app.public_address());
    let admin = shown(inside, app.admin_address());
    tracing::info!(public, admin, "the gateway is listening");
    let text = format!("listening on {public} for vendors, on {admin} for operators\n{sources}");
    // The standard output may be closed: this is not an error.
    let _unread = std::io::stdout().write_all(text.as_bytes());
}

/// One line for each source with the address that its vendor calls. Keys are not shown.
fn sources(config: &Config) -> String {
    let line = |spec: &config::SourceSpec| {
        let address = config.server.address(&spec.source);
        format!("  {:<24} {address}\n", spec.source.name)
    };
    config.sources.iter().map(line).collect()
}

/// Reads and applies the configuration again. Returns the files to watch if the new configuration is in force.
async fn reload(
    app: &App,
    paths: &[PathBuf],
    environment: &Environment,
    logs: &Logs,
) -> Option<Vec<PathBuf>> {
    match reloaded(app, paths, environment, logs).await {
        Ok(watched) => {
            tracing::info!("the gateway reloaded its config; the new one is in force");
            Some(watched)
        }
        Err(reason) => {
            tracing::error!(
                "the gateway did not reload its config; the old one stays in force. {reason}"
            );
            app.refuse(reason);
            None
        }
    }
}

async fn reloaded(
    app: &App,
    paths: &[PathBuf],
    environment: &Environment,
    logs: &Logs,
) -> Result<Vec<PathBuf>, String> {
    let config = config::load(paths, environment).map_err(|mistakes| mistakes.to_string())?;
    warn_of_expired(&config);
    let watched = watched(paths, &config);
    // Checked before the reload: a log level that is not valid must not leave half of the new config in force.
    let filter = telemetry::log::filter(&config.log).map_err(|error| error.to_string())?;
    app.reload(config)
        .await
        .map_err(|error| error.to_string())?;
    logs.follow(filter);
    Ok(watched)
}

/// The request of the operator.
enum Wish {
    Reload,
    Stop,
}

struct Signals {
    stop: StopSignals,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            stop: StopSignals {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
            },
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self, changes: &mut mpsc::Receiver<()>) -> Wish {
        tokio::select! {
            () = self.stop.next() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
            Some(()) = changes.recv() => Wish::Reload,
        }
    }
}

struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
