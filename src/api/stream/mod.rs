//! `/api/v1/stream`: what happens, as it happens.
//!
//! The id of an event is the place of an alert in the store, so the store is the log of the stream: a client resumes with the
//! last id, also after a restart of the gateway. Events of deliveries and sinks are only live.

mod buffer;
mod follower;
mod form;
mod hub;
mod item;
pub(super) mod types;
mod wanted;

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};

use super::error::ApiError;
use super::{Failing, auth, resource};
use crate::http::Gateway;
use follower::Follower;
use form::Form;
pub(crate) use hub::Hub;
use types::StreamLine;
use wanted::Wanted;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/stream").get(follow));
}

/// Alerts, deliveries and sinks as they change, without end.
///
/// Server-sent events, or with `Accept: application/x-ndjson` one JSON object for each line. `Last-Event-ID` or `after` resumes
/// after an event: alerts come in order and none is missing. A client that is more than 10,000 alerts behind gets `reset`.
/// At most 64 streams are open; the next gets 503.
#[utoipa::path(
    get,
    path = "/api/v1/stream",
    params(
        ("source" = Option<String>, Query, description = "Only of this source"),
        ("status" = Option<String>, Query, description = "Only with this status: firing or resolved"),
        ("severity" = Option<String>, Query, description = "Only with this severity: critical, error, warning, info or unknown"),
        ("fingerprint" = Option<String>, Query, description = "Only of the problem with this fingerprint"),
        ("sink" = Option<String>, Query, description = "Deliveries and states only of this sink"),
        ("events" = Option<String>, Query, description = "Only these events: alert, delivery, sink, with commas"),
        ("after" = Option<String>, Query, description = "The id of the last event that the client has"),
        ("latest" = Option<u32>, Query, description = "First this many of the newest alerts, at most 50, oldest first"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same as `after`, which it overrides"),
    ),
    responses((
        status = 200,
        description = "Events without end",
        content((String = "text/event-stream"), (StreamLine = "application/x-ndjson")),
    ))
)]
pub(super) async fn follow(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    hub: web::Data<Hub>,
) -> Failing<HttpResponse> {
    let wanted = Wanted::of(&request, &gateway).await?;
    let form = Form::wanted(request.headers());
    if gateway.is_stopping() {
        return Err(ApiError::stopping());
    }
    let hub = hub.into_inner();
    let admitted = move || auth::is_admitted(&request, &gateway);
    let follower = opened(hub, wanted, form, Box::new(admitted)).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, form.content_type()))
        .insert_header((CACHE_CONTROL, "no-store"))
        // A proxy that collects the answer would hold events back.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(follower.pieces()))
}

async fn opened(
    hub: Arc<Hub>,
    wanted: Wanted,
    form: Form,
    admitted: Box<dyn Fn() -> bool>,
) -> Failing<Follower> {
    let joined = hub.join().await?;
    let (place, newest) = (joined.place, joined.newest);
    let first = match wanted.newest(place) {
        Some(filter) => hub.gateway.store.alerts(filter).await?.rows,
        None => Vec::new(),
    };
    let unknown = wanted.after.is_some_and(|after| after > newest);
    let mut follower = Follower::new(hub, joined, wanted, form, admitted);
    if unknown {
        follower.lost(place);
    }
    follower.show_first(&first);
    Ok(follower)
}
