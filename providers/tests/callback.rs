//! A callback is kept byte for byte, read in every encoding, and never keeps a secret.

use std::io::Write as _;

use campanile_model::{Callback, Remark, Secret};
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
    assert_eq!(
        place("Content-Type: text/plain; charset=utf-8", gbk),
        "body"
    );
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
fn a_byte_order_mark_says_the_charset() {
    assert_eq!(
        with_header("A: b", b"\xFF\xFEa\0\x2D\x4E").text(),
        Ok("a中")
    );
    assert_eq!(
        with_header("A: b", b"\xFE\xFF\0a\x4E\x2D").text(),
        Ok("a中")
    );
    let declared = "Content-Type: application/x-www-form-urlencoded; charset=utf-16";
    let call = with_header(declared, b"\xFE\xFF\0a\0=\x4E\x2D");
    assert_eq!(call.param("a"), Some("中"));
    assert_eq!(call.remarks(), []);
}

#[test]
fn what_is_not_utf8_and_declares_no_charset_is_guessed_and_marked() {
    let read = |header: &str, body: &[u8]| {
        let call = with_header(header, body);
        let text = call.text().map(str::to_owned).expect("readable");
        (text, call.remarks())
    };
    let gbk = b"\xB8\xBA\xD4\xD8";
    let guessed = |name| vec![Remark::GuessedCharset(name)];
    let json = "Content-Type: application/json";
    assert_eq!(read(json, gbk), ("负载".to_owned(), guessed("gb18030")));
    let latin = ("Gerät".to_owned(), guessed("windows-1252"));
    assert_eq!(read(json, b"Ger\xE4t"), latin);
    assert_eq!(read(json, "负载".as_bytes()), ("负载".to_owned(), vec![]));
    let form = "Content-Type: application/x-www-form-urlencoded";
    let call = with_header(form, b"a=%B8%BA+1&b=\xD4\xD8");
    assert_eq!(
        (call.param("a"), call.param("b")),
        (Some("负 1"), Some("载"))
    );
    assert_eq!(call.remarks(), guessed("gb18030"));
    let call = self::call(b"GET /?a=%B8%BA HTTP/1.1\r\n\r\n");
    assert_eq!(call.param("a"), Some("负"));
}

#[test]
fn rare_chinese_is_read_where_the_source_is_chinese() {
    let rare = b"\xF6\xCE\xEC\xB5";
    let mut call = with_header("A: b", rare);
    assert_eq!(call.text(), Ok("öÎìµ"));
    call.chinese = true;
    assert_eq!(call.clone().text(), Ok("鑫斓"), "a copy reads afresh");
}

#[test]
fn a_repaired_body_is_marked() {
    let call = with_header("A: b", br#"{"path": "C:\Data",}"#);
    assert_eq!(call.remarks(), [], "nothing was read yet");
    assert_eq!(call.json(), Ok(&serde_json::json!({"path": "C:\\Data"})));
    assert_eq!(call.remarks(), [Remark::LenientJson]);
    let sound = with_header("A: b", b"{}");
    assert!(sound.json().is_ok());
    assert_eq!(sound.remarks(), []);
    let broken = with_header("A: b", b"{\"a\" 1}");
    let place = broken.json().expect_err("not JSON").place;
    assert_eq!(
        place, "body, line 1 column 6",
        "the place is of the text as it came"
    );
}

#[test]
fn a_secret_in_a_utf16_body_is_taken_out_too() {
    let utf16: Vec<u8> = "{\"token\":\"correct-horse\"}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let marked = [b"\xFF\xFE", utf16.as_slice()].concat();
    let secret = Secret::from("correct-horse");
    for (header, body) in [
        ("A: b", &marked),
        ("Content-Type: text/json; charset=utf-16le", &utf16),
    ] {
        let kept = call(&with_header(header, body).to_http_without([&secret]));
        assert_eq!(kept.text(), Ok("{\"token\":\"***\"}"));
    }
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
