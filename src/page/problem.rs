//! `/problems/{fingerprint}`: the episodes of one problem and its alerts.

use actix_web::{HttpRequest, HttpResponse, web};
use campanile_model::{Alert, Status};
use campanile_store::StoredAlert;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::filter::Filter;
use super::moment::Moment;
use super::row::{self, Row};
use super::view::View;
use crate::api::error::ApiError;
use crate::api::{Failing, alerts};
use crate::http::Gateway;

/// Alerts on one page.
const ALERTS: &str = "100";

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/problems/{fingerprint}", web::get().to(show));
}

/// What the template sees.
#[derive(Serialize)]
struct Problem {
    fingerprint: String,
    title: String,
    status: String,
    severity: String,
    source: String,
    episodes: Vec<Episode>,
    older: Option<String>,
}

/// One run of the problem, newest first.
#[derive(Serialize)]
struct Episode {
    started: Moment,
    /// None while it fires.
    ended: Option<Moment>,
    length: String,
    rows: Vec<Row>,
}

async fn show(
    request: HttpRequest,
    fingerprint: web::Path<String>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let query = filter.query(&[], &[("fingerprint", &fingerprint), ("limit", ALERTS)]);
    let page = alerts::list(&gateway, &query).await?;
    let newest = page.items.first().ok_or_else(|| {
        ApiError::not_found("no stored alert has this fingerprint; its alerts may be older than `[store] retention_days`")
    })?;
    let newest = alerts::shown(newest)?;
    let here = format!("/problems/{fingerprint}");
    let problem = Problem {
        title: row::title(&newest),
        status: newest.status.to_string(),
        severity: newest.severity.to_string(),
        source: newest.source,
        episodes: episodes(&view, &gateway, &page.items).await?,
        older: page
            .next
            .map(|next| filter.href(&here, &[("before", &next)])),
        fingerprint: fingerprint.into_inner(),
    };
    Ok(view.page("problem.html", problem))
}

async fn episodes(view: &View, gateway: &Gateway, stored: &[StoredAlert]) -> Failing<Vec<Episode>> {
    let mut episodes = Vec::new();
    for (_, stored) in by_episode(stored) {
        let alerts = stored
            .iter()
            .map(alerts::shown)
            .collect::<Failing<Vec<_>>>()?;
        let Some((started, ended)) = run(&alerts) else {
            continue;
        };
        episodes.push(Episode {
            started: view.moment(started),
            ended: ended.map(|at| view.moment(at)),
            length: view.between(started, ended.unwrap_or_else(|| view.now())),
            rows: Row::all(view, gateway, &stored).await?,
        });
    }
    Ok(episodes)
}

/// The alerts of each episode, in the order of the list.
fn by_episode(stored: &[StoredAlert]) -> Vec<(Uuid, Vec<StoredAlert>)> {
    let mut episodes: Vec<(Uuid, Vec<StoredAlert>)> = Vec::new();
    for stored in stored {
        match episodes.iter_mut().find(|(id, _)| *id == stored.episode) {
            Some((_, alerts)) => alerts.push(stored.clone()),
            None => episodes.push((stored.episode, vec![stored.clone()])),
        }
    }
    episodes
}

/// When an episode started, and when it ended. By the clock of the gateway, because the clocks of vendors differ.
fn run(alerts: &[Alert]) -> Option<(Timestamp, Option<Timestamp>)> {
    let (newest, oldest) = (alerts.first()?, alerts.last()?);
    let over = newest.status == Status::Resolved;
    Some((oldest.received_at, over.then_some(newest.received_at)))
}
