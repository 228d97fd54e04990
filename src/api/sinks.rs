//! `/api/v1/sinks`

use actix_web::{HttpResponse, web};

use super::error::ApiError;
use super::types::{Page, Sink, SinkChanged};
use super::{Failing, resource};
use crate::http::{Gateway, SinkState};
use campanile_store::{SinkId, Stats};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/sinks").get(index))
        .service(resource("/sinks/{kind}/{name}/pause").post(pause))
        .service(resource("/sinks/{kind}/{name}/resume").post(resume));
}

/// The configured sinks in the order of the file, then those that were configured once.
#[utoipa::path(
    get,
    path = "/api/v1/sinks",
    responses((status = 200, body = Page<Sink>))
)]
pub(super) async fn index(gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let kept = gateway.store.stats().await?;
    let known = gateway.store.known_sinks().await?;
    let states = gateway.sinks.states();
    let id = |name: &str| known.iter().find(|k| k.1 == name).map(|k| k.0);
    let configured = states
        .iter()
        .map(|state| shown(state, true, &counts(&kept, id(&state.name))));
    let gone = known
        .iter()
        .filter(|(_, name)| states.iter().all(|state| state.name != *name));
    let gone = gone.map(|(id, name)| {
        let state = SinkState {
            name: name.clone(),
            state: "not configured".to_owned(),
            ..SinkState::default()
        };
        shown(&state, false, &counts(&kept, Some(*id)))
    });
    Ok(HttpResponse::Ok().json(Page {
        items: configured.chain(gone).collect(),
        next: None,
    }))
}

struct Counts {
    pending: u64,
    dead: u64,
}

fn counts(kept: &Stats, id: Option<SinkId>) -> Counts {
    let of = |rows: &[(SinkId, u64)]| {
        let row = rows.iter().find(|row| Some(row.0) == id);
        row.map_or(0, |row| row.1)
    };
    Counts {
        pending: of(&kept.pending),
        dead: of(&kept.dead),
    }
}

fn shown(state: &SinkState, configured: bool, counts: &Counts) -> Sink {
    let kind = state.name.split('/').next().unwrap_or_default();
    Sink {
        name: state.name.clone(),
        kind: kind.to_owned(),
        configured,
        state: state.state.clone(),
        pending: counts.pending,
        dead: counts.dead,
        in_flight: u64::try_from(state.in_flight).unwrap_or(u64::MAX),
        last_success_at: state.last_success_at,
        last_error: state.last_error.clone(),
        last_error_at: state.last_error_at,
        retry_at: state.retry_at,
    }
}

/// Sends nothing to a sink until it is resumed. Its deliveries stay pending.
#[utoipa::path(
    post,
    path = "/api/v1/sinks/{kind}/{name}/pause",
    params(
        ("kind" = String, Path, description = "Such as `webhook`"),
        ("name" = String, Path, description = "Such as `oncall`"),
    ),
    responses((status = 200, body = SinkChanged))
)]
pub(super) async fn pause(
    name: web::Path<(String, String)>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let (kind, name) = name.into_inner();
    let name = format!("{kind}/{name}");
    changed(&gateway, &name, gateway.sinks.pause(&name))
}

/// Sends to a paused sink again, at once.
#[utoipa::path(
    post,
    path = "/api/v1/sinks/{kind}/{name}/resume",
    params(
        ("kind" = String, Path, description = "Such as `webhook`"),
        ("name" = String, Path, description = "Such as `oncall`"),
    ),
    responses((status = 200, body = SinkChanged))
)]
pub(super) async fn resume(
    name: web::Path<(String, String)>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let (kind, name) = name.into_inner();
    let name = format!("{kind}/{name}");
    changed(&gateway, &name, gateway.sinks.resume(&name))
}

/// The state in which the sink is now.
fn changed(gateway: &Gateway, name: &str, found: bool) -> Failing<HttpResponse> {
    let states = gateway.sinks.states();
    match states.iter().find(|state| state.name == name) {
        Some(state) if found => Ok(HttpResponse::Ok().json(SinkChanged {
            name: name.to_owned(),
            state: state.state.clone(),
        })),
        _ => {
            let known: Vec<&str> = states.iter().map(|state| state.name.as_str()).collect();
            let message = format!(
                "this sink is not configured; the sinks are: {}",
                known.join(", ")
            );
            Err(ApiError::not_found(message))
        }
    }
}
