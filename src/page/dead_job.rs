//! `/dead/jobs/{id}`: how far it is when many dead letters are sent again or dropped, and a button to stop it.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::answer;
use super::moment::Moment;
use super::view::View;
use crate::api::types::Job;
use crate::api::{Actor, Failing, Jobs};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/dead/jobs/{id}", web::get().to(show))
        .route("/dead/jobs/{id}/stop", web::post().to(stop));
}

/// What the template sees.
#[derive(Serialize)]
struct Shown {
    started: Moment,
    running: bool,
    #[serde(flatten)]
    job: Job,
}

async fn show(
    id: web::Path<String>,
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    jobs: web::Data<Jobs>,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let job = jobs.show(&id)?;
    let page = Shown {
        started: view.moment(job.started_at),
        running: job.ended_at.is_none(),
        job,
    };
    Ok(view.page("dead_job.html", page))
}

async fn stop(
    id: web::Path<String>,
    gateway: web::Data<Gateway>,
    jobs: web::Data<Jobs>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let job = jobs.stop(&gateway, &id, &actor).await?;
    Ok(answer::see(&address(&job)))
}

/// The page of a job.
pub(super) fn address(job: &Job) -> String {
    format!("/dead/jobs/{}", job.id)
}
