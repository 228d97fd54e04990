//! Rewrites: what is changed in an alert before its sinks are chosen and before it is stored.

mod paths;
mod redaction;
mod tables;

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::Gateway;
use crate::standing::{Reply, Wire, post, request};

/// A gateway with a source of Alertmanager, and a folder with the table of the test and the messages of its sink.
struct Rewriting {
    gateway: Gateway,
    folder: TempDir,
}

/// The sink of all alerts, and the source.
fn settings(folder: &Path, rewrites: &str) -> String {
    let folder = folder.display();
    format!(
        "[providers.alertmanager.prod]\ntoken = \"the-token-of-prometheus\"\n\
         [sinks.file.all]\npath = \"{folder}/all.ndjson\"\n[sinks.file.pager]\npath = \"{folder}/pager.ndjson\"\n\
         [[routes]]\nsinks = [\"file/all\"]\n\
         [[routes]]\nmatch = {{ severity = \"critical\" }}\nsinks = [\"file/pager\"]\n\
         {}",
        rewrites.replace("FOLDER", &folder.to_string())
    )
}

/// A message of Alertmanager with one alert. Another label `id` is another problem.
fn message(status: &str, labels: &Value) -> Value {
    let mut labels = labels.clone();
    labels["alertname"] = json!("DiskAlmostFull");
    json!({"version": "4", "status": status, "groupKey": "g", "alerts": [{
        "status": status, "labels": labels,
        "annotations": {"summary": "disk 91 %", "description": labels["note"]},
        "startsAt": "2026-01-01T08:15:30Z", "endsAt": "2026-01-01T09:15:30Z", "fingerprint": labels["id"].as_str().unwrap_or("9f2c3d4e5a6b7c81"),
    }]})
}

impl Rewriting {
    async fn with(csv: &str, rewrites: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cmdb.csv"), csv).unwrap();
        let gateway = Gateway::start(&settings(folder.path(), rewrites)).await;
        Self { gateway, folder }
    }

    /// Sends a message and waits for its deliveries.
    async fn send(&self, status: &str, labels: &Value) -> Reply {
        self.post(&message(status, labels)).await
    }

    async fn post(&self, body: &Value) -> Reply {
        let head =
            "content-type: application/json\r\nauthorization: Bearer the-token-of-prometheus\r\n";
        let body = body.to_string();
        let path = "/callback/alertmanager/prod";
        let raw = request("POST", path, head, body.as_bytes());
        let reply = self.gateway.send(raw).await;
        self.gateway.deliver_everything().await;
        reply
    }

    /// Reads the only callback in quarantine again.
    async fn release(&self) {
        let quarantined = self.gateway.list("/api/v1/quarantine").await;
        assert_eq!(quarantined.len(), 1, "{quarantined:?}");
        let wanted = json!({"ids": [quarantined[0]["id"]]});
        self.act("/api/v1/quarantine/retry", &wanted).await;
        self.gateway.deliver_everything().await;
    }

    /// Posts to the API.
    async fn act(&self, path: &str, body: &Value) -> Value {
        let head = "content-type: application/json\r\n";
        let raw = post(path, head, body.to_string().as_bytes());
        let reply = Wire::to(self.gateway.admin()).await.send(raw).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }

    /// The messages of a sink.
    fn got(&self, sink: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join(format!("{sink}.ndjson")));
        let text = text.unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn failed(&self, rewrite: &str, reason: &str) -> f64 {
        let labels = format!("{{rewrite=\"{rewrite}\",reason=\"{reason}\"}}");
        let name = format!("campanile_rewrites_failed_total{labels}");
        self.gateway.metric(&name).await
    }

