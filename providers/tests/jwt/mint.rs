//! Tokens made for tests, with an RSA key and a key on P-256.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use campanile_providers::fixture::KEYS;
use hmac::{Hmac, KeyInit, Mac};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Map, Value, json};
use sha2::Sha256;

/// The time of arrival of calls.
pub(crate) const NOW: i64 = 1_767_225_600;

/// Of another RSA key.
pub(crate) const ANOTHER_MODULUS: &str = "w6Lmj-H7U9so3vr8EREx717gU40qhVCI7bqsaj_i5RKnVLwagK4xql_ILI-YW-gqKReqDltKKQ5NyYrY43CnlRaeZdxh92lC1EtLUKa4UOxRCbGY19zg-hibi6TKSx44PA1yrFw5m6mB8xPKaD9wXsdvnteSt1v85ACpJk8iz0GVC9-R_zjL1PoZBCbKTIdD9S__JkVY-qQFWWIwGX2agBf7Q0R7PnOPHsLVeuZ2XTfgFQsz0zcKkFMUWd9JRDlkM3D3Sab4somXfGgwjM8BBQypGFmmBNZelg6wy8pXVRVM23ixJDCnafL2ej6faK4XLLO2H1OeZUleR2N8TT88JQ";

static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| {
    RsaKeyPair::from_pkcs8(include_bytes!("../../play/keys/signer.pk8")).expect("a key")
});

static P256: LazyLock<EcdsaKeyPair> = LazyLock::new(|| {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
    EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).expect("a key")
});

/// The set with both keys: `rsa-1`, `ec-1`.
pub(crate) fn keys() -> Value {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    // 4, x, y
    let (x, y) = P256.public_key().as_ref()[1..].split_at(32);
    json!({"keys": [
        {"kty": "RSA", "use": "sig", "kid": "rsa-1", "n": modulus(), "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "kid": "ec-1", "x": part(x), "y": part(y)},
    ]})
}

/// The RSA key, as in a set of keys.
fn modulus() -> String {
    let set: Value = serde_json::from_slice(KEYS).expect("JSON");
    set["keys"][0]["n"].as_str().expect("a text").to_owned()
}

/// Texts that a library could use as the key of an HMAC.
pub(crate) fn public_key_as_text() -> Vec<Vec<u8>> {
    let number = URL_SAFE_NO_PAD.decode(modulus()).expect("base64url");
    let key = keys()["keys"][0].to_string().into_bytes();
    let whole = RSA.public_key().as_ref().to_vec();
    let pem = include_bytes!("../../play/keys/signer.pem").to_vec();
    vec![modulus().into_bytes(), number, key, whole, pem]
}

/// A token that is being made.
#[derive(Clone)]
pub(crate) struct Mint {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
}

impl Mint {
    /// A valid token.
    pub(crate) fn new() -> Self {
        let object = |value: Value| value.as_object().cloned().unwrap_or_default();
        Self {
            header: object(json!({"typ": "JWT", "alg": "RS256", "kid": "rsa-1"})),
            claims: object(json!({
                "iss": "https://id.example.com/t-1",
                "aud": "api://gateway",
                "iat": NOW - 60,
                "nbf": NOW - 60,
                "exp": NOW + 3600,
                "roles": ["other", "alerts"],
            })),
        }
    }

    pub(crate) fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: Value) -> Self {
        self.header.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Signed with the RSA key, for any header.
    pub(crate) fn rs256(&self) -> String {
        self.with(rsa)
    }

    /// Signed with the key on P-256; the header says so, unless the test set another value.
    pub(crate) fn es256(&self) -> String {
        let mut token = self.clone();
        if token.header["alg"] == "RS256" {
            token = token
                .header("alg", json!("ES256"))
                .header("kid", json!("ec-1"));
        }
        token.with(|message| {
            let signature = P256.sign(&SystemRandom::new(), message.as_bytes());
            signature.expect("a signature").as_ref().to_vec()
        })
    }

    /// With an HMAC under this secret.
    pub(crate) fn hs256(&self, secret: &[u8]) -> String {
        self.with(|message| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length");
            mac.update(message.as_bytes());
            mac.finalize().into_bytes().to_vec()
        })
    }

    /// With an empty signature.
    pub(crate) fn unsigned(&self) -> String {
        self.with(|_| Vec::new())
    }

    fn with(&self, sign: impl Fn(&str) -> Vec<u8>) -> String {
        joined(
            &json!(self.header).to_string(),
            &json!(self.claims).to_string(),
            sign,
        )
    }
}

/// Any header and any claims, signed with the RSA key.
pub(crate) fn sealed(header: &str, claims: &str) -> String {
    joined(header, claims, rsa)
}

fn rsa(message: &str) -> Vec<u8> {
    let mut signature = vec![0; RSA.public().modulus_len()];
    let signed = RSA.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message.as_bytes(),
        &mut signature,
    );
    signed.expect("a signature");
    signature
}

fn joined(header: &str, claims: &str, sign: impl Fn(&str) -> Vec<u8>) -> String {
    let message = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let signature = URL_SAFE_NO_PAD.encode(sign(&message));
    format!("{message}.{signature}")
}
