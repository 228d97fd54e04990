//! `/api/v1/silences`: which alerts are not sent for a while.

mod wanted;

use actix_web::{HttpResponse, web};
use campanile_model::Alert;
use jiff::Timestamp;

use super::actor::Actor;
use super::error::ApiError;
use super::query::{Query, page};
use super::types::{
    Extended, Page, SilenceHit, SilenceHits, SilenceItem, SilenceMade, WantedSilence,
};
use super::{Failing, body, resource};
use crate::config::Matching;
use crate::http::Gateway;
use crate::snapshot::matcher::{Asked, Matcher};
use campanile_store::{Act, FiringFilter, SILENCES_MAX, SilenceFilter, SilenceRow};

/// Problems that a preview looks at.
const LOOK_MAX: u64 = 20_000;

/// Problems of one read of a preview.
const LOOK_PAGE: u32 = 1_000;

/// Problems that a preview names.
const NAMED_MAX: usize = 20;

const EXAMPLE: &str = "the body is not valid: send `{\"match\":{\"labels.team\":\"db\"},\"for\":\"2h\",\"comment\":\"why\"}` as JSON";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/silences").get(index).post(add))
        .service(resource("/silences/preview").post(preview))
        .service(resource("/silences/{id}").get(show))
        .service(resource("/silences/{id}/extend").post(extend))
        .service(resource("/silences/{id}/end").post(end));
}

/// Silences, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/silences",
    params(
        ("state" = Option<String>, Query, description = "`open` (active or pending) or `all`. Default: `open`"),
        ("before" = Option<String>, Query, description = "The `next` of the previous page"),
        ("limit" = Option<u32>, Query, description = "Items per page, from 1 to 500"),
    ),
    responses((status = 200, body = Page<SilenceItem>))
)]
pub(super) async fn index(
    request: actix_web::HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(list(&gateway, request.query_string()).await?))
}

/// The silences that match a query, newest first.
pub(crate) async fn list(gateway: &Gateway, query: &str) -> Failing<Page<SilenceItem>> {
    let query = Query::of(query, &["state", "before", "limit"])?;
    let (limit, now) = (query.limit()?, gateway.clock.now());
    let all = match query.text("state") {
        None | Some("open") => false,
        Some("all") => true,
        Some(other) => {
            let message = format!("`state` is `{other:.40}`, but must be `open` or `all`");
            return Err(ApiError::bad_request(message).at_parameter("state"));
        }
    };
    let filter = SilenceFilter {
        not_ended_at: (!all).then_some(now),
        before: query.cursor()?,
        limit: limit + 1,
    };
    let rows = gateway.store.silences(filter).await?;
    let page = page(rows, limit, |row| row.id);
    Ok(Page {
        items: page.items.iter().map(|row| shown(row, now)).collect(),
        next: page.next,
    })
}

/// Makes a silence. It is in force when this answers; at other gateways on the same store within a second.
#[utoipa::path(
    post,
    path = "/api/v1/silences",
    request_body = WantedSilence,
    responses((status = 201, body = SilenceMade))
)]
pub(super) async fn add(
    bytes: web::Bytes,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let wanted = body::read(&bytes, EXAMPLE)?;
    Ok(HttpResponse::Created().json(make(&gateway, &wanted, &actor).await?))
}

/// Makes a silence.
pub(crate) async fn make(
    gateway: &Gateway,
    wanted: &WantedSilence,
    actor: &Actor,
) -> Failing<SilenceMade> {
    let now = gateway.clock.now();
    let (matching, matcher) = wanted::matcher(wanted)?;
    let act = actor.does(gateway, "silences.add", "");
    let silence = wanted::silence(wanted, &matching, &act.who, now)?;
    let in_force = SilenceFilter {
        not_ended_at: Some(now),
        before: None,
        limit: SILENCES_MAX,
    };
    let count = gateway.store.silences(in_force).await?.len();
    if u32::try_from(count).is_ok_and(|count| count >= SILENCES_MAX) {
        let message =
            format!("there are {SILENCES_MAX} silences already: end some, or match more with one");
        return Err(ApiError::bad_request(message));
    }
    let hits = hits(gateway, &matcher).await?;
    let act = Act {
        detail: silence.matching.clone(),
        ..act
    };
    let id = gateway.store.make_silence(silence, act).await?;
    gateway.sinks.silences_changed().await?;
    Ok(SilenceMade {
        silence: shown(&find(gateway, id).await?, now),
        hits,
    })
}

/// What a silence would match of what fires now. It is not made.
#[utoipa::path(
    post,
    path = "/api/v1/silences/preview",
    request_body = WantedSilence,
    responses((status = 200, body = SilenceHits))
)]
pub(super) async fn preview(
    bytes: web::Bytes,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let wanted: WantedSilence = body::read(&bytes, EXAMPLE)?;
    Ok(HttpResponse::Ok().json(look(&gateway, &wanted).await?))
}

/// What a silence would match.
pub(crate) async fn look(gateway: &Gateway, wanted: &WantedSilence) -> Failing<SilenceHits> {
    let (_, matcher) = wanted::matcher(wanted)?;
    hits(gateway, &matcher).await
}

