//! Real requests of vendors and their users, over real HTTP: to the path of their own source, and to the shared path.
//! `tests/field/README.md` describes the cases.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::Run;
use crate::gateway::{Gateway, IDLE_SINK};
use crate::standing::{Reply, Wire};

const TOKEN: &str = "field-own-token-000001";
const KEY: &str = "field-own-key-00000001";

/// One request and its expected result.
struct Case {
    name: String,
    raw: Vec<u8>,
    expect: Value,
}

impl Case {
    fn vendor(&self) -> &str {
        self.expect["vendor"].as_str().unwrap()
    }

    /// The method, the path and the headers, and the body.
    fn parts(&self) -> (String, &[u8]) {
        let end = self.raw.windows(2).position(|w| w == b"\n\n").unwrap();
        let head = String::from_utf8(self.raw[..end].to_vec()).unwrap();
        (head, &self.raw[end + 2..])
    }

    /// Whether its source has a key: the path ends in it.
    fn is_keyed(&self) -> bool {
        self.parts().0.contains(KEY)
    }

    fn needs_certificate(&self) -> bool {
        self.expect["by"] == "try"
    }

    /// The request, to the path of its own source.
    fn own(&self) -> (String, Vec<u8>) {
        let (head, body) = self.parts();
        (head, body.to_vec())
    }

    /// The request, to the shared path, with the secrets of the source `any`.
    fn shared(&self) -> (String, Vec<u8>) {
        let (head, body) = self.parts();
        let mut words = head.splitn(3, ' ');
        let (method, target, rest) = (
            words.next().unwrap(),
            words.next().unwrap(),
            words.next().unwrap(),
        );
        let query = target
            .split_once('?')
            .map_or(String::new(), |(_, q)| format!("?{q}"));
        let key = if self.is_keyed() {
            format!("/{KEY}")
        } else {
            String::new()
        };
        let head = format!("{method} /callback{key}{query} {rest}");
        let mut swaps = vec![("field-own-".to_owned(), "field-any-".to_owned())];
        for pair in self.expect["swap"].as_array().into_iter().flatten() {
            let text = |at: usize| pair[at].as_str().unwrap().to_owned();
            swaps.push((text(0), text(1)));
        }
        if let Some(pairs) = self.expect["swap"].as_object() {
            swaps.extend(
                pairs
                    .iter()
                    .map(|(old, new)| (old.clone(), new.as_str().unwrap().to_owned())),
            );
        }
        let head = swaps
            .iter()
            .fold(head, |head, (old, new)| head.replace(old, new));
        let body = swaps
            .iter()
            .fold(body.to_vec(), |body, (old, new)| replaced(&body, old, new));
        (head, body)
    }
}

fn replaced(bytes: &[u8], old: &str, new: &str) -> Vec<u8> {
    let (old, new) = (old.as_bytes(), new.as_bytes());
    let mut done = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(old.len()).position(|w| w == old) {
        done.extend_from_slice(&rest[..at]);
        done.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    done.extend_from_slice(rest);
    done
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|is| is == "http"));
    files.sort();
    let case = |path: PathBuf| Case {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        raw: std::fs::read(&path).unwrap(),
        expect: serde_json::from_slice(&std::fs::read(path.with_extension("expect.json")).unwrap())
            .unwrap(),
    };
    files.into_iter().map(case).collect()
}

/// Two sources for every vendor of a case: `own`, and `any` for the shared path.
fn settings(cases: &[Case]) -> String {
    let mut keyed: BTreeMap<&str, bool> = BTreeMap::new();
    for case in cases.iter().filter(|case| !case.needs_certificate()) {
        *keyed.entry(case.vendor()).or_default() |= case.is_keyed();
    }
    let mut text = IDLE_SINK.to_owned();
    for (vendor, keyed) in keyed {
        for name in ["own", "any"] {
            let setting = if keyed {
                ("key", KEY)
            } else {
                ("token", TOKEN)
            };
            let secret = setting.1.replace("-own-", &format!("-{name}-"));
            let _infallible = writeln!(
                text,
                "[providers.{vendor}.{name}]\n{} = \"{secret}\"",
                setting.0
            );
        }
    }
    text
}

