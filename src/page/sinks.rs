//! `/sinks`: the sinks and their state.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::answer;
use super::filter::Filter;
use super::moment::Moment;
use super::view::View;
use crate::api::types::{Sink, TestSink, Tested};
use crate::api::{Actor, Failing, checks, sinks};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/sinks", web::get().to(show))
        .route("/sinks/{kind}/{name}/pause", web::post().to(pause))
        .route("/sinks/{kind}/{name}/resume", web::post().to(resume))
        .route("/sinks/{kind}/{name}/test", web::post().to(test));
}

/// What the template sees.
#[derive(Serialize)]
struct Page {
    sinks: Vec<Shown>,
    /// What the reader just did.
    done: String,
    /// What a receiver just answered to a test.
    tested: Option<Tested>,
}

/// One sink.
#[derive(Serialize)]
struct Shown {
    delivered: Option<Moment>,
    failed: Option<Moment>,
    next: Option<Moment>,
    #[serde(flatten)]
    sink: Sink,
}

async fn show(request: HttpRequest, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    page(&view, &gateway, filter.text("done"), None).await
}

async fn page(
    view: &View,
    gateway: &Gateway,
    done: &str,
    tested: Option<Tested>,
) -> Failing<HttpResponse> {
    let sinks = sinks::list(gateway).await?.items;
    let shown = sinks.into_iter().map(|sink| Shown {
        delivered: sink.last_success_at.map(|at| view.moment(at)),
        failed: sink.last_error_at.map(|at| view.moment(at)),
        next: sink.retry_at.map(|at| view.moment(at)),
        sink,
    });
    let page = Page {
        sinks: shown.collect(),
        done: done.to_owned(),
        tested,
    };
    Ok(view.page("sinks.html", page))
}

/// Sends a test alert. The answer is a page and not a redirect, because the words of the receiver belong in no address.
async fn test(
    name: web::Path<(String, String)>,
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let tested = checks::send(&gateway, &name, &TestSink::default(), &actor).await?;
    page(&view, &gateway, "", Some(tested)).await
}

async fn pause(
    name: web::Path<(String, String)>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    sinks::set_paused(&gateway, &name, true, &actor).await?;
    Ok(answer::see("/sinks?done=paused"))
}

async fn resume(
    name: web::Path<(String, String)>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    sinks::set_paused(&gateway, &name, false, &actor).await?;
    Ok(answer::see("/sinks?done=resumed"))
}