/// One silence.
#[utoipa::path(
    get,
    path = "/api/v1/silences/{id}",
    params(("id" = i64, Path, description = "The number of the silence")),
    responses((status = 200, body = SilenceItem))
)]
pub(super) async fn show(
    id: web::Path<String>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let row = find(&gateway, number(&id)?).await?;
    Ok(HttpResponse::Ok().json(shown(&row, gateway.clock.now())))
}

/// Lets a silence last until another time.
#[utoipa::path(
    post,
    path = "/api/v1/silences/{id}/extend",
    params(("id" = i64, Path, description = "The number of the silence")),
    request_body = Extended,
    responses((status = 200, body = SilenceItem))
)]
pub(super) async fn extend(
    id: web::Path<String>,
    bytes: web::Bytes,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let wanted: Extended = body::read(
        &bytes,
        "the body is not valid: send `{\"for\":\"2h\"}` as JSON",
    )?;
    let changed = change(&gateway, &id, &actor, Some(&wanted)).await?;
    Ok(HttpResponse::Ok().json(changed))
}

/// Ends a silence now. What it holds and still fires is sent.
#[utoipa::path(
    post,
    path = "/api/v1/silences/{id}/end",
    params(("id" = i64, Path, description = "The number of the silence")),
    responses((status = 200, body = SilenceItem))
)]
pub(super) async fn end(
    id: web::Path<String>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(change(&gateway, &id, &actor, None).await?))
}

/// Extends a silence, or ends it.
pub(crate) async fn change(
    gateway: &Gateway,
    id: &str,
    actor: &Actor,
    extended: Option<&Extended>,
) -> Failing<SilenceItem> {
    let (id, now) = (number(id)?, gateway.clock.now());
    let row = find(gateway, id).await?;
    let target = format!("silence {id}");
    let changed = if let Some(Extended { until, lasts }) = extended {
        let from = row.silence.from.max(now);
        let until = wanted::end(*until, lasts.as_deref(), from, now)?;
        let act = actor.does(gateway, "silences.extend", target);
        gateway.store.extend_silence(id, until, act).await?
    } else {
        let act = actor.does(gateway, "silences.end", target);
        gateway.store.end_silence(id, act).await?
    };
    if !changed {
        let message = format!("silence {id} is over: it ended at {}", row.ends_at());
        return Err(ApiError::bad_request(message));
    }
    gateway.sinks.silences_changed().await?;
    // PostgreSQL rounds times to microseconds: the end can be after `now`.
    Ok(shown(&find(gateway, id).await?, gateway.clock.now()))
}

fn absent() -> ApiError {
    ApiError::not_found(
        "no silence has this number; `campanile silences list --state all` lists them",
    )
}

fn number(id: &str) -> Failing<i64> {
    id.parse().map_err(|_| absent())
}

async fn find(gateway: &Gateway, id: i64) -> Failing<SilenceRow> {
    // The newest that is older than the next number.
    let filter = SilenceFilter {
        not_ended_at: None,
        before: id.checked_add(1),
        limit: 1,
    };
    let mut rows = gateway.store.silences(filter).await?;
    rows.pop().filter(|row| row.id == id).ok_or_else(absent)
}

fn shown(row: &SilenceRow, now: Timestamp) -> SilenceItem {
    let silence = &row.silence;
    let matching: Matching = serde_json::from_str(&silence.matching).unwrap_or_default();
    let state = match () {
        () if row.ends_at() <= now => "ended",
        () if silence.from > now => "pending",
        () => "active",
    };
    SilenceItem {
        id: row.id,
        state: state.to_owned(),
        matches: matching.matches,
        regex: matching.regex,
        when: matching.when,
        from: silence.from,
        until: row.ends_at(),
        after: silence.after.clone(),
        who: silence.who.clone(),
        comment: silence.comment.clone(),
        made_at: row.made_at,
    }
}

/// The problems that fire now and match.
async fn hits(gateway: &Gateway, matcher: &Matcher) -> Failing<SilenceHits> {
    let mut hits = SilenceHits::default();
    let mut before = None;
    loop {
        let filter = FiringFilter {
            before,
            limit: LOOK_PAGE,
            ..FiringFilter::default()
        };
        let firing = gateway.store.firing(filter).await?;
        let Some(last) = firing.rows.last() else {
            hits.more |= firing.more;
            return Ok(hits);
        };
        before = Some(last.episode);
        for stored in firing.rows.iter().filter_map(|row| row.newest.as_ref()) {
            let Ok(alert) = serde_json::from_slice::<Alert>(&stored.json) else {
                continue;
            };
            if matcher.holds(&Asked::of(&alert)).unwrap_or(false) {
                hits.firing += 1;
                if hits.items.len() < NAMED_MAX {
                    hits.items.push(SilenceHit {
                        alert_id: stored.id,
                        title: alert.title,
                        source: alert.source,
                        severity: alert.severity.to_string(),
                    });
                }
            }
        }
        hits.looked_at += firing.rows.len() as u64;
        if hits.looked_at >= LOOK_MAX {
            hits.more = true;
            return Ok(hits);
        }
    }
}
