//! The bodies that a webhook can have, one function a format. Each renders one alert, and the many of a digest.

use bytes::Bytes;
use campanile_model::{Alert, Status};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Message, digest};

/// Alertmanager's word for an end that is not yet.
const NO_END: &str = "0001-01-01T00:00:00Z";

/// The alert as the API shows it; a digest is an array of such objects.
pub(super) fn alerts(message: &Message) -> Bytes {
    let mut json: Vec<Bytes> = message.json().collect();
    if json.len() == 1 {
        return json.swap_remove(0);
    }
    let mut list = b"[".to_vec();
    list.extend_from_slice(&json.join(&b','));
    list.push(b']');
    list.into()
}

/// The alerts as JSON lines, each with its line end.
pub(super) fn lines(message: &Message) -> Vec<u8> {
    let mut lines = Vec::new();
    for json in message.json() {
        lines.extend_from_slice(&json);
        lines.push(b'\n');
    }
    lines
}

/// CloudEvents 1.0: structured mode for one alert, which is `data`, whole; batch mode for many.
pub(super) fn cloudevents(message: &Message) -> Vec<u8> {
    if let Some(alert) = message.only() {
        return cloudevent(alert);
    }
    let events = listed(message).into_iter().map(CloudEvent::of);
    bytes(&events.collect::<Vec<_>>())
}

/// CloudEvents 1.0 of one alert, in structured mode.
pub(super) fn cloudevent(alert: &Alert) -> Vec<u8> {
    bytes(&CloudEvent::of(alert))
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    r#type: String,
    subject: String,
    time: Timestamp,
    datacontenttype: &'static str,
    data: &'a Alert,
}

impl<'a> CloudEvent<'a> {
    fn of(alert: &'a Alert) -> Self {
        Self {
            specversion: "1.0",
            id: &alert.id,
            source: format!("/campanile/{}", alert.source),
            r#type: format!("campanile.alert.{}", alert.status),
            subject: alert.fingerprint.to_string(),
            time: happened(alert),
            datacontenttype: "application/json",
            data: alert,
        }
    }
}

/// When the event happened by the vendor's clock, else when it was received.
pub(super) fn happened(alert: &Alert) -> Timestamp {
    let stated = match alert.status {
        Status::Firing => alert.starts_at,
        Status::Resolved => alert.ends_at,
    };
    stated.unwrap_or(alert.received_at)
}

/// Alertmanager's webhook, version 4. One alert is a group of one: firing and resolved have one `groupKey` and one
/// fingerprint. A digest is a group of its own, with the labels that all its alerts share.
pub(super) fn alertmanager(message: &Message, receiver: &str) -> Vec<u8> {
    let alerts = listed(message);
    let shown: Vec<Value> = alerts.iter().map(|alert| shown(alert)).collect();
    let mut group_labels = Map::new();
    let group_key = match message.only() {
        Some(alert) => {
            let alertname = shown
                .first()
                .map(|alert| alert["labels"]["alertname"].clone());
            group_labels.insert("alertname".to_owned(), alertname.unwrap_or_default());
            format!("{{}}:{{fingerprint=\"{}\"}}", alert.fingerprint)
        }
        None => format!("{{}}:{{digest=\"{}\"}}", message.delivery_id),
    };
    bytes(&json!({
        "version": "4",
        "groupKey": group_key,
        "truncatedAlerts": 0,
        "status": digest::status(&alerts),
        "receiver": receiver,
        "groupLabels": group_labels,
        "commonLabels": shared(&shown, "labels"),
        "commonAnnotations": shared(&shown, "annotations"),
        "externalURL": "",
        "alerts": shown,
    }))
}

fn shown(alert: &Alert) -> Value {
    let ends_at = match alert.status {
        Status::Firing => Value::from(NO_END),
        Status::Resolved => json!(alert.ends_at.unwrap_or(alert.received_at)),
    };
    let link = alert.links.first().map(|link| link.url.as_str());
    json!({
        "status": alert.status,
        "labels": labels(alert),
        "annotations": annotations(alert),
        "startsAt": alert.starts_at.unwrap_or(alert.received_at),
        "endsAt": ends_at,
        "generatorURL": link.unwrap_or_default(),
        "fingerprint": alert.fingerprint,
    })
}

/// What all alerts have alike in this object.
fn shared(alerts: &[Value], field: &str) -> Map<String, Value> {
    let mut objects = alerts.iter().filter_map(|alert| alert[field].as_object());
    let mut shared = objects.next().cloned().unwrap_or_default();
    for object in objects {
        shared.retain(|name, value| object.get(name) == Some(value));
    }
    shared
}

/// The vendor's labels, and ours where the vendor has none of that name. `alertname` is made from what firing and resolved
/// share, because receivers group by it: the metric before the title.
pub(super) fn labels(alert: &Alert) -> Map<String, Value> {
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

fn listed(message: &Message) -> Vec<&Alert> {
    message.alerts.iter().map(AsRef::as_ref).collect()
}

fn bytes(body: &(impl Serialize + ?Sized)) -> Vec<u8> {
    // Texts, numbers and maps with text keys: nothing here can fail to serialize.
    serde_json::to_vec(body).unwrap_or_default()
}
