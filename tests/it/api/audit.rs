//! The audit: each action of an operator leaves one row, and a refused one leaves none.

use std::sync::Arc;

use campanile::config::SourceSpec;
use campanile_model::Secret;
use campanile_providers::{Source, by_name};
use campanile_store::Verdict;
use serde_json::{Value, json};

use super::roles::{secret, with_roles};
use crate::standing::{SINK, Standing, Wire, post};

/// What can be changed is in this table of the program.
const TABLE: &str = include_str!("../../../src/api/roles.rs");

/// These change nothing of the gateway.
const LOOKS: &[&str] = &[
    "/api/v1/renormalize",
    "/api/v1/silences/preview",
    "/silences/preview",
    "/api/v1/try",
    "/try",
    "/mcp",
    "/preferences",
    "/settings",
];

/// These need a job (`jobs.rs`).
const OF_JOBS: &[&str] = &["/api/v1/jobs/{id}/stop", "/dead/jobs/{id}/stop"];

/// A command: method, path in the table, body, and its action, target and count in the audit. In a target `ALERT` is the id of an
/// alert.
type Play = (
    &'static str,
    &'static str,
    &'static str,
    (&'static str, &'static str, u64),
);

const ALL: &str = "{\"all\":true}";
const TWO: &str = "{\"ids\":[2,1,9]}";
const ONE: &str = "{\"ids\":[1]}";
const OF_SINK: &str = "{\"sink\":\"webhook/oncall\"}";
const OF_SOURCE: &str = "{\"source\":\"probe/a\"}";
const SILENCE: &str = "{\"match\":{\"title\":\"a\"},\"for\":\"2h\"}";
const CASE: &str = "{\"case\":\"firing\",\"sinks\":[\"webhook/oncall\"]}";

#[rustfmt::skip]
const PLAYS: &[Play] = &[
    ("POST", "/api/v1/alerts/{id}/retry", "", ("alerts.retry", "ALERT", 1)),
    ("POST", "/api/v1/deliveries/retry", ALL, ("deliveries.retry", "all", 1)),
    ("POST", "/api/v1/deliveries/drop", ALL, ("deliveries.drop", "all", 1)),
    ("DELETE", "/api/v1/deliveries/{alert_id}", "", ("deliveries.drop", SINK, 1)),
    ("POST", "/api/v1/dead/retry", TWO, ("dead.retry", "2,1,9", 2)),
    ("POST", "/api/v1/dead/drop", OF_SINK, ("dead.drop", SINK, 2)),
    ("POST", "/api/v1/quarantine/retry", OF_SOURCE, ("quarantine.retry", "probe/a", 0)),
    ("POST", "/api/v1/quarantine/drop", ONE, ("quarantine.drop", "1", 1)),
    ("POST", "/api/v1/silences", SILENCE, ("silences.add", "", 1)),
    ("POST", "/api/v1/silences/{id}/extend", "{\"for\":\"2h\"}", ("silences.extend", "silence 1", 1)),
    ("POST", "/api/v1/silences/{id}/end", "", ("silences.end", "silence 1", 1)),
    ("POST", "/api/v1/sinks/{kind}/{name}/pause", "", ("sinks.pause", SINK, 1)),
    ("POST", "/api/v1/sinks/{kind}/{name}/resume", "", ("sinks.resume", SINK, 1)),
    ("POST", "/api/v1/sinks/{kind}/{name}/test", "", ("sinks.test", SINK, 1)),
    ("POST", "/api/v1/sources/{provider}/{name}/key", "", ("sources.show_key", "ucloud/prod", 1)),
    ("POST", "/sources/{provider}/{name}/key", "", ("sources.show_key", "ucloud/prod", 1)),
    ("POST", "/api/v1/sources/{provider}/{name}/simulate", CASE, ("sources.simulate", "ucloud/prod", 1)),
    ("POST", "/alerts/{id}/retry", "sink=", ("alerts.retry", "ALERT", 1)),
    ("POST", "/sources/{provider}/{name}/simulate", "case=firing", ("sources.simulate", "ucloud/prod", 1)),
    ("POST", "/deliveries/retry", "sink=", ("deliveries.retry", "all", 1)),
    ("POST", "/dead/retry", "scope=all&confirmed=2", ("dead.retry", "all", 2)),
    ("POST", "/dead/drop", "id=1&confirmed=1", ("dead.drop", "1", 1)),
    ("POST", "/sinks/{kind}/{name}/pause", "", ("sinks.pause", SINK, 1)),
    ("POST", "/sinks/{kind}/{name}/resume", "", ("sinks.resume", SINK, 1)),
    ("POST", "/sinks/{kind}/{name}/test", "", ("sinks.test", SINK, 1)),
    ("POST", "/silences", "match=title%3Da&for=2h", ("silences.add", "", 1)),
    ("POST", "/silences/{id}/extend", "for=2h", ("silences.extend", "silence 1", 1)),
    ("POST", "/silences/{id}/end", "", ("silences.end", "silence 1", 1)),
    ("POST", "/quarantine/retry", "source=", ("quarantine.retry", "all", 0)),
    ("POST", "/quarantine/{id}/retry", "", ("quarantine.retry", "1", 0)),
    ("POST", "/quarantine/{id}/drop", "", ("quarantine.drop", "1", 1)),
];

