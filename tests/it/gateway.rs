//! The whole gateway inside a test: real listeners, a real database file, and a clock that the test moves.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use campanile::app::App;
use campanile::config::{self, Config, Environment};
use campanile::telemetry::Metrics;
use campanile_model::Callback;
use campanile_model::Clock;
use campanile_providers::{Fixture, fixture, fixtures};
use campanile_store::Store;
use serde_json::Value;
use tempfile::TempDir;

use crate::patience::{idle, within};
use crate::standing::{Reply, Wire, post, request};

/// A running gateway with its own folder. End it with [`Gateway::stop`].
pub(crate) struct Gateway {
    app: Option<App>,
    clock: Clock,
    metrics: Arc<Metrics>,
    folder: Option<TempDir>,
}

/// A sink that gets no alerts, for tests that use only the store.
pub(crate) const IDLE_SINK: &str =
    "[sinks.stdout.screen]\n[[routes]]\nwhen = \"false\"\nsinks = [\"stdout/screen\"]\n";

/// The first settings of every test: free ports, and all files in its folder.
pub(crate) fn preamble(folder: &Path) -> String {
    let file = folder.join("campanile.db");
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nworkers = 2\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [self]\nalerts = false\n[store]\nurl = \"sqlite:{}\"\n",
        file.display()
    )
}

impl Gateway {
    /// Starts with these settings and those of [`preamble`].
    pub(crate) async fn start(settings: &str) -> Self {
        Self::start_with(settings, |_| ()).await
    }

    /// Starts with these settings and with a change that a config file cannot express.
    pub(crate) async fn start_with(settings: &str, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("campanile.toml");
        std::fs::write(&file, preamble(folder.path()) + settings).unwrap();
        let config = config::load(&[file], &Environment::new());
        let mut config = config.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        change(&mut config);
        let clock = Clock::manual(fixture::RECEIVED_AT.parse().unwrap());
        let metrics = Arc::new(Metrics::new());
        let app = App::start(config, clock.clone(), Arc::clone(&metrics)).await;
        Self {
            app: Some(app.unwrap()),
            clock,
            metrics,
            folder: Some(folder),
        }
    }

    /// Writes other settings into its file. They count from the next reload or restart.
    pub(crate) fn write(&self, settings: &str) {
        let folder = self.folder.as_ref().unwrap().path();
        std::fs::write(folder.join("campanile.toml"), preamble(folder) + settings).unwrap();
    }

    /// Reloads the settings of its start, with a change.
    pub(crate) async fn reload_with(&self, change: impl FnOnce(&mut Config)) {
        let file = self.folder.as_ref().unwrap().path().join("campanile.toml");
        let mut config = config::load(&[file], &Environment::new()).unwrap();
        change(&mut config);
        self.app().reload(config).await.unwrap();
    }

    /// A reload that failed, for this reason.
    pub(crate) fn refuse(&self, reason: &str) {
        self.app().refuse(reason.to_owned());
    }

    /// The folder with its database and its settings.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    /// The store.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        self.app().store()
    }

    /// The metrics, to record what a test cannot cause.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    /// The address of the public listener.
    pub(crate) fn public(&self) -> SocketAddr {
        self.app().public_address().unwrap()
    }

    /// The address of the admin listener.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.app().admin_address().unwrap()
    }

    /// Sends these bytes to the public listener on a new connection.
    pub(crate) async fn send(&self, raw: impl AsRef<[u8]>) -> Reply {
        Wire::to(self.public()).await.send(raw).await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        let head = "content-type: application/json\r\n";
        self.send(post(path, head, body.to_string().as_bytes()))
            .await
    }

    /// Sends a fixture, such as `ucloud/firing`, as its vendor does.
    pub(crate) async fn send_fixture(&self, name: &str) -> Reply {
        let call = named(name).callback().unwrap();
        self.send(raw(&call, &call.path)).await
    }

    /// Sends a request to the API as an operator.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        self.look(path).await.json()
    }

    /// Gets a page of the admin listener.
    pub(crate) async fn look(&self, path: &str) -> Reply {
        let admin = self.app().admin_address().unwrap();
        let asked = request("GET", path, "connection: close\r\n", b"");
        Wire::to(admin).await.send(asked).await
    }

    /// The items of a list of the API, oldest first.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let mut page = self.ask(path).await;
        let Value::Array(mut items) = page["items"].take() else {
            panic!("not a list: {page}")
        };
        items.reverse();
        items
    }

    /// The value of a metric, by its whole name with labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.look("/metrics").await.body;
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.unwrap_or_else(|| panic!("there is no metric {name} in\n{text}"))
    }

    /// Moves the clock, and waits until all due work is done.
    pub(crate) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.deliver_everything().await;
    }

    /// Waits until no delivery is in flight and none is due now.
    pub(crate) async fn deliver_everything(&self) {
        idle(self.app().delivery()).await;
    }

    /// Looks for the gateway's own troubles now.
    pub(crate) async fn look_at_itself(&self) {
        self.app().look_at_itself().await;
    }

    /// Starts again with the settings of its start and a change.
    pub(crate) async fn restart_with(&mut self, change: impl FnOnce(&mut Config)) {
        within("a stop of the gateway", self.app.take().unwrap().stop()).await;
        let file = self.folder.as_ref().unwrap().path().join("campanile.toml");
        let mut config = config::load(&[file], &Environment::new()).unwrap();
        change(&mut config);
        let app = App::start(config, self.clock.clone(), Arc::new(Metrics::new())).await;
        self.app = Some(app.unwrap());
    }

    /// Stops the gateway and removes its folder. Panics if the folder cannot be removed.
    pub(crate) async fn stop(mut self) {
        within("a stop of the gateway", self.app.take().unwrap().stop()).await;
        self.folder.take().unwrap().close().unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let forgotten = self.app.is_some() && !std::thread::panicking();
        assert!(!forgotten, "end the test with `gateway.stop().await`");
    }
}

/// The fixture `PROVIDER/CASE`.
pub(crate) fn named(name: &str) -> &'static Fixture {
    let (provider, case) = name.split_once('/').unwrap();
    let found = fixtures(provider).iter().find(|f| f.case == case);
    found.unwrap_or_else(|| panic!("there is no fixture {name}"))
}

/// The bytes of a callback to this path.
pub(crate) fn raw(call: &Callback, path: &str) -> Vec<u8> {
    let query = if call.query.is_empty() { "" } else { "?" };
    let target = format!("{path}{query}{}", call.query);
    let framing = ["content-length", "transfer-encoding"];
    let kept = call.headers.iter();
    let kept = kept.filter(|(name, _)| !framing.contains(&name.to_ascii_lowercase().as_str()));
    let head: Vec<_> = kept
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let (method, head, length) = (&call.method, head.concat(), call.body.len());
    let head = format!("{method} {target} HTTP/1.1\r\n{head}content-length: {length}\r\n\r\n");
    let mut raw = head.into_bytes();
    raw.extend_from_slice(&call.body);
    raw
}
