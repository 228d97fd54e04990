//! The admin listener: health, metrics, and the operators' API under `/api/v1`.
//!
//! [`guard`] closes it to other web pages, [`auth`] asks for the token.
//! Lists are pages, newest first: `{"items":[...],"next":"..."}`, where `next` goes into `before`.

mod alerts;
mod auth;
mod dead;
mod deliveries;
mod error;
mod guard;
mod health;
mod openapi;
mod quarantine;
mod query;
mod renormalize;
mod sinks;
mod sources;
pub mod types;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, web};

use crate::http::connection::{self, Limits};
use crate::http::{Gateway, KEEP_ALIVE, Shown};
use crate::telemetry::Metrics;
use campanile_store::{Seq, SinkId};
use error::ApiError;

/// Connections of operators at the same time.
const CONNECTIONS_MAX: usize = 256;

/// A long list takes its time.
const LIMITS: Limits = Limits {
    workers: 1,
    connections: CONNECTIONS_MAX,
    head: Duration::from_secs(5),
    request: Duration::from_mins(1),
    keep_alive: KEEP_ALIVE,
};

/// How often histograms are folded.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// What handlers give.
type Failing<T> = Result<T, ApiError>;

/// The body of a command at the most.
const COMMAND_BYTES_MAX: usize = 256 * 1024;

/// Serves operators on `listener`, with TLS if there is a certificate, until the server's handle stops it. Call it inside
/// a Tokio runtime.
pub fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    tls: Option<&Arc<Shown>>,
) -> std::io::Result<Server> {
    tokio::spawn(upkeep(Arc::downgrade(&gateway.metrics)));
    let data = web::Data::from(gateway);
    let factory = move || {
        // What is wrapped last is asked first.
        App::new()
            .app_data(data.clone())
            .wrap(from_fn(auth::bearer))
            .wrap(from_fn(guard::pages))
            .configure(health::routes)
            .configure(routes)
            .default_service(web::to(nothing_here))
    };
    connection::serve(listener, LIMITS, tls, factory)
}

/// Folds histograms now and then, until the metrics are gone.
async fn upkeep(metrics: Weak<Metrics>) {
    while let Some(metrics) = metrics.upgrade() {
        metrics.upkeep();
        drop(metrics);
        tokio::time::sleep(UPKEEP_EVERY).await;
    }
}

fn routes(config: &mut web::ServiceConfig) {
    let api = web::scope("/api/v1")
        .app_data(web::PayloadConfig::new(COMMAND_BYTES_MAX))
        .configure(alerts::routes)
        .configure(deliveries::routes)
        .configure(dead::routes)
        .configure(quarantine::routes)
        .configure(renormalize::routes)
        .configure(sinks::routes)
        .configure(sources::routes)
        .configure(openapi::routes)
        .default_service(web::to(nothing_here));
    config.route("/", web::get().to(welcome)).service(api);
}

/// One path with what its methods do; other methods get a 405 in the API's form.
fn resource(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(wrong_method))
}

async fn wrong_method() -> Failing<HttpResponse> {
    Err(ApiError::method())
}

async fn nothing_here() -> Failing<HttpResponse> {
    let message = "this path does not exist; /api/v1/openapi.json lists the paths";
    Err(ApiError::not_found(message))
}

async fn welcome() -> HttpResponse {
    let mut page = "Campanile, the admin listener.\n\n".to_owned();
    let open = ["/healthz", "/readyz", "/metrics"].map(str::to_owned);
    for path in open.into_iter().chain(openapi::paths()) {
        page.push_str(&path);
        page.push('\n');
    }
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(page)
}

impl types::Counted {
    fn of(count: usize, dry_run: bool) -> Self {
        Self {
            count: u64::try_from(count).unwrap_or(u64::MAX),
            dry_run,
        }
    }
}

/// The names of sinks and their numbers.
struct Names(BTreeMap<SinkId, String>);

impl Names {
    async fn load(gateway: &Gateway) -> Failing<Self> {
        let known = gateway.store.known_sinks().await?;
        Ok(Self(known.into_iter().collect()))
    }

    fn of(&self, sink: SinkId) -> &str {
        self.0.get(&sink).map_or("?", String::as_str)
    }

    fn id(&self, name: &str) -> Failing<SinkId> {
        let found = self.0.iter().find(|(_, known)| *known == name);
        found.map(|(id, _)| *id).ok_or_else(|| {
            let known: Vec<&str> = self.0.values().map(String::as_str).collect();
            let known = known.join(", ");
            ApiError::bad_request(format!(
                "`sink` is `{name:.80}`, but must be one of: {known}"
            ))
        })
    }
}

/// The ids of alerts at these places; those that are gone are left out.
async fn alert_ids(gateway: &Gateway, mut seqs: Vec<Seq>) -> Failing<BTreeMap<Seq, String>> {
    seqs.sort_unstable();
    seqs.dedup();
    let alerts = gateway.store.alerts_by_seq(seqs).await?;
    Ok(alerts
        .into_iter()
        .map(|a| (a.seq, a.id.to_string()))
        .collect())
}
