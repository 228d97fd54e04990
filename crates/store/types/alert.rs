//! Alerts as stored, and the problems that fire.

use std::fmt;
use std::sync::Arc;

use campanile_model::{Fingerprint, Seq, Severity, SinkId, Status};
use jiff::Timestamp;
use uuid::Uuid;

/// An alert as accepted.
#[derive(Clone, Debug)]
pub struct StoredAlert {
    /// Its place.
    pub seq: Seq,
    /// Its id.
    pub id: Uuid,
    /// The episode: the id of the alert that opened it.
    pub episode: Uuid,
    /// The whole `Alert` of the contract as JSON, `id` first.
    pub json: Vec<u8>,
}

/// Alerts in order of acceptance, for a reader that follows the store.
#[derive(Clone, Debug, Default)]
pub struct Following {
    /// The alerts.
    pub alerts: Vec<StoredAlert>,
    /// Every alert up to this place was looked at. The reader goes on from here.
    pub reached: Seq,
    /// The highest place of the kept alerts; 0 when none is kept.
    pub newest: Seq,
}

/// When a search ends although it has not looked at everything. A store reads no clock, so the caller decides. The default
/// looks at everything.
#[derive(Clone, Default)]
pub struct Patience(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Patience {
    /// The search ends soon after `is_over` returns true. It always looks at something before.
    pub fn until(is_over: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(is_over)))
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.as_ref().is_some_and(|is_over| is_over())
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "some" } else { "endless" })
    }
}

/// Which alerts to list, newest first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct AlertFilter {
    /// A source's full name.
    pub source: Option<String>,
    /// A status.
    pub status: Option<Status>,
    /// A severity.
    pub severity: Option<Severity>,
    /// A problem.
    pub fingerprint: Option<Fingerprint>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Received at this time or earlier. After the clock was set back by more than a minute, alerts can be missing.
    pub until: Option<Timestamp>,
    /// Each of these words is part of the title, of the resource or of the description, in any case of its letters.
    pub words: Vec<String>,
    /// It has each of these labels, with this value.
    pub labels: Vec<(String, String)>,
    /// It is pending for this sink, or was attempted.
    pub sink: Option<SinkId>,
    /// When the search ends.
    pub patience: Patience,
    /// Accepted before this alert: the last alert of the previous page.
    pub before: Option<Seq>,
    /// The largest number of rows.
    pub limit: u32,
}

/// Which firing problems to list, the episode that opened last first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct FiringFilter {
    /// A source's full name.
    pub source: Option<String>,
    /// The severity of its newest alert.
    pub severity: Option<Severity>,
    /// An episode that opened before this one: the last one of the previous page.
    pub before: Option<Uuid>,
    /// The largest number of rows.
    pub limit: u32,
}

/// The problems that fire now.
#[derive(Clone, Debug)]
pub struct Firing {
    /// The number of problems of each severity, of all sources.
    pub counts: Vec<(Severity, u64)>,
    /// There are more problems than the store counts and lists.
    pub more: bool,
    /// Those that match the filter.
    pub rows: Vec<FiringRow>,
}

/// A problem that fires.
#[derive(Clone, Debug)]
pub struct FiringRow {
    /// The episode: the id of the alert that opened it.
    pub episode: Uuid,
    /// When the episode began, by our clock.
    pub started_at: Timestamp,
    /// Its newest alert. None when that is no longer kept.
    pub newest: Option<StoredAlert>,
}
