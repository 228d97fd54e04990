//! `/api/v1/problems`: what fires now, and the history of one problem.

use actix_web::{HttpRequest, HttpResponse, web};
use campanile_model::{Alert, Status};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::alerts::shown;
use super::error::ApiError;
use super::query::{Query, page, searched};
use super::types::AlertItem;
use super::{Failing, fresh, resource};
use crate::http::Gateway;
use campanile_store::{AlertFilter, FiringFilter, FiringRow, StoredAlert};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/problems").get(index))
        .service(resource("/problems/{fingerprint}").get(show));
}

/// What fires now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Problems {
    /// The problems of this page. The episode that began last is first.
    pub(crate) items: Vec<Problem>,
    /// The cursor of the next page: give it as `before`. Null on the last page.
    pub(crate) next: Option<String>,
    /// The number of all firing problems.
    pub(crate) firing: u64,
    /// The numbers by severity, of all sources, the highest severity first.
    pub(crate) counts: Vec<SeverityCount>,
    /// True if there are more problems than the gateway counts and lists (100,000).
    pub(crate) more: bool,
}

/// The number of firing problems of one severity.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SeverityCount {
    /// The severity.
    pub(crate) severity: String,
    /// The number of problems.
    pub(crate) count: u64,
}

/// A problem that fires.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Problem {
    /// The id of the alert that opened the episode.
    pub(crate) episode: Uuid,
    /// When the episode began.
    pub(crate) started_at: Timestamp,
    /// Its newest alert. Null if it is no longer stored.
    pub(crate) alert: Option<Alert>,
}

/// The history of one problem.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ProblemDetail {
    /// Its episodes on this page, newest first.
    pub(crate) episodes: Vec<Episode>,
    /// The cursor of the next page: give it as `before`. Null on the last page. An episode can go on there.
    pub(crate) next: Option<String>,
    /// How far the search looked, if it ended early because there was too much to look at.
    pub(crate) searched_to: Option<Timestamp>,
}

/// One run of a problem from firing to resolved.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Episode {
    /// The id of the alert that opened it.
    pub(crate) id: Uuid,
    /// When its first alert of this page was received.
    pub(crate) started_at: Timestamp,
    /// When it was resolved. Null while it fires, and if its end is on an earlier page.
    pub(crate) ended_at: Option<Timestamp>,
    /// From start to end, in seconds. Null without an end.
    pub(crate) seconds: Option<i64>,
    /// Its alerts, newest first.
    pub(crate) alerts: Vec<AlertItem>,
}

/// The problems that fire now, the episode that began last first, with the number of problems of each severity.
#[utoipa::path(
    get,
    path = "/api/v1/problems",
    params(
        ("source" = Option<String>, Query, description = "Only of this source"),
        ("severity" = Option<String>, Query, description = "Only with this severity of the newest alert: critical, error, warning, info or unknown"),
        ("before" = Option<String>, Query, description = "The `next` of the previous page"),
        ("limit" = Option<u32>, Query, description = "Items per page, from 1 to 500"),
    ),
    responses((status = 200, body = Problems))
)]
pub(super) async fn index(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    fresh(&request, &gateway, list(&gateway, request.query_string())).await
}

/// The problems that fire now and match a query.
async fn list(gateway: &Gateway, query: &str) -> Failing<Problems> {
    let Found { rows, next, known } = firing(gateway, query).await?;
    let items = rows.iter().map(|row| {
        Ok(Problem {
            episode: row.episode,
            started_at: row.started_at,
            alert: row.newest.as_ref().map(shown).transpose()?,
        })
    });
    Ok(Problems {
        items: items.collect::<Failing<_>>()?,
        next,
        firing: known.firing(),
        counts: known.counts,
        more: known.more,
    })
}

/// Problems that fire now, with their alerts as they are stored.
pub(crate) struct Found {
    /// The problems of this page.
    pub(crate) rows: Vec<FiringRow>,
    pub(crate) next: Option<String>,
    pub(crate) known: Known,
}

