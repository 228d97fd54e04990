//! `GET /api/v1/stream`.

use std::sync::Arc;
use std::time::Duration;

use campanile_model::{Fingerprint, Severity, Status};
use campanile_store::{Arrival, Entry, Inbox, NewAlert};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::following::{Following, LINES};
use super::standing;
use crate::gateway::Gateway;
use crate::patience::{until, within};
use crate::receiver::{Play, Receiver};
use crate::standing::{SINK, Standing, Wire, config, source};

/// Sends alerts of the test vendor, as many as there are numbers.
async fn send(gateway: &Standing, numbers: std::ops::RangeInclusive<usize>) {
    for i in numbers {
        let body = json!({"probe": i.to_string(), "problem": "disk", "severity": "error"});
        assert_eq!(gateway.post("/callback/probe/a", &body).await.status, 200);
    }
}

/// Puts alerts like the first one into the store, with texts of this size. The alert with number N has the place N.
async fn append(gateway: &Standing, numbers: std::ops::RangeInclusive<usize>, bytes: usize) {
    let mut body = gateway.store.first_alert().await;
    body.as_object_mut().unwrap().remove("id");
    body["description"] = "x".repeat(bytes).into();
    let alert = |n: usize| {
        body["message_id"] = n.to_string().into();
        let key = Sha256::digest(format!("m{n}"));
        NewAlert {
            key: key.first_chunk().copied().unwrap(),
            content: 1,
            fingerprint: Fingerprint(1),
            status: Status::Firing,
            severity: Severity::Error,
            body: body.to_string().into_bytes(),
            sinks: vec![],
            said: String::new(),
        }
    };
    let entry = Entry {
        source: "probe/a".into(),
        received_at: gateway.gateway.clock.now(),
        callback: b"POST / HTTP/1.1\r\n\r\n".to_vec(),
        alerts: numbers.map(alert).collect(),
        faults: vec![],
        arrival: Arrival::default(),
    };
    gateway.store.append(entry).await.unwrap();
    gateway.gateway.news.wake();
}

fn numbers(range: std::ops::RangeInclusive<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_gets_the_alerts_of_the_list_as_events_that_no_cache_and_no_proxy_keeps() {
    let gateway = standing(1).await;
    let mut events = Following::open(gateway.admin, "", "").await;
    for line in [
        "200 ok",
        "content-type: text/event-stream",
        "cache-control: no-store",
        "x-accel-buffering: no",
    ] {
        assert!(
            events.head.contains(line),
            "{line} is not in {}",
            events.head
        );
    }
    assert!(!events.head.contains("content-encoding"), "{}", events.head);
    let start = events.until("\n\n").await.unwrap();
    assert_eq!(start, "retry: 2000\n: still here\nid: 1\n\n");
    send(&gateway, 2..=2).await;
    let event = events.until("\n\n").await.unwrap();
    let data = event.strip_prefix("id: 2\nevent: alert\ndata: ").unwrap();
    let list = gateway
        .ask("GET", "/api/v1/alerts?limit=1", "")
        .await
        .json();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data, list["items"][0]);
}