/// Sends the request of a case.
async fn send(gateway: &Gateway, case: &Case, (head, body): (String, Vec<u8>)) -> Reply {
    let mut lines: Vec<String> = head.lines().map(str::to_owned).collect();
    let chunked = case.expect["wire"] == "chunked";
    let sized = |line: &String| line.to_ascii_lowercase().starts_with("content-length:");
    lines.retain(|line| !sized(line));
    let length = if chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {}", body.len())
    };
    lines.push(length);
    if head.starts_with("HEAD ") {
        // The answer to HEAD declares a length but has no body: only the end of the connection ends it.
        lines.push("Connection: close".to_owned());
    }
    let head = format!("{}\r\n\r\n", lines.join("\r\n"));
    let mut wire = Wire::to(gateway.public()).await;
    wire.write(head).await;
    if case.expect["wire"] == "expect" {
        let go_on = wire.read().await;
        assert_eq!(go_on.status, 100, "{}", case.name);
    }
    if chunked {
        for piece in body.chunks(13) {
            wire.write(format!("{:x}\r\n", piece.len())).await;
            wire.write(piece).await;
            wire.write("\r\n").await;
        }
        wire.write("0\r\n\r\n").await;
    } else {
        wire.write(&body).await;
    }
    wire.read().await
}

/// The stored alerts of a source.
async fn stored(gateway: &Gateway, vendor: &str, name: &str) -> (Vec<Value>, usize) {
    let alerts = format!("/api/v1/alerts?limit=500&source={vendor}/{name}");
    let quarantine = format!("/api/v1/quarantine?limit=500&source={vendor}/{name}");
    let (alerts, kept) = (gateway.list(&alerts).await, gateway.list(&quarantine).await);
    (alerts, kept.len())
}

/// The texts of an expectation: one text, or a list of which one must match.
fn texts(expected: &Value) -> Vec<&str> {
    let many = expected.as_array().into_iter().flatten();
    many.chain([expected]).filter_map(Value::as_str).collect()
}

/// The differences between one alert and its expectation.
fn alert_faults(alert: &Value, expected: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let text = |field: &str| alert[field].as_str().unwrap_or_default().to_owned();
    let resource = |part: &str| alert["resource"][part].as_str().unwrap_or_default();
    let mut hold = |name: &str, is: String, holds: &dyn Fn(&str, &str) -> bool| {
        let wanted = texts(&expected[name]);
        if !wanted.is_empty() && !wanted.iter().any(|wanted| holds(&is, wanted)) {
            faults.push(format!("{name} is `{is}`, expected one of {wanted:?}"));
        }
    };
    let equal = |is: &str, wanted: &str| is == wanted;
    let contains = |is: &str, wanted: &str| is.contains(wanted);
    let starts = |is: &str, wanted: &str| is.starts_with(wanted);
    hold("status", text("status"), &equal);
    hold("severity", text("severity"), &equal);
    hold("title", text("title"), &contains);
    hold("description", text("description"), &contains);
    let both = format!("{}\n{}", text("title"), text("description"));
    hold("says", both, &contains);
    let both = format!("{}\n{}", resource("id"), resource("name"));
    hold("resource", both, &contains);
    hold("starts_at", text("starts_at"), &starts);
    hold("ends_at", text("ends_at"), &starts);
    faults
}

fn count_fits(count: usize, expected: &Value) -> bool {
    let count = u64::try_from(count).unwrap();
    match expected {
        Value::Array(range) => {
            let bound = |at: usize| range[at].as_u64().unwrap();
            (bound(0)..=bound(1)).contains(&count)
        }
        expected => expected.as_u64().is_none_or(|wanted| wanted == count),
    }
}

/// Fingerprints, by the number of the case.
type Seen = BTreeMap<String, Value>;

