//! `/api/v1/quarantine`

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::error::ApiError;
use super::query::{LIMIT_MAX, Query, Selection, page};
use super::{Failing, list, resource};
use crate::http::Gateway;
use crate::http::commit::{self, SinksOf};
use crate::intake::{keep_of, stored};
use crate::snapshot::Snapshot;
use campanile_store::{Entry, Fault, QuarantineFilter, QuarantineRow};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/quarantine").get(index))
        .service(resource("/quarantine/retry").post(retry))
        .service(resource("/quarantine/drop").post(forget))
        .service(resource("/quarantine/{id}").get(show));
}

async fn index(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let query = Query::of(request.query_string(), &["source", "before", "limit"])?;
    let filter = query.quarantine()?;
    let limit = filter.limit;
    let one_more = QuarantineFilter {
        limit: limit + 1,
        ..filter
    };
    let rows = gateway.store.quarantine(one_more).await?;
    let (rows, next) = page(rows, limit, |row| row.id);
    Ok(list(&rows.iter().map(shown).collect::<Vec<_>>(), &next))
}

async fn show(id: web::Path<String>, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let absent = || {
        ApiError::not_found(
            "there is no quarantined callback of this number; it may be released or dropped already",
        )
    };
    let id: i64 = id.parse().map_err(|_| absent())?;
    let row = gateway.store.quarantined(id).await?.ok_or_else(absent)?;
    let mut callback = shown(&row);
    if let Some(fields) = callback.as_object_mut() {
        let raw = String::from_utf8_lossy(&row.callback).into_owned();
        fields.insert("callback".to_owned(), json!(raw));
    }
    Ok(HttpResponse::Ok().json(callback))
}

fn shown(row: &QuarantineRow) -> Value {
    json!({
        "id": row.id,
        "source": row.source,
        "received_at": row.received_at,
        "faults": row.faults,
    })
}

async fn retry(body: web::Bytes, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let current = gateway.current();
    let (mut released, mut still) = (0_u64, Vec::new());
    // The oldest first, in the order in which they came.
    for id in chosen(&gateway, &body).await?.into_iter().rev() {
        let Some(row) = gateway.store.quarantined(id).await? else {
            continue;
        };
        match release(&gateway, &current.snapshot, &row).await? {
            Ok(()) => released += 1,
            Err((id, faults)) => still.push(json!({"id": id, "faults": faults})),
        }
    }
    Ok(HttpResponse::Ok().json(json!({"released": released, "still_unreadable": still})))
}

/// What is still wrong, and the number under which the callback is kept now.
type Still = (i64, Vec<Fault>);

/// Reads a callback again with the provider and the source as they are now. Its sender was verified when it came.
async fn release(
    gateway: &Gateway,
    snapshot: &Snapshot,
    row: &QuarantineRow,
) -> Failing<Result<(), Still>> {
    let entry = match read_again(snapshot, row) {
        Ok(entry) => entry,
        Err(fault) => return Ok(Err((row.id, vec![fault]))),
    };
    let faults = entry.faults.clone();
    if entry.alerts.is_empty() && !faults.is_empty() {
        return Ok(Err((row.id, faults)));
    }
    let sinks = SinksOf::entry(&entry);
    let appended = gateway.store.release(row.id, entry).await?;
    sinks.wake(&*gateway.sinks, &appended);
    if faults.is_empty() {
        return Ok(Ok(()));
    }
    Ok(Err((appended.quarantine.unwrap_or(row.id), faults)))
}

fn read_again(snapshot: &Snapshot, row: &QuarantineRow) -> Result<Entry, Fault> {
    let source = snapshot.source(&row.source).ok_or_else(|| {
        let problem = format!("`{}` is no longer configured", row.source);
        Fault::new("source", problem)
    })?;
    let call = stored(source, &row.callback, row.received_at)?;
    let kept = keep_of(source, &call);
    Ok(commit::entry(&source.name, kept, snapshot))
}

async fn forget(body: web::Bytes, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let ids = chosen(&gateway, &body).await?;
    let mut count = 0;
    for ids in ids.chunks(usize::try_from(LIMIT_MAX).unwrap_or(1)) {
        count += gateway.store.drop_quarantined(ids.to_vec()).await?;
    }
    Ok(HttpResponse::Ok().json(json!({"count": count})))
}

/// The numbers that a command is for, newest first.
async fn chosen(gateway: &Gateway, body: &[u8]) -> Failing<Vec<i64>> {
    let selection = Selection::of(body, "source")?;
    if let Some(mut ids) = selection.ids {
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        return Ok(ids);
    }
    let mut ids: Vec<i64> = Vec::new();
    loop {
        let filter = QuarantineFilter {
            source: selection.source.clone(),
            before: ids.last().copied(),
            limit: LIMIT_MAX,
        };
        let rows = gateway.store.quarantine(filter).await?;
        if rows.is_empty() {
            return Ok(ids);
        }
        ids.extend(rows.iter().map(|row| row.id));
    }
}
