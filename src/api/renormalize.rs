//! `/api/v1/renormalize`: compares stored alerts with the result of the current mapping. Changes nothing.

use actix_web::{HttpResponse, web};
use campanile_model::Alert;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::error::ApiError;
use super::query::{LIMIT_MAX, page};
use super::simulate::LABEL;
use super::types::{Difference, Differing, Renormalize as Wanted, Renormalized};
use super::{Failing, body, resource};
use crate::forecast;
use crate::http::Gateway;
use crate::intake::{Read, read, stored};
use crate::snapshot::{Snapshot, Source};
use campanile_store::{AlertFilter, Fault, StoredAlert};

/// The default number of alerts to compare.
const LIMIT: u32 = 100;

/// Fields that the gateway sets, in addition to the label of a simulation. No mapping sets them.
const OF_THE_GATEWAY: &[&str] = &["id", "source", "received_at"];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/renormalize").post(compare));
}

impl Wanted {
    fn of(bytes: &[u8]) -> Failing<Self> {
        body::read(
            bytes,
            "the body is not valid: send `{\"source\":\"zabbix/prod\",\"since\":\"2026-01-31T08:00:00Z\",\"limit\":100,\"before\":\"...\"}` \
                 as JSON; only `source` is required, `before` is the `next` of the previous page",
        )
    }

    /// The filter. It requests one more alert than the limit, to detect a next page.
    fn filter(&self) -> Failing<AlertFilter> {
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let message = format!("`limit` is {limit}, but must be a number from 1 to {LIMIT_MAX}");
            return Err(ApiError::bad_request(message).at_pointer("/limit"));
        }
        let before = self.before.as_ref().map(|before| before.parse());
        let before = before.transpose().map_err(|_| {
            ApiError::bad_request("`before` must be the `next` of the previous page")
                .at_pointer("/before")
        })?;
        Ok(AlertFilter {
            source: Some(self.source.clone()),
            since: self.since,
            before,
            limit: limit + 1,
            ..AlertFilter::default()
        })
    }
}

/// Compares stored alerts with the result of the current mapping for their callbacks. Changes nothing.
#[utoipa::path(
    post,
    path = "/api/v1/renormalize",
    request_body = Wanted,
    responses((status = 200, body = Renormalized))
)]
pub(super) async fn compare(
    bytes: web::Bytes,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let wanted = Wanted::of(&bytes)?;
    let current = gateway.current();
    let snapshot = &current.snapshot;
    let source = snapshot.source(&wanted.source).ok_or_else(|| {
        let names: Vec<&str> = snapshot
            .sources
            .iter()
            .map(|source| &*source.name)
            .collect();
        let names = names.join(", ");
        let message = format!(
            "`{:.80}` is not a configured source; the sources are: {names}",
            wanted.source
        );
        ApiError::bad_request(message).at_pointer("/source")
    })?;
    let filter = wanted.filter()?;
    let limit = filter.limit - 1;
    let stored = gateway.store.alerts(filter).await?;
    let page = page(stored.rows, limit, |alert| alert.seq);
    let mut again = Again::default();
    let (mut items, mut gone) = (Vec::new(), 0);
    for alert in &page.items {
        let Some(raw) = gateway.store.callback_of(alert.seq).await? else {
            gone += 1;
            continue;
        };
        items.extend(again.differs((source, snapshot), alert, raw));
    }
    Ok(HttpResponse::Ok().json(Renormalized {
        items,
        looked_at: u64::try_from(page.items.len()).unwrap_or(u64::MAX),
        without_callback: gone,
        next: page.next,
    }))
}

/// The callback that was read last. Alerts of the same callback follow each other, so it is read once.
#[derive(Default)]
struct Again {
    raw: Vec<u8>,
    received_at: Option<Timestamp>,
    read: Option<Result<Read, Fault>>,
}

