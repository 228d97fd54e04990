//! Receivers: real HTTP servers, a file and a database, each with its own kind of sink and behaviour, that record what arrives in
//! its order.

mod lines;
mod table;
mod way;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use campanile_receiver::{Got, Play};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::sync::watch;

use crate::Trouble;
use lines::Lines;
use table::Table;
pub(crate) use way::Way;

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

/// One alert, as it arrived. A message for people has no alert and no ids.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The id of the delivery.
    pub(crate) delivery: Option<String>,
    /// Source and message id.
    pub(crate) key: String,
    /// The alert, without what the gateway adds.
    pub(crate) alert: Option<Value>,
    /// The id that the gateway assigned to the alert.
    pub(crate) id: Option<String>,
    /// Whether the receiver accepted the alert. A request that fails on purpose is not accepted.
    pub(crate) taken: bool,
}

/// A receiver that listens until it is dropped.
pub(crate) struct Receiver {
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    place: Place,
    seen: Arc<Seen>,
}

/// Where alerts arrive.
enum Place {
    Server(campanile_receiver::Receiver),
    Lines(Mutex<Lines>),
    Table(Mutex<Table>),
}

struct Seen {
    way: Way,
    arrivals: Mutex<Vec<Arrival>>,
    taken: Mutex<HashSet<String>>,
    manner: Mutex<Manner>,
    chance: Mutex<StdRng>,
    news: watch::Sender<usize>,
}

impl Receiver {
    /// Listens on a free port of loopback. A file is in this folder.
    pub(crate) async fn start(
        name: &'static str,
        way: Way,
        folder: &Path,
        chance: StdRng,
    ) -> Result<Self, Trouble> {
        let seen = Arc::new(Seen {
            way,
            arrivals: Mutex::default(),
            taken: Mutex::default(),
            manner: Mutex::new(Manner::Good),
            chance: Mutex::new(chance),
            news: watch::Sender::new(0),
        });
        let notes = Arc::clone(&seen);
        let place = match way {
            Way::File => Place::Lines(Mutex::new(Lines::of(folder.join("alerts.jsonl")))),
            Way::Sqlite => Place::Table(Mutex::new(Table::of(folder.join("alerts.db")))),
            _ => Place::Server(
                campanile_receiver::Receiver::start(move |got| notes.answer(&got)).await?,
            ),
        };
        Ok(Self {
            name,
            way,
            place,
            seen,
        })
    }

    /// The full name of its sink.
    pub(crate) fn sink(&self) -> String {
        format!("{}/{}", self.way.kind(), self.name)
    }

    /// The table of its sink, as TOML of the config, without the settings that all sinks share.
    pub(crate) fn config(&self) -> String {
        let at = match &self.place {
            Place::Server(raw) => raw.address().to_string(),
            Place::Lines(lines) => lock(lines).path.display().to_string(),
            Place::Table(table) => lock(table).path.display().to_string(),
        };
        let (kind, name, settings) = (self.way.kind(), self.name, self.way.settings(&at));
        format!("[sinks.{kind}.{name}]\n{settings}")
    }

    /// Changes the behaviour from now on.
    pub(crate) fn behave(&self, manner: Manner) {
        *lock(&self.seen.manner) = manner;
    }

    /// Whether it accepted an alert since the last [`Self::drain`]. A file knows only what [`Self::look`] has read.
    pub(crate) fn has(&self, key: &str) -> bool {
        lock(&self.seen.taken).contains(key)
    }

    /// Reads what was written to a file. A server knows its requests already.
    pub(crate) fn look(&self) -> Result<(), Trouble> {
        let alerts = match &self.place {
            Place::Server(_) => return Ok(()),
            Place::Lines(lines) => lock(lines).next()?,
            Place::Table(table) => lock(table).next()?,
        };
        for alert in alerts {
            let got = Got {
                body: alert.into_bytes(),
                ..Got::default()
            };
            self.seen.note(self.way.arrival(&got), true);
        }
        Ok(())
    }

    /// Notified on each request.
    pub(crate) fn news(&self) -> watch::Receiver<usize> {
        self.seen.news.subscribe()
    }

    /// What arrived since the last call, in order.
    pub(crate) fn drain(&self) -> Result<Vec<Arrival>, Trouble> {
        self.look()?;
        lock(&self.seen.taken).clear();
        Ok(std::mem::take(&mut lock(&self.seen.arrivals)))
    }

    /// Waits until no connection is open: then everything that a dead process had sent is read.
    pub(crate) async fn is_left(&self) {
        let Place::Server(raw) = &self.place else {
            return;
        };
        let mut connections = raw.connections();
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
                    2 => (self.way.success_and_close(), true),
                    3 => (self.way.refusal(), false),
                    _ => (Play::status(500), false),
                }
            }
            Manner::Good | Manner::Picky | Manner::Flaky(_) => {
                (Play::body(self.way.success()), true)
            }
        }
    }

    fn answer(&self, got: &Got) -> Play {
        let arrival = self.way.arrival(got);
        let (play, taken) = self.play(&arrival.key);
        self.note(arrival, taken);
        play
    }

    fn note(&self, arrival: Arrival, taken: bool) {
        let key = arrival.key.clone();
        lock(&self.arrivals).push(Arrival { taken, ..arrival });
        if taken {
            lock(&self.taken).insert(key);
        }
        self.news.send_modify(|count| *count += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in another thread has already failed the run.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
