//! Builds the gateway from a configuration, and takes it down again. The only place that knows every part.

pub mod certificates;
mod descriptors;
mod duties;
mod plan;
mod run;

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::ServerHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use run::run;

use certificates::Documents;

use crate::api;
use crate::config::Config;
use crate::delivery::{Delivery, STOP_GRACE};
use crate::http::{self, Gateway, Shown};
use crate::snapshot::RouteMistake;
use crate::telemetry::{DeliveryLog, Metrics};
use campanile_model::Clock;
use campanile_sinks::BuildError;
use campanile_store::{self, Store};

/// Why the gateway did not start, or did not take a new configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened.
    #[error("the store: {0}")]
    Store(#[from] campanile_store::Error),
    /// A sink cannot be built.
    #[error("the sink {name}: {error}")]
    Sink {
        /// Its full name.
        name: String,
        /// What is wrong with its settings.
        error: BuildError,
    },
    /// A route cannot be compiled.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Routes(Vec<RouteMistake>),
    /// A listener cannot be opened.
    #[error("cannot listen on {address}: {error}. {}", listen_advice(.error))]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// Settings that a running gateway cannot change.
    #[error("{} cannot change while the gateway runs: restart it", .0.join(", "))]
    NeedsRestart(Vec<&'static str>),
}

fn listen_advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "Another program has this port: stop it, or choose another port."
        }
        std::io::ErrorKind::PermissionDenied => {
            "Ports under 1024 need a privilege: choose a higher one."
        }
        std::io::ErrorKind::AddrNotAvailable => "This machine does not have this address.",
        _ => "Look at the address in the config.",
    }
}

/// A running gateway.
pub struct App {
    gateway: Arc<Gateway>,
    delivery: Delivery,
    store: Arc<dyn Store>,
    listeners: Vec<Listener>,
    pruning: JoinHandle<()>,
    retention_days: watch::Sender<u32>,
    config: Mutex<Config>,
    /// The certificates of the public and of the admin listener, where they serve TLS.
    shown: [Option<Arc<Shown>>; 2],
}

/// One of the two listeners.
struct Listener {
    address: SocketAddr,
    handle: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
}

impl App {
    /// Starts everything that `config` asks for. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The first thing that did not start, with what to do about it; nothing is left running.
    pub async fn start(config: Config, clock: Clock, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let mut server = config.server.clone();
        server.connections_max = descriptors::connections(&config, descriptors::raised());
        let public = listen(config.server.listen)?;
        let admin = listen(config.admin.listen)?;
        let store = campanile_store::open(&config.store.url)?;
        let sinks = plan::sinks(&config, &*store).await?;
        let snapshot = plan::snapshot(&config, &sinks)?;
        let observer = Arc::new(DeliveryLog::new(Arc::clone(&metrics)));
        let delivery = Delivery::start(Arc::clone(&store), sinks, clock.clone(), observer);
        let internet = plan::Internet {
            documents: Documents::new(clock.clone(), certificates::REACH),
            clock: clock.clone(),
        };
        let gateway = Gateway::new(
            Arc::clone(&store),
            clock.clone(),
            Arc::clone(&metrics),
            Arc::new(plan::Workers(delivery.clone())),
            Arc::new(internet),
            (snapshot, config.admin.clone()),
        );
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
                api::serve(Arc::clone(&gateway), listener, inside)
            })?,
        ];
        let (retention_days, watched) = watch::channel(config.store.retention_days);
        let pruning = duties::start(&store, &clock, watched);
        Ok(Self {
            gateway,
            delivery,
            store,
            listeners,
            pruning,
            retention_days,
            config: Mutex::new(config),
            shown,
        })
    }

    /// Where vendors call.
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.listeners.first().map(|listener| listener.address)
    }

    /// Where operators look.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.listeners.last().map(|listener| listener.address)
    }

    /// The workers, for those who drive the clock.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Where everything is kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Takes a new configuration whole, or leaves the old one whole.
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
        self.delivery.replace(sinks);
        self.gateway.follow(snapshot, new.admin.clone());
        self.retention_days.send_replace(new.store.retention_days);
        for (shown, tls) in self.shown.iter().zip(new.tls()) {
            if let (Some(shown), Some(tls)) = (shown, tls) {
                shown.replace(&tls.pair);
            }
        }
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Stops: takes no more callbacks, ends what is under way, writes what came of it. At most 25 s and a little.
    pub async fn stop(self) {
        self.gateway.stopping();
        self.pruning.abort();
        let (public, admin): (Vec<_>, Vec<_>) = self
            .listeners
            .into_iter()
            .enumerate()
            .partition(|(number, _)| *number == 0);
        let close = async |listeners: Vec<(usize, Listener)>| {
            for (_, listener) in listeners {
                listener.handle.stop(true).await;
                // Stopped means that it serves no more; what its future says then is of no use.
                let _ended = listener.serving.await;
            }
        };
        tokio::join!(close(public), self.delivery.stop(STOP_GRACE));
        close(admin).await;
        if let Err(error) = self.store.close().await {
            tracing::error!(error = %error, "the store did not close well; what was answered is in its log");
        }
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
    // A gateway that was just stopped leaves connections behind; its address is free all the same.
    socket.set_reuse_address(true).map_err(failed)?;
    socket.bind(&address.into()).map_err(failed)?;
    // Vendors come in waves; what waits here waits in the kernel.
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
