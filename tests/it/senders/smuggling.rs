//! Requests whose end can be read in two ways. A proxy in front may read it in the other way: the part that it reads as
//! a body would then be a second request here, in the name of the next client. Each is refused, or read as one request.

use serde_json::{Value, json};

use crate::standing::{Standing, Wire, source};

/// The result of a row: the statuses of the answers, and the accepted messages.
type Comes = (&'static [u16], &'static [&'static str]);

const REFUSED: Comes = (&[400], &[]);
/// Verified and read as one request, with a body that is not JSON.
const QUARANTINED: Comes = (&[200], &[]);
const ONE: Comes = (&[200], &["outer"]);
const TWO: Comes = (&[200, 200], &["outer", "inner"]);

fn message(id: &str) -> String {
    json!({ "probe": id }).to_string()
}

fn sized(id: &str) -> String {
    let body = message(id);
    let length = body.len();
    format!("POST /callback/probe/a HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// A request with these lines in its head. `LEN` is replaced with the length of the rest, `INNER` with a complete
/// request, and `BODY` with the message in a chunk.
fn raw(head: &str, rest: &str) -> String {
    let body = message("outer");
    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
    let rest = rest.replace("CHUNK", &chunk).replace("BODY", &body);
    let rest = rest.replace("INNER", &sized("inner"));
    let head = head.replace("LEN", &rest.len().to_string());
    format!("POST /callback/probe/a HTTP/1.1\r\nhost: x\r\n{head}\r\n{rest}")
}

async fn comes_of(raw: &str) -> (Vec<u16>, Vec<String>) {
    let gateway = Standing::with(vec![source("a")]).await;
    let mut wire = Wire::to(gateway.public).await;
    wire.write(raw).await;
    let statuses = wire.finish().await.iter().map(|r| r.status).collect();
    let id = |alert: Value| alert["message_id"].as_str().unwrap_or_default().to_owned();
    let rows = gateway.store.all_alerts().await;
    let read = rows
        .iter()
        .map(|row| serde_json::from_slice(&row.json).unwrap());
    (statuses, read.map(id).collect())
}

async fn hold(rows: &[(String, Comes)]) {
    let mut wrong = Vec::new();
    for (raw, (statuses, accepted)) in rows {
        let came = comes_of(raw).await;
        if came.0 != *statuses || came.1 != *accepted {
            wrong.push(format!(
                "{raw:?}\n  gave {came:?}, not {statuses:?} {accepted:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows with a length in their heads.
fn with_lengths(heads: &[(&str, &str, Comes)]) -> Vec<(String, Comes)> {
    let row = |(head, rest, comes): &(&str, &str, Comes)| (raw(head, rest), *comes);
    heads.iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_in_a_row_are_two() {
    let two = sized("outer") + &sized("inner");
    let chunked = raw("transfer-encoding: chunked\r\n", "CHUNK0\r\n\r\nINNER");
    hold(&[(two, TWO), (chunked, TWO)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_two_lengths_is_refused() {
    let end = "0\r\n\r\nINNER";
    let mut rows = with_lengths(&[
        (
            "content-length: LEN\r\ntransfer-encoding: chunked\r\n",
            end,
            REFUSED,
        ),
        (
            "transfer-encoding: chunked\r\ncontent-length: LEN\r\n",
            end,
            REFUSED,
        ),
        (
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            end,
            REFUSED,
        ),
        (
            "content-length: 0\r\ntransfer-encoding: chunked\r\n",
            "CHUNK0\r\n\r\n",
            REFUSED,
        ),
        (
            "content-length: LEN\r\ncontent-length: LEN\r\n",
            "BODY",
            REFUSED,
        ),
        (
            "content-length: 0\r\ncontent-length: LEN\r\n",
            "INNER",
            REFUSED,
        ),
        (
            "content-length: LEN\r\ncontent-length: 0\r\n",
            "INNER",
            REFUSED,
        ),
        ("content-length: 0, LEN\r\n", "INNER", REFUSED),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
            end,
            REFUSED,
        ),
        (
            "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
            end,
            REFUSED,
        ),
    ]);
    rows.extend(
        [
            "chunked, identity",
            "identity, chunked",
            "gzip, chunked",
            "chunked, chunked",
        ]
        .map(|coding| {
            (
                raw(&format!("transfer-encoding: {coding}\r\n"), end),
                REFUSED,
            )
        }),
    );
    hold(&rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_in_odd_writing_is_refused() {
    let odd = [
        "+LEN",
        "-LEN",
        "-1",
        "0xLEN",
        "LEN LEN",
        "LEN.0",
        "1e1",
        "",
        "LEN;",
        "\"LEN\"",
        "LEN\u{b}",
        "99999999999999999999999",
        "18446744073709551616",
        "\u{665}",
    ];
    let row = |value: &str| {
        (
            raw(&format!("content-length: {value}\r\n"), "BODY"),
            REFUSED,
        )
    };
    let mut rows: Vec<_> = odd.into_iter().map(row).collect();
    rows.push((raw("content-length:   LEN\t \r\n", "BODY"), ONE));
    rows.push((raw("CONTENT-Length:LEN\r\n", "BODY"), ONE));
    rows.push((raw("content-length: 00LEN\r\n", "BODY"), ONE));
    hold(&rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coding_in_odd_writing_is_refused_or_is_no_coding_at_all() {
    let end = "0\r\n\r\nINNER";
    let hidden = [
        "transfer-encoding: xchunked",
        "transfer-encoding: chunkedx",
        "transfer-encoding: chunked;q=1",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: 'chunked'",
        "transfer-encoding: ,chunked",
        "transfer-encoding: chunked,",
        "transfer-encoding: identity",
        "transfer-encoding: ",
        "transfer-encoding: \u{b}chunked",
        "transfer-encoding: chunked\0",
        "transfer-encoding : chunked",
        "transfer-encoding\t: chunked",
        " transfer-encoding: chunked",
        "transfer-encoding:\r\n chunked",
        "x: y\r\n transfer-encoding: chunked",
        "x: y\rtransfer-encoding: chunked",
        "transfer encoding: chunked",
        "\u{b}transfer-encoding: chunked",
        "transfer-encoding\0: chunked",
        ": chunked",
        "transfer-encoding chunked",
    ];
    let with_length = |line: &str| {
        (
            raw(&format!("content-length: LEN\r\n{line}\r\n"), end),
            REFUSED,
        )
    };
    let mut rows: Vec<_> = hidden.into_iter().map(with_length).collect();
    rows.extend(with_lengths(&[
        // Other names have no meaning, and the length is used.
        (
            "content-length: LEN\r\ntransfer_encoding: chunked\r\n",
            end,
            QUARANTINED,
        ),
        (
            "content-length: LEN\r\nx-transfer-encoding: chunked\r\n",
            end,
            QUARANTINED,
        ),
        (
            "content-length: LEN\r\ntransfer-encoding-: chunked\r\n",
            end,
            QUARANTINED,
        ),
        ("content-length: LEN\r\nte: chunked\r\n", "BODY", ONE),
        ("Transfer-ENCODING:\tCHUNKED\t\r\n", "CHUNK0\r\n\r\n", ONE),
    ]));
    hold(&rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_in_odd_writing_are_refused_or_end_where_they_say() {
    let head = "transfer-encoding: chunked\r\n";
    let length = format!("{:x}", message("outer").len());
    let rows = [
        ("CHUNK0\r\n\r\n", ONE),
        // Extensions and trailers have no meaning and hide nothing.
        (";a=b\r\nBODY\r\n0;c\r\n\r\nINNER", TWO),
        (";a=\"b\"\r\nBODY\r\n0\r\n\r\n", ONE),
        (" \r\nBODY\r\n0\r\n\r\n", ONE),
        // Line ends and sizes that only some programs accept.
        (";a\nb\r\nBODY\r\n0\r\n\r\n", REFUSED),
        ("\nBODY\r\n0\r\n\r\n", REFUSED),
        ("\r\nBODY\n0\r\n\r\n", REFUSED),
        ("\r\nBODYX\r\n0\r\n\r\n", REFUSED),
        ("\r\nBODY0\r\n\r\n", REFUSED),
        ("g\r\nBODY\r\n0\r\n\r\n", REFUSED),
        ("_0\r\nBODY\r\n0\r\n\r\n", REFUSED),
        ("\r\nBODY\r\n-1\r\n\r\n", REFUSED),
        ("\r\nBODY\r\n+0\r\n\r\n", REFUSED),
        ("\r\nBODY\r\n0x0\r\n\r\n", REFUSED),
        ("\r\nBODY\r\n ffff\r\n", REFUSED),
        ("\r\nBODY\r\nfffffffffffffffff\r\nINNER", REFUSED),
        ("\r\nBODY\r\n10000000000000000\r\n\r\nINNER", REFUSED),
        ("\r\nBODY\r\n\r\n\r\nINNER", REFUSED),
        // Chunks without an end.
        ("\r\nBODY\r\n", REFUSED),
        ("\r\nBODY", REFUSED),
    ];
    let row = |(rest, comes): (&str, Comes)| {
        let starts_whole = rest.starts_with("CHUNK");
        let size = if starts_whole { "" } else { &length };
        (raw(head, &format!("{size}{rest}")), comes)
    };
    hold(&rows.map(row)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_lines_versions_and_hosts_are_refused_or_read_as_one_request() {
    let outer = message("outer");
    let length = outer.len();
    let whole =
        |line: &str, head: &str| format!("{line}\r\n{head}content-length: {length}\r\n\r\n{outer}");
    let host = "host: x\r\n";
    let path = "POST /callback/probe/a";
    let rows = [
        (whole(&format!("{path} HTTP/1.1"), host), ONE),
        (whole(&format!("{path} HTTP/1.0"), host), ONE),
        (whole("POST http://x/callback/probe/a HTTP/1.1", host), ONE),
        // Line feeds alone end the lines, in the whole head.
        (
            whole(&format!("{path} HTTP/1.1"), host).replace("\r\n", "\n"),
            ONE,
        ),
        (format!("\r\n{}", sized("outer")), ONE),
        (whole(&format!("{path} HTTP/1.1"), ""), REFUSED),
        (
            whole(&format!("{path} HTTP/1.1"), "host: x\r\nhost: y\r\n"),
            REFUSED,
        ),
        (
            whole(&format!("{path} HTTP/1.1"), "x: a\rb\r\nhost: x\r\n"),
            REFUSED,
        ),
        (
            whole(&format!("{path} HTTP/1.1"), "x: a\0b\r\nhost: x\r\n"),
            REFUSED,
        ),
        (whole(&format!("{path} HTTP/1.1 "), host), REFUSED),
        (whole(&format!("{path}  HTTP/1.1"), host), REFUSED),
        (whole(&format!("{path} HTTP/1.2"), host), REFUSED),
        (whole(&format!("{path} HTTP/2.0"), host), REFUSED),
        (whole(&format!("{path} http/1.1"), host), REFUSED),
        (whole(path, host), REFUSED),
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned() + &sized("inner"),
            REFUSED,
        ),
        (
            format!("{path} HTTP/1.0\r\n{host}\r\n{}", sized("inner")),
            REFUSED,
        ),
        (
            format!(
                "{path} HTTP/1.0\r\n{host}transfer-encoding: chunked\r\n\r\n0\r\n\r\n{}",
                sized("inner")
            ),
            REFUSED,
        ),
    ];
    hold(&rows).await;
}

/// A GET may have a body. The body is not the next request.
#[tokio::test(flavor = "multi_thread")]
async fn the_body_of_a_request_that_is_turned_away_is_never_the_next_request() {
    let inner = sized("inner");
    let length = inner.len();
    let chunk = format!("{length:x}\r\n{inner}\r\n0\r\n\r\n");
    let rows = [
        "GET /callback/probe/a",
        "DELETE /callback/probe/a",
        "POST /nowhere",
        "OPTIONS /callback/probe/a",
    ]
    .into_iter()
    .flat_map(|line| {
        [
            format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{inner}"),
            format!("{line} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"),
        ]
    });
    for raw in rows {
        let (statuses, accepted) = comes_of(&raw).await;
        assert_eq!(
            (statuses.len(), accepted),
            (1, vec![]),
            "{raw:?}: {statuses:?}"
        );
    }
}

/// Java's own client asks for HTTP/2 with each request. This must have no effect. A websocket would have no end.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_changes_nothing_about_where_a_request_ends() {
    let h2c = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAA\r\n";
    let websocket = "connection: upgrade\r\nupgrade: websocket\r\n";
    let sent = |upgrade: &str| {
        let body = message("outer");
        raw(
            &format!("{upgrade}content-length: {}\r\n", body.len()),
            "BODYINNER",
        )
    };
    let (statuses, accepted) = comes_of(&sent(h2c)).await;
    assert_eq!(
        accepted.first().map(String::as_str),
        Some("outer"),
        "{statuses:?}"
    );
    hold(&[(sent(websocket), REFUSED)]).await;
    let connect = "CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned() + &sized("inner");
    let (statuses, accepted) = comes_of(&connect).await;
    assert!(
        accepted.is_empty() && !statuses.contains(&200),
        "{statuses:?}"
    );
}
