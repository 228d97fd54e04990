//! What bulk actions take and answer.

use campanile_model::Fault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The items of a bulk action: exactly one of `ids`, `sink`, `source` and `all`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// The items with these numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<i64>>,
    /// All items of this sink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sink: Option<String>,
    /// All items of this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// All items.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Only count the items.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// The result of reading quarantined callbacks again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Released {
    /// The number of selected callbacks.
    pub count: u64,
    /// True if nothing was changed. Then only `count` is set.
    pub dry_run: bool,
    /// The number of callbacks that were read and accepted.
    pub released: u64,
    /// The callbacks that still cannot be read. They stay in quarantine.
    pub still_unreadable: Vec<StillUnreadable>,
}

/// A callback that still cannot be read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StillUnreadable {
    /// The number.
    pub id: i64,
    /// What cannot be read, with the place.
    pub faults: Vec<Fault>,
}

/// The result of a bulk action.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Counted {
    /// The number of items that it changed, or would change.
    pub count: u64,
    /// True if nothing was changed.
    pub dry_run: bool,
}
