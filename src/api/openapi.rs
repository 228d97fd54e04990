//! `/api/v1/openapi.json`: the API described for machines, from one table.

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::resource;

/// One operation: method, path, what it does, its query parameters.
type Operation = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    ("get", "/api/v1/alerts", "Alerts, newest first.", &["source", "status", "severity", "fingerprint", "since", "before", "limit"]),
    ("get", "/api/v1/alerts/{id}", "One alert with its deliveries, tries and raw callback.", &[]),
    ("post", "/api/v1/alerts/{id}/retry", "Makes an alert pending for sinks again: {\"sinks\":[...]}, or all that are configured.", &[]),
    ("get", "/api/v1/deliveries", "Pending deliveries, newest alert first.", &["sink", "before", "limit"]),
    ("delete", "/api/v1/deliveries/{alert_id}", "Drops one pending delivery.", &["sink"]),
    ("get", "/api/v1/dead", "Dead letters, newest first.", &["sink", "before", "limit"]),
    ("get", "/api/v1/dead/{id}", "One dead letter with its alert.", &[]),
    ("post", "/api/v1/dead/retry", "Sends dead letters again: {\"ids\":[...]}, {\"sink\":...} or {\"all\":true}.", &[]),
    ("post", "/api/v1/dead/drop", "Drops dead letters for good.", &[]),
    ("get", "/api/v1/quarantine", "Callbacks that could not be read, newest first.", &["source", "before", "limit"]),
    ("get", "/api/v1/quarantine/{id}", "One of them with its raw request.", &[]),
    ("post", "/api/v1/quarantine/retry", "Reads them again: {\"ids\":[...]}, {\"source\":...} or {\"all\":true}.", &[]),
    ("post", "/api/v1/quarantine/drop", "Drops them for good.", &[]),
    ("post", "/api/v1/renormalize", "What the present mapping would say of stored callbacks, field by field: {\"source\":...,\"since\":...,\"limit\":...,\"before\":...}. Changes nothing.", &[]),
    ("get", "/api/v1/sinks", "Sinks and how they are doing.", &[]),
    ("post", "/api/v1/sinks/{kind}/{name}/pause", "Sends nothing to a sink until it is resumed.", &[]),
    ("post", "/api/v1/sinks/{kind}/{name}/resume", "Sends to a paused sink again.", &[]),
    ("get", "/api/v1/sources", "Sources, where vendors call them, and what came.", &[]),
    ("get", "/api/v1/openapi.json", "This description.", &[]),
];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/openapi.json").get(show));
}

/// Every path, for people.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    let mut paths: Vec<_> = OPERATIONS.iter().map(|operation| operation.1).collect();
    paths.dedup();
    paths.into_iter()
}

async fn show() -> HttpResponse {
    let mut paths = Map::new();
    for (method, path, summary, query) in OPERATIONS {
        let described = json!({
            "summary": summary,
            "parameters": parameters(path, query),
            "responses": {
                "200": {"description": "Done."},
                "default": {"description": "{\"error\":{\"code\":...,\"message\":...}}"},
            },
        });
        let path = paths.entry(*path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert((*method).to_owned(), described);
        }
    }
    HttpResponse::Ok().json(json!({
        "openapi": "3.1.0",
        "info": {"title": "Campanile", "version": env!("CARGO_PKG_VERSION")},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
        "paths": paths,
    }))
}

fn parameters(path: &str, query: &[&str]) -> Vec<Value> {
    let text = json!({"type": "string"});
    let in_path = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path =
        in_path.map(|name| json!({"name": name, "in": "path", "required": true, "schema": text}));
    let in_query = query
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": text}));
    in_path.chain(in_query).collect()
}
