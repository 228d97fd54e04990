//! A gateway's two listeners, standing on a store that a test can make fail, and a vendor made for tests.

mod probe;
mod wire;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use campanile::config::{self, Feed};
use campanile::delivery::{PausedBy, Phase, SinkState};
use campanile::http::{self, Gateway, Hooks, Plan, Routes, SinkControl};
use campanile::telemetry::Metrics;
use campanile_model::Clock;
use campanile_model::{Alert, Report, Secret, Status};
use campanile_providers::Source;
use campanile_store::{Seq, SinkId, Store};
use serde_json::{Value, json};

use crate::moody::Moody;
pub(crate) use probe::Probe;
pub(crate) use wire::{Reply, Wire};

/// The sink to which tests' alerts go.
pub(crate) const SINK: &str = "webhook/oncall";

/// The operator's token where a test has one.
pub(crate) const TOKEN: &str = "operators-token";

/// Everything that a test holds.
pub(crate) struct Standing {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) store: Arc<Moody>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) effects: Arc<Mutex<Vec<String>>>,
    handles: Vec<ServerHandle>,
}

/// Notes what delivery is told.
#[derive(Default)]
pub(crate) struct Workers {
    pub(crate) poked: Mutex<Vec<(SinkId, Vec<Seq>)>>,
    pub(crate) forgotten: Mutex<Vec<(SinkId, Vec<Seq>)>>,
    paused: Mutex<bool>,
}

impl SinkControl for Workers {
    fn states(&self) -> Vec<SinkState> {
        vec![self.state()]
    }
    fn poke(&self, sink: SinkId, seqs: &[Seq]) {
        self.poked.lock().unwrap().push((sink, seqs.to_vec()));
    }
    fn forget(&self, sink: SinkId, seqs: &[Seq]) {
        self.forgotten.lock().unwrap().push((sink, seqs.to_vec()));
    }
    fn pause(&self, name: &str) -> Option<SinkState> {
        *self.paused.lock().unwrap() |= name == SINK;
        (name == SINK).then(|| self.state())
    }
    fn resume(&self, name: &str) -> Option<SinkState> {
        *self.paused.lock().unwrap() &= name != SINK;
        (name == SINK).then(|| self.state())
    }
}

impl Workers {
    fn state(&self) -> SinkState {
        let paused = *self.paused.lock().unwrap();
        SinkState {
            state: if paused { Phase::Paused } else { Phase::Ok },
            paused_by: paused.then_some(PausedBy::Operator),
            in_flight: 1,
            ..SinkState::new(SINK)
        }
    }
}

/// An open source of the test vendor.
pub(crate) fn source(name: &str) -> Source {
    Source {
        name: format!("probe/{name}"),
        open: true,
        ..Source::default()
    }
}

/// A source of the test vendor with a key in the path.
pub(crate) fn keyed(name: &str, key: &str) -> Source {
    Source {
        name: format!("probe/{name}"),
        keys: vec![Secret::from(key)],
        ..Source::default()
    }
}

/// A configuration with these sources and the times that are the default.
pub(crate) fn config(sources: Vec<Source>) -> config::Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let feed = |source| Feed {
        provider: Arc::new(Probe),
        source: Arc::new(source),
    };
    config::Config {
        server: config::Server {
            listen: any,
            body_bytes_max: 64 * 1024,
            trusted_proxies: vec![],
            client_certificate_header: None,
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(10),
            connections_max: 100,
            workers: 1,
        },
        admin: config::Admin {
            listen: any,
            token: Some(Secret::from(TOKEN)),
        },
        store: config::Store {
            path: "unused".into(),
            retention_days: 30,
        },
        log: config::Log {
            pretty: false,
            level: "info".into(),
        },
        feeds: sources.into_iter().map(feed).collect(),
        sinks: vec![],
        routes: vec![],
    }
}

/// The same with little patience, for tests that wait for it to end. Others would fail on a machine that is busy.
pub(crate) fn impatient(sources: Vec<Source>) -> config::Config {
    let mut config = config(sources);
    config.server.head_timeout = Duration::from_secs(1);
    config.server.body_timeout = Duration::from_secs(1);
    config
}

impl Standing {
    /// A gateway with these sources.
    pub(crate) async fn with(sources: Vec<Source>) -> Self {
        Self::of(&config(sources)).await
    }

    /// A gateway with this configuration.
    pub(crate) async fn of(config: &config::Config) -> Self {
        Self::of_with(config, |gateway| gateway).await
    }

    /// A gateway with this configuration and something more.
    pub(crate) async fn of_with(
        config: &config::Config,
        more: impl FnOnce(Gateway) -> Gateway,
    ) -> Self {
        let store = Arc::new(Moody::new());
        let workers = Arc::new(Workers::default());
        let metrics = Arc::new(Metrics::new());
        let effects: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&effects);
        let hooks = Hooks {
            identify,
            effect: Arc::new(move |effect| seen.lock().unwrap().push(format!("{effect:?}"))),
            demo_list: |alerts| json!({"Result": alerts.len(), "RetCode": 0}),
        };
        let plan = Plan::new(config, routes(store.sink(SINK).await), &metrics);
        let gateway = Arc::new(more(Gateway::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Clock::manual(Clock::machine().now()),
            metrics,
            Arc::clone(&workers) as Arc<dyn SinkControl>,
            hooks,
            plan,
        )));
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (outside, inside) = (listener(), listener());
        let (public, admin) = (outside.local_addr().unwrap(), inside.local_addr().unwrap());
        let servers = [
            http::public(Arc::clone(&gateway), outside, &config.server).unwrap(),
            http::admin(Arc::clone(&gateway), inside).unwrap(),
        ];
        let handles = servers.iter().map(actix_web::dev::Server::handle).collect();
        for server in servers {
            tokio::spawn(server);
        }
        Self {
            public,
            admin,
            store,
            workers,
            gateway,
            effects,
            handles,
        }
    }

    /// Sends a request to the public listener on a connection of its own.
    pub(crate) async fn send(&self, raw: impl AsRef<[u8]>) -> Reply {
        Wire::to(self.public).await.send(raw).await
    }

    /// Posts JSON to a path of the public listener.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(wire::post(
            path,
            "content-type: application/json\r\n",
            body.to_string().as_bytes(),
        ))
        .await
    }

    /// Asks the API as an operator.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let head = format!("authorization: Bearer {TOKEN}\r\nconnection: close\r\n");
        let raw = wire::request(method, path, &head, body.as_bytes());
        Wire::to(self.admin).await.send(raw).await
    }

    /// The value of a metric, by its whole name with labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.ask("GET", "/metrics", "").await.body;
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        found.unwrap_or(0.0)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        for handle in &self.handles {
            drop(handle.stop(false));
        }
    }
}

/// Every alert goes to the one sink, except those that say where not.
fn routes(sink: SinkId) -> Routes {
    Arc::new(move |alert: &Alert| {
        if alert.title == "unrouted" {
            vec![]
        } else {
            vec![sink]
        }
    })
}

fn identify(source: &str, report: &Report) -> ([u8; 16], u64) {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut id = DefaultHasher::new();
    (source, &report.message_id).hash(&mut id);
    let mut said = DefaultHasher::new();
    (&report.title, report.status == Status::Firing).hash(&mut said);
    (u128::from(id.finish()).to_be_bytes(), said.finish())
}

pub(crate) use wire::{post, request};
