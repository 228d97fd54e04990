//! A body that no vendor sends is never taken for an alert, and never for a message that may be left out.

use campanile_model::Callback;
use campanile_providers::{Provider, Source, all};

/// Bodies that are sound and mean nothing to any vendor.
const BODIES: &[&str] = &[
    r#"{"hello":1}"#,
    "{}",
    r#"[{"hello":1}]"#,
    r#"{"text":"the backup has failed"}"#,
    r#"{"message":"the backup has failed"}"#,
    r#"{"action":"hello","data":{"hello":1}}"#,
    r#"{"event":{"id":"1","type":"hello","event_type":"hello","issued_at":"x"},"data":{"id":"1","type":"hello"}}"#,
    r#"{"data":{"id":"1","type":"hello","attributes":{"hello":1}}}"#,
    r#"{"status":"hello","type":"hello","id":"1"}"#,
    "hello",
];

fn request(method: &str, body: &str) -> Callback {
    let kind = if body.starts_with(['{', '[']) {
        "application/json"
    } else {
        "text/plain"
    };
    let raw = format!("{method} /callback/x/y HTTP/1.1\nContent-Type: {kind}\n\n{body}");
    let mut call = Callback::from_http(raw.as_bytes()).expect("a request");
    call.received_at = Some(super::received_at());
    call
}

/// What is wrong with the provider's word on this body.
fn wrong(provider: &dyn Provider, method: &str, body: &str) -> Option<String> {
    let reading = provider
        .read(&request(method, body), &Source::default())
        .ok()?;
    let alerts = reading.reports.iter().map(|report| report.title.clone());
    let (alerts, ignored) = (alerts.collect::<Vec<_>>(), reading.ignored);
    let taken = !alerts.is_empty() || ignored.is_some() || reading.effect.is_some();
    taken.then(|| {
        format!(
            "{}: {method} {body}: {alerts:?} {ignored:?}",
            provider.about().name
        )
    })
}

#[test]
fn a_body_of_unknown_form_is_never_accepted() {
    let taken: Vec<String> = all()
        .iter()
        .flat_map(|provider| {
            let methods = provider.about().methods.iter();
            methods.flat_map(move |method| {
                BODIES
                    .iter()
                    .filter_map(move |body| wrong(provider.as_ref(), method, body))
            })
        })
        .collect();
    assert!(taken.is_empty(), "{}", taken.join("\n"));
}
