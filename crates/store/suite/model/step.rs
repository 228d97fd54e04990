//! Random operations on a store. Any step can follow any other: a step chooses its target from the rows that exist. So
//! proptest can remove any step of a failing run.

use campanile_model::{Fingerprint, Severity, Status};
use campanile_store::{Answered, Arrival, DedupKey, Entry, Fault, NewAlert, Verdict};
use jiff::{SignedDuration, Timestamp};
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::Index;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Few of each, so random steps often hit the same ones.
pub(super) const SOURCES: [&str; 2] = ["ucloud/prod", "jiankong/web"];
pub(super) const SINKS: [&str; 3] = ["webhook/a", "webhook/b", "file/c"];
const MESSAGES: u8 = 24;
pub(super) const PROBLEMS: u64 = 4;
/// Parts of the titles of messages.
pub(super) const WORDS: [&str; 3] = ["MESSAGE", "problem: 2", "resolved: true"];

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Callbacks that arrive at the same time.
    Append(Vec<Call>),
    /// Outcomes of pending deliveries, written together.
    Settle(Vec<(Index, Outcome)>),
    /// An outcome of a delivery that may not be pending for this sink.
    SettleAny(Index, usize, Outcome),
    /// A pending delivery is held, or ended without being sent.
    Mute(Index, bool),
    /// A held alert is pending again, or ended.
    Unhold(Index, bool),
    RetryDead(Vec<Index>),
    DropDead(Vec<Index>),
    Retry(Index, usize),
    DropPending(Index),
    DropAny(Index, usize),
    Release(Index, Call),
    DropQuarantined(Vec<Index>),
    /// A callback that an operator appends.
    AppendBy(Call),
    /// An act that changes nothing in the store.
    Record(u8),
    /// Everything older than this number of seconds.
    Prune(u8),
    Pass(u8),
    Look(Look),
    Crash(Crash),
}

/// How a store ends, each followed by a new start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Crash {
    /// Closed, as at a stop.
    Closed,
    /// Dropped without a close.
    Dropped,
    /// Killed: a copy of the files at that moment.
    Killed,
}

/// A filter for one page.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(super) source: Option<usize>,
    pub(super) sink: Option<usize>,
    pub(super) resolved: Option<bool>,
    pub(super) severity: Option<usize>,
    pub(super) problem: Option<u64>,
    pub(super) seconds: Option<u8>,
    /// The seconds are the end of a time, not its begin.
    pub(super) until: bool,
    pub(super) word: Option<usize>,
    pub(super) before: Option<Index>,
    pub(super) limit: u8,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Delivered,
    /// With a handle of this number.
    Handled(u8),
    Again(u8),
    Dead,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    source: usize,
    /// How far the clock was set back when it arrived, in seconds.
    back: u8,
    messages: Vec<Message>,
    faulty: bool,
}

#[derive(Clone, Debug)]
struct Message {
    id: u8,
    problem: u64,
    resolved: bool,
    severity: usize,
    other_words: bool,
    sinks: [bool; SINKS.len()],
}

impl Outcome {
    pub(super) fn verdict(self, now: Timestamp) -> Verdict {
        match self {
            Self::Delivered | Self::Handled(_) => Verdict::Delivered,
            Self::Again(seconds) => Verdict::Again {
                due_at: now + SignedDuration::from_secs(seconds.into()),
                error: format!("503, again in {seconds} s"),
            },
            Self::Dead => Verdict::Dead {
                class: "poison",
                error: "400".to_owned(),
            },
        }
    }
}

impl Outcome {
    pub(super) fn handle(self) -> Option<String> {
        match self {
            Self::Handled(number) => Some(format!("message {number}")),
            Self::Delivered | Self::Again(_) | Self::Dead => None,
        }
    }
}

impl Call {
    /// The entry for the store. `sinks` are the numbers of [`SINKS`].
    pub(super) fn entry(&self, now: Timestamp, sinks: &[i64]) -> Entry {
        let source = SOURCES[self.source];
        let fault = || Fault {
            place: "body.AlarmTime".to_owned(),
            problem: "not a number".to_owned(),
        };
        Entry {
            source: source.into(),
            received_at: now - SignedDuration::from_secs(self.back.into()),
            callback: format!("POST /callback/{source} HTTP/1.1\r\n\r\n{self:?}").into_bytes(),
            alerts: self
                .messages
                .iter()
                .map(|m| m.alert(source, sinks))
                .collect(),
            faults: self.faulty.then(fault).into_iter().collect(),
            arrival: self.arrival(),
        }
    }
}

impl Call {
    /// Something is unknown of some callbacks.
    fn arrival(&self) -> Arrival {
        let answer = || Answered {
            status: 200,
            text: format!("accepted as {}", Uuid::nil()),
        };
        Arrival {
            from: (self.back > 10).then(|| [203, 0, 113, self.back].into()),
            answer: (self.source == 0).then(answer),
            routes: (self.back < 20).then(|| format!("routes of {}", self.source).into()),
            trace: self
                .back
                .is_multiple_of(2)
                .then(|| format!("{}-{}", Uuid::nil(), self.source)),
        }
    }
}

