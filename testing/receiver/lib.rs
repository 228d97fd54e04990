//! A receiver of webhooks over raw TCP, for tests: it can answer with the faults of real receivers.
//!
//! A function computes the answer from the request. The function can keep state. The modules `server`, `mariadb` and `postgres`
//! start real receivers.

pub mod dnspod;
pub mod google;
pub mod mariadb;
pub mod pool;
pub mod postgres;
pub mod scripted;
pub mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The answer to a request.
#[derive(Clone, Debug)]
pub enum Play {
    /// A complete answer: status, headers, body.
    Answer(u16, Vec<(String, String)>, String),
    /// A complete answer without a body, after this delay.
    After(Duration, u16),
    /// A valid head, then one byte of the body at a time, without end.
    Drip,
    /// A body without end, as fast as it is read.
    Endless,
    /// The connection is reset after the request is read.
    Reset,
    /// The connection is reset in the middle of the body.
    ResetInBody,
    /// No answer, and the connection stays open.
    Silence,
    /// A complete answer. Then the connection is closed, without `connection: close`.
    AnswerAndClose(u16),
    /// These bytes unchanged, followed by [`Then`].
    Raw(Vec<u8>, Then),
}

/// The behaviour after the bytes of [`Play::Raw`].
#[derive(Clone, Debug)]
pub enum Then {
    /// The connection is closed.
    Close,
    /// The next request is read.
    Next,
    /// These bytes are repeated, as fast as they are read.
    Again(Vec<u8>),
    /// These bytes are repeated, one at a time.
    Drip(Vec<u8>),
}

impl Play {
    /// A complete answer without a body.
    pub fn status(status: u16) -> Self {
        Self::Answer(status, Vec::new(), String::new())
    }

    /// A complete answer with one header.
    pub fn with(status: u16, name: &str, value: &str) -> Self {
        Self::Answer(status, vec![(name.into(), value.into())], String::new())
    }

    /// 200 with this body.
    pub fn body(body: &str) -> Self {
        Self::Answer(200, Vec::new(), body.to_owned())
    }
}

/// A request, as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Got {
    /// The method, such as `POST`.
    pub method: String,
    /// The path and query.
    pub target: String,
    /// The headers in their order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, with the length that the head declares.
    pub body: Vec<u8>,
}

impl Got {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// The connections of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// The number of accepted connections.
    pub made: usize,
    /// The number of connections that have ended.
    pub ended: usize,
}

/// A receiver that listens until it is dropped.
pub struct Receiver {
    address: SocketAddr,
    stage: Arc<Stage>,
    listening: JoinHandle<()>,
}

struct Stage {
    play: Box<dyn Fn(Got) -> Play + Send + Sync>,
    connections: watch::Sender<Connections>,
    sent: AtomicU64,
    hung_up: watch::Sender<bool>,
}

impl Receiver {
    /// Listens on a free port of loopback and answers each request with the result of `play`.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn start(
        play: impl Fn(Got) -> Play + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let stage = Arc::new(Stage {
            play: Box::new(play),
            connections: watch::Sender::default(),
            sent: AtomicU64::new(0),
            hung_up: watch::Sender::new(false),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&stage)));
        Ok(Self {
            address,
            stage,
            listening,
        })
    }

    /// The address of the receiver.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counts of its connections.
    pub fn connections(&self) -> watch::Receiver<Connections> {
        self.stage.connections.subscribe()
    }

    /// The number of bytes of endless answers that were sent, including bytes in the buffers of the kernel.
    pub fn sent(&self) -> u64 {
        self.stage.sent.load(Ordering::Relaxed)
    }

    /// Closes all connections that wait without an answer.
    pub fn hangs_up(&self) {
        self.stage.hung_up.send_replace(true);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, stage: Arc<Stage>) {
    // The connections end with the listener: the set aborts them when it is dropped.
    let mut talks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let stage = Arc::clone(&stage);
        stage.connections.send_modify(|count| count.made += 1);
        while talks.try_join_next().is_some() {}
        talks.spawn(async move {
            // A sender that closes its connection is not an error.
            let _hung_up = talk(stream, &stage).await;
            stage.connections.send_modify(|count| count.ended += 1);
        });
    }
}

async fn talk(stream: TcpStream, stage: &Stage) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(got) = request(&mut stream).await? {
        match (stage.play)(got) {
            Play::After(wait, status) => {
                tokio::time::sleep(wait).await;
                stream.write_all(&answer(status, &[], "")).await?;
            }
            Play::Answer(status, headers, body) => {
                stream.write_all(&answer(status, &headers, &body)).await?;
            }
            Play::AnswerAndClose(status) => {
                stream.write_all(&answer(status, &[], "")).await?;
                return stream.shutdown().await;
            }
            Play::Drip => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
                stream.write_all(head).await?;
                return drip(&mut stream, b".").await;
            }
            Play::Endless => return endless(&mut stream).await,
            Play::Reset => return reset(&stream),
            Play::ResetInBody => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf";
                stream.write_all(head).await?;
                stream.flush().await?;
                return reset(&stream);
            }
            Play::Silence => {
                let mut hung_up = stage.hung_up.subscribe();
                let _stage_is_gone = hung_up.wait_for(|hung_up| *hung_up).await;
                return Ok(());
            }
            Play::Raw(bytes, then) => {
                stream.write_all(&bytes).await?;
                stream.flush().await?;
                match then {
                    Then::Close => return stream.shutdown().await,
                    Then::Next => {}
                    Then::Again(bytes) => loop {
                        stream.write_all(&bytes).await?;
                        stage.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    },
                    Then::Drip(bytes) => return drip(&mut stream, &bytes).await,
                }
            }
        }
    }
    Ok(())
}

async fn request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Got>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let mut got = Got {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        ..Got::default()
    };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let (name, value) = (name.trim().to_lowercase(), value.trim().to_owned());
        got.headers.push((name, value));
    }
    let length = got.header("content-length").map(str::parse);
    got.body = vec![0; length.and_then(Result::ok).unwrap_or(0)];
    stream.read_exact(&mut got.body).await?;
    Ok(Some(got))
}

fn answer(status: u16, headers: &[(String, String)], body: &str) -> Vec<u8> {
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let headers = headers.concat();
    let length = body.len();
    format!("HTTP/1.1 {status} Word\r\n{headers}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

async fn drip(stream: &mut BufReader<TcpStream>, bytes: &[u8]) -> std::io::Result<()> {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    loop {
        for byte in bytes {
            beat.tick().await;
            stream.write_all(&[*byte]).await?;
            stream.flush().await?;
        }
    }
}

async fn endless(stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
    let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    stream.write_all(head).await?;
    loop {
        stream.write_all(&[b'.'; 16 * 1024]).await?;
    }
}

/// With a linger of zero, closing sends a reset.
fn reset(stream: &BufReader<TcpStream>) -> std::io::Result<()> {
    socket2::SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO))
}
