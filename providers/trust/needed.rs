//! The documents that the server must fetch for a proof: the certificate of a vendor, or its keys.

use x509_cert::Certificate;
use x509_cert::der::DecodePem;

use super::keys::KeySet;

/// A document that a proof needs. Its address was checked against the vendor's hosts, or is fixed by a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Its address.
    pub url: String,
    /// Its kind.
    pub document: Document,
}

/// The kind of a document, and what it must contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// A certificate in PEM. Another certificate has another address.
    Certificate,
    /// A set of keys that contains the key with this id. The set at the same address changes with time.
    Key(String),
}

impl Needed {
    /// Whether `body` is a document of this kind, and not for example the error page of a proxy.
    pub fn is(&self, body: &[u8]) -> bool {
        match &self.document {
            Document::Certificate => Certificate::from_pem(body).is_ok(),
            Document::Key(_) => KeySet::read(body).is_some(),
        }
    }

    /// Whether `body` contains what is needed.
    pub fn is_in(&self, body: &[u8]) -> bool {
        match &self.document {
            Document::Certificate => true,
            Document::Key(id) => KeySet::read(body).is_some_and(|keys| keys.has(id)),
        }
    }
}
