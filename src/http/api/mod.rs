//! The operators' API, `/api/v1/...`: what came, what is pending, what failed, and the hands to mend it.
//!
//! Lists are pages, newest first: `{"items":[...],"next":"..."}`, where `next` goes into `before`.

mod alerts;
pub(super) mod auth;
mod dead;
mod deliveries;
mod openapi;
mod quarantine;
mod query;
mod renormalize;
mod sinks;
mod sources;

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::Gateway;
use super::error::ApiError;
use campanile_store::{Seq, SinkId};

/// What handlers give.
type Failing<T> = Result<T, ApiError>;

/// The body of a command at the most.
const COMMAND_BYTES_MAX: usize = 256 * 1024;

pub(super) fn routes(config: &mut web::ServiceConfig) {
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

pub(super) async fn nothing_here() -> Failing<HttpResponse> {
    let message = "nothing is served here; see /api/v1/openapi.json for what is";
    Err(ApiError::not_found(message))
}

async fn welcome() -> HttpResponse {
    let mut page = "Campanile, the operators' side.\n\n".to_owned();
    let open = ["/healthz", "/readyz", "/metrics"];
    for path in open.into_iter().chain(openapi::paths()) {
        page.push_str(path);
        page.push('\n');
    }
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(page)
}

fn list(items: &[Value], next: &Value) -> HttpResponse {
    HttpResponse::Ok().json(json!({"items": items, "next": next}))
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
