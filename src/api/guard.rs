//! Protects the admin listener from other web pages.
//!
//! A browser on the operator's machine sends requests for every page that it shows. Without a token, the listener cannot
//! distinguish them from requests of the operator. Three rules protect it:
//!
//! - `Host` must name this listener. This refuses a page whose own name resolves to 127.0.0.1 (DNS rebinding).
//! - A request that changes something must come from the same origin, by `Sec-Fetch-Site` or by `Origin`. Programs send
//!   neither header.
//! - A body must be declared as JSON. A form, or a `fetch` without a preflight, cannot send that. The forms of our own pages
//!   are outside of `/api/`. Their origin must be given, not only be right.
//!
//! Responses have no CORS headers: another page can send a GET request, but cannot read the response.

use std::net::IpAddr;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    TRANSFER_ENCODING,
};
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError, web};
use url::{Host, Origin, Url};

use super::auth;
use super::error::ApiError;
use crate::config::Admin;
use crate::http::Gateway;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Headers of every response that does not set its own. Another page can neither frame the response nor load it as script, style or image.
const ANSWER_HEADERS: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "frame-ancestors 'none'"),
    ("x-frame-options", "DENY"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
];

/// Refuses requests of other pages, and adds [`ANSWER_HEADERS`] to every response.
pub(crate) async fn pages(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let mut response = match judge(&request) {
        Ok(()) => next.call(request).await?.map_into_left_body(),
        Err(refusal) => request
            .into_response(refusal.error_response())
            .map_into_right_body(),
    };
    for (name, value) in ANSWER_HEADERS {
        let (name, value) = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        // A page has a stricter policy of its own.
        if !response.headers().contains_key(&name) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

fn judge(request: &ServiceRequest) -> Result<(), ApiError> {
    let Some(gateway) = request.app_data::<web::Data<Gateway>>() else {
        return Ok(());
    };
    let current = gateway.current();
    let headers = request.headers();
    // Orchestrators and load balancers request health under any name, and the response has no data. A browser never adds the
    // token automatically, so a request with the token does not come from another page.
    if !auth::is_open(request.path()) && auth::bearer(request.request(), &current.admin).is_none() {
        host(headers, &current.admin)?;
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(());
    }
    same_origin(headers, &current.admin)?;
    if !request.path().starts_with("/api/") && is_form_of_a_page(headers) {
        return Ok(());
    }
    json_only(headers)
}

/// Checks that `Host` names this listener: a loopback address, the listen address, or the host of `public_url`.
fn host(headers: &HeaderMap, admin: &Admin) -> Result<(), ApiError> {
    let mut all = headers.get_all(HOST);
    let (first, second) = (all.next(), all.next());
    let text = first.and_then(|value| value.to_str().ok()).unwrap_or("");
    let url = Url::parse(&format!("http://{text}/")).ok();
    let known = url.filter(|url| second.is_none() && is_authority(url));
    let known = known.is_some_and(|url| names_us(&url, admin));
    if known {
        return Ok(());
    }
    Err(ApiError::wrong_host(text))
}

/// Whether the URL has only a host and a port.
fn is_authority(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none() && url.path() == "/"
}

fn names_us(url: &Url, admin: &Admin) -> bool {
    let public = admin.public_url.as_ref().and_then(Url::host_str);
    if public.is_some() && public == url.host_str() {
        return true;
    }
    match url.host() {
        Some(Host::Ipv4(ip)) => address(IpAddr::V4(ip), admin),
        Some(Host::Ipv6(ip)) => address(IpAddr::V6(ip), admin),
        // Browsers and resolvers always resolve these names to loopback.
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// A listener on 0.0.0.0 has all addresses of its machine. DNS rebinding needs a name, so an IP address is safe.
fn address(ip: IpAddr, admin: &Admin) -> bool {
    let listen = admin.listen.ip();
    ip.is_loopback() || ip == listen || listen.is_unspecified()
}

fn same_origin(headers: &HeaderMap, admin: &Admin) -> Result<(), ApiError> {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return match site.as_bytes() {
            b"same-origin" | b"none" => Ok(()),
            _ => Err(ApiError::other_page()),
        };
    }
    let Some(origin) = headers.get(ORIGIN) else {
        // Current browsers send at least `Origin` with a write, so this is a program.
        return Ok(());
    };
    let given = origin.to_str().ok().and_then(|text| Url::parse(text).ok());
    let given = given.map(|url| url.origin()).filter(Origin::is_tuple);
    let own = own_origins(headers, admin);
    match given {
        Some(given) if own.contains(&given) => Ok(()),
        _ => Err(ApiError::other_page()),
    }
}

/// The origins of this listener: `Host` with http and, for a TLS proxy, https; and `public_url`.
fn own_origins(headers: &HeaderMap, admin: &Admin) -> Vec<Origin> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let schemes = ["http", "https"].into_iter();
    let urls = schemes.filter_map(|scheme| Url::parse(&format!("{scheme}://{}/", host?)).ok());
    urls.chain(admin.public_url.clone())
        .map(|url| url.origin())
        .collect()
}

/// Whether this is a form, and a browser says which page sent it.
fn is_form_of_a_page(headers: &HeaderMap) -> bool {
    let from_browser = headers.contains_key(SEC_FETCH_SITE) || headers.contains_key(ORIGIN);
    from_browser && kind(headers).eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The type of the body without its parameters, or nothing.
fn kind(headers: &HeaderMap) -> &str {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
    kind.split(';').next().unwrap_or("").trim()
}

fn json_only(headers: &HeaderMap) -> Result<(), ApiError> {
    if !headers.contains_key(CONTENT_TYPE) {
        let length = headers.get(CONTENT_LENGTH);
        let empty = length.is_none_or(|length| length == "0");
        let bodiless = empty && !headers.contains_key(TRANSFER_ENCODING);
        return bodiless.then_some(()).ok_or_else(ApiError::not_json);
    }
    if kind(headers).eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::not_json())
}
