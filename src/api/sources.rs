//! `/api/v1/sources`

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{Failing, list, resource};
use crate::http::{Gateway, Inlet};

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/sources").get(index));
}

async fn index(gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let plan = gateway.plan();
    let sources: Vec<Value> = plan.inlets.iter().map(shown).collect();
    Ok(list(&sources, &Value::Null))
}

fn shown(inlet: &Inlet) -> Value {
    let meters = &inlet.meters;
    json!({
        "name": &*inlet.name,
        "provider": inlet.feed.provider.name(),
        "paths": paths(inlet),
        "proof": proof(inlet),
        "accepted": meters.accepted.get(),
        "duplicates": meters.duplicates.get(),
        "conflicts": meters.conflicts.get(),
        "quarantined": meters.quarantined.get(),
        "refused": meters.rejected.get(),
        "last_callback_at": meters.last_callback_at(),
        "drift": meters.drift.seen(),
    })
}

/// Where a vendor may call, with a word in the place of the key.
fn paths(inlet: &Inlet) -> Vec<String> {
    let source = inlet.source();
    let key = if source.keys.is_empty() { "" } else { "/<key>" };
    let mut paths = vec![format!("/callback/{}{key}", inlet.name)];
    if source.demo_paths {
        paths.extend([format!("/add{key}"), format!("/get{key}")]);
    }
    paths
}

/// What must hold for a sender, in words.
fn proof(inlet: &Inlet) -> String {
    let source = inlet.source();
    if source.open && source.allow_from.is_empty() && source.client_certificates.is_empty() {
        return "none: the source is open".to_owned();
    }
    let mut parts = Vec::new();
    if !source.open && source.asks_for_vendors_proof() {
        parts.push(inlet.feed.provider.about().proof.as_str());
    }
    if !source.open && !source.keys.is_empty() {
        parts.push("path key");
    }
    if !source.allow_from.is_empty() {
        parts.push("address");
    }
    if !source.client_certificates.is_empty() {
        parts.push("client certificate");
    }
    parts.dedup();
    parts.join(" + ")
}
