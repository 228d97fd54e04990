//! The two seed vendors through the whole gateway: their requests, the answers to them, and the deliveries to a
//! receiver.

use std::time::Duration;

use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::gateway::{Gateway, IDLE_SINK};
use crate::receiver::{Got, Play, Receiver};
use crate::standing::{Reply, post, request};

const TOKEN: &str = "our-own-callback-token";

/// 恢复告警线[最近5分钟平均负载大于 1], as the vendor's documentation writes it.
const CONTENT: &str = "%E6%81%A2%E5%A4%8D%E5%91%8A%E8%AD%A6%E7%BA%BF%5B%E6%9C%80%E8%BF%915%E5%88%86%E9%92%9F\
                       %E5%B9%B3%E5%9D%87%E8%B4%9F%E8%BD%BD%E5%A4%A7%E4%BA%8E+1%5D";

/// Both vendors, and a sink.
fn settings(sink: &str) -> String {
    format!(
        "[providers.ucloud.prod]\nkey = \"the-key-of-ucloud\"\n\
         [providers.jiankong.web]\ntoken = \"{TOKEN}\"\n\
         [sinks.webhook.oncall]\nurl = \"{sink}\"\n"
    )
}

const UCLOUD: &str = "/callback/ucloud/prod/the-key-of-ucloud";
const JIANKONG: &str = "/callback/jiankong/web";

fn alarm(session: &str, recovery: u64) -> Value {
    json!({
        "SessionID": session, "Region": " cn-north-03", "ResourceType": "uhost", "ResourceId": "uhost-1",
        "MetricName": "MemUsage", "AlarmTime": 1_470_822_697, "RecoveryTime": recovery,
    })
}

fn token(msg_id: &str, task_id: &str, fault_time: &str) -> String {
    hex::encode(Md5::digest(format!("{msg_id}{task_id}{fault_time}{TOKEN}")))
}

/// The documented `GET`, signed with the token of the test.
fn documented_get() -> Vec<u8> {
    let token = token("1", "2", "1271767302");
    let query = format!(
        "msg_id=1&task_user_id=7001&task_id=2&task_type=http&fault_time=1271767302&task_status=1\
         &task_summary=www.example.com&content={CONTENT}&token={token}"
    );
    request("GET", &format!("{JIANKONG}?{query}"), "", b"")
}

/// The documented `POST`: its content is encoded a second time inside the form.
fn documented_post(content: &str, token: &str) -> Vec<u8> {
    let detail = "{\"metric\":\"load_average_5\",\"compare\":\"gt\",\"value\":\"1\",\"unit\":\"\"}";
    let form = [
        ("msg_id", "101407787"),
        ("task_user_id", "5021"),
        ("task_id", "259197"),
        ("task_type", "load"),
        ("fault_time", "1409803140"),
        ("message_type", "1"),
        ("message_status", "2"),
        ("task_summary", "118.144.76.75(2)"),
        ("server_id", "1234"),
        ("content", content),
        ("message_detail", detail),
        ("token", token),
    ];
    let form = serde_urlencoded::to_string(form).unwrap();
    let head = "content-type: application/x-www-form-urlencoded; charset=UTF-8\r\n";
    post(JIANKONG, head, form.as_bytes())
}

