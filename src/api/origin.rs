//! `GET /api/v1/alerts/{id}/origin`: where the fields of a stored alert come from, with the current mapping.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use campanile_model::{Alert, Secret};
use serde_json::json;

use super::types::AlertOrigin;
use super::{Failing, alerts, renormalize, resource};
use crate::forecast::{self, FieldOrigin, Origin};
use crate::http::Gateway;
use crate::intake::{self, Read, read};
use crate::snapshot::Snapshot;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/alerts/{id}/origin").get(show));
}

/// Where each field of an alert comes from. The stored request is read again with the current mapping. Changes nothing.
#[utoipa::path(
    get,
    path = "/api/v1/alerts/{id}/origin",
    params(("id" = String, Path, description = "The id of the alert")),
    responses((status = 200, body = AlertOrigin))
)]
pub(super) async fn show(
    id: web::Path<String>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let gateway = gateway.into_inner();
    Ok(HttpResponse::Ok().json(of(&gateway, &id).await?))
}

/// Where the fields of the alert with this id come from.
pub(crate) async fn of(gateway: &Arc<Gateway>, id: &str) -> Failing<AlertOrigin> {
    let found = alerts::find(gateway, id).await?;
    let alert = alerts::shown(&found)?;
    let Some(raw) = gateway.store.callback_of(found.seq).await? else {
        return Ok(unknown("the request is no longer stored"));
    };
    let gateway = Arc::clone(gateway);
    // A callback can have thousands of alerts, and all requests of the admin listener share one thread.
    let asked = tokio::task::spawn_blocking(move || read_again(&gateway, &alert, &raw));
    Ok(asked.await.unwrap_or_else(|_| {
        unknown("the current mapping failed on this request: the log has the panic")
    }))
}

fn unknown(reason: impl Into<String>) -> AlertOrigin {
    AlertOrigin {
        reason: Some(reason.into()),
        ..AlertOrigin::default()
    }
}

fn read_again(gateway: &Gateway, alert: &Alert, raw: &[u8]) -> AlertOrigin {
    let current = gateway.current();
    let Some(source) = current.snapshot.source(&alert.source) else {
        return unknown(format!(
            "the source {} is no longer configured",
            alert.source
        ));
    };
    let call = match intake::stored(source, raw, alert.received_at) {
        Ok(call) => call,
        Err(fault) => return unknown(fault.to_string()),
    };
    let reading = read(source, &call, alert.received_at);
    let Some(new) = renormalize::same(&reading, alert) else {
        return unknown(renormalize::absent(&reading).to_string());
    };
    let (rewritten, secrets) = rewritten(&reading, new, &current.snapshot);
    let differs = renormalize::differences(&json!(alert), &json!(rewritten));
    let origin = own(forecast::origin(source, &call), &reading, new);
    match origin.map(|origin| forecast::hidden(origin, &secrets)) {
        Some(origin) => AlertOrigin {
            origin: Some(origin),
            differs,
            reason: None,
        },
        None => AlertOrigin {
            differs,
            ..unknown("several items of the batch could be this alert")
        },
    }
}

/// One alert of the callback as the rewrites leave it, and the values that they redact.
fn rewritten(read: &Read, new: &Alert, snapshot: &Snapshot) -> (Alert, Vec<Secret>) {
    let alerts = || read.alerts.iter().map(|identified| &identified.alert);
    let mut all: Vec<Alert> = alerts().cloned().collect();
    let secrets = forecast::rewrite(&mut all, snapshot);
    let at = alerts().position(|alert| std::ptr::eq(alert, new));
    let found = at
        .filter(|at| *at < all.len())
        .map(|at| all.swap_remove(at));
    (found.unwrap_or_else(|| new.clone()), secrets)
}

/// The origin of the fields of one alert of the callback. None if it is not certain which item of the batch it is.
fn own(origin: Origin, read: &Read, new: &Alert) -> Option<Origin> {
    let Origin::Mapping { mut fields } = origin else {
        return Some(origin);
    };
    let last = fields.iter().filter_map(FieldOrigin::item).max();
    let Some(last) = last else {
        return Some(Origin::Mapping { fields });
    };
    let alerts = || read.alerts.iter().map(|identified| &identified.alert);
    // Without an item that was skipped or could not be read, alerts and items have the same numbers.
    let item = if alerts().count() == last + 1 {
        alerts().position(|alert| std::ptr::eq(alert, new))?
    } else {
        let with_title = fields
            .iter()
            .filter(|field| field.name() == "title" && field.value == new.title);
        let mut items: Vec<usize> = with_title.filter_map(FieldOrigin::item).collect();
        items.dedup();
        let [item] = items.as_slice() else {
            return None;
        };
        *item
    };
    fields.retain(|field| field.item() == Some(item));
    Some(Origin::Mapping { fields })
}
