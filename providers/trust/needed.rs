//! What a proof cannot do without and the server has to fetch: a vendor's certificate, or his keys.

use x509_cert::Certificate;
use x509_cert::der::DecodePem;

use super::keys::KeySet;

/// A document that a proof asks for. Its address is the vendor's: checked against his hosts, or pinned by a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Where it is.
    pub url: String,
    /// What it is.
    pub document: Document,
}

/// What a document must hold to be of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// A certificate in PEM. The address names it: another certificate is at another address.
    Certificate,
    /// A set of keys with the one of this id. Others come into the set at the same address.
    Key(String),
}

impl Needed {
    /// Whether `body` is a document of this kind at all, and not the page of somebody who stands between.
    pub fn is(&self, body: &[u8]) -> bool {
        match &self.document {
            Document::Certificate => Certificate::from_pem(body).is_ok(),
            Document::Key(_) => KeySet::read(body).is_some(),
        }
    }

    /// Whether `body` holds what is asked for.
    pub fn is_in(&self, body: &[u8]) -> bool {
        match &self.document {
            Document::Certificate => true,
            Document::Key(id) => KeySet::read(body).is_some_and(|keys| keys.has(id)),
        }
    }
}
