//! A callback is kept byte for byte, read whatever way it is packed, and never keeps a secret.

use std::io::Write as _;

use campanile_model::{Callback, Secret};
use proptest::prelude::*;

fn call(raw: &[u8]) -> Callback {
    Callback::from_http(raw).expect("a request")
}

fn gzip(text: &str) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(text.as_bytes()).expect("memory");
    out.finish().expect("memory")
}

fn with_header(header: &str, body: &[u8]) -> Callback {
    let mut raw = format!("POST /x HTTP/1.1\r\n{header}\r\n\r\n").into_bytes();
    raw.extend_from_slice(body);
    call(&raw)
}

proptest! {
    #[test]
    fn a_request_comes_back_as_it_was_kept(
        method in "[A-Z]{1,7}",
        path in "/[!-\"$->@-~]{0,30}",
        query in "[!-~]{0,30}",
        headers in prop::collection::vec(("[a-z][a-z0-9-]{0,15}", "([!-~¡-ÿ]([ -~\u{a0}-ÿ]{0,20}[!-~¡-ÿ])?)?"), 0..6),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut sent = Callback::default();
        (sent.method, sent.path, sent.query) = (method, path, query);
        (sent.headers, sent.body) = (headers, body);
        let raw = sent.to_http();
        let kept = Callback::from_http(&raw).expect("a request");
        prop_assert_eq!(&kept.method, &sent.method);
        prop_assert_eq!(&kept.path, &sent.path);
        prop_assert_eq!(&kept.query, &sent.query);
        prop_assert_eq!(&kept.headers, &sent.headers);
        prop_assert_eq!(&kept.body, &sent.body);
        prop_assert_eq!(kept.to_http(), raw);
    }

    #[test]
    fn any_bytes_are_a_request_or_an_error_but_no_panic(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(call) = Callback::from_http(&raw) {
            let _text = call.text();
            let _json = call.json();
            let _params = call.params();
        }
    }

    #[test]
    fn a_secret_is_taken_out_however_it_is_written(
        secret in "[!-~é钟 ]{8,20}",
        lower in any::<bool>(),
    ) {
        let percent = percent_encoding::utf8_percent_encode(&secret, percent_encoding::NON_ALPHANUMERIC).to_string();
        let percent = if lower { lower_hex(&percent) } else { percent };
        let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let json = serde_json::Value::from(secret.as_str()).to_string();
        let ascii: Vec<String> = secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        let ascii = ascii.concat();
        let mut sent = call(b"POST /x HTTP/1.1\r\n\r\n");
        sent.path = format!("/callback/{percent}");
        sent.query = format!("a={form}&b=1");
        sent.body = format!("<{secret}> {json} {ascii} <{secret}>").into_bytes();
        let kept = sent.to_http_without([&Secret::from(secret)]);
        let wanted = "POST /callback/*** HTTP/1.1\r\n\r\n<***> \"***\" *** <***>".replacen("***", "***?a=***&b=1", 1);
        prop_assert_eq!(String::from_utf8_lossy(&kept), wanted);
    }
}

/// Percent-encoding with small hex digits.
fn lower_hex(encoded: &str) -> String {
    let mut digits = 0;
    let lower = |c: char| {
        digits = if c == '%' { 3 } else { digits };
        digits -= i32::from(digits > 0);
        if digits > 0 || c.is_ascii_digit() {
            c.to_ascii_lowercase()
        } else {
            c
        }
    };
    encoded.chars().map(lower).collect()
}

#[test]
fn headers_that_carry_secrets_lose_their_values_whole() {
    let sent = with_header("Authorization: Basic dXNlcjpwYXNz\r\nX-Other: 1", b"body");
    let kept = sent.to_http_without([]);
    assert_eq!(
        kept,
        b"POST /x HTTP/1.1\r\nauthorization: ***\r\nx-other: 1\r\n\r\nbody"
    );
}

#[test]
fn a_secret_in_a_compressed_body_is_taken_out_too() {
    let secret = Secret::from("correct-horse");
    let sent = with_header(
        "Content-Encoding: gzip",
        &gzip("{\"token\":\"correct-horse\"}"),
    );
    let kept = call(&sent.to_http_without([&secret]));
    assert_eq!(kept.text(), Ok("{\"token\":\"***\"}"));
}

#[test]
fn a_body_is_read_in_the_charset_that_is_declared_and_in_no_other() {
    let gbk = b"\xB8\xBA\xD4\xD8";
    assert_eq!(
        with_header("Content-Type: text/plain; Charset=\"GBK\"", gbk).text(),
        Ok("负载")
    );
    let place = |header: &str, body: &[u8]| {
        let call = with_header(header, body);
        call.text().expect_err("unreadable").place
    };
    assert_eq!(place("Content-Type: text/plain", gbk), "body");
    assert_eq!(
        place("Content-Type: text/plain; charset=gbk", b"\xFF"),
        "body"
    );
    assert_eq!(
        place("Content-Type: text/plain; charset=klingon", b"x"),
        "header.content-type"
    );
    assert_eq!(with_header("A: b", b"\xEF\xBB\xBF{}").text(), Ok("{}"));
}

#[test]
fn a_form_is_read_in_the_charset_that_is_declared() {
    let form = "Content-Type: application/x-www-form-urlencoded; charset=GBK";
    let call = with_header(form, b"a=%B8%BA+1&b=\xD4\xD8&c");
    let params: Vec<_> = call.params().expect("readable").to_vec();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(params, [pair("a", "负 1"), pair("b", "载"), pair("c", "")]);
}

#[test]
fn a_bomb_is_refused_and_an_unknown_coding_named() {
    let bomb = gzip(&" ".repeat(9 * 1024 * 1024));
    let fault = with_header("Content-Encoding: gzip", &bomb)
        .text()
        .map(str::len);
    assert!(
        fault
            .expect_err("refused")
            .problem
            .contains("inflates to more than")
    );
    let fault = with_header("Content-Encoding: br", b"x")
        .text()
        .map(str::len);
    assert_eq!(fault.expect_err("refused").place, "header.content-encoding");
    assert_eq!(
        with_header("Content-Encoding: IDENTITY", b"x").text(),
        Ok("x")
    );
}

#[test]
fn a_new_body_is_plain_and_read_afresh() {
    let old = with_header(
        "Content-Encoding: gzip\r\nContent-Type: text/plain; charset=gbk",
        &gzip("1"),
    );
    assert_eq!(old.text(), Ok("1"));
    assert_eq!(old.with_body("负").text(), Ok("负"));
}
