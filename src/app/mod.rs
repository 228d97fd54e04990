//! Starts the gateway from a configuration, reloads it and stops it. The only module that depends on every other one.

pub mod certificates;
mod descriptors;
mod duties;
mod mutes;
mod plan;
mod replica;
mod run;
mod stop;
mod troubles;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use run::run;
use troubles::Troubles;

use certificates::Documents;
use mutes::Mutes;
use replica::Replica;

use crate::admin;
use crate::config::Config;
use crate::delivery::gate::Gate;
use crate::delivery::{Delivery, Observer};
use crate::http::news::News;
use crate::http::{self, Gateway, Shown};
use crate::snapshot::RouteMistake;
use crate::telemetry::{DeliveryLog, Metrics, Traces};
use campanile_model::Clock;
use campanile_sinks::BuildError;
use campanile_store::{self, Opened, Store};

/// The reasons that keep the gateway from starting, or from applying a new configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened or read.
    #[error("the gateway cannot use the store: {0}")]
    Store(#[from] campanile_store::Error),
    /// A sink cannot be built.
    #[error("the sink {name} cannot be built: {error}")]
    Sink {
        /// The full name of the sink.
        name: String,
        /// The problem with its settings.
        error: BuildError,
    },
    /// The exporter of traces cannot start.
    #[error("traces cannot be sent: `[telemetry.otlp]` {0}")]
    Traces(BuildError),
    /// A route cannot be compiled.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Routes(Vec<RouteMistake>),
    /// A listener cannot bind its address.
    #[error("cannot listen on {address}: {error}. {}", listen_advice(.error))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        error: std::io::Error,
    },
    /// These settings cannot change while the gateway runs.
    #[error("{} cannot change while the gateway runs: restart the gateway", .0.join(", "))]
    NeedsRestart(Vec<&'static str>),
}

fn listen_advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "Another program uses this port. Stop that program, or choose another port."
        }
        std::io::ErrorKind::PermissionDenied => {
            "Ports below 1024 need a privilege. Choose a port from 1024 to 65535."
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "This machine does not have this address. Use 0.0.0.0, 127.0.0.1 or an address of this machine."
        }
        _ => "Check the address in the config.",
    }
}

/// A running gateway.
pub struct App {
    gateway: Arc<Gateway>,
    delivery: Delivery,
    /// This gateway among others that share the store.
    replica: Option<Replica>,
    beating: Option<JoinHandle<()>>,
    /// Gives the sinks back, once it has begun to stop.
    leaving: Option<JoinHandle<()>>,
    store: Arc<dyn Store>,
    listeners: Vec<Listener>,
    pruning: JoinHandle<()>,
    retention_days: watch::Sender<u32>,
    troubles: Arc<Troubles>,
    looking: JoinHandle<()>,
    mutes: Arc<Mutes>,
    /// Reads the silences that other gateways make.
    muting: Option<JoinHandle<()>>,
    watched: watch::Sender<troubles::Settings>,
    config: Mutex<Config>,
    /// The certificates of the public and the admin listener; `None` for a listener without TLS.
    shown: [Option<Arc<Shown>>; 2],
}

/// One of the two listeners.
struct Listener {
    address: SocketAddr,
    handle: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
}

impl App {
    /// Starts everything that `config` configures. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The first part that did not start, and the fix. Nothing is left running.
    pub async fn start(config: Config, clock: Clock, metrics: Arc<Metrics>) -> Result<Self, Error> {
        Self::start_with(config, clock, metrics, false).await
    }

