//! `[sign]`: a signature over a template. The other templates see it as `sign`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use campanile_language::{Facts, Failed, Template};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::Sha256;

use super::form::{Text, Wrong};
use super::request::template;

/// `[sign]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sign {
    algorithm: Algorithm,
    encoding: Encoding,
    /// The key of an HMAC.
    key: Option<Text>,
    /// What is signed.
    message: Text,
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

/// The same, compiled.
#[derive(Debug)]
pub(super) struct Signature {
    encoding: Encoding,
    key: Option<Template>,
    message: Template,
    /// The message holds the body, so the body cannot hold the signature.
    pub(super) of_body: bool,
}

impl Sign {
    /// Compiles it with samples of the names that its templates may use.
    pub(super) fn compile(&self, names: &Map<String, Value>) -> Result<Signature, Wrong> {
        let key = match (self.algorithm, &self.key) {
            (Algorithm::HmacSha256, Some(key)) => Some(template("sign.key", key, names)?),
            (Algorithm::Md5, None) => None,
            (Algorithm::HmacSha256, None) => {
                let problem = "`hmac-sha256` needs `sign.key`";
                return Err(Wrong::whole("sign.message", &self.message, problem));
            }
            (Algorithm::Md5, Some(key)) => {
                let problem = "`md5` has no key: put the secret into `sign.message`";
                return Err(Wrong::whole("sign.key", key, problem));
            }
        };
        let of_body = template("sign.message", &self.message, names).is_err();
        let mut names = names.clone();
        names.insert("body".to_owned(), "".into());
        Ok(Signature {
            encoding: self.encoding,
            key,
            message: template("sign.message", &self.message, &names)?,
            of_body,
        })
    }
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
