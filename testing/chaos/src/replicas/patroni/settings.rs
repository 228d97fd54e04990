//! The settings of Patroni, etcd and PostgreSQL.

use std::net::SocketAddr;
use std::path::Path;

use campanile_receiver::postgres::programs;
use serde_json::{Value, json};

/// The password of the users of the cluster.
pub(super) const PASSWORD: &str = "of-the-cluster";

/// The name of the cluster.
pub(super) const SCOPE: &str = "chaos";

/// Patroni declares a primary dead when it has not renewed its key for this time.
const TTL_SECONDS: u32 = 20;

/// What one node of the cluster needs to know.
pub(super) struct Of<'n> {
    pub(super) name: &'n str,
    pub(super) folder: &'n Path,
    pub(super) postgres: SocketAddr,
    pub(super) rest: SocketAddr,
    pub(super) etcd: &'n [SocketAddr],
    pub(super) synchronous: bool,
}

/// The configuration of one node. Patroni reads YAML, and JSON is YAML.
pub(super) fn node(of: &Of<'_>) -> Value {
    let user = |name: &str| json!({"username": name, "password": PASSWORD});
    let data = of.folder.join("data");
    json!({
        "scope": SCOPE,
        "name": of.name,
        "restapi": {"listen": of.rest, "connect_address": of.rest},
        "etcd3": {"hosts": of.etcd},
        "bootstrap": {
            "dcs": shared(of.synchronous),
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
        },
        "postgresql": {
            "listen": of.postgres,
            "connect_address": of.postgres,
            "data_dir": data,
            "bin_dir": programs("postgres"),
            "pgpass": of.folder.join("pgpass"),
            "authentication": {"superuser": user("postgres"), "replication": user("replicator")},
            "pg_hba": [
                "local all all trust",
                "host all all 127.0.0.1/32 scram-sha-256",
                "host replication all 127.0.0.1/32 scram-sha-256",
            ],
            "parameters": {"unix_socket_directories": of.folder},
        },
    })
}

/// The settings that all nodes share.
fn shared(synchronous: bool) -> Value {
    json!({
        "ttl": TTL_SECONDS,
        "loop_wait": 5,
        "retry_timeout": 5,
        "maximum_lag_on_failover": 1_048_576,
        "synchronous_mode": synchronous,
        "postgresql": {
            "use_pg_rewind": true,
            "remove_data_directory_on_rewind_failure": true,
            "remove_data_directory_on_diverged_timelines": true,
            "parameters": {"fsync": "on", "max_connections": 200, "shared_buffers": "64MB"},
        },
    })
}

/// The arguments of one of the three members of etcd.
pub(super) fn etcd(
    number: usize,
    data: &Path,
    clients: &[SocketAddr],
    peers: &[SocketAddr],
) -> Vec<String> {
    let url = |at: SocketAddr| format!("http://{at}");
    let members = peers.iter().enumerate();
    let members: Vec<_> = members
        .map(|(n, at)| format!("etcd-{n}={}", url(*at)))
        .collect();
    let (client, peer) = (url(clients[number]), url(peers[number]));
    [
        ("name", format!("etcd-{number}")),
        ("data-dir", data.display().to_string()),
        ("listen-client-urls", client.clone()),
        ("advertise-client-urls", client),
        ("listen-peer-urls", peer.clone()),
        ("initial-advertise-peer-urls", peer),
        ("initial-cluster", members.join(",")),
        // The machine has other work, and its disk can be slow.
        ("heartbeat-interval", "250".to_owned()),
        ("election-timeout", "2500".to_owned()),
    ]
    .map(|(name, value)| format!("--{name}={value}"))
    .into()
}
