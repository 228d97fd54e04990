//! Any text as a token, with any bytes as the set of keys. A token is accepted only with a signature of a key in the
//! set. A token that can never be accepted does not cause a fetch of keys.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use campanile_model::{Callback, Secret};
use campanile_providers::fixture::{KEYS, RECEIVED_AT};
use campanile_providers::trust::keys::TokenAlgorithm;
use campanile_providers::{Document, Given, Jwt, Proof, Provider, Source, verify};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use crate::signature::Asking;
use crate::{Seeds, request};

const ISSUER: &str = "https://id.example.com/t-1";
const KEYS_URL: &str = "https://id.example.com/t-1/keys";

static AUDIENCES: LazyLock<[String; 1]> = LazyLock::new(|| ["api://gateway".to_owned()]);

/// A token on P-256, and the set with its key. The private key was deleted: no other token is signed with it.
const ES256: &[u8] = include_bytes!("es256.token");

/// The longest token that is read, and the longest key id in a token.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
const KEY_ID_BYTES_MAX: usize = 256;

/// The input: a token, and a set of keys; without one, the set of the fixtures.
pub fn holds(bytes: &[u8]) {
    let (token, keys) = request::halves(bytes);
    let token = String::from_utf8_lossy(token);
    for keys in [keys, KEYS] {
        if believed(&token, Some(keys)) {
            assert!(
                token.len() <= TOKEN_BYTES_MAX,
                "a token that is too long is accepted"
            );
            assert!(
                is_signed(&token, keys),
                "a token without a valid signature is accepted: {token}"
            );
            assert!(
                says_what_it_must(&token),
                "a token with wrong claims is accepted: {token}"
            );
        }
    }
    assert!(!believed(&token, None), "a token is accepted without a key");
    let waiting = Asking(Proof::Jwt(jwt(&token, None)));
    let call = Callback::default();
    let asked = waiting.proof(&call, &Source::default()).needs();
    if let Some(needed) = asked {
        assert_eq!(
            needed.url, KEYS_URL,
            "a token determines the address of its keys"
        );
        assert!(
            says_what_it_must(&token),
            "keys are fetched for a token that can never be accepted"
        );
        let Document::Key(id) = needed.document else {
            panic!("a token must not need a certificate");
        };
        assert!(id.len() <= KEY_ID_BYTES_MAX, "{} bytes of an id", id.len());
    }
}

/// Valid tokens, nearly valid tokens, and sets of keys in many forms.
pub fn seeds() -> Seeds {
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": "campanile-fixture"});
    let claims = json!({"iss": ISSUER, "aud": AUDIENCES[0], "exp": 4_102_444_800_i64});
    let with = |of: &Value, name: &str, value: Value| {
        let mut changed = of.clone();
        changed[name] = value;
        changed
    };
    let headers = [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("ES256")),
        ("kid", json!("k".repeat(300))),
        ("kid", Value::Null),
        ("crit", json!(["exp"])),
        ("typ", json!("at+jwt")),
        ("jku", json!("https://evil.example.com/keys")),
        ("jwk", json!({"kty": "RSA", "n": "AQAB", "e": "AQ"})),
    ];
    let said = [
        ("aud", json!(["api://other", AUDIENCES[0]])),
        ("aud", json!("api://other")),
        ("exp", json!(1)),
        ("exp", json!(1e308)),
        ("exp", json!("4102444800")),
        ("nbf", json!(1_767_225_600.5)),
        ("iss", json!([ISSUER])),
    ];
    let sets = [
        json!({"keys": []}),
        json!({"keys": [1, {}, {"kty": "RSA", "kid": "campanile-fixture", "n": "AQAB", "e": "AQ"}]}),
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "campanile-fixture", "x": "AA", "y": ""}]}),
    ];
    let right = signed(&header, &claims);
    let tokens = [right.clone()]
        .into_iter()
        .chain(headers.map(|(name, value)| signed(&with(&header, name, value), &claims)))
        .chain(said.map(|(name, value)| signed(&header, &with(&claims, name, value))));
    let under_ours = tokens.map(|token| request::joined(token.as_bytes(), KEYS));
    let under_others =
        sets.map(|set| request::joined(right.as_bytes(), set.to_string().as_bytes()));
    under_ours
        .chain(under_others)
        .chain([ES256.to_vec()])
        .collect()
}

fn jwt(token: &str, keys: Option<&[u8]>) -> Jwt<'static> {
    Jwt {
        token: Given::One(Secret::from(token)),
        url: KEYS_URL.to_owned(),
        keys: keys.map(Into::into),
        algorithms: vec![TokenAlgorithm::Rs256, TokenAlgorithm::Es256],
        issuer: ISSUER.to_owned(),
        audiences: &*AUDIENCES,
        claims: Vec::new(),
        leeway: 60.0,
        now: RECEIVED_AT.parse().ok(),
    }
}

fn believed(token: &str, keys: Option<&[u8]>) -> bool {
    let asking = Asking(Proof::Jwt(jwt(token, keys)));
    verify(&asking, &Callback::default(), &Source::default()).is_ok()
}

/// Whether it is one of the tokens that were really signed and the set has its key. No other signed tokens exist.
fn is_signed(token: &str, keys: &[u8]) -> bool {
    let Some((message, signature)) = token.rsplit_once('.') else {
        return false;
    };
    let set: Value = serde_json::from_slice(keys).unwrap_or_default();
    let holds = |part: &str, of: &Value| {
        let keys = set["keys"].as_array().into_iter().flatten();
        keys.into_iter().any(|key| key[part] == of["keys"][0][part])
    };
    let ours: Value = serde_json::from_slice(KEYS).unwrap_or_default();
    if signature == signature_of(message) {
        return holds("n", &ours);
    }
    // On this curve, a second valid signature can be derived from the first one, but only for the same message.
    let (once, set) = request::halves(ES256);
    let theirs: Value = serde_json::from_slice(set).unwrap_or_default();
    once.starts_with(format!("{message}.").as_bytes()) && holds("x", &theirs)
}

fn says_what_it_must(token: &str) -> bool {
    let part = token.split('.').nth(1).unwrap_or_default();
    let claims = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
    let audience = json!(AUDIENCES[0]);
    let listed = claims["aud"]
        .as_array()
        .is_some_and(|all| all.contains(&audience));
    claims["iss"] == ISSUER && (claims["aud"] == audience || listed) && claims["exp"].is_number()
}

fn signed(header: &Value, claims: &Value) -> String {
    let parts = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = parts.join(".");
    let signature = signature_of(&message);
    format!("{message}.{signature}")
}

/// Signs with the key of the fixtures. Each message has exactly one such signature.
fn signature_of(message: &str) -> String {
    static SIGNER: LazyLock<RsaKeyPair> = LazyLock::new(|| {
        let key = include_bytes!("../../../../providers/play/keys/signer.pk8");
        RsaKeyPair::from_pkcs8(key).unwrap_or_else(|e| panic!("the fixtures' key: {e}"))
    });
    let mut signature = vec![0; SIGNER.public().modulus_len()];
    let random = SystemRandom::new();
    let made = SIGNER.sign(
        &RSA_PKCS1_SHA256,
        &random,
        message.as_bytes(),
        &mut signature,
    );
    assert!(made.is_ok(), "the fixtures' key signs");
    URL_SAFE_NO_PAD.encode(signature)
}
