//! Roles: who may do what with which token.

use campanile::config::{Config, Role, Token};
use campanile_model::Secret;
use serde_json::Value;

use crate::standing::{SINK, Standing, Wire, config, post, source};

/// Every operation of the API and the least role that may do it.
const OPERATIONS: &[(&str, &str, &str)] = &[
    ("get", "/alerts", "viewer"),
    ("get", "/alerts/{id}", "viewer"),
    ("get", "/alerts/{id}/origin", "viewer"),
    ("post", "/alerts/{id}/retry", "operator"),
    ("get", "/deliveries", "viewer"),
    ("post", "/deliveries/retry", "operator"),
    ("post", "/deliveries/drop", "admin"),
    ("delete", "/deliveries/{alert_id}", "admin"),
    ("get", "/audit", "viewer"),
    ("get", "/callbacks", "viewer"),
    ("get", "/dead", "viewer"),
    ("get", "/dead/{id}", "viewer"),
    ("post", "/dead/retry", "operator"),
    ("post", "/dead/drop", "admin"),
    ("get", "/problems", "viewer"),
    ("get", "/problems/{fingerprint}", "viewer"),
    ("get", "/quarantine", "viewer"),
    ("get", "/quarantine/{id}", "viewer"),
    ("post", "/quarantine/retry", "operator"),
    ("post", "/silences", "operator"),
    ("post", "/silences/preview", "viewer"),
    ("post", "/silences/{id}/end", "operator"),
    ("post", "/silences/{id}/extend", "operator"),
    ("post", "/quarantine/drop", "admin"),
    ("post", "/renormalize", "viewer"),
    ("get", "/silences", "viewer"),
    ("get", "/silences/{id}", "viewer"),
    ("get", "/sinks", "viewer"),
    ("post", "/sinks/{kind}/{name}/pause", "operator"),
    ("post", "/sinks/{kind}/{name}/resume", "operator"),
    ("post", "/sinks/{kind}/{name}/test", "operator"),
    ("get", "/sources", "viewer"),
    ("get", "/sources/{provider}/{name}", "viewer"),
    ("post", "/sources/{provider}/{name}/simulate", "operator"),
    ("get", "/stream", "viewer"),
    ("get", "/jobs", "viewer"),
    ("get", "/jobs/{id}", "viewer"),
    ("post", "/jobs/{id}/stop", "operator"),
    ("get", "/tallies", "viewer"),
    ("post", "/try", "viewer"),
    ("get", "/gateway", "viewer"),
    ("get", "/providers", "viewer"),
    ("get", "/providers/{name}", "viewer"),
    ("post", "/sources/{provider}/{name}/key", "admin"),
    ("get", "/openapi.json", "viewer"),
];

const ROLES: [&str; 3] = ["viewer", "operator", "admin"];

/// The token of the operator with this role.
pub(crate) fn secret(role: &str) -> String {
    format!("the-token-of-the-{role}")
}

/// A configuration with a token for each role, named by the role.
pub(crate) fn with_roles() -> Config {
    let mut config = config(vec![source("a")]);
    config.admin.tokens = ROLES.map(token).to_vec();
    config
}

