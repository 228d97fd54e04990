//! `/api/v1/jobs`: bulk actions in the background.

use actix_web::{HttpResponse, web};

use super::bulk::Jobs;
use super::types::{Job, Page};
use super::{Actor, Failing, resource};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/jobs").get(index))
        .service(resource("/jobs/{id}").get(show))
        .service(resource("/jobs/{id}/stop").post(stop));
}

/// The last 20 bulk actions in the background since the start of the gateway, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/jobs",
    responses((status = 200, body = Page<Job>))
)]
pub(super) async fn index(jobs: web::Data<Jobs>) -> HttpResponse {
    HttpResponse::Ok().json(Page {
        items: jobs.list(),
        next: None,
    })
}

/// How far a bulk action in the background is. A restart of the gateway ends it: then no job has this id, what its batches
/// changed is kept, and the rest is as it was.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{id}",
    params(("id" = String, Path, description = "The id of the job")),
    responses((status = 200, body = Job))
)]
pub(super) async fn show(id: web::Path<String>, jobs: web::Data<Jobs>) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(jobs.show(&id)?))
}

/// Stops a bulk action after its current batch. What it changed is kept.
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{id}/stop",
    params(("id" = String, Path, description = "The id of the job")),
    responses((status = 200, body = Job))
)]
pub(super) async fn stop(
    id: web::Path<String>,
    jobs: web::Data<Jobs>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(jobs.stop(&gateway, &id, &actor).await?))
}
