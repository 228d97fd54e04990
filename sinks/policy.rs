//! When a sink is tried, how often and how fast: what every kind takes, and what delivery obeys.

use std::time::Duration;

use campanile_settings::{Setting, Type, Unset, Values, optional, with};

/// What every sink takes: `[sinks.<kind>.<name>]`.
pub const SETTINGS: &[Setting] = &[
    with(
        "timeout",
        Type::Duration(1, 60),
        r#""15s""#,
        "How long one try may take, answer included.",
    ),
    with(
        "retry_schedule",
        Type::Schedule,
        r#"["1s", "5s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m"]"#,
        "Waits between tries; the last one repeats.",
    ),
    with(
        "max_age",
        Type::Duration(1, 2_592_000),
        r#""24h""#,
        "A delivery older than this becomes a dead letter: kept, shown, sent again when an operator says so.",
    ),
    with(
        "in_flight_max",
        Type::Whole(1, 1024),
        "8",
        "Sends at the same time. Alerts of one problem always go one after the other.",
    ),
    optional(
        "per_second",
        Type::Whole(1, 1_000_000),
        "10",
        "At most so many in any second. Left out, there is no limit.",
    ),
    optional(
        "per_minute",
        Type::Whole(1, 1_000_000),
        "20",
        "At most so many in any minute. Chat robots commonly take 20.",
    ),
    optional(
        "per_day",
        Type::Whole(1, 100_000_000),
        "1000",
        "At most so many in any day.",
    ),
    with(
        "overflow",
        Type::Word(&["wait", "digest"]),
        r#""wait""#,
        "What becomes of alerts over a limit. wait: they go out later. digest: they are rolled into one message.",
    ),
];

/// When a sink is tried, how often and how fast.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The whole exchange, body included.
    pub timeout: Duration,
    /// Waits between tries; the last repeats.
    pub retry_schedule: Vec<Duration>,
    /// Given up after so long.
    pub max_age: Duration,
    /// Sends at the same time.
    pub in_flight_max: usize,
    /// Sends in any second, minute, day; none means no limit.
    pub per_second: Option<u32>,
    /// See `per_second`.
    pub per_minute: Option<u32>,
    /// See `per_second`.
    pub per_day: Option<u32>,
    /// What does not fit under a limit is rolled into one digest message instead of waiting.
    pub digest: bool,
}

impl Policy {
    /// What was set. Fails only if this page and [`SETTINGS`] do not agree.
    pub fn of(values: &Values) -> Result<Self, Unset> {
        Ok(Self {
            timeout: values.get("timeout")?,
            retry_schedule: values.get("retry_schedule")?,
            max_age: values.get("max_age")?,
            in_flight_max: values.get("in_flight_max")?,
            per_second: values.maybe("per_second"),
            per_minute: values.maybe("per_minute"),
            per_day: values.maybe("per_day"),
            digest: values.get::<String>("overflow")? == "digest",
        })
    }
}

/// The defaults of [`SETTINGS`].
impl Default for Policy {
    fn default() -> Self {
        Self::of(&Values::defaults(SETTINGS)).expect("the table gives every default")
    }
}
