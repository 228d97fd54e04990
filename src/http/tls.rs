//! TLS of a listener. The certificate can change while the listener runs.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// The certificate that a listener presents. Open connections keep the certificate of their handshake.
pub struct Shown(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

impl Shown {
    /// Presents this certificate from the start.
    pub fn new(pair: &Arc<CertifiedKey>) -> Self {
        Self(RwLock::new(Arc::clone(pair)))
    }

    /// Presents another certificate from the next connection on.
    pub fn replace(&self, pair: &Arc<CertifiedKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(pair);
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown))
    }
}

/// The TLS acceptor of a listener: TLS 1.2 and 1.3, HTTP/1.1, without client certificates.
pub(super) fn acceptor(shown: &Arc<Shown>) -> io::Result<TlsAcceptor> {
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?.with_no_client_auth();
    let mut config = config.with_cert_resolver(Arc::clone(shown) as _);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
