//! Sets of public keys that identity providers publish: JSON Web Key Sets (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

/// How many keys with the same id are tried. A correct set has one; two occur by mistake.
const SAME_ID_MAX: usize = 2;

/// The length of a coordinate on P-256, in bytes.
const COORDINATE_BYTES: usize = 32;

/// The algorithms of tokens. Every other one is refused, also `none` and shared secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// RSA with PKCS #1 v1.5 and SHA-256, at least 2048 bits.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl TokenAlgorithm {
    /// Its name in tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

/// A set of keys.
pub(crate) struct KeySet(Vec<Key>);

/// The fields of a public key. The fields of a private key are not read.
#[derive(Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a set. A key in an unknown form is skipped: it is for other programs.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let set: Value = serde_json::from_slice(body).ok()?;
        let keys = set.get("keys")?.as_array()?.iter();
        let keys = keys.filter_map(|key| Key::deserialize(key).ok());
        Some(Self(keys.collect()))
    }

    /// Whether the set has a key with this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.of(id).next().is_some()
    }

    /// Whether the key with this id has signed `message`.
    pub(crate) fn signed(
        &self,
        id: &str,
        algorithm: TokenAlgorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let mut fit = self.of(id).filter(|key| key.is_for(algorithm));
        fit.by_ref().take(SAME_ID_MAX).any(|key| {
            let held = match algorithm {
                TokenAlgorithm::Rs256 => key.rsa(message, signature),
                TokenAlgorithm::Es256 => key.p256(message, signature),
            };
            held.is_some()
        })
    }

    fn of<'k>(&'k self, id: &'k str) -> impl Iterator<Item = &'k Key> {
        let keys = self.0.iter();
        keys.filter(move |key| key.kid.as_deref() == Some(id))
    }
}

impl Key {
    /// Whether the set allows it for signatures with `algorithm`.
    fn is_for(&self, algorithm: TokenAlgorithm) -> bool {
        let said = |field: Option<&str>, word| field.is_none_or(|is| is == word);
        let is_kind = match algorithm {
            TokenAlgorithm::Rs256 => self.kty == "RSA",
            TokenAlgorithm::Es256 => self.kty == "EC" && self.crv.as_deref() == Some("P-256"),
        };
        is_kind
            && said(self.purpose.as_deref(), "sig")
            && said(self.alg.as_deref(), algorithm.name())
    }

    fn rsa(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let key = RsaPublicKeyComponents {
            n: bytes(self.n.as_deref()?)?,
            e: bytes(self.e.as_deref()?)?,
        };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .ok()
    }

    fn p256(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let (x, y) = (bytes(self.x.as_deref()?)?, bytes(self.y.as_deref()?)?);
        if x.len() != COORDINATE_BYTES || y.len() != COORDINATE_BYTES {
            return None;
        }
        // An uncompressed point begins with 4.
        let point = [&[4], &*x, &*y].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(message, signature)
            .ok()
    }
}

fn bytes(field: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(field).ok()
}
