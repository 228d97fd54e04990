//! Types of the requests and responses of the API. The handlers build them, the command line reads them, and the OpenAPI
//! description is generated from them.

mod bulk;
mod check;
mod refused;
mod silence;

use campanile_model::{Alert, Fault, Fingerprint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

pub use super::stream::types::{DeliveryEnded, End, Reset, SinkNow, StreamEvent, StreamLine};
pub use crate::forecast::{FieldOrigin, Forecast, Origin, Rendered, RewriteApplied, RouteSaid};
use crate::intake::drift::Seen;
pub use bulk::{Counted, Group, Job, NotChanged, Released, Selection, StillUnreadable};
pub use check::{Addresses, AlertOrigin, ConfigRefused, Running, TestSink, Tested};
pub use refused::{Mistake, Reason, Refused};
pub use silence::{
    Extended, HeldDelivery, OneOrMore, Outcome, SilenceHit, SilenceHits, SilenceItem, SilenceMade,
    WantedSilence,
};

/// One page of a list, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The cursor of the next page: give it as `before`. Null on the last page.
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

/// An alert with its deliveries, attempts and callback.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AlertDetail {
    /// The alert.
    pub alert: Alert,
    /// The id of the alert that opened the episode.
    pub episode: Uuid,
    /// Its pending deliveries.
    pub deliveries: Vec<Delivery>,
    /// The sinks that do not get it now.
    #[serde(default)]
    pub held: Vec<HeldDelivery>,
    /// What became of it for sinks that do not get it.
    #[serde(default)]
    pub outcomes: Vec<Outcome>,
    /// Its attempts, oldest first.
    pub attempts: Vec<Attempt>,
    /// The request of the vendor without secrets. Null if it is no longer stored.
    pub callback: Option<String>,
    /// What happened when the callback arrived.
    pub arrival: Arrival,
    /// The routes then in force, in the order of the configuration. Empty if there were none: then every alert goes to every
    /// sink. Empty also for alerts of older builds.
    pub routes: Vec<RouteSaid>,
    /// Its sinks that no matching route names: an earlier alert of the episode went there, or an operator sent it there.
    #[serde(default)]
    pub also: Vec<String>,
}

/// What happened when a callback arrived. Null is unknown: the alert is of an older build, or the gateway raised it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Arrival {
    /// The address of the caller, as trusted proxies report it.
    pub from: Option<String>,
    /// The HTTP status of the answer to the vendor.
    pub status: Option<u16>,
    /// The first 200 bytes of the answer.
    pub answer: Option<String>,
    /// The id of the trace, if traces were configured. The vendor got it in the header `x-trace-id`.
    #[serde(default)]
    pub trace: Option<String>,
}

/// One page of a list whose search is bounded, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Searched<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The cursor of the next page: give it as `before`. Null on the last page. A page can be shorter than `limit`, or
    /// empty, and have a next page.
    pub next: Option<String>,
    /// How far the search looked, if it ended early because there was too much to look at.
    pub searched_to: Option<Timestamp>,
}

/// A callback, stored or in memory.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct CallbackItem {
    /// When it was received.
    pub at: Timestamp,
    /// The source. Null if no source received it.
    pub source: Option<String>,
    /// `accepted`, `ignored`, `quarantined`, `rejected`, `duplicate` or `conflict`.
    pub verdict: String,
    /// Why it was not accepted, and the fix.
    pub reason: Option<String>,
    /// The address of the caller.
    pub from: Option<String>,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// The id of the trace, if traces were configured.
    #[serde(default)]
    pub trace: Option<String>,
    /// The number of new alerts.
    pub alerts: u32,
    /// The id of the first new alert. Null if it is no longer stored.
    pub alert_id: Option<String>,
    /// The number in quarantine.
    pub quarantine: Option<i64>,
    /// The first 4 KiB of the request without secrets, of a callback that is in memory.
    pub request: Option<String>,
}

/// A pending delivery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// The id of the alert. Null if it is no longer stored.
    pub alert_id: Option<String>,
    /// The title of the alert. Null if it is no longer stored.
    pub title: Option<String>,
    /// The sink, such as `webhook/oncall`.
    pub sink: String,
    /// The fingerprint of the alert.
    pub fingerprint: Fingerprint,
    /// The number of attempts so far.
    pub attempts: u32,
    /// The time since which it is pending.
    pub pending_since: Timestamp,
    /// The time of the next attempt. Null means immediately.
    pub due_at: Option<Timestamp>,
    /// The error of the last attempt.
    pub last_error: Option<String>,
    /// The HTTP status of the last attempt.
    pub last_code: Option<u16>,
    /// An operator retried it.
    pub retried: bool,
}

/// One attempt at a delivery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// The sink.
    pub sink: String,
    /// When it ended.
    pub at: Timestamp,
    /// The duration in milliseconds.
    pub took_ms: u32,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The HTTP status, if there was one.
    pub code: Option<u16>,
    /// `delivered`, `again` or `dead`.
    pub verdict: String,
    /// The meaning of a success: `committed`, `accepted` or `written`. Null without a success.
    pub worth: Option<String>,
    /// A remark on the success, for example that the text was shortened.
    pub remark: Option<String>,
    /// What went wrong, with the words of the receiver: at most 200 bytes. Null after a success.
    pub note: Option<String>,
}

