//! The rows of a store in the form that both engines read and write.
//!
//! Two rows are the same when their hashes are. What an engine gives a row for itself is not a part of the hash ([`Own`]), and times
//! are compared by milliseconds ([`At`]).

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use uuid::Uuid;

use crate::Seq;
use crate::sqlite::tally;

/// A time in microseconds since 1970. SQLite keeps milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At(pub(crate) i64);

impl At {
    pub(crate) fn of(time: Timestamp) -> Self {
        Self(time.as_microsecond())
    }

    pub(crate) fn time(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or_default()
    }

    pub(crate) fn of_ms(ms: i64) -> Self {
        Self(ms.saturating_mul(1_000))
    }

    pub(crate) fn ms(self) -> i64 {
        self.0.div_euclid(1_000)
    }
}

impl Hash for At {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.ms().hash(state);
    }
}

/// A number that each engine gives itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own(pub(crate) i64);

impl Hash for Own {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// A callback.
#[derive(Debug, Hash)]
pub(crate) struct Callback {
    pub(crate) number: Own,
    /// The place of its first new alert, or its own place; without a place of its own, the next place.
    pub(crate) seq: Seq,
    /// The place of its last new alert, or its own place. None: it has no place of its own.
    pub(crate) last: Option<Seq>,
    pub(crate) source: i64,
    pub(crate) received: At,
    pub(crate) alerts: i64,
    pub(crate) raw_bytes: i64,
    pub(crate) arrival_bytes: Option<i64>,
    pub(crate) routes: Option<i64>,
    pub(crate) packed: Vec<u8>,
}

/// An alert with its dedup key.
#[derive(Debug, Hash)]
pub(crate) struct Alert {
    pub(crate) seq: Seq,
    /// The place of its callback.
    pub(crate) callback: Seq,
    pub(crate) source: i64,
    pub(crate) received: At,
    pub(crate) status: i64,
    pub(crate) severity: i64,
    pub(crate) fingerprint: i64,
    pub(crate) id: Uuid,
    pub(crate) episode: Option<Uuid>,
    /// None: the key expired, and the alert is kept because of a pending delivery or a dead letter. Its content is then 0.
    pub(crate) key: Option<Uuid>,
    pub(crate) content: i64,
    pub(crate) body_at: i64,
    pub(crate) body_bytes: i64,
    /// The sinks that it was for. None: an older build took it.
    pub(crate) plan: Option<Vec<i64>>,
}

/// An attempt of a delivery.
#[derive(Debug, Hash)]
pub(crate) struct Attempt {
    pub(crate) seq: Seq,
    pub(crate) sink: i64,
    pub(crate) at: At,
    pub(crate) number: i64,
    pub(crate) took_ms: i64,
    pub(crate) code: Option<i64>,
    pub(crate) verdict: i64,
    pub(crate) worth: Option<i64>,
    pub(crate) remark: Option<String>,
    pub(crate) note: Option<String>,
}

/// The tables that are compared, in the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    Callback,
    Alert,
    Attempt,
    Name,
    Sink,
    Problem,
    Pending,
    Dead,
    Quarantine,
    Handle,
    Audit,
    Tally,
    Held,
    Untold,
    Outcome,
    Silence,
}

impl Table {
    /// The tables that are copied as a whole, after the source has stopped. The others are copied by place.
    pub(crate) const WHOLE: [Self; 13] = [
        Self::Name,
        Self::Sink,
        Self::Problem,
        Self::Pending,
        Self::Dead,
        Self::Quarantine,
        Self::Handle,
        Self::Audit,
        Self::Tally,
        Self::Held,
        Self::Untold,
        Self::Outcome,
        Self::Silence,
    ];

    /// Rows of one page, if the others have `rows`. A quarantined callback and routes can be large.
    pub(crate) fn page_rows(self, rows: usize) -> i64 {
        let most = match self {
            Self::Quarantine => 64,
            Self::Name => 256,
            _ => rows,
        };
        i64::try_from(most.min(rows)).unwrap_or(i64::MAX)
    }

    /// What the report calls it.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Callback => "callbacks",
            Self::Alert => "alerts",
            Self::Attempt => "attempts",
            Self::Name => "names",
            Self::Sink => "sinks",
            Self::Problem => "open problems",
            Self::Pending => "pending",
            Self::Dead => "dead letters",
            Self::Quarantine => "quarantine",
            Self::Handle => "handles",
            Self::Audit => "audit",
            Self::Tally => "counts",
            Self::Held => "held",
            Self::Untold => "untold episodes",
            Self::Outcome => "outcomes",
            Self::Silence => "silences",
        }
    }
}

