//! The API for operators.

mod arrival;
mod audit;
pub(crate) mod bulk;
mod callbacks;
mod deliveries;
mod errors;
pub(crate) mod following;
mod fresh;
pub(crate) mod jobs;
mod login;
mod mcp;
mod problems;
mod proxied;
pub(crate) mod roles;
mod search;
mod sources;
mod stream;
mod tallies;

use campanile_store::Verdict;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::moody::Mood;
use crate::standing::{SINK, Standing, Wire, config, keyed, request, source};

async fn standing(count: usize) -> Standing {
    let gateway = Standing::with(vec![source("a"), keyed("b", "the-secret-key")]).await;
    for i in 1..=count {
        let status = if i % 2 == 0 { "resolved" } else { "firing" };
        let body = json!({"probe": i.to_string(), "problem": "disk", "status": status, "severity": "error"});
        assert_eq!(gateway.post("/callback/probe/a", &body).await.status, 200);
    }
    gateway
}

fn field(list: &Value, name: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item[name].to_string().trim_matches('"').to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn health_needs_no_token_and_everything_else_does() {
    let gateway = standing(0).await;
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 401),
        ("/", 401),
        ("/api/v1/alerts", 401),
        ("/nowhere", 401),
    ] {
        let reply = Wire::to(gateway.admin)
            .await
            .send(request("GET", path, "", b""))
            .await;
        assert_eq!(reply.status, status, "{path}");
        if status == 401 {
            assert_eq!(reply.header("www-authenticate"), "Bearer");
            assert_eq!(reply.json()["error"]["code"], "unauthorized");
        }
    }
    for head in [
        "authorization: Bearer wrong\r\n",
        "authorization: Basic operators-token\r\n",
        "authorization: Bearer\r\n",
    ] {
        let reply = Wire::to(gateway.admin)
            .await
            .send(request("GET", "/metrics", head, b""))
            .await;
        assert_eq!(reply.status, 401, "{head}");
    }
    assert_eq!(gateway.ask("GET", "/", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_the_store_and_the_end() {
    let gateway = standing(0).await;
    gateway.store.set(Mood::Failing);
    let reply = gateway.ask("GET", "/readyz", "").await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (503, "the store cannot commit: disk full\n")
    );
    gateway.store.set(Mood::Stuck);
    assert_eq!(gateway.ask("GET", "/readyz", "").await.status, 503);
    gateway.store.set(Mood::Well);
    assert_eq!(gateway.ask("GET", "/readyz", "").await.status, 200);
    gateway.gateway.stopping();
    assert_eq!(gateway.ask("GET", "/readyz", "").await.body, "stopping\n");
    assert_eq!(gateway.ask("GET", "/healthz", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_listed_page_by_page_and_filtered() {
    let gateway = standing(5).await;
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = gateway
            .ask("GET", &format!("/api/v1/alerts?limit=2{next}"), "")
            .await
            .json();
        seen.extend(field(&page, "message_id"));
        let Some(cursor) = page["next"].as_str() else {
            break;
        };
        next = format!("&before={cursor}");
    }
    assert_eq!(seen, ["5", "4", "3", "2", "1"]);
    let resolved = gateway
        .ask(
            "GET",
            "/api/v1/alerts?status=resolved&source=probe/a&severity=error",
            "",
        )
        .await
        .json();
    assert_eq!(field(&resolved, "message_id"), ["4", "2"]);
    let firing = gateway.ask("GET", "/api/v1/alerts?status=firing", "").await;
    let firing = firing.json();
    assert_eq!(field(&firing, "message_id"), ["5", "3", "1"]);
    assert_eq!(resolved["items"][0]["episode"], firing["items"][1]["id"]);
    let later = gateway
        .ask("GET", "/api/v1/alerts?since=2999-01-01T00:00:00Z", "")
        .await
        .json();
    assert_eq!(later["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_parameter_is_named_with_what_is_allowed() {
    let gateway = standing(0).await;
    for (path, says) in [
        (
            "alerts?status=on",
            "`status` is `on`, but must be firing or resolved",
        ),
        (
            "alerts?severity=bad",
            "`severity` is `bad`, but must be critical, error, warning, info or unknown",
        ),
        (
            "alerts?since=yesterday",
            "`since` is `yesterday`, but must be a time such as 2026-01-31T08:00:00Z",
        ),
        (
            "alerts?limit=501",
            "`limit` is 501, but must be a number from 1 to 500",
        ),
        (
            "alerts?limit=0",
            "`limit` is 0, but must be a number from 1 to 500",
        ),
        (
            "alerts?before=x",
            "`before` is `x`, but must be the `next` of the previous page",
        ),
        (
            "alerts?limit=1&limit=2",
            "`limit` is given twice; give it once",
        ),
        (
            "alerts?page=2",
            "`page` is not a valid parameter; the parameters are `source`",
        ),
        (
            "deliveries?sink=x",
            "`sink` is `x`, but must be one of: webhook/oncall",
        ),
        (
            "dead?status=firing",
            "`status` is not a valid parameter; the parameters are `sink`, `before`, `limit`",
        ),
    ] {
        let reply = gateway.ask("GET", &format!("/api/v1/{path}"), "").await;
        let body = reply.json();
        let message = body["error"]["message"].as_str().unwrap();
        assert_eq!(reply.status, 400, "{path}");
        assert!(message.starts_with(says), "{message}");
    }
    for (path, body) in [
        ("dead/retry", "{}"),
        ("dead/drop", "{\"ids\":[1],\"all\":true}"),
        ("quarantine/drop", "{\"sink\":\"a/b\"}"),
        ("dead/retry", ""),
    ] {
        assert_eq!(
            gateway
                .ask("POST", &format!("/api/v1/{path}"), body)
                .await
                .status,
            400,
            "{path} {body}"
        );
    }
    for path in ["alerts/1", "dead/9", "quarantine/x", "nothing"] {
        let reply = gateway.ask("GET", &format!("/api/v1/{path}"), "").await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (404, &json!("not_found"))
        );
    }
    assert_eq!(
        gateway.ask("DELETE", "/api/v1/alerts", "").await.status,
        405
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_shown_with_all_that_became_of_it_and_owed_again() {
    let gateway = standing(1).await;
    let again = Verdict::Again {
        due_at: Timestamp::MAX,
        error: "500 Internal Server Error".into(),
    };
    gateway.store.settle_all(&again).await;
    let id = gateway.store.all_alerts().await[0].id.to_string();
    let path = format!("/api/v1/alerts/{id}");
    let shown = gateway.ask("GET", &path, "").await.json();
    assert_eq!(shown["alert"]["id"], id);
    assert_eq!(shown["deliveries"][0]["sink"], SINK);
    assert_eq!(shown["deliveries"][0]["alert_id"], id);
    assert_eq!(shown["attempts"][0]["verdict"], "again");
    assert!(
        shown["callback"]
            .as_str()
            .unwrap()
            .starts_with("POST /callback/probe/a")
    );
    let dropped = gateway
        .ask(
            "DELETE",
            &format!("/api/v1/deliveries/{id}?sink={SINK}"),
            "",
        )
        .await;
    assert_eq!(dropped.json(), json!({"dropped": true}));
    assert_eq!(*gateway.workers.forgotten.lock().unwrap(), [(1, vec![1])]);
    let again = gateway
        .ask(
            "DELETE",
            &format!("/api/v1/deliveries/{id}?sink={SINK}"),
            "",
        )
        .await;
    assert_eq!(again.status, 404);
    let owed = gateway.ask("POST", &format!("{path}/retry"), "").await;
    assert_eq!(owed.json(), json!({"pending": [SINK]}));
    let twice = gateway
        .ask(
            "POST",
            &format!("{path}/retry"),
            "{\"sinks\":[\"webhook/oncall\"]}",
        )
        .await;
    assert_eq!(twice.json(), json!({"pending": []}));
    let strange = gateway
        .ask("POST", &format!("{path}/retry"), "{\"sinks\":[\"file/x\"]}")
        .await;
    assert_eq!(strange.status, 400);
    let list = gateway
        .ask("GET", &format!("/api/v1/deliveries?sink={SINK}"), "")
        .await
        .json();
    assert_eq!(field(&list, "alert_id"), [id]);
    assert_eq!(gateway.workers.poked.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_the_numbers_that_exist_each_once() {
    let gateway = standing(2).await;
    gateway
        .post("/callback/probe/a", &json!({"no": "probe"}))
        .await;
    let dead = Verdict::Dead {
        class: "poison",
        error: "400 Bad Request".into(),
    };
    gateway.store.settle_all(&dead).await;
    for (list, ids, count) in [
        ("dead", vec![2, 1, 1, 7], 2),
        ("dead", vec![9], 0),
        ("quarantine", vec![1, 1, 4], 1),
    ] {
        for action in ["retry", "drop"] {
            let body = json!({"ids": ids, "dry_run": true}).to_string();
            let path = format!("/api/v1/{list}/{action}");
            let answer = gateway.ask("POST", &path, &body).await.json();
            assert_eq!(answer["count"], count, "{path} {body}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_shown_sent_again_and_dropped() {
    let gateway = standing(3).await;
    let dead = Verdict::Dead {
        class: "poison",
        error: "400 Bad Request".into(),
    };
    gateway.store.settle_all(&dead).await;
    let list = gateway.ask("GET", "/api/v1/dead?limit=2", "").await.json();
    assert_eq!(field(&list, "id"), ["3", "2"]);
    assert_eq!(
        (&list["next"], &list["items"][0]["class"]),
        (&json!("2"), &json!("poison"))
    );
    let one = gateway.ask("GET", "/api/v1/dead/2", "").await.json();
    assert_eq!(
        (&one["alert"]["message_id"], &one["sink"]),
        (&json!("2"), &json!(SINK))
    );
    assert_eq!(
        gateway
            .ask("POST", "/api/v1/dead/retry", "{\"ids\":[2]}")
            .await
            .json()["count"],
        1
    );
    assert_eq!(
        gateway.workers.poked.lock().unwrap().last().unwrap(),
        &(1, vec![2])
    );
    assert_eq!(gateway.ask("GET", "/api/v1/dead/2", "").await.status, 404);
    let sink = json!({"sink": SINK}).to_string();
    assert_eq!(
        gateway.ask("POST", "/api/v1/dead/drop", &sink).await.json()["count"],
        2
    );
    assert_eq!(
        gateway
            .ask("POST", "/api/v1/dead/retry", "{\"all\":true}")
            .await
            .json()["count"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantine_is_read_again_and_what_is_broken_still_stays() {
    let gateway = standing(0).await;
    for body in [json!({"no": "probe"}), json!({"nor": "here"})] {
        gateway.post("/callback/probe/a", &body).await;
    }
    let list = gateway
        .ask("GET", "/api/v1/quarantine?source=probe/a", "")
        .await
        .json();
    assert_eq!(field(&list, "id"), ["2", "1"]);
    assert_eq!(
        list["items"][0]["faults"],
        json!([{"place": "body.probe", "problem": "is missing"}])
    );
    let one = gateway.ask("GET", "/api/v1/quarantine/1", "").await.json();
    assert!(
        one["callback"]
            .as_str()
            .unwrap()
            .ends_with("{\"no\":\"probe\"}")
    );
    let still = gateway
        .ask("POST", "/api/v1/quarantine/retry", "{\"all\":true}")
        .await
        .json();
    assert_eq!(
        (&still["released"], &still["still_unreadable"][0]["id"]),
        (&json!(0), &json!(1))
    );
    let fixed = source("a").with("user", "no");
    gateway.follow(&config(vec![fixed])).await;
    let by_source = json!({"source": "probe/a"}).to_string();
    let done = gateway
        .ask("POST", "/api/v1/quarantine/retry", &by_source)
        .await
        .json();
    assert_eq!(
        (&done["released"], &done["still_unreadable"][0]["id"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(gateway.workers.poked.lock().unwrap().len(), 1);
    let dropped = gateway
        .ask("POST", "/api/v1/quarantine/drop", "{\"ids\":[2,9]}")
        .await;
    assert_eq!(dropped.json()["count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn sinks_are_paused_and_resumed_and_sources_counted() {
    let gateway = standing(2).await;
    gateway.store.sink("file/old").await;
    let sinks = gateway.ask("GET", "/api/v1/sinks", "").await.json();
    assert_eq!(field(&sinks, "name"), [SINK, "file/old"]);
    assert_eq!(field(&sinks, "configured"), ["true", "false"]);
    assert_eq!(field(&sinks, "pending"), ["2", "0"]);
    let after = [
        ("pause", "paused", json!("operator")),
        ("resume", "ok", Value::Null),
    ];
    for (word, state, by) in after {
        let path = format!("/api/v1/sinks/{SINK}/{word}");
        let reply = gateway.ask("POST", &path, "").await.json();
        assert_eq!(
            reply,
            json!({"name": SINK, "state": state, "paused_by": by})
        );
    }
    let absent = gateway.ask("POST", "/api/v1/sinks/file/x/pause", "").await;
    assert_eq!(absent.status, 404);
    let sources = gateway.ask("GET", "/api/v1/sources", "").await;
    assert!(!sources.body.contains("the-secret-key"));
    let sources = sources.json();
    assert_eq!(field(&sources, "accepted"), ["2", "0"]);
    assert_eq!(field(&sources, "proof"), ["none (open)", "path key"]);
    assert_eq!(
        sources["items"][1]["paths"],
        json!(["/callback/probe/b/<key>"])
    );
    assert!(sources["items"][0]["last_callback_at"].is_string());
    assert!(
        (gateway
            .metric("campanile_pending{sink=\"webhook/oncall\"}")
            .await
            - 2.0)
            .abs()
            < 0.1
    );
}
