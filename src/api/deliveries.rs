//! `/api/v1/deliveries`

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::error::ApiError;
use super::query::Query;
use super::{Failing, Names, alert_ids, alerts, list, resource};
use crate::http::Gateway;
use campanile_store::{DeliveryFilter, DeliveryRow};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/deliveries").get(index))
        .service(resource("/deliveries/{alert_id}").delete(forget));
}

async fn index(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let query = Query::of(request.query_string(), &["sink", "before", "limit"])?;
    let names = Names::load(&gateway).await?;
    let filter = query.deliveries(&names)?;
    let limit = filter.limit;
    let sinks = u32::try_from(names.0.len()).unwrap_or(u32::MAX);
    let asked = limit.saturating_add(sinks).saturating_add(1);
    let rows = gateway
        .store
        .deliveries(DeliveryFilter {
            limit: asked,
            ..filter
        })
        .await?;
    let (rows, next) = whole_alerts(rows, usize::try_from(limit).unwrap_or(usize::MAX));
    let ids = alert_ids(&gateway, rows.iter().map(|row| row.pending.seq).collect()).await?;
    let items = rows.iter().map(|row| {
        let id = ids.get(&row.pending.seq).map(String::as_str);
        shown(row, id, &names)
    });
    Ok(list(
        &items.collect::<Vec<_>>(),
        &json!(next.map(|place| place.to_string())),
    ))
}

/// Cuts a page between two alerts and never inside one, because a page begins at an alert. One alert that is pending for more
/// sinks than the limit still comes whole.
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

/// A delivery as operators see it.
pub(super) fn shown(row: &DeliveryRow, alert_id: Option<&str>, names: &Names) -> Value {
    json!({
        "alert_id": alert_id,
        "sink": names.of(row.sink),
        "fingerprint": row.pending.fingerprint,
        "attempts": row.pending.attempts,
        "pending_since": row.pending.pending_since,
        "due_at": row.pending.due_at,
        "last_error": row.last_error,
        "last_code": row.last_code,
        "retried": row.pending.retried,
    })
}

async fn forget(
    request: HttpRequest,
    id: web::Path<String>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let query = Query::of(request.query_string(), &["sink"])?;
    let Some(sink) = query.text("sink") else {
        return Err(ApiError::bad_request(
            "say which delivery: `?sink=kind/name`",
        ));
    };
    let sink = Names::load(&gateway).await?.id(sink)?;
    let stored = alerts::find(&gateway, &id).await?;
    if gateway.store.drop_pending(stored.seq, sink).await? {
        gateway.sinks.forget(sink, &[stored.seq]);
        return Ok(HttpResponse::Ok().json(json!({"dropped": true})));
    }
    Err(ApiError::not_found(
        "this alert is not pending for this sink; it may be delivered or dead already",
    ))
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
