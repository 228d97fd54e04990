//! The proofs that a sender must give, and their verification.

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

/// What must be true before the sender is verified.
#[derive(Clone, Debug)]
pub enum Proof<'a> {
    /// The vendor sends no proof: the source needs a key, address ranges, or `open = true`.
    Nothing,
    /// The call contains one of the secrets.
    Secret {
        /// The text in the call, if there is one.
        given: Option<Cow<'a, str>>,
        /// The secrets; one must be equal to it.
        wanted: &'a [Secret],
    },
    /// The hexadecimal MD5 of `message` followed by one of the secrets.
    Md5 {
        /// The hexadecimal digits in the call.
        given: Option<Cow<'a, str>>,
        /// The text before the secret.
        message: String,
        /// The secrets.
        wanted: &'a [Secret],
    },
    /// A keyed hash or a signature over `message`.
    Signature {
        /// The algorithm of the signature.
        algorithm: Algorithm,
        /// The decoded signatures in the call; one valid signature is enough.
        given: Vec<Vec<u8>>,
        /// The signed message, in pieces.
        message: Vec<Cow<'a, [u8]>>,
        /// How a secret becomes a key.
        secret: SecretForm,
        /// The secrets, or the vendor's public keys.
        wanted: &'a [Secret],
    },
    /// The signed time is near the time of arrival.
    Recent {
        /// The signed time.
        at: Option<Timestamp>,
        /// The time of arrival. Without it, no time is recent.
        now: Option<Timestamp>,
        /// How many seconds both times may differ.
        tolerance: f64,
    },
    /// A signature whose key is in a certificate that the server must fetch.
    Certified(Certified),
    /// A token that an identity provider has signed with a key that the server must fetch.
    Jwt(Jwt<'a>),
    /// All of these must hold.
    All(Vec<Proof<'a>>),
    /// One of these must hold.
    Any(Vec<Proof<'a>>),
    /// The call contains no proof.
    Absent,
    /// The proof in the call is wrong for every secret, with the reason.
    Wrong(&'static str),
    /// No call can be verified before these settings of the source are set.
    Unset(Vec<&'static str>),
    /// No call can be verified for this source, with the reason.
    Never(&'static str),
}

impl Proof<'_> {
    /// Digests in the call that can be used like the secret itself: some vendors send the same digest with every message.
    /// They must not be stored.
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

    /// Secrets and digests that the call gives. A refused call can carry the right one for a source that is configured wrongly.
    pub fn given(&self) -> Vec<Secret> {
        match self {
            Self::Secret {
                given: Some(given), ..
            }
            | Self::Md5 {
                given: Some(given), ..
            } => vec![Secret::from(given.as_ref())],
            Self::All(proofs) | Self::Any(proofs) => proofs.iter().flat_map(Self::given).collect(),
            _ => Vec::new(),
        }
    }

    /// What the server must fetch before this proof can hold. None if it cannot hold with any document.
    pub fn needs(&self) -> Option<Needed> {
        match self {
            Self::Certified(certified) => certified.needs(),
            Self::Jwt(jwt) => jwt.needs(),
            Self::All(proofs) | Self::Any(proofs) => proofs.iter().find_map(Self::needs),
            _ => None,
        }
    }

    /// Why this proof can never hold with the configuration of the source.
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

/// Why a source can never verify a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Never {
    /// These settings are required and not set.
    Unset(Vec<&'static str>),
    /// Another reason.
    Because(&'static str),
}

/// Why a sender is not verified. Logs and counters show it. The vendor does not learn it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The call carries no proof at all.
    #[error("no proof given")]
    Missing,
    /// The proof is wrong.
    #[error("wrong proof")]
    Wrong,
    /// The address of the sender is outside `allow_from`.
    #[error("address not allowed")]
    Address,
    /// The signed time is too long ago, or in the future.
    #[error("the signature or token has expired, or its time is in the future")]
    Stale,
    /// The proof cannot be checked, because the certificate or the key is not fetched.
    #[error("the vendor's certificate or key is not fetched yet")]
    Uncertified,
    /// The source has no proof configured and is not open.
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

/// Verifies the sender of `call` for `source`. Everything that is configured must hold: address ranges, the client
/// certificate, the key in the path, the vendor's own proof. A source with none of them refuses every call unless it is
/// open.
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

/// Whether the caller's certificate has one of these names. Names are not secret, so this need not take constant time.
fn certified_client(call: &Callback, wanted: &[String]) -> Result<(), Refusal> {
    let subject = call.client_certificate.as_deref();
    let subject = subject.ok_or(Refusal::Missing)?;
    let name = distinguished::common_name(subject).ok_or(Refusal::Wrong)?;
    if wanted.contains(&name) {
        Ok(())
    } else {
        Err(Refusal::Wrong)
    }
}

/// Whether `proof` holds. `keyed`: another configured check has already passed.
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

/// A document is fetched only if everything else holds: an unauthenticated sender must not cause a fetch.
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

/// Checks every proof, so the time does not reveal which one holds. If none holds, the reason is that of a proof that could
/// still hold, else of a wrong one, else of a missing one.
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
    // All hashes have the same length, so the time of the comparison does not reveal the length of the secret.
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

/// Checks every secret, so the time does not reveal which one matched. An empty secret never matches.
fn any(wanted: &[Secret], holds: impl Fn(&Secret) -> bool) -> Result<(), Refusal> {
    let secrets = wanted
        .iter()
        .filter(|secret| !secret.expose_secret().is_empty());
    let held = secrets.fold(false, |held, secret| held | holds(secret));
    if held { Ok(()) } else { Err(Refusal::Wrong) }
}
