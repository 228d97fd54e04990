//! The connection to an SMTP server: checked by the guard, with TLS from us, and with a limit on what the server sends.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::str::FromStr as _;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use lettre::transport::smtp::commands::{Ehlo, Starttls};
use lettre::transport::smtp::extension::{ClientId, Extension, ServerInfo};
use lettre::transport::smtp::response::Response;
use rustls::pki_types::ServerName;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    ReadBuf,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Server, Tls};
use crate::dial::dial;
use crate::http::client::{find, tls_words};
use crate::http::guard::{Egress, admit};
use crate::{Class, Failure};

/// A server whose response is longer is cut off. lettre reads a response again from its beginning with each line.
const RESPONSE_BYTES_MAX: u64 = 16 * 1024;

/// What lettre speaks on.
#[derive(Debug)]
struct Wire<S> {
    /// A greeting, where the server's own was read before TLS began.
    greeting: &'static [u8],
    stream: S,
    /// What the response may still have.
    left: u64,
    peer: SocketAddr,
}

/// A connection on which the server is about to greet.
pub(super) async fn connect(
    server: &Server,
    hello: &ClientId,
) -> Result<Box<dyn AsyncTokioStream>, Failure> {
    let stream = dial(&server.host, server.port, server.egress).await?;
    let peer = stream.peer_addr().map_err(|error| broken(&error))?;
    let Some(trust) = &server.trust else {
        private(peer)?;
        return Ok(wire(b"", stream, peer));
    };
    let connector = TlsConnector::from(trust.clone());
    let (stream, greeting): (_, &[u8]) = match server.tls {
        Tls::Starttls => (upgraded(stream, hello).await?, b"220 \r\n"),
        Tls::Implicit | Tls::None => (stream, b""),
    };
    let stream = encrypted(&connector, server, stream).await?;
    Ok(wire(greeting, stream, peer))
}

fn wire<S>(greeting: &'static [u8], stream: S, peer: SocketAddr) -> Box<dyn AsyncTokioStream>
where
    Wire<S>: AsyncTokioStream + 'static,
{
    let left = RESPONSE_BYTES_MAX;
    Box::new(Wire {
        greeting,
        stream,
        left,
        peer,
    })
}

/// Mail without TLS is readable for everybody on its way.
fn private(peer: SocketAddr) -> Result<(), Failure> {
    match admit(peer.ip(), Egress::PublicOnly) {
        Ok(()) => Err(Failure::new(
            Class::Operator,
            "`tls = \"none\"` is for servers with a private address, and this one is public: set `tls` to \"implicit\" or \"starttls\"",
        )),
        Err(_) => Ok(()),
    }
}

async fn encrypted(
    connector: &TlsConnector,
    server: &Server,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Failure> {
    let name = ServerName::try_from(server.host.clone());
    let name =
        name.map_err(|_| Failure::new(Class::Operator, "`host` is not a valid host name"))?;
    let stream = connector.connect(name, stream).await;
    stream.map_err(|error| match find::<rustls::Error>(&error) {
        // On the port for STARTTLS the server greets in clear text.
        Some(rustls::Error::InvalidMessage(_)) if server.tls == Tls::Implicit => Failure::new(
            Class::Operator,
            "the server does not begin with TLS on this port: set `tls = \"starttls\"`, or `port = 465`",
        ),
        Some(tls) => {
            let reason = format!("TLS failed: {}", tls_words(tls));
            Failure::new(class_of_tls(tls), reason)
        }
        None => broken(&error),
    })
}

/// A certificate that is not trusted does not get better on its own. A handshake that was cut off may.
fn class_of_tls(error: &rustls::Error) -> Class {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_) => Class::Operator,
        _ => Class::Transient,
    }
}

/// The failure of a connection that stopped.
pub(super) fn broken(error: &io::Error) -> Failure {
    let reason = format!("the connection failed: {}", error.kind());
    Failure::new(Class::Transient, reason)
}

/// Reads the greeting and asks for TLS. Nothing that came in clear text is used afterwards: somebody in between could have
/// written it.
async fn upgraded(stream: TcpStream, hello: &ClientId) -> Result<TcpStream, Failure> {
    let mut plain = BufReader::new(stream);
    let greeting = response(&mut plain).await?;
    if !greeting.is_positive() {
        return Err(super::verdict::of_greeting(&greeting));
    }
    let info = asked(&mut plain, &Ehlo::new(hello.clone()).to_string()).await?;
    let offers = ServerInfo::from_response(&info);
    let offers = offers.is_ok_and(|info| info.supports_feature(Extension::StartTls));
    let begins = if offers {
        asked(&mut plain, &Starttls.to_string())
            .await?
            .is_positive()
    } else {
        false
    };
    if !begins {
        return Err(Failure::new(
            Class::Operator,
            "the server does not offer STARTTLS: nothing was sent. Set `tls = \"implicit\"` with `port = 465` if it has that",
        ));
    }
    if !plain.buffer().is_empty() {
        return Err(Failure::new(
            Class::Operator,
            "the server sent more before TLS began: somebody in between may have written it; nothing was sent",
        ));
    }
    Ok(plain.into_inner())
}

async fn asked(plain: &mut BufReader<TcpStream>, command: &str) -> Result<Response, Failure> {
    let sent = plain.write_all(command.as_bytes()).await;
    sent.map_err(|error| broken(&error))?;
    response(plain).await
}

async fn response(plain: &mut BufReader<TcpStream>) -> Result<Response, Failure> {
    let unreadable = || {
        Failure::new(
            Class::Transient,
            "the server does not answer as an SMTP server does",
        )
    };
    let mut plain = plain.take(RESPONSE_BYTES_MAX);
    let mut text = String::new();
    loop {
        let mut line = Vec::new();
        let read = plain.read_until(b'\n', &mut line).await;
        if read.map_err(|error| broken(&error))? == 0 {
            return Err(unreadable());
        }
        line.iter_mut().for_each(ascii);
        text.push_str(&String::from_utf8_lossy(&line));
        if line.get(3) != Some(&b'-') {
            return Response::from_str(&text).map_err(|_| unreadable());
        }
    }
}

/// Responses in an old Chinese encoding are not UTF-8, and lettre reads only that.
fn ascii(byte: &mut u8) {
    if !byte.is_ascii() {
        *byte = b'?';
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let room = buffer.remaining().min(self.greeting.len());
            let (now, later) = self.greeting.split_at(room);
            buffer.put_slice(now);
            self.greeting = later;
            return Poll::Ready(Ok(()));
        }
        if self.left == 0 {
            let error = io::Error::new(io::ErrorKind::InvalidData, "the server sends too much");
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let new = buffer.filled_mut().get_mut(before..).unwrap_or_default();
        new.iter_mut().for_each(ascii);
        self.left = self.left.saturating_sub(new.len() as u64);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.left = RESPONSE_BYTES_MAX;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S> AsyncTokioStream for Wire<S>
where
    S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug,
{
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
