//! `/api/v1/openapi.json` says what the API is.

use campanile_store::Verdict;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::standing::{SINK, Standing, keyed, source};

/// A gateway with something in each of its lists: two alerts, a delivery, a dead letter and a quarantined callback.
async fn filled() -> Standing {
    let gateway = Standing::with(vec![source("a"), keyed("b", "the-secret-key")]).await;
    let alert =
        |id: &str| json!({"probe": id, "problem": "disk", "status": "firing", "severity": "error"});
    gateway.post("/callback/probe/a", &alert("1")).await;
    let dead = Verdict::Dead {
        class: "poison",
        error: "400 Bad Request".into(),
    };
    gateway.store.settle_all(&dead).await;
    gateway.post("/callback/probe/a", &alert("2")).await;
    gateway
        .post("/callback/probe/a", &json!({"no": "probe"}))
        .await;
    gateway
}

async fn description(gateway: &Standing) -> Value {
    gateway.ask("GET", "/api/v1/openapi.json", "").await.json()
}

/// What judges an answer: the schema of its status, with all that it refers to.
fn judge(description: &Value, path: &str, method: &str, status: &str) -> Validator {
    let responses = &description["paths"][path][method]["responses"];
    let kind = match status {
        "4XX" => "application/problem+json",
        _ => "application/json",
    };
    let content = &responses[status]["content"][kind];
    let mut schema = content["schema"].clone();
    assert!(schema.is_object(), "{method} {path} {status} has no schema");
    schema["components"] = description["components"].clone();
    jsonschema::validator_for(&schema).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_holds_every_path_and_each_is_served() {
    let gateway = Standing::with(vec![]).await;
    let described = description(&gateway).await;
    assert_eq!(described["openapi"], "3.1.0");
    let mut paths = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        let filled = path.replace("{kind}", "file").replace(['{', '}'], "");
        for method in methods.as_object().unwrap().keys() {
            let reply = gateway.ask(&method.to_uppercase(), &filled, "").await;
            let unserved = reply.body.contains("this path does not exist");
            assert!(!unserved, "{method} {path}: {reply:?}");
            paths.push(format!("{}.{method}", path.trim_start_matches("/api/v1")));
        }
        for other in ["get", "post", "put", "patch", "delete"] {
            let reply = gateway.ask(&other.to_uppercase(), &filled, "").await;
            let described = methods.get(other).is_some();
            assert_eq!(reply.status != 405, described, "{other} {path}: {reply:?}");
            if reply.status == 405 {
                let allowed = reply.header("allow").to_lowercase();
                let allowed: Vec<_> = allowed.split(", ").collect();
                let methods: Vec<_> = methods.as_object().unwrap().keys().collect();
                assert_eq!(allowed, methods, "{path}");
            }
        }
    }
    paths.sort();
    assert_eq!(paths, routes(), "a route without a description");
    let operations = described["paths"].as_object().unwrap().values();
    let operations = operations.flat_map(|path| path.as_object().unwrap().values());
    let mut names: Vec<_> = operations
        .map(|operation| operation["operationId"].to_string())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), paths.len(), "{names:?}");
}

