//! `/api/v1/dead`

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::error::ApiError;
use super::query::{LIMIT_MAX, Query, Selection, page};
use super::{Failing, Names, alert_ids, alerts, list, resource};
use crate::http::Gateway;
use campanile_store::{DeadFilter, DeadRow};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/dead").get(index))
        .service(resource("/dead/retry").post(retry))
        .service(resource("/dead/drop").post(forget))
        .service(resource("/dead/{id}").get(show));
}

async fn index(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let query = Query::of(request.query_string(), &["sink", "before", "limit"])?;
    let names = Names::load(&gateway).await?;
    let filter = query.dead(&names)?;
    let limit = filter.limit;
    let rows = gateway
        .store
        .dead(DeadFilter {
            limit: limit + 1,
            ..filter
        })
        .await?;
    let (rows, next) = page(rows, limit, |row| row.id);
    let ids = alert_ids(&gateway, rows.iter().map(|row| row.seq).collect()).await?;
    let items = rows
        .iter()
        .map(|row| shown(row, ids.get(&row.seq).map(String::as_str), &names));
    Ok(list(&items.collect::<Vec<_>>(), &next))
}

async fn show(id: web::Path<String>, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let absent = || {
        ApiError::not_found(
            "there is no dead letter of this number; it may be sent again or dropped already",
        )
    };
    let id: i64 = id.parse().map_err(|_| absent())?;
    // The newest that is older than the next number.
    let filter = DeadFilter {
        before: id.checked_add(1),
        limit: 1,
        ..DeadFilter::default()
    };
    let rows = gateway.store.dead(filter).await?;
    let row = rows.first().filter(|row| row.id == id).ok_or_else(absent)?;
    let names = Names::load(&gateway).await?;
    let stored = gateway.store.alerts_by_seq(vec![row.seq]).await?;
    let stored = stored.first();
    let alert_id = stored.map(|alert| alert.id.to_string());
    let mut letter = shown(row, alert_id.as_deref(), &names);
    if let Some(fields) = letter.as_object_mut() {
        fields.insert(
            "alert".to_owned(),
            stored.map_or(Value::Null, alerts::shown),
        );
    }
    Ok(HttpResponse::Ok().json(letter))
}

fn shown(row: &DeadRow, alert_id: Option<&str>, names: &Names) -> Value {
    json!({
        "id": row.id,
        "alert_id": alert_id,
        "sink": names.of(row.sink),
        "attempts": row.attempts,
        "at": row.at,
        "class": row.class,
        "error": row.error,
        "code": row.code,
    })
}

async fn retry(body: web::Bytes, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let mut count = 0;
    for ids in chosen(&gateway, &body).await?.chunks(chunk()) {
        let now = gateway.clock.now();
        let pending = gateway.store.retry_dead(ids.to_vec(), now).await?;
        for (sink, seq) in &pending {
            gateway.sinks.poke(*sink, &[*seq]);
        }
        count += pending.len();
    }
    Ok(HttpResponse::Ok().json(json!({"count": count})))
}

async fn forget(body: web::Bytes, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let mut count = 0;
    for ids in chosen(&gateway, &body).await?.chunks(chunk()) {
        count += gateway.store.drop_dead(ids.to_vec()).await?;
    }
    Ok(HttpResponse::Ok().json(json!({"count": count})))
}

fn chunk() -> usize {
    usize::try_from(LIMIT_MAX).unwrap_or(1)
}

/// The numbers that a command is for, as they are now: what dies meanwhile is not among them.
async fn chosen(gateway: &Gateway, body: &[u8]) -> Failing<Vec<i64>> {
    let selection = Selection::of(body, "sink")?;
    if let Some(ids) = selection.ids {
        return Ok(ids);
    }
    let sink = match selection.sink {
        Some(name) => Some(Names::load(gateway).await?.id(&name)?),
        None => None,
    };
    let mut ids: Vec<i64> = Vec::new();
    loop {
        let filter = DeadFilter {
            sink,
            before: ids.last().copied(),
            limit: LIMIT_MAX,
        };
        let rows = gateway.store.dead(filter).await?;
        if rows.is_empty() {
            return Ok(ids);
        }
        ids.extend(rows.iter().map(|row| row.id));
    }
}