fn says(reply: &Reply) -> (u16, &str) {
    assert!(reply.body.chars().count() <= 100, "{}", reply.body);
    (reply.status, &reply.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn ucloud_hears_success_three_times_and_the_receiver_hears_each_of_two_alerts_once() {
    let receiver = Receiver::start([Play::status(200)]).await;
    let gateway = Gateway::start(&settings(&receiver.url("/"))).await;
    let session = "07a89fb8-5ee0-11e6-b059-00ffbeabee13";
    for recovery in [0, 1_470_823_697] {
        for _ in 0..3 {
            let reply = gateway.post(UCLOUD, &alarm(session, recovery)).await;
            let wanted = format!("{{\"SessionID\":\"{session}\",\"RetCode\":0}}");
            assert_eq!((reply.status, reply.body), (200, wanted));
        }
    }
    gateway.deliver_everything().await;
    let got: Vec<Value> = receiver.got().iter().map(Got::json).collect();
    let stored = gateway.list("/api/v1/alerts").await;
    let statuses: Vec<_> = got.iter().map(|alert| &alert["status"]).collect();
    assert_eq!(statuses, ["firing", "resolved"]);
    assert_eq!(got[0]["fingerprint"], got[1]["fingerprint"]);
    assert_ne!(got[0]["id"], got[1]["id"]);
    assert_eq!(stored[0]["episode"], stored[1]["episode"]);
    assert_eq!(stored.len(), 2);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_examples_of_jiankong_come_out_readable() {
    let receiver = Receiver::start([Play::status(200)]).await;
    let gateway = Gateway::start(&settings(&receiver.url("/"))).await;
    let token = token("101407787", "259197", "1409803140");
    for raw in [documented_get(), documented_post(CONTENT, &token)] {
        let reply = gateway.send(raw).await;
        let (status, said) = says(&reply);
        let id = said
            .strip_prefix("OK ")
            .expect("OK and the id of the alert");
        assert_eq!((status, id.len()), (200, 36));
    }
    gateway.deliver_everything().await;
    let got: Vec<Value> = receiver.got().iter().map(Got::json).collect();
    for (alert, status, starts_at) in [
        (&got[0], "firing", "2010-04-20T12:41:42Z"),
        (&got[1], "resolved", "2014-09-04T03:59:00Z"),
    ] {
        assert_eq!(alert["description"], "恢复告警线[最近5分钟平均负载大于 1]");
        assert_eq!(
            (&alert["status"], &alert["starts_at"]),
            (&json!(status), &json!(starts_at))
        );
    }
    assert_ne!(got[0]["fingerprint"], got[1]["fingerprint"]);
    let problem =
        campanile_model::Fingerprint::of("jiankong", ["259197", "load", "1234", "load_average_5"]);
    assert_eq!(got[1]["fingerprint"], problem.to_string());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jiankong_refuses_a_wrong_token_and_counts_a_known_id_with_other_words() {
    let receiver = Receiver::start([Play::status(200)]).await;
    let gateway = Gateway::start(&settings(&receiver.url("/"))).await;
    let right = token("101407787", "259197", "1409803140");
    let wrong = token("101407787", "259197", "1409803141");
    let reply = gateway.send(documented_post(CONTENT, &wrong)).await;
    assert_eq!(says(&reply), (403, "invalid token"));
    gateway.send(documented_post(CONTENT, &right)).await;
    for content in [CONTENT, "something else"] {
        let reply = gateway.send(documented_post(content, &right)).await;
        assert_eq!(says(&reply), (200, "OK duplicate"));
    }
    let counted = |name: &str| format!("campanile_{name}{{source=\"jiankong/web\"}}");
    let conflicts = gateway.metric(&counted("conflicts_total")).await;
    assert!((conflicts - 1.0).abs() < 0.1, "{conflicts}");
    gateway.deliver_everything().await;
    assert_eq!(receiver.got().len(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_client_of_ucloud_is_served_as_by_its_own_demo_server() {
    let demo = "[providers.ucloud.demo]\nopen = true\ndemo_paths = true\n";
    let gateway = Gateway::start(&(demo.to_owned() + IDLE_SINK)).await;
    // The client sets a header with a wrong name, so it sends no Content-Type.
    let head = "user-agent: Go-http-client/1.1\r\ncontext-type: application/json\r\n";
    let body = alarm("07a89fb8", 0).to_string();
    let reply = gateway.send(post("/add", head, body.as_bytes())).await;
    let wanted = json!({"SessionID": "07a89fb8", "RetCode": 0});
    assert_eq!((reply.status, reply.json()), (200, wanted));
    let list = gateway.send(request("GET", "/get", "", b"")).await;
    let mut listed = alarm("07a89fb8", 0);
    listed["Region"] = json!("cn-north-03");
    let wanted = json!({"Result": [listed], "RetCode": 0});
    assert_eq!((list.status, list.json()), (200, wanted));
    gateway.stop().await;
}

/// Alarms and recoveries of five problems.
async fn ten_alerts(gateway: &Gateway, round: usize) {
    for recovery in [0, 1_470_823_697] {
        for problem in 0..5 {
            let mut alarm = alarm(&format!("{round}-{problem}"), recovery);
            alarm["ResourceId"] = json!(format!("uhost-{problem}"));
            assert_eq!(gateway.post(UCLOUD, &alarm).await.status, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_was_down_for_an_hour_gets_all_in_order_and_the_other_never_noticed() {
    let down = Receiver::start([Play::status(503)]).await;
    let well = Receiver::start([Play::status(200)]).await;
    let other = format!("[sinks.webhook.other]\nurl = \"{}\"\n", well.url("/"));
    let gateway = Gateway::start(&(settings(&down.url("/")) + &other)).await;
    for minute in 0..60 {
        if minute % 20 == 0 {
            ten_alerts(&gateway, minute).await;
            gateway.deliver_everything().await;
            let pending = gateway.metric("campanile_pending{sink=\"webhook/other\"}");
            assert!(pending.await < 0.1, "the other sink must not wait");
        }
        gateway.advance(Duration::from_mins(1)).await;
    }
    assert_eq!(well.got().len(), 30);
    let tries = down.got().len();
    down.now_plays([Play::status(200)]);
    for _ in 0..60 {
        gateway.advance(Duration::from_mins(1)).await;
    }
    let taken = down.got().split_off(tries);
    assert_eq!(taken.len(), 30, "all alerts, and none twice");
    for problem in 0..5 {
        let lane = taken.iter().map(Got::json);
        let of = |alert: &Value| alert["resource"]["id"] == format!("uhost-{problem}");
        let lane: Vec<_> = lane.filter(of).collect();
        let ids: Vec<_> = lane.iter().map(|a| a["id"].to_string()).collect();
        assert!(ids.is_sorted() && ids.len() == 6, "{ids:?}");
    }
    assert_eq!(well.got().len(), 30);
    gateway.stop().await;
}