impl Again {
    /// The differences of one alert; none if it would be the same.
    fn differs(
        &mut self,
        (source, snapshot): (&Source, &Snapshot),
        stored: &StoredAlert,
        raw: Vec<u8>,
    ) -> Option<Differing> {
        let old: Alert = serde_json::from_slice(&stored.json).ok()?;
        let received_at = old.received_at;
        if self.raw != raw || self.received_at != Some(received_at) {
            self.read = None;
            (self.raw, self.received_at) = (raw, Some(received_at));
        }
        let raw = &self.raw;
        let read = self
            .read
            .get_or_insert_with(|| read_again((source, snapshot), raw, received_at));
        let differing = |fields: Vec<Difference>, fault: Option<Fault>| Differing {
            alert: old.id.clone(),
            received_at,
            title: old.title.clone(),
            fields,
            fault,
        };
        let reading = match read {
            Ok(reading) => reading,
            Err(fault) => return Some(differing(vec![], Some(fault.clone()))),
        };
        let Some(new) = same(reading, &old) else {
            return Some(differing(vec![], Some(absent(reading))));
        };
        let fields = differences(&json!(old), &json!(new));
        (!fields.is_empty()).then(|| differing(fields, None))
    }
}

/// Reads a stored callback with the current provider and source. Its sender was verified when it arrived.
fn read_again(
    (source, snapshot): (&Source, &Snapshot),
    raw: &[u8],
    received_at: Timestamp,
) -> Result<Read, Fault> {
    let call = stored(source, raw, received_at)?;
    let mut read = read(source, &call, received_at);
    let alerts = read.alerts.iter_mut();
    let alerts = alerts.map(|identified| &mut identified.alert);
    let _redacted = forecast::rewrite(alerts, snapshot);
    match read.faults.pop() {
        Some(fault) if read.alerts.is_empty() && read.faults.is_empty() => Err(fault),
        fault => {
            read.faults.extend(fault);
            Ok(read)
        }
    }
}

/// The new form of an alert: the one with the same message id, else the only one with the same fingerprint, else the only
/// one.
pub(super) fn same<'r>(read: &'r Read, old: &Alert) -> Option<&'r Alert> {
    let alerts = || read.alerts.iter().map(|identified| &identified.alert);
    let only = |mut alerts: Vec<&'r Alert>| alerts.pop().filter(|_| alerts.is_empty());
    let by_message = alerts().find(|new| new.message_id == old.message_id);
    let by_problem = || {
        let same = alerts().filter(|new| new.fingerprint == old.fingerprint);
        only(same.collect())
    };
    by_message
        .or_else(by_problem)
        .or_else(|| only(alerts().collect()))
}

/// The reason why the callback no longer gives this alert.
pub(super) fn absent(read: &Read) -> Fault {
    if let Some(fault) = read.faults.first() {
        return fault.clone();
    }
    let problem = match &read.ignored {
        Some(reason) => format!("the callback would be ignored: {reason}"),
        None => "the callback would give no alert with this message id or fingerprint".to_owned(),
    };
    Fault::new("body", problem)
}

/// The fields in which two alerts differ, such as `metric.value`, with the old and the new value.
pub(super) fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare_at("", old, new, &mut found);
    found
}

fn compare_at(path: &str, old: &Value, new: &Value, found: &mut Vec<Difference>) {
    if let (Value::Object(before), Value::Object(after)) = (old, new) {
        let added = after.keys().filter(|key| !before.contains_key(*key));
        for key in before.keys().chain(added) {
            let path = match path {
                "" if OF_THE_GATEWAY.contains(&key.as_str()) => continue,
                "" => key.clone(),
                "labels" if key == LABEL => continue,
                path => format!("{path}.{key}"),
            };
            let of = |fields: &serde_json::Map<String, Value>| fields.get(key).cloned();
            let (old, new) = (
                of(before).unwrap_or_default(),
                of(after).unwrap_or_default(),
            );
            compare_at(&path, &old, &new, found);
        }
    } else if old != new {
        found.push(Difference {
            field: path.to_owned(),
            old: old.clone(),
            new: new.clone(),
        });
    }
}
