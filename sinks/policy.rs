//! When and how often a sink is called: settings of every kind, obeyed by delivery.

use std::time::Duration;

use campanile_settings::{Setting, Type, Unset, Values, optional, with};
use serde::Deserialize;

use crate::About;

/// What every sink takes: `[sinks.<kind>.<name>]`.
pub const SETTINGS: &[Setting] = &[
    with(
        "timeout",
        Type::Duration(1, 60),
        r#""15s""#,
        "How long one attempt may take, response included.",
    ),
    with(
        "retry_schedule",
        Type::Schedule,
        r#"["1s", "5s", "15s", "30s", "1m", "2m", "5m", "10m", "15m", "30m"]"#,
        "Waits between attempts. The last one repeats.",
    ),
    with(
        "max_age",
        Type::Duration(1, 2_592_000),
        r#""24h""#,
        "A delivery older than this becomes a dead letter: it is kept and shown, and an operator can retry it.",
    ),
    with(
        "in_flight_max",
        Type::Whole(1, 1024),
        "8",
        "Attempts at the same time. Alerts of one problem are always sent one after the other.",
    ),
    with(
        "parts",
        Type::Whole(1, 64),
        "1",
        "Several gateways on one PostgreSQL database deliver for this sink, each for a part of the problems. Each part has `in_flight_max` attempts and a circuit breaker of its own. Not with a limit: the parts do not count together.",
    ),
    optional(
        "per_second",
        Type::Whole(1, 1_000_000),
        "10",
        "At most this many messages in any second. Without it, there is no limit.",
    ),
    optional(
        "per_minute",
        Type::Whole(1, 1_000_000),
        "20",
        "At most this many messages in any minute. Chat robots commonly accept 20.",
    ),
    optional(
        "per_hour",
        Type::Whole(1, 10_000_000),
        "100",
        "At most this many messages in any hour.",
    ),
    optional(
        "per_day",
        Type::Whole(1, 100_000_000),
        "1000",
        "At most this many messages in any day.",
    ),
    with(
        "overflow",
        Type::Word(&["wait", "digest"]),
        r#""wait""#,
        "What happens to alerts over a limit. wait: they are sent later. digest: they are combined into one message.",
    ),
];

/// The doc of `overflow` where a message holds one alert.
const ONE_BY_ONE: &str = "What happens to alerts over a limit. wait: they are sent later. This kind sends each alert alone.";

/// How many messages a receiver takes: the defaults of the settings with these names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// In any second.
    pub per_second: Option<u32>,
    /// In any minute.
    pub per_minute: Option<u32>,
    /// In any hour.
    pub per_hour: Option<u32>,
    /// In any day.
    pub per_day: Option<u32>,
}

impl Limits {
    /// No limit.
    pub const NONE: Self = Self {
        per_second: None,
        per_minute: None,
        per_hour: None,
        per_day: None,
    };

    /// The limits that there are, each with the name of its setting.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let all = [
            ("per_second", self.per_second),
            ("per_minute", self.per_minute),
            ("per_hour", self.per_hour),
            ("per_day", self.per_day),
        ];
        all.into_iter()
            .filter_map(|(name, limit)| Some((name, limit?)))
    }
}

/// [`SETTINGS`] with the limits of a kind as defaults, and without the digest that it cannot send.
pub(crate) fn settings(about: &About) -> impl Iterator<Item = Setting> {
    SETTINGS.iter().cloned().map(|mut setting| {
        if setting.name == "overflow" && !about.digest {
            setting.takes = Type::Word(&["wait"]);
            setting.doc = ONE_BY_ONE.into();
        }
        let limit = about.limits.each().find(|(name, _)| *name == setting.name);
        if let Some((_, limit)) = limit {
            setting.default = Some(limit.to_string().into());
        }
        setting
    })
}

/// When and how often a sink is called.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The whole exchange, body included.
    pub timeout: Duration,
    /// Waits between attempts; the last repeats.
    pub retry_schedule: Vec<Duration>,
    /// A delivery is given up after this long.
    pub max_age: Duration,
    /// Attempts at the same time.
    pub in_flight_max: usize,
    /// How many gateways can deliver for it at the same time.
    pub parts: u16,
    /// Messages in any second; none means no limit.
    pub per_second: Option<u32>,
    /// See `per_second`.
    pub per_minute: Option<u32>,
    /// See `per_second`.
    pub per_hour: Option<u32>,
    /// See `per_second`.
    pub per_day: Option<u32>,
    /// Alerts over a limit are combined into one digest instead of waiting.
    pub digest: bool,
}

impl Policy {
    /// What was set. Fails only if [`SETTINGS`] does not declare what is read here.
    pub fn of(values: &Values) -> Result<Self, Unset> {
        Ok(Self {
            timeout: values.get("timeout")?,
            retry_schedule: values.get("retry_schedule")?,
            max_age: values.get("max_age")?,
            in_flight_max: values.get("in_flight_max")?,
            parts: values.get("parts")?,
            per_second: values.maybe("per_second"),
            per_minute: values.maybe("per_minute"),
            per_hour: values.maybe("per_hour"),
            per_day: values.maybe("per_day"),
            digest: values.get::<String>("overflow")? == "digest",
        })
    }

    /// How many messages may be sent.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            per_second: self.per_second,
            per_minute: self.per_minute,
            per_hour: self.per_hour,
            per_day: self.per_day,
        }
    }
}

/// The defaults of [`SETTINGS`].
impl Default for Policy {
    fn default() -> Self {
        Self::of(&Values::defaults(SETTINGS)).expect("the table gives every default")
    }
}