fn token(role: &str) -> Token {
    Token {
        name: role.to_owned(),
        secret: Secret::from(secret(role)),
        role: Role::of(role).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_has_a_least_role_and_the_description_shows_it() {
    let gateway = Standing::of(&with_roles()).await;
    let described = gateway.ask("GET", "/api/v1/openapi.json", "").await.json();
    let mut roles = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let path = path.strip_prefix("/api/v1").unwrap();
            let role = operation["x-role"].as_str().unwrap().to_owned();
            roles.push((method.clone(), path.to_owned(), role));
        }
    }
    let wanted = OPERATIONS.iter();
    let wanted = wanted.map(|(m, p, r)| ((*m).to_owned(), (*p).to_owned(), (*r).to_owned()));
    let mut wanted: Vec<_> = wanted.collect();
    wanted.sort();
    roles.sort();
    assert_eq!(roles, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_lower_role_is_refused_with_the_role_that_may() {
    let gateway = Standing::of(&with_roles()).await;
    let place = |word: &str| ROLES.iter().position(|role| *role == word);
    for (method, path, needed) in OPERATIONS {
        for role in ROLES {
            let path = path.replace(['{', '}'], "");
            let line = format!("{} /api/v1{path}", method.to_uppercase());
            let reply = gateway.ask_as(&secret(role), &line, "").await;
            let may = place(role) >= place(needed);
            assert_eq!(reply.status != 403, may, "{role}: {line}: {reply:?}");
            if may {
                continue;
            }
            let error = &reply.json()["error"];
            assert_eq!(error["code"], "role_too_low");
            let message = error["message"].as_str().unwrap();
            assert!(
                message.contains(&format!("the role `{needed}`")),
                "{message}"
            );
            assert!(message.contains(&format!("`{role}`")), "{message}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_action_changes_nothing_however_its_path_is_written() {
    let gateway = Standing::of(&with_roles()).await;
    for path in [
        &*format!("/api/v1/sinks/{SINK}/pause"),
        "/api/v1/sinks/webhook/oncall/%70ause",
        "/api/v1/sinks/web%68ook/oncall/pause",
        "/api/v1//sinks/webhook/oncall/pause",
        "/api/v1/sinks/webhook/oncall/pause/",
    ] {
        let line = format!("POST {path}");
        let reply = gateway.ask_as(&secret("viewer"), &line, "").await;
        assert_eq!(reply.status, 403, "{path}");
    }
    let sinks = gateway.ask("GET", "/api/v1/sinks", "").await.json();
    assert_eq!(sinks["items"][0]["state"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_a_page_needs_the_role_of_what_it_does() {
    let gateway = Standing::of(&with_roles()).await;
    for (path, form, role, status) in [
        ("/preferences", "next=/&theme=dark", "viewer", 303),
        ("/alerts/1/retry", "sink=", "viewer", 403),
        ("/alerts/1/retry", "sink=", "operator", 404),
        ("/dead/retry", "scope=all", "viewer", 403),
        ("/dead/retry", "scope=all", "operator", 200),
        ("/dead/drop", "scope=all", "operator", 403),
        ("/dead/drop", "scope=all", "admin", 200),
        ("/deliveries/retry", "sink=", "viewer", 403),
        ("/sinks/webhook/oncall/pause", "", "viewer", 403),
        ("/sinks/webhook/oncall/pause", "", "operator", 303),
    ] {
        let head = format!(
            "authorization: Bearer {}\r\nsec-fetch-site: same-origin\r\n\
             content-type: application/x-www-form-urlencoded\r\n",
            secret(role)
        );
        let raw = post(path, &head, form.as_bytes());
        let reply = Wire::to(gateway.admin).await.send(raw).await;
        assert_eq!(reply.status, status, "{role}: {path}: {reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unnamed_token_is_that_of_an_admin_and_a_removed_token_ends_at_once() {
    let gateway = Standing::of(&with_roles()).await;
    let all = "{\"all\":true}";
    let line = "POST /api/v1/dead/drop";
    assert_eq!(
        gateway.ask("POST", "/api/v1/dead/drop", all).await.status,
        200
    );
    assert_eq!(
        gateway.ask_as(&secret("admin"), line, all).await.status,
        200
    );
    let mut fewer = with_roles();
    fewer.admin.tokens.retain(|token| token.name != "admin");
    gateway.follow(&fewer).await;
    assert_eq!(
        gateway.ask_as(&secret("admin"), line, all).await.status,
        401
    );
    // Tokens with roles close the listener also without the unnamed token.
    fewer.admin.token = None;
    gateway.follow(&fewer).await;
    let line = "GET /api/v1/alerts";
    assert_eq!(gateway.ask_as("", line, "").await.status, 401);
    let seen: Value = gateway.ask_as(&secret("viewer"), line, "").await.json();
    assert!(seen["items"].is_array());
}
