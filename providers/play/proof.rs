//! Puts the proof that a mapping declares into a request.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use ring::signature::Ed25519KeyPair;
use secrecy::ExposeSecret;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::{fresh, token};
use crate::mapping::prove::{Declared, Place, ProofForm, Signature, basic_pair};
use crate::mapping::view::{Taking, View};
use crate::provider::Stamp;
use crate::trust::signature::{Algorithm, Encoding, SecretForm, hmac};
use campanile_language::names::Names;
use campanile_model::{Callback, Secret};

impl ProofForm {
    /// Puts the vendor's proof into `call`, made with the token of the stamp if it needs one.
    pub(super) fn sign(&self, call: &mut Callback, stamp: &Stamp<'_>, taking: &Taking) {
        if self.declared.asks_for_jwt(None) {
            token::renew(call, stamp.at);
        }
        if let Some(token) = stamp.token {
            self.declared.sign(call, token, taking, self.names);
        }
    }
}

impl Declared {
    fn sign(&self, call: &mut Callback, token: &Secret, taking: &Taking, names: Names) {
        match self {
            Self::Key | Self::Md5 { .. } | Self::Jwt(_) => {}
            Self::Secret { place, prefix } => {
                place.put(call, &format!("{prefix}{}", token.expose_secret()));
            }
            Self::Basic => {
                let user = basic_pair(call).map(|(user, _)| user).unwrap_or_default();
                let pair = BASE64.encode(format!("{user}:{}", token.expose_secret()));
                put_header(call, "authorization", &format!("Basic {pair}"));
            }
            Self::Signature(signature) => signature.sign(call, token, taking, names),
            Self::Any(inner) => {
                if let Some(first) = inner.iter().find(|one| one.asks_for_token()) {
                    first.sign(call, token, taking, names);
                }
            }
            Self::All(inner) => {
                for one in inner {
                    one.sign(call, token, taking, names);
                }
            }
        }
    }
}

impl Place {
    fn put(&self, call: &mut Callback, value: &str) {
        match self {
            Self::Header(name) => put_header(call, name, value),
            Self::Query(name) => fresh::put_query(call, name, value),
            Self::Field(expression) => fresh::put(call, &expression.source, value),
        }
    }
}

fn put_header(call: &mut Callback, name: &str, value: &str) {
    call.headers.retain(|(known, _)| known != name);
    call.headers.push((name.to_owned(), value.to_owned()));
}

impl Signature {
    fn sign(&self, call: &mut Callback, token: &Secret, taking: &Taking, names: Names) {
        let view = Arc::new(View::for_proof(call, taking, names));
        let signed = self
            .message(call, None, &view)
            .and_then(|message| signed_with(self.algorithm, self.secret, token, &message));
        let Some(signed) = signed else { return };
        let prefix = self.prefixes.first().map_or("", String::as_str);
        let signature = format!("{prefix}{}", self.encoding.encode(&signed));
        let given = self.place.given(&view).unwrap_or_default();
        let mut pieces = self.others(&given);
        pieces.push(&signature);
        self.place.put(call, &pieces.join(","));
    }

    /// The parts of the header that are not signatures, such as `t=<time>`, which can be a part of the signed message.
    fn others<'g>(&self, given: &'g str) -> Vec<&'g str> {
        let is_signature = |piece: &str| self.prefixes.iter().any(|p| piece.starts_with(p));
        // `v1,<base64>`: the separator is a part of the prefix here.
        if self.prefixes.is_empty() || self.prefixes.iter().any(|p| p.ends_with(',')) {
            return Vec::new();
        }
        let pieces = given.split(',').map(str::trim);
        pieces
            .filter(|piece| piece.contains('=') && !is_signature(piece))
            .collect()
    }
}

/// The signature of `message` under `secret`.
fn signed_with(
    algorithm: Algorithm,
    form: SecretForm,
    secret: &Secret,
    message: &[Cow<'_, [u8]>],
) -> Option<Vec<u8>> {
    if algorithm == Algorithm::Ed25519 {
        let private = secret.expose_secret();
        let private = Encoding::Base64.decode(private.strip_prefix("whsk_").unwrap_or(private))?;
        let seed = private.get(..32)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        return Some(pair.sign(&message.concat()).as_ref().to_vec());
    }
    let key = form.key(algorithm, secret)?;
    match algorithm {
        Algorithm::HmacSha1 => {
            hmac::<Hmac<Sha1>>(&key, message).map(|mac| mac.finalize().into_bytes().to_vec())
        }
        Algorithm::HmacSha512 => {
            hmac::<Hmac<Sha512>>(&key, message).map(|mac| mac.finalize().into_bytes().to_vec())
        }
        _ => hmac::<Hmac<Sha256>>(&key, message).map(|mac| mac.finalize().into_bytes().to_vec()),
    }
}
