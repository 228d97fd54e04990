//! The HTTP form of a page: its headers, and gzip.

use std::io::Write;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, HeaderMap,
    LOCATION, REFERRER_POLICY, VARY,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The page loads and sends everything from and to its own origin. It has no inline script or style, and scripts can make HTML
/// only through the one policy of `assets/page.js`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types row";

/// Shorter answers are not compressed.
const GZIP_BYTES_MIN: usize = 1024;

/// A page before it is sent.
#[derive(Clone)]
pub(super) struct Page {
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    is_gzip: bool,
}

impl Page {
    /// A page in HTML, compressed if its reader takes that.
    pub(super) fn html(status: StatusCode, html: String, gzip: bool) -> Self {
        let is_gzip = gzip && html.len() > GZIP_BYTES_MIN;
        let body = if is_gzip {
            gzipped(html.as_bytes(), Compression::fast()).into()
        } else {
            html.into()
        };
        Self {
            status,
            content_type: "text/html; charset=utf-8",
            body,
            is_gzip,
        }
    }

    /// A page could not be rendered, which is a bug in Campanile.
    pub(super) fn broken() -> Self {
        let text = "This page cannot be rendered. The log of the gateway has the reason. The API works: /api/v1/openapi.json\n";
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            content_type: "text/plain; charset=utf-8",
            body: text.into(),
            is_gzip: false,
        }
    }

    pub(super) fn answer(self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        answer
            .content_type(self.content_type)
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            // A form needs an `Origin` other than `null`: with `no-referrer` the browser sends `null`.
            .insert_header((REFERRER_POLICY, "same-origin"))
            .insert_header((CACHE_CONTROL, "no-store"));
        if self.is_gzip {
            return compressed(&mut answer, self.body);
        }
        answer.body(self.body)
    }
}

/// Adds a body that is compressed already.
pub(super) fn compressed(answer: &mut HttpResponseBuilder, body: Bytes) -> HttpResponse {
    answer
        .insert_header((CONTENT_ENCODING, "gzip"))
        .insert_header((VARY, "Accept-Encoding"))
        .body(body)
}

/// Leads the browser to another page after a form.
pub(super) fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, path))
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish()
}

/// The bytes, compressed.
pub(super) fn gzipped(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // Writing to memory cannot fail.
    let _written = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Whether the client wants a page: browsers name `text/html`, programs do not.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    names(headers, ACCEPT, "text/html")
}

pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    names(headers, ACCEPT_ENCODING, "gzip")
}

/// Whether a list header has this item with a weight above zero.
fn names(headers: &HeaderMap, header: actix_web::http::header::HeaderName, item: &str) -> bool {
    let values = headers
        .get_all(header)
        .filter_map(|value| value.to_str().ok());
    let mut parts = values.flat_map(|value| value.split(','));
    parts.any(|part| {
        let mut fields = part.split(';').map(str::trim);
        let named = fields
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(item));
        named && !fields.any(|field| matches!(field, "q=0" | "q=0.0"))
    })
}
