//! The protocol of UCloud, in addition to its fixtures.

use campanile_model::{Alert, Callback, Fault, Report, Severity, Status};
use campanile_providers::{Outcome, Provider, Source, by_name, fixtures};
use serde_json::{Value, json};

fn ucloud() -> &'static dyn Provider {
    &**by_name("ucloud").expect("built in")
}

fn post(body: impl Into<Vec<u8>>) -> Callback {
    let call = Callback::from_http(b"POST /callback/ucloud/prod/key HTTP/1.1\r\n\r\n");
    call.expect("a request").with_body(body)
}

fn body(changes: Value) -> String {
    let mut body = json!({
        "SessionID": "s-1", "Region": "cn-bj2", "ResourceType": "uhost", "ResourceId": "uhost-1",
        "MetricName": "MemUsage", "AlarmTime": 1_767_232_800, "RecoveryTime": 0,
    });
    let (Value::Object(body_fields), Value::Object(changes)) = (&mut body, changes) else {
        panic!("objects");
    };
    body_fields.extend(changes);
    body.to_string()
}

fn try_read(source: &Source, body: impl Into<Vec<u8>>) -> Result<Report, Fault> {
    let mut reading = ucloud().read(&post(body), source)?;
    Ok(reading.reports.pop().expect("one report"))
}

fn read(changes: Value) -> Report {
    try_read(&Source::default(), body(changes)).expect("readable")
}

fn content(text: &str) -> Report {
    read(json!({ "Content": text }))
}

#[test]
fn an_alarm_and_its_recovery_of_one_session_are_two_messages_about_one_problem() {
    let firing = read(json!({}));
    let resolved =
        read(json!({ "AlarmTime": 0, "RecoveryTime": 1_767_233_100, "Region": " cn-bj2" }));
    assert_eq!(
        (firing.status, resolved.status),
        (Status::Firing, Status::Resolved)
    );
    assert_eq!(firing.message_id, "s-1:firing");
    assert_eq!(resolved.message_id, "s-1:resolved");
    assert_eq!(firing.fingerprint, resolved.fingerprint);
    assert_eq!(resolved.starts_at, None);
    assert_eq!(
        resolved.ends_at.map(jiff::Timestamp::as_second),
        Some(1_767_233_100)
    );
}

#[test]
fn each_part_of_the_problem_makes_another_problem() {
    let one = read(json!({})).fingerprint;
    for name in ["Region", "ResourceType", "ResourceId", "MetricName"] {
        assert_ne!(one, read(json!({ name: "another" })).fingerprint, "{name}");
    }
    for name in ["Level", "Zone", "StrategyId", "Content", "value"] {
        assert_eq!(one, read(json!({ name: "another" })).fingerprint, "{name}");
    }
}

#[test]
fn what_cannot_be_read_names_its_place() {
    let place = |changes| {
        let fault = try_read(&Source::default(), body(changes));
        fault.expect_err("unreadable").place
    };
    assert_eq!(place(json!({ "AlarmTime": 0 })), "body.AlarmTime");
    assert_eq!(place(json!({ "AlarmTime": null })), "body.AlarmTime");
    assert_eq!(place(json!({ "AlarmTime": "soon" })), "body.AlarmTime");
    assert_eq!(place(json!({ "AlarmTime": -5 })), "body.AlarmTime");
    assert_eq!(
        place(json!({ "AlarmTime": 1_767_232_800_000_i64 })),
        "body.AlarmTime"
    );
    assert_eq!(place(json!({ "RecoveryTime": [1] })), "body.RecoveryTime");
    assert_eq!(place(json!({ "SessionID": "  " })), "body.SessionID");
    let list = try_read(&Source::default(), "[1]").expect_err("unreadable");
    assert_eq!(list.place, "body");
}

#[test]
fn a_recovery_is_read_even_if_its_beginning_is_not() {
    let resolved = read(json!({ "AlarmTime": "soon", "RecoveryTime": "1767233100" }));
    assert_eq!(
        (resolved.status, resolved.starts_at),
        (Status::Resolved, None)
    );
}

#[test]
fn the_operators_table_is_asked_before_ours_and_an_unknown_level_stays_unknown() {
    let source = Source {
        severity: Some(Severity::Info),
        severities: [("P2".to_owned(), Severity::Critical)].into(),
        ..Source::default()
    };
    let severity = |changes| {
        let report = try_read(&source, body(changes)).expect("readable");
        (report.severity, report.raw.get("severity").cloned())
    };
    let word = |word: &str| Some(word.to_owned());
    assert_eq!(
        severity(json!({ "Level": "P2" })),
        (Severity::Critical, word("P2"))
    );
    assert_eq!(
        severity(json!({ "Level": "p1" })),
        (Severity::Error, word("p1"))
    );
    assert_eq!(
        severity(json!({ "Level": "P9" })),
        (Severity::Unknown, word("P9"))
    );
    assert_eq!(
        severity(json!({ "Level": 2 })),
        (Severity::Unknown, word("2"))
    );
    assert_eq!(severity(json!({})), (Severity::Info, None));
    assert_eq!(read(json!({})).severity, Severity::Unknown);
}

