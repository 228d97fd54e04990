//! What the tests of servers share: the certificates of this folder, the installed Python, requests to a server, and what
//! holds while it is down.

use std::sync::Arc;
use std::time::Duration;

use campanile_model::Clock;
use campanile_sinks::http::client::{Client, Request, Settings};
use campanile_sinks::http::guard::Egress;
use campanile_sinks::{Class, Message, Sink};
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;

use super::message;

/// A file of this folder: `authority.pem` has signed `server.pem`, the certificate and the key of `localhost`.
pub(crate) fn file(name: &str) -> String {
    format!("{}/tests/it/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A program among the Python packages that `scripts/test` installs, such as `python`.
pub(crate) fn program(name: &str) -> String {
    format!("{}/../target/peers/bin/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The status of the answer to a request, and its JSON: null for another body.
pub(crate) async fn ask(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: String,
) -> (u16, Value) {
    let settings = Settings {
        egress: Egress::Any,
        timeout: Duration::from_secs(30),
        ca_file: None,
        skip_tls_verification: false,
        proxy: None,
    };
    let headers = headers.iter().map(|(name, value)| {
        let name: HeaderName = name.parse().unwrap();
        (name, value.parse().unwrap())
    });
    let request = Request {
        method: method.parse().unwrap(),
        url: url.parse().unwrap(),
        headers: headers.collect::<HeaderMap>(),
        body: body.into(),
        at: Clock::machine().now(),
    };
    let client = Client::new(settings).unwrap();
    let response = client.exchange(request).await.unwrap();
    let body = serde_json::from_slice(&response.body).unwrap_or_default();
    (response.status, body)
}

/// A message with this delivery id.
pub(crate) fn named(delivery_id: &str) -> Message {
    Message {
        delivery_id: delivery_id.to_owned(),
        ..message()
    }
}

/// Sends to a server that was ended: an attempt fails and may be repeated, and one that is dropped leaves nothing behind.
pub(crate) async fn send_to_nobody(sink: &Arc<dyn Sink>, message: &Message) {
    for _ in 0..2 {
        let failure = sink.send(message).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
    }
    let _begun = futures_util::poll!(std::pin::pin!(sink.send(message)));
}
