//! Bodies that are small on the wire and large in memory, deep, with double keys, or not text at all. Each gets the
//! right verdict, none stops the process, and none that was answered with success is lost.

use std::io::Write as _;
use std::path::Path;

use crate::gateway::preamble;
use crate::process::Process;
use crate::standing::post;

const MIB: u64 = 1024 * 1024;
/// The largest size after decompression: `INFLATED_BYTES_MAX`.
const LARGEST: usize = 8 * 1024 * 1024;
/// Each worker reads one body at a time. The memory of the process may grow by this much.
const GROWTH_MAX: u64 = 256 * MIB;

const UCLOUD: &str = "/callback/ucloud/open";
const JIANKONG: &str = "/callback/jiankong/web";

/// The verdict on a callback.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    Accepted,
    Quarantined,
    Refused(u16),
}

use Ends::{Accepted, Quarantined, Refused};

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    zip.write_all(body).unwrap();
    zip.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut zip = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    zip.write_all(body).unwrap();
    zip.finish().unwrap()
}

/// `unit` repeated, up to the limit of decompression.
fn filled(before: &str, unit: &str, after: &str) -> Vec<u8> {
    let room = LARGEST - before.len() - after.len();
    (before.to_owned() + &unit.repeat(room / unit.len()) + after).into_bytes()
}

/// An object with a large number of different keys.
fn many_keys() -> Vec<u8> {
    // Different keys compress badly: with more of them, the compressed body would be too large.
    let room = LARGEST / 4;
    let mut text = String::with_capacity(room);
    text.push('{');
    for key in 0_u32.. {
        let entry = format!("\"{key:x}\":0,");
        if text.len() + entry.len() > room - 20 {
            break;
        }
        text += &entry;
    }
    text += "\"z\":0}";
    text.into_bytes()
}

