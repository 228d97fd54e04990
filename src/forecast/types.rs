//! What the gateway would do with a request, as data for the API, the pages and `campanile try`.

use std::sync::Arc;

use campanile_model::{Alert, Fault};
use campanile_providers::Explained;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RewriteApplied, RouteSaid};

/// What the gateway would do with a request.
#[derive(Debug, Serialize, ToSchema)]
pub struct Forecast {
    /// The source that receives it; null if there is no such source.
    pub source: Option<String>,
    /// `accepted`, `ignored`, `quarantined` or `rejected`.
    pub verdict: String,
    /// The reason, if it would not be accepted.
    pub reason: Option<String>,
    /// The answer to the vendor.
    pub answer: Reply,
    /// The alerts, each with its sinks.
    pub alerts: Vec<Fate>,
    /// The number of alerts that are not in `alerts`, because there are too many.
    pub more_alerts: usize,
    /// What could not be read, with the place.
    pub faults: Vec<Fault>,
    /// Problems that did not prevent the callback from being read.
    pub remarks: Vec<String>,
    /// The URL that the gateway would fetch to confirm a subscription.
    pub confirms: Option<String>,
    /// The origin of each field. Absent if it was not asked for, or if nothing was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained: Option<Origin>,
}

/// The origin of the fields of the alerts.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "read_by", rename_all = "lowercase")]
pub enum Origin {
    /// The vendor is read by a mapping.
    Mapping {
        /// The fields, in the order of the mapping.
        fields: Vec<FieldOrigin>,
    },
    /// The vendor is read by code.
    Code,
}

/// The origin of one field.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FieldOrigin {
    /// The field of the alert, such as `metric.value`; in a batch with the number of its item: `[2].metric.value`.
    pub field: String,
    /// The place in the callback that the expression names first, such as `body.alerts[2].values`.
    pub place: String,
    /// The expression of the mapping.
    pub expression: String,
    /// Its value as text; empty if it gave none.
    pub value: String,
    /// The expression gave no value, so the field has its default.
    pub default: bool,
}

impl FieldOrigin {
    /// The number of the item in a batch, from 0. None if the mapping reads no list.
    pub fn item(&self) -> Option<usize> {
        let (number, _) = self.field.strip_prefix('[')?.split_once("].")?;
        number.parse().ok()
    }

    /// The name of the field, without the number of the item.
    pub fn name(&self) -> &str {
        let name = self.item().and_then(|_| self.field.split_once("]."));
        name.map_or(&*self.field, |(_, name)| name)
    }
}

impl From<Explained> for FieldOrigin {
    fn from(explained: Explained) -> Self {
        let Explained {
            field,
            place,
            expression,
            value,
            default,
        } = explained;
        Self {
            field,
            place,
            expression,
            value,
            default,
        }
    }
}

/// The answer to the vendor.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The type of the body.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// One alert with its routes and sinks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Fate {
    /// The alert. Its id is zero, because it is not stored.
    #[schema(value_type = Alert)]
    pub alert: Arc<Alert>,
    /// What each rewrite that matches changed, in the order of the file. The alert is what they left.
    pub rewrites: Vec<RewriteApplied>,
    /// The result of each route, in the order of the file. Empty if every alert goes to the same sinks.
    pub routes: Vec<RouteSaid>,
    /// What each of its sinks would send.
    pub sinks: Vec<Rendered>,
}

/// What one sink would send.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rendered {
    /// The full name of the sink, such as `webhook/oncall`.
    pub name: String,
    /// The request or the line, without secrets.
    pub request: Option<String>,
    /// The reason, if there is no request.
    pub error: Option<String>,
}
