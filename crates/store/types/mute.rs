//! Deliveries that are kept back, what became of alerts that were not sent, and the silences of operators.

use campanile_model::{Fingerprint, Seq, SinkId};
use jiff::Timestamp;

/// In bytes. A longer reason is cut.
pub const REASON_BYTES_MAX: usize = 300;

/// In bytes. The store refuses nothing: who makes a silence checks its parts.
pub const SILENCE_TEXT_BYTES_MAX: usize = 16 * 1024;

/// Silences that have not ended. No more can be made.
pub const SILENCES_MAX: u32 = 10_000;

/// An alert that a sink does not get now. For each sink and problem there is at most one: the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The sink.
    pub sink: SinkId,
    /// The alert.
    pub seq: Seq,
    /// Its lane.
    pub fingerprint: Fingerprint,
    /// Since when it is held.
    pub since: Timestamp,
    /// What holds it, such as `silence 12`.
    pub reason: String,
    /// Its place in the list.
    pub place: HeldPlace,
}

/// A place in the list of what is held for a sink: source and fingerprint, as numbers of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeldPlace(pub i64, pub i64);

impl HeldPlace {
    /// Before the first.
    pub const START: Self = Self(i64::MIN, i64::MIN);
}

/// Why a sink never gets an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Something muted it until its problem was over, or for good.
    Muted,
    /// A later alert of the same problem says what it said.
    Folded,
    /// An operator dropped it.
    Dropped,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Muted, Self::Folded, Self::Dropped];

    /// The word for it in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Muted => "muted",
            Self::Folded => "folded",
            Self::Dropped => "dropped",
        }
    }

    /// The stored form.
    pub(crate) fn number(self) -> i16 {
        match self {
            Self::Muted => 0,
            Self::Folded => 1,
            Self::Dropped => 2,
        }
    }

    /// From the stored form.
    pub(crate) fn of(number: i64) -> Self {
        match number {
            0 => Self::Muted,
            1 => Self::Folded,
            _ => Self::Dropped,
        }
    }
}

/// What became of an alert that a sink does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeRow {
    /// The sink.
    pub sink: SinkId,
    /// When it was decided.
    pub at: Timestamp,
    /// What was decided.
    pub end: End,
    /// By what: a silence, the place of the later alert, an operator.
    pub reason: String,
}

impl OutcomeRow {
    /// The later alert, if it was folded into one.
    pub fn into_seq(&self) -> Option<Seq> {
        let place = self.reason.strip_prefix(FOLDED)?;
        place.parse().ok().filter(|_| self.end == End::Folded)
    }
}

const FOLDED: &str = "alert ";

/// The reason of an outcome whose alert was folded into this one.
pub(crate) fn into_seq(seq: Seq) -> String {
    format!("{FOLDED}{seq}")
}

/// A silence that an operator made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// From then on.
    pub from: Timestamp,
    /// It ends then, also if nobody ends it.
    pub until: Timestamp,
    /// Which alerts, as text that the store does not read.
    pub matching: String,
    /// What happens at its end, as a word that the store does not read.
    pub after: String,
    /// The operator.
    pub who: String,
    /// Why.
    pub comment: String,
}

/// A silence as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceRow {
    /// Its number.
    pub id: i64,
    /// When it was made.
    pub made_at: Timestamp,
    /// When an operator ended it before its time.
    pub ended_at: Option<Timestamp>,
    /// The silence.
    pub silence: Silence,
}

impl SilenceRow {
    /// When it ends, or ended.
    pub fn ends_at(&self) -> Timestamp {
        let until = self.silence.until;
        self.ended_at.map_or(until, |ended| ended.min(until))
    }
}

/// Which silences to list, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct SilenceFilter {
    /// Only those that have not ended at this time.
    pub not_ended_at: Option<Timestamp>,
    /// With a smaller number than this, the last one of the previous page.
    pub before: Option<i64>,
    /// The largest number of rows.
    pub limit: u32,
}
