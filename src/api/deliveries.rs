//! `/api/v1/deliveries`: pending deliveries.

use actix_web::{HttpRequest, HttpResponse, web};

use super::actor::Actor;
use super::bulk::{Act, Call};
use super::error::ApiError;
use super::query::Query;
use super::types::{Counted, Delivery, Dropped, Job, Page, Selection};
use super::{Failing, Named, Names, alerts, fresh, named, resource};
use crate::http::Gateway;
use campanile_store::{DeliveryFilter, DeliveryRow};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/deliveries").get(index))
        .service(resource("/deliveries/retry").post(retry))
        .service(resource("/deliveries/drop").post(remove_many))
        .service(resource("/deliveries/{alert_id}").delete(remove));
}

/// Pending deliveries, newest alert first.
#[utoipa::path(
    get,
    path = "/api/v1/deliveries",
    params(
        ("sink" = Option<String>, Query, description = "Only of this sink"),
        ("before" = Option<String>, Query, description = "The `next` of the previous page"),
        ("limit" = Option<u32>, Query, description = "Items per page, from 1 to 500. The deliveries of one alert are always on one page"),
    ),
    responses((status = 200, body = Page<Delivery>))
)]
pub(super) async fn index(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    fresh(&request, &gateway, list(&gateway, request.query_string())).await
}

/// The pending deliveries that match a query, newest alert first.
pub(crate) async fn list(gateway: &Gateway, query: &str) -> Failing<Page<Delivery>> {
    let query = Query::of(query, &["sink", "before", "limit"])?;
    let names = Names::load(gateway).await?;
    let filter = query.deliveries(&names)?;
    let (rows, next) = page(gateway, &names, filter).await?;
    let known = named(gateway, rows.iter().map(|row| row.pending.seq).collect()).await?;
    let items = rows
        .iter()
        .map(|row| shown(row, known.get(&row.pending.seq), &names));
    Ok(Page {
        items: items.collect(),
        next: next.map(|place| place.to_string()),
    })
}

/// The pending deliveries that match a filter, in whole alerts, and where the next page begins.
pub(super) async fn page(
    gateway: &Gateway,
    names: &Names,
    filter: DeliveryFilter,
) -> Failing<(Vec<DeliveryRow>, Option<i64>)> {
    let limit = filter.limit;
    // A page has room for all sinks of its last alert.
    let sinks = u32::try_from(names.0.len()).unwrap_or(u32::MAX);
    let limited = DeliveryFilter {
        limit: limit.saturating_add(sinks).saturating_add(1),
        ..filter
    };
    let rows = gateway.store.deliveries(limited).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(whole_alerts(rows, limit))
}

/// Ends a page between two alerts, because a page begins with an alert. If one alert has more deliveries than the limit, the
/// page has all of them.
fn whole_alerts(mut rows: Vec<DeliveryRow>, limit: usize) -> (Vec<DeliveryRow>, Option<i64>) {
    let Some(over) = rows.get(limit).map(|row| row.pending.seq) else {
        return (rows, None);
    };
    let starts = rows
        .iter()
        .position(|row| row.pending.seq == over)
        .unwrap_or(0);
    let keep = if starts > 0 {
        starts
    } else {
        rows.iter()
            .take_while(|row| row.pending.seq == over)
            .count()
    };
    let more = rows.len() > keep;
    rows.truncate(keep);
    let next = rows.last().filter(|_| more).map(|row| row.pending.seq);
    (rows, next)
}

/// The delivery in the form of the API.
pub(super) fn shown(row: &DeliveryRow, alert: Option<&Named>, names: &Names) -> Delivery {
    let alert = alert.cloned().unwrap_or_default();
    Delivery {
        alert_id: alert.id,
        title: alert.title,
        sink: names.of(row.sink).to_owned(),
        fingerprint: row.pending.fingerprint,
        attempts: row.pending.attempts,
        pending_since: row.pending.pending_since,
        due_at: row.pending.due_at,
        last_error: row.last_error.clone(),
        last_code: row.last_code,
        retried: row.pending.retried,
    }
}

