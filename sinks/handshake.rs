//! TLS with a server that is not reached by HTTP: the certificate that a sink shows, and the handshake itself.

use std::io;
use std::path::Path;
use std::sync::Arc;

use campanile_settings::TlsFiles;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::Address;
use crate::dial::dial;
use crate::http::client::{find, tls_words};
use crate::http::guard::Egress;
use crate::reach::Reach;
use crate::tls::client_config;
use crate::{BuildError, Class, Failure};

/// What a client needs for a handshake. Reads the authorities of the machine, `ca_file` and `client_certificate`.
pub(crate) fn config(reach: &Reach) -> Result<Arc<ClientConfig>, BuildError> {
    let config = client_config(reach.ca_file.as_deref(), reach.skip_tls_verification)?;
    let Some(files) = &reach.client_certificate else {
        return Ok(config);
    };
    let mut config = ClientConfig::clone(&config);
    config.client_auth_cert_resolver = Arc::new(identity(files)?);
    Ok(Arc::new(config))
}

fn identity(files: &TlsFiles) -> Result<SingleCertAndKey, BuildError> {
    let setting = "client_certificate.certificate";
    let pem = read(setting, &files.certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).flatten().collect();
    if chain.is_empty() {
        let path = files.certificate.display();
        let problem = format!("{path} does not contain a certificate in PEM form");
        return Err(BuildError::new(setting, problem));
    }
    let setting = "client_certificate.key";
    let key = PrivateKeyDer::from_pem_slice(&read(setting, &files.key)?).map_err(|_| {
        let problem = format!("{} does not contain a key in PEM form", files.key.display());
        BuildError::new(setting, problem)
    })?;
    let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
    let certified = certified.map_err(|_| {
        let problem = "this is not the key of the certificate";
        BuildError::new(setting, problem)
    })?;
    Ok(SingleCertAndKey::from(certified))
}

fn read(setting: &str, path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|error| {
        let problem = format!("{} cannot be read: {}", path.display(), error.kind());
        BuildError::new(setting, problem)
    })
}

/// A connection to a server, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// The connection below TLS, to ask for its state.
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Connects to the server, and makes the handshake if its address asks for TLS.
pub(crate) async fn connect(
    server: &Address,
    tls: Option<&Arc<ClientConfig>>,
    egress: Egress,
) -> Result<Box<dyn Stream>, Failure> {
    let stream = dial(&server.host, server.port, egress).await?;
    let Some(config) = tls.filter(|_| server.tls) else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(server.host.clone()).map_err(|_| {
        let reason = format!("`{}` cannot be the name in a certificate", server.host);
        Failure::new(Class::Operator, reason)
    })?;
    let connected = TlsConnector::from(Arc::clone(config)).connect(name, stream);
    match connected.await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(said(&error).unwrap_or_else(|| {
            Failure::new(Class::Transient, format!("TLS failed: {}", error.kind()))
        })),
    }
}

/// What TLS says in the error of a connection, if it says anything.
pub(crate) fn said(error: &io::Error) -> Option<Failure> {
    find::<rustls::Error>(error).map(failure)
}

/// The failure of a handshake, in the words of the HTTP client.
pub(crate) fn failure(error: &rustls::Error) -> Failure {
    let reason = format!("TLS failed: {}", tls_words(error));
    Failure::new(Class::Transient, reason)
}
