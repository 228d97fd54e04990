//! A silence holds at every gateway, and what it holds outlives the gateway that held it.

use serde_json::{Value, json};

use super::{Place, SINKS, ask, command, send};
use crate::patience::until;
use crate::process::Process;

/// How many sinks do not get the newest alert now.
async fn held(gateway: &Process) -> usize {
    let newest = ask(gateway, "GET", "/api/v1/alerts?limit=1").await;
    let id = newest["items"][0]["id"].as_str().unwrap().to_owned();
    let detail = ask(gateway, "GET", &format!("/api/v1/alerts/{id}")).await;
    detail["held"].as_array().map_or(0, Vec::len)
}

async fn act(gateway: &Process, path: &str, body: &Value) -> Value {
    command(gateway, "POST", path, body.to_string().as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_holds_at_all_gateways_and_what_it_holds_outlives_them() {
    let place = Place::new().await;
    let one = place.gateway("one").await;
    let other = place.gateway("other").await;
    send(&one, "before").await;
    place.all_get(&["before".to_owned()]).await;
    let wanted = json!({"match": {"resource.region": "cn-sh2"}, "for": "2h"});
    let made = act(&other, "/api/v1/silences", &wanted).await;
    let id = made["silence"]["id"].as_i64().unwrap();

    // It is in force at the gateway that made it, and at the other within a second.
    let mut sent = 0;
    until("the silence at both gateways", async || {
        sent += 1;
        send(&one, &format!("probe-{sent}")).await;
        until("what became of the alert", async || {
            let newest = ask(&one, "GET", "/api/v1/alerts?limit=1").await;
            let id = newest["items"][0]["id"].as_str().unwrap().to_owned();
            let detail = ask(&one, "GET", &format!("/api/v1/alerts/{id}")).await;
            detail["deliveries"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
        held(&one).await == SINKS.len()
    })
    .await;
    let before: Vec<usize> = (0..SINKS.len()).map(|sink| place.got(sink).len()).collect();

    // The sinks of a gateway that dies go on with what it held.
    other.kill().await;
    send(&one, "quiet").await;
    until("the alert is held for all sinks", async || {
        held(&one).await == SINKS.len()
    })
    .await;
    let now: Vec<usize> = (0..SINKS.len()).map(|sink| place.got(sink).len()).collect();
    assert_eq!(now, before, "nothing was sent in the silence");
    let ended = act(&one, &format!("/api/v1/silences/{id}/end"), &json!({})).await;
    assert_eq!(ended["state"], "ended", "{ended}");
    let mut messages: Vec<String> = (1..=sent).map(|number| format!("probe-{number}")).collect();
    messages.extend(["before", "quiet"].map(str::to_owned));
    messages.sort();
    place.all_get(&messages).await;
    one.signal("TERM");
    one.ended().await;
}
