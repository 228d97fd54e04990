//! `POST /api/v1/try`: what the gateway would do with a request. Stores and sends nothing.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::{HttpResponse, web};
use campanile_model::Callback;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::ApiError;
use super::{Failing, alerts, body, quarantine, resource, sources};
use crate::forecast::{Error, Forecast, Question};
use crate::http::Gateway;
use crate::intake::stored;
use crate::snapshot::{Snapshot, Source};

/// The largest body, in bytes: a request of the default size with its escapes in JSON or in a form.
pub(crate) const BYTES_MAX: usize = 3 * 1024 * 1024;

/// Only so many alerts of a request are routed and rendered.
const ALERTS_MAX: usize = 20;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    let limit = web::PayloadConfig::new(BYTES_MAX);
    config.service(resource("/try").post(show).app_data(limit));
}

/// A request to try: exactly one of `request`, `alert` and `quarantine`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Try {
    /// A raw HTTP request: request line, headers, an empty line, body.
    pub(crate) request: Option<String>,
    /// The stored request of the alert with this id.
    pub(crate) alert: Option<String>,
    /// The quarantined request with this number.
    pub(crate) quarantine: Option<i64>,
    /// The source that receives it. Default: the source of its path; for a stored request, its own.
    pub(crate) source: Option<String>,
    /// Continue as if the sender were verified. A stored request has no secrets any more, so it always is.
    pub(crate) believe: bool,
    /// The IP address of the sender, for sources with `allow_from`.
    #[schema(value_type = Option<String>)]
    pub(crate) from: Option<IpAddr>,
    /// The name that the proxy reads from the client certificate, for sources with `client_certificate`.
    pub(crate) client_certificate: Option<String>,
}

/// What the gateway would do with a request: verdict, alerts with the origin of their fields, routes, and what each sink would
/// send. Stores and sends nothing. At most 20 alerts are shown.
#[utoipa::path(
    post,
    path = "/api/v1/try",
    request_body = Try,
    responses((status = 200, body = Forecast))
)]
pub(super) async fn show(bytes: web::Bytes, gateway: web::Data<Gateway>) -> Failing<HttpResponse> {
    let wanted: Try = body::read(
        &bytes,
        "the body is not valid: send `{\"request\":\"POST /callback/... HTTP/1.1\\n\\n...\"}`, `{\"alert\":\"ID\"}` or \
             `{\"quarantine\":1}` as JSON; `source`, `believe`, `from` and `client_certificate` are optional",
    )?;
    let gateway = gateway.into_inner();
    Ok(HttpResponse::Ok().json(forecast(&gateway, wanted).await?))
}

/// What the gateway would do with a request.
pub(crate) async fn forecast(gateway: &Arc<Gateway>, wanted: Try) -> Failing<Forecast> {
    let asked = match (&wanted.request, &wanted.alert, wanted.quarantine) {
        (Some(raw), None, None) => Asked::pasted(raw, &wanted)?,
        (None, Some(id), None) => Asked::of_alert(gateway, id, &wanted).await?,
        (None, None, Some(number)) => Asked::quarantined(gateway, number, &wanted).await?,
        _ => {
            let message = "give exactly one of `request`, `alert` and `quarantine`";
            return Err(ApiError::bad_request(message));
        }
    };
    let gateway = Arc::clone(gateway);
    // Templates take time, and all requests of the admin listener share one thread.
    let asked = tokio::task::spawn_blocking(move || asked.ask(&gateway));
    let failed = |_| ApiError::failed("the request cannot be tried: the log has the panic");
    asked.await.map_err(failed)?
}

/// What is asked about a callback.
struct Asked {
    call: Callback,
    source: Option<String>,
    believe: bool,
}

impl Asked {
    fn pasted(raw: &str, wanted: &Try) -> Failing<Self> {
        let call = Callback::from_http(raw.trim_start().as_bytes());
        let mut call = call.map_err(|error| {
            ApiError::bad_request(format!(
                "the request cannot be read: {error}; give a raw request, such as `POST /callback/ucloud/prod/KEY HTTP/1.1`, \
                 its headers, an empty line and the body"
            ))
        })?;
        call.peer = wanted.from;
        call.client_certificate
            .clone_from(&wanted.client_certificate);
        Ok(Self {
            call,
            source: wanted.source.clone(),
            believe: wanted.believe,
        })
    }

    async fn of_alert(gateway: &Gateway, id: &str, wanted: &Try) -> Failing<Self> {
        let found = alerts::find(gateway, id).await?;
        let alert = alerts::shown(&found)?;
        let raw = gateway.store.callback_of(found.seq).await?;
        let raw = raw
            .ok_or_else(|| ApiError::not_found("the request of this alert is no longer stored"))?;
        Self::kept(gateway, &raw, alert.received_at, wanted, &alert.source)
    }

    async fn quarantined(gateway: &Gateway, number: i64, wanted: &Try) -> Failing<Self> {
        let row = quarantine::find(gateway, number).await?;
        Self::kept(gateway, &row.callback, row.received_at, wanted, &row.source)
    }

    /// A stored request, for the source that received it or for another one.
    fn kept(
        gateway: &Gateway,
        raw: &[u8],
        received_at: Timestamp,
        wanted: &Try,
        own: &str,
    ) -> Failing<Self> {
        let current = gateway.current();
        let name = wanted.source.as_deref().unwrap_or(own);
        let source = source(&current.snapshot, name)?;
        let call = stored(source, raw, received_at);
        Ok(Self {
            call: call.map_err(ApiError::unreadable)?,
            source: Some(name.to_owned()),
            believe: true,
        })
    }

    fn ask(self, gateway: &Gateway) -> Failing<Forecast> {
        let current = gateway.current();
        let sink = |name: &str| {
            let sink = gateway.sinks.sink(name);
            sink.ok_or_else(|| "this sink is not configured any more".to_owned())
        };
        let question = Question {
            snapshot: &current.snapshot,
            sink: &sink,
            source: self.source.as_deref(),
            believe: self.believe,
            explain: true,
            alerts_max: ALERTS_MAX,
            now: gateway.clock.now(),
        };
        question.ask(self.call).map_err(|error| match error {
            Error::NoSource(_) => sources::absent(&current.snapshot),
            Error::NoPath(_) => {
                ApiError::bad_request(format!("{error}: give the source in `source`"))
            }
        })
    }
}

fn source<'s>(snapshot: &'s Snapshot, name: &str) -> Failing<&'s Source> {
    let source = snapshot.source(name);
    source.ok_or_else(|| sources::absent(snapshot))
}