impl Message {
    fn alert(&self, source: &str, sinks: &[i64]) -> NewAlert {
        let id = self.id;
        let key: DedupKey = Sha256::digest(format!("{source} {id}"))
            .first_chunk()
            .copied()
            .unwrap();
        let chosen = sinks.iter().zip(self.sinks).filter(|(_, chosen)| *chosen);
        NewAlert {
            key,
            content: if self.other_words { 8 } else { 7 },
            fingerprint: Fingerprint(self.problem),
            status: status(self.resolved),
            severity: Severity::ALL[self.severity],
            body: format!(r#"{{"source":"{source}","message_id":"{id}","title":"{self:?}"}}"#)
                .into_bytes(),
            sinks: chosen.map(|(sink, _)| *sink).collect(),
            said: "yn".repeat(usize::from(id % 3)),
        }
    }
}

pub(super) fn status(resolved: bool) -> Status {
    if resolved {
        Status::Resolved
    } else {
        Status::Firing
    }
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..40)
}

fn step() -> impl Strategy<Value = Step> {
    let some = || prop::collection::vec(any::<Index>(), 1..4);
    let sink = || 0..SINKS.len();
    prop_oneof![
        8 => prop::collection::vec(call(), 1..5).prop_map(Step::Append),
        8 => prop::collection::vec((any::<Index>(), outcome()), 1..6).prop_map(Step::Settle),
        1 => (any::<Index>(), sink(), outcome()).prop_map(|(at, sink, o)| Step::SettleAny(at, sink, o)),
        5 => (any::<Index>(), any::<bool>()).prop_map(|(at, holds)| Step::Mute(at, holds)),
        2 => (any::<Index>(), any::<bool>()).prop_map(|(at, ends)| Step::Unhold(at, ends)),
        2 => some().prop_map(Step::RetryDead),
        1 => some().prop_map(Step::DropDead),
        2 => (any::<Index>(), sink()).prop_map(|(at, sink)| Step::Retry(at, sink)),
        1 => any::<Index>().prop_map(Step::DropPending),
        1 => (any::<Index>(), sink()).prop_map(|(at, sink)| Step::DropAny(at, sink)),
        2 => (any::<Index>(), call()).prop_map(|(at, call)| Step::Release(at, call)),
        1 => some().prop_map(Step::DropQuarantined),
        1 => call().prop_map(Step::AppendBy),
        1 => (0..3_u8).prop_map(Step::Record),
        2 => (0..60_u8).prop_map(Step::Prune),
        3 => (0..60_u8).prop_map(Step::Pass),
        2 => look().prop_map(Step::Look),
        3 => crash().prop_map(Step::Crash),
    ]
}

fn crash() -> impl Strategy<Value = Crash> {
    prop_oneof![1 => Just(Crash::Closed), 1 => Just(Crash::Dropped), 3 => Just(Crash::Killed)]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Delivered),
        any::<u8>().prop_map(Outcome::Handled),
        (0..90_u8).prop_map(Outcome::Again),
        Just(Outcome::Dead)
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let messages = prop::collection::vec(message(), 0..5);
    let back = prop_oneof![3 => Just(0), 1 => 1..40_u8];
    let faulty = prop::bool::weighted(0.2);
    let parts = (0..SOURCES.len(), back, messages, faulty);
    parts.prop_map(|(source, back, messages, faulty)| Call {
        source,
        back,
        messages,
        faulty,
    })
}

fn message() -> impl Strategy<Value = Message> {
    let parts = (
        0..MESSAGES,
        0..PROBLEMS,
        any::<bool>(),
        0..Severity::ALL.len(),
        prop::bool::weighted(0.1),
        any::<[bool; SINKS.len()]>(),
    );
    parts.prop_map(
        |(id, problem, resolved, severity, other_words, sinks)| Message {
            id,
            problem,
            resolved,
            severity,
            other_words,
            sinks,
        },
    )
}

fn look() -> impl Strategy<Value = Look> {
    let parts = (
        weighted(0.3, 0..SOURCES.len()),
        weighted(0.4, 0..SINKS.len()),
        weighted(0.3, any::<bool>()),
        weighted(0.2, 0..Severity::ALL.len()),
        weighted(0.3, 0..PROBLEMS),
        weighted(0.3, 0..90_u8),
        any::<bool>(),
        weighted(0.3, 0..WORDS.len()),
        weighted(0.4, any::<Index>()),
        1..12_u8,
    );
    parts.prop_map(
        |(source, sink, resolved, severity, problem, seconds, until, word, before, limit)| Look {
            source,
            sink,
            resolved,
            severity,
            problem,
            seconds,
            until,
            word,
            before,
            limit,
        },
    )
}
