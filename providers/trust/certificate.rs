//! RSA signatures whose key is in a certificate that the vendor serves.

use std::sync::Arc;

use jiff::Timestamp;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RsaParameters,
    UnparsedPublicKey,
};
use x509_cert::Certificate;
use x509_cert::der::DecodePem;

use super::needed::{Document, Needed};
use super::proof::Refusal;

/// How the message was hashed before it was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1, of older senders.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// A signature that is checked with the certificate at `url`.
#[derive(Clone, Debug)]
pub struct Certified {
    /// The address of the certificate. It was checked against the vendor's hosts, so it may be fetched.
    pub url: String,
    /// The certificate in PEM, if the server has fetched it.
    pub certificate: Option<Arc<[u8]>>,
    /// The time of arrival: the certificate must be valid then.
    pub now: Option<Timestamp>,
    /// How the message was hashed.
    pub hash: Hash,
    /// The signed message.
    pub message: Vec<u8>,
    /// The signature, decoded.
    pub signature: Vec<u8>,
}

impl Certified {
    /// The certificate, if it was not fetched yet.
    pub(crate) fn needs(&self) -> Option<Needed> {
        self.certificate.is_none().then(|| Needed {
            url: self.url.clone(),
            document: Document::Certificate,
        })
    }

    pub(crate) fn holds(&self) -> Result<(), Refusal> {
        let pem = self.certificate.as_deref().ok_or(Refusal::Uncertified)?;
        let certificate = Certificate::from_pem(pem).map_err(|_| Refusal::Wrong)?;
        let signed = certificate.tbs_certificate;
        let validity = signed.validity;
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        let now = self.now.and_then(|now| u64::try_from(now.as_second()).ok());
        let valid = seconds(validity.not_before)..=seconds(validity.not_after);
        if !now.is_some_and(|now| valid.contains(&now)) {
            return Err(Refusal::Stale);
        }
        let key = signed.subject_public_key_info.subject_public_key;
        let parameters: &RsaParameters = match self.hash {
            Hash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        };
        UnparsedPublicKey::new(parameters, key.raw_bytes())
            .verify(&self.message, &self.signature)
            .map_err(|_| Refusal::Wrong)
    }
}
