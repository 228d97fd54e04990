//! Any bytes as a body, compressed or in any charset: decompression respects its limit, and JSON is read as
//! `serde_json` reads it.

use std::io::Write as _;

use campanile_model::body::INFLATED_BYTES_MAX;
use campanile_model::{Callback, Remark, lenient};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::Value;

use crate::{Seeds, request};

/// The input: the headers of a request, an empty line, the body.
pub fn holds(bytes: &[u8]) {
    let raw = [b"POST / HTTP/1.1\n", bytes].concat();
    let Ok(call) = Callback::from_http(&raw) else {
        return;
    };
    let Ok(text) = call.text() else { return };
    // One byte of a charset becomes at most three bytes of UTF-8.
    assert!(
        text.len() as u64 <= 3 * INFLATED_BYTES_MAX,
        "a text of {} bytes",
        text.len()
    );
    let json = call.json();
    if let Ok(standard) = serde_json::from_str::<Value>(text) {
        let json = json.expect("JSON that is valid for serde_json is read");
        assert!(
            json == &standard || has_wide(text),
            "JSON is read differently from serde_json"
        );
    }
    if let Ok(standard) = serde_json::from_str::<Value>(text) {
        let repaired = serde_json::from_str(&lenient::repaired(text));
        assert_eq!(repaired.ok(), Some(standard), "a repair changes valid JSON");
        let remarks = call.remarks();
        assert!(
            !remarks.contains(&Remark::LenientJson),
            "valid JSON is marked as repaired"
        );
    }
    let _params = call.params();
    let _kept = call.to_http_without(&[]);
}

/// Bodies with the errors that templates of vendors make.
const BROKEN: &[&str] = &[
    r#"{"a": [1, 2, ], }"#,
    "{\"a\": 1,\n ,\n \"b\": 2,,}",
    r#"{"a": , "b": "C:\Data\users\new", "c":}"#,
    r#"["\ud83d", "\udd14", "\ud83d\udd14", "\u12"]"#,
    "[\"a\nb\tc\u{1}\"]",
    r#"{"a": "[{"b": 1}]"}"#,
];

/// Bodies of fixtures: unchanged, compressed, in other charsets, broken, and some that decompress to very large texts.
pub fn seeds() -> Seeds {
    let mut seeds = Vec::new();
    for fixture in request::every_fixture().filter(|f| f.case == "firing") {
        let Ok(call) = Callback::from_http(fixture.request) else {
            continue;
        };
        let Ok(text) = call.text() else { continue };
        let declared = call.header("content-type").unwrap_or("application/json");
        seeds.push(message(
            &format!("content-type: {declared}"),
            text.as_bytes(),
        ));
        seeds.push(message("content-encoding: gzip", &gzip(text.as_bytes())));
        seeds.push(message("content-encoding: deflate", &zlib(text.as_bytes())));
        let (encoded, used, _) = encoding_rs::GB18030.encode(text);
        seeds.push(message(
            &format!("content-type: text/json; charset={}", used.name()),
            &encoded,
        ));
    }
    seeds.extend(BROKEN.iter().map(|text| message("a: b", text.as_bytes())));
    let (gbk, ..) = encoding_rs::GB18030.encode("{\"磁盘\": \"空间不足\",}");
    seeds.push(message("a: b", &gbk));
    seeds.push(message("a: b", b"\xFF\xFE{\0}\0"));
    seeds.push(message("a: b", b"{\"a\": \"Ger\xE4t\"}"));
    let bomb = vec![b'1'; usize::try_from(INFLATED_BYTES_MAX).unwrap_or_default() + 1];
    seeds.push(message("content-encoding: gzip", &gzip(&bomb)));
    seeds.push(message("content-encoding: deflate", &zlib(&bomb)));
    seeds.push(message("content-type: x; charset=utf-16le", b"{\0}\0"));
    seeds
}

fn message(header: &str, body: &[u8]) -> Vec<u8> {
    [header.as_bytes(), b"\n\n", body].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes)
        .and_then(|()| out.finish())
        .unwrap_or_default()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut out = ZlibEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes)
        .and_then(|()| out.finish())
        .unwrap_or_default()
}

/// Whether it contains a number that may not fit into 64 bits: the gateway keeps these as text, `serde_json` rounds
/// them.
fn has_wide(text: &str) -> bool {
    let mut runs = text.split(|c: char| !c.is_ascii_digit());
    runs.any(|run| run.len() >= 19)
}
