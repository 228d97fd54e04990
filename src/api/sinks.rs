//! `/api/v1/sinks`: sinks and their state.

use actix_web::{HttpResponse, web};

use super::actor::Actor;
use super::error::ApiError;
use super::types::{Page, Sink, SinkChanged};
use super::{Failing, resource};
use crate::delivery::{PausedBy, SinkState};
use crate::http::Gateway;
use campanile_store::{SinkId, Stats};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/sinks").get(index))
        .service(resource("/sinks/{kind}/{name}/pause").post(pause))
        .service(resource("/sinks/{kind}/{name}/resume").post(resume));
}

/// The configured sinks in the order of the file, then sinks that were configured earlier.
#[utoipa::path(
    get,
    path = "/api/v1/sinks",
    responses((status = 200, body = Page<Sink>))
)]
pub(super) async fn index(gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(list(&gateway).await?))
}

/// The configured sinks, then sinks that were configured earlier.
pub(crate) async fn list(gateway: &Gateway) -> Failing<Page<Sink>> {
    let kept = gateway.store.stats().await?;
    let known = gateway.store.known_sinks().await?;
    let states = gateway.sinks.states();
    let id = |name: &str| known.iter().find(|k| k.1 == name).map(|k| k.0);
    let configured = states
        .iter()
        .map(|state| shown(&state.name, Some(state), &counts(&kept, id(&state.name))));
    let gone = known
        .iter()
        .filter(|(_, name)| states.iter().all(|state| *state.name != **name));
    let gone = gone.map(|(id, name)| shown(name, None, &counts(&kept, Some(*id))));
    Ok(Page {
        items: configured.chain(gone).collect(),
        next: None,
    })
}

struct Counts {
    pending: u64,
    held: u64,
    dead: u64,
}

fn counts(kept: &Stats, id: Option<SinkId>) -> Counts {
    let of = |rows: &[(SinkId, u64)]| {
        let row = rows.iter().find(|row| Some(row.0) == id);
        row.map_or(0, |row| row.1)
    };
    Counts {
        pending: of(&kept.pending),
        held: of(&kept.held),
        dead: of(&kept.dead),
    }
}

/// The sink in the form of the API. A sink without a state is no longer configured.
fn shown(name: &str, state: Option<&SinkState>, counts: &Counts) -> Sink {
    let kind = name.split('/').next().unwrap_or_default();
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let word = state.map_or("not configured", |state| state.state.as_str());
    Sink {
        name: name.to_owned(),
        kind: kind.to_owned(),
        configured: state.is_some(),
        state: word.to_owned(),
        paused_by: state.and_then(|state| by(state.paused_by)),
        pending: counts.pending,
        held: counts.held,
        dead: counts.dead,
        in_flight: state.map_or(0, |state| number(state.in_flight)),
        loaded: state.map_or(0, |state| number(state.loaded)),
        last_success_at: state.and_then(|state| state.last_success_at),
        last_error: state.and_then(|state| state.last_error.clone()),
        last_error_at: state.and_then(|state| state.last_error_at),
        retry_at: state.and_then(|state| state.retry_at),
    }
}

/// Pauses a sink: nothing is sent to it until it is resumed. Its deliveries stay pending.
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
    actor: Actor,
) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(set_paused(&gateway, &name, true, &actor).await?))
}

/// Resumes a paused sink. It gets its deliveries immediately.
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
    actor: Actor,
) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(set_paused(&gateway, &name, false, &actor).await?))
}

/// Pauses or resumes a sink, given as kind and name. Returns its new state.
pub(crate) async fn set_paused(
    gateway: &Gateway,
    (kind, name): &(String, String),
    pause: bool,
    actor: &Actor,
) -> Failing<SinkChanged> {
    let name = format!("{kind}/{name}");
    let states = gateway.sinks.states();
    if states.iter().any(|state| *state.name == *name) {
        let action = if pause { "sinks.pause" } else { "sinks.resume" };
        let act = actor.does(gateway, action, &*name);
        gateway.store.record(act, 1).await?;
        gateway.sinks.share_pause(&name, pause).await?;
    }
    let state = if pause {
        gateway.sinks.pause(&name)
    } else {
        gateway.sinks.resume(&name)
    };
    if let Some(state) = state {
        return Ok(SinkChanged {
            name: state.name.to_string(),
            state: state.state.as_str().to_owned(),
            paused_by: by(state.paused_by),
        });
    }
    Err(absent(gateway))
}

/// The error for a sink that is not configured.
pub(super) fn absent(gateway: &Gateway) -> ApiError {
    let states = gateway.sinks.states();
    let known: Vec<&str> = states.iter().map(|state| &*state.name).collect();
    let known = known.join(", ");
    ApiError::not_found(format!(
        "this sink is not configured; the sinks are: {known}"
    ))
}

/// `operator` or `receiver`.
pub(super) fn by(paused_by: Option<PausedBy>) -> Option<String> {
    let word = match paused_by? {
        PausedBy::Operator => "operator",
        PausedBy::Receiver => "receiver",
        PausedBy::Hold => "hold",
    };
    Some(word.to_owned())
}
