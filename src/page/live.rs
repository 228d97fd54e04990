//! `/`: what fires now.

use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, guard, web};
use campanile_model::{Severity, Status};
use campanile_store::StoredAlert;
use serde::Serialize;

use super::answer::{self, Page};
use super::filter::Filter;
use super::histogram::Chart;
use super::looked::{LOOK, Looked};
use super::moment::Moment;
use super::row::Row;
use super::shared::Shared;
use super::view::{Reading, View};
use crate::api::error::ApiError;
use crate::api::problems::Known;
use crate::api::{self, Failing, alerts, problems, sources};
use crate::http::Gateway;

/// Rows on one page.
const ROWS: &str = "50";
const ROWS_MAX: usize = 50;

/// The parameters that the page itself reads. The API reads the others.
const OWN: &[&str] = &["status", "view"];

/// Filters that only the list of all alerts has, and those by label.
const OF_ALERTS: &[&str] = &["q", "sink", "since", "until", "fingerprint"];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let page = web::get().guard(guard::fn_guard(|request| {
        answer::wants_page(request.head().headers())
    }));
    let root = web::resource("/").route(page.to(show));
    config
        .app_data(web::Data::new(Last::default()))
        .app_data(web::Data::new(Shared::<Reading, Page>::default()))
        .service(root.route(web::get().to(api::welcome)));
}

/// What fired when a page could last read the store.
#[derive(Default)]
struct Last(Mutex<Known>);

impl Last {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the template sees.
#[derive(Serialize)]
struct Live {
    filter: Filter,
    /// Whether there is a row for each alert, not for each problem.
    each: bool,
    sources: Vec<String>,
    sinks: Vec<String>,
    severities: Vec<&'static str>,
    /// The filters by label: name of the parameter, and value.
    labels: Vec<(String, String)>,
    /// Firing problems by severity, the worst first.
    counts: Vec<Count>,
    firing: u64,
    /// Whether more fire than are counted.
    more: bool,
    chart: Chart,
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
    severity: String,
    problems: u64,
    href: String,
}

#[derive(Serialize)]
struct LastCallback {
    at: Moment,
    source: String,
}

async fn show(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    last: web::Data<Last>,
    shared: web::Data<Shared<Reading, Page>>,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let reading = view.reading();
    let render = || page(view.at(gateway.clock.now()), &gateway, &last);
    Ok(shared.page(reading, render).await?.answer())
}

async fn page(view: View, gateway: &Gateway, last: &Last) -> Failing<Page> {
    let filter = Filter::of(view.query(), view.now())?;
    let mut live = Live::empty(&view, gateway, filter);
    match live.fill(&view, gateway).await {
        Ok(known) => {
            live.count(&known);
            *last.known() = known;
            Ok(view.rendered(StatusCode::OK, "live.html", live))
        }
        Err(error) if error.status_code().is_server_error() => {
            live.count(&last.known());
            live.unreadable = Some(error.to_string());
            Ok(view.rendered(StatusCode::SERVICE_UNAVAILABLE, "live.html", live))
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
            sinks: gateway
                .sinks
                .states()
                .into_iter()
                .map(|sink| sink.name.to_string())
                .collect(),
            labels: filter.labels(),
            severities: Severity::ALL
                .iter()
                .map(|severity| severity.as_str())
                .collect(),
            counts: vec![],
            firing: 0,
            more: false,
            chart: Chart::default(),
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

    /// Reads the rows and the chart, and how many problems fire.
    async fn fill(&mut self, view: &View, gateway: &Gateway) -> Failing<Known> {
        let status = self.status()?;
        let known = self.list(view, gateway, status).await?;
        self.chart = Chart::of(view, gateway, &self.filter, status).await?;
        Ok(known)
    }

    /// Reads the rows of the list.
    async fn list(
        &mut self,
        view: &View,
        gateway: &Gateway,
        status: Option<Status>,
    ) -> Failing<Known> {
        let of_alerts = OF_ALERTS
            .iter()
            .any(|name| !self.filter.text(name).is_empty());
        let of_alerts = self.each || of_alerts || !self.labels.is_empty();
        if status == Some(Status::Firing) && !of_alerts {
            return self.fires(view, gateway).await;
        }
        if self.each {
            self.alerts(view, gateway, status).await?;
        } else {
            self.look_back(view, gateway, status).await?;
        }
        Ok(problems::firing(gateway, "limit=1").await?.known)
    }

    /// The status that a row has. None for any.
    fn status(&self) -> Failing<Option<Status>> {
        let word = match self.filter.text("status") {
            "" => return Ok(Some(Status::Firing)),
            "any" => return Ok(None),
            word => word,
        };
        let wrong = || format!("`status` is `{word:.40}`, but must be firing, resolved or any");
        let status = word.parse().map_err(|_| ApiError::bad_request(wrong()))?;
        Ok(Some(status))
    }

    /// One row for each problem that fires.
    async fn fires(&mut self, view: &View, gateway: &Gateway) -> Failing<Known> {
        let query = self.filter.query(OWN, &[("limit", ROWS)]);
        let found = problems::firing(gateway, &query).await?;
        let newest = found.rows.into_iter().filter_map(|row| row.newest);
        let newest: Vec<StoredAlert> = newest.collect();
        self.rows = Row::all(view, gateway, &newest).await?;
        self.worst_first();
        self.goes_on(found.next);
        Ok(found.known)
    }

    /// One row for each alert.
    async fn alerts(
        &mut self,
        view: &View,
        gateway: &Gateway,
        status: Option<Status>,
    ) -> Failing<()> {
        let status = status.map(|status| ("status", status.as_str()));
        let more: Vec<_> = status.into_iter().chain([("limit", ROWS)]).collect();
        let page = alerts::list(gateway, &self.filter.query(OWN, &more)).await?;
        self.rows = Row::all(view, gateway, &page.items).await?;
        self.looked_back_to = page.searched_to.map(|at| view.moment(at));
        self.goes_on(page.next);
        Ok(())
    }

    /// One row for each problem among the newest alerts.
    async fn look_back(
        &mut self,
        view: &View,
        gateway: &Gateway,
        status: Option<Status>,
    ) -> Failing<()> {
        let query = self.filter.query(OWN, &[("limit", LOOK)]);
        let looked = Looked::at(gateway, &query, status, ROWS_MAX).await?;
        self.rows = Row::all(view, gateway, &looked.alerts).await?;
        self.worst_first();
        self.looked_back_to = looked.back_to.map(|at| view.moment(at));
        self.goes_on(looked.next);
        Ok(())
    }

    /// A stable sort: the newest stay first within a severity.
    fn worst_first(&mut self) {
        self.rows.sort_by_key(|row| rank(&row.severity));
    }

    fn goes_on(&mut self, next: Option<String>) {
        self.older = next.map(|next| self.filter.href("/", &[("before", &next)]));
    }

    fn count(&mut self, known: &Known) {
        let counts = known.counts.iter().filter(|count| count.count > 0);
        self.firing = known.firing();
        self.more = known.more;
        let shown = counts.map(|count| Count {
            severity: count.severity.clone(),
            problems: count.count,
            href: format!("/?severity={}", count.severity),
        });
        self.counts = shown.collect();
    }
}

/// The place of a severity, the worst first.
fn rank(severity: &str) -> Option<usize> {
    Severity::ALL
        .iter()
        .position(|known| known.as_str() == severity)
}
