//! A plain HTTP/1.1 client for tests: the test controls every byte of a request, and knows whether the answer was
//! complete.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A test that waits longer has failed. It is long because other work can slow the machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The gateway never answers with a longer body.
const BODY_BYTES_MAX: usize = 64 << 20;

/// One connection.
pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status, such as 200.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, with the length that the head declares.
    pub body: String,
}

impl Reply {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The value of a header; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A request with a `Content-Length`. `head` is empty or has header lines, each with its line end.
pub fn request(method: &str, path: &str, head: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{head}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A POST with a `Content-Length`.
pub fn post(path: &str, head: &str, body: &[u8]) -> Vec<u8> {
    request("POST", path, head, body)
}

impl Wire {
    /// Opens a new connection.
    pub async fn to(address: SocketAddr) -> Self {
        Self::try_to(address).await.expect("a listener")
    }

    /// Opens a new connection; `None` when nothing listens.
    pub async fn try_to(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        Some(Self {
            stream,
            unread: Vec::new(),
        })
    }

    /// Writes bytes. A server that has already closed is not an error: its answer can still be read.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _closed = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Shuts down the sending side, and reads all answers until the server closes.
    pub async fn finish(mut self) -> Vec<Reply> {
        let _closed = self.stream.shutdown().await;
        let mut replies = Vec::new();
        while let Some(reply) = self.read_unless_closed().await {
            replies.push(reply);
        }
        replies
    }

    /// Writes a request and reads its answer.
    pub async fn send(mut self, raw: impl AsRef<[u8]>) -> Reply {
        self.write(raw).await;
        self.read().await
    }

    /// Writes a request and reads its answer, without a time limit. `None` when the connection ends before the answer
    /// is complete.
    pub async fn ask(&mut self, raw: &[u8]) -> Option<Reply> {
        self.write(raw).await;
        let (reply, whole) = self.next().await?;
        whole.then_some(reply)
    }

    /// Reads the next answer.
    pub async fn read(&mut self) -> Reply {
        let reply = self.read_unless_closed().await;
        let unread = String::from_utf8_lossy(&self.unread);
        reply.unwrap_or_else(|| panic!("closed without an answer: {unread:?}"))
    }

    /// Reads the next answer; `None` when the connection ends before its head is complete. The body may be short: the
    /// answer to HEAD declares a length but has no body.
    pub async fn read_unless_closed(&mut self) -> Option<Reply> {
        let reply = tokio::time::timeout(PATIENCE, self.next()).await;
        let reply = reply.expect("an answer in time");
        reply.map(|(reply, _)| reply)
    }

    /// Reads the next answer, and whether its body has the length that its head declares.
    async fn next(&mut self) -> Option<(Reply, bool)> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if !self.more().await {
                return None;
            }
        };
        let head: Vec<u8> = self.unread.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let pair = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers: BTreeMap<_, _> = lines.filter_map(pair).collect();
        let length = headers.get("content-length").map_or(Ok(0), |l| l.parse());
        let length = length.ok().filter(|length| *length <= BODY_BYTES_MAX)?;
        while self.unread.len() < length && self.more().await {}
        let came = length.min(self.unread.len());
        let body: Vec<u8> = self.unread.drain(..came).collect();
        let reply = Reply {
            status,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        Some((reply, came == length))
    }

    async fn more(&mut self) -> bool {
        self.unread.reserve(4096);
        let read = self.stream.read_buf(&mut self.unread).await;
        read.is_ok_and(|read| read > 0)
    }

    /// Whether the server has already closed. Bytes before the close are discarded.
    pub fn has_closed(&mut self) -> bool {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.try_read(&mut chunk) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
            }
        }
    }

    /// Waits for the server to close. False when it does not.
    pub async fn is_closed(&mut self) -> bool {
        let closed = async { while self.more().await {} };
        tokio::time::timeout(PATIENCE, closed).await.is_ok()
    }
}
