//! What bulk actions take and answer.

use campanile_model::Fault;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The items of a bulk action: exactly one of `ids`, `sink`, `source` and `all`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a member of the body"
)]
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
    /// Leave out alerts that fire but whose problem was resolved since. Only for `dead/retry`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub leave_out_ended: bool,
    /// Only items up to this number: the `seen_to` of a dry run. Items that come later are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen_to: Option<i64>,
    /// The `count` of a dry run. If it is no longer the number of items, nothing is changed and the answer is 409.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Answer at once (202), and work in the background. The answer is a job.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// Only count the items.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// The result of a bulk action, or of its dry run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Counted {
    /// The number of items that it changed, or would change. A dry run counts up to 10,000.
    pub count: u64,
    /// There are more items: more than a dry run counts, or more than one action changes (1,000,000).
    #[serde(default)]
    pub more: bool,
    /// True if nothing was changed.
    pub dry_run: bool,
    /// The time of the oldest counted item. Only in a dry run.
    #[serde(default)]
    pub oldest_at: Option<Timestamp>,
    /// The counted items by sink or source and by reason, most first. Only in a dry run.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Of `dead/retry`: the alerts that fire but whose problem was resolved since. An action counts them only with
    /// `leave_out_ended`.
    #[serde(default)]
    pub ended: u64,
    /// The number of items that are left out because of `leave_out_ended`. They are not in `count`.
    #[serde(default)]
    pub left_out: u64,
    /// The number of the newest item. Send it with the action to leave out the items that come later.
    #[serde(default)]
    pub seen_to: Option<i64>,
}

/// Items of one sink or source with the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// The sink. Null for quarantined callbacks.
    pub sink: Option<String>,
    /// The source. Null for deliveries and dead letters.
    pub source: Option<String>,
    /// The class of the failure of a dead letter, the last status of a delivery, the first fault of a callback. `other` if
    /// there are more than 100 groups.
    pub reason: String,
    /// The number of items.
    pub count: u64,
}

/// The result of reading quarantined callbacks again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Released {
    /// `count` is the number of selected callbacks.
    #[serde(flatten)]
    pub counted: Counted,
    /// The number of callbacks that were read and accepted.
    pub released: u64,
    /// The callbacks that still cannot be read, at most 1,000. They stay in quarantine.
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

/// A bulk action in the background. It is in memory: a restart of the gateway ends it. Each batch of it is in the store before
/// the next begins, so what it changed is kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// The id.
    pub id: Uuid,
    /// The action, such as `dead.retry`.
    pub action: String,
    /// Who began it: the name of the token, or of the operator whom the proxy logged in.
    pub who: String,
    /// `running`, `done`, `stopped` or `failed`.
    pub state: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The number of its items. Null while it finds them.
    pub total: Option<u64>,
    /// How many items it has looked at.
    pub done: u64,
    /// How many of these it changed.
    pub changed: u64,
    /// How many of these it left out because of `leave_out_ended`.
    pub left_out: u64,
    /// The items that it did not change, at most 1,000.
    pub results: Vec<NotChanged>,
    /// Why it failed.
    pub error: Option<String>,
}

/// An item that a bulk action did not change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NotChanged {
    /// The number of the item. Of a delivery the place of its alert.
    pub id: i64,
    /// `gone`: somebody else retried or dropped it, or it was delivered. `ended`: left out because its problem was resolved.
    /// `unreadable`: it still cannot be read.
    pub reason: String,
    /// What cannot be read, with the place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}
