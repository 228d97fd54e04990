//! `/api/v1/alerts`: accepted alerts.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};
use campanile_model::Alert;
use uuid::Uuid;

use super::actor::{Actor, in_vain};
use super::error::ApiError;
use super::query::{LABEL, Query, searched};
use super::types::{
    AlertDetail, AlertItem, Attempt, HeldDelivery, Outcome, Retried, Retry, RouteSaid, Searched,
};
use super::{Failing, Named, Names, arrival, body, deliveries, fresh, resource};
use crate::http::Gateway;
use campanile_store::{Act, AlertFilter, AttemptRow, Held, OutcomeRow, SinkId, StoredAlert};

const FILTERS: &[&str] = &[
    "source",
    "status",
    "severity",
    "fingerprint",
    "since",
    "until",
    "q",
    LABEL,
    "sink",
    "before",
    "limit",
];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/alerts").get(index))
        .service(resource("/alerts/{id}").get(show))
        .service(resource("/alerts/{id}/retry").post(retry));
}

/// Alerts, newest first. The search ends after 50 ms: then `searched_to` says how far it looked, and `next` goes on.
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    params(
        ("source" = Option<String>, Query, description = "Only of this source"),
        ("status" = Option<String>, Query, description = "Only with this status: firing or resolved"),
        ("severity" = Option<String>, Query, description = "Only with this severity: critical, error, warning, info or unknown"),
        ("fingerprint" = Option<String>, Query, description = "Only of the problem with this fingerprint"),
        ("since" = Option<String>, Query, description = "Only received at or after this time"),
        ("until" = Option<String>, Query, description = "Only received at or before this time"),
        ("q" = Option<String>, Query, description = "Only with each of these words in the title, the resource or the description, in any case"),
        ("label.NAME" = Option<String>, Query, description = "Only with this value of the label NAME; can be given for several labels"),
        ("sink" = Option<String>, Query, description = "Only pending for this sink, or attempted"),
        ("before" = Option<String>, Query, description = "The `next` of the previous page"),
        ("limit" = Option<u32>, Query, description = "Items per page, from 1 to 500"),
    ),
    responses((status = 200, body = Searched<AlertItem>))
)]
pub(super) async fn index(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let read = async {
        let page = list(&gateway, request.query_string()).await?;
        let items = page.items.iter().map(|stored| {
            Ok(AlertItem {
                alert: shown(stored)?,
                episode: stored.episode,
            })
        });
        Ok(Searched {
            items: items.collect::<Failing<Vec<_>>>()?,
            next: page.next,
            searched_to: page.searched_to,
        })
    };
    fresh(&request, &gateway, read).await
}

/// The stored alerts that match a query, newest first.
pub(crate) async fn list(gateway: &Gateway, query: &str) -> Failing<Searched<StoredAlert>> {
    let query = Query::of(query, FILTERS)?;
    let names = match query.text("sink") {
        Some(_) => Some(Names::load(gateway).await?),
        None => None,
    };
    let filter = query.alerts(names.as_ref())?;
    let limit = filter.limit;
    let one_more = AlertFilter {
        limit: limit + 1,
        ..filter
    };
    let stored = gateway.store.alerts(one_more).await?;
    Ok(searched(stored, limit, |alert| alert.seq))
}

/// One alert with its pending deliveries, its attempts and the request of the vendor.
#[utoipa::path(
    get,
    path = "/api/v1/alerts/{id}",
    params(("id" = String, Path, description = "The id of the alert")),
    responses((status = 200, body = AlertDetail))
)]
pub(super) async fn show(
    id: web::Path<String>,
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    fresh(&request, &gateway, detail(&gateway, &id)).await
}

/// The alert with this id, with its deliveries, attempts and callback.
pub(crate) async fn detail(gateway: &Gateway, id: &str) -> Failing<AlertDetail> {
    let stored = find(gateway, id).await?;
    let names = Names::load(gateway).await?;
    let pending = gateway.store.deliveries_of(stored.seq).await?;
    let deliveries = pending
        .iter()
        .map(|row| deliveries::shown(row, Some(&Named::of(&stored)), &names));
    let attempts = gateway.store.attempts_of(stored.seq).await?;
    let held = gateway.store.held_alert(stored.seq).await?;
    let ended = gateway.store.outcomes_of(stored.seq).await?;
    let callback = gateway.store.callback_of(stored.seq).await?;
    let arrived = gateway.store.arrival_of(stored.seq).await?;
    let arrived = arrived.as_ref();
    let routes = arrived.map(arrival::routes).unwrap_or_default();
    let sinks = pending.iter().map(|row| row.sink);
    let sinks = sinks.chain(attempts.iter().map(|row| row.sink));
    let sinks = sinks.chain(held.iter().map(|row| row.sink));
    let sinks = sinks.chain(ended.iter().map(|row| row.sink));
    Ok(AlertDetail {
        also: unrouted(sinks.map(|sink| names.of(sink)), &routes),
        alert: shown(&stored)?,
        episode: stored.episode,
        deliveries: deliveries.collect(),
        held: held.iter().map(|row| holding(row, &names)).collect(),
        outcomes: outcomes(gateway, &ended, &names).await?,
        attempts: attempts.iter().map(|row| attempt(row, &names)).collect(),
        callback: callback.map(|raw| String::from_utf8_lossy(&raw).into_owned()),
        arrival: arrived
            .map(|row| arrival::shown(&row.arrival))
            .unwrap_or_default(),
        routes,
    })
}

