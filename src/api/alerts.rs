//! `/api/v1/alerts`

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::ApiError;
use super::query::{Query, page};
use super::{Failing, Names, deliveries, list, resource};
use crate::http::Gateway;
use campanile_store::{AlertFilter, AttemptRow, SinkId, StoredAlert};

const FILTERS: &[&str] = &[
    "source",
    "status",
    "severity",
    "fingerprint",
    "since",
    "before",
    "limit",
];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/alerts").get(index))
        .service(resource("/alerts/{id}").get(show))
        .service(resource("/alerts/{id}/retry").post(retry));
}

async fn index(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let query = Query::of(request.query_string(), FILTERS)?;
    let filter = query.alerts()?;
    let limit = filter.limit;
    let one_more = AlertFilter {
        limit: limit + 1,
        ..filter
    };
    let stored = gateway.store.alerts(one_more).await?;
    let (stored, next) = page(stored, limit, |alert| alert.seq);
    let items = stored.iter().map(|stored| {
        let mut alert = shown(stored);
        if let Some(fields) = alert.as_object_mut() {
            fields.insert("episode".to_owned(), json!(stored.episode));
        }
        alert
    });
    Ok(list(&items.collect::<Vec<_>>(), &next))
}

async fn show(id: web::Path<String>, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let stored = find(&gateway, &id).await?;
    let names = Names::load(&gateway).await?;
    let pending = gateway.store.deliveries_of(stored.seq).await?;
    let deliveries = pending
        .iter()
        .map(|row| deliveries::shown(row, Some(&stored.id.to_string()), &names));
    let attempts = gateway.store.attempts_of(stored.seq).await?;
    let callback = gateway.store.callback_of(stored.seq).await?;
    Ok(HttpResponse::Ok().json(json!({
        "alert": shown(&stored),
        "episode": stored.episode,
        "deliveries": deliveries.collect::<Vec<_>>(),
        "attempts": attempts.iter().map(|row| attempt(row, &names)).collect::<Vec<_>>(),
        "callback": callback.map(|raw| String::from_utf8_lossy(&raw).into_owned()),
    })))
}

fn attempt(row: &AttemptRow, names: &Names) -> Value {
    json!({
        "sink": names.of(row.sink),
        "at": row.at,
        "took_ms": row.took_ms,
        "attempt": row.attempt,
        "code": row.code,
        "verdict": row.verdict,
        "worth": row.worth.map(campanile_model::Worth::as_str),
        "remark": row.remark,
    })
}

/// To which sinks an alert is to go again; without `sinks`, to all that are configured.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Retry {
    sinks: Option<Vec<String>>,
}

async fn retry(
    id: web::Path<String>,
    body: web::Bytes,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let wanted = wanted(&body)?;
    let stored = find(&gateway, &id).await?;
    let sinks = sinks_of(&gateway, wanted).await?;
    let mut pending = Vec::new();
    for (sink, name) in sinks {
        let now = gateway.clock.now();
        if gateway.store.retry(stored.seq, sink, now).await? {
            gateway.sinks.poke(sink, &[stored.seq]);
            pending.push(name);
        }
    }
    Ok(HttpResponse::Ok().json(json!({"pending": pending})))
}

fn wanted(body: &[u8]) -> Failing<Retry> {
    if body.is_empty() {
        return Ok(Retry::default());
    }
    serde_json::from_slice(body).map_err(|_| {
        ApiError::bad_request(
            "send `{\"sinks\":[\"webhook/oncall\"]}` as JSON, or nothing for all sinks",
        )
    })
}

/// The named sinks with their numbers, each of which must be configured: no worker would send it to another.
async fn sinks_of(gateway: &Gateway, wanted: Retry) -> Failing<Vec<(SinkId, String)>> {
    let states = gateway.sinks.states().into_iter();
    let configured: Vec<String> = states.map(|state| state.name.to_string()).collect();
    let mut names = wanted.sinks.unwrap_or_else(|| configured.clone());
    names.sort_unstable();
    names.dedup();
    if let Some(strange) = names.iter().find(|name| !configured.contains(name)) {
        let known = configured.join(", ");
        let message = format!("`{strange:.80}` is not configured; the sinks are: {known}");
        return Err(ApiError::bad_request(message));
    }
    let ids = gateway.store.sink_ids(names.clone()).await?;
    Ok(ids.into_iter().zip(names).collect())
}

/// The alert of an id in a path.
pub(super) async fn find(gateway: &Gateway, id: &str) -> Failing<StoredAlert> {
    let absent =
        || ApiError::not_found("there is no alert of this id; it may be older than the retention");
    let id: Uuid = id.parse().map_err(|_| absent())?;
    gateway.store.alert(id).await?.ok_or_else(absent)
}

/// The alert as the contract has it.
pub(super) fn shown(stored: &StoredAlert) -> Value {
    serde_json::from_slice(&stored.json).unwrap_or_default()
}
