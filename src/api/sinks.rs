//! `/api/v1/sinks`

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::error::ApiError;
use super::{Failing, list, resource};
use crate::delivery::SinkState;
use crate::http::Gateway;
use campanile_store::{SinkId, Stats};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/sinks").get(index))
        .service(resource("/sinks/{kind}/{name}/pause").post(pause))
        .service(resource("/sinks/{kind}/{name}/resume").post(resume));
}

/// The configured sinks in the order of the file, then those that once were.
async fn index(gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
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
    Ok(list(
        &configured.chain(gone).collect::<Vec<_>>(),
        &Value::Null,
    ))
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

/// A sink without a state is not configured any more.
fn shown(name: &str, state: Option<&SinkState>, counts: &Counts) -> Value {
    json!({
        "name": name,
        "kind": name.split('/').next(),
        "configured": state.is_some(),
        "state": state.map_or("not configured", |state| state.state.as_str()),
        "paused_by": state.and_then(|state| state.paused_by),
        "pending": counts.pending,
        "dead": counts.dead,
        "in_flight": state.map_or(0, |state| state.in_flight),
        "loaded": state.map_or(0, |state| state.loaded),
        "last_success_at": state.and_then(|state| state.last_success_at),
        "last_error": state.and_then(|state| state.last_error.as_deref()),
        "last_error_at": state.and_then(|state| state.last_error_at),
        "retry_at": state.and_then(|state| state.retry_at),
    })
}

async fn pause(
    name: web::Path<(String, String)>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let (kind, name) = name.into_inner();
    let name = format!("{kind}/{name}");
    changed(&gateway, gateway.sinks.pause(&name))
}

async fn resume(
    name: web::Path<(String, String)>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let (kind, name) = name.into_inner();
    let name = format!("{kind}/{name}");
    changed(&gateway, gateway.sinks.resume(&name))
}

/// The new state of the sink.
fn changed(gateway: &Gateway, state: Option<SinkState>) -> Failing<HttpResponse> {
    if let Some(state) = state {
        let (name, paused_by) = (&state.name, state.paused_by);
        let shown = json!({"name": name, "state": state.state, "paused_by": paused_by});
        return Ok(HttpResponse::Ok().json(shown));
    }
    let states = gateway.sinks.states();
    let known: Vec<&str> = states.iter().map(|state| &*state.name).collect();
    let known = known.join(", ");
    let message = format!("this sink is not configured; the sinks are: {known}");
    Err(ApiError::not_found(message))
}
