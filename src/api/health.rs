//! `/healthz`: the process is alive. `/readyz`: the store commits, so the gateway can accept callbacks. `/metrics`.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use campanile_store::SinkId;

use crate::http::Gateway;

/// If one commit takes longer, the store is not ready.
const READY_WITHIN: Duration = Duration::from_secs(2);

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/healthz", web::get().to(alive))
        .route("/readyz", web::get().to(ready))
        .route("/metrics", web::get().to(metrics));
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body("ok\n")
}

async fn ready(gateway: web::Data<Gateway>) -> HttpResponse {
    let Some(problem) = problem(&gateway).await else {
        return able(&gateway);
    };
    HttpResponse::ServiceUnavailable()
        .content_type("text/plain; charset=utf-8")
        .body(format!("{problem}\n"))
}

/// It accepts callbacks. On a server, with what an answer survives.
fn able(gateway: &Gateway) -> HttpResponse {
    let replication = gateway.store.replication();
    let detail = replication.map(|replication| format!("{}\n", replication.safety));
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(format!("ok\n{}", detail.unwrap_or_default()))
}

/// The reason why the gateway cannot accept callbacks.
async fn problem(gateway: &Gateway) -> Option<String> {
    if gateway.is_stopping() {
        return Some("stopping".to_owned());
    }
    match tokio::time::timeout(READY_WITHIN, gateway.store.ready()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!(
            "the store did not commit within {} s",
            READY_WITHIN.as_secs()
        )),
    }
}

/// Counters, and gauges with current values of the store. If the store fails, the gauges keep their last values.
async fn metrics(gateway: web::Data<Gateway>) -> HttpResponse {
    let metrics = &gateway.metrics;
    for state in gateway.sinks.states() {
        metrics.sink_state(&state.name, state.state.as_str());
    }
    shared(&gateway);
    metrics.replication(gateway.store.replication().as_ref());
    if let (Ok(stats), Ok(sinks)) = (
        gateway.store.stats().await,
        gateway.store.known_sinks().await,
    ) {
        metrics.stored(stats.alerts, stats.quarantined, stats.bytes);
        for (id, name) in sinks {
            let of = |rows: &[(i64, u64)]| rows.iter().find(|r| r.0 == id).map_or(0, |r| r.1);
            let pending = of(&stats.pending);
            metrics.waiting(&name, pending, of(&stats.held), of(&stats.dead));
            metrics.oldest_pending(&name, oldest(&gateway, id, pending).await);
        }
    }
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(metrics.render())
}

/// The gateways that share the store. A file has one.
fn shared(gateway: &Gateway) {
    let peers = gateway.sinks.gateways();
    let differing = peers.iter().filter(|peer| !peer.differs.is_empty());
    let own = peers.iter().find(|peer| peer.this);
    let owned = own.map_or_else(|| gateway.sinks.states().len(), |own| own.sinks.len());
    gateway
        .metrics
        .gateways(peers.len().max(1), differing.count(), owned);
}

/// The age of the first of these pending deliveries of a sink.
async fn oldest(gateway: &Gateway, sink: SinkId, pending: u64) -> Duration {
    if pending == 0 {
        return Duration::ZERO;
    }
    let first = gateway.store.pending(sink, 0, 1).await.unwrap_or_default();
    let age = |since| Duration::try_from(gateway.clock.now().duration_since(since));
    let age = first.first().map(|first| age(first.pending_since));
    age.and_then(Result::ok).unwrap_or_default()
}
