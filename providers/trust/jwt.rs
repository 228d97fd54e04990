//! JSON Web Tokens (RFC 7519) that an identity provider has signed with a key of its published set.
//!
//! A token does not decide how it is verified: algorithms, the address of the keys, issuer and audience come from the
//! declaration and from the source. Signature and key are checked last, so a token that is refused anyway causes no
//! fetch.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::keys::{KeySet, TokenAlgorithm};
use super::needed::{Document, Needed};
use super::proof::Refusal;
use campanile_model::Callback;
use campanile_model::Secret;

/// A longer token is refused. Tokens of Microsoft have about 2 KB.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// A longer key id is refused.
const KEY_ID_BYTES_MAX: usize = 256;

/// A token that must be signed by a key of the set at `url`, and the claims that it must have.
#[derive(Clone, Debug)]
pub struct Jwt<'a> {
    /// The token of the call.
    pub token: Given,
    /// The address of the keys: fixed by the declaration, never by the token.
    pub url: String,
    /// The set of keys, if the server has fetched it.
    pub keys: Option<Arc<[u8]>>,
    /// The allowed algorithms.
    pub algorithms: Vec<TokenAlgorithm>,
    /// The required issuer.
    pub issuer: String,
    /// The allowed audiences; one must match.
    pub audiences: &'a [String],
    /// Other required claims: a name, and its value or one of its values.
    pub claims: Vec<(String, String)>,
    /// How many seconds the clocks of issuer and server may differ.
    pub leeway: f64,
    /// The time of arrival.
    pub now: Option<Timestamp>,
}

/// The token of a call.
#[derive(Clone, Debug)]
pub enum Given {
    /// There is none.
    None,
    /// There is one.
    One(Secret),
    /// There are several `Authorization` headers. Two programs could use different ones, so the call is refused.
    Several,
}

impl Given {
    /// The Bearer token of a call.
    pub(crate) fn of(call: &Callback) -> Self {
        let mut headers = call.headers.iter();
        let mut next = || headers.find(|(name, _)| name == "authorization");
        let Some((_, value)) = next() else {
            return Self::None;
        };
        if next().is_some() {
            return Self::Several;
        }
        match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Self::One(Secret::from(token))
            }
            _ => Self::None,
        }
    }
}

impl Jwt<'_> {
    pub(crate) fn holds(&self) -> Result<(), Refusal> {
        let token = match &self.token {
            Given::None => return Err(Refusal::Missing),
            Given::Several => return Err(Refusal::Wrong),
            Given::One(token) => Token::read(token.expose_secret()).ok_or(Refusal::Wrong)?,
        };
        let algorithm = self.algorithm(&token).ok_or(Refusal::Wrong)?;
        self.says(&token.claims)?;
        let keys = self.keys.as_deref().ok_or(Refusal::Uncertified)?;
        let keys = KeySet::read(keys).ok_or(Refusal::Wrong)?;
        if keys.signed(&token.key, algorithm, token.signed, &token.signature) {
            Ok(())
        } else {
            Err(Refusal::Wrong)
        }
    }

    /// The keys, if only they are missing.
    pub(crate) fn needs(&self) -> Option<Needed> {
        let Given::One(token) = &self.token else {
            return None;
        };
        let token = Token::read(token.expose_secret())?;
        (self.holds() == Err(Refusal::Uncertified)).then(|| Needed {
            url: self.url.clone(),
            document: Document::Key(token.key),
        })
    }

    /// The algorithm of the token, if it is allowed.
    fn algorithm(&self, token: &Token<'_>) -> Option<TokenAlgorithm> {
        let mut declared = self.algorithms.iter().copied();
        declared.find(|algorithm| algorithm.name() == token.algorithm)
    }

    /// Checks issuer, audience, other claims and validity.
    fn says(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let says = |claim: &str, wanted: &str| claims.get(claim).is_some_and(|is| has(is, wanted));
        let issued = claims.get("iss").and_then(Value::as_str) == Some(&self.issuer);
        let for_us = self.audiences.iter().any(|audience| says("aud", audience));
        let rest = self
            .claims
            .iter()
            .all(|(claim, wanted)| says(claim, wanted));
        if !(issued && for_us && rest) {
            return Err(Refusal::Wrong);
        }
        let until = claims.get("exp").and_then(seconds).ok_or(Refusal::Wrong)?;
        let from = match claims.get("nbf") {
            Some(from) => seconds(from).ok_or(Refusal::Wrong)?,
            None => f64::NEG_INFINITY,
        };
        let now = self.now.ok_or(Refusal::Stale)?.as_duration().as_secs_f64();
        if from - self.leeway <= now && now < until + self.leeway {
            Ok(())
        } else {
            Err(Refusal::Stale)
        }
    }
}

/// Whether a claim is this value, or a list that contains it.
fn has(claim: &Value, wanted: &str) -> bool {
    match claim {
        Value::String(text) => text == wanted,
        Value::Array(items) => items.iter().any(|item| item.as_str() == Some(wanted)),
        Value::Bool(yes) => wanted == if *yes { "true" } else { "false" },
        Value::Number(number) => number.to_string() == wanted,
        Value::Null | Value::Object(_) => false,
    }
}

/// A time in a token: unix seconds. A fraction is allowed.
fn seconds(claim: &Value) -> Option<f64> {
    claim.as_f64().filter(|seconds| seconds.is_finite())
}

/// The claims of a token, without verification.
pub(crate) fn claims(token: &Secret) -> Option<Map<String, Value>> {
    Token::read(token.expose_secret()).map(|token| token.claims)
}

/// The parts of a token.
struct Token<'t> {
    algorithm: String,
    key: String,
    claims: Map<String, Value>,
    /// Header and claims in their signed form.
    signed: &'t [u8],
    signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// Reads three parts in canonical base64url. A header that demands an unknown extension is refused.
    fn read(text: &'t str) -> Option<Self> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let mut header = object(header)?;
        // `crit` lists extensions that the reader must support. None is supported.
        if header.contains_key("crit") || !is_token(header.get("typ")) {
            return None;
        }
        let mut word = |name: &str| match header.remove(name)? {
            Value::String(word) => Some(word),
            _ => None,
        };
        Some(Self {
            algorithm: word("alg")?,
            key: word("kid").filter(|id| id.len() <= KEY_ID_BYTES_MAX)?,
            claims: object(claims)?,
            signed: signed.as_bytes(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }
}

/// Whether the header's `typ` is that of tokens, or absent. Issuers sign other documents with the same keys.
fn is_token(kind: Option<&Value>) -> bool {
    let Some(kind) = kind else {
        return true;
    };
    let is = |word: &str| {
        let kind = kind.as_str();
        kind.is_some_and(|kind| kind.eq_ignore_ascii_case(word))
    };
    ["jwt", "at+jwt", "application/at+jwt"].into_iter().any(is)
}

fn object(encoded: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let Unique(object) = serde_json::from_slice(&bytes).ok()?;
    Some(object)
}

/// An object without a repeated name. Two programs could read different values of a repeated name.
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names).map(Self)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object without a repeated name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut given: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = given.next_entry()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a repeated name"));
            }
        }
        Ok(object)
    }
}
