//! A span, and its JSON as OTLP 1 defines it.

use std::time::Duration;

use campanile_model::trace::Context;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The position of the span, by OTLP's numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

/// `STATUS_CODE_ERROR`
const ERROR: u8 = 2;

/// A span that has ended.
#[derive(Debug)]
pub(super) struct Span {
    name: &'static str,
    kind: Kind,
    context: Context,
    /// In nanoseconds since 1970.
    from: i128,
    to: i128,
    attributes: Vec<(&'static str, Value)>,
    pub(super) parent: Option<Context>,
    pub(super) error: Option<String>,
}

impl Span {
    pub(super) fn new(
        name: &'static str,
        kind: Kind,
        context: Context,
        from: i128,
        to: i128,
    ) -> Self {
        Self {
            name,
            kind,
            context,
            from,
            to,
            attributes: Vec::new(),
            parent: None,
            error: None,
        }
    }

    pub(super) fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.attributes.push((name, value.into()));
    }

    fn json(&self) -> Value {
        let attributes = self.attributes.iter();
        let attributes: Vec<_> = attributes.map(|(name, it)| attribute(name, it)).collect();
        let mut span = json!({
            "traceId": self.context.trace_id(),
            "spanId": self.context.span_id(),
            "name": self.name,
            "kind": self.kind as u8,
            "startTimeUnixNano": self.from.to_string(),
            "endTimeUnixNano": self.to.to_string(),
            "attributes": attributes,
        });
        if let Some(parent) = self.parent {
            span["parentSpanId"] = parent.span_id().into();
        }
        if let Some(message) = &self.error {
            span["status"] = json!({"code": ERROR, "message": message});
        }
        span
    }
}

/// OTLP writes whole numbers as text.
fn attribute(name: &str, value: &Value) -> Value {
    let value = match value {
        Value::Number(number) => json!({"intValue": number.to_string()}),
        other => json!({"stringValue": other}),
    };
    json!({"key": name, "value": value})
}

/// The body of an export request.
pub(super) fn request(spans: &[Span]) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let service = [("service.name", "campanile"), ("service.version", version)];
    let service = service.map(|(name, value)| attribute(name, &value.into()));
    let spans: Vec<_> = spans.iter().map(Span::json).collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": service},
        "scopeSpans": [{"scope": {"name": "campanile", "version": version}, "spans": spans}],
    }]})
}

/// This much after a time, in nanoseconds since 1970.
pub(super) fn nanos(at: Timestamp, later: Duration) -> i128 {
    let later = i128::try_from(later.as_nanos()).unwrap_or_default();
    at.as_nanosecond().saturating_add(later)
}
