//! Shows an error as a page to a browser. Other clients get the form of the API.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};
use serde::Serialize;

use super::answer;
use super::view::View;
use crate::api::types::Reason;
use crate::http::Gateway;

/// What the template sees.
#[derive(Serialize)]
struct Failure {
    status: u16,
    /// The key of the words for this status, in `failure`.
    about: &'static str,
    message: String,
}

impl Failure {
    fn of(status: StatusCode, reason: &Reason) -> Self {
        let about = match status.as_u16() {
            401 => "unauthorized",
            403 => "forbidden",
            404 => "not_found",
            503 => "unavailable",
            400..500 => "refused",
            _ => "broken",
        };
        Self {
            status: status.as_u16(),
            about,
            message: reason.message.clone(),
        }
    }
}

/// Replaces an error of the API by a page, for a browser outside of the API. A reader who is not logged in gets the login.
pub(crate) async fn shown(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let response = next.call(request).await?;
    match page(&response) {
        Some(page) => Ok(response.into_response(page).map_into_right_body()),
        None => Ok(response.map_into_left_body()),
    }
}

/// The page for an error. Only the request that was answered says who the reader is.
fn page<B>(response: &ServiceResponse<B>) -> Option<HttpResponse> {
    let reason = response.response().extensions().get::<Reason>().cloned()?;
    let request = response.request();
    if !answer::wants_page(request.headers()) || request.path().starts_with("/api/") {
        return None;
    }
    let view = View::of(request, request.app_data::<web::Data<Gateway>>()?);
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED && request.method() == Method::GET {
        return Some(answer::see(&view.login()));
    }
    let mut page = view.page_with(status, "failure.html", Failure::of(status, &reason));
    for (name, value) in response.headers() {
        let of_the_body = name == CONTENT_TYPE || name == CONTENT_LENGTH;
        if !of_the_body && !page.headers().contains_key(name) {
            page.headers_mut().insert(name.clone(), value.clone());
        }
    }
    Some(page)
}
