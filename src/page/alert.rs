//! `/alerts/{id}`: one alert, from the request of the vendor to the response of each receiver.

use actix_web::{HttpRequest, HttpResponse, web};
use campanile_model::{Alert, Link, UNTOLD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::{self, Field};
use super::filter::Filter;
use super::moment::Moment;
use super::view::View;
use super::{answer, row};
use crate::api::types::{
    AlertDetail, AlertOrigin, Arrival, Attempt, Delivery, Difference, HeldDelivery, Origin,
    Outcome, Retry, RouteSaid,
};
use crate::api::{Actor, Failing, alerts, origin};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/alerts/{id}", web::get().to(show))
        .route("/alerts/{id}/retry", web::post().to(retry));
}

/// What the template sees.
#[derive(Serialize)]
struct Shown {
    id: String,
    title: String,
    status: String,
    severity: String,
    source: String,
    fingerprint: String,
    value: String,
    description: String,
    received: Moment,
    /// The request line of the vendor.
    request_line: Option<String>,
    /// The request of the vendor, without secrets.
    request: Option<String>,
    bytes: usize,
    arrival: Arrival,
    routes: Vec<RouteSaid>,
    also: Vec<String>,
    sent: Vec<Sent>,
    waiting: Vec<Waiting>,
    held: Vec<Holding>,
    outcomes: Vec<Ended>,
    fields: Vec<Field>,
    /// The vendor is read by code, so the origin of a field is not known.
    by_code: bool,
    /// Why the origin of the fields is not known, although there is a request.
    unknown_origin: Option<String>,
    /// What the current mapping would read differently.
    differs: Vec<Differs>,
    times: Vec<(&'static str, Moment)>,
    links: Vec<Link>,
    /// The sinks to which it can be sent again.
    sinks: Vec<String>,
    /// What the reader just did.
    done: String,
}

/// A field that the current mapping would read differently.
#[derive(Serialize)]
struct Differs {
    field: String,
    old: String,
    new: String,
}

impl Differs {
    fn of(difference: Difference) -> Self {
        let text = |value: &Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Self {
            old: text(&difference.old),
            new: text(&difference.new),
            field: difference.field,
        }
    }
}

/// One attempt.
#[derive(Serialize)]
struct Sent {
    ended: Moment,
    #[serde(flatten)]
    attempt: Attempt,
}

/// A pending delivery.
#[derive(Serialize)]
struct Waiting {
    /// Nothing is sent before the sink works again.
    stopped: bool,
    due: Option<Moment>,
    #[serde(flatten)]
    delivery: Delivery,
}

/// A sink that does not get it now.
#[derive(Serialize)]
struct Holding {
    since: Moment,
    #[serde(flatten)]
    held: HeldDelivery,
}

/// What became of it for a sink that does not get it.
#[derive(Serialize)]
struct Ended {
    decided: Moment,
    /// The word of the page for it.
    word: String,
    #[serde(flatten)]
    outcome: Outcome,
}

async fn show(
    request: HttpRequest,
    id: web::Path<String>,
    gateway: web::Data<Gateway>,
) -> Failing<HttpResponse> {
    let view = View::of(&request, &gateway);
    let filter = Filter::of(request.query_string(), view.now())?;
    let detail = alerts::detail(&gateway, &id).await?;
    let origin = origin::of(&gateway.clone().into_inner(), &id).await?;
    let mut shown = Shown::of(&view, detail, origin);
    let all = gateway.sinks.states().into_iter();
    shown.sinks = all.map(|sink| sink.name.to_string()).collect();
    filter.text("done").clone_into(&mut shown.done);
    Ok(view.page("alert.html", shown))
}

impl Shown {
    fn of(view: &View, detail: AlertDetail, origin: AlertOrigin) -> Self {
        let alert = detail.alert;
        let has_request = detail.callback.is_some();
        let (by_code, origins) = match origin.origin {
            Some(Origin::Code) => (true, vec![]),
            Some(Origin::Mapping { fields }) => (false, fields),
            None => (false, vec![]),
        };
        let request_line = detail.callback.as_ref().and_then(|raw| raw.lines().next());
        let sent = detail.attempts.into_iter().map(|attempt| Sent {
            ended: view.moment(attempt.at),
            attempt,
        });
        let waiting = detail.deliveries.into_iter().map(|delivery| Waiting {
            stopped: view.is_stopped(&delivery.sink),
            due: delivery.due_at.map(|at| view.moment(at)),
            delivery,
        });
        let held = detail.held.into_iter().map(|held| Holding {
            since: view.moment(held.since),
            held,
        });
        let outcomes = detail.outcomes.into_iter().map(|outcome| Ended {
            decided: view.moment(outcome.at),
            word: if outcome.reason == UNTOLD {
                "untold".to_owned()
            } else {
                outcome.outcome.clone()
            },
            outcome,
        });
        Self {
            title: row::title(&alert),
            status: alert.status.to_string(),
            severity: alert.severity.to_string(),
            fingerprint: alert.fingerprint.to_string(),
            value: row::value(&alert.metric),
            received: view.moment(alert.received_at),
            request_line: request_line.map(ToOwned::to_owned),
            bytes: detail.callback.as_ref().map_or(0, String::len),
            arrival: detail.arrival,
            routes: detail.routes,
            also: detail.also,
            sent: sent.collect(),
            waiting: waiting.collect(),
            held: held.collect(),
            outcomes: outcomes.collect(),
            fields: field::all(&alert, &origins),
            by_code,
            differs: origin.differs.into_iter().map(Differs::of).collect(),
            unknown_origin: origin.reason.filter(|_| has_request),
            times: times(view, &alert),
            links: alert
                .links
                .into_iter()
                .filter_map(|link| Link::web(link.title, &link.url))
                .collect(),
            sinks: vec![],
            done: String::new(),
            request: detail.callback,
            source: alert.source,
            description: alert.description,
            id: alert.id,
        }
    }
}

/// The times of the vendor's clock.
fn times(view: &View, alert: &Alert) -> Vec<(&'static str, Moment)> {
    let times = [("starts_at", alert.starts_at), ("ends_at", alert.ends_at)];
    let given = times
        .into_iter()
        .filter_map(|(name, at)| Some((name, view.moment(at?))));
    given.collect()
}

#[derive(Deserialize)]
struct Wish {
    /// A sink, or nothing for all sinks.
    sink: Option<String>,
}

/// Sends an alert again.
async fn retry(
    id: web::Path<String>,
    wish: web::Form<Wish>,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let sink = wish.into_inner().sink.filter(|sink| !sink.is_empty());
    let wanted = Retry {
        sinks: sink.map(|sink| vec![sink]),
    };
    let retried = alerts::again(&gateway, &id, wanted, &actor).await?;
    let done = if retried.pending.is_empty() {
        "already"
    } else {
        "retried"
    };
    Ok(answer::see(&format!("/alerts/{id}?done={done}")))
}
