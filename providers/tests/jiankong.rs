//! The protocol of 監控專家, in addition to its fixtures.

use campanile_model::urlencoded::{Again, decoded_again};
use campanile_model::{Callback, Remark, Report, Secret, Severity, Status};
use campanile_providers::{Outcome, Provider, Refusal, Source, by_name, verify};
use encoding_rs::UTF_8;
use proptest::prelude::*;

/// The check value of the vendor's page: MD5 of `880012345` `5567` `1767232800` and the token.
const SIGNED: &str = "msg_id=880012345&task_id=5567&fault_time=1767232800&task_type=http";
const DIGEST: &str = "803dd4f0fb636a1fe453a5b2c61e446c";

fn jiankong() -> &'static dyn Provider {
    &**by_name("jiankong").expect("built in")
}

fn source() -> Source {
    Source {
        tokens: vec![Secret::from("cb-token-EXAMPLE")],
        ..Source::default()
    }
}

fn post(form: &str) -> Callback {
    let head = "POST /callback/jiankong/web HTTP/1.1\r\n\
                Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n\r\n";
    Callback::from_http(format!("{head}{form}").as_bytes()).expect("a request")
}

fn get(query: &str) -> Callback {
    let raw = format!("GET /callback/jiankong/web?{query} HTTP/1.1\r\n\r\n");
    Callback::from_http(raw.as_bytes()).expect("a request")
}

fn read_with(source: &Source, call: &Callback) -> Report {
    let mut reading = jiankong().read(call, source).expect("readable");
    reading.reports.pop().expect("one report")
}

fn read(call: &Callback) -> Report {
    read_with(&source(), call)
}

#[test]
fn the_token_is_the_md5_of_the_values_in_either_case_of_hex() {
    let judged = |token: &str| verify(jiankong(), &post(&format!("{SIGNED}{token}")), &source());
    assert_eq!(judged(&format!("&token={DIGEST}")), Ok(()));
    assert_eq!(judged(&format!("&token={}", DIGEST.to_uppercase())), Ok(()));
    assert_eq!(judged(""), Err(Refusal::Missing));
    assert_eq!(judged("&token="), Err(Refusal::Wrong));
    assert_eq!(
        judged("&token=803dd4f0fb636a1fe453a5b2c61e446d"),
        Err(Refusal::Wrong)
    );
    assert_eq!(
        judged(&format!("&token={DIGEST}&task_id=5568")),
        Err(Refusal::Wrong)
    );
}

#[test]
fn the_token_covers_the_decoded_value_with_its_blanks() {
    let encoded = SIGNED.replace("880012345", "%38%380012345");
    assert_eq!(
        verify(
            jiankong(),
            &get(&format!("{encoded}&token={DIGEST}")),
            &source()
        ),
        Ok(())
    );
    let blank = SIGNED.replace("5567", "5567+");
    let judged = verify(
        jiankong(),
        &get(&format!("{blank}&token={DIGEST}")),
        &source(),
    );
    assert_eq!(judged, Err(Refusal::Wrong));
}

#[test]
fn json_is_proven_and_read_as_a_form_is_also_with_numbers() {
    let json = format!(
        r#"{{"msg_id":880012345,"task_id":"5567","fault_time":1767232800,"task_type":"http",
            "message_type":1,"message_status":1,"token":"{DIGEST}"}}"#
    );
    let call = post("").with_body(json);
    assert_eq!(verify(jiankong(), &call, &source()), Ok(()));
    let form = read(&post(&format!("{SIGNED}&message_type=1&message_status=1")));
    assert_eq!(read(&call), form);
}

#[test]
fn get_and_post_have_different_words_for_the_end() {
    let status = |call: &Callback| {
        jiankong()
            .read(call, &source())
            .map(|r| r.reports[0].status)
    };
    assert_eq!(
        status(&get(&format!("{SIGNED}&task_status=1"))),
        Ok(Status::Firing)
    );
    assert_eq!(
        status(&get(&format!("{SIGNED}&task_status=0"))),
        Ok(Status::Resolved)
    );
    assert_eq!(
        status(&post(&format!("{SIGNED}&message_status=1"))),
        Ok(Status::Firing)
    );
    assert_eq!(
        status(&post(&format!("{SIGNED}&message_status=2"))),
        Ok(Status::Resolved)
    );
    let place = |call: &Callback| status(call).expect_err("unreadable").place;
    assert_eq!(
        place(&get(&format!("{SIGNED}&task_status=2"))),
        "query.task_status"
    );
    assert_eq!(
        place(&post(&format!("{SIGNED}&message_status=0"))),
        "body.message_status"
    );
    assert_eq!(place(&post(SIGNED)), "body.message_status");
    assert_eq!(place(&post("message_status=1&task_id=1")), "body.msg_id");
}

#[test]
fn a_fault_is_critical_a_reminder_warns_and_the_operators_task_type_comes_first() {
    let mapped = Source {
        severity: Some(Severity::Info),
        severities: [("http".to_owned(), Severity::Error)].into(),
        ..source()
    };
    let plain = Source {
        severity: Some(Severity::Info),
        ..source()
    };
    let of = |source: &Source, rest: &str| {
        let report = read_with(source, &post(&format!("{SIGNED}&message_status=1{rest}")));
        (
            report.severity,
            report.raw.get("severity").cloned().unwrap_or_default(),
        )
    };
    let is = |severity, word: &str| (severity, word.to_owned());
    assert_eq!(of(&plain, "&message_type=1"), is(Severity::Critical, "1"));
    assert_eq!(of(&plain, "&message_type=2"), is(Severity::Warning, "2"));
    assert_eq!(of(&plain, "&message_type=3"), is(Severity::Unknown, "3"));
    assert_eq!(of(&plain, ""), is(Severity::Info, ""));
    assert_eq!(of(&mapped, "&message_type=1"), is(Severity::Error, "http"));
    let get = read(&get(&format!("{SIGNED}&task_status=1")));
    assert_eq!(get.severity, Severity::Critical);
}

