//! What must hold for a sender to be believed, and whether it does.

use std::borrow::Cow;

use md5::{Digest, Md5};
use secrecy::ExposeSecret;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::model::callback::Callback;
use crate::model::provider::Provider;
use crate::model::source::{Secret, Source};

/// What must hold for the sender to be believed.
#[derive(Clone, Debug)]
pub enum Proof<'a> {
    /// The vendor proves nothing: the source needs a key, address ranges, or `open = true`.
    Nothing,
    /// The call names one of the secrets.
    Secret {
        /// What the call says, where it says it.
        given: Option<Cow<'a, str>>,
        /// What it may say.
        wanted: &'a [Secret],
    },
    /// The hexadecimal MD5 of `message` followed by one of the secrets.
    Md5 {
        /// The hexadecimal digits that the call carries.
        given: Option<Cow<'a, str>>,
        /// What stands before the secret.
        message: String,
        /// The secrets.
        wanted: &'a [Secret],
    },
}

/// Why a sender is not believed. The vendor is never told; logs and counters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The call carries no proof at all.
    #[error("no proof given")]
    Missing,
    /// It carries a wrong one.
    #[error("wrong proof")]
    Wrong,
    /// It comes from an address outside `allow_from`.
    #[error("address not allowed")]
    Address,
    /// The source has no way to prove anything and is not open.
    #[error("the source has no proof configured")]
    Unprovable,
}

impl Refusal {
    /// The HTTP status for it.
    pub fn status(self) -> u16 {
        match self {
            Self::Missing => 401,
            Self::Wrong | Self::Address | Self::Unprovable => 403,
        }
    }
}

/// Whether `source` believes the sender of `call`. Everything that is configured must hold: address ranges, the key in
/// the path, the vendor's own proof; a source with none of them believes nobody unless it is open.
pub fn verify(provider: &dyn Provider, call: &Callback, source: &Source) -> Result<(), Refusal> {
    if !source.allow_from.is_empty() {
        let allowed = call
            .peer
            .is_some_and(|ip| source.allow_from.iter().any(|net| net.contains(&ip)));
        if !allowed {
            return Err(Refusal::Address);
        }
    }
    if source.open {
        return Ok(());
    }
    if !source.keys.is_empty() {
        secret(call.key.as_deref(), &source.keys)?;
    }
    match provider.proof(call, source) {
        Proof::Nothing if source.keys.is_empty() && source.allow_from.is_empty() => {
            Err(Refusal::Unprovable)
        }
        Proof::Nothing => Ok(()),
        Proof::Secret { given, wanted } => secret(given.as_deref(), wanted),
        Proof::Md5 {
            given,
            message,
            wanted,
        } => md5(given.as_deref(), &message, wanted),
    }
}

fn secret(given: Option<&str>, wanted: &[Secret]) -> Result<(), Refusal> {
    let given = given.ok_or(Refusal::Missing)?;
    // Hashes have one length, so that comparing them tells nothing of the length of the secret.
    let hash = |text: &str| Sha256::digest(text.as_bytes());
    any(wanted, |secret| {
        hash(given).ct_eq(&hash(secret.expose_secret())).into()
    })
}

fn md5(given: Option<&str>, message: &str, wanted: &[Secret]) -> Result<(), Refusal> {
    let given = hex::decode(given.ok_or(Refusal::Missing)?).map_err(|_| Refusal::Wrong)?;
    any(wanted, |secret| {
        let digest = Md5::new()
            .chain_update(message)
            .chain_update(secret.expose_secret())
            .finalize();
        digest.as_slice().ct_eq(&given).into()
    })
}

/// Asks every secret, so that the time does not tell which of two matched.
fn any(wanted: &[Secret], holds: impl Fn(&Secret) -> bool) -> Result<(), Refusal> {
    let held = wanted
        .iter()
        .fold(false, |held, secret| held | holds(secret));
    if held { Ok(()) } else { Err(Refusal::Wrong) }
}