/// The path of a command for a dead alert, a pending alert, and the only sink, source and quarantined callback.
fn path(pattern: &str, dead: &str, pending: &str) -> String {
    pattern
        .replace("{kind}/{name}", SINK)
        .replace("{provider}/{name}", "ucloud/prod")
        .replace("quarantine/{id}", "quarantine/1")
        .replace("silences/{id}", "silences/1")
        .replace("{id}", dead)
        .replace("{alert_id}", &format!("{pending}?sink={SINK}"))
}

/// The commands of the table, each a method and a path.
fn commands() -> Vec<(String, String)> {
    let (_, table) = TABLE.split_once("const NEEDS").unwrap();
    let (table, _) = table.split_once("];").unwrap();
    let code: String = table
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let texts: Vec<&str> = code.split('"').skip(1).step_by(2).collect();
    let (pairs, rest) = texts.as_chunks::<2>();
    assert!(rest.is_empty() && pairs.len() > 20, "{texts:?}");
    let pairs = pairs.iter().map(|[method, path]| (*method, *path));
    let pairs = pairs.filter(|(_, path)| !LOOKS.contains(path) && !OF_JOBS.contains(path));
    pairs
        .map(|(method, path)| (method.to_owned(), path.to_owned()))
        .collect()
}

/// A gateway with two dead letters, one pending delivery and one quarantined callback. Returns the ids of a dead and of the
/// pending alert.
async fn gateway() -> (Standing, String, String) {
    let mut config = with_roles();
    let ucloud = Source {
        name: "ucloud/prod".to_owned(),
        keys: vec![Secret::from("0123456789abcdefXYZ")],
        ..Source::default()
    };
    config.sources.push(SourceSpec {
        provider: Arc::clone(by_name("ucloud").unwrap()),
        source: Arc::new(ucloud),
    });
    let gateway = Standing::of(&config).await;
    let send = async |body: Value| {
        let reply = gateway.post("/callback/probe/a", &body).await;
        assert_eq!(reply.status, 200);
    };
    for probe in ["1", "2"] {
        send(json!({"probe": probe, "problem": "disk", "status": "firing", "severity": "error"}))
            .await;
    }
    let dead = Verdict::Dead {
        class: "poison",
        error: "400".into(),
    };
    gateway.store.settle_all(&dead).await;
    send(json!({"probe": "3", "problem": "disk", "status": "firing", "severity": "error"})).await;
    send(json!({"no": "probe"})).await;
    let alerts = gateway.ask("GET", "/api/v1/alerts", "").await.json();
    let id = |at: usize| alerts["items"][at]["id"].as_str().unwrap().to_owned();
    let (pending, dead) = (id(0), id(1));
    (gateway, dead, pending)
}

/// Sends a command as somebody: to a page as its form, to the API as JSON.
async fn send(gateway: &Standing, role: &str, (method, path, body): (&str, &str, &str)) -> u16 {
    if path.starts_with("/api/") {
        let line = format!("{method} {path}");
        return gateway.ask_as(&secret(role), &line, body).await.status;
    }
    let head = format!(
        "authorization: Bearer {}\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\n",
        secret(role)
    );
    let raw = post(path, &head, body.as_bytes());
    Wire::to(gateway.admin).await.send(raw).await.status
}

async fn audit(gateway: &Standing, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/audit{query}");
    let page = gateway.ask("GET", &path, "").await.json();
    let mut rows = page["items"].as_array().unwrap().clone();
    rows.retain(|row| row["action"] != SETUP);
    rows
}

/// What a test prepares is written to the audit too.
const SETUP: &str = "setup";

