//! Traces from a callback to each receiver, at a collector of OTLP.

mod collector;
mod failing;

use std::collections::BTreeSet;
use std::time::Duration;

use campanile_model::trace::Context;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::receiver::{Play, Receiver};
use crate::standing::{Reply, post};
use collector::{Collector, Span, named};

const VENDORS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// One source, one sink and a collector.
fn settings(sink: &Receiver, collector: &Receiver, more: &str) -> String {
    let headers = "{ Authorization = \"Bearer c4nary-collector\" }";
    format!(
        "[providers.ucloud.prod]\nopen = true\n[sinks.webhook.oncall]\nurl = \"{}\"\n\
         [telemetry.otlp]\nendpoint = \"{}\"\nheaders = {headers}\n{more}\n",
        sink.url("/"),
        collector.url("")
    )
}

async fn alarm(gateway: &Gateway, session: &str, head: &str) -> Reply {
    let body = json!({"SessionID": session, "MetricName": "MemUsage", "AlarmTime": 1_470_822_697});
    let raw = post("/callback/ucloud/prod", head, body.to_string().as_bytes());
    gateway.send(raw).await
}

fn traces(spans: &[Span]) -> BTreeSet<&str> {
    spans.iter().map(|span| &*span.trace).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_leads_from_the_callback_to_each_attempt() {
    let sink = Receiver::start([Play::status(503), Play::status(200)]).await;
    let collector = Collector::start([]).await;
    let gateway = Gateway::start(&settings(&sink, &collector.0, "")).await;
    let reply = alarm(&gateway, "1", &format!("traceparent: {VENDORS}\r\n")).await;
    let trace = reply.header("x-trace-id").to_owned();
    let alert = gateway.list("/api/v1/alerts").await[0].clone();
    assert_eq!(trace, alert["id"].as_str().unwrap().replace('-', ""));
    gateway.deliver_everything().await;
    gateway.advance(Duration::from_secs(2)).await;
    gateway.stop().await;

    let (spans, requests) = (collector.spans(), sink.got());
    let sent = collector.0.got();
    assert_eq!(
        sent[0].header("authorization"),
        Some("Bearer c4nary-collector")
    );
    assert_eq!(traces(&spans), [&*trace].into());
    let root = named(&spans, "callback")[0];
    assert_eq!((&root.parent, root.kind), (&None, 2));
    assert_eq!(root.attribute("campanile.source"), "ucloud/prod");
    assert_eq!(root.attribute("campanile.outcome"), "accepted");
    assert_eq!(root.attribute("campanile.alert"), alert["id"]);
    assert_eq!(root.attribute("http.request.method"), "POST");
    assert_eq!(root.attribute("http.response.status_code"), "200");
    let steps = ["receive", "verify", "read", "commit"].map(|name| named(&spans, name)[0]);
    for (step, next) in steps.iter().zip(&steps[1..]) {
        assert_eq!(step.parent.as_ref(), Some(&root.id), "{step:?}");
        assert_eq!((step.kind, step.to), (1, next.from));
    }
    assert_eq!(root.from, steps[0].from);
    assert!(steps[3].to <= root.to);
    let [failed, delivered] = named(&spans, "deliver")[..] else {
        panic!("{spans:?}");
    };
    for (attempt, (request, number)) in [failed, delivered]
        .iter()
        .zip(requests.iter().zip(["1", "2"]))
    {
        assert_eq!(attempt.parent.as_ref(), Some(&root.id));
        assert_eq!(attempt.kind, 3);
        assert_eq!(attempt.attribute("campanile.sink"), "webhook/oncall");
        assert_eq!(attempt.attribute("campanile.attempt"), number);
        let passed = format!("00-{trace}-{}-01", attempt.id);
        assert_eq!(request.header("traceparent"), Some(&*passed));
    }
    assert_eq!(failed.attribute("http.response.status_code"), "503");
    assert_eq!(failed.attribute("error.type"), "transient");
    assert_eq!(failed.error.as_deref(), Some("the receiver answered 503"));
    assert_eq!(delivered.attribute("http.response.status_code"), "200");
    assert_eq!((&delivered.error, &root.error), (&None, &None));
    let ids: BTreeSet<&str> = spans.iter().map(|span| &*span.id).collect();
    assert_eq!(ids.len(), 7, "each span has an id of its own: {spans:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_vendor_is_continued_if_it_is_trusted_and_survives_a_restart() {
    let sink = Receiver::start([Play::status(503)]).await;
    let collector = Collector::start([]).await;
    let trusting = settings(&sink, &collector.0, "trust_traceparent = true");
    let mut gateway = Gateway::start(&trusting).await;
    let vendors = "4bf92f3577b34da6a3ce929d0e0e4736";
    let reply = alarm(&gateway, "1", &format!("traceparent: {VENDORS}\r\n")).await;
    assert_eq!(reply.header("x-trace-id"), vendors);
    let alert = gateway.list("/api/v1/alerts").await[0]["id"].clone();
    let shown = gateway
        .ask(&format!("/api/v1/alerts/{}", alert.as_str().unwrap()))
        .await;
    assert_eq!(shown["arrival"]["trace"], vendors);
    gateway.deliver_everything().await;
    sink.now_plays([Play::status(200)]);
    gateway.restart_with(|_| ()).await;
    gateway.advance(Duration::from_mins(1)).await;
    for not_one in [
        "traceparent: 00-broken\r\n".to_owned(),
        format!("traceparent: {VENDORS}\r\n").repeat(2),
    ] {
        let reply = alarm(&gateway, &not_one, &not_one).await;
        assert_ne!(reply.header("x-trace-id"), vendors);
    }
    gateway.stop().await;
    let spans = collector.spans();
    let of_vendor: Vec<Span> = spans
        .into_iter()
        .filter(|span| span.trace == vendors)
        .collect();
    let root = named(&of_vendor, "callback")[0];
    assert_eq!(root.parent.as_deref(), Some("00f067aa0ba902b7"));
    assert_eq!(root.attribute("campanile.alert"), alert);
    let attempts = named(&of_vendor, "deliver");
    assert_eq!(attempts.len(), 2, "one before the restart and one after it");
    for attempt in attempts {
        assert_eq!(attempt.parent.as_ref(), Some(&root.id));
        assert_eq!(attempt.attribute("campanile.alert"), alert);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_alerts_of_a_callback_are_in_its_trace_also_after_a_restart() {
    let sink = Receiver::start([Play::status(503)]).await;
    let collector = Collector::start([]).await;
    let settings = settings(&sink, &collector.0, "").replace("ucloud", "alertmanager");
    let mut gateway = Gateway::start(&settings).await;
    let call = crate::gateway::named("alertmanager/batch")
        .callback()
        .unwrap();
    let reply = gateway
        .send(crate::gateway::raw(&call, "/callback/alertmanager/prod"))
        .await;
    let trace = reply.header("x-trace-id").to_owned();
    gateway.deliver_everything().await;
    sink.now_plays([Play::status(200)]);
    gateway.restart_with(|_| ()).await;
    gateway.advance(Duration::from_mins(1)).await;
    let alerts = gateway.list("/api/v1/alerts").await;
    let last = alerts.last().unwrap()["id"].as_str().unwrap();
    let page = gateway.look(&format!("/alerts/{last}")).await;
    assert!(page.body.contains(&trace), "{}", page.body);
    gateway.stop().await;

    let spans = collector.spans();
    assert_eq!(traces(&spans), [&*trace].into());
    let root = &named(&spans, "callback")[0].id;
    let attempts = named(&spans, "deliver");
    let sent: BTreeSet<&str> = attempts
        .iter()
        .map(|span| span.attribute("campanile.alert"))
        .collect();
    assert!(alerts.len() > 1);
    assert_eq!(
        sent,
        alerts
            .iter()
            .map(|alert| alert["id"].as_str().unwrap())
            .collect()
    );
    assert!(
        attempts
            .iter()
            .all(|span| span.parent.as_ref() == Some(root))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sampled_follows_from_the_trace_id_and_goes_to_receivers() {
    let sink = Receiver::start([]).await;
    let collector = Collector::start([]).await;
    let gateway = Gateway::start(&settings(&sink, &collector.0, "sample_percent = 30")).await;
    let mut sampled = BTreeSet::new();
    for session in 0..30 {
        let reply = alarm(&gateway, &session.to_string(), "").await;
        let trace = reply.header("x-trace-id").to_owned();
        if Context::of_stored(&trace, 30).unwrap().is_sampled() {
            sampled.insert(trace);
        }
    }
    gateway.deliver_everything().await;
    gateway.stop().await;
    assert!((1..30).contains(&sampled.len()), "{sampled:?}");
    let spans = collector.spans();
    assert_eq!(traces(&spans), sampled.iter().map(String::as_str).collect());
    assert_eq!(named(&spans, "deliver").len(), sampled.len());
    for request in sink.got() {
        let passed = Context::parse(request.header("traceparent").unwrap()).unwrap();
        assert_eq!(passed.is_sampled(), sampled.contains(&passed.trace_id()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_without_a_new_alert_has_a_trace_too() {
    let sink = Receiver::start([]).await;
    let collector = Collector::start([]).await;
    let gateway = Gateway::start(&settings(&sink, &collector.0, "")).await;
    alarm(&gateway, "1", "").await;
    let duplicate = alarm(&gateway, "1", "").await;
    let broken = gateway.send(post("/callback/ucloud/prod", "", b"{")).await;
    let listed = gateway.list("/api/v1/callbacks").await;
    gateway.stop().await;
    let spans = collector.spans();
    for (reply, outcome) in [(duplicate, "duplicate"), (broken, "quarantined")] {
        let trace = reply.header("x-trace-id");
        let mut all = listed.iter();
        let item = all.find(|item| item["verdict"] == outcome).unwrap();
        assert_eq!(item["trace"], trace, "{item}");
        let mut roots = named(&spans, "callback").into_iter();
        let root = roots.find(|span| span.trace == trace).unwrap();
        assert_eq!(root.attribute("campanile.outcome"), outcome);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_settings_nothing_shows_a_trace() {
    let sink = Receiver::start([]).await;
    let whole = settings(&sink, &sink, "");
    let (plain, _) = whole.split_once("[telemetry").unwrap();
    let gateway = Gateway::start(plain).await;
    let reply = alarm(&gateway, "1", &format!("traceparent: {VENDORS}\r\n")).await;
    assert_eq!(reply.header("x-trace-id"), "");
    gateway.deliver_everything().await;
    let id = gateway.list("/api/v1/alerts").await[0]["id"].clone();
    let shown = gateway
        .ask(&format!("/api/v1/alerts/{}", id.as_str().unwrap()))
        .await;
    assert_eq!(shown["arrival"]["trace"], Value::Null);
    let got = sink.got();
    assert_eq!((got.len(), got[0].header("traceparent")), (1, None));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_is_not_verified_gets_no_trace() {
    let sink = Receiver::start([]).await;
    let collector = Collector::start([]).await;
    let more = "trust_traceparent = true";
    let keyed =
        settings(&sink, &collector.0, more).replace("open = true", "key = \"a-long-random-key-1\"");
    let gateway = Gateway::start(&keyed).await;
    for path in [
        "/callback/ucloud/prod",
        "/callback/ucloud/prod/wrong",
        "/nowhere",
    ] {
        let head = format!("traceparent: {VENDORS}\r\n");
        let reply = gateway.send(post(path, &head, b"{}")).await;
        assert!(!reply.is_success(), "{reply:?}");
        assert_eq!(reply.header("x-trace-id"), "");
    }
    gateway.stop().await;
    assert!(collector.0.got().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_has_no_secret_and_little_of_what_others_wrote() {
    let long = format!("c4nary-receiver-words {}", "長".repeat(5000));
    let answer = Play::Answer(422, Vec::new(), long.clone());
    let sink = Receiver::start([answer]).await;
    let collector = Collector::start([]).await;
    let secret = "c4nary-path";
    let settings = settings(&sink, &collector.0, "trust_traceparent = true")
        .replace("open = true", "key = \"c4nary-key-of-the-vendor\"")
        .replace(
            &sink.url("/"),
            &sink.url(&format!("/{secret}?token={secret}")),
        );
    let gateway = Gateway::start(&settings).await;
    let body = json!({"SessionID": "c4nary-session", "MetricName": "c4nary-metric", "Content": long, "AlarmTime": 1_470_822_697});
    let head =
        format!("user-agent: c4nary\r\ntraceparent: {VENDORS}\r\ntracestate: c4nary=c4nary\r\n");
    let path = "/callback/ucloud/prod/c4nary-key-of-the-vendor";
    let reply = gateway
        .send(post(path, &head, body.to_string().as_bytes()))
        .await;
    assert_eq!(reply.status, 200);
    gateway.deliver_everything().await;
    gateway.stop().await;
    let spans = collector.spans();
    let error = named(&spans, "deliver")[0].error.clone().unwrap();
    assert!(
        error.contains("c4nary-receiver-words"),
        "the reason is there: {error}"
    );
    assert!(error.chars().count() <= 200, "{error}");
    for got in collector.0.got() {
        let text = String::from_utf8(got.body).unwrap().replace(&error, "");
        assert!(!text.contains("c4nary"), "{text}");
        assert!(text.len() < 4000, "{text}");
    }
}
