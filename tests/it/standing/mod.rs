//! The two listeners of a gateway, on a store that a test can make fail, and a vendor for tests.

mod probe;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use campanile::config::{self, SourceSpec};
use campanile::delivery::{PausedBy, Phase, SinkState};
use campanile::http::{self, Gateway, Outside, SinkControl};
use campanile::snapshot::Snapshot;
use campanile::telemetry::Metrics;
use campanile_model::Clock;
use campanile_model::{Secret, StoreUrl};
use campanile_providers::{Effect, Needed, Source};
use campanile_sinks::{Delivered, Failure, Message, Sink};
use campanile_store::{Seq, SinkId, Store};
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::moody::Moody;
pub(crate) use probe::Probe;

/// The sink for the alerts of tests.
pub(crate) const SINK: &str = "webhook/oncall";

/// The operator's token, in tests that use one.
pub(crate) const TOKEN: &str = "operators-token";

/// A running gateway of a test.
pub(crate) struct Standing {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) store: Arc<Moody>,
    pub(crate) workers: Arc<Workers>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) effects: Arc<Mutex<Vec<String>>>,
    handles: Vec<ServerHandle>,
}

/// Records the calls to delivery.
#[derive(Default)]
pub(crate) struct Workers {
    pub(crate) poked: Mutex<Vec<(SinkId, Vec<Seq>)>>,
    pub(crate) forgotten: Mutex<Vec<(SinkId, Vec<Seq>)>>,
    pub(crate) hurried: Mutex<Vec<(SinkId, Vec<Seq>)>>,
    paused: Mutex<bool>,
}

impl SinkControl for Workers {
    fn states(&self) -> Vec<SinkState> {
        vec![self.state()]
    }
    fn poke(&self, sink: SinkId, seqs: &[Seq]) {
        self.poked.lock().unwrap().push((sink, seqs.to_vec()));
    }
    fn dropped(&self, sink: SinkId, seqs: &[Seq]) {
        self.forgotten.lock().unwrap().push((sink, seqs.to_vec()));
    }
    fn hurry(&self, sink: SinkId, seqs: &[Seq]) {
        self.hurried.lock().unwrap().push((sink, seqs.to_vec()));
    }
    fn pause(&self, name: &str) -> Option<SinkState> {
        *self.paused.lock().unwrap() |= name == SINK;
        (name == SINK).then(|| self.state())
    }
    fn resume(&self, name: &str) -> Option<SinkState> {
        *self.paused.lock().unwrap() &= name != SINK;
        (name == SINK).then(|| self.state())
    }
    fn sink(&self, name: &str) -> Option<Arc<dyn Sink>> {
        (name == SINK).then(|| Arc::new(Taking) as Arc<dyn Sink>)
    }
}

/// A sink whose receiver takes everything.
struct Taking;

impl Sink for Taking {
    fn send<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Result<Delivered, Failure>> {
        Box::pin(std::future::ready(Ok(Delivered::with_code(200))))
    }

