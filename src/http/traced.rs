//! The trace of a request, where traces are configured.

use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;

use super::Gateway;
use crate::telemetry::traces::Began;

/// The header of an answer with the id of its trace.
pub(super) const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// A request begins. Of two `traceparent` headers neither is used.
pub(super) fn began(gateway: &Gateway, request: &HttpRequest, started: Instant) -> Option<Began> {
    let traces = gateway.traces.as_ref()?;
    let mut headers = request.headers().get_all("traceparent");
    let header = match (headers.next(), headers.next()) {
        (Some(header), None) => header.to_str().ok(),
        _ => None,
    };
    Some(traces.begin(gateway.clock.now(), started, header))
}