/// The routes below `/api/v1` as the handlers register them: `resource("/alerts").get(index).post(add)`. `/mcp` has a
/// description of its own: `tools/list`.
fn routes() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let file = if path.is_dir() {
            path.join("mod.rs")
        } else {
            path
        };
        let text = std::fs::read_to_string(file).unwrap();
        for registered in text.split("resource(\"").skip(1) {
            let (path, rest) = registered.split_once("\")").unwrap();
            let chain = rest.split_once(';').map_or(rest, |(chain, _)| chain);
            let chain = chain.split(".service(").next().unwrap();
            for method in ["get", "post", "put", "patch", "delete"] {
                if chain.contains(&format!(".{method}(")) {
                    found.push(format!("{path}.{method}"));
                }
            }
        }
    }
    found.retain(|route| !route.starts_with("/mcp."));
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_a_running_gateway_fits_its_schema() {
    let gateway = filled().await;
    let described = description(&gateway).await;
    let id = gateway.store.all_alerts().await[0].id.to_string();
    let alert = |tail: &str| format!("/api/v1/alerts/{id}{tail}");
    let all = "{\"all\":true}";
    let count = "{\"all\":true,\"dry_run\":true}";
    let renormalize = "{\"source\":\"probe/a\"}";
    for (method, path, asked, body) in [
        ("get", "/alerts", "", ""),
        ("get", "/alerts/{id}", &*alert(""), ""),
        ("get", "/deliveries", "", ""),
        ("get", "/dead", "", ""),
        ("get", "/dead/{id}", "/api/v1/dead/1", ""),
        ("get", "/quarantine", "", ""),
        ("get", "/quarantine/{id}", "/api/v1/quarantine/1", ""),
        ("get", "/sinks", "", ""),
        ("get", "/sources", "", ""),
        (
            "get",
            "/sources/{provider}/{name}",
            "/api/v1/sources/probe/a",
            "",
        ),
        ("get", "/openapi.json", "", ""),
        ("post", "/renormalize", "", renormalize),
        (
            "post",
            "/sinks/{kind}/{name}/pause",
            "/api/v1/sinks/webhook/oncall/pause",
            "",
        ),
        (
            "post",
            "/sinks/{kind}/{name}/resume",
            "/api/v1/sinks/webhook/oncall/resume",
            "",
        ),
        ("post", "/dead/retry", "", count),
        ("post", "/dead/retry", "", all),
        ("post", "/deliveries/drop", "", count),
        ("post", "/deliveries/drop", "", all),
        ("post", "/alerts/{id}/retry", &*alert("/retry"), ""),
        (
            "delete",
            "/deliveries/{alert_id}",
            &*format!("/api/v1/deliveries/{id}?sink={SINK}"),
            "",
        ),
        ("post", "/dead/drop", "", all),
        ("post", "/quarantine/retry", "", count),
        ("post", "/quarantine/retry", "", all),
        ("post", "/quarantine/drop", "", all),
    ] {
        let path = format!("/api/v1{path}");
        let asked = if asked.is_empty() { &path } else { asked };
        let reply = gateway.ask(&method.to_uppercase(), asked, body).await;
        assert_eq!(reply.status, 200, "{method} {asked}: {}", reply.body);
        let judge = judge(&described, &path, method, "200");
        let wrong: Vec<_> = judge
            .iter_errors(&reply.json())
            .map(|e| e.to_string())
            .collect();
        assert!(
            wrong.is_empty(),
            "{method} {path}: {wrong:?}: {}",
            reply.body
        );
    }
    for (method, path, asked) in [
        ("get", "/api/v1/alerts", "/api/v1/alerts?limit=0"),
        ("get", "/api/v1/dead/{id}", "/api/v1/dead/99"),
        ("post", "/api/v1/dead/drop", "/api/v1/dead/drop"),
    ] {
        let reply = gateway.ask(&method.to_uppercase(), asked, "").await;
        assert!((400..500).contains(&reply.status), "{asked}");
        assert_eq!(reply.header("content-type"), "application/problem+json");
        let judge = judge(&described, path, method, "4XX");
        assert!(judge.is_valid(&reply.json()), "{asked}: {}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_and_changes_nothing() {
    let gateway = filled().await;
    for path in [
        "dead/retry",
        "dead/drop",
        "deliveries/drop",
        "quarantine/retry",
        "quarantine/drop",
    ] {
        let body = json!({"all": true, "dry_run": true}).to_string();
        let counted = gateway.ask("POST", &format!("/api/v1/{path}"), &body).await;
        let counted = counted.json();
        assert_eq!(
            (&counted["count"], &counted["dry_run"]),
            (&json!(1), &json!(true)),
            "{path}"
        );
    }
    for list in ["dead", "deliveries", "quarantine"] {
        let page = gateway.ask("GET", &format!("/api/v1/{list}"), "").await;
        assert_eq!(page.json()["items"].as_array().unwrap().len(), 1, "{list}");
    }
    let sink = json!({"sink": SINK}).to_string();
    let dropped = gateway.ask("POST", "/api/v1/deliveries/drop", &sink).await;
    assert_eq!(dropped.json()["count"], 1);
    let page = gateway.ask("GET", "/api/v1/deliveries", "").await.json();
    assert_eq!(page["items"], json!([]));
    assert_eq!(gateway.workers.forgotten.lock().unwrap().len(), 1);
}