#[test]
fn the_level_in_the_text_is_used_only_where_it_plainly_is_one() {
    let level = |text: &str| content(text).raw.get("severity").cloned();
    assert_eq!(
        level("availability low, Alert Level P0 (UCloud)").as_deref(),
        Some("P0")
    );
    assert_eq!(level("告警级别：P1，请处理").as_deref(), Some("P1"));
    assert_eq!(
        level("level playing field, alarm level: p3").as_deref(),
        Some("P3")
    );
    for none in ["level P0wn", "Level P", "level 0", "P0", "", "级别"] {
        assert_eq!(level(none), None, "{none}");
    }
}

#[test]
fn value_threshold_and_unit_are_read_from_the_text_in_both_languages() {
    let metric = |text: &str| {
        let metric = content(text).metric;
        let number = |n: Option<serde_json::Number>| n.and_then(|n| n.as_f64());
        let (comparator, unit) = (metric.comparator.unwrap_or_default(), metric.unit);
        (
            number(metric.value),
            comparator,
            number(metric.threshold),
            unit.unwrap_or_default(),
        )
    };
    let is = |value, comparator: &str, threshold, unit: &str| {
        (
            Some(value),
            comparator.to_owned(),
            Some(threshold),
            unit.to_owned(),
        )
    };
    assert_eq!(
        metric("uhost(ID:uhost-x-0.0.0.0-) Connection number(330.00)<6000 (UCloud)"),
        is(330.0, "<", 6000.0, "")
    );
    assert_eq!(
        metric("内存使用率（93.2%）大于等于 90%，持续5分钟"),
        is(93.2, ">=", 90.0, "%")
    );
    assert_eq!(metric("delay(-3)≤-1ms."), is(-3.0, "<=", -1.0, "ms"));
    assert_eq!(metric("磁盘(12个)超过10个"), is(12.0, ">", 10.0, "个"));
    assert_eq!(metric("a(1)=2."), is(1.0, "==", 2.0, ""));
    for none in [
        "nothing", "(330)", "(a)<1", "(1)<b", "()<", ")<1", "(1 2)<3", "（", "(1)大",
    ] {
        assert_eq!(content(none).metric.comparator, None, "{none}");
    }
}

#[test]
fn the_fields_of_the_2026_form_win_over_its_text() {
    let report = read(json!({ "value": "41.5", "ValueUnit": "%", "content": "x(330ms)<6000" }));
    let metric = serde_json::to_value(&report.metric).expect("JSON");
    let wanted = json!({
        "name": "MemUsage", "value": 41.5, "comparator": "<", "threshold": 6000, "unit": "%",
    });
    assert_eq!(metric, wanted);
}

#[test]
fn a_wide_integer_keeps_every_digit() {
    let wide = [
        "9007199254740993",
        "9999999999999999999",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
        "123456789012345678901234567890",
    ];
    for digits in wide {
        let text =
            body(json!({ "StrategyId": 7, "Content": "a \"quoted\\\" 99999999999999999999" }));
        let text = text.replace("\"StrategyId\":7", &format!("\"StrategyId\": {digits}"));
        let report = try_read(&Source::default(), text).expect("readable");
        assert_eq!(
            report.labels.get("strategy").map(String::as_str),
            Some(digits)
        );
        assert_eq!(report.description, "a \"quoted\\\" 99999999999999999999");
    }
}

#[test]
fn a_wide_number_that_is_no_integer_is_left_to_the_parser() {
    for number in [
        "1.1234567890123456789012",
        "12345678901234567890123e2",
        "1e-12345678901234567890",
    ] {
        let text = body(json!({})).replace("1767232800", &format!("1767232800,\"value\":{number}"));
        let report = try_read(&Source::default(), text).expect("readable");
        assert!(report.metric.value.is_some(), "{number}");
    }
    let zero_led = body(json!({})).replace("1767232800", "00000000001767232800");
    assert!(try_read(&Source::default(), zero_led).is_err());
}

#[test]
fn the_answer_echoes_the_session_and_says_zero_only_on_success() {
    let answer = |outcome: &Outcome<'_>| {
        let answer = ucloud().answer(&post(body(json!({ "SessionID": " s-1 " }))), outcome);
        (
            answer.status,
            serde_json::from_str::<Value>(&answer.body).expect("JSON"),
        )
    };
    let ok = json!({ "SessionID": " s-1 ", "RetCode": 0 });
    for outcome in [
        Outcome::Accepted { id: "x" },
        Outcome::Duplicate,
        Outcome::Quarantined,
    ] {
        assert_eq!(answer(&outcome), (200, ok.clone()));
    }
    let (status, refused) = answer(&Outcome::Refused { status: 403 });
    let wanted = json!({ "SessionID": " s-1 ", "RetCode": -1, "Error": "not authorized" });
    assert_eq!((status, refused), (403, wanted));
    assert_eq!(answer(&Outcome::Unavailable).0, 503);
    let answer = ucloud().answer(
        &post("not json"),
        &Outcome::Rejected {
            status: 400,
            reason: "no",
        },
    );
    assert_eq!(answer.body, r#"{"SessionID":"","RetCode":-1,"Error":"no"}"#);
}

#[test]
fn the_demo_list_gives_back_what_the_demo_client_sent() {
    let demo = fixtures("ucloud")
        .iter()
        .find(|f| f.case == "demo-client")
        .expect("a fixture");
    let alerts: Vec<Alert> = serde_json::from_str(demo.expected).expect("alerts");
    let sent = demo
        .callback()
        .expect("a request")
        .json()
        .expect("JSON")
        .clone();
    assert_eq!(
        ucloud().list(&alerts),
        Some(json!({ "Result": [sent], "RetCode": 0 }))
    );
}
