//! JSON Web Tokens (RFC 7519) that an identity provider has signed with a key of its published set.
//!
//! Nothing that a token says of how to believe it is followed: algorithms, the address of the keys, issuer and audience
//! are those of the declaration and of the source. Signature and key come last, so that a token which could not be
//! believed anyway makes nobody fetch anything.

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

/// A longer token is not read. Those of Microsoft are of two kilobytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// A longer id of a key is none.
const KEY_ID_BYTES_MAX: usize = 256;

/// A token that must be signed by a key of the set at `url`, and what it must say.
#[derive(Clone, Debug)]
pub struct Jwt<'a> {
    /// What the call carries.
    pub token: Given,
    /// Where the keys are: pinned by the declaration, never by the token.
    pub url: String,
    /// The set of keys, where the server has fetched it.
    pub keys: Option<Arc<[u8]>>,
    /// How it may be signed.
    pub algorithms: Vec<TokenAlgorithm>,
    /// Who must have issued it.
    pub issuer: String,
    /// For whom it may be issued; any one does.
    pub audiences: &'a [String],
    /// What else it must say: a claim, and its value or one of its values.
    pub claims: Vec<(String, String)>,
    /// So many seconds the clocks of issuer and server may differ.
    pub leeway: f64,
    /// When the call came.
    pub now: Option<Timestamp>,
}

/// The token of a call.
#[derive(Clone, Debug)]
pub enum Given {
    /// There is none.
    None,
    /// There is one.
    One(Secret),
    /// There are several `Authorization` headers: who believes which of them is anybody's guess.
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

    /// The keys, if nothing but them is missing.
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

    /// How the token is signed, if it may be signed so.
    fn algorithm(&self, token: &Token<'_>) -> Option<TokenAlgorithm> {
        let mut declared = self.algorithms.iter().copied();
        declared.find(|algorithm| algorithm.name() == token.algorithm)
    }

    /// Whether it is issued by whom, for whom and for when it must be.
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

/// Whether a claim is this value, or a list with it.
fn has(claim: &Value, wanted: &str) -> bool {
    match claim {
        Value::String(text) => text == wanted,
        Value::Array(items) => items.iter().any(|item| item.as_str() == Some(wanted)),
        Value::Bool(yes) => wanted == if *yes { "true" } else { "false" },
        Value::Number(number) => number.to_string() == wanted,
        Value::Null | Value::Object(_) => false,
    }
}

/// A time in a token: unix seconds, perhaps with a fraction.
fn seconds(claim: &Value) -> Option<f64> {
    claim.as_f64().filter(|seconds| seconds.is_finite())
}

/// The claims of a token, whether it can be believed or not.
pub(crate) fn claims(token: &Secret) -> Option<Map<String, Value>> {
    Token::read(token.expose_secret()).map(|token| token.claims)
}

/// A token, taken apart.
struct Token<'t> {
    algorithm: String,
    key: String,
    claims: Map<String, Value>,
    /// Header and claims as they were signed.
    signed: &'t [u8],
    signature: Vec<u8>,
}

impl<'t> Token<'t> {
    /// Three parts in the one base64url that there is for their bytes; a header that asks for nothing unheard of.
    fn read(text: &'t str) -> Option<Self> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let mut header = object(header)?;
        // An extension that must be understood, and is not.
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

/// Whether the header's `typ` is that of tokens, or says nothing. Issuers sign other things with the same keys.
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

/// An object in which no name stands twice: what is read of one that has is up to the reader.
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
        formatter.write_str("an object in which no name stands twice")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut given: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = given.next_entry()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(object)
    }
}
