//! `[sign]`: a signature over a template, which the other templates see as `sign`, or of the whole request by the scheme of
//! a cloud.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use campanile_language::{Facts, Failed, Template};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::Sha256;
use toml::Spanned;

use super::form::{Text, Wrong};
use super::request::template;
use super::scheme::Signer;
use crate::Feature;
use crate::http::sign::Scheme;

/// `[sign]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sign {
    /// Over a template,
    algorithm: Option<Algorithm>,
    encoding: Option<Encoding>,
    /// What is signed.
    message: Option<Text>,
    /// or of the whole request.
    pub(super) scheme: Option<Scheme>,
    pub(super) id: Option<Text>,
    pub(super) service: Option<Text>,
    pub(super) region: Option<Text>,
    pub(super) audience: Option<Text>,
    /// The session token of temporary credentials.
    pub(super) token: Option<Text>,
    /// The key of an HMAC or of the account.
    pub(super) key: Option<Text>,
}

/// `[sign]`, compiled.
#[derive(Debug)]
pub(super) enum Signing {
    Template(Box<Signature>),
    Request(Box<Signer>),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Algorithm {
    HmacSha256,
    Md5,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    Base64,
    Hex,
}

/// Samples of what templates see.
type Samples = Map<String, Value>;

/// A signature over a template.
#[derive(Debug)]
pub(super) struct Signature {
    encoding: Encoding,
    key: Option<Template>,
    message: Template,
    /// The message holds the body, so the body cannot hold the signature.
    pub(super) of_body: bool,
}

impl Signing {
    /// The signature that templates see as `sign`.
    pub(super) fn template(&self) -> Option<&Signature> {
        match self {
            Self::Template(signature) => Some(signature),
            Self::Request(_) => None,
        }
    }
}

impl Sign {
    /// Whether it signs the whole request.
    pub(super) fn is_of_request(&self) -> bool {
        self.scheme.is_some()
    }

    /// The cargo feature that its scheme needs.
    pub(super) fn feature(&self) -> Option<Feature> {
        self.scheme.and_then(Scheme::feature)
    }

    /// Compiles it with samples of the names that its templates may use.
    pub(super) fn compile(sign: &Spanned<Self>, names: &Samples) -> Result<Signing, Wrong> {
        let wrong = |problem: &str| Wrong::whole("sign", &blank(sign), problem);
        let this = sign.get_ref();
        match (this.algorithm, this.scheme) {
            (Some(algorithm), None) => {
                let part = this.of_cloud().find_map(|(name, text)| Some((name, text?)));
                if let Some((name, text)) = part {
                    let problem = "this is a part of a `scheme`, not of an `algorithm`";
                    return Err(Wrong::whole(&format!("sign.{name}"), text, problem));
                }
                let (Some(encoding), Some(message)) = (this.encoding, &this.message) else {
                    return Err(wrong("an `algorithm` needs `encoding` and `message`"));
                };
                let signature = this.signature(algorithm, encoding, message, names)?;
                Ok(Signing::Template(Box::new(signature)))
            }
            (None, Some(_)) if this.encoding.is_some() || this.message.is_some() => Err(wrong(
                "a `scheme` signs the whole request: leave out `encoding` and `message`",
            )),
            (None, Some(scheme)) => {
                let signer = Signer::compile(scheme, this, &blank(sign), names)?;
                Ok(Signing::Request(Box::new(signer)))
            }

            _ => Err(wrong(
                "write either `algorithm`, such as \"hmac-sha256\", or `scheme`, such as \"tc3\"",
            )),
        }
    }

    fn of_cloud(&self) -> impl Iterator<Item = (&'static str, Option<&Text>)> {
        let parts = [
            ("id", &self.id),
            ("service", &self.service),
            ("region", &self.region),
            ("audience", &self.audience),
            ("token", &self.token),
        ];
        parts.into_iter().map(|(name, text)| (name, text.as_ref()))
    }

    fn signature(
        &self,
        algorithm: Algorithm,
        encoding: Encoding,
        message: &Text,
        names: &Samples,
    ) -> Result<Signature, Wrong> {
        let key = match (algorithm, &self.key) {
            (Algorithm::HmacSha256, Some(key)) => Some(template("sign.key", key, names)?),
            (Algorithm::Md5, None) => None,
            (Algorithm::HmacSha256, None) => {
                let problem = "`hmac-sha256` needs `sign.key`";
                return Err(Wrong::whole("sign.message", message, problem));
            }
            (Algorithm::Md5, Some(key)) => {
                let problem = "`md5` has no key: put the secret into `sign.message`";
                return Err(Wrong::whole("sign.key", key, problem));
            }
        };
        let of_body = template("sign.message", message, names).is_err();
        let mut names = names.clone();
        names.insert("body".to_owned(), "".into());
        Ok(Signature {
            encoding,
            key,
            message: template("sign.message", message, &names)?,
            of_body,
        })
    }
}

/// The place of the table, for a mistake that is about no part of it.
fn blank(sign: &Spanned<Sign>) -> Text {
    Spanned::new(sign.span(), String::new())
}

impl Signature {
    pub(super) fn sign(&self, facts: &Facts) -> Result<String, Failed> {
        let message = self.message.render(facts)?;
        let key = self.key.as_ref().map(|key| key.render(facts)).transpose()?;
        let bytes = match key {
            Some(key) => {
                // HMAC takes keys of every length.
                let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok();
                let mac = mac.map(|mac| mac.chain_update(message.as_bytes()));
                mac.map(|mac| mac.finalize().into_bytes().to_vec())
                    .unwrap_or_default()
            }
            None => Md5::digest(message.as_bytes()).to_vec(),
        };
        Ok(match self.encoding {
            Encoding::Base64 => BASE64_STANDARD.encode(bytes),
            Encoding::Hex => hex::encode(bytes),
        })
    }
}
