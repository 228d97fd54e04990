//! Receivers of webhooks: real HTTP servers, each with a manner of its own, that remember what came in which order.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Trouble;
use crate::vendors::own_words;

/// How a receiver behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes everything at once.
    Good,
    /// Fails in so many of a hundred requests, in every way.
    Flaky(u8),
    /// Takes everything, each after up to so many milliseconds.
    Slow(u64),
    /// Refuses some alerts for ever: the same ones on every try.
    Picky,
    /// Takes nothing.
    Down,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The delivery's id.
    pub(crate) delivery: String,
    /// Source and message id.
    pub(crate) key: String,
    /// The alert, without what the gateway adds.
    pub(crate) alert: Value,
    /// The gateway's id of it.
    pub(crate) id: String,
    /// Whether the receiver has it and says so. When it fails on purpose, it has not.
    pub(crate) taken: bool,
}

/// A receiver that listens until it is dropped.
pub(crate) struct Receiver {
    pub(crate) name: &'static str,
    address: SocketAddr,
    seen: Arc<Seen>,
    listening: JoinHandle<()>,
}

struct Seen {
    arrivals: Mutex<Vec<Arrival>>,
    taken: Mutex<HashSet<String>>,
    manner: Mutex<Manner>,
    chance: Mutex<StdRng>,
    news: watch::Sender<usize>,
    connections: watch::Sender<usize>,
}

/// What a request is answered with.
enum Play {
    Take,
    TakeAndClose,
    TakeAfter(Duration),
    Refuse(&'static str),
    Reset,
    ResetInBody,
}

impl Receiver {
    /// Listens on a free port of loopback.
    pub(crate) async fn start(name: &'static str, chance: StdRng) -> Result<Self, Trouble> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen {
            arrivals: Mutex::default(),
            taken: Mutex::default(),
            manner: Mutex::new(Manner::Good),
            chance: Mutex::new(chance),
            news: watch::Sender::new(0),
            connections: watch::Sender::new(0),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&seen)));
        Ok(Self {
            name,
            address,
            seen,
            listening,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves so from now on.
    pub(crate) fn behave(&self, manner: Manner) {
        *lock(&self.seen.manner) = manner;
    }

    /// Whether it took an alert since the last [`Self::drain`].
    pub(crate) fn has(&self, key: &str) -> bool {
        lock(&self.seen.taken).contains(key)
    }

    /// Told with each request.
    pub(crate) fn news(&self) -> watch::Receiver<usize> {
        self.seen.news.subscribe()
    }

    /// What came since the last time, in order.
    pub(crate) fn drain(&self) -> Vec<Arrival> {
        lock(&self.seen.taken).clear();
        std::mem::take(&mut lock(&self.seen.arrivals))
    }

    /// Waits until nobody is connected: what a process that died had sent is read by then.
    pub(crate) async fn is_left(&self) {
        let mut connections = self.seen.connections.subscribe();
        // The sender lives as long as this receiver.
        let _left = connections.wait_for(|count| *count == 0).await;
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Whether a picky receiver refuses this alert for ever.
pub(crate) fn is_refused(key: &str) -> bool {
    let sum = key.bytes().fold(7_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    sum % 40 == 0
}

impl Seen {
    fn play(&self, key: &str) -> Play {
        let mut chance = lock(&self.chance);
        match *lock(&self.manner) {
            Manner::Slow(most) => {
                Play::TakeAfter(Duration::from_millis(chance.random_range(0..=most)))
            }
            Manner::Picky if is_refused(key) => Play::Refuse("400 Bad Request"),
            Manner::Down => Play::Refuse("503 Service Unavailable"),
            Manner::Flaky(percent) if chance.random_range(0..100) < percent => {
                match chance.random_range(0..5) {
                    0 => Play::Reset,
                    1 => Play::ResetInBody,
                    2 => Play::TakeAndClose,
                    3 => Play::Refuse("429 Too Many Requests"),
                    _ => Play::Refuse("500 Internal Server Error"),
                }
            }
            Manner::Good | Manner::Picky | Manner::Flaky(_) => Play::Take,
        }
    }

    fn note(&self, delivery: String, body: &[u8]) -> Play {
        let alert: Value = serde_json::from_slice(body).unwrap_or_default();
        let word = |name: &str| alert[name].as_str().unwrap_or_default().to_owned();
        let key = format!("{} {}", word("source"), word("message_id"));
        let play = self.play(&key);
        let taken = matches!(play, Play::Take | Play::TakeAndClose | Play::TakeAfter(_));
        let arrival = Arrival {
            delivery,
            id: word("id"),
            key: key.clone(),
            alert: own_words(alert),
            taken,
        };
        lock(&self.arrivals).push(arrival);
        if taken {
            lock(&self.taken).insert(key);
        }
        self.news.send_modify(|count| *count += 1);
        play
    }
}

async fn listen(listener: TcpListener, seen: Arc<Seen>) {
    // The connections end with the listener: the set aborts them when it is dropped.
    let mut talks = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let seen = Arc::clone(&seen);
        seen.connections.send_modify(|count| *count += 1);
        while talks.try_join_next().is_some() {}
        talks.spawn(async move {
            // A sender that hangs up has been served.
            let _hung_up = talk(stream, &seen).await;
            seen.connections.send_modify(|count| *count -= 1);
        });
    }
}

async fn talk(stream: TcpStream, seen: &Seen) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some((delivery, body)) = request(&mut stream).await? {
        match seen.note(delivery, &body) {
            Play::Take => answer(&mut stream, "200 OK").await?,
            Play::TakeAfter(wait) => {
                tokio::time::sleep(wait).await;
                answer(&mut stream, "200 OK").await?;
            }
            Play::Refuse(status) => answer(&mut stream, status).await?,
            Play::TakeAndClose => {
                answer(&mut stream, "200 OK").await?;
                return stream.shutdown().await;
            }
            Play::Reset => return reset(&stream),
            Play::ResetInBody => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf";
                stream.write_all(head).await?;
                stream.flush().await?;
                return reset(&stream);
            }
        }
    }
    Ok(())
}

/// The delivery's id and the body; none when the connection is closed before a whole request has come.
async fn request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let (mut delivery, mut length) = (String::new(), 0);
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "webhook-id" => value.trim().clone_into(&mut delivery),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some((delivery, body)))
}

async fn answer(stream: &mut BufReader<TcpStream>, status: &str) -> std::io::Result<()> {
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

/// With a linger of zero, closing sends a reset.
fn reset(stream: &BufReader<TcpStream>) -> std::io::Result<()> {
    socket2::SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere has failed the run already.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
