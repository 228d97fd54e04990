//! The gateways that share a store.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One of the gateways that share the store, as this one last saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerState {
    /// The name of its machine, and its process.
    pub name: String,
    /// Whether it is the one that answers.
    pub this: bool,
    /// It stops: it takes no sinks.
    pub leaving: bool,
    /// The sinks that it delivers for.
    pub sinks: Vec<String>,
    /// The parts of its configuration that have differed from those of this one for two minutes, such as `sinks.webhook.oncall`.
    pub differs: Vec<String>,
}
