//! How many alerts arrived, by time.

use campanile_model::{Severity, Status};
use jiff::Timestamp;

/// Which alerts to count. An empty field does not filter.
#[derive(Clone, Debug)]
pub struct TallyFilter {
    /// A source's full name.
    pub source: Option<String>,
    /// From the minute of this time on.
    pub since: Timestamp,
    /// Up to the minute of this time, without it.
    pub until: Timestamp,
    /// The minutes of one step. The first step begins at `since`.
    pub step_minutes: u32,
}

/// How many alerts arrived in one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TallyRow {
    /// When the step begins.
    pub at: Timestamp,
    /// Their severity.
    pub severity: Severity,
    /// Their status.
    pub status: Status,
    /// How many, at least one.
    pub count: u64,
}

/// How many alerts of one source arrived in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTally {
    /// The source's full name. It can be one that is no longer configured.
    pub source: String,
    /// When the step begins.
    pub at: Timestamp,
    /// How many, of every severity and status, at least one.
    pub count: u64,
}
