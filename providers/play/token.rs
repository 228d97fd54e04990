//! Issues a JSON Web Token like a vendor's identity provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::key;
use crate::trust::jwt::{self, Given};
use campanile_model::Callback;

/// The validity of a token, in seconds.
const VALID_SECONDS: i64 = 3600;

/// Replaces the token of `call` by one that is valid at `at`, signed with the key of the fixtures. A gateway with the
/// vendor's real keys refuses it.
pub(super) fn renew(call: &mut Callback, at: Timestamp) {
    let Given::One(old) = Given::of(call) else {
        return;
    };
    let Some(mut claims) = jwt::claims(&old) else {
        return;
    };
    let from = at.as_second();
    for (claim, time) in [("iat", from), ("nbf", from), ("exp", from + VALID_SECONDS)] {
        claims.insert(claim.to_owned(), Value::from(time));
    }
    if let Some(token) = sealed(&claims) {
        for (name, value) in &mut call.headers {
            if name == "authorization" {
                *value = format!("Bearer {token}");
            }
        }
    }
}

/// A token with these claims, signed like the fixtures.
fn sealed(claims: &Map<String, Value>) -> Option<String> {
    let header = serde_json::json!({ "typ": "JWT", "alg": "RS256", "kid": key::ID });
    let parts = [
        header.to_string(),
        Value::Object(claims.clone()).to_string(),
    ];
    let signed = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = URL_SAFE_NO_PAD.encode(key::sign(&signed)?);
    Some(format!("{signed}.{signature}"))
}
