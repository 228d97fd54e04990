//! The signature of Standard Webhooks 1.0, symmetric (`v1`).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use campanile_model::Secret;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use sha2::Sha256;

use crate::BuildError;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Shorter keys can be guessed.
const KEY_BYTES_MIN: usize = 16;

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
    let wrong = |problem: &str| BuildError::new("signing_secret", problem);
    let encoded = secret.expose_secret().strip_prefix(PREFIX);
    let form = "this is not a valid signing secret: write `whsec_` followed by base64, such as the output of `openssl rand -base64 32`";
    let key = encoded.and_then(|text| BASE64_STANDARD.decode(text).ok());
    let key = key.ok_or_else(|| wrong(form))?;
    if key.len() < KEY_BYTES_MIN {
        return Err(wrong(
            "this signing secret is too short: it needs at least 16 bytes before base64; `openssl rand -base64 32` prints a good one",
        ));
    }
    Hmac::new_from_slice(&key).map_err(|_| wrong(form))
}