fn alarm(session: &str, more: &str) -> String {
    format!("{{\"SessionID\":{session},\"MetricName\":\"load\",\"AlarmTime\":1470822697{more}}}")
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[derive(Clone)]
struct Case(&'static str, &'static str, &'static str, Vec<u8>, Ends);

const GZIP: &str = "content-encoding: gzip\r\n";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const GZIP_FORM: &str =
    "content-encoding: gzip\r\ncontent-type: application/x-www-form-urlencoded\r\n";

/// Bodies that are expensive to read.
fn bombs() -> Vec<Case> {
    let blanks = vec![b' '; 2 * LARGEST];
    vec![
        Case("gzip bomb", UCLOUD, GZIP, gzip(&blanks), Quarantined),
        Case(
            "deflate bomb",
            UCLOUD,
            "content-encoding: deflate\r\n",
            zlib(&blanks),
            Quarantined,
        ),
        Case(
            "gzip in gzip",
            UCLOUD,
            GZIP,
            gzip(&gzip(&blanks)),
            Quarantined,
        ),
        Case(
            "gzip twice",
            UCLOUD,
            "content-encoding: gzip, gzip\r\n",
            gzip(&gzip(&blanks)),
            Quarantined,
        ),
        Case(
            "zstd",
            UCLOUD,
            "content-encoding: zstd\r\n",
            vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0],
            Quarantined,
        ),
        Case("many keys", UCLOUD, GZIP, gzip(&many_keys()), Quarantined),
        Case(
            "many numbers",
            UCLOUD,
            GZIP,
            gzip(&filled("[0", ",0", "]")),
            Quarantined,
        ),
        Case(
            "many lists",
            UCLOUD,
            GZIP,
            gzip(&filled("[[]", ",[]", "]")),
            Quarantined,
        ),
        Case(
            "one key again",
            UCLOUD,
            GZIP,
            gzip(&filled("{\"a\":0", ",\"a\":0", "}")),
            Quarantined,
        ),
        Case(
            "deep",
            UCLOUD,
            GZIP,
            gzip(&filled("", "[", "")),
            Quarantined,
        ),
        Case(
            "one long text",
            UCLOUD,
            GZIP,
            gzip(&filled("\"", "a", "\"")),
            Quarantined,
        ),
        Case(
            "one long number",
            UCLOUD,
            GZIP,
            gzip(&filled("", "1", "")),
            Quarantined,
        ),
        Case(
            "line breaks in texts",
            UCLOUD,
            GZIP,
            gzip(&filled("[\"", "\n", "\"]")),
            Quarantined,
        ),
    ]
}

/// The same, from senders that are not verified yet, because the proof would be in the form.
fn bombs_without_a_proof() -> Vec<Case> {
    vec![
        Case(
            "many pairs",
            JIANKONG,
            GZIP_FORM,
            gzip(&filled("a", "&a", "")),
            Refused(401),
        ),
        Case(
            "many named pairs",
            JIANKONG,
            GZIP_FORM,
            gzip(&filled("a=b", "&a=b", "")),
            Refused(401),
        ),
        Case(
            "many percents",
            JIANKONG,
            GZIP_FORM,
            gzip(&filled("a=", "%41", "")),
            Refused(401),
        ),
    ]
}

/// Bodies with unusual content.
fn oddities() -> Vec<Case> {
    let json = |name, body: String, ends| Case(name, UCLOUD, "", body.into_bytes(), ends);
    vec![
        json(
            "duplicate keys",
            alarm("\"first\"", ",\"SessionID\":\"last\""),
            Accepted,
        ),
        json("NaN", alarm("\"nan\"", ",\"value\":NaN"), Quarantined),
        json(
            "Infinity",
            alarm("\"inf\"", ",\"value\":-Infinity"),
            Quarantined,
        ),
        json(
            "huge exponent",
            alarm("\"exp\"", ",\"value\":1e999999999"),
            Quarantined,
        ),
        json(
            "huge time",
            "{\"SessionID\":\"t\",\"AlarmTime\":1e300}".into(),
            Quarantined,
        ),
        json(
            "huge integer",
            alarm("99999999999999999999999999", ""),
            Accepted,
        ),
        json("escaped null", alarm("\"a\\u0000b\"", ""), Accepted),
        json("lone surrogate", alarm("\"\\ud800\"", ""), Accepted),
        json(
            "byte order mark",
            format!("\u{feff}{}", alarm("\"bom\"", "")),
            Accepted,
        ),
        json("two values", alarm("\"two\"", "") + "{}", Quarantined),
        json("control character", alarm("\"tab\there\"", ""), Accepted),
        Case("null bytes", UCLOUD, "", vec![0; 1000], Quarantined),
        Case(
            "invalid UTF-8",
            UCLOUD,
            "",
            b"{\"SessionID\":\"\xff\xfe\xed\xa0\x80\"}".to_vec(),
            Quarantined,
        ),
        Case(
            "UTF-16",
            UCLOUD,
            "content-type: application/json; charset=utf-16le\r\n",
            utf16(&alarm("\"wide\"", "")),
            Accepted,
        ),
        Case(
            "UTF-16 undeclared",
            UCLOUD,
            "",
            utf16(&alarm("\"undeclared\"", "")),
            Quarantined,
        ),
        Case(
            "unknown charset",
            UCLOUD,
            "content-type: a/b; charset=klingon\r\n",
            b"{}".to_vec(),
            Quarantined,
        ),
        Case(
            "too large",
            UCLOUD,
            "",
            vec![b' '; 2 * 1024 * 1024],
            Refused(413),
        ),
        Case(
            "multipart",
            JIANKONG,
            "content-type: multipart/form-data; boundary=x\r\n",
            b"--x\r\n\r\n--x--".to_vec(),
            Refused(401),
        ),
        Case(
            "form without UTF-8",
            JIANKONG,
            FORM,
            b"msg_id=%ff%fe&token=%c3%28".to_vec(),
            Refused(403),
        ),
        Case(
            "null bytes in a form",
            JIANKONG,
            FORM,
            b"msg_id=%00&task_id=\0&fault_time=1&token=00".to_vec(),
            Refused(403),
        ),
    ]
}

async fn start(folder: &Path) -> Process {
    let settings = "[providers.ucloud.open]\nopen = true\n\
                    [providers.jiankong.web]\ntoken = \"campanile-storm-token\"\n\
                    [sinks.stdout.screen]\n[[routes]]\nwhen = \"false\"\nsinks = [\"stdout/screen\"]\n";
    std::fs::write(folder.join("campanile.toml"), preamble(folder) + settings).unwrap();
    Process::start(folder).await
}

/// The numbers of alerts and of quarantined callbacks.
async fn kept(process: &Process) -> (usize, usize) {
    let mut counts = Vec::new();
    for list in ["alerts", "quarantine"] {
        let page = process.look(&format!("/api/v1/{list}?limit=500"), "").await;
        counts.push(page.json()["items"].as_array().unwrap().len());
    }
    (counts[0], counts[1])
}

async fn send(process: &Process, case: &Case) -> Ends {
    let Case(_, path, head, body, _) = case;
    let before = kept(process).await;
    let reply = process.send(post(path, head, body)).await;
    let after = kept(process).await;
    match (reply.status, after.0 - before.0, after.1 - before.1) {
        (200, 1, 0) => Accepted,
        (200, 0, 1) => Quarantined,
        (status, 0, 0) if status >= 400 => Refused(status),
        other => panic!("{}: {other:?}", case.0),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_body_is_accepted_quarantined_or_refused_and_never_half() {
    let folder = tempfile::tempdir().unwrap();
    let process = start(folder.path()).await;
    for case in oddities() {
        assert_eq!(send(&process, &case).await, case.4, "{}", case.0);
    }
    // If a key occurs twice, the last value is used, as in every known JSON parser.
    let alerts = process.look("/api/v1/alerts?limit=500", "").await.body;
    assert!(
        alerts.contains("last") && !alerts.contains("\"first"),
        "{alerts}"
    );
    let query = format!("{JIANKONG}?{}", "a=b&".repeat(5000));
    assert_eq!(process.send(post(&query, "", b"")).await.status, 414);
    process.signal("TERM");
    process.ended().await;
    assert!(!process.log().contains("panicked"), "{}", process.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_kept_or_refused_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let process = start(folder.path()).await;
    let before = process.memory_peak();
    let mut grown = Vec::new();
    for case in bombs().into_iter().chain(bombs_without_a_proof()) {
        assert_eq!(send(&process, &case).await, case.4, "{}", case.0);
        let growth = (process.memory_peak() - before) / MIB;
        grown.push((case.0, growth));
    }
    // And all of them at once, from senders without a proof.
    let storm = bombs_without_a_proof().into_iter().cycle().take(12);
    let calls: Vec<_> = storm.map(|case| post(case.1, case.2, &case.3)).collect();
    let replies = futures_util::future::join_all(calls.iter().map(|call| process.send(call))).await;
    assert!(replies.iter().all(|reply| reply.status == 401));
    let growth = process.memory_peak() - before;
    assert!(
        growth < GROWTH_MAX,
        "{} MiB in the end, {grown:?}",
        growth / MIB
    );
    process.signal("TERM");
    process.ended().await;
    assert!(!process.log().contains("panicked"), "{}", process.log());
}