/// Drops one pending delivery. It does not become a dead letter.
#[utoipa::path(
    delete,
    path = "/api/v1/deliveries/{alert_id}",
    params(
        ("alert_id" = String, Path, description = "The id of the alert"),
        ("sink" = String, Query, description = "The sink of the delivery"),
    ),
    responses((status = 200, body = Dropped))
)]
pub(super) async fn remove(
    request: HttpRequest,
    id: web::Path<String>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let query = Query::of(request.query_string(), &["sink"])?;
    let Some(sink) = query.text("sink") else {
        return Err(ApiError::bad_request(
            "the parameter `sink` is missing: add `?sink=kind/name`",
        )
        .at_parameter("sink"));
    };
    let audited = actor.does(&gateway, Act::DeliveriesDrop.action(), sink);
    let sink = Names::load(&gateway).await?.id(sink);
    let sink = sink.map_err(|error| error.at_parameter("sink"))?;
    let stored = alerts::find(&gateway, &id).await?;
    let audited = campanile_store::Act {
        detail: format!("alert {}", stored.id),
        ..audited
    };
    let dropping = gateway.store.drop_pending(stored.seq, sink, audited);
    if dropping.await? {
        gateway.sinks.dropped(sink, &[stored.seq]);
        return Ok(HttpResponse::Ok().json(Dropped { dropped: true }));
    }
    Err(ApiError::not_found(
        "no delivery of this alert to this sink is pending; it may already be delivered or dead",
    ))
}

/// Attempts all pending deliveries of a sink, or of all sinks, now. A paused sink gets nothing until it is resumed.
#[utoipa::path(
    post,
    path = "/api/v1/deliveries/retry",
    request_body = Selection,
    responses((status = 200, body = Counted), (status = 202, body = Job))
)]
pub(super) async fn retry(body: web::Bytes, call: Call) -> Failing<HttpResponse> {
    call.answer(Act::DeliveriesRetry, &body, |acted| acted.counted)
        .await
}

/// Drops all pending deliveries of a sink, or of all sinks. They do not become dead letters.
#[utoipa::path(
    post,
    path = "/api/v1/deliveries/drop",
    request_body = Selection,
    responses((status = 200, body = Counted), (status = 202, body = Job))
)]
pub(super) async fn remove_many(body: web::Bytes, call: Call) -> Failing<HttpResponse> {
    call.answer(Act::DeliveriesDrop, &body, |acted| acted.counted)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_model::Fingerprint;
    use campanile_store::Pending;
    use jiff::Timestamp;

    fn rows(seqs: &[i64]) -> Vec<DeliveryRow> {
        let row = |seq: &i64| DeliveryRow {
            sink: 1,
            pending: Pending {
                seq: *seq,
                fingerprint: Fingerprint(0),
                attempts: 0,
                due_at: None,
                pending_since: Timestamp::UNIX_EPOCH,
                retried: false,
            },
            last_error: None,
            last_code: None,
        };
        seqs.iter().map(row).collect()
    }

    #[test]
    fn a_page_of_deliveries_never_splits_an_alert() {
        let cases: &[(&[i64], usize, usize, Option<i64>)] = &[
            (&[], 2, 0, None),
            (&[9, 8], 2, 2, None),
            (&[9, 8, 7], 2, 2, Some(8)),
            (&[9, 8, 8], 2, 1, Some(9)),
            (&[9, 9, 9], 2, 3, None),
            (&[9, 9, 9, 8], 2, 3, Some(9)),
        ];
        for (seqs, limit, kept, next) in cases {
            let (page, cursor) = whole_alerts(rows(seqs), *limit);
            assert_eq!((page.len(), cursor), (*kept, *next), "{seqs:?}");
        }
    }
}
