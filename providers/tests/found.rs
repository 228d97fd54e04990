//! Bugs that the fuzz targets found, each as the rule that it broke. Small inputs are in `testing/fuzz/laws/regressions/`;
//! the inputs here are as large as a body may be.

use campanile_model::{Callback, Fingerprint, Report, Secret, Status};
use campanile_providers::{Mapping, Provider, Reading, Source, by_name, fixtures};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The largest body that the gateway accepts.
const BODY_BYTES_MAX: usize = 1024 * 1024;

fn provider(name: &str) -> &'static dyn Provider {
    &**by_name(name).expect("known")
}

/// The vendor's first alarm, changed.
fn changed(name: &str, change: impl FnOnce(&mut Value)) -> Callback {
    let mut cases = fixtures(name).iter();
    let firing = cases.find(|fixture| fixture.case == "firing").expect("one");
    let call = firing.callback().expect("a request");
    let mut body = call.json().expect("JSON").clone();
    change(&mut body);
    call.with_body(body.to_string())
}

fn read(name: &str, call: &Callback) -> Reading {
    provider(name)
        .read(call, &Source::default())
        .expect("readable")
}

#[test]
fn a_title_is_one_line_whatever_the_vendor_writes() {
    let mut report = Report::new("1", Fingerprint(1), Status::Firing);
    report.title = " db-1\r\n\nis down\r".to_owned();
    let alert = report.into_alert("ucloud/prod", Timestamp::UNIX_EPOCH);
    assert_eq!(alert.title, "db-1 is down");
}

#[test]
fn a_message_id_is_short_whoever_gives_it() {
    let call = changed("ucloud", |body| {
        body["SessionID"] = "s".repeat(BODY_BYTES_MAX).into();
    });
    let reading = read("ucloud", &call);
    assert!(reading.reports[0].message_id.starts_with("sha256:"));
    let other = changed("ucloud", |body| {
        body["SessionID"] = "s".repeat(BODY_BYTES_MAX - 1).into();
    });
    assert_ne!(
        reading.reports[0].message_id,
        read("ucloud", &other).reports[0].message_id
    );
}

/// Reading this took hours when each bracket searched the whole text before it.
#[test]
fn a_text_of_brackets_is_looked_at_once() {
    for bracket in [")", "()", "（1", "(1a"] {
        let text = bracket.repeat(BODY_BYTES_MAX / bracket.len()) + "(330.00)<6000";
        let call = changed("ucloud", |body| body["Content"] = text.into());
        let metric = &read("ucloud", &call).reports[0].metric;
        assert_eq!(metric.threshold, Some(6000.into()), "{bracket}");
    }
}

#[test]
fn what_stands_once_beside_a_long_list_is_not_repeated_without_end() {
    let call = changed("alertmanager", |body| {
        body["receiver"] = "r".repeat(BODY_BYTES_MAX / 2).into();
        body["alerts"] = (0..200)
            .map(|at| json!({"status": "firing", "fingerprint": at.to_string(), "startsAt": "2026-01-01T00:00:00Z"}))
            .collect();
    });
    let reading = read("alertmanager", &call);
    let bytes: usize = reading
        .reports
        .iter()
        .map(|report| report.labels["receiver"].len())
        .sum();
    assert!(bytes <= 32 * 1024 * 1024, "{bytes}");
    assert!(!reading.reports.is_empty(), "what fits is read");
    let why = &reading.unreadable[0];
    assert!(why.problem.contains("the rest is not read"), "{why}");
}

/// Found by a value of Google that the store returned with another last digit.
#[test]
fn a_number_is_kept_to_its_last_digit() {
    for digits in [
        "0.9401111111111112",
        "0.1",
        "123456789.12345679",
        "5e-324",
        "1.7976931348623157e308",
    ] {
        let number: serde_json::Number = serde_json::from_str(digits).expect("a number");
        let kept = serde_json::to_string(&number).expect("JSON");
        let back: serde_json::Number = serde_json::from_str(&kept).expect("a number");
        assert_eq!(back, number);
        assert_eq!(back.as_f64(), digits.parse().ok(), "{digits}");
    }
}

/// It was written as `GET  HTTP/1.1`, which no parser reads.
#[test]
fn a_target_without_a_path_is_no_request() {
    for target in ["?", "?a=1"] {
        let raw = format!("GET {target} HTTP/1.1\n\n");
        assert!(Callback::from_http(raw.as_bytes()).is_err(), "{target}");
    }
}

/// Found by a property test with one secret of a million: some of its characters were escaped, and others could be read
/// twice.
#[test]
fn a_secret_is_taken_out_where_its_signs_can_be_read_in_two_ways() {
    for (secret, written) in [
        ("AA\"a%25bc", r#"AA\"a%25bc"#),
        ("AA\"a%25bc", r#"AA\"a%2525bc"#),
        ("a%25%25bc d", "a%25%25bc+d"),
        (r"a\\b\\é123", r"a\\b\\%C3%A9123"),
        (r"a\\b\\é123", r"a\\\\b\\\\\u00e9123"),
    ] {
        let mut sent = Callback::from_http(b"POST /x HTTP/1.1\r\n\r\n").expect("a request");
        sent.body = format!("<{written}> {written}").into_bytes();
        let kept = sent.to_http_without([&Secret::from(secret)]);
        let kept = String::from_utf8_lossy(&kept);
        assert!(kept.ends_with("<***> ***"), "{secret} as {written}: {kept}");
    }
}

/// A step of the engine counts as one step for any size of its result.
#[test]
fn no_expression_of_a_mapping_can_ask_for_all_memory() {
    let evaluated = |expression: &str| {
        let title = toml::Value::from(expression);
        let text = format!(
            "title = 'Own'\nconfidence = 'inferred'\n[status]\nfiring = 'true'\n[alert]\nmessage_id = [\"'1'\"]\n\
             fingerprint = [\"'1'\"]\ntitle = {title}\n"
        );
        let mapping = Mapping::parse("own", &text).expect("a mapping");
        let call = Callback::from_http(
            b"POST /callback/own/x HTTP/1.1\n\n{\"text\":\"ab\",\"n\":99999999}",
        );
        let call = call.expect("a request");
        let reading = mapping.read(&call, &Source::default()).expect("an alert");
        let report = &reading.reports[0];
        match report.left_out.first() {
            None => Ok(report.title.clone()),
            Some(fault) => Err(fault.problem.clone()),
        }
    };
    assert_eq!(evaluated("body.text * 2").ok(), None);
    assert_eq!(
        evaluated("(body.n - 99999997) * 3 ~ 'x'"),
        Ok("6x".to_owned())
    );
    for (expression, part) in [
        ("body.text * body.n", "`*` is for numbers"),
        ("[body.text] * body.n", "`*` is for numbers"),
        ("body|tojson(indent=body.n)", "at most 1000"),
        ("[body.text]|map('indent', body.n)|join", "at most 1000"),
        ("[body.text]|map('batch', body.n, 0)|join", "at most 1000"),
    ] {
        let problem = evaluated(expression).expect_err(expression);
        assert!(problem.contains(part), "{expression}: {problem}");
    }
}