    async fn stop(self) {
        self.gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rewrites_run_in_the_order_of_the_file_and_each_sees_the_result_of_the_earlier_ones() {
    let rewriting = Rewriting::with(
        "",
        "[[rewrites]]\nset = { \"labels.team\" = \"'db'\", \"labels.old\" = \"labels.team\" }\n\
         [[rewrites]]\nmatch = { \"labels.team\" = \"db\" }\nset = { title = \"labels.team ~ ': ' ~ title\" }\n\
         [[rewrites]]\nmatch = { \"labels.team\" = \"web\" }\nset = { description = \"'never'\" }\n\
         [[rewrites]]\nregex = { title = \"db: .*\" }\nset = { \"resource.region\" = \"'cn-' ~ labels.old\" }\n",
    )
    .await;
    rewriting.send("firing", &json!({"team": "web"})).await;
    let [alert] = &rewriting.got("all")[..] else {
        panic!("{:?}", rewriting.got("all"))
    };
    assert_eq!(alert["labels"]["team"], "db");
    // All expressions of one rewrite see the alert as it was before it.
    assert_eq!(alert["labels"]["old"], "web");
    assert_eq!(alert["title"], "db: disk 91 %");
    assert_ne!(alert["description"], "never");
    assert_eq!(alert["resource"]["region"], "cn-web");
    rewriting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_severity_that_a_rule_sets_decides_the_route() {
    let rewriting = Rewriting::with(
        "",
        "[[rewrites]]\nmatch = { \"labels.tier\" = \"1\" }\nset = { severity = \"'critical'\" }\n",
    )
    .await;
    rewriting
        .send(
            "firing",
            &json!({"id": "2", "tier": "2", "severity": "warning"}),
        )
        .await;
    assert_eq!(rewriting.got("pager"), [] as [Value; 0]);
    rewriting
        .send("firing", &json!({"tier": "1", "severity": "warning"}))
        .await;
    assert_eq!(rewriting.got("pager")[0]["severity"], "critical");
    // The vendor's own word stays.
    let listed = rewriting.gateway.list("/api/v1/alerts").await;
    assert_eq!(listed[1]["severity"], "critical");
    rewriting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_without_a_severity_stays_without_one_and_gets_the_labels() {
    let rewriting = Rewriting::with(
        "",
        "[[rewrites]]\nset = { severity = \"'critical'\", \"labels.team\" = \"'db'\" }\n",
    )
    .await;
    rewriting.send("firing", &json!({})).await;
    rewriting.send("resolved", &json!({})).await;
    let got = rewriting.got("pager");
    let words = |alert: &Value| {
        [
            &alert["status"],
            &alert["severity"],
            &alert["labels"]["team"],
        ]
        .map(Value::to_string)
    };
    assert_eq!(got.len(), 2, "{got:?}");
    assert_eq!(words(&got[0]), ["\"firing\"", "\"critical\"", "\"db\""]);
    assert_eq!(words(&got[1]), ["\"resolved\"", "\"unknown\"", "\"db\""]);
    rewriting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expression_that_fails_is_counted_and_the_alert_goes_on() {
    let rewriting = Rewriting::with(
        "",
        "[[rewrites]]\nname = \"bad\"\nset = { \"labels.part\" = \"labels.level|int if labels.level is defined else 'none'\", \"labels.rack\" = \"labels.none\", severity = \"labels.level\" }\n\
         [[rewrites]]\nwhen = \"labels.level is defined and labels.level|int > 2\"\nset = { \"labels.team\" = \"'db'\" }\n\
         [[rewrites]]\nset = { \"labels.last\" = \"'yes'\" }\n",
    )
    .await;
    assert!((rewriting.failed("bad", "absent").await).abs() < f64::EPSILON);
    let reply = rewriting
        .send("firing", &json!({"level": "P1", "severity": "warning"}))
        .await;
    assert_eq!(reply.status, 200);
    let [alert] = &rewriting.got("all")[..] else {
        panic!("{:?}", rewriting.got("all"))
    };
    assert_eq!(alert["severity"], "warning");
    assert_eq!(alert["labels"]["last"], "yes");
    assert_eq!(
        (&alert["labels"]["rack"], &alert["labels"]["team"]),
        (&Value::Null, &Value::Null)
    );
    let of = async |rewrite, reason| rewriting.failed(rewrite, reason).await.to_string();
    assert_eq!(of("bad", "value").await, "1");
    assert_eq!(of("bad", "absent").await, "1");
    assert_eq!(of("bad", "expression").await, "1");
    assert_eq!(of("2", "expression").await, "1");
    assert_eq!(of("3", "expression").await, "0");
    rewriting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rewrites_of_today_would_change_is_shown() {
    let rewriting =
        Rewriting::with("", "[[rewrites]]\nset = { \"labels.team\" = \"'db'\" }\n").await;
    rewriting.send("firing", &json!({"team": "web"})).await;
    let again = "[[rewrites]]\nname = \"team\"\nset = { \"labels.team\" = \"'storage'\", \"labels.rack\" = \"labels.none\" }\n";
    let again = settings(rewriting.folder.path(), again);
    rewriting.gateway.write(&again);
    rewriting.gateway.reload_with(|_| ()).await;
    let id = rewriting.gateway.list("/api/v1/alerts").await[0]["id"].clone();
    let id = id.as_str().unwrap();
    let origin = rewriting
        .gateway
        .ask(&format!("/api/v1/alerts/{id}/origin"))
        .await;
    let differs = json!([{"field": "labels.team", "old": "db", "new": "storage"}]);
    assert_eq!(origin["differs"], differs, "{origin}");
    let page = rewriting
        .gateway
        .look(&format!("/try?alert={id}"))
        .await
        .body;
    for words in [
        "<strong>rewrite applies</strong>",
        "<bdi>labels.team = storage</bdi>",
        "before: <bdi lang=\"\">web</bdi>",
        "labels.rack: the expression gives no value",
    ] {
        assert!(page.contains(words), "{words}\n{page}");
    }
    rewriting.stop().await;
}