    /// [`Self::start`]; with `hold`, every sink is paused until an operator resumes it.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(
        config: Config,
        clock: Clock,
        metrics: Arc<Metrics>,
        hold: bool,
    ) -> Result<Self, Error> {
        let mut server = config.server.clone();
        server.connections_max = descriptors::connections(&config, descriptors::raised());
        let public = listen(config.server.listen)?;
        let admin = listen(config.admin.listen)?;
        let Opened { store, membership } =
            campanile_store::open(&config.store.url, config.store.copies).await?;
        let sinks = plan::sinks(&config, &*store).await?;
        let snapshot = plan::snapshot(&config, &sinks)?;
        let start = |otlp| Traces::start(otlp, clock.clone(), metrics.spans_dropped());
        let traces = config.otlp.as_ref().map(start).transpose();
        let traces = traces.map_err(Error::Traces)?;
        let news = Arc::new(News::new(clock.clone()));
        let observer = Arc::new(plan::Observers {
            log: DeliveryLog::new(Arc::clone(&metrics)),
            news: Arc::clone(&news),
            traces: traces.clone(),
        });
        let mutes = Arc::new(Mutes::load(&store, &clock, &snapshot).await?);
        let gate: Arc<dyn Gate> = Arc::<Mutes>::clone(&mutes);
        let (delivery, replica) = match membership {
            Some(membership) => {
                let store = Arc::clone(&store);
                let configured = (sinks, config.digests.clone());
                let events: Arc<dyn Observer> = observer;
                let watched = (events, Arc::clone(&gate));
                let shared = replica::start(store, membership, configured, &clock, watched, hold);
                let (delivery, replica) = shared.await?;
                (delivery, Some(replica))
            }
            None if hold => {
                let store = Arc::clone(&store);
                let paused = Delivery::start_held(store, sinks, clock.clone(), observer, gate);
                (paused, None)
            }
            None => {
                let store = Arc::clone(&store);
                let delivery = Delivery::start(store, sinks, clock.clone(), observer, gate);
                (delivery, None)
            }
        };
        let internet = plan::Internet {
            documents: Documents::new(clock.clone(), certificates::REACH),
            clock: clock.clone(),
        };
        let mut gateway = Gateway::new(
            Arc::clone(&store),
            clock.clone(),
            Arc::clone(&metrics),
            Arc::new(plan::Workers {
                delivery: delivery.clone(),
                replica: replica.clone(),
                mutes: Arc::clone(&mutes),
            }),
            Arc::new(internet),
            (snapshot, config.admin.clone()),
        );
        gateway.news = news;
        gateway.traces = traces;
        let gateway = Arc::new(gateway);
        let shown = config
            .tls()
            .map(|tls| Some(Arc::new(Shown::new(&tls?.pair))));
        let [outside, inside] = shown.each_ref().map(Option::as_ref);
        let listeners = vec![
            serve(public, |listener| {
                http::public(Arc::clone(&gateway), listener, &server, outside)
            })?,
            serve(admin, |listener| {
                admin::serve(Arc::clone(&gateway), listener, inside)
            })?,
        ];
        let (retention_days, watched) = watch::channel(config.store.retention_days);
        let pruning = duties::start(&store, &clock, watched);
        let (watched, settings) = watch::channel(plan::watched(&config));
        let troubles = Troubles::new(&gateway, settings);
        let looking = troubles.start();
        // Last: nothing after this can fail, so nothing is left running.
        let beating = replica.as_ref().map(Replica::beat_on);
        let shares = replica.is_some();
        let muting =
            shares.then(|| duties::follow_silences(Arc::clone(&mutes), delivery.clone(), &clock));
        Ok(Self {
            gateway,
            delivery,
            replica,
            beating,
            leaving: None,
            store,
            listeners,
            pruning,
            retention_days,
            troubles,
            looking,
            mutes,
            muting,
            watched,
            config: Mutex::new(config),
            shown,
        })
    }

    /// The address that vendors call.
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.listeners.first().map(|listener| listener.address)
    }

    /// The address for operators.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.listeners.last().map(|listener| listener.address)
    }

    /// The delivery workers, for tests that move the clock.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Looks for the gateway's own troubles now, for tests that move the clock.
    pub async fn look_at_itself(&self) {
        self.troubles.look().await;
    }

    /// Applies a new configuration as a whole. On an error, the old one stays in force as a whole.
    pub async fn reload(&self, new: Config) -> Result<(), Error> {
        let fixed = self
            .config
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .diff_needs_restart(&new);
        if !fixed.is_empty() {
            return Err(Error::NeedsRestart(fixed));
        }
        let sinks = plan::sinks(&new, &*self.store).await?;
        let snapshot = plan::snapshot(&new, &sinks)?;
        // Workers first: the new snapshot may send an alert to a new sink.
        match &self.replica {
            Some(replica) => replica.replace(sinks, new.digests.clone()).await,
            None => self.delivery.replace(sinks),
        }
        self.mutes.follow(&snapshot);
        self.delivery.gate_changed();
        self.gateway.follow(snapshot, new.admin.clone());
        self.retention_days.send_replace(new.store.retention_days);
        self.watched.send_replace(plan::watched(&new));
        for (shown, tls) in self.shown.iter().zip(new.tls()) {
            if let (Some(shown), Some(tls)) = (shown, tls) {
                shown.replace(&tls.pair);
            }
        }
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Waits until this program cannot use the store any more, because a newer one has migrated it.
    pub async fn outgrown(&self) -> Error {
        match &self.replica {
            Some(replica) => Error::Store(replica.ends().await),
            None => std::future::pending().await,
        }
    }

    /// Keeps for operators why a changed configuration is not in force.
    pub fn refuse(&self, reason: String) {
        self.gateway.refuse(reason);
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let failed = |error| Error::Listen { address, error };
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        None,
    )
    .map_err(failed)?;
    // Connections of a gateway that has just stopped can keep the address busy. This option allows to bind it at once.
    socket.set_reuse_address(true).map_err(failed)?;
    socket.bind(&address.into()).map_err(failed)?;
    // Vendors connect in bursts. The kernel queues up to 2048 connections.
    socket.listen(2048).map_err(failed)?;
    Ok(socket.into())
}

fn serve(
    listener: TcpListener,
    server: impl FnOnce(TcpListener) -> std::io::Result<actix_web::dev::Server>,
) -> Result<Listener, Error> {
    let failed = |error| Error::Listen {
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        error,
    };
    let address = listener.local_addr().map_err(failed)?;
    let server = server(listener).map_err(|error| Error::Listen { address, error })?;
    Ok(Listener {
        address,
        handle: server.handle(),
        serving: tokio::spawn(server),
    })
}
