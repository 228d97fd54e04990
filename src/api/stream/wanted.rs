//! Which events a stream wants, and from where.

use actix_web::HttpRequest;
use campanile_store::{AlertFilter, Seq};

use super::item::{About, Item, Kind};
use crate::api::error::ApiError;
use crate::api::query::Query;
use crate::api::{Failing, Names};
use crate::http::Gateway;

const PARAMETERS: &[&str] = &[
    "source",
    "status",
    "severity",
    "fingerprint",
    "sink",
    "events",
    "after",
    "latest",
];

/// The largest value of `latest`.
const LATEST_MAX: u32 = 50;

/// The header with which a browser resumes.
const LAST_EVENT_ID: &str = "last-event-id";

/// The events that `events` names.
const NAMES: &[&str] = &["alert", "delivery", "sink"];

/// Which events a stream wants, and from where.
#[derive(Debug)]
pub(super) struct Wanted {
    alerts: AlertFilter,
    sink: Option<String>,
    /// The names of events; none for all.
    events: Vec<String>,
    /// The last event that the client has.
    pub(super) after: Option<Seq>,
    /// The number of alerts to send first.
    pub(super) latest: u32,
}

impl Wanted {
    pub(super) async fn of(request: &HttpRequest, gateway: &Gateway) -> Failing<Self> {
        let query = Query::of(request.query_string(), PARAMETERS)?;
        let sink = query.text("sink").map(str::to_owned);
        if let Some(sink) = &sink {
            Names::load(gateway).await?.id(sink)?;
        }
        let last = request.headers().get(LAST_EVENT_ID);
        let last = last
            .and_then(|id| id.to_str().ok())
            .filter(|id| !id.is_empty());
        let last = match last {
            Some(id) => Some(id.parse().map_err(|_| not_an_id(id))?),
            None => None,
        };
        let latest = query.number("latest", 0..=LATEST_MAX)?.unwrap_or(0);
        Ok(Self {
            alerts: query.alerts(None)?,
            sink,
            events: events(query.text("events"))?,
            // A browser connects again with the same address and with the header, which is newer.
            after: last.or(query.place("after")?),
            latest: if last.is_some() { 0 } else { latest },
        })
    }

    /// The filter of the newest alerts up to this place.
    pub(super) fn newest(&self, place: Seq) -> Option<AlertFilter> {
        let wanted = self.latest > 0 && self.after.is_none() && self.has("alert");
        wanted.then(|| AlertFilter {
            before: Some(place.saturating_add(1)),
            limit: self.latest,
            ..self.alerts.clone()
        })
    }

    /// Whether the stream shows this event.
    pub(super) fn takes(&self, item: &Item) -> bool {
        match item.kind {
            Kind::Reset(..) => true,
            Kind::Alert(_) => self.has("alert") && self.is_about(item.about.as_deref()),
            Kind::Delivery => {
                self.has("delivery") && self.is_of(item) && self.is_about(item.about.as_deref())
            }
            Kind::Sink => self.has("sink") && self.is_of(item),
        }
    }

    /// The list with the same filters, up to this place.
    pub(super) fn list(&self, place: Seq) -> String {
        let filter = &self.alerts;
        let pairs = [
            ("source", filter.source.clone()),
            ("status", filter.status.map(|status| status.to_string())),
            (
                "severity",
                filter.severity.map(|severity| severity.to_string()),
            ),
            ("fingerprint", filter.fingerprint.map(|of| of.to_string())),
            ("before", Some(place.saturating_add(1).to_string())),
        ];
        let given = pairs
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let given: Vec<_> = given.collect();
        let query = serde_urlencoded::to_string(given).unwrap_or_default();
        format!("/api/v1/alerts?{query}")
    }

    fn has(&self, event: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|name| name == event)
    }

    fn is_of(&self, item: &Item) -> bool {
        self.sink.is_none() || self.sink.as_deref() == item.sink.as_deref()
    }

    /// Whether the alert passes the filters. An alert that is no longer stored passes only if there are none.
    fn is_about(&self, about: Option<&About>) -> bool {
        let filter = &self.alerts;
        let Some(about) = about else {
            return filter.source.is_none()
                && filter.status.is_none()
                && filter.severity.is_none()
                && filter.fingerprint.is_none();
        };
        filter.source.as_ref().is_none_or(|is| *is == about.source)
            && filter.status.is_none_or(|is| is == about.status)
            && filter.severity.is_none_or(|is| is == about.severity)
            && filter.fingerprint.is_none_or(|is| is == about.fingerprint)
    }
}

fn events(text: Option<&str>) -> Failing<Vec<String>> {
    let names: Vec<String> = text.map_or_else(Vec::new, |text| {
        text.split(',').map(str::to_owned).collect()
    });
    match names.iter().find(|name| !NAMES.contains(&name.as_str())) {
        None => Ok(names),
        Some(wrong) => {
            let all = NAMES.join(", ");
            let message = format!(
                "`events` has `{wrong:.40}`, but must be one or more of {all}, with commas"
            );
            Err(ApiError::bad_request(message).at_parameter("events"))
        }
    }
}

fn not_an_id(id: &str) -> ApiError {
    let message =
        format!("`Last-Event-ID` is `{id:.40}`, but must be the id of an event of this stream");
    ApiError::bad_request(message).at_parameter("Last-Event-ID")
}
