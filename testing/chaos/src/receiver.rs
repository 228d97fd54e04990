//! Receivers of webhooks: real HTTP servers, each with a manner of its own, that remember what came in which order.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use campanile_receiver::{Got, Play};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::sync::watch;

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
    raw: campanile_receiver::Receiver,
    seen: Arc<Seen>,
}

struct Seen {
    arrivals: Mutex<Vec<Arrival>>,
    taken: Mutex<HashSet<String>>,
    manner: Mutex<Manner>,
    chance: Mutex<StdRng>,
    news: watch::Sender<usize>,
}

impl Receiver {
    /// Listens on a free port of loopback.
    pub(crate) async fn start(name: &'static str, chance: StdRng) -> Result<Self, Trouble> {
        let seen = Arc::new(Seen {
            arrivals: Mutex::default(),
            taken: Mutex::default(),
            manner: Mutex::new(Manner::Good),
            chance: Mutex::new(chance),
            news: watch::Sender::new(0),
        });
        let notes = Arc::clone(&seen);
        let raw = campanile_receiver::Receiver::start(move |got| notes.note(&got)).await?;
        Ok(Self { name, raw, seen })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.raw.address()
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
        let mut connections = self.raw.connections();
        // The sender lives as long as this receiver.
        let _left = connections
            .wait_for(|connections| connections.made == connections.ended)
            .await;
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
    /// What the alert of this key is answered, and whether it is taken.
    fn play(&self, key: &str) -> (Play, bool) {
        let mut chance = lock(&self.chance);
        match *lock(&self.manner) {
            Manner::Slow(most) => {
                let wait = Duration::from_millis(chance.random_range(0..=most));
                (Play::After(wait, 200), true)
            }
            Manner::Picky if is_refused(key) => (Play::status(400), false),
            Manner::Down => (Play::status(503), false),
            Manner::Flaky(percent) if chance.random_range(0..100) < percent => {
                match chance.random_range(0..5) {
                    0 => (Play::Reset, false),
                    1 => (Play::ResetInBody, false),
                    2 => (Play::AnswerAndClose(200), true),
                    3 => (Play::status(429), false),
                    _ => (Play::status(500), false),
                }
            }
            Manner::Good | Manner::Picky | Manner::Flaky(_) => (Play::status(200), true),
        }
    }

    fn note(&self, got: &Got) -> Play {
        let alert: Value = serde_json::from_slice(&got.body).unwrap_or_default();
        let word = |name: &str| alert[name].as_str().unwrap_or_default().to_owned();
        let key = format!("{} {}", word("source"), word("message_id"));
        let (play, taken) = self.play(&key);
        let arrival = Arrival {
            delivery: got.header("webhook-id").unwrap_or_default().to_owned(),
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere has failed the run already.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
