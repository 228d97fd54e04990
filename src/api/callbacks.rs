//! `/api/v1/callbacks`: the last callbacks of every kind. Those that the store does not have (refused, duplicate, conflict)
//! are in memory and lost at a restart.

use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;

use super::error::ApiError;
use super::query::Query;
use super::types::{CallbackItem, Searched};
use super::{Failing, arrival, resource};
use crate::http::Gateway;
use crate::http::recent::Call;
use crate::telemetry::metrics::NO_SOURCE;
use campanile_store::{CallbackFilter, CallbackRow, Listed, QuarantineFilter, QuarantineRow};

const FILTERS: &[&str] = &["source", "verdict", "since", "before", "limit"];

/// What can become of a callback.
pub(crate) const VERDICTS: [&str; 6] = [
    "accepted",
    "ignored",
    "quarantined",
    "rejected",
    "duplicate",
    "conflict",
];

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/callbacks").get(index));
}

/// The last callbacks of every kind, newest first: accepted, ignored, quarantined, and those that are not stored: rejected,
/// duplicate and conflict. What is not stored is in memory, at most 200 for each source, and is lost at a restart.
#[utoipa::path(
    get,
    path = "/api/v1/callbacks",
    params(
        ("source" = Option<String>, Query, description = "Only of this source; `-` is none"),
        ("verdict" = Option<String>, Query, description = "Only with this verdict: accepted, ignored, quarantined, rejected, duplicate or conflict"),
        ("since" = Option<String>, Query, description = "Only received at or after this time"),
        ("before" = Option<String>, Query, description = "The `next` of the previous page"),
        ("limit" = Option<u32>, Query, description = "Items per page, from 1 to 500"),
    ),
    responses((status = 200, body = Searched<CallbackItem>))
)]
pub(super) async fn index(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    Ok(HttpResponse::Ok().json(list(&gateway, request.query_string()).await?))
}

/// An item with its place in its list.
type Placed = (CallbackItem, Cursor);

/// What is asked for.
struct Asked {
    source: Option<String>,
    verdict: Option<String>,
    since: Option<Timestamp>,
    limit: u32,
}

/// The callbacks that match a query, newest first.
pub(crate) async fn list(gateway: &Gateway, query: &str) -> Failing<Searched<CallbackItem>> {
    let query = Query::of(query, FILTERS)?;
    let asked = Asked {
        source: query.text("source").map(str::to_owned),
        verdict: query.text("verdict").map(verdict).transpose()?,
        since: query.time("since")?,
        limit: query.limit()?,
    };
    let before: Cursor = query.cursor()?.unwrap_or_default();
    let stored = asked.stored(gateway, before.callback).await?;
    let quarantined = asked.quarantined(gateway, before.quarantine).await?;
    let recent = asked.recent(gateway, before.recent);
    let rows = stored.rows.iter();
    let rows = rows.map(|row| (accepted(row), Cursor::callback(row.id)));
    let unread = quarantined.iter();
    let unread = unread.map(|row| (kept(row), Cursor::quarantine(row.id)));
    let mut all = merged([recent, rows.collect(), unread.collect()]);
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let more = all.len() > limit || stored.searched.is_some();
    all.truncate(limit);
    let mut next = all.iter().fold(before, |next, (_, place)| next.min(*place));
    let searched_to = stored.searched.filter(|_| all.len() < limit);
    if let Some(searched) = searched_to {
        next.callback = next.callback.min(searched.before);
    }
    Ok(Searched {
        items: all.into_iter().map(|(item, _)| item).collect(),
        next: more.then(|| next.to_string()),
        searched_to: searched_to.map(|searched| searched.at),
    })
}

/// The items of three lists, newest first. Each list stays in the order of its numbers, also where the clock was set back:
/// the place where the next page begins is a number.
fn merged(lists: [Vec<Placed>; 3]) -> Vec<Placed> {
    let mut lists = lists.map(Vec::into_iter);
    let mut all = Vec::new();
    loop {
        let newest = lists
            .iter_mut()
            .max_by_key(|list| list.as_slice().first().map(|(item, _)| item.at));
        match newest.and_then(Iterator::next) {
            Some(item) => all.push(item),
            None => return all,
        }
    }
}

fn verdict(word: &str) -> Failing<String> {
    if VERDICTS.contains(&word) {
        return Ok(word.to_owned());
    }
    let known = VERDICTS.join(", ");
    let message = format!("`verdict` is `{word:.40}`, but must be one of: {known}");
    Err(ApiError::bad_request(message).at_parameter("verdict"))
}

