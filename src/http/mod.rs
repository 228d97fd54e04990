//! The public listener, for the callbacks of vendors.
//!
//! A [`Gateway`] lives as long as the process and holds what both listeners need. A reload replaces its [`Snapshot`] as
//! a whole. [`SinkControl`] and [`Outside`] are implemented in `src/app`: this module does not depend on the workers or
//! on an HTTP client. The listener for operators is in `src/api`.

pub mod address;
pub(crate) mod arrival;
mod body;
pub(crate) mod callback;
pub(crate) mod commit;
pub(crate) mod connection;
mod ending;
mod ingest;
mod list;
pub mod news;
mod peer;
pub(crate) mod recent;
mod redacted;
mod remarks;
mod tls;
mod traced;

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, web};
use campanile_providers::{Effect, Needed};
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use connection::Limits;
use news::News;
pub use peer::PeerState;
use recent::Recent;
pub use tls::Shown;

use crate::config;
use crate::delivery::SinkState;
use crate::pipeline::rewrite::Why;
use crate::snapshot::{Snapshot, Source};
use crate::telemetry::metrics::SourceMeters;
use crate::telemetry::{Metrics, Traces};
use campanile_model::Clock;
use campanile_sinks::Sink;
use campanile_store::{Seq, SinkId, Store};

/// A connection without a request for this long is closed.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// When the listener of vendors stops, requests in progress may take this long: a body and its answer.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Near misses are logged at most once in this time, in milliseconds.
const NEAR_MISS_EVERY_MS: i64 = 10_000;

/// The state that both listeners share, for the life of the process.
pub struct Gateway {
    /// The store of alerts, deliveries and quarantine.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The workers, as far as operators can control them.
    pub sinks: Arc<dyn SinkControl>,
    /// Requests to other hosts.
    pub outside: Arc<dyn Outside>,
    /// What just happened. It wakes its reader when alerts were accepted; the events of delivery come from its observer.
    pub news: Arc<News>,
    /// Traces, if they are configured.
    pub traces: Option<Arc<Traces>>,
    current: RwLock<Arc<Current>>,
    near_miss_ms: AtomicI64,
    /// When it started.
    pub(crate) started_at: Timestamp,
    refused: RwLock<Option<Refused>>,
    /// The last callbacks that the store does not have.
    pub(crate) recent: Recent,
    stopping: AtomicBool,
}

/// Sends the requests to other hosts that a vendor's protocol needs.
pub trait Outside: Send + Sync {
    /// Fetches the certificate or the keys at an address that a provider has checked. `None` when the fetch fails.
    fn document(&self, needed: Needed) -> BoxFuture<'static, Option<Arc<[u8]>>>;
    /// Starts an action that a vendor's protocol needs, in the background. Must not block.
    fn carry_out(&self, effect: Effect);
}

/// A changed configuration that was not applied.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// When it was read.
    pub(crate) at: Timestamp,
    /// Every mistake in it, without secrets.
    pub(crate) reason: String,
}

/// The snapshot in force, and the counters of its sources.
pub(crate) struct Current {
    pub(crate) snapshot: Snapshot,
    pub(crate) admin: config::Admin,
    meters: Vec<Arc<SourceMeters>>,
}

impl Current {
    fn new(snapshot: Snapshot, admin: config::Admin, metrics: &Metrics) -> Self {
        let sources = snapshot.sources.iter();
        for rewrite in snapshot.rewrites.names() {
            metrics.rewrite(rewrite, Why::ALL.map(Why::word));
        }
        Self {
            meters: sources.map(|source| metrics.source(&source.name)).collect(),
            snapshot,
            admin,
        }
    }

    /// The counters of a source.
    pub(crate) fn meters(&self, source: &Source) -> Option<&SourceMeters> {
        self.meters.get(source.number).map(|meters| &**meters)
    }
}

