//! The key of a Standard Webhooks signature: `whsec_` and the base64 of 24 to 64 bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use campanile_model::Secret;
use secrecy::ExposeSecret;

/// What a signing secret is, for messages.
pub const SIGNING_KEY_FORM: &str =
    "`whsec_` and the base64 of 24 to 64 random bytes; `openssl rand -base64 32` makes some";

/// Why a text is not a signing secret: follows the name of the setting in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASigningKey {
    /// Without `whsec_`, or not base64.
    #[error("is not a signing secret")]
    Form,
    /// Of another length.
    #[error("has {0} bytes")]
    Length(usize),
}

/// The bytes of the key. Standard Webhooks allows 24 to 64; a shorter key can be guessed.
pub fn signing_key(secret: &Secret) -> Result<Vec<u8>, NotASigningKey> {
    let encoded = secret.expose_secret().strip_prefix("whsec_");
    let key = encoded.and_then(|key| STANDARD.decode(key).ok());
    let key = key.ok_or(NotASigningKey::Form)?;
    match key.len() {
        24..=64 => Ok(key),
        length => Err(NotASigningKey::Length(length)),
    }
}
