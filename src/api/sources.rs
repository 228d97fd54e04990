//! `/api/v1/sources`

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{Failing, list, resource};
use crate::config::Server;
use crate::http::{Current, Gateway};
use crate::snapshot::Source;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/sources").get(index));
}

async fn index(gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let current = gateway.current();
    let sources = current.snapshot.sources.iter();
    let sources: Vec<Value> = sources
        .filter_map(|source| shown(&current, source))
        .collect();
    Ok(list(&sources, &Value::Null))
}

fn shown(current: &Current, source: &Source) -> Option<Value> {
    let meters = current.meters(source)?;
    Some(json!({
        "name": &*source.name,
        "provider": source.vendor(),
        "paths": paths(&current.snapshot.server, source),
        "proof": proof(source),
        "accepted": meters.accepted.get(),
        "ignored": meters.ignored.get(),
        "duplicates": meters.duplicates.get(),
        "conflicts": meters.conflicts.get(),
        "quarantined": meters.quarantined.get(),
        "refused": meters.rejected.get(),
        "last_callback_at": meters.last_callback_at(),
        "drift": meters.drift.seen(),
    }))
}

/// Where a vendor may call, with a placeholder for the key.
fn paths(server: &Server, source: &Source) -> Vec<String> {
    let settings = &source.settings;
    let mut paths = vec![server.address(settings)];
    if settings.demo_paths {
        let keyed = !settings.keys.is_empty();
        let key = if keyed { "/<key>" } else { "" };
        paths.extend(["/add", "/get"].map(|path| server.whole(&format!("{path}{key}"))));
    }
    paths
}

/// What must hold for a sender, in words.
fn proof(configured: &Source) -> String {
    let source = &configured.settings;
    if source.open && source.allow_from.is_empty() && source.client_certificates.is_empty() {
        return "none: the source is open".to_owned();
    }
    let mut parts = Vec::new();
    if !source.open && source.asks_for_vendors_proof() {
        parts.push(configured.provider.about().proof.as_str());
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
