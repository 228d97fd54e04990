//! The connections of a listener, with or without TLS. The lifetime of each connection is limited.
//!
//! The HTTP library limits the time of the first request's head and the pause between two requests. It does not limit a
//! second request that never ends, or a sender that never reads its answers. A few thousand of those would use up all
//! connections. So a connection also ends when the gateway has sent nothing on it for longer than a valid request can
//! take. The limits apply below TLS. A TLS handshake has the same time limit as a head.

use std::fmt::Debug;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::error::DispatchError;
use actix_http::{HttpService, Request, Response};
use actix_server::Server;
use actix_service::{
    IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config,
};
use actix_web::dev::AppConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::tls::{Shown, acceptor};
use campanile_model::failpoint;

/// The limits of a listener: the number of its connections and the time of each step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The number of threads.
    pub(crate) workers: usize,
    /// The number of connections at the same time.
    pub(crate) connections: usize,
    /// The time limit for the TLS handshake, and again for the head of the first request.
    pub(crate) head: Duration,
    /// The time limit for a whole request and its answer.
    pub(crate) request: Duration,
    /// The time limit between two requests.
    pub(crate) keep_alive: Duration,
    /// How long requests in progress may take when the listener stops.
    pub(crate) stop: Duration,
}

/// Serves `app` on `listener` until the handle of the server stops it. `tls` is the certificate of a listener with TLS.
/// Call it inside a Tokio runtime.
pub(crate) fn serve<F, I, S, B>(
    listener: TcpListener,
    limits: Limits,
    tls: Option<&Arc<Shown>>,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error>,
    S::InitError: Debug,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let address = listener.local_addr()?;
    let tls = tls.map(acceptor).transpose()?;
    let server = Server::build()
        .workers(limits.workers)
        .max_concurrent_connections(limits.connections.div_ceil(limits.workers))
        .shutdown_timeout(limits.stop.as_secs())
        .disable_signals();
    let stopping = server.graceful_shutdown_signal();
    let server = server.listen(format!("http-{address}"), listener, move || {
        let (stopping, tls) = (stopping.clone(), tls.clone());
        let app = app().into_factory();
        let app = app.map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(limits.keep_alive)
            .client_request_timeout(limits.head)
            .local_addr(address)
            .h1(map_config(app, |()| AppConfig::default()));
        fn_service(move |tcp: TcpStream| {
            let peer = tcp.peer_addr().ok();
            let stream = opened(Connection::new(tcp, limits), tls.clone());
            async move {
                let stream = stream.await.map_err(DispatchError::Io)?;
                Ok((stream, peer))
            }
        })
        .and_then(http)
    })?;
    Ok(server.run())
}

/// A connection that carries HTTP. The state of TLS is large, so it is boxed: connections without TLS do not pay for
/// it.
type Stream = Either<Connection, Box<TlsStream<Connection>>>;

/// The connection, after the TLS handshake if the listener uses TLS.
async fn opened(connection: Connection, tls: Option<TlsAcceptor>) -> io::Result<Stream> {
    let Some(tls) = tls else {
        return Ok(Either::Left(connection));
    };
    let within = connection.limits.head;
    let handshake = timeout(within, tls.accept(connection));
    let opened = handshake.await.unwrap_or_else(|late| Err(late.into()));
    match opened {
        Ok(stream) => Ok(Either::Right(Box::new(stream))),
        Err(error) => {
            tracing::debug!(error = %error, "a TLS handshake failed; the gateway closed the connection");
            Err(error)
        }
    }
}

/// A connection with a deadline. After the deadline, a read returns the end of the stream, as if the sender had closed
/// it.
struct Connection {
    tcp: TcpStream,
    limits: Limits,
    /// Whether something was read since the last write.
    asked: bool,
    until: Instant,
    /// A timer that fires at `until` or sooner. It is reset only after it has fired, because most reads and writes
    /// change `until`.
    alarm: Pin<Box<Sleep>>,
}

impl Connection {
    fn new(tcp: TcpStream, limits: Limits) -> Self {
        let until = Instant::now() + limits.request;
        Self {
            tcp,
            limits,
            asked: false,
            until,
            alarm: Box::pin(sleep_until(until)),
        }
    }

    /// The first bytes of a request arrived: the time limit of the request starts. Further bytes do not extend it.
    fn heard(&mut self) {
        if !self.asked {
            self.asked = true;
            self.until = Instant::now() + self.limits.request;
        }
    }

    /// An answer, or a part of one, was written. The next request may have arrived already, together with this one.
    fn said(&mut self) {
        self.asked = false;
        self.until = Instant::now() + self.limits.keep_alive + self.limits.request;
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if failpoint::broken("broken-connections-never-end") {
            return Poll::Pending;
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if Instant::now() >= self.until {
                return Poll::Ready(());
            }
            self.alarm.as_mut().reset(self.until);
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(read) = Pin::new(&mut self.tcp).poll_read(cx, buffer) {
            self.heard();
            return Poll::Ready(read);
        }
        self.poll_over(cx).map(Ok)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = Pin::new(&mut self.tcp).poll_write(cx, bytes) {
            self.said();
            return Poll::Ready(written);
        }
        self.poll_over(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