/// The sinks that no matching route names. Without routes every alert goes to every sink.
fn unrouted<'n>(sinks: impl Iterator<Item = &'n str>, routes: &[RouteSaid]) -> Vec<String> {
    if routes.is_empty() {
        return Vec::new();
    }
    let applies = |route: &&RouteSaid| matches!(&*route.matches, "yes" | "failed");
    let matching = routes.iter().filter(applies);
    let named: BTreeSet<&str> = matching
        .flat_map(|route| route.sinks.iter().map(String::as_str))
        .collect();
    let other: BTreeSet<&str> = sinks.filter(|sink| !named.contains(sink)).collect();
    other.into_iter().map(str::to_owned).collect()
}

fn holding(row: &Held, names: &Names) -> HeldDelivery {
    HeldDelivery {
        sink: names.of(row.sink).to_owned(),
        since: row.since,
        reason: row.reason.clone(),
    }
}

/// An alert that was folded names the later alert.
async fn outcomes(gateway: &Gateway, rows: &[OutcomeRow], names: &Names) -> Failing<Vec<Outcome>> {
    let places = rows.iter().filter_map(OutcomeRow::into_seq).collect();
    let later = gateway.store.alerts_by_seq(places).await?;
    let outcome = |row: &OutcomeRow| {
        let into = row.into_seq();
        let into = later.iter().find(|alert| Some(alert.seq) == into);
        Outcome {
            sink: names.of(row.sink).to_owned(),
            at: row.at,
            outcome: row.end.as_str().to_owned(),
            reason: row.reason.clone(),
            into: into.map(|alert| alert.id),
        }
    };
    Ok(rows.iter().map(outcome).collect())
}

fn attempt(row: &AttemptRow, names: &Names) -> Attempt {
    Attempt {
        sink: names.of(row.sink).to_owned(),
        at: row.at,
        took_ms: row.took_ms,
        attempt: row.attempt,
        code: row.code,
        verdict: row.verdict.clone(),
        worth: row.worth.map(|worth| worth.as_str().to_owned()),
        remark: row.remark.clone(),
        note: row.note.clone(),
    }
}

/// Delivers an alert again, to the named sinks or to all configured sinks.
#[utoipa::path(
    post,
    path = "/api/v1/alerts/{id}/retry",
    params(("id" = String, Path, description = "The id of the alert")),
    request_body = Option<Retry>,
    responses((status = 200, body = Retried))
)]
pub(super) async fn retry(
    id: web::Path<String>,
    body: web::Bytes,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let retried = again(&gateway, &id, wanted(&body)?, &actor).await?;
    Ok(HttpResponse::Ok().json(retried))
}

/// Makes an alert pending again for the wanted sinks.
pub(crate) async fn again(
    gateway: &Gateway,
    id: &str,
    wanted: Retry,
    actor: &Actor,
) -> Failing<Retried> {
    let stored = find(gateway, id).await?;
    let sinks = sinks_of(gateway, wanted).await?;
    let mut pending = Vec::new();
    let names: Vec<&str> = sinks.iter().map(|(_, name)| name.as_str()).collect();
    let act = Act {
        detail: names.join(", "),
        ..actor.does(gateway, "alerts.retry", stored.id.to_string())
    };
    for (sink, name) in sinks {
        if gateway.store.retry(stored.seq, sink, act.clone()).await? {
            gateway.sinks.poke(sink, &[stored.seq]);
            pending.push(name);
        }
    }
    in_vain(gateway, act, pending.len() as u64).await?;
    Ok(Retried { pending })
}

fn wanted(bytes: &[u8]) -> Failing<Retry> {
    if bytes.is_empty() {
        return Ok(Retry::default());
    }
    let wanted: Option<Retry> = body::read(
        bytes,
        "the body is not valid: send `{\"sinks\":[\"webhook/oncall\"]}` as JSON, or no body for all sinks",
    )?;
    Ok(wanted.unwrap_or_default())
}

/// The named sinks with their ids. Each must be configured, because a sink that is not configured has no worker.
pub(super) async fn sinks_of(gateway: &Gateway, wanted: Retry) -> Failing<Vec<(SinkId, String)>> {
    let states = gateway.sinks.states().into_iter();
    let configured: Vec<String> = states.map(|state| state.name.to_string()).collect();
    let mut names = wanted.sinks.unwrap_or_else(|| configured.clone());
    names.sort_unstable();
    names.dedup();
    if let Some(strange) = names.iter().find(|name| !configured.contains(name)) {
        let known = configured.join(", ");
        let message = format!("`{strange:.80}` is not a configured sink; the sinks are: {known}");
        return Err(ApiError::bad_request(message).at_pointer("/sinks"));
    }
    let ids = gateway.store.sink_ids(names.clone()).await?;
    Ok(ids.into_iter().zip(names).collect())
}

/// The alert with the id from the path.
pub(super) async fn find(gateway: &Gateway, id: &str) -> Failing<StoredAlert> {
    let absent = || {
        ApiError::not_found("no alert has this id; it may be older than `[store] retention_days`")
    };
    let id: Uuid = id.parse().map_err(|_| absent())?;
    gateway.store.alert(id).await?.ok_or_else(absent)
}

/// The alert as it was stored.
pub(crate) fn shown(stored: &StoredAlert) -> Failing<Alert> {
    serde_json::from_slice(&stored.json)
        .map_err(|error| ApiError::unreadable(format!("alert {}: {error}", stored.id)))
}