/// A delivery that failed permanently.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// The number.
    pub id: i64,
    /// The id of the alert. Null if it is no longer stored.
    pub alert_id: Option<String>,
    /// The title of the alert. Null if it is no longer stored.
    pub title: Option<String>,
    /// The sink.
    pub sink: String,
    /// The number of attempts.
    pub attempts: u32,
    /// When it became a dead letter.
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
    /// The alert. Null if it is no longer stored.
    pub alert: Option<Alert>,
}

/// A verified callback that could not be read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Quarantined {
    /// The number.
    pub id: i64,
    /// The source.
    pub source: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// What cannot be read, with the place.
    pub faults: Vec<Fault>,
}

/// A quarantined callback with its request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedDetail {
    /// The callback.
    #[serde(flatten)]
    pub quarantined: Quarantined,
    /// The request without secrets.
    pub callback: String,
    /// What happened when it arrived.
    pub arrival: Arrival,
}

/// The sinks for which an alert is pending again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    /// The names of the sinks.
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
    /// Whether it is in the current configuration.
    pub configured: bool,
    /// `ok`, `waiting`, `open`, `paused` or `not configured`.
    pub state: String,
    /// `operator`, `receiver` or `hold` (the gateway was started with `--hold`), while it is paused.
    pub paused_by: Option<String>,
    /// Pending deliveries.
    pub pending: u64,
    /// Alerts that it does not get now, because something mutes them.
    #[serde(default)]
    pub held: u64,
    /// Dead letters.
    pub dead: u64,
    /// Attempts in progress.
    pub in_flight: u64,
    /// Deliveries held in memory.
    pub loaded: u64,
    /// The time of the last successful delivery.
    pub last_success_at: Option<Timestamp>,
    /// Its last error, without secrets.
    pub last_error: Option<String>,
    /// The time of the last error.
    pub last_error_at: Option<Timestamp>,
    /// Nothing is sent before this time.
    pub retry_at: Option<Timestamp>,
}

/// The state of a sink after a change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SinkChanged {
    /// The full name.
    pub name: String,
    /// The new state.
    pub state: String,
    /// `operator`, `receiver` or `hold` (the gateway was started with `--hold`), while it is paused.
    pub paused_by: Option<String>,
}

/// A source with the address for its vendor, and counters since the start of the gateway.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// The full name, such as `ucloud/prod`.
    pub name: String,
    /// The provider, such as `ucloud`.
    pub provider: String,
    /// The address for the console of the vendor, complete if `[server] public_url` is set. Replace `<key>` with the key.
    pub callback: String,
    /// All paths of the source: the callback address, then the paths of the protocol, such as `/api/v2/alerts`.
    pub paths: Vec<String>,
    /// What a sender must prove, in words.
    pub proof: String,
    /// Accepted callbacks.
    pub accepted: u64,
    /// Known test and lifecycle messages, which contain no alert.
    pub ignored: u64,
    /// Callbacks whose alerts were all accepted before.
    pub duplicates: u64,
    /// Alerts with a known message id but different content.
    pub conflicts: u64,
    /// Callbacks that could not be read.
    pub quarantined: u64,
    /// Callbacks that were refused, because the sender was not verified or because of a limit.
    pub rejected: u64,
    /// The time of the last callback.
    pub last_callback_at: Option<Timestamp>,
    /// Changes in the structure of the payloads.
    pub drift: Seen,
}

/// The sinks to which an alert is delivered again.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The names of the sinks. Default: all configured sinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sinks: Option<Vec<String>>,
}

/// A message of the vendor to simulate.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Simulate {
    /// The message: `firing`, `resolved`, or another case of `campanile send VENDOR --case list`.
    pub case: String,
    /// The names of the sinks that get the alerts. Default: none.
    #[serde(default)]
    pub sinks: Vec<String>,
}

/// The result of a simulation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Simulated {
    /// Whether the proof of the sender held. False: only the vendor can give the proof, so it was not asked for.
    pub proven: bool,
    /// The ids of the alerts.
    pub alert_ids: Vec<String>,
}

/// The stored alerts to compare, newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Renormalize {
    /// The source.
    pub source: String,
    /// Accepted at or after this time.
    pub since: Option<Timestamp>,
    /// The `next` of the previous page.
    pub before: Option<String>,
    /// The number of alerts, from 1 to 500. Default: 100.
    pub limit: Option<u32>,
}

/// The result of the current mapping for stored callbacks.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Renormalized {
    /// The alerts that would differ.
    pub items: Vec<Differing>,
    /// The number of compared alerts.
    pub looked_at: u64,
    /// The number of alerts whose callback is no longer stored.
    pub without_callback: u64,
    /// The cursor of the next page. Null on the last page.
    pub next: Option<String>,
}

/// An alert that would differ.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Differing {
    /// The id of the alert.
    pub alert: String,
    /// When it was received.
    pub received_at: Timestamp,
    /// The stored title.
    pub title: String,
    /// The fields that would differ.
    pub fields: Vec<Difference>,
    /// The fault, if the callback cannot be read.
    pub fault: Option<Fault>,
}

/// One field that would differ.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// The name of the field, such as `metric.value`.
    pub field: String,
    /// The stored value.
    pub old: Value,
    /// The value from the current mapping.
    pub new: Value,
}
