//! `[server.tls]` and `[admin.tls]`: the certificate and the key of a listener, read and checked once.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use campanile_settings::TlsFiles;
use jiff::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

/// A larger file is not read: long chains are below 16 KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The certificate and the key of a listener.
#[derive(Clone)]
pub struct Tls {
    /// Where they are.
    pub files: TlsFiles,
    /// Both, read; the key belongs to the certificate.
    pub pair: Arc<CertifiedKey>,
    /// The end of the certificate's validity.
    pub valid_until: Option<Timestamp>,
}

/// Never the key itself.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .field("valid_until", &self.valid_until)
            .finish_non_exhaustive()
    }
}

/// Why a listener cannot serve TLS with these files.
pub(super) struct Unfit {
    /// The word of the file in question: `certificate` or `key`.
    pub(super) word: &'static str,
    /// What is wrong: follows the name of the setting in a sentence.
    pub(super) what: String,
    /// What is expected there.
    pub(super) expected: &'static str,
}

impl Tls {
    /// Reads both files.
    pub(super) fn read(files: TlsFiles) -> Result<Self, Unfit> {
        let chain = chain(&files.certificate)?;
        let valid_until = chain.first().and_then(valid_until);
        let private = private(&files.key)?;
        let pair = CertifiedKey::from_der(chain, private, &ring::default_provider());
        let pair = pair.map_err(|error| unfit_pair(&files, &error))?;
        Ok(Self {
            files,
            pair: Arc::new(pair),
            valid_until,
        })
    }

    /// When the certificate expired, if that was before `now`.
    pub fn expired(&self, now: Timestamp) -> Option<Timestamp> {
        self.valid_until.filter(|until| *until < now)
    }
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, Unfit> {
    let pem = bytes("certificate", file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    chain
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| Unfit {
            word: "certificate",
            what: format!("names {}, which does not contain a certificate in PEM form", file.display()),
            expected: "a file with `-----BEGIN CERTIFICATE-----`: the certificate of the listener, then its chain",
        })
}

fn private(file: &Path) -> Result<PrivateKeyDer<'static>, Unfit> {
    let pem = bytes("key", file)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| Unfit {
        word: "key",
        what: format!(
            "names {}, which does not contain a private key in PEM form",
            file.display()
        ),
        expected: "a file with `-----BEGIN PRIVATE KEY-----`: a key without a passphrase",
    })
}

fn unfit_pair(files: &TlsFiles, error: &rustls::Error) -> Unfit {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    let (what, expected) = match error {
        rustls::Error::InconsistentKeys(_) => (
            format!("names the key {key}, which does not belong to the certificate {certificate}"),
            "the private key of this certificate, and the listener's own certificate first in its file",
        ),
        _ => (
            format!("names the key {key}, which cannot be used: {error}"),
            "an RSA key, an ECDSA key (P-256 or P-384) or an Ed25519 key",
        ),
    };
    Unfit {
        word: "key",
        what,
        expected,
    }
}

fn bytes(word: &'static str, file: &Path) -> Result<Vec<u8>, Unfit> {
    let unfit = |what| Unfit {
        word,
        what,
        expected: "a PEM file that this user may read",
    };
    let mut bytes = Vec::new();
    let read =
        File::open(file).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(read) if read as u64 <= FILE_BYTES_MAX => Ok(bytes),
        Ok(_) => Err(unfit(format!(
            "names {}, which is larger than 1 MiB",
            file.display()
        ))),
        Err(error) => Err(unfit(format!(
            "names {}, which cannot be read: {error}",
            file.display()
        ))),
    }
}

/// The end of the certificate's validity; none if it cannot be read.
fn valid_until(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let until = certificate.tbs_certificate.validity.not_after;
    let seconds = i64::try_from(until.to_unix_duration().as_secs()).ok()?;
    Timestamp::from_second(seconds).ok()
}
