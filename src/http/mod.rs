//! The public listener, which vendors call.
//!
//! A [`Gateway`] lives as long as the process and holds what both listeners need; a [`Plan`] is what one configuration
//! says, and is replaced whole on reload. What the other parts do is handed in as [`Hooks`] and [`SinkControl`], so that
//! this module knows no worker and no sink. The listener for operators is in `src/api`.

pub mod address;
mod body;
mod callback;
pub(crate) mod connection;
mod demo;
mod drift;
mod ending;
mod handshake;
mod ingest;
pub(crate) mod reading;
mod shared;
mod target;

use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, web};
use campanile_model::{Alert, Report};
use campanile_providers::{Effect, Needed, Source};
use futures_util::future::BoxFuture;
use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;
use url::Url;

use connection::Limits;

use crate::config::{self, Feed};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::SourceMeters;
use campanile_model::Clock;
use campanile_store::{DedupKey, Seq, SinkId, Store};

/// A connection on which nothing is asked for so long is closed.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// What both listeners need, for the life of the process.
pub struct Gateway {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The workers, as far as operators may steer them.
    pub sinks: Arc<dyn SinkControl>,
    /// What other parts do.
    pub hooks: Hooks,
    certificates: Certificates,
    plan: RwLock<Arc<Plan>>,
    stopping: AtomicBool,
}

/// What other parts of the program do for this one.
#[derive(Clone)]
pub struct Hooks {
    /// Names a source's message: its dedup key, and a hash over what it says.
    pub identify: fn(&str, &Report) -> (DedupKey, u64),
    /// Does something for a vendor, later and elsewhere. Must not block.
    pub effect: Arc<dyn Fn(Effect) + Send + Sync>,
    /// What UCloud's demo server lists.
    pub demo_list: fn(&[Alert]) -> serde_json::Value,
}

/// Fetches the certificate or the keys at an address that a provider has found to be its vendor's. None when it cannot be
/// had, or not now.
pub type Certificates = Arc<dyn Fn(Needed) -> BoxFuture<'static, Option<Arc<[u8]>>> + Send + Sync>;

/// Says which sinks an alert is owed to, by number.
pub type Routes = Arc<dyn Fn(&Alert) -> Vec<SinkId> + Send + Sync>;

/// What one configuration says.
pub struct Plan {
    pub(crate) inlets: Vec<Inlet>,
    by_name: HashMap<String, usize>,
    /// The paths of the sources' own protocols.
    own_paths: Vec<&'static str>,
    routes: Routes,
    trusted_proxies: Vec<IpNet>,
    client_certificate_header: Option<String>,
    body_bytes_max: usize,
    body_timeout: Duration,
    pub(crate) admin: config::Admin,
    pub(crate) public_url: Option<Url>,
}

/// One source, ready to be called.
pub(crate) struct Inlet {
    pub(crate) feed: Feed,
    pub(crate) name: Arc<str>,
    pub(crate) meters: Arc<SourceMeters>,
}

impl Inlet {
    pub(crate) fn source(&self) -> &Source {
        &self.feed.source
    }

    fn routes(&self) -> &[campanile_providers::Route] {
        &self.feed.provider.about().routes
    }

    /// Whether its protocol's senders use this path.
    fn has_path(&self, path: &str) -> bool {
        self.routes().iter().any(|route| route.path == path)
    }
}

/// The workers, as far as operators may steer them.
pub trait SinkControl: Send + Sync {
    /// The configured sinks, in the order of the file.
    fn states(&self) -> Vec<SinkState>;
    /// This sink is owed these alerts now. Must not block.
    fn poke(&self, sink: SinkId, seqs: &[Seq]);
    /// An operator dropped these deliveries. Must not block.
    fn forget(&self, sink: SinkId, seqs: &[Seq]);
    /// Sends nothing to this sink until told otherwise. False when it is not configured.
    fn pause(&self, name: &str) -> bool;
    /// Sends again. False when it is not configured.
    fn resume(&self, name: &str) -> bool;
}

/// How one configured sink is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SinkState {
    /// The full name, such as `webhook/oncall`.
    pub name: String,
    /// One word: `ok`, `waiting`, `open`, `paused`.
    pub state: String,
    /// Sends under way.
    pub in_flight: usize,
    /// When it last took something.
    pub last_success_at: Option<Timestamp>,
    /// What went wrong last, without secrets.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
    /// It is left alone until then.
    pub retry_at: Option<Timestamp>,
}

impl Plan {
    /// What `config` says, with routes that give sinks' numbers.
    pub fn new(config: &config::Config, routes: Routes, metrics: &Metrics) -> Self {
        let inlets: Vec<Inlet> = config
            .feeds
            .iter()
            .map(|feed| Inlet {
                feed: feed.clone(),
                name: feed.source.name.as_str().into(),
                meters: metrics.source(&feed.source.name),
            })
            .collect();
        let names = inlets.iter().enumerate();
        let own_routes = inlets.iter().flat_map(Inlet::routes);
        let mut own_paths: Vec<&'static str> = own_routes.map(|route| route.path).collect();
        own_paths.sort_unstable();
        own_paths.dedup();
        Self {
            own_paths,
            by_name: names
                .map(|(i, inlet)| (inlet.name.to_string(), i))
                .collect(),
            inlets,
            routes,
            trusted_proxies: config.server.trusted_proxies.clone(),
            client_certificate_header: config.server.client_certificate_header.clone(),
            body_bytes_max: config.server.body_bytes_max,
            body_timeout: config.server.body_timeout,
            admin: config.admin.clone(),
            public_url: config.server.public_url.clone(),
        }
    }

    pub(crate) fn inlet(&self, name: &str) -> Option<&Inlet> {
        self.inlets.get(*self.by_name.get(name)?)
    }
}

impl Gateway {
    /// A gateway that follows `plan`.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        metrics: Arc<Metrics>,
        sinks: Arc<dyn SinkControl>,
        hooks: Hooks,
        plan: Plan,
    ) -> Self {
        Self {
            store,
            clock,
            metrics,
            sinks,
            hooks,
            certificates: Arc::new(|_| Box::pin(std::future::ready(None))),
            plan: RwLock::new(Arc::new(plan)),
            stopping: AtomicBool::new(false),
        }
    }

    /// The same gateway, with a way to get vendors' certificates and keys. Without one, what needs them is put off.
    #[must_use]
    pub fn with_certificates(mut self, certificates: Certificates) -> Self {
        self.certificates = certificates;
        self
    }

    /// Follows another plan from the next request on; those under way end by the old one.
    pub fn follow(&self, plan: Plan) {
        *self.plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }

    /// Says that the process is about to stop: `/readyz` is false from now on.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Serves vendors on `listener` until the server's handle is told to stop.
pub fn public(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    server: &config::Server,
) -> std::io::Result<Server> {
    let data = web::Data::from(gateway);
    let factory = move || {
        App::new()
            .app_data(data.clone())
            .default_service(web::to(ingest::serve))
    };
    let limits = Limits {
        workers: server.workers.max(1),
        connections: server.connections_max,
        head: server.head_timeout,
        request: server.head_timeout + server.body_timeout + ingest::ANSWER_WITHIN,
        keep_alive: KEEP_ALIVE,
    };
    connection::serve(listener, limits, factory)
}
