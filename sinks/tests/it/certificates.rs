//! What is wrong with a receiver's TLS, in the words that an operator reads.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use campanile_sinks::Class;
use campanile_sinks::kinds::webhook::Settings as Webhook;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{message, sink, webhook};

/// For 127.0.0.1, and an authority as well, which a server's certificate must not be.
pub(super) const SELF_SIGNED: &[u8] = include_bytes!("goaway.pem");
/// The key of the fixtures. It is the key of every certificate here, also of the authority's.
const KEY: &[u8] = include_bytes!("../../../providers/play/keys/signer.pk8");
/// The others are signed by `certificates/authority.pem`: from 2000 to 2200, for 127.0.0.1, with one exception each.
const VALID: &[u8] = include_bytes!("certificates/valid.pem");
const EXPIRED: &[u8] = include_bytes!("certificates/expired.pem");
const EARLY: &[u8] = include_bytes!("certificates/early.pem");
const ELSEWHERE: &[u8] = include_bytes!("certificates/elsewhere.pem");

/// A server with this certificate.
pub(super) fn serving(certificate: &[u8]) -> ServerConfig {
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY.to_vec()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth();
    config.with_single_cert(vec![certificate], key).unwrap()
}

/// Serves every connection for as long as the test's process lives.
fn listen(serve: impl Fn(TcpStream) -> std::io::Result<()> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            // The other side may be gone.
            let _served = serve(tcp);
        }
    });
    address
}

fn speaking_tls(certificate: &[u8]) -> SocketAddr {
    let config = Arc::new(serving(certificate));
    listen(move |tcp| {
        let connection =
            ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(connection, tcp);
        let _heard = stream.read(&mut [0; 1024])?;
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
        stream.flush()
    })
}

/// Says this, whatever it hears.
fn saying(words: &'static [u8]) -> SocketAddr {
    listen(move |mut tcp| {
        let _heard = tcp.read(&mut [0; 1024])?;
        tcp.write_all(words)
    })
}

/// A webhook that trusts the authority of the certificates.
fn trusting(address: SocketAddr) -> Webhook {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/certificates");
    Webhook {
        ca_file: Some(folder.join("authority.pem")),
        ..webhook(&format!("https://{address}/c4nary"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_trusted_by_the_authority_of_ca_file() {
    let address = speaking_tls(VALID);
    let delivered = sink(trusting(address)).send(&message()).await.unwrap();
    assert_eq!(delivered.code, Some(204));
    let unknown = webhook(&format!("https://{address}/c4nary"));
    let failure = sink(unknown).send(&message()).await.unwrap_err();
    assert_eq!(
        failure.reason,
        "TLS failed: its certificate is from an authority that is not trusted: set `ca_file` to that authority's PEM file"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_receivers_tls_is_said_in_words() {
    for (address, problem) in [
        (speaking_tls(EXPIRED), "its certificate has expired"),
        (speaking_tls(EARLY), "its certificate is not valid yet"),
        (
            speaking_tls(ELSEWHERE),
            "its certificate is for another host name",
        ),
        (speaking_tls(SELF_SIGNED), "its certificate is not valid"),
        (
            saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "the receiver does not speak TLS on this port",
        ),
        // A fatal alert: the handshake fails.
        (
            saying(b"\x15\x03\x03\x00\x02\x02\x28"),
            "the receiver ended the handshake",
        ),
    ] {
        let failure = sink(trusting(address)).send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
        assert_eq!(failure.reason, format!("TLS failed: {problem}"));
    }
}
