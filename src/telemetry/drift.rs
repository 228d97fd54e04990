//! The shape of what a source sends, learned from its first callbacks, and how later ones differ from it.
//!
//! Only names of keys and types of values are kept, never values. Vendors change their payloads without a word; a mapping
//! then reads less than it did, and nobody notices until an alert is missing something.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use campanile_model::Callback;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::metrics::Tally;

/// The first callbacks of a source are what is usual.
const LEARNING: u64 = 100;

/// And at least so long: a vendor's rarer forms come in between, and are no change.
const SETTLING: SignedDuration = SignedDuration::from_hours(1);

/// Afterwards one in so many is looked at.
const SAMPLE: u64 = 16;

/// A key that came in every callback and is missing in so many looks in a row is gone.
const LOOKS_UNTIL_GONE: u64 = 32;

/// Changes are told of at most once in this time.
const TOLD_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// What is kept of one source at the most, and what is looked at of one callback.
const PATHS_MAX: usize = 500;
const PATH_BYTES_MAX: usize = 200;
const CHANGES_MAX: usize = 50;
const WORDS_MAX: usize = 20;
const NODES_MAX: u32 = 2_000;
const DEPTH_MAX: u32 = 16;

/// A map with more keys than this has names of somebody's own for keys: they say nothing of the vendor.
const CHILDREN_MAX: u32 = 32;

/// Maps whose keys are always the operator's own, by the end of their names.
const OWN_KEYS: &[&str] = &["labels", "annotations", "tags", "dimensions", "headers"];

/// The types of values, as bits.
const TYPES: &[(u8, &str)] = &[
    (1, "true or false"),
    (2, "a number"),
    (4, "text"),
    (8, "a list"),
    (16, "a map"),
];
const TEXT: u8 = 4;

/// One difference from what is usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key, such as `body.alerts[].startsAt`.
    pub path: String,
    /// What is with it.
    pub kind: ChangeKind,
}

/// What is with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It never came before.
    New,
    /// It came with every callback, and does not come any more.
    Gone,
    /// Its value is of a type that it never had: the one given here.
    Type(&'static str),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ChangeKind::New => write!(f, "{} is new", self.path),
            ChangeKind::Gone => write!(f, "{} does not come any more", self.path),
            ChangeKind::Type(now) => write!(f, "{} is {now} now", self.path),
        }
    }
}

/// How many changes there were.
pub struct Tallies {
    /// Keys never seen before.
    pub new: Tally,
    /// Keys gone.
    pub gone: Tally,
    /// Values of another type.
    pub types: Tally,
}

/// What operators see.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    /// Whether the source is still being learned.
    pub learning: bool,
    /// Callbacks that were looked at.
    pub looked_at: u64,
    /// Keys that are known.
    pub keys: usize,
    /// There are more keys than are kept.
    pub full: bool,
    /// How many keys were new after the learning.
    pub new_keys: u64,
    /// How many went.
    pub gone_keys: u64,
    /// How many changed their type.
    pub changed_types: u64,
    /// The last changes, in words.
    pub changes: Vec<String>,
    /// Words for severity that nobody has mapped, and how often they came.
    pub unknown_words: BTreeMap<String, u64>,
}

/// The shape of one source's payloads.
pub struct Drift {
    callbacks: AtomicU64,
    tallies: Tallies,
    shape: Mutex<Shape>,
}

#[derive(Default)]
struct Shape {
    looks: u64,
    began: Option<Timestamp>,
    settling: bool,
    paths: HashMap<Box<str>, Known>,
    full: bool,
    recent: VecDeque<Change>,
    untold: Vec<Change>,
    told_at: Option<Timestamp>,
    words: BTreeMap<String, u64>,
}

#[derive(Default)]
struct Known {
    types: u8,
    /// In how many looks of the learning it came.
    learned: u64,
    /// The last look in which it came.
    last: u64,
    children: u32,
    gone: bool,
}

