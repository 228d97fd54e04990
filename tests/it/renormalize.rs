//! The alerts that a changed mapping would make from stored callbacks.

use std::sync::Arc;

use campanile::config::{Config, SourceSpec};
use campanile_providers::Mapping;
use serde_json::{Value, json};

use crate::cli::Run;
use crate::standing::{Standing, TOKEN, config, source};

const BEFORE: &str = r#"
title = "Probe"
confidence = "documented"
each = "body.checks"
status = { from = "item.state", firing = ["DOWN"], resolved = ["UP"] }
alert.message_id = ["item.run", "item.state"]
alert.fingerprint = ["item.host"]
alert.title = "item.host"
"#;

/// A configuration whose only source is read by this mapping.
fn mapped(text: &str) -> Config {
    let mapping = Mapping::parse("probe", text).unwrap();
    let mut config = config(vec![]);
    config.sources = vec![SourceSpec {
        provider: Arc::new(mapping),
        source: Arc::new(source("a")),
    }];
    config
}

/// A gateway that accepted two callbacks with three alerts and then uses another mapping.
async fn changed(to: &str) -> Standing {
    let gateway = Standing::of(&mapped(BEFORE)).await;
    let check =
        |run: &str, host: &str| json!({"run": run, "host": host, "state": "DOWN", "prio": "P1"});
    for checks in [
        json!([check("1", "web-1")]),
        json!([check("2", "web-2"), check("3", "web-3")]),
    ] {
        let reply = gateway
            .post("/callback/probe/a", &json!({"checks": checks}))
            .await;
        assert_eq!(reply.status, 200);
    }
    gateway.follow(&mapped(to)).await;
    gateway
}

async fn ask(gateway: &Standing, body: Value) -> Value {
    let reply = gateway
        .ask("POST", "/api/v1/renormalize", &body.to_string())
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_mapping_says_the_same_of_every_callback() {
    let gateway = changed(BEFORE).await;
    let answer = ask(&gateway, json!({"source": "probe/a"})).await;
    assert_eq!(
        (&answer["items"], &answer["looked_at"]),
        (&json!([]), &json!(3))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_field_that_would_differ_is_told_with_old_and_new() {
    let after = BEFORE.replace(
        "alert.title = \"item.host\"",
        "alert.title = \"item.host ~ '!'\"",
    ) + "severity = { from = \"item.prio\", critical = [\"P1\"] }\n";
    let gateway = changed(&after).await;
    let answer = ask(&gateway, json!({"source": "probe/a"})).await;
    assert_eq!(answer["items"].as_array().unwrap().len(), 3);
    let fields = answer["items"][2]["fields"].as_array().unwrap();
    let wanted = json!([
        {"field": "severity", "old": "unknown", "new": "critical"},
        {"field": "title", "old": "web-1", "new": "web-1!"},
        {"field": "raw.severity", "old": null, "new": "P1"},
    ]);
    assert_eq!(json!(fields), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_whose_message_id_changes_is_found_by_its_problem() {
    let after = BEFORE.replace(
        "[\"item.run\", \"item.state\"]",
        "[\"item.state\", \"item.run\"]",
    );
    let gateway = changed(&after).await;
    let answer = ask(&gateway, json!({"source": "probe/a"})).await;
    let ids = |run: &str| json!([{"field": "message_id", "old": format!("{run}/DOWN"), "new": format!("DOWN/{run}")}]);
    let fields: Vec<&Value> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["fields"])
        .collect();
    assert_eq!(fields, [&ids("3"), &ids("2"), &ids("1")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_not_be_read_any_more_is_told_with_its_place() {
    let gateway = changed(&BEFORE.replace("item.run", "item.serial")).await;
    let answer = ask(&gateway, json!({"source": "probe/a", "limit": 1})).await;
    assert_eq!(
        answer["items"][0]["fault"]["place"],
        "body.checks[0].serial"
    );
    assert_eq!(answer["looked_at"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_where_the_one_before_ended() {
    let gateway = changed(&BEFORE.replace("\"item.host\"\n", "\"'other'\"\n")).await;
    let (mut titles, mut before) = (Vec::new(), Value::Null);
    loop {
        let page = json!({"source": "probe/a", "limit": 1, "before": before});
        let answer = ask(&gateway, page).await;
        titles.push(answer["items"][0]["title"].as_str().unwrap().to_owned());
        before = answer["next"].clone();
        if before.is_null() {
            break;
        }
    }
    assert_eq!(titles, ["web-3", "web-2", "web-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_question_is_answered_with_the_right_one() {
    let gateway = changed(BEFORE).await;
    for (body, says) in [
        ("{}", "only `source` is required"),
        ("{\"source\":\"probe/z\"}", "the sources are: probe/a"),
        (
            "{\"source\":\"probe/a\",\"limit\":0}",
            "a number from 1 to 500",
        ),
        (
            "{\"source\":\"probe/a\",\"before\":\"x\"}",
            "the `next` of the previous page",
        ),
    ] {
        let reply = gateway.ask("POST", "/api/v1/renormalize", body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.body.contains(says), "{}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_shows_what_would_differ() {
    let gateway = changed(&BEFORE.replace("\"item.host\"\n", "\"'other'\"\n")).await;
    let url = format!("http://{}", gateway.admin);
    let args = [
        "renormalize",
        "--source",
        "probe/a",
        "--since",
        "7d",
        "--url",
        &url,
        "--token",
        TOKEN,
    ];
    let answer = Run::of(&args);
    assert_eq!(answer.code, 0, "{}", answer.err);
    answer.says("3 of 3 alerts would differ");
    answer.says("WOULD BE");
    let json = Run::of(&[&args[..], &["--dry-run", "--json", "--limit", "2"]].concat()).json();
    assert_eq!(
        (&json["looked_at"], &json["more"]),
        (&json!(2), &json!(true))
    );
}
