//! The admin listener: the API and the pages for operators, health and metrics.

use std::net::TcpListener;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, web};

use crate::http::connection::{self, Limits};
use crate::http::{Gateway, KEEP_ALIVE, Shown};
use crate::telemetry::Metrics;
use crate::{api, page};

/// The largest number of open connections.
const CONNECTIONS_MAX: usize = 256;

/// The limits of a connection. A request may take a minute, because a long list is slow.
const LIMITS: Limits = Limits {
    workers: 1,
    connections: CONNECTIONS_MAX,
    head: Duration::from_secs(5),
    request: Duration::from_mins(1),
    keep_alive: KEEP_ALIVE,
    // It closes last, when the sends have had their time. Streams have ended then, and a list can be asked for again.
    stop: Duration::from_secs(2),
};

/// How often old samples of histograms are merged.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Serves operators on `listener`, with TLS if there is a certificate, until the handle of the server stops it. Must be called
/// inside a Tokio runtime.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<&Arc<Shown>>,
) -> std::io::Result<Server> {
    tokio::spawn(upkeep(Arc::downgrade(&gateway.metrics)));
    let streams = web::Data::new(api::StreamHub::new(Arc::clone(&gateway)));
    let data = web::Data::from(gateway);
    let jobs = web::Data::new(api::Jobs::here());
    let keyed = web::Data::new(api::Keyed::default());
    let logins = web::Data::new(api::login::Logins::default());
    let factory = move || {
        // The middleware that is added last runs first.
        App::new()
            .app_data(data.clone())
            .app_data(streams.clone())
            .app_data(jobs.clone())
            .app_data(keyed.clone())
            .app_data(logins.clone())
            .wrap(from_fn(api::shaped))
            .wrap(from_fn(page::counted))
            .wrap(from_fn(api::admit))
            .wrap(from_fn(api::guarded))
            .wrap(from_fn(page::failures))
            .configure(page::routes)
            .configure(api::routes)
            .default_service(web::to(api::nothing_here))
    };
    connection::serve(listener, LIMITS, tls, factory)
}

/// Merges old samples of histograms periodically, until the metrics are dropped.
async fn upkeep(metrics: Weak<Metrics>) {
    while let Some(metrics) = metrics.upgrade() {
        metrics.upkeep();
        drop(metrics);
        tokio::time::sleep(UPKEEP_EVERY).await;
    }
}
