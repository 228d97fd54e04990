//! A JSON Web Token (RS256) that a Google service account signs itself, sent as a bearer token.
//!
//! Google accepts such a token for its own APIs, so no request for an access token is needed. It names the account and the
//! API, not the request.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use campanile_model::Secret;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{Credentials, LASTS, set};
use crate::http::client::Request;
use crate::{Class, Failure};

/// A service account, read from its JSON key.
struct Account {
    email: String,
    key_id: String,
    key: RsaKeyPair,
}

/// What is wrong with a JSON key. Never shows a part of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error(
        "this is not a JSON key of a service account: give the whole file that Google Cloud makes under *IAM*, *Service accounts*, *Keys*"
    )]
    Form,
    #[error(
        "this JSON has no `{0}`: use the JSON key of a service account, not that of a user or of a federated identity"
    )]
    Part(&'static str),
    #[error(
        "its `private_key` is not an RSA key of 2048 to 4096 bits in PEM form (PKCS #8): make a new key, and keep its line breaks as `\\n`"
    )]
    Key,
}

impl Account {
    fn read(key: &Secret) -> Result<Self, Unfit> {
        let file: Value = serde_json::from_str(key.expose_secret()).map_err(|_| Unfit::Form)?;
        if !file.is_object() {
            return Err(Unfit::Form);
        }
        let part = |name| {
            let text = file.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty())
                .ok_or(Unfit::Part(name))
        };
        let pem = part("private_key")?.as_bytes();
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| Unfit::Key)?;
        Ok(Self {
            email: part("client_email")?.to_owned(),
            key_id: part("private_key_id")?.to_owned(),
            key: RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| Unfit::Key)?,
        })
    }

    /// A token for the API with this name that is valid from `at` on. None if the key cannot sign.
    fn token(&self, audience: &str, at: Timestamp) -> Option<String> {
        let from = at.as_second();
        let until = from.saturating_add_unsigned(LASTS.as_secs());
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let claims = json!({
            "iss": self.email, "sub": self.email, "aud": audience, "iat": from, "exp": until,
        });
        let encoded = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        let message = encoded.join(".");
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        let bytes = message.as_bytes();
        let signed = self
            .key
            .sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature);
        signed.ok()?;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        Some(format!("{message}.{signature}"))
    }
}

/// Whether a token can be signed with this JSON key.
pub(super) fn check(key: &Secret) -> Result<(), Unfit> {
    Account::read(key).map(|_| ())
}

pub(super) fn sign(
    request: &mut Request,
    credentials: &Credentials,
    audience: &str,
) -> Result<(), Failure> {
    let unfit = |unfit: Unfit| {
        let reason = format!("the request cannot be signed: {unfit}");
        Failure::new(Class::Operator, reason)
    };
    let account = Account::read(&credentials.key).map_err(unfit)?;
    let token = account.token(audience, request.at);
    let token = token.ok_or_else(|| unfit(Unfit::Key))?;
    set(
        &mut request.headers,
        "authorization",
        format!("Bearer {token}"),
    )
}
