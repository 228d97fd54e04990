//! From a request of the HTTP library to the [`Callback`] that providers read.

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use campanile_model::Callback;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;

use super::target::Target;
use super::{Plan, address};

/// Headers in one request; more get a 431.
const HEADERS_MAX: usize = 64;

/// Bytes of all names and values together; more get a 431.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// Bytes of path and query together; more get a 414.
const TARGET_BYTES_MAX: usize = 16 * 1024;

/// Which limit of the head a request is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oversize {
    Target,
    Headers,
}

/// Looks at the head before anything of the body is read. (Over 96 headers or 128 KiB the HTTP library itself answers
/// 431, and closes.)
pub(super) fn check_head(request: &HttpRequest) -> Result<(), Oversize> {
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |t| t.as_str().len());
    if target > TARGET_BYTES_MAX {
        return Err(Oversize::Target);
    }
    let headers = request.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        return Err(Oversize::Headers);
    }
    Ok(())
}

/// The announced length of the body.
pub(super) fn announced(request: &HttpRequest) -> Option<u64> {
    let length = request.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The request, byte for byte, except for the key in its path: that stands in its own field, and is written nowhere else
/// in whatever encoding it came.
pub(super) fn of(
    request: &HttpRequest,
    plan: &Plan,
    target: Target<'_>,
    body: Vec<u8>,
) -> Callback {
    let forwarded = request.headers().get_all("x-forwarded-for");
    let forwarded: Vec<_> = forwarded.map(|line| line.to_str().ok()).collect();
    let peer = request.peer_addr().map(|addr| addr.ip());
    let mut call = Callback::default();
    request.method().as_str().clone_into(&mut call.method);
    call.path = without_key(request.uri().path(), target);
    request
        .uri()
        .query()
        .unwrap_or_default()
        .clone_into(&mut call.query);
    call.headers = headers(request.headers());
    if let Some(name) = &plan.client_certificate_header {
        // Nobody but a proxy has a say in it, so that it is kept of nobody.
        call.headers.retain(|(header, _)| header != name);
        call.client_certificate = client_certificate(request, name, &plan.trusted_proxies);
    }
    call.body = body;
    call.key = target.key().map(decoded);
    call.peer = address::caller(peer, forwarded.into_iter(), &plan.trusted_proxies);
    call
}

/// What a trusted proxy says of the client certificate. A second line is one that the proxy let through.
fn client_certificate(request: &HttpRequest, name: &str, trusted: &[IpNet]) -> Option<String> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let mut lines = request.headers().get_all(name);
    let (line, more) = (lines.next()?, lines.next());
    let believed = more.is_none() && address::is_trusted(peer, trusted);
    let told = line.to_str().ok().filter(|told| !told.trim().is_empty());
    told.filter(|_| believed).map(str::to_owned)
}

fn without_key(path: &str, target: Target<'_>) -> String {
    let behind = target.behind().unwrap_or_default();
    let bare = path.strip_suffix('/').unwrap_or(path);
    let before = bare
        .strip_suffix(behind)
        .and_then(|bare| bare.strip_suffix(target.key()?));
    before.map_or_else(|| path.to_owned(), |before| format!("{before}***{behind}"))
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |(name, value): (&actix_web::http::header::HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), latin1(value))
    };
    let mut headers: Vec<_> = headers.iter().map(pair).collect();
    // The HTTP library keeps the order of equal names only; sorted, the same request is stored the same.
    headers.sort_by(|(a, _), (b, _)| a.cmp(b));
    headers
}

fn latin1(value: &HeaderValue) -> String {
    match value.to_str() {
        Ok(ascii) => ascii.to_owned(),
        Err(_) => value.as_bytes().iter().map(|&b| char::from(b)).collect(),
    }
}

/// A key that is not UTF-8 once decoded is no key of ours, but one was given.
fn decoded(key: &str) -> String {
    percent_decode_str(key).decode_utf8_lossy().into_owned()
}
