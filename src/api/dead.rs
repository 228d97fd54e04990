//! `/api/v1/dead`: dead letters, which are deliveries that failed permanently.

use actix_web::{HttpRequest, HttpResponse, web};

use super::bulk::{Act, Call};
use super::error::ApiError;
use super::query::{Query, page};
use super::types::{Counted, DeadDetail, DeadLetter, Job, Page, Selection};
use super::{Failing, Named, Names, alerts, fresh, named, resource};
use crate::http::Gateway;
use campanile_store::{DeadFilter, DeadRow};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/dead").get(index))
        .service(resource("/dead/retry").post(retry))
        .service(resource("/dead/drop").post(remove))
        .service(resource("/dead/{id}").get(show));
}

/// Dead letters, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/dead",
    params(
        ("sink" = Option<String>, Query, description = "Only of this sink"),
        ("before" = Option<String>, Query, description = "The `next` of the previous page"),
        ("limit" = Option<u32>, Query, description = "Items per page, from 1 to 500"),
    ),
    responses((status = 200, body = Page<DeadLetter>))
)]
pub(super) async fn index(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    fresh(&request, &gateway, list(&gateway, request.query_string())).await
}

/// The dead letters that match a query, newest first.
pub(crate) async fn list(gateway: &Gateway, query: &str) -> Failing<Page<DeadLetter>> {
    let query = Query::of(query, &["sink", "before", "limit"])?;
    let names = Names::load(gateway).await?;
    let filter = query.dead(&names)?;
    let limit = filter.limit;
    let rows = gateway
        .store
        .dead(DeadFilter {
            limit: limit + 1,
            ..filter
        })
        .await?;
    let page = page(rows, limit, |row| row.id);
    let known = named(gateway, page.items.iter().map(|row| row.seq).collect()).await?;
    let items = page.items.iter();
    let items = items.map(|row| shown(row, known.get(&row.seq), &names));
    Ok(Page {
        items: items.collect(),
        next: page.next,
    })
}

/// The number of dead letters, counted up to `most`.
pub(crate) async fn count(gateway: &Gateway, most: u32) -> Failing<usize> {
    let filter = DeadFilter {
        limit: most,
        ..DeadFilter::default()
    };
    Ok(gateway.store.dead(filter).await?.len())
}

/// One dead letter with its alert.
#[utoipa::path(
    get,
    path = "/api/v1/dead/{id}",
    params(("id" = i64, Path, description = "The number of the dead letter")),
    responses((status = 200, body = DeadDetail))
)]
pub(super) async fn show(
    id: web::Path<String>,
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    fresh(&request, &gateway, detail(&gateway, &id)).await
}

/// The dead letter with this number.
async fn detail(gateway: &Gateway, id: &str) -> Failing<DeadDetail> {
    let absent = || {
        ApiError::not_found("no dead letter has this number; it may already be retried or dropped")
    };
    let id: i64 = id.parse().map_err(|_| absent())?;
    let row = find(gateway, id).await?.ok_or_else(absent)?;
    let names = Names::load(gateway).await?;
    let stored = gateway.store.alerts_by_seq(vec![row.seq]).await?;
    let stored = stored.first();
    Ok(DeadDetail {
        letter: shown(&row, stored.map(Named::of).as_ref(), &names),
        alert: stored.map(alerts::shown).transpose()?,
    })
}

/// The dead letter of this number, if it still exists.
async fn find(gateway: &Gateway, id: i64) -> Failing<Option<DeadRow>> {
    // The newest that is older than the next number.
    let filter = DeadFilter {
        before: id.checked_add(1),
        limit: 1,
        ..DeadFilter::default()
    };
    let mut rows = gateway.store.dead(filter).await?;
    Ok(rows.pop().filter(|row| row.id == id))
}

fn shown(row: &DeadRow, alert: Option<&Named>, names: &Names) -> DeadLetter {
    let alert = alert.cloned().unwrap_or_default();
    DeadLetter {
        id: row.id,
        alert_id: alert.id,
        title: alert.title,
        sink: names.of(row.sink).to_owned(),
        attempts: row.attempts,
        at: row.at,
        class: row.class.clone(),
        error: row.error.clone(),
        code: row.code,
    }
}

/// Delivers dead letters again.
#[utoipa::path(
    post,
    path = "/api/v1/dead/retry",
    request_body = Selection,
    responses((status = 200, body = Counted), (status = 202, body = Job))
)]
pub(super) async fn retry(body: web::Bytes, call: Call) -> Failing<HttpResponse> {
    call.answer(Act::DeadRetry, &body, |acted| acted.counted)
        .await
}

/// Drops dead letters permanently.
#[utoipa::path(
    post,
    path = "/api/v1/dead/drop",
    request_body = Selection,
    responses((status = 200, body = Counted), (status = 202, body = Job))
)]
pub(super) async fn remove(body: web::Bytes, call: Call) -> Failing<HttpResponse> {
    call.answer(Act::DeadDrop, &body, |acted| acted.counted)
        .await
}
