//! Rewrites apply on every path by which a callback comes in: also from quarantine, and as a simulation.

use serde_json::json;

use super::{Rewriting, message, settings};
use crate::standing::post;

/// A vendor of the operator's own, whose word for firing is not known at first.
const OWN: &str = r#"
[mappings.own]
title = "Own"
confidence = "documented"
proof = { kind = "header", name = "X-Token" }
status = { from = "body.state", firing = ["DOWN"], resolved = ["UP"] }
[mappings.own.alert]
message_id = ["body.id"]
fingerprint = ["body.id"]
title = "body.id"
labels = { password = "body.password" }
[providers.own.prod]
token = "the-token-of-own"
[[rewrites]]
set = { "labels.team" = "'db'" }
redact = ["labels.password"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_is_released_from_quarantine_is_rewritten() {
    let rewriting = Rewriting::with("", OWN).await;
    let body = json!({"id": "a", "state": "BROKEN", "password": "a-long-secret"}).to_string();
    let head = "content-type: application/json\r\nx-token: the-token-of-own\r\n";
    let raw = post("/callback/own/prod", head, body.as_bytes());
    assert_eq!(rewriting.gateway.send(raw).await.status, 200);
    let fixed = OWN.replace("[\"DOWN\"]", "[\"DOWN\", \"BROKEN\"]");
    let fixed = settings(rewriting.folder.path(), &fixed);
    rewriting.gateway.write(&fixed);
    rewriting.gateway.reload_with(|_| ()).await;
    rewriting.release().await;
    let alert = &rewriting.got("all")[0];
    assert_eq!(
        (&alert["labels"]["team"], &alert["labels"]["password"]),
        (&json!("db"), &json!("***"))
    );
    let id = rewriting.gateway.list("/api/v1/alerts").await[0]["id"].clone();
    let path = format!("/api/v1/alerts/{}", id.as_str().unwrap());
    let detail = rewriting.gateway.ask(&path).await;
    let callback = detail["callback"].as_str().unwrap();
    assert!(callback.contains("\"password\":\"***\""), "{callback}");
    rewriting.stop().await;
}

/// One item can be read, and the other cannot.
#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_was_read_before_is_the_same_message_after_its_redaction() {
    let rewriting = Rewriting::with("", "[[rewrites]]\nredact = [\"labels.password\"]\n").await;
    let mut body = message("firing", &json!({"password": "a-long-secret"}));
    let items = body["alerts"].as_array_mut().unwrap();
    items.push(json!("unreadable"));
    rewriting.post(&body).await;
    let id = rewriting.gateway.list("/api/v1/quarantine").await[0]["id"].clone();
    let path = format!("/api/v1/quarantine/{id}");
    let kept = rewriting.gateway.look(&path).await.body;
    assert!(
        kept.contains("***") && !kept.contains("a-long-secret"),
        "{kept}"
    );
    rewriting.release().await;
    assert_eq!(rewriting.got("all").len(), 1);
    rewriting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_message_is_rewritten() {
    let rewriting =
        Rewriting::with("", "[[rewrites]]\nset = { \"labels.team\" = \"'db'\" }\n").await;
    let wanted = json!({"case": "firing", "sinks": ["file/all"]});
    let path = "/api/v1/sources/alertmanager/prod/simulate";
    rewriting.act(path, &wanted).await;
    rewriting.gateway.deliver_everything().await;
    assert_eq!(rewriting.got("all")[0]["labels"]["team"], "db");
    rewriting.stop().await;
}
