//! Silences, and what they hold.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A silence that an operator asks for. At least one of `match`, `regex` and `when` is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WantedSilence {
    /// Fields of the alert and the value, or the list of values, that each may have.
    #[serde(rename = "match", skip_serializing_if = "BTreeMap::is_empty")]
    pub matches: BTreeMap<String, OneOrMore>,
    /// Fields of the alert and a pattern of the whole value of each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub regex: BTreeMap<String, String>,
    /// A Jinja expression over the alert's fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// When it begins. Default: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// When it ends. Either this or `for`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How long it lasts, such as `2h` or `1d 12h`. At most 30 days.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
    /// What happens at its end to what still fires: `tell` (it is sent then) or `forget` (it is not). Default: `tell`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Why.
    pub comment: String,
    /// It may match every alert.
    pub everything: bool,
}

/// A value or a list of values.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One value.
    One(String),
    /// The values.
    Many(Vec<String>),
}

/// How long a silence lasts from now on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Extended {
    /// When it ends. Either this or `for`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How long it lasts from now on, such as `2h`.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilenceItem {
    /// Its number.
    pub id: i64,
    /// `pending`, `active` or `ended`.
    pub state: String,
    /// Fields of the alert and the values that each may have.
    #[serde(rename = "match")]
    pub matches: BTreeMap<String, Vec<String>>,
    /// Fields of the alert and a pattern of the whole value of each.
    pub regex: BTreeMap<String, String>,
    /// A Jinja expression over the alert's fields.
    pub when: Option<String>,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends, or ended.
    pub until: Timestamp,
    /// What happens at its end to what still fires: `tell` or `forget`.
    pub after: String,
    /// The operator.
    pub who: String,
    /// Why.
    pub comment: String,
    /// When it was made.
    pub made_at: Timestamp,
}

/// A silence that was made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SilenceMade {
    /// The silence.
    pub silence: SilenceItem,
    /// What it matches of what fires now.
    pub hits: SilenceHits,
}

/// What a silence matches of what fires now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilenceHits {
    /// The number of problems.
    pub firing: u64,
    /// The number of problems that were looked at.
    pub looked_at: u64,
    /// True if more problems fire than were looked at.
    pub more: bool,
    /// The first of them, at most 20.
    pub items: Vec<SilenceHit>,
}

/// A problem that fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilenceHit {
    /// The id of its newest alert.
    pub alert_id: Uuid,
    /// The title.
    pub title: String,
    /// The source.
    pub source: String,
    /// The severity.
    pub severity: String,
}

/// A sink that does not get an alert now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldDelivery {
    /// The sink.
    pub sink: String,
    /// Since when.
    pub since: Timestamp,
    /// What holds it, such as `silence 12`.
    pub reason: String,
}

/// What became of an alert for a sink that does not get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// The sink.
    pub sink: String,
    /// When it was decided.
    pub at: Timestamp,
    /// `muted`, `folded` (a later alert of the problem says what it said) or `dropped` (by an operator).
    pub outcome: String,
    /// What muted it, or who dropped it.
    pub reason: String,
    /// The id of the later alert, if it was folded and that alert is still stored.
    pub into: Option<Uuid>,
}
