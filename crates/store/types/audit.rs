//! What operators did.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

/// In bytes. A longer name of an operator, name of a target or detail is cut.
pub const AUDIT_TEXT_BYTES_MAX: usize = 500;

/// A row of the audit is kept for so much longer than alerts are.
pub(crate) const AUDIT_KEPT_LONGER: SignedDuration = SignedDuration::from_hours(366 * 24);

/// What an operator does. It is written in the transaction of its effect. Several calls with one act, such as the parts of a
/// bulk action, give one row, whose count is their sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// Tells the acts apart. It is random.
    pub id: u128,
    /// When.
    pub at: Timestamp,
    /// The name of the operator.
    pub who: String,
    /// The role of the operator.
    pub role: String,
    /// What shows who it is: `token`, `cookie`, `proxy`, or `open` for anyone.
    pub via: String,
    /// What the operator used: `page`, `api` or `cli`.
    pub client: String,
    /// The address of the operator.
    pub from: Option<IpAddr>,
    /// A noun and a verb, such as `dead.retry`.
    pub action: String,
    /// What it was done to: a sink, a source, an alert, `all`.
    pub target: String,
    /// More about it, without secrets.
    pub detail: String,
}

impl Act {
    /// An act of nobody in particular. The caller fills in what is known.
    #[must_use]
    pub fn new(at: Timestamp, action: impl Into<String>) -> Self {
        Self {
            id: rand::random(),
            at,
            who: String::new(),
            role: String::new(),
            via: String::new(),
            client: String::new(),
            from: None,
            action: action.into(),
            target: String::new(),
            detail: String::new(),
        }
    }
}

/// A row of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number.
    pub number: i64,
    /// The act.
    pub act: Act,
    /// How many rows, deliveries or alerts it changed.
    pub count: u64,
}

/// Which acts to list, newest first. An empty field does not filter.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// The name of an operator.
    pub who: Option<String>,
    /// An action such as `dead.retry`, or all of one noun, such as `dead`.
    pub action: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// With a smaller number than this, the last one of the previous page.
    pub before: Option<i64>,
    /// The largest number of rows.
    pub limit: u32,
}
