//! A receiver that speaks HTTP/2 over TLS and says at once that it is going away.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use campanile_sinks::Class;
use campanile_sinks::kinds::webhook::Settings as Webhook;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::certificates::{SELF_SIGNED, serving};
use super::{message, sink, webhook};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Frames: length, type, flags, stream, payload.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// The last stream that was looked at is 0, and nothing is wrong: `NO_ERROR`; or everything is: `ENHANCE_YOUR_CALM`.
pub(super) const LEAVING: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const CALM: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];

fn tls() -> Arc<ServerConfig> {
    let mut config = serving(SELF_SIGNED);
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
pub(super) fn listen(goaway: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
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