    fn render(&self, message: &Message) -> Result<String, Failure> {
        Ok(message.delivery_id.clone())
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

/// A configuration with these sources and the default time limits.
pub(crate) fn config(sources: Vec<Source>) -> config::Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let spec = |source| SourceSpec {
        provider: Arc::new(Probe),
        source: Arc::new(source),
    };
    config::Config {
        server: config::Server {
            listen: any,
            public_url: None,
            body_bytes_max: 64 * 1024,
            trusted_proxies: vec![],
            client_certificate_header: None,
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(10),
            connections_max: 100,
            drain: None,
            workers: 1,
            tls: None,
        },
        admin: config::Admin {
            listen: any,
            public_url: None,
            token: Some(Secret::from(TOKEN)),
            tokens: vec![],
            proxy: None,
            tls: None,
        },
        store: config::Store {
            url: StoreUrl::Sqlite("unused".into()),
            retention_days: 30,
            copies: None,
        },
        log: config::Log {
            pretty: false,
            level: "info".into(),
        },
        otlp: None,
        own: config::Own {
            alerts: false,
            free_bytes_min: 0,
        },
        sources: sources.into_iter().map(spec).collect(),
        sinks: vec![],
        // Every alert goes to the one sink, except those with the title `unrouted`.
        routes: vec![config::Route {
            matching: config::Matching {
                when: Some("title != 'unrouted'".to_owned()),
                ..config::Matching::default()
            },
            sinks: vec![0],
            ..config::Route::default()
        }],
        routing: config::Routing::default(),
        windows: config::windows::Windows::new(),
        silences: vec![],
        tables: vec![],
        rewrites: vec![],
        text: "[store]\nretention_days = 30\n".into(),
        digests: std::collections::BTreeMap::new(),
    }
}

/// Records the effects that a provider requests. Fetches documents, if a test has any.
#[derive(Default)]
struct Beyond {
    effects: Arc<Mutex<Vec<String>>>,
    fetch: Option<Fetch>,
}

/// Fetches documents for a test.
pub(crate) type Fetch = Box<dyn Fn(Needed) -> BoxFuture<'static, Option<Arc<[u8]>>> + Send + Sync>;

impl Outside for Beyond {
    fn document(&self, needed: Needed) -> BoxFuture<'static, Option<Arc<[u8]>>> {
        match &self.fetch {
            Some(fetch) => fetch(needed),
            None => Box::pin(std::future::ready(None)),
        }
    }

    fn carry_out(&self, effect: Effect) {
        self.effects.lock().unwrap().push(format!("{effect:?}"));
    }
}

/// The same with short time limits, for tests of these limits. Other tests would fail with them on a busy machine.
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
        Self::fetching(config, |_| None).await
    }

    /// A gateway with this configuration that fetches documents.
    pub(crate) async fn fetching(
        config: &config::Config,
        fetch: impl FnOnce(&Clock) -> Option<Fetch>,
    ) -> Self {
        let store = Arc::new(Moody::new());
        let workers = Arc::new(Workers::default());
        let clock = Clock::manual(Clock::machine().now());
        let effects: Arc<Mutex<Vec<String>>> = Arc::default();
        let beyond = Beyond {
            effects: Arc::clone(&effects),
            fetch: fetch(&clock),
        };
        let sink = store.sink(SINK).await;
        let snapshot = Snapshot::new(config, &[sink]).unwrap();
        let gateway = Arc::new(Gateway::new(
            Arc::clone(&store) as Arc<dyn Store>,
            clock,
            Arc::new(Metrics::new()),
            Arc::clone(&workers) as Arc<dyn SinkControl>,
            Arc::new(beyond),
            (snapshot, config.admin.clone()),
        ));
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (outside, inside) = (listener(), listener());
        let (public, admin) = (outside.local_addr().unwrap(), inside.local_addr().unwrap());
        let servers = [
            http::public(Arc::clone(&gateway), outside, &config.server, None).unwrap(),
            campanile::admin::serve(Arc::clone(&gateway), inside, None).unwrap(),
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

    /// Applies another configuration.
    pub(crate) async fn follow(&self, config: &config::Config) {
        let sink = self.store.sink(SINK).await;
        let snapshot = Snapshot::new(config, &[sink]).unwrap();
        self.gateway.follow(snapshot, config.admin.clone());
    }

    /// Sends a request to the public listener on a new connection.
    pub(crate) async fn send(&self, raw: impl AsRef<[u8]>) -> Reply {
        Wire::to(self.public).await.send(raw).await
    }

    /// Posts JSON to a path of the public listener.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(post(
            path,
            "content-type: application/json\r\n",
            body.to_string().as_bytes(),
        ))
        .await
    }

    /// Sends a request to the API as an admin.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        self.ask_as(TOKEN, &format!("{method} {path}"), body).await
    }

    /// Sends a request to the API with the token of somebody.
    pub(crate) async fn ask_as(&self, token: &str, line: &str, body: &str) -> Reply {
        let json = "content-type: application/json\r\n";
        let head = format!("authorization: Bearer {token}\r\nconnection: close\r\n{json}");
        let (method, path) = line.split_once(' ').unwrap();
        let raw = request(method, path, &head, body.as_bytes());
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

pub(crate) use campanile_wire::{Reply, Wire, post, request};
