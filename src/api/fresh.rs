//! Answers 304 to a reader who has the newest version already.

use std::future::Future;

use actix_web::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::Failing;
use crate::http::Gateway;

/// The response to a request for what is stored. The version of all that is stored is its tag: a commit changes it. If the
/// reader has this version, nothing is read.
pub(super) async fn fresh<T: Serialize>(
    request: &HttpRequest,
    gateway: &Gateway,
    read: impl Future<Output = Failing<T>>,
) -> Failing<HttpResponse> {
    // Before the read: a commit in between makes the tag too old, and the next request reads again.
    let version = gateway.store.version().await?;
    let tag = format!("W/\"{version:016x}\"");
    let mut response = if names(request, &tag) {
        HttpResponse::NotModified().finish()
    } else {
        let found = read.await?;
        // `*` is any version, but only of what exists.
        if names(request, "*") {
            HttpResponse::NotModified().finish()
        } else {
            HttpResponse::Ok().json(found)
        }
    };
    let headers = [(ETAG, tag), (CACHE_CONTROL, "private, no-cache".to_owned())];
    for (name, value) in headers {
        // Fails only for a value that is not valid, and these are.
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// Whether the reader names this version, by the weak comparison of RFC 9110.
fn names(request: &HttpRequest, tag: &str) -> bool {
    let strong = tag.trim_start_matches("W/");
    let given = request.headers().get_all(IF_NONE_MATCH);
    let given = given.filter_map(|given| given.to_str().ok());
    let mut tags = given.flat_map(|given| given.split(',')).map(str::trim);
    tags.any(|given| given.trim_start_matches("W/") == strong)
}
