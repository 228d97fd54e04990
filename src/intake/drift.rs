//! The shape of the callbacks of a source, learned from the first ones, and how later ones differ from it.
//!
//! Only names of keys and types of values are kept, never values. Vendors change their payloads without notice; a mapping
//! then reads less than before, and nobody notices until a field of an alert is missing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use campanile_model::{Callback, Fingerprint, Report, Resource, Severity, Status};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{Kept, own};
use crate::snapshot::Source;

/// The source of the alerts about changes.
pub const SOURCE: &str = "campanile/drift";

/// The first callbacks of a source are what is usual.
const LEARNING: u64 = 100;

/// And at least so long: a vendor's rarer forms come in between, and are no change.
const SETTLING: SignedDuration = SignedDuration::from_hours(1);

/// Afterwards one in so many is looked at.
const SAMPLE: u64 = 16;

/// A key that came in every callback and is missing in so many looks in a row is gone.
const LOOKS_UNTIL_GONE: u64 = 32;

/// Changes are reported at most once in this time.
const REPORTED_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// The limits of what is kept of one source, and of what is looked at in one callback.
const PATHS_MAX: usize = 500;
const PATH_BYTES_MAX: usize = 200;
const CHANGES_MAX: usize = 50;
const WORDS_MAX: usize = 20;
const NODES_MAX: u32 = 2_000;
const DEPTH_MAX: u32 = 16;

/// The keys of a map with more keys than this are names that the operator chose: they say nothing about the vendor.
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
            ChangeKind::Gone => write!(f, "{} no longer comes", self.path),
            ChangeKind::Type(now) => write!(f, "{} is {now} now", self.path),
        }
    }
}

/// What one look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The changes in this callback, to be counted.
    pub found: Vec<ChangeKind>,
    /// The changes to report to operators now.
    pub due: Vec<Change>,
}

#[derive(Default)]
struct Counts {
    new: u64,
    gone: u64,
    types: u64,
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
    /// Words for severity that no mapping knows, and how often they came.
    pub unknown_words: BTreeMap<String, u64>,
}

/// The shape of one source's payloads.
#[derive(Default)]
pub struct Drift {
    callbacks: AtomicU64,
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
    unreported: Vec<Change>,
    reported_at: Option<Timestamp>,
    words: BTreeMap<String, u64>,
    counts: Counts,
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
    /// Looks at a verified callback, or skips it.
    pub fn look(&self, call: &Callback, now: Timestamp) -> Looked {
        let before = self.callbacks.fetch_add(1, Ordering::Relaxed);
        if before >= LEARNING && !before.is_multiple_of(SAMPLE) {
            return Looked::default();
        }
        let mut shape = self.shape();
        let changes = shape.look(call, now);
        let found = changes.iter().map(|change| change.kind).collect();
        for change in changes {
            shape.keep(change);
        }
        let due = shape.due(now).unwrap_or_default();
        Looked { found, due }
    }

    /// Counts a word for severity that no mapping knows.
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
            new_keys: shape.counts.new,
            gone_keys: shape.counts.gone,
            changed_types: shape.counts.types,
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

    /// Notes a value and what is in it. Below a key that is new, nothing else counts as new.
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
        let counts = !learning && !self.settling && !quiet;
        if let Some(known) = self.paths.get_mut(walk.path.as_str()) {
            let other = known.types != 0 && is & !known.types != 0;
            known.types |= is;
            known.learned += u64::from(learning && known.last != looks);
            known.last = looks;
            known.gone = false;
            if other && counts {
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
        if counts {
            walk.found(ChangeKind::New);
        }
        true
    }

    /// Finds keys that always came and no longer come. Of a whole map that is gone only its own name is reported.
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
        match change.kind {
            ChangeKind::New => self.counts.new += 1,
            ChangeKind::Gone => self.counts.gone += 1,
            ChangeKind::Type(_) => self.counts.types += 1,
        }
        if self.recent.len() >= CHANGES_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(change.clone());
        if self.unreported.len() < CHANGES_MAX {
            self.unreported.push(change);
        }
    }

    /// The changes that are not reported yet, when it is time to report.
    fn due(&mut self, now: Timestamp) -> Option<Vec<Change>> {
        let waits = |at: Timestamp| now.duration_since(at) < REPORTED_EVERY;
        if self.unreported.is_empty() || self.reported_at.is_some_and(waits) {
            return None;
        }
        self.reported_at = Some(now);
        Some(std::mem::take(&mut self.unreported))
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

/// The gateway's own alert: the vendor of `source` changed its payload.
pub fn alert(source: &Source, changes: &[Change], now: Timestamp) -> Kept {
    let words: Vec<String> = changes.iter().map(Change::to_string).collect();
    let report = report(source, &words, now);
    let said = json!({"source": &*source.name, "changes": words});
    own::kept(SOURCE, report, &said, now)
}

/// The same source on the same day is the same message, also after a restart: at most one alert a day.
fn report(source: &Source, words: &[String], now: Timestamp) -> Report {
    let name = &*source.name;
    let day = now.to_zoned(TimeZone::UTC).date();
    let fingerprint = Fingerprint::of("campanile", ["drift", name]);
    let mut report = Report::new(format!("{name}/{day}"), fingerprint, Status::Firing);
    report.severity = Severity::Warning;
    report.title = format!("{name}: the vendor changed its payload");
    report.description = format!(
        "{}\nSee what is read of it: campanile renormalize --source {name} --since 1d --dry-run",
        words.join("\n")
    );
    report.resource = Resource {
        kind: Some("source".to_owned()),
        id: Some(name.to_owned()),
        ..Resource::default()
    };
    let vendor = source.vendor().to_owned();
    report.labels.insert("provider".to_owned(), vendor);
    report.starts_at = Some(now);
    report
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
