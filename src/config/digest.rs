//! Which parts of a configuration must be the same at all gateways that share a store, and a digest of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use campanile_model::StoreUrl;
use campanile_settings::{Digests, Environment, Node, digests};
use secrecy::ExposeSecret;

use super::{SHAPE, Store, Table};

/// The digests of what was read.
pub(super) fn of(
    tree: &Node,
    (opened, tables): (&mut BTreeMap<String, String>, &[Arc<Table>]),
    environment: &Environment,
    store: &Store,
) -> Digests {
    let key = key(&store.url).to_owned();
    for table in tables {
        opened.insert(format!("tables.{}", table.name), table.content());
    }
    digests(
        (tree, opened),
        environment,
        SHAPE.named,
        key.as_bytes(),
        &is_own,
    )
}

/// Whether each gateway has a setting for itself: its machine and its network.
fn is_own(path: &[&str]) -> bool {
    matches!(
        path,
        [
            "server",
            "listen" | "tls" | "workers" | "connections_max",
            ..
        ] | ["admin", "listen" | "tls" | "public_url", ..]
            | ["store", "url", ..]
            | ["log" | "telemetry", ..]
    )
}

/// What all gateways of a database know, but nobody who can only read it: the user and the password in its URL.
fn key(url: &StoreUrl) -> &str {
    let StoreUrl::Postgres(url) = url else {
        return "";
    };
    let (_, rest) = url.expose_secret().split_once("://").unwrap_or_default();
    rest.split_once('@').map_or("", |(user, _)| user)
}
