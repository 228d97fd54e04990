//! The signature of Standard Webhooks 1.0, symmetric (`v1`).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use campanile_model::Secret;
use campanile_settings::{SIGNING_KEY_FORM, signing_key};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::BuildError;

/// The keys of one sink: more than one while a secret is being rotated.
pub(crate) struct Signer(Vec<Hmac<Sha256>>);

impl Signer {
    /// Reads secrets of the form `whsec_<base64>`.
    pub(crate) fn new(secrets: &[Secret]) -> Result<Self, BuildError> {
        secrets.iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are no keys.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `webhook-signature` over exactly these bytes: one signature a key, separated by blanks.
    pub(crate) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let head = format!("{id}.{}.", at.as_second());
        let signatures = self.0.iter().map(|key| {
            let mac = key.clone().chain_update(head.as_bytes()).chain_update(body);
            let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
            format!("v1,{signature}")
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn key(secret: &Secret) -> Result<Hmac<Sha256>, BuildError> {
    let wrong = |problem: String| BuildError::new("signing_secret", problem);
    let key = signing_key(secret)
        .map_err(|problem| wrong(format!("{problem}; expected {SIGNING_KEY_FORM}")))?;
    Hmac::new_from_slice(&key).map_err(|_| wrong(SIGNING_KEY_FORM.to_owned()))
}
