//! `/api/v1/quarantine`: verified callbacks that could not be read.

use actix_web::{HttpRequest, HttpResponse, web};

use super::actor::Actor;
use super::bulk::{self, Act, Acted, Call};
use super::error::ApiError;
use super::query::{Query, page};
use super::types::{
    Counted, Job, Page, Quarantined, QuarantinedDetail, Released, Selection, StillUnreadable,
};
use super::{Failing, arrival, fresh, resource};
use crate::http::Gateway;
use crate::http::commit;
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
    fresh(&request, &gateway, list(&gateway, request.query_string())).await
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
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    fresh(&request, &gateway, detail(&gateway, &id)).await
}

/// The quarantined callback with this number.
pub(crate) async fn detail(gateway: &Gateway, id: &str) -> Failing<QuarantinedDetail> {
    let row = find(gateway, id.parse().map_err(|_| absent())?).await?;
    Ok(QuarantinedDetail {
        quarantined: shown(&row),
        callback: String::from_utf8_lossy(&row.callback).into_owned(),
        arrival: arrival::shown(&row.arrival),
    })
}

/// The quarantined callback with this number, as it is stored.
pub(super) async fn find(gateway: &Gateway, id: i64) -> Failing<QuarantineRow> {
    gateway.store.quarantined(id).await?.ok_or_else(absent)
}

fn absent() -> ApiError {
    ApiError::not_found(
        "no quarantined callback has this number; it may already be read again or dropped",
    )
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
    responses((status = 200, body = Released), (status = 202, body = Job))
)]
pub(super) async fn retry(body: web::Bytes, call: Call) -> Failing<HttpResponse> {
    call.answer(Act::QuarantineRetry, &body, released).await
}

/// Reads the selected callbacks again.
pub(crate) async fn read_selected(
    gateway: &Gateway,
    selection: &Selection,
    actor: &Actor,
) -> Failing<Released> {
    let acted = bulk::act(gateway, Act::QuarantineRetry, selection, actor).await?;
    Ok(released(acted))
}

fn released(acted: Acted) -> Released {
    let counted = acted.counted;
    Released {
        released: if counted.dry_run { 0 } else { counted.count },
        counted: Counted {
            count: acted.selected,
            ..counted
        },
        still_unreadable: acted.still_unreadable,
    }
}

/// Reads a callback again with the current provider and source. Its sender was verified when it arrived. None: it is no
/// longer in quarantine.
pub(super) async fn release(
    gateway: &Gateway,
    snapshot: &Snapshot,
    id: i64,
    audited: &campanile_store::Act,
) -> Failing<Option<Result<(), StillUnreadable>>> {
    let Some(row) = gateway.store.quarantined(id).await? else {
        return Ok(None);
    };
    let still = |id, faults| Ok(Some(Err(StillUnreadable { id, faults })));
    let mut entry = match read_again(gateway, snapshot, &row) {
        Ok(entry) => entry,
        Err(fault) => return still(id, vec![fault]),
    };
    // The vendor got its answer when the callback arrived. The routes are those of now.
    let routes = entry.arrival.routes.take();
    entry.arrival = Arrival {
        routes,
        ..row.arrival.clone()
    };
    let faults = entry.faults.clone();
    if entry.alerts.is_empty() && !faults.is_empty() {
        return still(id, faults);
    }
    let appended = gateway.store.release(id, entry, audited.clone()).await?;
    commit::wake(&*gateway.sinks, &gateway.news, &appended);
    if faults.is_empty() {
        return Ok(Some(Ok(())));
    }
    still(appended.quarantine.unwrap_or(id), faults)
}

fn read_again(gateway: &Gateway, snapshot: &Snapshot, row: &QuarantineRow) -> Result<Entry, Fault> {
    let source = snapshot.source(&row.source).ok_or_else(|| {
        let problem = format!("`{}` is no longer configured", row.source);
        Fault::new("source", problem)
    })?;
    let call = stored(source, &row.callback, row.received_at)?;
    let kept = keep_of(source, &call);
    Ok(commit::entry(
        &source.name,
        kept,
        snapshot,
        &gateway.metrics,
    ))
}

/// Drops quarantined callbacks permanently.
#[utoipa::path(
    post,
    path = "/api/v1/quarantine/drop",
    request_body = Selection,
    responses((status = 200, body = Counted), (status = 202, body = Job))
)]
pub(super) async fn remove(body: web::Bytes, call: Call) -> Failing<HttpResponse> {
    call.answer(Act::QuarantineDrop, &body, |acted| acted.counted)
        .await
}
