//! The service account of tests at Google Cloud: its JSON key, and Google's check of a token that it signed.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

/// A key that is public, so its signatures prove nothing.
const KEY: &[u8] = include_bytes!("google.pk8");

/// The address of the account.
pub const EMAIL: &str = "campanile@acme.iam.gserviceaccount.com";
/// The name of the key.
pub const KEY_ID: &str = "0123456789abcdef0123456789abcdef01234567";

/// The JSON key as the console gives it, with this text in a part that no sink reads.
pub fn service_account(canary: &str) -> String {
    let encoded = BASE64_STANDARD.encode(KEY);
    let lines = encoded.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines = lines.collect::<Vec<_>>().join("\n");
    let label = "PRIVATE KEY";
    json!({
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": KEY_ID,
        "private_key": format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"),
        "client_email": EMAIL,
        "client_id": canary,
    })
    .to_string()
}

/// The header and the claims of the token in `authorization`. Panics unless the account signed it.
pub fn verified(authorization: &str) -> (Value, Value) {
    let token = authorization.strip_prefix("Bearer ").expect("a token");
    let (message, signature) = token.rsplit_once('.').expect("a signature");
    let bytes = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url");
    let key = RsaKeyPair::from_pkcs8(KEY).expect("a key");
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    let signed = key.verify(message.as_bytes(), &bytes(signature));
    signed.expect("the account signed the token");
    let (header, claims) = message.split_once('.').expect("a header");
    let json = |text: &str| serde_json::from_slice(&bytes(text)).expect("JSON");
    (json(header), json(claims))
}