/// How many problems fire, of all sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// The numbers by severity, the highest severity first.
    pub(crate) counts: Vec<SeverityCount>,
    /// Whether there are more than the store counts.
    pub(crate) more: bool,
}

impl Known {
    /// The number of all of them.
    pub(crate) fn firing(&self) -> u64 {
        self.counts.iter().map(|count| count.count).sum()
    }
}

/// The stored problems that fire now and match a query.
pub(crate) async fn firing(gateway: &Gateway, query: &str) -> Failing<Found> {
    let query = Query::of(query, &["source", "severity", "before", "limit"])?;
    let limit = query.limit()?;
    let filter = FiringFilter {
        source: query.text("source").map(str::to_owned),
        severity: query.severity()?,
        before: query.cursor()?,
        limit: limit + 1,
    };
    let firing = gateway.store.firing(filter).await?;
    let page = page(firing.rows, limit, |row| row.episode);
    let counts = firing.counts.iter().map(|(severity, count)| SeverityCount {
        severity: severity.to_string(),
        count: *count,
    });
    let known = Known {
        counts: counts.collect(),
        more: firing.more,
    };
    Ok(Found {
        rows: page.items,
        next: page.next,
        known,
    })
}

/// The episodes of one problem, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/problems/{fingerprint}",
    params(
        ("fingerprint" = String, Path, description = "16 hexadecimal digits"),
        ("source" = Option<String>, Query, description = "Only of this source"),
        ("since" = Option<String>, Query, description = "Only alerts accepted at or after this time"),
        ("before" = Option<String>, Query, description = "The `next` of the previous page"),
        ("limit" = Option<u32>, Query, description = "Alerts per page, from 1 to 500"),
    ),
    responses((status = 200, body = ProblemDetail))
)]
pub(super) async fn show(
    fingerprint: web::Path<String>,
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let read = detail(&gateway, &fingerprint, request.query_string());
    fresh(&request, &gateway, read).await
}

/// The episodes of the problem with this fingerprint that match a query.
pub(crate) async fn detail(
    gateway: &Gateway,
    fingerprint: &str,
    query: &str,
) -> Failing<ProblemDetail> {
    let absent = || {
        ApiError::not_found(
            "no stored alert has this fingerprint; its alerts may be older than `[store] retention_days`",
        )
    };
    let query = Query::of(query, &["source", "since", "before", "limit"])?;
    let filter = query.alerts(None)?;
    let limit = filter.limit;
    let first = filter.before.is_none();
    let filter = AlertFilter {
        fingerprint: Some(fingerprint.parse().map_err(|_| absent())?),
        limit: limit + 1,
        ..filter
    };
    let listed = gateway.store.alerts(filter).await?;
    let page = searched(listed, limit, |alert| alert.seq);
    if page.items.is_empty() && first && page.next.is_none() {
        return Err(absent());
    }
    Ok(ProblemDetail {
        episodes: episodes(&page.items)?,
        next: page.next,
        searched_to: page.searched_to,
    })
}

/// The alerts by episode. Those of one episode follow each other only within a source.
fn episodes(stored: &[StoredAlert]) -> Failing<Vec<Episode>> {
    let mut found: Vec<Episode> = Vec::new();
    for stored in stored {
        let alert = shown(stored)?;
        let (at, over) = (alert.received_at, alert.status == Status::Resolved);
        let item = AlertItem {
            alert,
            episode: stored.episode,
        };
        let known = found.iter_mut().find(|known| known.id == stored.episode);
        if let Some(known) = known {
            known.started_at = at;
            known.seconds = known.ended_at.map(|end| end.duration_since(at).as_secs());
            known.alerts.push(item);
            continue;
        }
        found.push(Episode {
            id: stored.episode,
            started_at: at,
            ended_at: over.then_some(at),
            seconds: over.then_some(0),
            alerts: vec![item],
        });
    }
    Ok(found)
}
