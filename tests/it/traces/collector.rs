//! A collector of OTLP over HTTP with JSON: decodes what it gets, and refuses what OTLP does not allow.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::receiver::{Got, Play, Receiver};

/// The listener, and what it got.
pub(super) struct Collector(pub(super) Receiver);

/// A span as OTLP has it.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) name: String,
    pub(super) kind: u64,
    pub(super) from: u64,
    pub(super) to: u64,
    attributes: BTreeMap<String, String>,
    /// The message of the status, if the status is an error.
    pub(super) error: Option<String>,
}

impl Collector {
    pub(super) async fn start(script: impl IntoIterator<Item = Play>) -> Self {
        Self(Receiver::start(script).await)
    }

    /// All spans so far.
    pub(super) fn spans(&self) -> Vec<Span> {
        self.0.got().iter().flat_map(decoded).collect()
    }
}

impl Span {
    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.get(name);
        found.unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

/// Those with this name.
pub(super) fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn decoded(got: &Got) -> Vec<Span> {
    assert_eq!(got.method, "POST");
    assert_eq!(got.target, "/v1/traces");
    assert_eq!(got.header("content-type"), Some("application/json"));
    let body = got.json();
    let [resource] = &array(&body["resourceSpans"])[..] else {
        panic!("{body}");
    };
    let service = attributes(&resource["resource"]["attributes"]);
    assert_eq!(service["service.name"], "campanile");
    let [scope] = &array(&resource["scopeSpans"])[..] else {
        panic!("{body}");
    };
    array(&scope["spans"]).iter().map(span).collect()
}

fn span(json: &Value) -> Span {
    let time = |name: &str| json[name].as_str().unwrap().parse::<u64>().unwrap();
    let status = json.get("status");
    let error = status.map(|status| {
        assert_eq!(status["code"], 2, "{json}");
        text(&status["message"])
    });
    let span = Span {
        trace: hex(&json["traceId"], 32),
        id: hex(&json["spanId"], 16),
        parent: json.get("parentSpanId").map(|parent| hex(parent, 16)),
        name: text(&json["name"]),
        kind: json["kind"].as_u64().unwrap(),
        from: time("startTimeUnixNano"),
        to: time("endTimeUnixNano"),
        attributes: attributes(&json["attributes"]),
        error,
    };
    assert!(span.from <= span.to, "{span:?}");
    span
}

/// Keys with values that are text or whole numbers.
fn attributes(list: &Value) -> BTreeMap<String, String> {
    let pairs = array(list).into_iter().map(|pair| {
        let value = pair["value"].as_object().unwrap();
        assert_eq!(value.len(), 1, "{pair}");
        let (kind, value) = value.iter().next().unwrap();
        let value = text(value);
        let fits = kind == "stringValue" || kind == "intValue" && value.parse::<i64>().is_ok();
        assert!(fits, "{pair}");
        (text(&pair["key"]), value)
    });
    pairs.collect()
}

fn hex(value: &Value, digits: usize) -> String {
    let id = text(value);
    let lower = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    assert!(id.len() == digits && id.chars().all(lower), "{id}");
    assert!(id.contains(|c| c != '0'), "{id}");
    id
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

fn array(value: &Value) -> Vec<Value> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("{value}"))
        .clone()
}