/// Sends a case to the source `name`, and returns the differences from its expectation.
async fn judge(gateway: &Gateway, case: &Case, name: &str, seen: &mut Seen) -> Vec<String> {
    let vendor = case.vendor();
    let expect = &case.expect;
    let (before, kept_before) = stored(gateway, vendor, name).await;
    let request = if name == "own" {
        case.own()
    } else {
        case.shared()
    };
    let reply = send(gateway, case, request).await;
    let (after, kept) = stored(gateway, vendor, name).await;
    let new = after.get(before.len()..).unwrap_or_default();
    let mut faults = Vec::new();
    let statuses = expect["status"].as_array().into_iter().flatten();
    let statuses: Vec<u64> = statuses.filter_map(Value::as_u64).collect();
    let fits = if statuses.is_empty() {
        (200..300).contains(&reply.status)
    } else {
        statuses.contains(&u64::from(reply.status))
    };
    if !fits {
        faults.push(format!("answered {} {}", reply.status, reply.body));
    }
    let word = match (new.is_empty(), kept > kept_before, fits) {
        (false, _, _) => "accepted",
        (true, true, _) => "quarantined",
        (true, false, _) if reply.status >= 400 => "rejected",
        // A duplicate, or a message without an alert: both are answered with success.
        (true, false, _) => "duplicate",
    };
    let verdicts = texts(&expect["verdict"]);
    let silent = count_fits(0, &expect["count"]) && word == "duplicate";
    if !verdicts.contains(&word) && !silent && expect["quiet"] != true {
        faults.push(format!("is {word}, expected {verdicts:?}; {new:?}"));
    }
    if word == "accepted" && !count_fits(new.len(), &expect["count"]) {
        faults.push(format!(
            "has {} alerts, expected {}",
            new.len(),
            expect["count"]
        ));
    }
    let number = case.name.split('-').next().unwrap_or_default();
    if let Some(first) = new.first() {
        seen.insert(format!("{name}/{number}"), first["fingerprint"].clone());
    }
    let expected = expect["alerts"].as_array().into_iter().flatten();
    for (alert, expected) in new.iter().zip(expected) {
        faults.extend(alert_faults(alert, expected));
        let same = expected["same_as"].as_str();
        let same = same.and_then(|number| seen.get(&format!("{name}/{number}")));
        if same.is_some_and(|same| *same != alert["fingerprint"]) {
            faults.push("has another fingerprint than the case that it belongs to".to_owned());
        }
    }
    let place = |fault: String| format!("{} ({name}): {fault}", case.name);
    faults.into_iter().map(place).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_field_sends_is_taken_on_its_own_path_and_on_the_shared_one() {
    let cases = cases();
    assert!(!cases.is_empty());
    let gateway = Gateway::start(&settings(&cases)).await;
    let (mut faults, mut seen) = (Vec::new(), Seen::new());
    for case in cases.iter().filter(|case| !case.needs_certificate()) {
        faults.extend(judge(&gateway, case, "own", &mut seen).await);
        let elsewhere = case.expect["shared"] == "skip" || case.expect["taker"].is_string();
        if !elsewhere {
            faults.extend(judge(&gateway, case, "any", &mut seen).await);
        }
    }
    gateway.stop().await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The certificate of these vendors cannot be fetched in a test.
#[test]
fn what_needs_a_certificate_is_judged_by_try() {
    const SOURCE: &str = "[providers.cloudwatch.own]\n\
        topics = [\"arn:aws:sns:ap-northeast-2:111122223333:field\"]\n";
    let folder = tempfile::tempdir().unwrap();
    let (config, file) = (folder.path().join("c.toml"), folder.path().join("r.http"));
    std::fs::write(&config, format!("{SOURCE}{IDLE_SINK}")).unwrap();
    for case in cases().iter().filter(|case| case.needs_certificate()) {
        std::fs::write(&file, &case.raw).unwrap();
        let (config, file) = (config.to_str().unwrap(), file.to_str().unwrap());
        let run = Run::of(&["try", "--believe", "--json", "--config", config, file]);
        let forecast = run.json();
        let verdict = forecast["verdict"].as_str().unwrap();
        assert!(
            texts(&case.expect["verdict"]).contains(&verdict),
            "{}: {forecast}",
            case.name
        );
        let expected = case.expect["alerts"].as_array().into_iter().flatten();
        let fates = forecast["alerts"].as_array().unwrap();
        for (fate, expected) in fates.iter().zip(expected) {
            let faults = alert_faults(&fate["alert"], expected);
            assert!(faults.is_empty(), "{}: {faults:?}", case.name);
        }
    }
}
