//! Receivers of webhooks: real HTTP servers, each with its own behaviour, that record the requests in their order.

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

/// The behaviour of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Accepts everything at once.
    Good,
    /// Fails for this percentage of requests, in different ways.
    Flaky(u8),
    /// Accepts everything, each request after at most this many milliseconds.
    Slow(u64),
    /// Refuses some alerts permanently: the same ones on every attempt.
    Picky,
    /// Accepts nothing.
    Down,
}

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The id of the delivery.
    pub(crate) delivery: String,
    /// Source and message id.
    pub(crate) key: String,
    /// The alert, without what the gateway adds.
    pub(crate) alert: Value,
    /// The id that the gateway assigned to the alert.
    pub(crate) id: String,
    /// Whether the receiver accepted the alert. A request that fails on purpose is not accepted.
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

    /// The address of the receiver.
    pub(crate) fn address(&self) -> SocketAddr {
        self.raw.address()
    }

    /// Changes the behaviour from now on.
    pub(crate) fn behave(&self, manner: Manner) {
        *lock(&self.seen.manner) = manner;
    }

    /// Whether it accepted an alert since the last [`Self::drain`].
    pub(crate) fn has(&self, key: &str) -> bool {
        lock(&self.seen.taken).contains(key)
    }

    /// Notified on each request.
    pub(crate) fn news(&self) -> watch::Receiver<usize> {
        self.seen.news.subscribe()
    }

    /// The requests since the last call, in order.
    pub(crate) fn drain(&self) -> Vec<Arrival> {
        lock(&self.seen.taken).clear();
        std::mem::take(&mut lock(&self.seen.arrivals))
    }

    /// Waits until no connection is open: then everything that a dead process had sent is read.
    pub(crate) async fn is_left(&self) {
        let mut connections = self.raw.connections();
        // The sending side of the channel lives as long as this receiver.
        let _left = connections
            .wait_for(|connections| connections.made == connections.ended)
            .await;
    }
}

/// Whether a picky receiver refuses this alert permanently.
pub(crate) fn is_refused(key: &str) -> bool {
    let sum = key.bytes().fold(7_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    sum % 40 == 0
}

impl Seen {
    /// The answer to the alert of this key, and whether it is accepted.
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
    // A panic in another thread has already failed the run.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
