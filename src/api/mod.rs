//! Health, metrics, and the API for operators under `/api/v1`. `src/admin.rs` serves it.
//!
//! [`guard`] protects the listener from other web pages. [`auth`] decides who a request is from, [`roles`] what they may do. [`login`] gives a browser the
//! cookie of a [`session`].
//! Lists have pages, newest first: `{"items":[...],"next":"..."}`. Give `next` as `before` to get the next page.

pub(crate) mod actor;
pub(crate) mod alerts;
mod arrival;
pub(crate) mod audit;
mod auth;
mod body;
pub(crate) mod bulk;
pub(crate) mod callbacks;
pub(crate) mod checks;
mod codes;
pub(crate) mod dead;
pub(crate) mod deliveries;
pub(crate) mod error;
mod fresh;
mod guard;
mod health;
mod jobs;
mod keyed;
pub(crate) mod login;
mod mcp;
mod openapi;
pub(crate) mod origin;
pub(crate) mod problems;
mod proxied;
pub(crate) mod quarantine;
mod query;
mod renormalize;
mod roles;
pub(crate) mod running;
mod session;
mod shaped;
pub(crate) mod silences;
pub(crate) mod simulate;
pub(crate) mod sinks;
pub(crate) mod sources;
mod stream;
pub(crate) mod tallies;
pub(crate) mod trial;
pub mod types;
pub(crate) mod vendors;

use std::collections::BTreeMap;

use actix_web::http::header::ALLOW;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

pub(crate) use crate::config::Role;
use crate::http::Gateway;
pub(crate) use actor::Actor;
pub(crate) use auth::{Via, Who, admit, who};
pub(crate) use bulk::Jobs;
use campanile_store::{Seq, SinkId, StoredAlert};
pub(crate) use codes::CODES;
use error::ApiError;
use fresh::fresh;
pub(crate) use guard::pages as guarded;
pub(crate) use keyed::Keyed;
pub(crate) use shaped::shaped;
pub(crate) use stream::Hub as StreamHub;

/// The result of a handler.
pub(crate) type Failing<T> = Result<T, ApiError>;

/// The largest body of a request, in bytes.
const COMMAND_BYTES_MAX: usize = 256 * 1024;

/// The addresses of files that every page loads, which need no token.
pub(crate) const STATIC_PATH: &str = "/static/";

/// Adds health, metrics and the API.
pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let api = web::scope("/api/v1")
        .app_data(web::PayloadConfig::new(COMMAND_BYTES_MAX))
        .wrap(from_fn(keyed::keyed))
        .configure(alerts::routes)
        .configure(audit::routes)
        .configure(origin::routes)
        .configure(callbacks::routes)
        .configure(problems::routes)
        .configure(deliveries::routes)
        .configure(dead::routes)
        .configure(quarantine::routes)
        .configure(jobs::routes)
        .configure(renormalize::routes)
        .configure(running::routes)
        .configure(vendors::routes)
        .configure(sinks::routes)
        .configure(checks::routes)
        .configure(sources::routes)
        .configure(silences::routes)
        .configure(simulate::routes)
        .configure(stream::routes)
        .configure(tallies::routes)
        .configure(trial::routes)
        .configure(openapi::routes)
        .default_service(web::to(nothing_here));
    config
        .configure(health::routes)
        .configure(mcp::routes)
        .service(api);
}

/// One path. Methods without a handler get a 405 in the form of the API.
fn resource(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(wrong_method))
}

/// The response to a method that the path does not have, with those that it has.
async fn wrong_method(request: HttpRequest) -> HttpResponse {
    let pattern = request.match_pattern().unwrap_or_default();
    let mut response = ApiError::method().error_response();
    // Fails only for a value that is not valid, and the names of methods are.
    if let Ok(allowed) = openapi::methods(&pattern).parse() {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

pub(crate) async fn nothing_here() -> Failing<HttpResponse> {
    let message = "this path does not exist; /api/v1/openapi.json lists the paths";
    Err(ApiError::not_found(message))
}

/// The paths of the listener, as text.
pub(crate) async fn welcome() -> HttpResponse {
    let mut page = "Campanile admin listener. Paths:\n\n".to_owned();
    let open = ["/healthz", "/readyz", "/metrics"].map(str::to_owned);
    for path in open.into_iter().chain(openapi::paths()) {
        page.push_str(&path);
        page.push('\n');
    }
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(page)
}

/// The names of sinks by their ids.
struct Names(BTreeMap<SinkId, String>);

impl Names {
    async fn load(gateway: &Gateway) -> Failing<Self> {
        let known = gateway.store.known_sinks().await?;
        Ok(Self(known.into_iter().collect()))
    }

    fn of(&self, sink: SinkId) -> &str {
        self.0.get(&sink).map_or("?", String::as_str)
    }

    /// The sink that a body names in its field `sink`.
    fn id_of_body(&self, name: &str) -> Failing<SinkId> {
        self.id(name).map_err(|error| error.at_pointer("/sink"))
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

/// The id and the title of an alert, for lists that name it. Both are absent when it is no longer stored.
#[derive(Clone, Default)]
struct Named {
    id: Option<String>,
    title: Option<String>,
}

impl Named {
    fn of(stored: &StoredAlert) -> Self {
        // A row that cannot be read keeps its id: its own page says why.
        let alert = alerts::shown(stored).ok();
        Self {
            id: Some(stored.id.to_string()),
            title: alert.map(|alert| alert.title),
        }
    }
}

/// The ids and titles of the alerts with these sequence numbers. Alerts that no longer exist are left out.
async fn named(gateway: &Gateway, mut seqs: Vec<Seq>) -> Failing<BTreeMap<Seq, Named>> {
    seqs.sort_unstable();
    seqs.dedup();
    let alerts = gateway.store.alerts_by_seq(seqs).await?;
    let alerts = alerts.iter();
    Ok(alerts
        .map(|stored| (stored.seq, Named::of(stored)))
        .collect())
}
