//! Callbacks as stored: accepted, ignored, quarantined.

use campanile_model::Fault;
use jiff::Timestamp;
use uuid::Uuid;

use super::Arrival;

/// Which callbacks to list, newest first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct CallbackFilter {
    /// A source's full name.
    pub source: Option<String>,
    /// Only those without alerts, or only those with alerts.
    pub ignored: Option<bool>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// With a smaller number than this, the last one of the previous page.
    pub before: Option<i64>,
    /// The largest number of rows.
    pub limit: u32,
}

/// A stored callback that is not in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackRow {
    /// Its number.
    pub id: i64,
    /// The source.
    pub source: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// How many of its alerts were new. Zero: it was a known message without an alert.
    pub alerts: u32,
    /// The id of the first of them, while it is kept.
    pub first: Option<Uuid>,
    /// What happened when it arrived, without the routes.
    pub arrival: Arrival,
}

/// Which quarantined callbacks to list, newest first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct QuarantineFilter {
    /// A source's full name.
    pub source: Option<String>,
    /// With a smaller number than this, the last one of the previous page.
    pub before: Option<i64>,
    /// The largest number of rows.
    pub limit: u32,
}

/// A quarantined callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRow {
    /// Its number, as given to `quarantine show`, `quarantine retry` and `quarantine drop`.
    pub id: i64,
    /// The source.
    pub source: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// What could not be read.
    pub faults: Vec<Fault>,
    /// The raw request without its secrets.
    pub callback: Vec<u8>,
    /// What happened when it arrived. Without the routes: they were not asked.
    pub arrival: Arrival,
}
