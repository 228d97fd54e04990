//! `/api/v1/quarantine`: verified callbacks that could not be read.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};

use super::error::ApiError;
use super::query::{LIMIT_MAX, Query, page, select};
use super::types::{
    Counted, Page, Quarantined, QuarantinedDetail, Released, Selection, StillUnreadable,
};
use super::{Failing, arrival, resource};
use crate::http::Gateway;
use crate::http::commit::{self, SinksOf};
use crate::intake::{keep_of, stored};
use crate::snapshot::Snapshot;
use campanile_store::{Arrival, Entry, Fault, QuarantineFilter, QuarantineRow};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/quarantine").get(index))
        .service(resource("/quarantine/retry").post(retry))
        .service(resource("/quarantine/drop").post(remove))
        .service(resource("/quarantine/{id}").get(show));
}

/// Quarantined callbacks, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/quarantine",
    params(
        ("source" = Option<String>, Query, description = "Only of this source"),
        ("before" = Option<String>, Query, description = "The `next` of the previous page"),
        ("limit" = Option<u32>, Query, description = "Items per page, from 1 to 500"),
    ),
    responses((status = 200, body = Page<Quarantined>))
)]
pub(super) async fn index(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(list(&gateway, request.query_string()).await?))
}

/// The quarantined callbacks that match a query, newest first.
pub(crate) async fn list(gateway: &Gateway, query: &str) -> Failing<Page<Quarantined>> {
    let query = Query::of(query, &["source", "before", "limit"])?;
    let filter = query.quarantine()?;
    let limit = filter.limit;
    let one_more = QuarantineFilter {
        limit: limit + 1,
        ..filter
    };
    let rows = gateway.store.quarantine(one_more).await?;
    let page = page(rows, limit, |row| row.id);
    Ok(Page {
        items: page.items.iter().map(shown).collect(),
        next: page.next,
    })
}

/// One quarantined callback with its request.
#[utoipa::path(
    get,
    path = "/api/v1/quarantine/{id}",
    params(("id" = i64, Path, description = "The number of the callback")),
    responses((status = 200, body = QuarantinedDetail))
)]
pub(super) async fn show(
    id: web::Path<String>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(detail(&gateway, &id).await?))
}

/// The quarantined callback with this number.
pub(crate) async fn detail(gateway: &Gateway, id: &str) -> Failing<QuarantinedDetail> {
    let absent = || {
        ApiError::not_found(
            "no quarantined callback has this number; it may already be read again or dropped",
        )
    };
    let id: i64 = id.parse().map_err(|_| absent())?;
    let row = gateway.store.quarantined(id).await?.ok_or_else(absent)?;
    Ok(QuarantinedDetail {
        quarantined: shown(&row),
        callback: String::from_utf8_lossy(&row.callback).into_owned(),
        arrival: arrival::shown(&row.arrival),
    })
}

fn shown(row: &QuarantineRow) -> Quarantined {
    Quarantined {
        id: row.id,
        source: row.source.clone(),
        received_at: row.received_at,
        faults: row.faults.clone(),
    }
}

/// Reads callbacks again. Callbacks that can be read become alerts; the others stay in quarantine.
#[utoipa::path(
    post,
    path = "/api/v1/quarantine/retry",
    request_body = Selection,
    responses((status = 200, body = Released))
)]
pub(super) async fn retry(body: web::Bytes, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let selection = select(&body, "source")?;
    Ok(HttpResponse::Ok().json(read_selected(&gateway, &selection).await?))
}

/// Reads the selected callbacks again.
pub(crate) async fn read_selected(gateway: &Gateway, selection: &Selection) -> Failing<Released> {
    let ids = chosen(gateway, selection).await?;
    let mut answer = Released {
        count: u64::try_from(ids.len()).unwrap_or(u64::MAX),
        dry_run: selection.dry_run,
        released: 0,
        still_unreadable: Vec::new(),
    };
    if selection.dry_run {
        return Ok(answer);
    }
    let current = gateway.current();
    // Oldest first, in the order of arrival.
    for id in ids.into_iter().rev() {
        let Some(row) = gateway.store.quarantined(id).await? else {
            continue;
        };
        match release(gateway, &current.snapshot, &row).await? {
            Ok(()) => answer.released += 1,
            Err((id, faults)) => answer.still_unreadable.push(StillUnreadable { id, faults }),
        }
    }
    Ok(answer)
}

/// The number of a callback that still cannot be read, and its faults.
type Still = (i64, Vec<Fault>);

/// Reads a callback again with the current provider and source. Its sender was verified when it arrived.
async fn release(
    gateway: &Gateway,
    snapshot: &Snapshot,
    row: &QuarantineRow,
) -> Failing<Result<(), Still>> {
    let mut entry = match read_again(snapshot, row) {
        Ok(entry) => entry,
        Err(fault) => return Ok(Err((row.id, vec![fault]))),
    };
    // The vendor got its answer when the callback arrived. The routes are those of now.
    let routes = entry.arrival.routes.take();
    entry.arrival = Arrival {
        routes,
        ..row.arrival.clone()
    };
    let faults = entry.faults.clone();
    if entry.alerts.is_empty() && !faults.is_empty() {
        return Ok(Err((row.id, faults)));
    }
    let sinks = SinksOf::entry(&entry);
    let appended = gateway.store.release(row.id, entry).await?;
    sinks.wake(&*gateway.sinks, &gateway.news, &appended);
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

/// Drops quarantined callbacks permanently.
#[utoipa::path(
    post,
    path = "/api/v1/quarantine/drop",
    request_body = Selection,
    responses((status = 200, body = Counted))
)]
pub(super) async fn remove(body: web::Bytes, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let selection = select(&body, "source")?;
    Ok(HttpResponse::Ok().json(drop_selected(&gateway, &selection).await?))
}

/// Drops the selected callbacks permanently.
pub(crate) async fn drop_selected(gateway: &Gateway, selection: &Selection) -> Failing<Counted> {
    let ids = chosen(gateway, selection).await?;
    if selection.dry_run {
        return Ok(Counted::of(ids.len(), true));
    }
    let mut count = 0;
    for ids in ids.chunks(usize::try_from(LIMIT_MAX).unwrap_or(1)) {
        count += gateway.store.drop_quarantined(ids.to_vec()).await?;
    }
    Ok(Counted {
        count,
        dry_run: false,
    })
}

/// The numbers of the selected callbacks that exist, newest first.
async fn chosen(gateway: &Gateway, selection: &Selection) -> Failing<Vec<i64>> {
    if let Some(ids) = &selection.ids {
        let mut existing = Vec::new();
        for id in ids.iter().collect::<BTreeSet<_>>().into_iter().rev() {
            let row = gateway.store.quarantined(*id).await?;
            existing.extend(row.map(|row| row.id));
        }
        return Ok(existing);
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
