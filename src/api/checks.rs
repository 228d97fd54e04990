//! `POST /api/v1/sinks/{kind}/{name}/test`: sends one marked alert to a sink, and reports what its receiver answered.

use std::time::Instant;

use actix_web::{HttpResponse, web};
use campanile_model::{Alert, Fingerprint, Report, Severity, Status};
use campanile_sinks::{Delivered, Failure, Message};
use jiff::Timestamp;
use uuid::Uuid;

use super::types::{TestSink, Tested};
use super::{Actor, Failing, body, resource, sinks};
use crate::http::Gateway;

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/sinks/{kind}/{name}/test").post(test));
}

/// Sends one marked alert to a sink now, and reports what its receiver answered. It is not stored and not retried, and it is
/// sent to a paused sink too.
#[utoipa::path(
    post,
    path = "/api/v1/sinks/{kind}/{name}/test",
    params(
        ("kind" = String, Path, description = "Such as `webhook`"),
        ("name" = String, Path, description = "Such as `oncall`"),
    ),
    request_body = Option<TestSink>,
    responses((status = 200, body = Tested))
)]
pub(super) async fn test(
    name: web::Path<(String, String)>,
    bytes: web::Bytes,
    gateway: web::Data<Gateway>,
    actor: Actor,
) -> Failing<HttpResponse> {
    let wanted = if bytes.is_empty() {
        TestSink::default()
    } else {
        body::read(
            &bytes,
            "the body is not valid: send `{\"severity\":\"info\"}` as JSON, or no body; the severity is critical, error, \
             warning or info",
        )?
    };
    Ok(HttpResponse::Ok().json(send(&gateway, &name, &wanted, &actor).await?))
}

/// Sends one marked alert to the sink of this kind and name.
pub(crate) async fn send(
    gateway: &Gateway,
    (kind, name): &(String, String),
    wanted: &TestSink,
    actor: &Actor,
) -> Failing<Tested> {
    let name = format!("{kind}/{name}");
    let sink = gateway
        .sinks
        .sink(&name)
        .ok_or_else(|| sinks::absent(gateway))?;
    let act = actor.does(gateway, "sinks.test", &*name);
    gateway.store.record(act, 1).await?;
    let now = gateway.clock.now();
    let severity = wanted.severity.unwrap_or(Severity::Info);
    let message = first(&firing(severity, &name, now), now);
    let began = Instant::now();
    let sent = sink.send(&message).await;
    let took = began.elapsed().as_millis();
    Ok(tested(name, sent, u32::try_from(took).unwrap_or(u32::MAX)))
}

fn tested(sink: String, sent: Result<Delivered, Failure>, took_ms: u32) -> Tested {
    match sent {
        Ok(done) => Tested {
            sink,
            result: "delivered".to_owned(),
            took_ms,
            code: done.code,
            handle: done.handle,
            worth: Some(done.worth.as_str().to_owned()),
            remark: done.remark,
            reason: None,
        },
        Err(failure) => Tested {
            sink,
            result: failure.class.as_str().to_owned(),
            took_ms,
            code: failure.code,
            reason: Some(failure.reason),
            ..Tested::default()
        },
    }
}

/// The marked alert.
pub(crate) fn firing(severity: Severity, sink: &str, now: Timestamp) -> Alert {
    let fingerprint = Fingerprint::of("campanile", ["test", sink]);
    let mut report = Report::new(format!("test {now}"), fingerprint, Status::Firing);
    report.severity = severity;
    report.title = "TEST 測試: this is not an alert".into();
    report.description = format!("An operator sent this message to test the sink {sink}.");
    report.starts_at = Some(now);
    let mut alert = report.into_alert("campanile/test", now);
    alert.id = Uuid::now_v7().to_string();
    alert
}

/// The message that carries the marked alert.
pub(crate) fn first(firing: &Alert, now: Timestamp) -> Message {
    let id = format!("dlv_test_{}", firing.id);
    Message::of(firing.clone(), id, now)
}
