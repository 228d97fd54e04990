//! What must hold for a sender to be believed, and whether it does.

use std::borrow::Cow;

use jiff::Timestamp;
use md5::{Digest, Md5};
use secrecy::ExposeSecret;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::provider::Provider;
use crate::source::Source;
use crate::trust::certificate::Certified;
use crate::trust::distinguished;
use crate::trust::jwt::Jwt;
use crate::trust::needed::Needed;
use crate::trust::signature::{self, Algorithm, SecretForm};
use campanile_model::Callback;
use campanile_model::Secret;

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
    /// A keyed hash or a signature over `message`.
    Signature {
        /// How it is signed.
        algorithm: Algorithm,
        /// The decoded signatures that the call carries; any one may hold.
        given: Vec<Vec<u8>>,
        /// What is signed, in pieces.
        message: Vec<Cow<'a, [u8]>>,
        /// How a secret becomes a key.
        secret: SecretForm,
        /// The secrets, or the vendor's public keys.
        wanted: &'a [Secret],
    },
    /// What is signed says when, and that was not long ago.
    Recent {
        /// The time that is signed.
        at: Option<Timestamp>,
        /// When the call came. Without it, nothing is recent.
        now: Option<Timestamp>,
        /// How many seconds it may be old, or ahead.
        tolerance: f64,
    },
    /// A signature whose key stands in a certificate that the server has to fetch.
    Certified(Certified),
    /// A token that an identity provider has signed with a key that the server has to fetch.
    Jwt(Jwt<'a>),
    /// Every one of these holds.
    All(Vec<Proof<'a>>),
    /// One of these holds.
    Any(Vec<Proof<'a>>),
    /// The call carries no proof.
    Absent,
    /// What the call carries is wrong whatever the secrets are, and why.
    Wrong(&'static str),
    /// Nothing can hold before these settings of the source are set.
    Unset(Vec<&'static str>),
    /// Nothing can hold for this source, whatever the call carries, and why.
    Never(&'static str),
}

impl Proof<'_> {
    /// Digests in the call that may be as good as the secret that they are made of: some vendors send the same one
    /// with every message. They are not to be kept.
    pub fn digests(&self) -> Vec<Secret> {
        match self {
            Self::Md5 {
                given: Some(given), ..
            } => vec![Secret::from(given.as_ref())],
            Self::All(proofs) | Self::Any(proofs) => {
                proofs.iter().flat_map(Self::digests).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What the server has to fetch before this proof can hold; none where it cannot hold whatever is fetched.
    pub fn needs(&self) -> Option<Needed> {
        match self {
            Self::Certified(certified) => certified.needs(),
            Self::Jwt(jwt) => jwt.needs(),
            Self::All(proofs) | Self::Any(proofs) => proofs.iter().find_map(Self::needs),
            _ => None,
        }
    }

    /// Why no call could ever be believed by this proof, as the source is configured.
    pub fn never(&self) -> Option<Never> {
        match self {
            Self::Secret { wanted, .. }
            | Self::Md5 { wanted, .. }
            | Self::Signature { wanted, .. }
                if wanted.is_empty() =>
            {
                Some(Never::Unset(vec!["token"]))
            }
            Self::Unset(settings) => Some(Never::Unset(settings.clone())),
            Self::Never(why) => Some(Never::Because(why)),
            Self::All(proofs) => proofs.iter().find_map(Self::never),
            Self::Any(proofs) => {
                let never: Option<Vec<_>> = proofs.iter().map(Self::never).collect();
                never?.into_iter().next()
            }
            _ => None,
        }
    }
}

/// Why a source can never believe anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Never {
    /// These settings are asked for and not set.
    Unset(Vec<&'static str>),
    /// This.
    Because(&'static str),
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
    /// What it proves was said too long ago, or is said to be of the future.
    #[error("the proof is not of now")]
    Stale,
    /// It may be right, but the certificate or the key that tells is not at hand.
    #[error("the vendor's certificate or key is not at hand")]
    Uncertified,
    /// The source has no way to prove anything and is not open.
    #[error("the source has no proof configured")]
    Unprovable,
}

impl Refusal {
    /// The HTTP status for it.
    pub fn status(self) -> u16 {
        match self {
            Self::Missing => 401,
            Self::Wrong | Self::Address | Self::Stale | Self::Uncertified | Self::Unprovable => 403,
        }
    }
}

/// Whether `source` believes the sender of `call`. Everything that is configured must hold: address ranges, the client
/// certificate, the key in the path, the vendor's own proof; a source with none of them believes nobody unless it is open.
pub fn verify(provider: &dyn Provider, call: &Callback, source: &Source) -> Result<(), Refusal> {
    if !source.allow_from.is_empty() {
        let allowed = call
            .peer
            .is_some_and(|ip| source.allow_from.iter().any(|net| net.contains(&ip)));
        if !allowed {
            return Err(Refusal::Address);
        }
    }
    if !source.client_certificates.is_empty() {
        certified_client(call, &source.client_certificates)?;
    }
    if source.open {
        return Ok(());
    }
    if !source.keys.is_empty() {
        secret(call.key.as_deref(), &source.keys)?;
    }
    let keyed = !source.keys.is_empty()
        || !source.allow_from.is_empty()
        || !source.client_certificates.is_empty();
    holds(&provider.proof(call, source), keyed)
}

/// Whether the caller's certificate is one of these. Names are no secrets: comparing them may take its time.
fn certified_client(call: &Callback, wanted: &[String]) -> Result<(), Refusal> {
    let told = call.client_certificate.as_deref();
    let name = distinguished::common_name(told.ok_or(Refusal::Missing)?).ok_or(Refusal::Wrong)?;
    if wanted.contains(&name) {
        Ok(())
    } else {
        Err(Refusal::Wrong)
    }
}

/// Whether `proof` holds. `keyed` says that something else was proven already.
fn holds(proof: &Proof<'_>, keyed: bool) -> Result<(), Refusal> {
    match proof {
        Proof::Nothing if keyed => Ok(()),
        Proof::Nothing | Proof::Unset(_) | Proof::Never(_) => Err(Refusal::Unprovable),
        Proof::Absent => Err(Refusal::Missing),
        Proof::Wrong(_) => Err(Refusal::Wrong),
        Proof::Secret { given, wanted } => secret(given.as_deref(), wanted),
        Proof::Md5 {
            given,
            message,
            wanted,
        } => md5(given.as_deref(), message, wanted),
        Proof::Signature { given, .. } if given.is_empty() => Err(Refusal::Missing),
        Proof::Signature {
            algorithm,
            given,
            message,
            secret,
            wanted,
        } => any(wanted, |wanted| {
            signature::holds(*algorithm, *secret, wanted, message, given)
        }),
        Proof::Certified(certified) => certified.holds(),
        Proof::Jwt(jwt) => jwt.holds(),
        Proof::Recent { at, now, tolerance } => recent(*at, *now, *tolerance),
        Proof::All(inner) => all_of(inner, keyed),
        Proof::Any(inner) => one_of(inner, keyed),
    }
}

/// What has to be fetched is fetched only where all else is right: strangers are not to make the server fetch anything.
fn all_of(proofs: &[Proof<'_>], keyed: bool) -> Result<(), Refusal> {
    let mut waits = Ok(());
    for proof in proofs {
        match holds(proof, keyed) {
            Err(Refusal::Uncertified) => waits = Err(Refusal::Uncertified),
            held => held?,
        }
    }
    waits
}

/// Every proof is looked at, so that the time does not tell which one held. One that may yet hold is worth more than a
/// wrong one when it comes to saying why none holds, and a wrong one more than a missing one.
fn one_of(proofs: &[Proof<'_>], keyed: bool) -> Result<(), Refusal> {
    let seen: Vec<_> = proofs.iter().map(|proof| holds(proof, keyed)).collect();
    if seen.contains(&Ok(())) {
        return Ok(());
    }
    let worst = seen.into_iter().filter_map(Result::err);
    Err(worst
        .max_by_key(|refusal| match refusal {
            Refusal::Missing => 0,
            Refusal::Uncertified => 2,
            _ => 1,
        })
        .unwrap_or(Refusal::Unprovable))
}

fn recent(at: Option<Timestamp>, now: Option<Timestamp>, tolerance: f64) -> Result<(), Refusal> {
    let at = at.ok_or(Refusal::Missing)?;
    let now = now.ok_or(Refusal::Stale)?;
    let apart = now.duration_since(at).as_secs_f64().abs();
    if apart <= tolerance {
        Ok(())
    } else {
        Err(Refusal::Stale)
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

/// Asks every secret, so that the time does not tell which of two matched. An empty one is everybody's, and no secret.
fn any(wanted: &[Secret], holds: impl Fn(&Secret) -> bool) -> Result<(), Refusal> {
    let secrets = wanted
        .iter()
        .filter(|secret| !secret.expose_secret().is_empty());
    let held = secrets.fold(false, |held, secret| held | holds(secret));
    if held { Ok(()) } else { Err(Refusal::Wrong) }
}
