//! TLS of sinks that do not speak HTTP: the system's certificate authorities, those of `ca_file`, or no verification.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::BuildError;

/// How to verify a receiver. Reads the system's certificate authorities and `ca_file`.
///
/// # Errors
///
/// `ca_file` cannot be read, or there is no certificate authority at all.
pub fn client_config(
    ca_file: Option<&Path>,
    skip_verification: bool,
) -> Result<Arc<ClientConfig>, BuildError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| BuildError::new("ca_file", "TLS 1.2 and 1.3 are not available"))?;
    if skip_verification {
        let builder = builder.dangerous();
        let builder = builder.with_custom_certificate_verifier(Arc::new(Anyone(provider)));
        return Ok(Arc::new(builder.with_no_client_auth()));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities(ca_file)?);
    let builder = builder.with_root_certificates(roots);
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// The certificates of the system's authorities and of `ca_file`. Never empty.
///
/// # Errors
///
/// As [`client_config`].
pub fn authorities(ca_file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let mut found = rustls_native_certs::load_native_certs().certs;
    if let Some(path) = ca_file {
        found.extend(of_file(path)?);
    }
    if found.is_empty() {
        let problem = "this machine has no trusted certificate authorities: install the package `ca-certificates`, or set `ca_file` to a PEM file";
        return Err(BuildError::new("ca_file", problem));
    }
    Ok(found)
}

fn of_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let named = |problem: String| BuildError::new("ca_file", problem);
    let pem = std::fs::read(path)
        .map_err(|e| named(format!("{} cannot be read: {}", path.display(), e.kind())))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(named(format!(
            "{} does not contain a certificate in PEM form",
            path.display()
        ))),
    }
}

/// Accepts any certificate. The operator wrote `dangerous_skip_tls_verification = true`.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