impl Asked {
    fn is_any(&self, words: &[&str]) -> bool {
        self.verdict
            .as_deref()
            .is_none_or(|verdict| words.contains(&verdict))
    }

    async fn stored(&self, gateway: &Gateway, before: i64) -> Failing<Listed<CallbackRow>> {
        if !self.is_any(&["accepted", "ignored"]) {
            let (rows, searched) = (Vec::new(), None);
            return Ok(Listed { rows, searched });
        }
        let filter = CallbackFilter {
            source: self.source.clone(),
            ignored: self.verdict.as_deref().map(|verdict| verdict == "ignored"),
            since: self.since,
            before: Some(before),
            limit: self.limit + 1,
        };
        Ok(gateway.store.callbacks(filter).await?)
    }

    async fn quarantined(&self, gateway: &Gateway, before: i64) -> Failing<Vec<QuarantineRow>> {
        if !self.is_any(&["quarantined"]) {
            return Ok(Vec::new());
        }
        let filter = QuarantineFilter {
            source: self.source.clone(),
            before: Some(before),
            limit: self.limit + 1,
        };
        let mut rows = gateway.store.quarantine(filter).await?;
        rows.retain(|row| self.since.is_none_or(|since| row.received_at >= since));
        Ok(rows)
    }

    fn recent(&self, gateway: &Gateway, before: i64) -> Vec<Placed> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let found = gateway
            .recent
            .list(before, limit.saturating_add(1), |call| {
                let source = call.source.as_deref().unwrap_or(NO_SOURCE);
                self.source.as_deref().is_none_or(|wanted| wanted == source)
                    && self.is_any(&[call.verdict])
                    && self.since.is_none_or(|since| call.at >= since)
            });
        let items = found.into_iter().map(|call| {
            let place = Cursor::recent(call.number);
            (remembered(call), place)
        });
        items.collect()
    }
}

fn remembered(call: Call) -> CallbackItem {
    CallbackItem {
        at: call.at,
        source: call.source.map(|source| source.to_string()),
        verdict: call.verdict.to_owned(),
        reason: Some(call.reason),
        from: call.from.map(|from| from.to_string()),
        status: Some(call.status),
        trace: call.trace,
        request: Some(call.request),
        ..CallbackItem::default()
    }
}

fn accepted(row: &CallbackRow) -> CallbackItem {
    let verdict = if row.alerts > 0 {
        "accepted"
    } else {
        "ignored"
    };
    CallbackItem {
        at: row.received_at,
        source: Some(row.source.clone()),
        verdict: verdict.to_owned(),
        from: row.arrival.from.map(|from| from.to_string()),
        status: row.arrival.answer.as_ref().map(|answer| answer.status),
        trace: arrival::trace(&row.arrival),
        alerts: row.alerts,
        alert_id: row.first.map(|id| id.to_string()),
        ..CallbackItem::default()
    }
}

fn kept(row: &QuarantineRow) -> CallbackItem {
    CallbackItem {
        at: row.received_at,
        source: Some(row.source.clone()),
        verdict: "quarantined".to_owned(),
        reason: row.faults.first().map(ToString::to_string),
        from: row.arrival.from.map(|from| from.to_string()),
        status: row.arrival.answer.as_ref().map(|answer| answer.status),
        trace: arrival::trace(&row.arrival),
        quarantine: Some(row.id),
        ..CallbackItem::default()
    }
}

/// A place in the three lists, written as three numbers.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    recent: i64,
    callback: i64,
    quarantine: i64,
}

impl Default for Cursor {
    fn default() -> Self {
        Self {
            recent: i64::MAX,
            callback: i64::MAX,
            quarantine: i64::MAX,
        }
    }
}

impl Cursor {
    fn recent(recent: i64) -> Self {
        Self {
            recent,
            ..Self::default()
        }
    }

    fn callback(callback: i64) -> Self {
        Self {
            callback,
            ..Self::default()
        }
    }

    fn quarantine(quarantine: i64) -> Self {
        Self {
            quarantine,
            ..Self::default()
        }
    }

    fn min(self, other: Self) -> Self {
        Self {
            recent: self.recent.min(other.recent),
            callback: self.callback.min(other.callback),
            quarantine: self.quarantine.min(other.quarantine),
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.recent, self.callback, self.quarantine)
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers: Result<Vec<i64>, _> = text.split('.').map(str::parse).collect();
        match numbers.map_err(|_| ())?[..] {
            [recent, callback, quarantine] => Ok(Self {
                recent,
                callback,
                quarantine,
            }),
            _ => Err(()),
        }
    }
}
