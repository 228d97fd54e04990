//! Alerts as stored, and the problems that fire.

use campanile_model::{Fingerprint, Seq, Severity, Status};
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
