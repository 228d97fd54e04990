//! HTTP by hand: what goes over the wire is what the test says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Reply {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A request with a length.
pub(crate) fn request(method: &str, path: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut raw = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{head}\r\n"
    )
    .into_bytes();
    raw.extend_from_slice(body);
    raw
}

/// A POST with a length.
pub(crate) fn post(path: &str, head: &str, body: &[u8]) -> Vec<u8> {
    request("POST", path, head, body)
}

impl Wire {
    pub(crate) async fn to(addr: SocketAddr) -> Self {
        Self::try_to(addr).await.expect("somebody listens")
    }

    /// None where nobody listens.
    pub(crate) async fn try_to(addr: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(addr).await.ok()?;
        Some(Self {
            stream,
            unread: Vec::new(),
        })
    }

    /// Writes; a server that has closed already is not an error, its answer is still read.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _closed = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Says that nothing more comes, and reads all answers until the server is gone.
    pub(crate) async fn finish(mut self) -> Vec<Reply> {
        let _closed = self.stream.shutdown().await;
        let mut replies = Vec::new();
        while let Some(reply) = self.read_unless_closed().await {
            replies.push(reply);
        }
        replies
    }

    /// Writes a request and reads its answer.
    pub(crate) async fn send(mut self, raw: impl AsRef<[u8]>) -> Reply {
        self.write(raw).await;
        self.read().await
    }

    /// The next answer.
    pub(crate) async fn read(&mut self) -> Reply {
        let reply = self.read_unless_closed().await;
        let unread = String::from_utf8_lossy(&self.unread);
        reply.unwrap_or_else(|| panic!("closed without an answer: {unread:?}"))
    }

    /// The next answer; none when the server is gone.
    pub(crate) async fn read_unless_closed(&mut self) -> Option<Reply> {
        let reply = tokio::time::timeout(PATIENCE, self.next()).await;
        reply.expect("an answer in time")
    }

    async fn next(&mut self) -> Option<Reply> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if !self.more().await {
                return None;
            }
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).unwrap();
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let pair = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_ascii_lowercase(), value.to_owned()))
        };
        let headers: BTreeMap<_, _> = lines.filter_map(pair).collect();
        let length: usize = headers
            .get("content-length")
            .map_or(0, |l| l.parse().unwrap());
        while self.unread.len() < length && self.more().await {}
        let length = length.min(self.unread.len());
        let body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        Some(Reply {
            status,
            headers,
            body,
        })
    }

    async fn more(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let read = self.stream.read(&mut chunk).await.unwrap_or(0);
        self.unread.extend_from_slice(&chunk[..read]);
        read > 0
    }

    /// Whether the server has closed already. What came before that is forgotten.
    pub(crate) fn has_closed(&mut self) -> bool {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.try_read(&mut chunk) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
            }
        }
    }

    /// Whether the server has closed, once nothing more comes.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let closed = async { while self.more().await {} };
        tokio::time::timeout(PATIENCE, closed).await.is_ok()
    }
}