/// A row of a table that is copied as a whole.
#[derive(Debug, Hash)]
pub(crate) enum Record {
    /// A source, or routes.
    Name {
        routes: bool,
        id: i64,
        name: String,
    },
    Sink {
        id: i64,
        name: String,
    },
    Problem {
        source: i64,
        fingerprint: i64,
        episode: Uuid,
        plan: Option<Vec<i64>>,
    },
    Pending {
        sink: i64,
        seq: Seq,
        lane: i64,
        attempts: i64,
        since: At,
        due: Option<At>,
        retried: bool,
        code: Option<i64>,
        error: Option<String>,
    },
    Dead {
        id: i64,
        sink: i64,
        seq: Seq,
        lane: i64,
        attempts: i64,
        at: At,
        class: String,
        error: String,
        code: Option<i64>,
    },
    Quarantine {
        id: i64,
        source: i64,
        received: At,
        faults: String,
        raw: Vec<u8>,
        arrival: Vec<u8>,
    },
    Handle {
        episode: Uuid,
        sink: i64,
        source: i64,
        fingerprint: i64,
        ended: Option<Seq>,
        handle: String,
    },
    Audit {
        id: i64,
        act: Uuid,
        at: At,
        who: String,
        role: String,
        via: String,
        client: String,
        caller: Option<String>,
        action: String,
        target: String,
        count: i64,
        detail: String,
    },
    Tally {
        minute: i64,
        source: i64,
        severity: i64,
        status: i64,
        count: i64,
    },
    Held {
        sink: i64,
        source: i64,
        fingerprint: i64,
        seq: Seq,
        since: At,
        reason: String,
    },
    Untold {
        sink: i64,
        source: i64,
        fingerprint: i64,
        episode: Uuid,
    },
    Outcome {
        seq: Seq,
        sink: i64,
        at: At,
        ending: i64,
        reason: String,
    },
    Silence {
        id: i64,
        made: At,
        from: At,
        until: At,
        matching: String,
        after: String,
        who: String,
        comment: String,
        ended: Option<At>,
    },
}

/// The place of a row in the order of its table.
pub(crate) type Key = (u128, i64);

/// Before the first row.
pub(crate) const START: Key = (0, i64::MIN);

impl Record {
    /// Its place in the order of its table.
    pub(crate) fn key(&self) -> Key {
        let of = |number: &i64| u128::from(number.cast_unsigned());
        match self {
            Self::Name { routes, id, .. } => (u128::from(*routes), *id),
            Self::Problem {
                source,
                fingerprint,
                ..
            } => (of(source), *fingerprint),
            Self::Pending { sink, seq, .. } => (of(sink), *seq),
            Self::Handle { episode, sink, .. } => (episode.as_u128(), *sink),
            Self::Tally {
                minute,
                source,
                severity,
                status,
                ..
            } => (of(minute), tally(*source, *severity, *status)),
            Self::Held {
                sink,
                source,
                fingerprint,
                ..
            }
            | Self::Untold {
                sink,
                source,
                fingerprint,
                ..
            } => (of(&pair(*sink, *source)), *fingerprint),
            Self::Outcome { seq, sink, .. } => (of(seq), *sink),
            Self::Sink { id, .. }
            | Self::Dead { id, .. }
            | Self::Quarantine { id, .. }
            | Self::Silence { id, .. }
            | Self::Audit { id, .. } => (of(id), 0),
        }
    }

    /// How a difference names it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Pending { sink, seq, .. } => format!("place {seq} for sink {sink}"),
            Self::Dead { id, .. } => format!("number {id}"),
            other => format!("{:?}", other.key()),
        }
    }

    /// Its source, where it has one, and its place in the table, by which hashes are summed.
    pub(crate) fn place(&self) -> (Option<i64>, i64) {
        match self {
            Self::Problem {
                source, episode, ..
            }
            | Self::Handle {
                source, episode, ..
            }
            | Self::Untold {
                source, episode, ..
            } => (Some(*source), crate::id::seq_of(*episode)),
            Self::Held { source, seq, .. } => (Some(*source), *seq),
            Self::Pending { seq, .. } | Self::Outcome { seq, .. } => (None, *seq),
            Self::Quarantine { source, id, .. } => (Some(*source), *id),
            Self::Tally { source, minute, .. } => (Some(*source), *minute),
            Self::Name { id, .. }
            | Self::Sink { id, .. }
            | Self::Dead { id, .. }
            | Self::Silence { id, .. }
            | Self::Audit { id, .. } => (None, *id),
        }
    }
}

/// A sink and a source as one number, for the order of a table: both are below 2^31.
pub(crate) fn pair(sink: i64, source: i64) -> i64 {
    sink << 32 | source
}

/// The hash of a row. Both sides are hashed by the same program.
pub(crate) fn hash(row: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    hasher.finish()
}

/// PostgreSQL cannot keep the character NUL in a text.
pub(crate) fn clean(text: String) -> String {
    if text.contains('\0') {
        return text.replace('\0', "\u{fffd}");
    }
    text
}