#[tokio::test(flavor = "multi_thread")]
async fn every_command_leaves_one_row_with_who_did_what_and_a_refused_one_leaves_none() {
    let known: Vec<(&str, &str)> = PLAYS.iter().map(|play| (play.0, play.1)).collect();
    for (method, path) in commands() {
        let is_known = known.contains(&(&*method, &*path));
        assert!(is_known, "no play of {method} {path}");
    }
    for (method, pattern, body, (action, target, count)) in PLAYS {
        let (gateway, dead, pending) = gateway().await;
        if pattern.contains("silences/{id}") {
            gateway.store.silence(SETUP).await;
        }
        let path = path(pattern, &dead, &pending);
        let play = (*method, &*path, *body);
        assert_eq!(send(&gateway, "viewer", play).await, 403, "{play:?}");
        assert_eq!(audit(&gateway, "").await, [] as [Value; 0], "{play:?}");
        let status = send(&gateway, "admin", play).await;
        assert!([200, 201, 303].contains(&status), "{status}: {play:?}");
        let rows = audit(&gateway, "").await;
        let [row] = &*rows else {
            panic!("{rows:?} of {play:?}");
        };
        let is_api = path.starts_with("/api/");
        for (name, value) in [
            ("action", json!(action)),
            ("target", json!(target.replace("ALERT", &dead))),
            ("count", json!(count)),
            ("who", json!("admin")),
            ("role", json!("admin")),
            ("via", json!("token")),
            ("client", json!(if is_api { "api" } else { "page" })),
            ("from", json!("127.0.0.1")),
        ] {
            assert_eq!(row[name], value, "{name} of {row} for {play:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_only_for_a_number_or_is_wrong_leaves_no_row() {
    let (gateway, dead, _) = gateway().await;
    for (line, body, status) in [
        (
            "POST /api/v1/dead/drop",
            "{\"all\":true,\"dry_run\":true}",
            200,
        ),
        (
            "POST /api/v1/deliveries/retry",
            "{\"all\":true,\"dry_run\":true}",
            200,
        ),
        (
            "POST /api/v1/quarantine/retry",
            "{\"all\":true,\"dry_run\":true}",
            200,
        ),
        ("POST /api/v1/dead/drop", "{\"everything\":true}", 400),
        ("POST /api/v1/sinks/file/none/pause", "", 404),
        ("POST /api/v1/alerts/1/retry", "", 404),
        (
            "POST /api/v1/sources/ucloud/prod/simulate",
            "{\"case\":\"nothing\"}",
            400,
        ),
        ("POST /api/v1/renormalize", "{\"source\":\"probe/a\"}", 200),
    ] {
        let reply = gateway.ask_as(&secret("admin"), line, body).await;
        assert_eq!(reply.status, status, "{line}: {}", reply.body);
    }
    // This delivery is dead, so it is not pending.
    let line = format!("DELETE /api/v1/deliveries/{dead}?sink={SINK}");
    assert_eq!(
        gateway.ask_as(&secret("admin"), &line, "").await.status,
        404
    );
    assert_eq!(audit(&gateway, "").await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_listed_page_by_page_and_filtered() {
    let (gateway, ..) = gateway().await;
    for (role, path) in [
        ("operator", "/sinks/webhook/oncall/pause"),
        ("admin", "/sinks/webhook/oncall/resume"),
        ("operator", "/sinks/webhook/oncall/pause"),
    ] {
        let line = format!("POST /api/v1{path}");
        gateway.ask_as(&secret(role), &line, "").await;
    }
    let first = gateway.ask("GET", "/api/v1/audit?limit=2", "").await.json();
    assert_eq!(
        (&first["next"], &first["searched_to"]),
        (&json!("2"), &json!(null))
    );
    let ids = |rows: Vec<Value>| {
        rows.iter()
            .map(|row| row["id"].as_i64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(audit(&gateway, "?limit=2&before=2").await), [1]);
    assert_eq!(ids(audit(&gateway, "?who=operator").await), [3, 1]);
    assert_eq!(ids(audit(&gateway, "?action=sinks.resume").await), [2]);
    assert_eq!(ids(audit(&gateway, "?action=sinks").await), [3, 2, 1]);
    assert_eq!(
        ids(audit(&gateway, "?since=2999-01-01T00:00:00Z").await),
        [] as [i64; 0]
    );
    let viewer = gateway
        .ask_as(&secret("viewer"), "GET /api/v1/audit", "")
        .await;
    assert_eq!(viewer.status, 200);
}