/// A walk through one callback.
struct Walk {
    path: String,
    nodes: u32,
    found: Vec<Change>,
}

impl Drift {
    /// Nothing is known yet.
    pub fn new(tallies: Tallies) -> Self {
        Self {
            callbacks: AtomicU64::new(0),
            tallies,
            shape: Mutex::default(),
        }
    }

    /// Looks at a believed callback, or lets it pass. Gives the changes of which operators are to be told now.
    pub fn look(&self, call: &Callback, now: Timestamp) -> Option<Vec<Change>> {
        let before = self.callbacks.fetch_add(1, Ordering::Relaxed);
        if before >= LEARNING && !before.is_multiple_of(SAMPLE) {
            return None;
        }
        let mut shape = self.shape();
        let found = shape.look(call, now);
        for change in found {
            match change.kind {
                ChangeKind::New => self.tallies.new.add(),
                ChangeKind::Gone => self.tallies.gone.add(),
                ChangeKind::Type(_) => self.tallies.types.add(),
            }
            shape.keep(change);
        }
        shape.due(now)
    }

    /// Counts a word for severity that nobody has mapped.
    pub fn unknown_word(&self, word: &str) {
        let mut shape = self.shape();
        let word: String = word.chars().take(40).collect();
        if shape.words.len() < WORDS_MAX || shape.words.contains_key(&word) {
            *shape.words.entry(word).or_default() += 1;
        }
    }

    /// What is known, for operators.
    pub fn seen(&self) -> Seen {
        let shape = self.shape();
        Seen {
            learning: shape.looks < LEARNING,
            looked_at: shape.looks,
            keys: shape.paths.len(),
            full: shape.full,
            new_keys: self.tallies.new.get(),
            gone_keys: self.tallies.gone.get(),
            changed_types: self.tallies.types.get(),
            changes: shape.recent.iter().map(ToString::to_string).collect(),
            unknown_words: shape.words.clone(),
        }
    }

