//! Keyed hashes and signatures over a message.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::{ED25519, UnparsedPublicKey};
use secrecy::ExposeSecret;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use campanile_model::Secret;

/// How a message is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-1.
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
    /// Ed25519. The "secret" is the vendor's public key.
    Ed25519,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits of either case.
    Hex,
    /// Standard base64, with its padding or without.
    Base64,
}

/// How a configured secret becomes key bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretForm {
    /// Its UTF-8 bytes.
    Text,
    /// Standard Webhooks: `whsec_` (HMAC), `whpk_` (public) or `whsk_` (private, for signing) and base64.
    StandardWebhooks,
}

impl Algorithm {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::HmacSha512 => "HMAC-SHA512",
            Self::Ed25519 => "Ed25519",
        }
    }
}

impl Encoding {
    /// The bytes of `text`.
    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok(),
        }
    }

    /// `bytes` as text.
    pub fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
        }
    }
}

impl SecretForm {
    /// The key in `secret` for `algorithm`; nothing if it is a key for another algorithm. A public key must never be used
    /// as a shared secret: it is public.
    pub(crate) fn key(self, algorithm: Algorithm, secret: &Secret) -> Option<Vec<u8>> {
        let secret = secret.expose_secret();
        let is_ed25519 = algorithm == Algorithm::Ed25519;
        match self {
            Self::Text if is_ed25519 => Encoding::Base64.decode(secret),
            Self::Text => Some(secret.as_bytes().to_vec()),
            Self::StandardWebhooks if is_ed25519 => {
                Encoding::Base64.decode(secret.strip_prefix("whpk_")?)
            }
            Self::StandardWebhooks
                if secret.starts_with("whpk_") || secret.starts_with("whsk_") =>
            {
                None
            }
            Self::StandardWebhooks => match secret.strip_prefix("whsec_") {
                Some(encoded) => Encoding::Base64.decode(encoded),
                // Without its prefix: base64 if it is valid base64, else the text itself.
                None => Encoding::Base64
                    .decode(secret)
                    .or_else(|| Some(secret.as_bytes().to_vec())),
            },
        }
    }
}

/// Whether one of the `given` signatures is that of `message` under `secret`.
pub(crate) fn holds(
    algorithm: Algorithm,
    form: SecretForm,
    secret: &Secret,
    message: &[Cow<'_, [u8]>],
    given: &[Vec<u8>],
) -> bool {
    let Some(key) = form.key(algorithm, secret).filter(|key| !key.is_empty()) else {
        return false;
    };
    let one = |signature: &Vec<u8>| match algorithm {
        Algorithm::HmacSha1 => {
            hmac::<Hmac<Sha1>>(&key, message).is_some_and(|mac| mac.verify_slice(signature).is_ok())
        }
        Algorithm::HmacSha256 => hmac::<Hmac<Sha256>>(&key, message)
            .is_some_and(|mac| mac.verify_slice(signature).is_ok()),
        Algorithm::HmacSha512 => hmac::<Hmac<Sha512>>(&key, message)
            .is_some_and(|mac| mac.verify_slice(signature).is_ok()),
        Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, &key)
            .verify(&message.concat(), signature)
            .is_ok(),
    };
    given
        .iter()
        .fold(false, |held, signature| held | one(signature))
}

/// The keyed hash of `message`.
pub(crate) fn hmac<M: Mac + KeyInit>(key: &[u8], message: &[Cow<'_, [u8]>]) -> Option<M> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    for part in message {
        mac.update(part);
    }
    Some(mac)
}
