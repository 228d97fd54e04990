//! Converts a request of the HTTP library into the [`Callback`] that providers read.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use campanile_model::Callback;
use ipnet::IpNet;

use super::address;
use crate::config::Server;
use crate::intake::Reason;

/// Headers in one request. A request with more gets 431.
const HEADERS_MAX: usize = 64;

/// Bytes of all header names and values together. A request with more gets 431.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// Bytes of path and query together. A request with more gets 414.
const TARGET_BYTES_MAX: usize = 16 * 1024;

/// Checks the head before the body is read. (Over 96 headers or 128 KiB, the HTTP library itself answers 431 and closes
/// the connection.)
pub(super) fn check_head(request: &HttpRequest) -> Result<(), Reason> {
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |t| t.as_str().len());
    if target > TARGET_BYTES_MAX {
        return Err(Reason::Target);
    }
    let headers = request.headers();
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    if headers.len() > HEADERS_MAX || bytes > HEADER_BYTES_MAX {
        return Err(Reason::Headers);
    }
    Ok(())
}

/// The announced length of the body.
pub(super) fn announced(request: &HttpRequest) -> Option<u64> {
    let length = request.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The request, byte for byte, without its path: [`crate::intake::Target::mark`] sets the path and removes the key from
/// it.
pub(super) fn of(request: &HttpRequest, server: &Server, body: Vec<u8>) -> Callback {
    let mut call = Callback::default();
    request.method().as_str().clone_into(&mut call.method);
    request
        .uri()
        .query()
        .unwrap_or_default()
        .clone_into(&mut call.query);
    call.headers = headers(request.headers());
    if let Some(name) = &server.client_certificate_header {
        // Only a trusted proxy may set this header: the value from any other sender is not kept.
        call.headers.retain(|(header, _)| header != name);
        call.client_certificate = client_certificate(request, name, &server.trusted_proxies);
    }
    call.body = body;
    call.peer = peer(request, server);
    call
}

/// The address of the caller, as trusted proxies report it.
pub(crate) fn peer(request: &HttpRequest, server: &Server) -> Option<IpAddr> {
    let forwarded = request.headers().get_all("x-forwarded-for");
    let forwarded: Vec<_> = forwarded.map(|line| line.to_str().ok()).collect();
    let peer = request.peer_addr().map(|addr| addr.ip());
    address::caller(peer, forwarded.into_iter(), &server.trusted_proxies)
}

/// The client certificate that a trusted proxy reports. If the header occurs twice, the sender set one of the two: then
/// neither is used.
fn client_certificate(request: &HttpRequest, name: &str, trusted: &[IpNet]) -> Option<String> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let mut lines = request.headers().get_all(name);
    let (line, more) = (lines.next()?, lines.next());
    let believed = more.is_none() && address::is_trusted(peer, trusted);
    let name = line.to_str().ok().filter(|name| !name.trim().is_empty());
    name.filter(|_| believed).map(str::to_owned)
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |(name, value): (&actix_web::http::header::HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), latin1(value))
    };
    let mut headers: Vec<_> = headers.iter().map(pair).collect();
    // The HTTP library keeps only the order of equal names. Sorting makes equal requests equal in the store.
    headers.sort_by(|(a, _), (b, _)| a.cmp(b));
    headers
}

fn latin1(value: &HeaderValue) -> String {
    match value.to_str() {
        Ok(ascii) => ascii.to_owned(),
        Err(_) => value.as_bytes().iter().map(|&b| char::from(b)).collect(),
    }
}
