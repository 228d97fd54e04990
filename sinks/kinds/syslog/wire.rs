//! How messages travel: one connection for each delivery, one that is kept, or datagrams.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::poll;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::Mutex;

use crate::address::Address;
use crate::connections::Connections;
use crate::dial::{addresses, unreachable_host};
use crate::handshake::{Stream, connect, said};
use crate::http::guard::Egress;
use crate::{Class, Failure};

/// A peer that is gone without a word is noticed.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// So long a refusal of a datagram can be on its way.
const REFUSAL_WAIT: Duration = Duration::from_millis(20);

type Kept = Connections<Box<dyn Stream>>;

/// How messages are separated.
#[derive(Clone, Copy)]
pub(super) enum Framing {
    OctetCounting,
    LineFeed,
}

/// What carries them.
pub(super) enum Carrier {
    /// A connection for each delivery, closed at both ends.
    Closing,
    /// One connection, which one delivery uses at a time: so the server reads the deliveries in their order.
    Keeping(Mutex<Kept>),
    Datagrams,
}

/// The way to a server.
pub(super) struct Wire {
    pub(super) server: Address,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) egress: Egress,
    pub(super) framing: Framing,
    pub(super) carrier: Carrier,
}

impl Wire {
    /// Sends these messages, in order.
    pub(super) async fn send(&self, messages: &[Vec<u8>]) -> Result<(), Failure> {
        match &self.carrier {
            Carrier::Closing => self.close_after(messages).await,
            Carrier::Keeping(kept) => self.keep(kept, messages).await,
            Carrier::Datagrams => self.datagrams(messages).await,
        }
    }

    /// Connects without a message.
    pub(super) async fn ask(&self) -> Result<(), Failure> {
        match self.carrier {
            Carrier::Closing => self.close_after(&[]).await,
            // The server may never close a connection.
            Carrier::Keeping(_) | Carrier::Datagrams => self.connect().await.map(drop),
        }
    }

    /// Writes, closes this side, and waits until the server has closed the other.
    async fn close_after(&self, messages: &[Vec<u8>]) -> Result<(), Failure> {
        let begun = Instant::now();
        let mut stream = self.connect().await?;
        let trip = begun.elapsed();
        let written = write_and_close(&mut *stream, &self.framed(messages)).await;
        // Also after a failed write: with TLS, the server can have said why it ended the connection.
        let ended = read_to_end(&mut *stream).await;
        match (written, ended) {
            (Ok(()), Ok(())) => {}
            (_, Err(error)) | (Err(error), _) => return Err(broken(&error)),
        }
        // A server that closes a connection without reading it (a proxy without a backend, too many connections) resets it
        // when the message arrives. The reset can arrive just after the end.
        tokio::time::sleep(trip.max(Duration::from_millis(1))).await;
        match stream.tcp().take_error() {
            Ok(None) => Ok(()),
            Ok(Some(error)) | Err(error) => Err(broken(&error)),
        }
    }

    /// Writes to the kept connection. A delivery that fails or is dropped closes it.
    async fn keep(&self, kept: &Mutex<Kept>, messages: &[Vec<u8>]) -> Result<(), Failure> {
        let kept = kept.lock().await;
        let mut stream = match still(kept.take()).await {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let written = async {
            stream.write_all(&self.framed(messages)).await?;
            stream.flush().await
        };
        written.await.map_err(|error| broken(&error))?;
        kept.give(stream);
        Ok(())
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let stream = connect(&self.server, self.tls.as_ref(), self.egress).await?;
        keep_alive(&*stream).map_err(|error| unreachable_host(&error))?;
        Ok(stream)
    }

    fn framed(&self, messages: &[Vec<u8>]) -> Vec<u8> {
        let mut framed = Vec::new();
        for message in messages {
            match self.framing {
                Framing::OctetCounting => {
                    framed.extend_from_slice(format!("{} ", message.len()).as_bytes());
                    framed.extend_from_slice(message);
                }
                Framing::LineFeed => {
                    framed.extend_from_slice(message);
                    framed.push(b'\n');
                }
            }
        }
        framed
    }

    /// To the first address that does not refuse them.
    async fn datagrams(&self, messages: &[Vec<u8>]) -> Result<(), Failure> {
        let server = &self.server;
        let mut last = None;
        for address in addresses(&server.host, server.port, self.egress).await? {
            match send_datagrams(address, messages).await {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        let nowhere = || Failure::new(Class::Transient, "the host has no address");
        Err(last.map_or_else(nowhere, |error| unreachable_host(&error)))
    }
}

fn keep_alive(stream: &dyn Stream) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_socket_keepalive(stream.tcp(), true)?;
    sockopt::set_tcp_keepidle(stream.tcp(), KEEPALIVE)?;
    Ok(sockopt::set_tcp_keepintvl(stream.tcp(), KEEPALIVE)?)
}

async fn write_and_close(stream: &mut dyn Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    // An end that comes before ours is not an answer to it.
    still_open(stream).await?;
    stream.shutdown().await
}

/// What the server says is of no interest. Some servers close the connection without the closing message of TLS.
async fn read_to_end(stream: &mut dyn Stream) -> io::Result<()> {
    loop {
        match stream.read(&mut [0; 512]).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// The connection, if it is open.
async fn still(kept: Option<Box<dyn Stream>>) -> Option<Box<dyn Stream>> {
    let mut stream = kept?;
    still_open(&mut *stream).await.is_ok().then_some(stream)
}

/// Fails if the server has closed or reset the connection. It says nothing else before our end.
async fn still_open(stream: &mut dyn Stream) -> io::Result<()> {
    // The end is known only after the event loop has looked.
    tokio::task::yield_now().await;
    let said = poll!(std::pin::pin!(stream.read(&mut [0; 512])));
    match said {
        Poll::Pending | Poll::Ready(Ok(1..)) => Ok(()),
        Poll::Ready(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Poll::Ready(Err(error)) => Err(error),
    }
}

/// The socket is connected, so that a refusal reaches it.
async fn send_datagrams(address: SocketAddr, messages: &[Vec<u8>]) -> io::Result<()> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    for message in messages {
        socket.send(message).await?;
    }
    match tokio::time::timeout(REFUSAL_WAIT, socket.recv(&mut [0])).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

fn broken(error: &io::Error) -> Failure {
    said(error).unwrap_or_else(|| {
        let kind = error.kind();
        let reason = format!("the connection ended before the server had read the message: {kind}");
        Failure::new(Class::Transient, reason)
    })
}