#[test]
fn the_problem_is_task_type_server_and_metric() {
    let print = |rest: &str| read(&post(&format!("{SIGNED}&message_status=1{rest}"))).fingerprint;
    let one = print("&server_id=1&message_detail=%7B%22metric%22%3A%22load%22%7D");
    for other in [
        "&server_id=2&message_detail=%7B%22metric%22%3A%22load%22%7D",
        "&server_id=1&message_detail=%7B%22metric%22%3A%22disk%22%7D",
        "&server_id=1",
        "&server_id=1&message_detail=%7B%22metric%22%3A%22load%22%7D&task_id=1",
        "&server_id=1&message_detail=%7B%22metric%22%3A%22load%22%7D&task_type=x",
    ] {
        assert_ne!(one, print(other), "{other}");
    }
    assert_eq!(
        print("&server_id=1"),
        print("&server_id=1&message_detail=broken&msg_id=9")
    );
}

#[test]
fn the_compare_word_becomes_a_sign_and_its_value_the_threshold() {
    let words = [
        ("gt", ">"),
        ("lt", "<"),
        ("ge", ">="),
        ("LE", "<="),
        ("eq", "=="),
        ("ne", "!="),
    ];
    for (word, sign) in words {
        let detail = format!(r#"{{"metric":"m","compare":"{word}","value":"1.5","unit":"%25"}}"#);
        let metric = read(&post(&format!(
            "{SIGNED}&message_status=1&message_detail={detail}"
        )))
        .metric;
        assert_eq!(metric.comparator.as_deref(), Some(sign));
        assert_eq!(metric.threshold.and_then(|n| n.as_f64()), Some(1.5));
        assert_eq!((metric.value, metric.unit.as_deref()), (None, Some("%")));
    }
}

#[test]
fn no_answer_is_longer_than_100_characters() {
    let long = "é".repeat(300);
    for outcome in [
        Outcome::Accepted { id: &long },
        Outcome::Rejected {
            status: 400,
            reason: &long,
        },
    ] {
        let answer = jiankong().answer(&get(""), &outcome);
        assert_eq!(answer.body.chars().count(), 100);
    }
    let body = |outcome| jiankong().answer(&get(""), &outcome).body;
    assert_eq!(body(Outcome::Accepted { id: "0198" }), "OK 0198");
    assert_eq!(body(Outcome::Accepted { id: "" }), "OK");
    assert_eq!(body(Outcome::Duplicate), "OK duplicate");
    let refused = jiankong().answer(&get(""), &Outcome::Refused { status: 403 });
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (403, "invalid token")
    );
}

#[test]
fn a_value_that_is_not_in_its_declared_charset_makes_the_call_unreadable() {
    let call = post(&format!("{SIGNED}&message_status=1&content=%FF"));
    let fault = jiankong().read(&call, &source());
    assert_eq!(fault.expect_err("unreadable").place, "body");
}

#[test]
fn a_value_of_an_undeclared_charset_is_guessed() {
    let gbk = get(&format!("{SIGNED}&task_status=1&content=%B8%BA%D4%D8"));
    assert_eq!(read(&gbk).description, "负载");
    assert_eq!(gbk.remarks(), [Remark::GuessedCharset("gb18030")]);
}

#[test]
fn content_that_its_sender_did_not_encode_stays_as_written() {
    let post = |text| decoded_again(text, Again::WhenAlphabetFits, UTF_8).into_owned();
    let get = |text| decoded_again(text, Again::WhenPercentIsThere, UTF_8).into_owned();
    assert_eq!(post("load+high"), "load high");
    assert_eq!(post("100%25"), "100%");
    for as_is in [
        "CPU > 90% a+b 100%25",
        "50%",
        "50%2",
        "50%zz",
        "a+b!",
        "%FF",
        "负载+1",
        "a\n+b",
    ] {
        assert_eq!(post(as_is), as_is);
        assert_eq!(get(as_is), as_is);
    }
    assert_eq!(get("load+high"), "load+high");
    assert_eq!(get("load%20high+1"), "load high 1");
    assert_eq!(
        decoded_again("%B8%BA", Again::WhenAlphabetFits, encoding_rs::GBK),
        "负"
    );
}

proptest! {
    #[test]
    fn content_that_was_encoded_twice_comes_out_as_it_went_in(text in "\\PC{0,40}") {
        let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        // The serializer leaves `*`, which PHP encodes.
        let encoded = encoded.replace('*', "%2A");
        prop_assert_eq!(&*decoded_again(&encoded, Again::WhenAlphabetFits, UTF_8), text.as_str());
        let plain = decoded_again(&encoded, Again::WhenPercentIsThere, UTF_8);
        let wanted = if encoded.contains('%') { &text } else { &encoded };
        prop_assert_eq!(&*plain, wanted.as_str());
    }

    #[test]
    fn content_with_a_sign_outside_the_alphabet_is_never_touched(
        before in "\\PC{0,20}", sign in "[ !\"#$&'(),/:;<=>?@\\[\\]^`{|}é负]", after in "\\PC{0,20}",
    ) {
        let text = format!("{before}{sign}{after}");
        for again in [Again::WhenAlphabetFits, Again::WhenPercentIsThere] {
            prop_assert_eq!(&*decoded_again(&text, again, UTF_8), text.as_str());
        }
    }
}
