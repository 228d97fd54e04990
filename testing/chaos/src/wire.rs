//! HTTP/1.1 by hand: one connection, of which it is known whether an answer came.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// More than this is no answer of ours.
const BODY_BYTES_MAX: usize = 64 << 20;

/// One connection.
pub(crate) struct Wire(BufReader<TcpStream>);

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Reply {
    /// Whether it is a promise.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Wire {
    /// None where nobody listens.
    pub(crate) async fn to(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        Some(Self(BufReader::new(stream)))
    }

    /// Sends a request. None when the connection is closed without a whole answer.
    pub(crate) async fn ask(&mut self, raw: &[u8]) -> Option<Reply> {
        // A server that has closed already may have answered all the same.
        let _closed = self.0.get_mut().write_all(raw).await;
        let head = self.line().await?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut length = 0;
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; Some(length).filter(|length| *length <= BODY_BYTES_MAX)?];
        self.0.read_exact(&mut body).await.ok()?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Some(Reply { status, body })
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let read = self.0.read_until(b'\n', &mut line).await.ok()?;
        let whole = read > 0 && line.ends_with(b"\n");
        whole.then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// A request with a length.
pub(crate) fn request(method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: localhost\r\n{headers}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
