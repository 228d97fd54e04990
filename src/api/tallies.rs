//! `/api/v1/tallies`: how many alerts arrived, by time.

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::ApiError;
use super::query::Query;
use super::{Failing, resource};
use crate::http::Gateway;
use campanile_store::{SourceTally, TallyFilter};

/// The largest number of steps in one response.
const STEPS_MAX: i64 = 1_500;

/// The default time before now, and the default step in minutes.
const HOURS: i64 = 24;
const STEP_MINUTES: u32 = 5;

/// The longest step: a day.
const STEP_MINUTES_MAX: u32 = 24 * 60;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/tallies").get(index));
}

/// How many alerts arrived.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Tallies {
    /// The begin of the first step: a whole minute.
    pub(crate) since: Timestamp,
    /// The end of the last step, which can be shorter.
    pub(crate) until: Timestamp,
    /// The minutes of one step.
    pub(crate) step: u32,
    /// The numbers, in the order of time. What is not here is zero.
    pub(crate) items: Vec<TallyItem>,
}

/// How many alerts of one severity and status arrived in one step.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TallyItem {
    /// The begin of the step.
    pub(crate) at: Timestamp,
    /// The severity.
    pub(crate) severity: String,
    /// `firing` or `resolved`.
    pub(crate) status: String,
    /// The number of alerts.
    pub(crate) count: u64,
}

/// How many alerts arrived in each step of a time, by severity and status. They are counted when they arrive: nothing is searched.
#[utoipa::path(
    get,
    path = "/api/v1/tallies",
    params(
        ("source" = Option<String>, Query, description = "Only of this source"),
        ("since" = Option<String>, Query, description = "The begin of the time; default: 24 hours before `until`"),
        ("until" = Option<String>, Query, description = "The end of the time; default: the end of this minute"),
        ("step" = Option<u32>, Query, description = "Minutes of one step, from 1 to 1440; default: 5. At most 1500 steps"),
    ),
    responses((status = 200, body = Tallies))
)]
pub(super) async fn index(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(list(&gateway, request.query_string()).await?))
}

/// The numbers that match a query.
pub(crate) async fn list(gateway: &Gateway, query: &str) -> Failing<Tallies> {
    let query = Query::of(query, &["source", "since", "until", "step"])?;
    let step = query.number("step", 1..=STEP_MINUTES_MAX)?;
    let step = step.unwrap_or(STEP_MINUTES);
    let next_minute = || minute(gateway.clock.now() + SignedDuration::from_mins(1));
    let until = query.time("until")?.map_or_else(next_minute, minute);
    let since = match query.time("since")? {
        Some(since) => minute(since),
        None => until
            .checked_sub(SignedDuration::from_hours(HOURS))
            .unwrap_or(Timestamp::MIN),
    };
    let minutes = until.duration_since(since).as_mins();
    if minutes > STEPS_MAX.saturating_mul(step.into()) {
        let message = format!(
            "from `since` to `until` there are more than {STEPS_MAX} steps; set a longer `step` or a later `since`"
        );
        return Err(ApiError::bad_request(message).at_parameter("step"));
    }
    let filter = TallyFilter {
        source: query.text("source").map(str::to_owned),
        since,
        until,
        step_minutes: step,
    };
    let rows = gateway.store.tallies(filter).await?;
    let items = rows.into_iter().map(|row| TallyItem {
        at: row.at,
        severity: row.severity.to_string(),
        status: row.status.to_string(),
        count: row.count,
    });
    Ok(Tallies {
        since,
        until,
        step,
        items: items.collect(),
    })
}

/// How many alerts of each source arrived, of every severity and status.
pub(crate) async fn by_source(
    gateway: &Gateway,
    since: Timestamp,
    until: Timestamp,
    step: u32,
) -> Failing<Vec<SourceTally>> {
    let filter = TallyFilter {
        source: None,
        since,
        until,
        step_minutes: step,
    };
    Ok(gateway.store.tallies_by_source(filter).await?)
}

/// The begin of the minute of this time.
fn minute(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(at)
}
