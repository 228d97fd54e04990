//! What happened when a callback arrived, in the form of the API.

use super::types::{Arrival, RouteSaid};
use crate::forecast::said;
use crate::http::arrival;
use campanile_model::trace::Context;
use campanile_store::ArrivalRow;

/// Who called, and the answer.
pub(super) fn shown(arrival: &campanile_store::Arrival) -> Arrival {
    let answer = arrival.answer.as_ref();
    Arrival {
        from: arrival.from.map(|from| from.to_string()),
        status: answer.map(|answer| answer.status),
        answer: answer.map(|answer| answer.text.clone()),
        trace: trace(arrival),
    }
}

/// The id of the trace of a callback.
pub(super) fn trace(arrival: &campanile_store::Arrival) -> Option<String> {
    // Whether it is sampled has no effect on the id.
    let context = Context::of_stored(arrival.trace.as_deref()?, 0)?;
    Some(context.trace_id())
}

/// What each route said of the alert.
pub(super) fn routes(row: &ArrivalRow) -> Vec<RouteSaid> {
    said::all(arrival::routes(row))
}