    fn shape(&self) -> MutexGuard<'_, Shape> {
        self.shape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shape {
    fn look(&mut self, call: &Callback, now: Timestamp) -> Vec<Change> {
        self.looks += 1;
        self.settling = now < *self.began.get_or_insert(now) + SETTLING;
        let mut walk = Walk {
            path: String::new(),
            nodes: NODES_MAX,
            found: Vec::new(),
        };
        for (name, _) in call.params().unwrap_or_default() {
            walk.below("params", ".", name, |walk| {
                let _new = self.note(walk, TEXT, false);
            });
        }
        let holds_json = call.body.trim_ascii_start().starts_with(b"{")
            || call.body.trim_ascii_start().starts_with(b"[");
        if let Some(json) = holds_json.then(|| call.json().ok()).flatten() {
            walk.below("body", "", "", |walk| self.walk(walk, json, 0, false));
        }
        if !self.is_learning() {
            self.gone(&mut walk.found);
        }
        walk.found
    }

    fn is_learning(&self) -> bool {
        self.looks <= LEARNING
    }

    /// Notes a value and what is in it. Below a key that is new, nothing else is told as new.
    fn walk(&mut self, walk: &mut Walk, value: &Value, depth: u32, quiet: bool) {
        let Some(nodes) = walk.nodes.checked_sub(1).filter(|_| depth < DEPTH_MAX) else {
            return;
        };
        walk.nodes = nodes;
        let quiet = self.note(walk, type_of(value), quiet) || quiet;
        match value {
            Value::Array(items) => {
                for item in items {
                    walk.below("", "[]", "", |walk| self.walk(walk, item, depth + 1, quiet));
                }
            }
            Value::Object(fields) => {
                let own = self.has_own_keys(&walk.path);
                for (key, value) in fields {
                    let key = if own { "*" } else { key };
                    walk.below("", ".", key, |walk| {
                        self.walk(walk, value, depth + 1, quiet);
                    });
                }
            }
            _ => {}
        }
    }

    fn has_own_keys(&self, path: &str) -> bool {
        let name = path.rsplit('.').next().unwrap_or_default();
        let name = name.trim_end_matches("[]").to_ascii_lowercase();
        let many = |known: &Known| known.children > CHILDREN_MAX;
        OWN_KEYS.iter().any(|end| name.ends_with(end)) || self.paths.get(path).is_some_and(many)
    }

    /// Notes that a key came with a value of this type. True where it is new.
    fn note(&mut self, walk: &mut Walk, is: u8, quiet: bool) -> bool {
        let (looks, learning) = (self.looks, self.is_learning());
        let told = !learning && !self.settling && !quiet;
        if let Some(known) = self.paths.get_mut(walk.path.as_str()) {
            let other = known.types != 0 && is & !known.types != 0;
            known.types |= is;
            known.learned += u64::from(learning && known.last != looks);
            known.last = looks;
            known.gone = false;
            if other && told {
                walk.found(ChangeKind::Type(word(is)));
            }
            return false;
        }
        if self.paths.len() >= PATHS_MAX || walk.path.len() > PATH_BYTES_MAX {
            self.full = true;
            return false;
        }
        if let Some((parent, _)) = walk.path.rsplit_once('.')
            && let Some(parent) = self.paths.get_mut(parent)
        {
            parent.children += 1;
        }
        let known = Known {
            types: is,
            learned: u64::from(learning),
            last: looks,
            ..Known::default()
        };
        self.paths.insert(walk.path.as_str().into(), known);
        if told {
            walk.found(ChangeKind::New);
        }
        true
    }

    /// Finds keys that always came and come no more. Of a whole map that is gone only its own name is told.
    fn gone(&mut self, found: &mut Vec<Change>) {
        let looks = self.looks;
        let mut gone: Vec<String> = Vec::new();
        for (path, known) in &mut self.paths {
            let always = known.learned == LEARNING;
            if always && !known.gone && looks - known.last >= LOOKS_UNTIL_GONE {
                if self.settling {
                    // It is one that comes with some messages only.
                    known.learned = 0;
                    continue;
                }
                known.gone = true;
                gone.push(path.to_string());
            }
        }
        gone.sort_unstable();
        let mut last: Option<String> = None;
        for path in gone {
            let inside = |last: &String| {
                let rest = path.strip_prefix(last.as_str());
                rest.is_some_and(|rest| rest.starts_with(['.', '[']))
            };
            if last.as_ref().is_some_and(inside) {
                continue;
            }
            let kind = ChangeKind::Gone;
            last = Some(path.clone());
            found.push(Change { path, kind });
        }
    }

    fn keep(&mut self, change: Change) {
        if self.recent.len() >= CHANGES_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(change.clone());
        if self.untold.len() < CHANGES_MAX {
            self.untold.push(change);
        }
    }

    /// The changes that nobody was told of, when it is time to tell.
    fn due(&mut self, now: Timestamp) -> Option<Vec<Change>> {
        let waits = |told: Timestamp| now.duration_since(told) < TOLD_EVERY;
        if self.untold.is_empty() || self.told_at.is_some_and(waits) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

impl Walk {
    /// Goes to a key below the present one, does something there, and comes back.
    fn below(&mut self, root: &str, mark: &str, key: &str, work: impl FnOnce(&mut Self)) {
        let here = self.path.len();
        for part in [root, mark, key] {
            self.path.push_str(part);
        }
        work(self);
        self.path.truncate(here);
    }

    fn found(&mut self, kind: ChangeKind) {
        if self.found.len() < CHANGES_MAX {
            let path = self.path.clone();
            self.found.push(Change { path, kind });
        }
    }
}

/// The bit of a value's type. `null` is of no type: the key is there and says nothing.
fn type_of(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => TEXT,
        Value::Array(_) => 8,
        Value::Object(_) => 16,
    }
}

fn word(of: u8) -> &'static str {
    let found = TYPES.iter().find(|(bit, _)| *bit == of);
    found.map_or("something else", |(_, word)| word)
}
