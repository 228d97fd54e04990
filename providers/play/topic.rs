//! Signs the envelope of a message from a topic.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::key;
use crate::parse::topic::{Envelope, Object};
use campanile_model::Callback;

/// Returns `call` with this envelope, signed with the key of the fixtures. A gateway with the cloud's real certificate
/// refuses it.
pub(super) fn sealed(form: &Envelope, call: &Callback, mut envelope: Object) -> Callback {
    let signature = key::sign(&form.message(&envelope)).unwrap_or_default();
    let signature = STANDARD.encode(signature);
    envelope.insert(form.signature.to_owned(), Value::String(signature));
    call.with_body(Value::Object(envelope).to_string())
}
