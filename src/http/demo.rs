//! `GET /get` of UCloud's demo server: the last alert of each problem.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use campanile_model::{Alert, Callback};

use super::ending::{Ending, Reason};
use super::shared::{Turned, demo_inlets, first_believer};
use super::{Gateway, Plan};

/// Alerts in one list. The vendor's own server has no limit, and no user with so many problems at once.
const LISTED_MAX: u32 = 1000;

/// The list of the first demo source that believes the caller.
pub(super) async fn list<'p>(
    gateway: &Gateway,
    plan: &'p Plan,
    call: &Callback,
) -> Result<HttpResponse, Turned<'p>> {
    let inlet = first_believer(demo_inlets(plan), call)?;
    let stored = gateway
        .store
        .latest_of(inlet.name.to_string(), LISTED_MAX)
        .await;
    let stored = stored.map_err(|e| (Some(inlet), Ending::Rejected(Reason::from(&e))))?;
    let alerts = stored
        .iter()
        .filter_map(|s| serde_json::from_slice(&s.json).ok());
    let list = (gateway.hooks.demo_list)(&alerts.collect::<Vec<Alert>>());
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(list.to_string()))
}
