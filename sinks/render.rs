//! The bodies that a webhook can have, one function a format.

use campanile_model::{Alert, Status};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Alertmanager's word for an end that is not yet.
const NO_END: &str = "0001-01-01T00:00:00Z";

/// CloudEvents 1.0, structured mode: the alert is `data`, whole.
pub(super) fn cloudevents(alert: &Alert) -> Vec<u8> {
    #[derive(Serialize)]
    struct Event<'a> {
        specversion: &'static str,
        id: &'a str,
        source: String,
        r#type: String,
        subject: String,
        time: Timestamp,
        datacontenttype: &'static str,
        data: &'a Alert,
    }
    bytes(&Event {
        specversion: "1.0",
        id: &alert.id,
        source: format!("/campanile/{}", alert.source),
        r#type: format!("campanile.alert.{}", alert.status),
        subject: alert.fingerprint.to_string(),
        time: happened(alert),
        datacontenttype: "application/json",
        data: alert,
    })
}

/// When that of which the alert tells happened, as far as anybody said.
fn happened(alert: &Alert) -> Timestamp {
    let told = match alert.status {
        Status::Firing => alert.starts_at,
        Status::Resolved => alert.ends_at,
    };
    told.unwrap_or(alert.received_at)
}

/// Alertmanager's webhook, version 4, with a group of one: firing and resolved have one `groupKey` and one fingerprint.
pub(super) fn alertmanager(alert: &Alert, receiver: &str) -> Vec<u8> {
    let labels = labels(alert);
    let annotations = annotations(alert);
    let alertname = labels.get("alertname").cloned().unwrap_or_default();
    let ends_at = match alert.status {
        Status::Firing => Value::from(NO_END),
        Status::Resolved => json!(alert.ends_at.unwrap_or(alert.received_at)),
    };
    let link = alert.links.first().map(|link| link.url.as_str());
    bytes(&json!({
        "version": "4",
        "groupKey": format!("{{}}:{{fingerprint=\"{}\"}}", alert.fingerprint),
        "truncatedAlerts": 0,
        "status": alert.status,
        "receiver": receiver,
        "groupLabels": { "alertname": alertname },
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
        "alerts": [{
            "status": alert.status,
            "labels": labels,
            "annotations": annotations,
            "startsAt": alert.starts_at.unwrap_or(alert.received_at),
            "endsAt": ends_at,
            "generatorURL": link.unwrap_or_default(),
            "fingerprint": alert.fingerprint,
        }],
    }))
}

/// The vendor's labels, and ours where the vendor has none of that name. `alertname` is made from what firing and resolved
/// share, because receivers group by it: the metric before the title.
fn labels(alert: &Alert) -> Map<String, Value> {
    let metric = alert.metric.name.as_deref().filter(|name| !name.is_empty());
    let resource = &alert.resource;
    let ours = [
        ("alertname", Some(metric.unwrap_or(&alert.title))),
        ("severity", Some(alert.severity.as_str())),
        ("source", Some(alert.source.as_str())),
        ("resource_type", resource.kind.as_deref()),
        ("resource_id", resource.id.as_deref()),
        ("resource_name", resource.name.as_deref()),
        ("region", resource.region.as_deref()),
        ("account", resource.account.as_deref()),
    ];
    let theirs = alert.labels.iter().map(|(k, v)| (k.clone(), json!(v)));
    let mut labels: Map<String, Value> = theirs.collect();
    for (name, value) in ours {
        if let Some(value) = value {
            labels.entry(name).or_insert_with(|| json!(value));
        }
    }
    labels
}

fn annotations(alert: &Alert) -> Value {
    let mut annotations = json!({ "summary": alert.title, "description": alert.description });
    if let Some(value) = &alert.metric.value {
        // Annotations are texts.
        annotations["value"] = json!(value.to_string());
    }
    annotations
}

fn bytes(body: &impl Serialize) -> Vec<u8> {
    // Texts, numbers and maps with text keys: nothing here can fail to serialize.
    serde_json::to_vec(body).unwrap_or_default()
}
