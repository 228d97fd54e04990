//! Lists the last alert of each problem of one source, in the form of its vendor.

use std::collections::HashSet;

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use campanile_model::Alert;
use campanile_store::AlertFilter;

use super::{Gateway, commit};
use crate::intake::Reason;
use crate::snapshot::Source;

/// The number of newest alerts that the list covers.
const LISTED_MAX: u32 = 1000;

pub(super) async fn of(gateway: &Gateway, source: &Source) -> Result<HttpResponse, Reason> {
    let filter = AlertFilter {
        source: Some(source.name.to_string()),
        limit: LISTED_MAX,
        ..AlertFilter::default()
    };
    let stored = gateway.store.alerts(filter).await;
    let stored = stored.map_err(|error| commit::reason(&error))?;
    let alerts = stored.rows.iter();
    let alerts = alerts.filter_map(|stored| serde_json::from_slice::<Alert>(&stored.json).ok());
    let mut seen = HashSet::new();
    let newest: Vec<Alert> = alerts
        .filter(|alert| seen.insert(alert.fingerprint))
        .collect();
    let list = source.provider.list(&newest).ok_or(Reason::NotFound)?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(list.to_string()))
}
