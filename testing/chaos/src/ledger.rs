//! What the vendors sent and what the gateway promised: each alert with its place in its lane, and whether it got a
//! 2xx.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::message::{Message, Said};

/// One alert that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) lane: String,
    /// The place in its lane: alerts of a lane are sent one after the other, each after the answer to the one before.
    pub(crate) place: u64,
    /// Whether it got a 2xx.
    pub(crate) promised: bool,
    pub(crate) source: String,
    /// The expected alert, byte for byte in every field from the vendor.
    pub(crate) alert: Value,
}

/// All alerts that were sent since the last time that everything was delivered.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Books>);

#[derive(Default)]
struct Books {
    said: HashMap<String, Entry>,
    places: HashMap<String, u64>,
    /// Hashes of the alerts that were delivered before: none of them may arrive again.
    past: HashSet<u64>,
    hasher: RandomState,
}

impl Ledger {
    /// Records a message before it is sent for the first time.
    pub(crate) fn say(&self, message: &Message) {
        let mut books = self.books();
        for Said {
            key,
            lane,
            source,
            alert,
        } in message.said.clone()
        {
            let place = books.places.entry(lane.clone()).or_default();
            *place += 1;
            let entry = Entry {
                place: *place,
                lane,
                promised: false,
                source,
                alert,
            };
            books.said.insert(key, entry);
        }
    }

    /// Records that a 2xx arrived.
    pub(crate) fn promise(&self, message: &Message) {
        let mut books = self.books();
        for said in &message.said {
            if let Some(entry) = books.said.get_mut(&said.key) {
                entry.promised = true;
            }
        }
    }

    /// The sent alerts, by source and message id.
    pub(crate) fn said(&self) -> HashMap<String, Entry> {
        self.books().said.clone()
    }

    /// Whether this alert was delivered before.
    pub(crate) fn is_past(&self, key: &str) -> bool {
        let books = self.books();
        books.past.contains(&books.hasher.hash_one(key))
    }

    /// Records that every sent alert is delivered or was never accepted. An alert that was not accepted may never
    /// arrive.
    pub(crate) fn close(&self, delivered: impl Fn(&str) -> bool) {
        let mut books = self.books();
        let said = std::mem::take(&mut books.said);
        for key in said.into_keys().filter(|key| delivered(key)) {
            let hash = books.hasher.hash_one(&key);
            books.past.insert(hash);
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
