//! `OPTIONS`: which methods are taken, and consent to be called where a vendor's protocol asks for it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actix_web::HttpResponse;
use campanile_model::Callback;

use super::Inlet;
use super::shared::check;

/// The answer. Consent is given only by a source that believes the sender; a stranger hears nothing of why there is none.
pub(super) fn answer(inlet: Option<&Inlet>, call: &Callback) -> HttpResponse {
    let Some(headers) = inlet.and_then(|inlet| consent(inlet, call)) else {
        return HttpResponse::NoContent().finish();
    };
    let mut response = HttpResponse::Ok();
    for header in headers {
        response.insert_header(header);
    }
    response.finish()
}

fn consent(inlet: &Inlet, call: &Callback) -> Option<Vec<(&'static str, String)>> {
    let asked = AssertUnwindSafe(|| inlet.feed.provider.handshake(call));
    let headers = catch_unwind(asked).ok().flatten()?;
    check(inlet, call).ok().map(|()| headers)
}
