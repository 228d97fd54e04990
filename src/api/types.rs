//! What the API takes and answers, as types: the handlers build them, the command line reads them, OpenAPI describes them.

use campanile_model::{Alert, Fault, Fingerprint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::intake::drift::Seen;

/// One page of a list, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page begins: give it as `before`. Null on the last page.
    pub next: Option<String>,
}

/// An alert in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AlertItem {
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
    /// The id of the alert that opened the episode.
    pub episode: Uuid,
}

/// An alert with everything that is known about it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AlertDetail {
    /// The alert.
    pub alert: Alert,
    /// The id of the alert that opened the episode.
    pub episode: Uuid,
    /// Its pending deliveries.
    pub deliveries: Vec<Delivery>,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// The vendor's request without its secrets. Null when it is no longer kept.
    pub callback: Option<String>,
}

/// A pending delivery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The alert. Null when it is no longer kept.
    pub alert_id: Option<String>,
    /// The sink, such as `webhook/oncall`.
    pub sink: String,
    /// The fingerprint of the alert.
    pub fingerprint: Fingerprint,
    /// Attempts so far.
    pub attempts: u32,
    /// Since when it is pending.
    pub pending_since: Timestamp,
    /// Not before this time. Null means at once.
    pub due_at: Option<Timestamp>,
    /// The error of the last attempt.
    pub last_error: Option<String>,
    /// The HTTP status of the last attempt.
    pub last_code: Option<u16>,
    /// An operator asked for it again.
    pub retried: bool,
}

/// One attempt at a delivery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// The sink.
    pub sink: String,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub took_ms: u32,
    /// Its number, from 1.
    pub attempt: u32,
    /// The HTTP status, if there was one.
    pub code: Option<u16>,
    /// `delivered`, `again` or `dead`.
    pub verdict: String,
    /// What the success means: `committed`, `accepted` or `written`. Null if it was none.
    pub worth: Option<String>,
    /// A remark on the success, such as that the text was cut.
    pub remark: Option<String>,
}

/// A delivery that was given up.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Its number.
    pub id: i64,
    /// The alert. Null when it is no longer kept.
    pub alert_id: Option<String>,
    /// The sink.
    pub sink: String,
    /// Attempts before it was given up.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// The class of the last failure.
    pub class: String,
    /// The last error.
    pub error: String,
    /// The HTTP status of the last attempt.
    pub code: Option<u16>,
}

/// A dead letter with its alert.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadDetail {
    /// The dead letter.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// Its alert. Null when it is no longer kept.
    pub alert: Option<Alert>,
}

/// A verified callback that could not be read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Quarantined {
    /// Its number.
    pub id: i64,
    /// The source.
    pub source: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// What cannot be read, and where.
    pub faults: Vec<Fault>,
}

/// A quarantined callback with its request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedDetail {
    /// The callback.
    #[serde(flatten)]
    pub quarantined: Quarantined,
    /// The request without its secrets.
    pub callback: String,
}

/// What was read again from the quarantine.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Released {
    /// How many callbacks were selected.
    pub count: u64,
    /// Nothing was changed: only `count` is filled in.
    pub dry_run: bool,
    /// How many were read and accepted.
    pub released: u64,
    /// Those that still cannot be read. They stay in the quarantine.
    pub still_unreadable: Vec<StillUnreadable>,
}

/// A callback that still cannot be read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StillUnreadable {
    /// Its number.
    pub id: i64,
    /// What cannot be read, and where.
    pub faults: Vec<Fault>,
}

/// What a bulk action did.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Counted {
    /// How many items it changed, or would change.
    pub count: u64,
    /// Nothing was changed.
    pub dry_run: bool,
}

/// The sinks for which an alert is pending again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    /// Their names.
    pub pending: Vec<String>,
}

/// One delivery was dropped.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Dropped {
    /// Always true.
    pub dropped: bool,
}

/// A sink and its state.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Sink {
    /// The full name, such as `webhook/oncall`.
    pub name: String,
    /// Its kind, such as `webhook`.
    pub kind: String,
    /// Whether the configuration names it.
    pub configured: bool,
    /// `ok`, `waiting`, `open`, `paused` or `not configured`.
    pub state: String,
    /// `operator` or `receiver`, while it is paused.
    pub paused_by: Option<String>,
    /// Pending deliveries.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
    /// Attempts under way.
    pub in_flight: u64,
    /// Deliveries held in memory.
    pub loaded: u64,
    /// When it last took a delivery.
    pub last_success_at: Option<Timestamp>,
    /// Its last error, without secrets.
    pub last_error: Option<String>,
    /// When that was.
    pub last_error_at: Option<Timestamp>,
    /// Nothing is sent to it before this time.
    pub retry_at: Option<Timestamp>,
}

/// The state of a sink after a change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SinkChanged {
    /// The full name.
    pub name: String,
    /// The new state.
    pub state: String,
    /// `operator` or `receiver`, while it is paused.
    pub paused_by: Option<String>,
}

/// A source, where its vendor calls it, and what it received. Counts begin at the start of the gateway.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// The full name, such as `ucloud/prod`.
    pub name: String,
    /// The provider, such as `ucloud`.
    pub provider: String,
    /// The address for the vendor's console, whole if `[server] public_url` is set. `<key>` is a place to fill in.
    pub callback: String,
    /// Every path on which the source answers.
    pub paths: Vec<String>,
    /// What a sender must prove, in words.
    pub proof: String,
    /// Accepted callbacks.
    pub accepted: u64,
    /// Known test and lifecycle messages, which hold no alert.
    pub ignored: u64,
    /// Callbacks of which every alert was known.
    pub duplicates: u64,
    /// Alerts with a known message id and other content.
    pub conflicts: u64,
    /// Callbacks that could not be read.
    pub quarantined: u64,
    /// Callbacks that were not accepted, because the sender was not verified or for a limit.
    pub rejected: u64,
    /// When the last callback came.
    pub last_callback_at: Option<Timestamp>,
    /// How the payloads change.
    pub drift: Seen,
}

/// What a command is for: exactly one of `ids`, `sink`, `source` and `all`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// These numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<i64>>,
    /// Everything of this sink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    /// Everything of this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Everything.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Only count.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// For which sinks an alert is to be pending again.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// These sinks. Without it: all configured sinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sinks: Option<Vec<String>>,
}

/// Which stored alerts are read again, newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Renormalize {
    /// The source.
    pub source: String,
    /// Accepted at or after this time.
    pub since: Option<Timestamp>,
    /// The `next` of the page before.
    pub before: Option<String>,
    /// How many, from 1 to 500. Default 100.
    pub limit: Option<u32>,
}

/// What the mapping in force would say of stored callbacks.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Renormalized {
    /// The alerts that would differ.
    pub items: Vec<Differing>,
    /// How many alerts were read again.
    pub looked_at: u64,
    /// How many alerts have no callback any more.
    pub without_callback: u64,
    /// Where the next page begins. Null on the last page.
    pub next: Option<String>,
}

/// An alert that would differ.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Differing {
    /// Its id.
    pub alert: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// Its title as stored.
    pub title: String,
    /// The fields that would differ.
    pub fields: Vec<Difference>,
    /// Why it could not be read, if it could not.
    pub fault: Option<Fault>,
}

/// One field that would differ.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// Its name, such as `metric.value`.
    pub field: String,
    /// The stored value.
    pub old: Value,
    /// The value by the mapping in force.
    pub new: Value,
}

/// The answer when a request was not carried out.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Refused {
    /// Why.
    pub error: Reason,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// One word for programs, such as `not_found`.
    pub code: String,
    /// One sentence for people.
    pub message: String,
}
