//! `campanile run`: the gateway from start to stop, and what signals and a changed file do to it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::{App, Error};
use crate::config::{self, Config, Environment};
use crate::telemetry::{self, Logs, Metrics};
use campanile_model::Clock;

/// Threads that deliver and look things up; callbacks have their own.
const WORKER_THREADS: usize = 2;

/// Why `run` ended with a failure.
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

/// Runs the gateway until it is told to stop. `paths` are read again on SIGHUP and when one of them changes.
pub fn run(paths: &[PathBuf], environment: &Environment, config: Config) -> Result<(), RunError> {
    let metrics = Arc::new(Metrics::new());
    let logs = telemetry::log::init(&config.log, metrics.log_dropped())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()?;
    runtime.block_on(serve(paths, environment, config, metrics, &logs))
}

async fn serve(
    paths: &[PathBuf],
    environment: &Environment,
    config: Config,
    metrics: Arc<Metrics>,
    logs: &Logs,
) -> Result<(), RunError> {
    let mut signals = Signals::new()?;
    let watched = [paths, &config::mapping_files(paths)].concat();
    let mut changes = config::watch::changes(&watched);
    let greeting = sources(&config);
    let app = App::start(config, Clock::machine(), metrics).await?;
    greet(&app, &greeting);
    while let Wish::Reload = signals.next(&mut changes).await {
        reload(&app, paths, environment, logs).await;
    }
    tracing::info!(
        "the gateway is stopping: it accepts no more callbacks and ends the work in progress"
    );
    app.stop().await;
    tracing::info!("the gateway has stopped");
    Ok(())
}

/// Says on the standard output where it listens: the first thing that anyone who starts it wants to know.
fn greet(app: &App, sources: &str) {
    let shown = |address: Option<std::net::SocketAddr>| {
        address.map_or_else(String::new, |a| format!("http://{a}"))
    };
    let (public, admin) = (shown(app.public_address()), shown(app.admin_address()));
    tracing::info!(public, admin, "listening");
    let text = format!("listening on {public} for vendors, on {admin} for operators\n{sources}");
    // Nobody may be reading, and that is fine.
    let _unread = std::io::stdout().write_all(text.as_bytes());
}

/// One line for each source with the path that its vendor calls. Keys are not shown.
fn sources(config: &Config) -> String {
    let line = |feed: &config::Feed| {
        let key = if feed.source.keys.is_empty() {
            ""
        } else {
            "/<key>"
        };
        format!(
            "  {:<24} /callback/{}{key}\n",
            feed.source.name, feed.source.name
        )
    };
    config.feeds.iter().map(line).collect()
}

async fn reload(app: &App, paths: &[PathBuf], environment: &Environment, logs: &Logs) {
    match reloaded(app, paths, environment, logs).await {
        Ok(()) => tracing::info!("the gateway reloaded its config; the new one is in force"),
        Err(why) => tracing::error!(
            "the gateway did not reload its config; the old one stays in force. {why}"
        ),
    }
}

async fn reloaded(
    app: &App,
    paths: &[PathBuf],
    environment: &Environment,
    logs: &Logs,
) -> Result<(), String> {
    let config = config::load(paths, environment).map_err(|mistakes| mistakes.to_string())?;
    // A level that is not valid must not leave half of the new config in force.
    let filter = telemetry::log::filter(&config.log).map_err(|error| error.to_string())?;
    app.reload(config)
        .await
        .map_err(|error| error.to_string())?;
    logs.follow(filter);
    Ok(())
}

/// What the operator wants.
enum Wish {
    Reload,
    Stop,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self, changes: &mut mpsc::Receiver<()>) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hangup.recv() => Wish::Reload,
            Some(()) = changes.recv() => Wish::Reload,
        }
    }
}
