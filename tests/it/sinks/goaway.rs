//! A receiver that speaks HTTP/2 over TLS and says at once that it is going away.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use campanile_sinks::Class;
use campanile_sinks::kinds::webhook::Settings as Webhook;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{message, sink, webhook};

/// Self-signed, for 127.0.0.1, with the key of the fixtures.
const CERTIFICATE: &str = include_str!("goaway.pem");
const KEY: &[u8] = include_bytes!("../../../providers/play/keys/signer.pk8");
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Frames: length, type, flags, stream, payload.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// The last stream that was looked at is 0, and nothing is wrong: `NO_ERROR`; or everything is: `ENHANCE_YOUR_CALM`.
const LEAVING: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const CALM: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];

fn tls() -> Arc<ServerConfig> {
    let pem: String = CERTIFICATE
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let certificate = CertificateDer::from(STANDARD.decode(pem).unwrap());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY.to_vec()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

/// Speaks until the other side is gone.
fn speak(tcp: TcpStream, tls: &Arc<ServerConfig>, goaway: &[u8]) -> std::io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(tls)).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, tcp);
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface)?;
    assert_eq!(preface, PREFACE, "the sink speaks HTTP/2 where it may");
    stream.write_all(&[SETTINGS, goaway].concat())?;
    stream.flush()?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(|_| ())
}

/// Listens for as long as the test's process lives.
fn listen(goaway: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (count, tls) = (Arc::clone(&connections), tls());
    std::thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            let tls = Arc::clone(&tls);
            std::thread::spawn(move || speak(tcp, &tls, goaway));
        }
    });
    (address, connections)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_goes_away_at_once_is_transient_and_not_asked_again_and_again() {
    for goaway in [LEAVING, CALM] {
        let (address, connections) = listen(goaway);
        let sink = sink(Webhook {
            skip_tls_verification: true,
            ..webhook(&format!("https://{address}/c4nary"))
        });
        let failure = sink.send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
        let connections = connections.load(Ordering::Relaxed);
        assert!(
            (1..=4).contains(&connections),
            "{connections} connections for one try"
        );
    }
}

/// A server that says what plain HTTP says, whatever it hears.
fn plain() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            // The other side may be gone.
            let _heard = tcp.read(&mut [0; 1024]);
            let _told = tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_receivers_tls_is_said_in_words() {
    let (unknown, _) = listen(LEAVING);
    for (address, cause) in [
        (unknown, "TLS failed: its certificate is not valid"),
        (
            plain(),
            "TLS failed: the receiver does not speak TLS on this port",
        ),
    ] {
        let sink = sink(webhook(&format!("https://{address}/c4nary")));
        let failure = sink.send(&message()).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{failure}");
        assert_eq!(failure.reason, cause);
    }
}