/// What judges a line: the schema in the description of the API.
fn judge(description: &Value) -> jsonschema::Validator {
    let path = "/paths/~1api~1v1~1stream/get/responses/200/content/application~1x-ndjson/schema";
    let mut schema = description.pointer(path).unwrap().clone();
    schema["components"] = description["components"].clone();
    jsonschema::validator_for(&schema).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_fits_its_schema() {
    let gateway = standing(1).await;
    let description = gateway.ask("GET", "/api/v1/openapi.json", "").await;
    let judge = judge(&description.json());
    let mut stream = Following::lines(gateway.admin, "?after=7").await;
    send(&gateway, 2..=2).await;
    for event in ["place", "reset", "alert", "end"] {
        if event == "end" {
            gateway.gateway.stopping();
        }
        let line = stream.line().await.unwrap();
        assert_eq!(line["event"], event);
        judge
            .validate(&line)
            .unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    let wrong = json!({"id": "1", "event": "alert", "data": {"title": 1}});
    assert!(!judge.is_valid(&wrong));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_those_of_the_list() {
    let gateway = Standing::with(vec![source("a"), source("b")]).await;
    let mut all = Following::lines(gateway.admin, "").await;
    let mut filtered = Vec::new();
    for query in [
        "source=probe/b",
        "severity=critical",
        "status=resolved",
        "source=probe/a&status=firing",
    ] {
        filtered.push(Following::lines(gateway.admin, &format!("?{query}")).await);
    }
    let mut none = Following::lines(gateway.admin, "?events=delivery,sink").await;
    for (path, id, status, severity) in [
        ("a", "1", "firing", "error"),
        ("b", "2", "firing", "critical"),
        ("a", "3", "resolved", "error"),
        ("b", "4", "resolved", "critical"),
        ("a", "5", "firing", "critical"),
    ] {
        let body = json!({"probe": id, "problem": id, "status": status, "severity": severity});
        let reply = gateway
            .post(&format!("/callback/probe/{path}"), &body)
            .await;
        assert_eq!(reply.status, 200);
    }
    assert_eq!(all.alerts(5).await, ["1", "2", "3", "4", "5"]);
    let wanted: [&[&str]; 4] = [&["2", "4"], &["2", "4", "5"], &["3", "4"], &["1", "5"]];
    for (mut stream, wanted) in filtered.into_iter().zip(wanted) {
        assert_eq!(stream.alerts(wanted.len()).await, wanted);
    }
    gateway.gateway.stopping();
    assert_eq!(
        none.next("end").await["id"],
        "5",
        "its place moves with what it does not show"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_alerts_come_first_and_then_what_is_new() {
    let gateway = standing(6).await;
    let mut resolved = Following::lines(gateway.admin, "?latest=2&status=resolved").await;
    let mut all = Following::lines(gateway.admin, "?latest=50").await;
    send(&gateway, 7..=7).await;
    assert_eq!(resolved.alerts(2).await, ["4", "6"]);
    assert_eq!(all.alerts(7).await, numbers(1..=7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_after_the_last_event_and_the_header_is_newer_than_the_address() {
    let gateway = standing(5).await;
    let admin = gateway.admin;
    let resumed = async |query: &str, head: &str| {
        let head = format!("{LINES}{head}");
        let mut stream = Following::open(admin, query, &head).await;
        stream.alerts(2).await
    };
    assert_eq!(resumed("?after=3", "").await, ["4", "5"]);
    assert_eq!(
        resumed("?after=1&latest=50", "last-event-id: 3\r\n").await,
        ["4", "5"]
    );
    let mut at_the_end = Following::lines(gateway.admin, "?after=5").await;
    send(&gateway, 6..=6).await;
    assert_eq!(at_the_end.alerts(1).await, ["6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_far_behind_or_from_another_database_is_shown_the_list() {
    let gateway = standing(1).await;
    append(&gateway, 2..=11_000, 1).await;
    let mut behind = Following::lines(gateway.admin, "?after=999&severity=error").await;
    let reset = behind.next("reset").await;
    assert_eq!(reset["id"], "11000");
    let list = reset["data"]["list"].as_str().unwrap();
    assert_eq!(list, "/api/v1/alerts?severity=error&before=11001");
    let list = gateway.ask("GET", list, "").await.json();
    assert_eq!(list["items"][0]["message_id"], "11000");
    append(&gateway, 11_001..=11_001, 1).await;
    assert_eq!(behind.alerts(1).await, ["11001"]);
    let mut other = Following::lines(gateway.admin, "?after=12000").await;
    assert_eq!(other.next("reset").await["id"], "11001");
    let mut near = Following::lines(gateway.admin, "?after=1001").await;
    assert_eq!(near.alerts(10_000).await, numbers(1002..=11_001));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_65th_stream_is_refused_until_another_one_has_gone() {
    let gateway = standing(0).await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Following::lines(gateway.admin, "").await);
    }
    let refused = gateway.ask("GET", "/api/v1/stream", "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "too_many_streams");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("64 streams are open")
    );
    assert_eq!(gateway.ask("GET", "/api/v1/alerts", "").await.status, 200);
    drop(open.pop());
    // The gateway notices it at its next sign of life.
    gateway.gateway.clock.advance(Duration::from_secs(15));
    until("a place for a stream", async || {
        gateway.gateway.clock.advance(Duration::from_secs(15));
        let mut again = Following::lines(gateway.admin, "").await;
        again.head.contains("200 ok") && again.line().await.is_some()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_events_gives_a_sign_of_life_with_its_place() {
    let gateway = standing(3).await;
    let mut events = Following::open(gateway.admin, "", "").await;
    events.until("\n\n").await.unwrap();
    gateway.gateway.clock.advance(Duration::from_secs(15));
    assert_eq!(
        events.until("\n\n").await.unwrap(),
        ": still here\nid: 3\n\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_is_dropped_and_goes_on_where_it_was() {
    let gateway = standing(1).await;
    let mut slow = Following::narrow(gateway.admin, "?after=1").await;
    assert_eq!(slow.next("place").await["id"], "1");
    let mut quick = Following::lines(gateway.admin, "").await;
    let last = 401;
    for first in (2..last).step_by(50) {
        append(&gateway, first..=first + 49, 30_000).await;
        assert_eq!(quick.alerts(50).await.len(), 50);
    }
    let mut seen = Vec::new();
    let reading = async {
        loop {
            let line = slow.line().await.unwrap();
            match line["event"].as_str().unwrap() {
                "alert" => seen.push(line["data"]["message_id"].as_str().unwrap().to_owned()),
                "end" => return line,
                other => assert_eq!(other, "place"),
            }
        }
    };
    let end = within("the end of a stream that is not read", reading).await;
    assert_eq!(end["data"]["code"], "slow");
    assert!(slow.line().await.is_none(), "the gateway closes it");
    assert!(seen.len() < last - 1, "it was dropped early");
    let query = format!("?after={}", end["id"].as_str().unwrap());
    let mut again = Following::lines(gateway.admin, &query).await;
    seen.extend(again.alerts(last - 1 - seen.len()).await);
    assert_eq!(seen, numbers(2..=last));
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_gateway_stops_and_no_new_one_begins() {
    let gateway = Gateway::start("").await;
    let admin = gateway.admin();
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(Following::lines(admin, "").await);
    }
    let began = Instant::now();
    gateway.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    for stream in &mut streams {
        assert_eq!(stream.next("end").await["data"]["code"], "stopping");
        assert!(stream.line().await.is_none());
    }
    let standing = standing(0).await;
    standing.gateway.stopping();
    let refused = standing.ask("GET", "/api/v1/stream", "").await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (503, &json!("stopping"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_its_token_is_removed() {
    let mut settings = config(vec![source("a")]);
    let gateway = Standing::of(&settings).await;
    let mut stream = Following::lines(gateway.admin, "").await;
    settings.admin.token = Some("another-token-of-an-admin".into());
    gateway.follow(&settings).await;
    let end = tokio::spawn(async move { stream.next("end").await });
    until("an end of the stream", async || {
        gateway.gateway.clock.advance(Duration::from_secs(15));
        end.is_finished()
    })
    .await;
    assert_eq!(end.await.unwrap()["data"]["code"], "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_and_sinks_are_shown_as_they_end_and_change() {
    let receiver = Receiver::start([Play::status(500), Play::status(200), Play::status(400)]).await;
    let settings = format!(
        "[providers.ucloud.fixture]\nkey = \"campanile-fixture-key\"\n[sinks.webhook.oncall]\nurl = \"{}\"\n\
         [sinks.stdout.screen]\n[[routes]]\nsinks = [\"webhook/oncall\"]\n",
        receiver.url("/")
    );
    let gateway = Gateway::start(&settings).await;
    let mut stream =
        Following::lines(gateway.admin(), "?events=delivery,sink&sink=webhook/oncall").await;
    let mut other =
        Following::lines(gateway.admin(), "?events=delivery,sink&sink=stdout/screen").await;
    assert_eq!(gateway.send_fixture("ucloud/firing").await.status, 200);
    let id = gateway.ask("/api/v1/alerts").await["items"][0]["id"].clone();
    let failed = stream.next("delivery").await["data"].take();
    assert_eq!(
        (&failed["outcome"], &failed["code"], &failed["alert_id"]),
        (&json!("failed"), &json!(500), &id)
    );
    assert!(failed["note"].as_str().unwrap().contains("500"), "{failed}");
    gateway.advance(Duration::from_mins(2)).await;
    let delivered = stream.next("delivery").await["data"].take();
    assert_eq!(
        (&delivered["outcome"], &delivered["attempt"]),
        (&json!("delivered"), &json!(2))
    );
    assert_eq!(gateway.send_fixture("ucloud/resolved").await.status, 200);
    let dead = loop {
        let ended = stream.next("delivery").await["data"].take();
        if ended["outcome"] != "failed" {
            break ended;
        }
        gateway.advance(Duration::from_hours(1)).await;
    };
    assert_eq!(
        (&dead["outcome"], &dead["class"]),
        (&json!("dead"), &json!("poison"))
    );
    let mut paused = Value::Null;
    for (act, state) in [("pause", "paused"), ("resume", "ok")] {
        let path = format!("/api/v1/sinks/{SINK}/{act}");
        let asked = crate::standing::request("POST", &path, "", b"");
        assert_eq!(
            Wire::to(gateway.admin()).await.send(asked).await.status,
            200
        );
        let sink = stream.next("sink").await["data"].take();
        assert_eq!(
            (&sink["name"], &sink["state"]),
            (&json!(SINK), &json!(state))
        );
        paused = sink;
    }
    let judge = judge(&gateway.ask("/api/v1/openapi.json").await);
    for (event, data) in [("delivery", failed), ("delivery", dead), ("sink", paused)] {
        let line = json!({"event": event, "data": data});
        judge
            .validate(&line)
            .unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    gateway.stop().await;
    other.next("end").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_parameter_of_a_stream_is_named_with_what_is_allowed() {
    let gateway = standing(0).await;
    for (query, says) in [
        (
            "after=x",
            "`after` is `x`, but must be the id of an event of this stream",
        ),
        (
            "latest=51",
            "`latest` is 51, but must be a number from 0 to 50",
        ),
        (
            "events=alert,news",
            "`events` has `news`, but must be one or more of alert, delivery, sink",
        ),
        (
            "sink=webhook/none",
            "`sink` is `webhook/none`, but must be one of: webhook/oncall",
        ),
        (
            "limit=3",
            "`limit` is not a valid parameter; the parameters are `source`",
        ),
    ] {
        let reply = gateway
            .ask("GET", &format!("/api/v1/stream?{query}"), "")
            .await;
        assert_eq!(reply.status, 400, "{query}");
        let message = reply.json()["error"]["message"].to_string();
        assert!(message.contains(says), "{query}: {message}");
    }
    let head = format!("{LINES}last-event-id: no\r\n");
    let stream = Following::open(gateway.admin, "", &head).await;
    assert!(stream.head.contains("400 bad request"), "{}", stream.head);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_not_read_while_nobody_follows() {
    let gateway = standing(1).await;
    let news = Arc::clone(&gateway.gateway.news);
    assert!(!news.is_followed());
    let stream = Following::lines(gateway.admin, "").await;
    assert!(news.is_followed());
    drop(stream);
    until("an end of the reading", async || {
        gateway.gateway.clock.advance(Duration::from_secs(15));
        !news.is_followed()
    })
    .await;
}
