//! Types of what an operator checks: where the fields of an alert come from, whether a sink works, and what is in force.

use crate::http::PeerState;
use campanile_model::Severity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Difference;
use crate::forecast::Origin;

/// Where the fields of a stored alert come from, with the current mapping.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct AlertOrigin {
    /// The origin of the fields of this alert alone. Null if it is not known.
    pub origin: Option<Origin>,
    /// Why the origin is not known.
    pub reason: Option<String>,
    /// The fields that the current mapping would read differently.
    pub differs: Vec<Difference>,
}

/// How a sink is tested.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TestSink {
    /// The severity of the test alert. `critical` also mentions people, where the sink does that. Default: `info`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
}

/// What the receiver of a sink answered to a test alert.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Tested {
    /// The full name of the sink, such as `webhook/oncall`.
    pub sink: String,
    /// `delivered`, or the class of the failure, such as `transient`.
    pub result: String,
    /// The duration in milliseconds.
    pub took_ms: u32,
    /// The HTTP status, if there was one.
    pub code: Option<u16>,
    /// The name of the receiver for the message.
    pub handle: Option<String>,
    /// The meaning of a success: `committed`, `accepted` or `written`. Null without a success.
    pub worth: Option<String>,
    /// A remark on the success, for example that the text was shortened.
    pub remark: Option<String>,
    /// What went wrong, with the words of the receiver. Null after a success.
    pub reason: Option<String>,
}

/// The gateway as it runs now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Running {
    /// The version of the program.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// The configuration in force as TOML: files and environment together, without mappings and recipes. `***` is in the place
    /// of each secret.
    pub config: String,
    /// The changed configuration that is not in force, because of its mistakes. Null if there is none.
    pub refused: Option<ConfigRefused>,
    /// The gateways that share the store, also this one; the one that has run longest is first. Empty if the store is a file.
    pub gateways: Vec<PeerState>,
}

/// A changed configuration that is not in force.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConfigRefused {
    /// When it was read.
    pub at: Timestamp,
    /// Every mistake in it, with place and fix.
    pub reason: String,
}

/// The addresses of a source for its vendor, with its keys.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Addresses {
    /// One for each key, in the order of the configuration.
    pub callbacks: Vec<String>,
}