/// The workers, as far as operators can control them.
pub trait SinkControl: Send + Sync {
    /// The configured sinks, in the order of the file.
    fn states(&self) -> Vec<SinkState>;
    /// Reports that these alerts are now pending for this sink. Must not block.
    fn poke(&self, sink: SinkId, seqs: &[Seq]);
    /// Pauses or resumes a sink at the gateway that delivers for it, when several share the store.
    fn share_pause(
        &self,
        _name: &str,
        _paused: bool,
    ) -> BoxFuture<'_, Result<(), campanile_store::Error>> {
        Box::pin(async { Ok(()) })
    }
    /// Silences were made or ended: those of the store are in force here when this returns.
    fn silences_changed(&self) -> BoxFuture<'_, Result<(), campanile_store::Error>> {
        Box::pin(async { Ok(()) })
    }
    /// Reports that an operator dropped these deliveries. Must not block.
    fn dropped(&self, sink: SinkId, seqs: &[Seq]);
    /// Reports that an operator wants these pending deliveries attempted now. Must not block.
    fn hurry(&self, sink: SinkId, seqs: &[Seq]);
    /// Pauses a sink: nothing is sent to it until it is resumed. Returns its new state, or `None` when the sink is not
    /// configured.
    fn pause(&self, name: &str) -> Option<SinkState>;
    /// Resumes a sink. Returns its new state, or `None` when the sink is not configured.
    fn resume(&self, name: &str) -> Option<SinkState>;
    /// The gateways that share the store, the one that has run longest first. Empty if the store is a file.
    fn gateways(&self) -> Vec<PeerState> {
        Vec::new()
    }
    /// The sink itself, to show what it would send or to send a test. `None` when the sink is not configured.
    fn sink(&self, name: &str) -> Option<Arc<dyn Sink>>;
}

impl Gateway {
    /// Creates a gateway with this configuration.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        metrics: Arc<Metrics>,
        sinks: Arc<dyn SinkControl>,
        outside: Arc<dyn Outside>,
        (snapshot, admin): (Snapshot, config::Admin),
    ) -> Self {
        let current = Current::new(snapshot, admin, &metrics);
        Self {
            store,
            news: Arc::new(News::new(clock.clone())),
            started_at: clock.now(),
            refused: RwLock::default(),
            clock,
            metrics,
            sinks,
            outside,
            traces: None,
            current: RwLock::new(Arc::new(current)),
            near_miss_ms: AtomicI64::new(i64::MIN),
            recent: Recent::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Replaces the configuration from the next request on. Requests in progress end with the old one.
    pub fn follow(&self, snapshot: Snapshot, admin: config::Admin) {
        let current = Current::new(snapshot, admin, &self.metrics);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
        *self.refused.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Keeps for operators why a changed configuration is not in force. The next one that is in force ends it.
    pub fn refuse(&self, reason: String) {
        let refused = Refused {
            at: self.clock.now(),
            reason,
        };
        *self.refused.write().unwrap_or_else(PoisonError::into_inner) = Some(refused);
    }

    /// Why the last changed configuration is not in force.
    pub(crate) fn refused(&self) -> Option<Refused> {
        let refused = self.refused.read();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Marks the process as stopping: `/readyz` answers 503 from now on, and streams end.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.news.stop();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    pub(crate) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Logs a request to a path that is nearly the address of `source`. Any sender can cause it, so the rate is
    /// limited.
    fn near_miss(&self, server: &config::Server, source: &Source) {
        let now = self.clock.now().as_millisecond();
        let last = self.near_miss_ms.load(Ordering::Relaxed);
        let waits = now.saturating_sub(last) < NEAR_MISS_EVERY_MS;
        let won = |last| {
            let (set, read) = (Ordering::Relaxed, Ordering::Relaxed);
            let swapped = self.near_miss_ms.compare_exchange(last, now, set, read);
            swapped.is_ok()
        };
        if !waits && won(last) {
            let (source, address) = (&*source.name, server.address(&source.settings));
            tracing::warn!(
                source,
                address,
                "a request to a path that is nearly the address of a source got 404"
            );
        }
    }
}

/// Serves vendors on `listener` until the handle of the server stops it. `tls` is the certificate of a listener with
/// TLS.
pub fn public(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    server: &config::Server,
    tls: Option<&Arc<Shown>>,
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
        request: server.head_timeout + server.body_timeout + commit::ANSWER_WITHIN,
        keep_alive: KEEP_ALIVE,
        stop: STOP_WITHIN,
    };
    connection::serve(listener, limits, tls, factory)
}
