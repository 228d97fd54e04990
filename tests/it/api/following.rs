//! A client of a stream that reads only when a test wants it.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::patience::within;
use crate::standing::{TOKEN, request};

/// The header that asks for lines of JSON.
pub(crate) const LINES: &str = "accept: application/x-ndjson\r\n";

/// An open stream.
pub(crate) struct Following {
    tcp: TcpStream,
    raw: Vec<u8>,
    text: Vec<u8>,
    pub(crate) head: String,
    over: bool,
}

impl Following {
    /// Opens a stream of lines.
    pub(crate) async fn lines(admin: SocketAddr, query: &str) -> Self {
        Self::open(admin, query, LINES).await
    }

    /// Opens a stream and reads the head of the answer.
    pub(crate) async fn open(admin: SocketAddr, query: &str, head: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        Self::on(socket, admin, query, head).await
    }

    /// Opens a stream whose reader has almost no room for what it does not read.
    pub(crate) async fn narrow(admin: SocketAddr, query: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self::on(socket, admin, query, LINES).await
    }

    async fn on(socket: TcpSocket, admin: SocketAddr, query: &str, head: &str) -> Self {
        let mut tcp = socket.connect(admin).await.unwrap();
        let path = format!("/api/v1/stream{query}");
        let head = format!("authorization: Bearer {TOKEN}\r\n{head}");
        let asked = request("GET", &path, &head, b"");
        tcp.write_all(&asked).await.unwrap();
        let mut following = Self {
            tcp,
            raw: Vec::new(),
            text: Vec::new(),
            head: String::new(),
            over: false,
        };
        let head = within("the head of a stream", following.raw_until(b"\r\n\r\n")).await;
        let head = head.expect("a head");
        following.head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        following
    }

    /// The text up to this mark, and the mark. None at the end of the stream.
    pub(crate) async fn until(&mut self, mark: &str) -> Option<String> {
        let what = format!("{mark:?} in the stream");
        within(&what, self.marked(mark)).await
    }

    async fn marked(&mut self, mark: &str) -> Option<String> {
        loop {
            let found = self
                .text
                .windows(mark.len())
                .position(|w| w == mark.as_bytes());
            if let Some(at) = found {
                let text: Vec<u8> = self.text.drain(..at + mark.len()).collect();
                return Some(String::from_utf8(text).unwrap());
            }
            self.chunk().await?;
        }
    }

    /// The next line of JSON. None at the end of the stream.
    pub(crate) async fn line(&mut self) -> Option<Value> {
        within("a line in the stream", self.parsed()).await
    }

    async fn parsed(&mut self) -> Option<Value> {
        let line = self.marked("\n").await?;
        Some(serde_json::from_str(&line).unwrap())
    }

    /// The next line with this event. Only lines without an event may come before it.
    pub(crate) async fn next(&mut self, event: &str) -> Value {
        let coming = async {
            loop {
                let line = self.parsed().await;
                let line = line.unwrap_or_else(|| panic!("no `{event}`"));
                if line["event"] == event {
                    return line;
                }
                assert_eq!(line["event"], "place", "not `{event}`: {line}");
            }
        };
        within(&format!("the event `{event}`"), coming).await
    }

    /// The message ids of the next alerts.
    pub(crate) async fn alerts(&mut self, count: usize) -> Vec<String> {
        let mut seen = Vec::new();
        while seen.len() < count {
            let alert = self.next("alert").await;
            seen.push(alert["data"]["message_id"].as_str().unwrap().to_owned());
        }
        seen
    }

    /// Reads one chunk of the body.
    async fn chunk(&mut self) -> Option<()> {
        if self.over {
            return None;
        }
        let size = self.raw_until(b"\r\n").await?;
        let size = String::from_utf8(size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        while self.raw.len() < size + 2 {
            self.more().await?;
        }
        self.text.extend(self.raw.drain(..size));
        self.raw.drain(..2);
        self.over = size == 0;
        Some(())
    }

    async fn raw_until(&mut self, mark: &[u8]) -> Option<Vec<u8>> {
        loop {
            let found = self.raw.windows(mark.len()).position(|w| w == mark);
            if let Some(at) = found {
                return Some(self.raw.drain(..at + mark.len()).collect());
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.tcp.read_buf(&mut self.raw).await;
        read.is_ok_and(|read| read > 0).then_some(())
    }
}
