//! `/`: what fires now.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, guard, web};
use campanile_model::{Severity, Status};
use campanile_store::StoredAlert;
use serde::Serialize;

use super::answer;
use super::filter::Filter;
use super::moment::Moment;
use super::row::Row;
use super::view::View;
use crate::api::{self, Failing, alerts, sources};
use crate::http::Gateway;

/// Alerts that one page looks at.
const LOOK: &str = "500";

/// Rows on one page.
const ROWS_MAX: usize = 50;

/// The parameters that the page itself reads. The API reads the others.
const OWN: &[&str] = &["status", "view"];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let page = web::get().guard(guard::fn_guard(|request| {
        answer::wants_page(request.head().headers())
    }));
    let root = web::resource("/").route(page.to(show));
    config.service(root.route(web::get().to(api::welcome)));
}

/// What the template sees.
#[derive(Serialize)]
struct Live {
    filter: Filter,
    /// Whether there is a row for each alert, not for each problem.
    each: bool,
    sources: Vec<String>,
    severities: Vec<&'static str>,
    /// Firing problems by severity, the worst first.
    counts: Vec<Count>,
    firing: usize,
    rows: Vec<Row>,
    /// The address of the next page.
    older: Option<String>,
    /// The oldest alert that was looked at, if there are older ones.
    looked_back_to: Option<Moment>,
    last_callback: Option<LastCallback>,
    /// The reason why the store cannot be read.
    unreadable: Option<String>,
}

#[derive(Serialize)]
struct Count {
    severity: &'static str,
    problems: usize,
    href: String,
}

#[derive(Serialize)]
struct LastCallback {
    at: Moment,
    source: String,
}

async fn show(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let query = filter.query(OWN, &[("limit", LOOK)]);
    match alerts::list(&gateway, &query).await {
        Ok(page) => {
            let live = Live::of(&view, &gateway, filter, page).await?;
            Ok(view.page("live.html", live))
        }
        Err(error) if error.status_code().is_server_error() => {
            let mut live = Live::empty(&view, &gateway, filter);
            live.unreadable = Some(error.to_string());
            Ok(view.page_with(StatusCode::SERVICE_UNAVAILABLE, "live.html", live))
        }
        Err(error) => Err(error),
    }
}

impl Live {
    fn empty(view: &View, gateway: &Gateway, filter: Filter) -> Self {
        let sources = sources::list(gateway).items;
        let last = sources
            .iter()
            .filter_map(|source| Some((source.last_callback_at?, source)));
        let last = last.max_by_key(|(at, _)| *at);
        Self {
            each: filter.text("view") == "each",
            severities: Severity::ALL
                .iter()
                .map(|severity| severity.as_str())
                .collect(),
            counts: vec![],
            firing: 0,
            rows: vec![],
            older: None,
            looked_back_to: None,
            last_callback: last.map(|(at, source)| LastCallback {
                at: view.moment(at),
                source: source.name.clone(),
            }),
            unreadable: None,
            sources: sources.into_iter().map(|source| source.name).collect(),
            filter,
        }
    }

    async fn of(
        view: &View,
        gateway: &Gateway,
        filter: Filter,
        page: api::types::Page<StoredAlert>,
    ) -> Failing<Self> {
        let mut live = Self::empty(view, gateway, filter);
        let looked = Looked::at(page.items)?;
        live.firing = looked.firing.values().sum();
        live.counts = counts(&looked.firing, &live.filter);
        let wanted = live.wanted(looked.alerts);
        // The page ends after the last row, or after the last alert that was looked at.
        let last_row = wanted.get(ROWS_MAX - 1).filter(|_| wanted.len() > ROWS_MAX);
        let next = last_row.map(|stored| stored.seq.to_string()).or(page.next);
        let shown = wanted.get(..ROWS_MAX).unwrap_or(&wanted);
        live.rows = Row::all(view, gateway, shown).await?;
        if !live.each {
            // A stable sort: the newest stay first within a severity.
            live.rows.sort_by_key(|row| rank(&row.severity));
        }
        live.looked_back_to = next.as_ref().and(looked.oldest).map(|at| view.moment(at));
        live.older = next.map(|next| live.filter.href("/", &[("before", &next)]));
        Ok(live)
    }

    /// The alerts that have a row.
    fn wanted(&self, alerts: Vec<Seen>) -> Vec<StoredAlert> {
        let status = match self.filter.text("status") {
            "" if !self.each => Some(Status::Firing),
            word => word.parse().ok(),
        };
        let alerts = alerts.into_iter();
        let wanted = alerts.filter(|seen| {
            status.is_none_or(|status| seen.status == status) && (self.each || seen.newest)
        });
        wanted.map(|seen| seen.stored).collect()
    }
}

/// An alert that was looked at.
struct Seen {
    stored: StoredAlert,
    status: Status,
    /// Whether it is the newest of its problem.
    newest: bool,
}

/// The alerts that were looked at, newest first.
struct Looked {
    alerts: Vec<Seen>,
    firing: BTreeMap<&'static str, usize>,
    oldest: Option<jiff::Timestamp>,
}

impl Looked {
    fn at(stored: Vec<StoredAlert>) -> Failing<Self> {
        let mut problems = BTreeSet::new();
        let mut looked = Self {
            alerts: vec![],
            firing: BTreeMap::new(),
            oldest: None,
        };
        for stored in stored {
            let alert = alerts::shown(&stored)?;
            let newest = problems.insert((alert.source, alert.fingerprint));
            if newest && alert.status == Status::Firing {
                *looked.firing.entry(alert.severity.as_str()).or_default() += 1;
            }
            looked.oldest = Some(alert.received_at);
            looked.alerts.push(Seen {
                stored,
                status: alert.status,
                newest,
            });
        }
        Ok(looked)
    }
}

/// The place of a severity, the worst first.
fn rank(severity: &str) -> Option<usize> {
    Severity::ALL
        .iter()
        .position(|known| known.as_str() == severity)
}

fn counts(firing: &BTreeMap<&'static str, usize>, filter: &Filter) -> Vec<Count> {
    let severities = Severity::ALL.iter().map(|severity| severity.as_str());
    let found = severities.filter_map(|severity| Some((severity, *firing.get(severity)?)));
    found
        .map(|(severity, problems)| Count {
            severity,
            problems,
            href: filter.href("/", &[("severity", severity)]),
        })
        .collect()
}
