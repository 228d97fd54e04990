//! The events of a stream. With `Accept: application/x-ndjson` each is one [`StreamLine`]. As server-sent events, the same id,
//! name and data are in `id:`, `event:` and `data:`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::types::AlertItem;

/// One event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StreamLine {
    /// The place in the stream: give it as `Last-Event-ID` or `after` to go on from here. Absent if the place did not change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The event.
    #[serde(flatten)]
    pub event: StreamEvent,
}

/// The name of an event, and its data.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "lowercase")]
pub enum StreamEvent {
    /// An alert was accepted.
    Alert(Box<AlertItem>),
    /// An attempt to deliver an alert ended.
    Delivery(DeliveryEnded),
    /// The state of a sink changed.
    Sink(SinkNow),
    /// Events were left out: read the list. The stream goes on.
    Reset(Reset),
    /// The gateway ends the stream. Connect again with the last id.
    End(End),
    /// Nothing happened. Sent at the start and every 15 seconds; as a server-sent event it is a comment with an id.
    Place,
}

/// An attempt to deliver an alert ended.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeliveryEnded {
    /// The id of the alert. Null if it is no longer stored.
    pub alert_id: Option<String>,
    /// The sink, such as `webhook/oncall`.
    pub sink: String,
    /// `delivered`, `failed` (it is retried) or `dead`.
    pub outcome: String,
    /// When it ended.
    pub at: Timestamp,
    /// The number of the attempt, from 1. For `dead`, the number of attempts.
    pub attempt: u32,
    /// The class of the failure.
    pub class: Option<String>,
    /// The HTTP status of a failure, if there was one.
    pub code: Option<u16>,
    /// What went wrong, or a remark on a success: at most 200 bytes.
    pub note: Option<String>,
}

/// The state of a sink changed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SinkNow {
    /// The full name.
    pub name: String,
    /// `ok`, `open` (the circuit breaker stops all sends) or `paused`.
    pub state: String,
    /// When it changed.
    pub at: Timestamp,
    /// `operator`, `receiver` or `hold` (the gateway was started with `--hold`), if it is paused.
    pub paused_by: Option<String>,
    /// What went wrong, if the circuit breaker opened: at most 200 bytes.
    pub note: Option<String>,
    /// The time of the next probe, if the circuit breaker opened.
    pub retry_at: Option<Timestamp>,
}

/// Events were left out.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Reset {
    /// The reason, in words.
    pub message: String,
    /// The list with all alerts up to here, newest first, with the filters of the stream.
    pub list: String,
}

/// The gateway ends the stream.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct End {
    /// `slow` (the reader did not keep up), `stopping` (the gateway stops), `unauthorized` (the token or the session is no longer valid) or `store_unreadable`.
    pub code: String,
    /// The reason, in words.
    pub message: String,
}
