//! The form of mappings, tested with small mappings. The laws over all vendors are in `laws/`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use campanile_model::{Callback, Report, Secret, Severity, Status};
use campanile_providers::{
    Mapping, Outcome, Provider, Reading, Refusal, Source, catalog, catalog_files, fixtures, verify,
};
use proptest::prelude::*;

#[test]
fn every_mapping_of_the_catalogue_is_without_a_mistake() {
    let messages = catalog_files().iter().flat_map(|(name, text)| {
        let mistakes = Mapping::parse(name, text).err().unwrap_or_default();
        mistakes
            .into_iter()
            .map(move |mistake| format!("catalog/{name}.toml, {mistake}"))
    });
    let messages: Vec<_> = messages.collect();
    assert!(messages.is_empty(), "{}", messages.join("\n"));
    assert_eq!(catalog().len(), catalog_files().len());
}

/// `CAMPANILE_EXPLAIN=zabbix/firing` prints the origin of every field of that fixture.
#[test]
fn explain_says_where_every_field_came_from() {
    let asked = std::env::var("CAMPANILE_EXPLAIN");
    let asked = asked.unwrap_or_else(|_| "alertmanager/firing".into());
    let (name, case) = asked.split_once('/').expect("vendor/case");
    let fixture = fixtures(name).iter().find(|f| f.case == case);
    let fixture = fixture.expect("a case of it");
    let call = fixture.callback().expect("a request");
    let explained = built_in(name).explain(&call, &fixture.source());
    let explained = explained.expect("readable");
    for e in &explained {
        println!("{:<28} {:<50} {}", e.field, e.expression, e.value);
    }
    if asked == "alertmanager/firing" {
        let field = |name: &str| {
            explained
                .iter()
                .find(|e| e.field == name)
                .expect("explained")
        };
        let starts = field("[0].starts_at");
        assert_eq!(starts.place, "body.alerts[0].startsAt");
        assert_eq!(starts.value, "2026-01-01T08:15:30.123Z");
        let region = field("[0].resource.region");
        assert!(region.default && region.value.is_empty());
    }
}

fn built_in(name: &str) -> &'static Mapping {
    let found = catalog().iter().find(|m| m.name() == name);
    found.expect("a vendor of the catalogue")
}

/// A mapping with `more` in it: keys of the top, and after a `#` the rest of `[alert]` and other tables.
fn mapping(more: &str) -> Mapping {
    let (top, more) = more.split_once('#').unwrap_or((more, ""));
    let text = format!(
        "title = 'Lighthouse'\nconfidence = 'documented'\n{top}\n[status]\nfrom = 'body.state'\n\
         firing = ['DOWN']\nresolved = ['UP']\n[alert]\nmessage_id = ['body.id', 'body.state']\n\
         fingerprint = ['body.id', 'body.part?']\n{more}"
    );
    Mapping::parse("lighthouse", &text).unwrap_or_else(|e| panic!("{text}\n{e:?}"))
}

fn call(body: &str) -> Callback {
    let head = "POST /callback/lighthouse/a HTTP/1.1\nContent-Type: application/json";
    let raw = format!("{head}\n\n{body}");
    let mut call = Callback::from_http(raw.as_bytes()).expect("a request");
    call.received_at = "2026-01-01T00:00:00Z".parse().ok();
    call
}

fn with_header(body: &str, name: &str, value: &str) -> Callback {
    let mut call = call(body);
    call.headers.push((name.to_owned(), value.to_owned()));
    call
}

fn source(tokens: &[&str]) -> Source {
    Source {
        name: "lighthouse/a".into(),
        tokens: tokens.iter().map(|token| Secret::from(*token)).collect(),
        ..Source::default()
    }
}

fn report_of(mapping: &Mapping, body: &str, source: &Source) -> Report {
    let reading = mapping.read(&call(body), source).expect("readable");
    reading.reports.into_iter().next().expect("an alert")
}

fn report(mapping: &Mapping, body: &str) -> Report {
    report_of(mapping, body, &source(&[]))
}

fn place(mapping: &Mapping, body: &str) -> String {
    let fault = mapping.read(&call(body), &source(&[]));
    fault.expect_err("unreadable").place
}

#[test]
fn every_mistake_is_told_in_its_place_with_the_nearest_word() {
    let text = "titel = 'x'\nconfidence = 'sure'\nmethods = ['FETCH']\ntime_zone = 'Mars'\n\
                [proof]\nkind = 'hmak'\n[status]\nfrom = 'body.a'\nfirring = ['x']\n\
                [alert]\nmessage_id = ['bodi.id']\ntitle = 'body.t|upperr'\n";
    let mistakes = Mapping::parse("x", text).expect_err("is full of mistakes");
    let messages: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    for (place, word) in [
        ("line 1, column 1:", "did you mean `title`?"),
        ("line 1, column 1:", "`title` is missing in the mapping"),
        ("line 2, column 14:", "must be one of: documented"),
        ("line 3, column 12:", "GET, POST"),
        ("line 4, column 13:", "not a valid time zone"),
        ("line 6, column 8:", "did you mean `hmac`?"),
        ("line 9, column 1:", "did you mean `firing`?"),
        ("line 10, column 1:", "`fingerprint` is missing in [alert]"),
        ("line 11, column 15:", "did you mean `body`?"),
        ("line 12, column 9:", "did you mean `upper`?"),
    ] {
        let found = messages
            .iter()
            .any(|m| m.starts_with(place) && m.contains(word));
        assert!(found, "{place} {word}\n{messages:#?}");
    }
}

#[test]
fn an_identity_with_a_hole_is_unreadable_unless_it_says_that_it_may_have_one() {
    let mapping = mapping("");
    assert_eq!(place(&mapping, r#"{"state":"DOWN"}"#), "body.id");
    assert_eq!(place(&mapping, r#"{"state":"DOWN","id":null}"#), "body.id");
    assert_eq!(place(&mapping, r#"{"state":"DOWN","id":""}"#), "body.id");
    let whole = report(&mapping, r#"{"state":"DOWN","id":7}"#);
    assert_eq!(whole.message_id, "7/DOWN");
}

#[test]
fn two_lists_of_parts_never_give_one_message_id() {
    let mapping = mapping("");
    let id = |id: &str| report(&mapping, &format!(r#"{{"state":"DOWN","id":"{id}"}}"#)).message_id;
    assert_ne!(id("a/DOWN"), id("a%2FDOWN"));
    assert!(id(&"long".repeat(100)).starts_with("sha256:"));
}

#[test]
fn an_unknown_status_is_unreadable_and_an_unknown_severity_is_kept() {
    let mapping = mapping("#[severity]\nfrom = 'body.prio'\ncritical = ['P1']\n");
    let unknown = place(&mapping, r#"{"state":"MAYBE","id":7}"#);
    assert_eq!(unknown, "body.state");
    let of = |prio: &str| {
        let body = format!(r#"{{"state":"down","id":7,"prio":"{prio}"}}"#);
        report(&mapping, &body)
    };
    assert_eq!(of("p1").severity, Severity::Critical);
    assert_eq!(of("Warning").severity, Severity::Warning);
    assert_eq!(of("P9").severity, Severity::Unknown);
    let kept = of("P9").raw;
    assert_eq!(kept.get("severity").map(String::as_str), Some("P9"));
}

#[test]
fn the_words_of_an_operator_win_over_the_table() {
    let mapping = mapping("#[severity]\nfrom = 'body.prio'\ncritical = ['P1']\n");
    let source = Source {
        severities: BTreeMap::from([(" p1".to_owned(), Severity::Info)]),
        ..source(&[])
    };
    let report = report_of(&mapping, r#"{"state":"UP","id":7,"prio":"P1"}"#, &source);
    assert_eq!(
        (report.severity, report.status),
        (Severity::Info, Status::Resolved)
    );
}

#[test]
fn what_is_missing_is_absent_however_deep_and_a_placeholder_is_missing() {
    let mapping = mapping(
        "placeholders = ['{X}', '$X', '*X*']\nabsent = ['null']\n#title = 'body.a.b[3].c or body.d'\n\
         labels = { a = 'body.p', b = 'body.q', c = 'body.r', d = 'body.s', e = 'body.t' }\n",
    );
    let body = r#"{"state":"DOWN","id":7,"d":"here","p":"{EVENT.ID}","q":"$HOST","r":"*UNKNOWN*","s":"null","t":"costs $5"}"#;
    let report = report(&mapping, body);
    assert_eq!(report.title, "here");
    let only = BTreeMap::from([("e".to_owned(), "costs $5".to_owned())]);
    assert_eq!(report.labels, only);
}

#[test]
fn an_optional_field_that_cannot_be_read_is_left_out_and_its_words_are_kept() {
    let body = r#"{"state":"DOWN","id":7,"at":"soon","v":"high"}"#;
    let read = report(
        &mapping(
            "#starts_at = 'body.at'\nends_at = 'body.at|time'\nmetric = { value = 'body.v' }\ndescription = 'body.v|items'\n",
        ),
        body,
    );
    assert_eq!((read.starts_at, read.ends_at), (None, None));
    assert_eq!((read.metric.value, read.description.as_str()), (None, ""));
    let kept = |field: &str| read.raw.get(field).map(String::as_str);
    assert_eq!(kept("starts_at"), Some("soon"));
    assert_eq!(kept("ends_at"), Some("soon"));
    assert_eq!(kept("value"), Some("high"));
    let places: Vec<_> = read
        .left_out
        .iter()
        .map(|fault| fault.place.as_str())
        .collect();
    assert_eq!(places, ["body.v", "body.at", "body.at"]);
    let expected = report(&mapping("#starts_at = 'body.at?'\n"), body);
    assert_eq!((expected.starts_at, expected.left_out.len()), (None, 0));
}

#[test]
fn a_filter_on_what_is_absent_does_not_end_a_chain_of_places() {
    let mapping = mapping(
        "#title = \"(body.a|first) or (body.a|items|list) or (body.a|split(',')|last) or (body.a|json) or (body.a|round) or 'end'\"\n\
         labels = { n = \"body.a|length > 2\", m = \"(body.a|int) or 'none'\" }\n",
    );
    for body in [
        r#"{"state":"DOWN","id":7}"#,
        r#"{"state":"DOWN","id":7,"a":null}"#,
        r#"{"state":"DOWN","id":7,"a":""}"#,
    ] {
        let read = report(&mapping, body);
        assert_eq!(read.left_out, [], "{body}");
        assert_eq!(
            read.labels.get("m").map(String::as_str),
            Some("none"),
            "{body}"
        );
    }
}

#[test]
fn a_condition_that_fails_does_not_hold() {
    let text = "title = 'x'\nconfidence = 'inferred'\n[status]\nresolved = 'body.a|items|first'\ndefault = 'firing'\n\
                [alert]\nmessage_id = 'body.id'\nfingerprint = 'body.id'\n";
    let mapping = Mapping::parse("x", text).expect("no mistakes");
    let read = report(&mapping, r#"{"id":7,"a":"a text has no items"}"#);
    assert_eq!(read.status, Status::Firing);
}

#[test]
fn a_zone_less_time_is_read_in_the_zone_of_the_source_or_else_of_the_mapping() {
    let mapping = mapping("time_zone = 'Asia/Shanghai'\n#starts_at = 'body.at'\n");
    let body = r#"{"state":"DOWN","id":7,"at":"2026-01-01 08:00:00"}"#;
    let zone = jiff::tz::TimeZone::get("UTC").expect("a zone");
    let in_utc = Source {
        time_zone: Some(zone),
        ..source(&[])
    };
    for (source, wanted) in [
        (source(&[]), "2026-01-01T00:00:00Z"),
        (in_utc, "2026-01-01T08:00:00Z"),
    ] {
        let at = report_of(&mapping, body, &source).starts_at;
        assert_eq!(at.map(|at| at.to_string()).as_deref(), Some(wanted));
    }
}

#[test]
fn every_digit_of_a_wide_integer_is_kept() {
    for digits in [
        "9007199254740993",
        "18446744073709551615",
        "123456789012345678901234567890",
    ] {
        let body = format!(r#"{{"state":"DOWN","id":{digits}}}"#);
        let id = report(&mapping(""), &body).message_id;
        assert_eq!(id, format!("{digits}/DOWN"));
    }
}

#[test]
fn grafanas_signature_is_verified_with_and_without_a_timestamp() {
    // Vectors of the vendor's form: secret `EXAMPLE-secret`, with the timestamp 1767232800 and without.
    let grafana = built_in("grafana");
    let body = r#"{"status":"firing"}"#;
    let header = "x-grafana-alerting-signature";
    let source = source(&["EXAMPLE-secret"]);
    let bare = "21a0bba1ffe2223840df30eb4f5e248f53bcca9d85f82d2e6d178dc44532cfab";
    let dated = "28c5993f271214afaed999d0c9666333add1e1808e6c8702264752563bab827d";
    assert_eq!(
        verify(grafana, &with_header(body, header, bare), &source),
        Ok(())
    );
    let mut call = with_header(body, header, dated);
    assert!(
        verify(grafana, &call, &source).is_err(),
        "the timestamp is not there"
    );
    call.headers
        .push((format!("{header}-timestamp"), "1767232800".into()));
    assert!(
        verify(grafana, &call, &source).is_err(),
        "received two hours before"
    );
    call.received_at = "2026-01-01T02:01:00Z".parse().ok();
    assert_eq!(verify(grafana, &call, &source), Ok(()));
    call.received_at = None;
    assert!(
        verify(grafana, &call, &source).is_err(),
        "nobody knows when it came"
    );
}

#[test]
fn either_of_two_secrets_is_believed_while_one_is_rotated() {
    let mapping = mapping("#[proof]\nkind = 'bearer'\n");
    let source = source(&["the-old-one", "the-new-one"]);
    for (given, wanted) in [
        ("Bearer the-old-one", Ok(())),
        ("bearer the-new-one", Ok(())),
        ("Bearer the-ol", Err(Refusal::Wrong)),
        ("Basic dGhlLW9sZC1vbmU=", Err(Refusal::Missing)),
    ] {
        let call = with_header("{}", "authorization", given);
        assert_eq!(verify(&mapping, &call, &source), wanted, "{given}");
    }
}

#[test]
fn the_user_of_basic_counts_where_the_source_names_one() {
    let mapping = mapping("#[proof]\nkind = 'basic'\n");
    let named = source(&["a-long-token"]).with("user", "lighthouse");
    let any = source(&["a-long-token"]);
    for (pair, by_name, by_any) in [
        ("lighthouse:a-long-token", Ok(()), Ok(())),
        ("somebody:a-long-token", Err(Refusal::Wrong), Ok(())),
        (":a-long-token", Err(Refusal::Wrong), Ok(())),
        (
            "lighthouse:another-one",
            Err(Refusal::Wrong),
            Err(Refusal::Wrong),
        ),
        ("a-long-token", Err(Refusal::Missing), Err(Refusal::Missing)),
    ] {
        let call = with_header(
            "{}",
            "authorization",
            &format!("Basic {}", BASE64.encode(pair)),
        );
        assert_eq!(verify(&mapping, &call, &named), by_name, "{pair}");
        assert_eq!(verify(&mapping, &call, &any), by_any, "{pair}");
    }
}

#[test]
fn all_asks_for_every_proof_and_any_for_one() {
    let two = "[{ kind = 'header', name = 'a' }, { kind = 'query', name = 'b' }]";
    let all = mapping(&format!("#[proof]\nall = {two}\n"));
    let any = mapping(&format!("#[proof]\nany = {two}\n"));
    let source = source(&["a-long-token"]);
    let mut call = with_header("{}", "a", "a-long-token");
    assert_eq!(verify(&any, &call, &source), Ok(()));
    assert_eq!(verify(&all, &call, &source), Err(Refusal::Missing));
    call.query = "b=a-long-token".into();
    assert_eq!(verify(&all, &call, &source), Ok(()));
    call.query = "b=another-one".into();
    assert_eq!(verify(&all, &call, &source), Err(Refusal::Wrong));
}

#[test]
fn a_vendor_that_always_signs_is_not_believed_without_a_token() {
    let keyed = Source {
        keys: vec![Secret::from("the-key")],
        ..source(&[])
    };
    let mut call = call("{}");
    call.key = Some("the-key".into());
    let optional = mapping("#[proof]\nkind = 'bearer'\n");
    assert_eq!(verify(&optional, &call, &keyed), Ok(()));
    let required = mapping("#[proof]\nkind = 'bearer'\nrequired = true\n");
    assert_eq!(verify(&required, &call, &keyed), Err(Refusal::Unprovable));
}

#[test]
fn an_ed25519_signature_is_verified_and_its_public_key_is_no_shared_secret() {
    // RFC 8032, test 2: the message is the one byte `r`.
    const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNED: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                          085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    let public = format!("whpk_{}", BASE64.encode(hex::decode(PUBLIC).expect("hex")));
    let source = source(&[&public]);
    let signed = mapping("#[proof]\nkind = 'ed25519'\nheader = 's'\nsecret = 'whsec'\n");
    assert_eq!(
        verify(&signed, &with_header("r", "s", SIGNED), &source),
        Ok(())
    );
    assert!(verify(&signed, &with_header("x", "s", SIGNED), &source).is_err());
    // Knowing the public key must not be enough to sign: HMAC-SHA256 of `r` under its text.
    let keyed = mapping("#[proof]\nkind = 'hmac'\nheader = 's'\nsecret = 'whsec'\n");
    for key in [
        public.clone().into_bytes(),
        hex::decode(PUBLIC).expect("hex"),
    ] {
        let forged = hex::encode(hmac_sha256(&key, b"r"));
        let forged = with_header("r", "s", &forged);
        assert_eq!(verify(&keyed, &forged, &source), Err(Refusal::Wrong));
    }
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("any key");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[test]
fn an_answer_is_json_from_a_map_and_a_failure_stays_one() {
    let mapping = mapping(
        "#[answers]\naccepted = { status = 202, body = \"{'id': id, 'for': body.id}\" }\nrejected = 'reason'\n",
    );
    let call = call(r#"{"id":"x\"y"}"#);
    let accepted = mapping.answer(&call, &Outcome::Accepted { id: "0198" });
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.body, r#"{"id":"0198","for":"x\"y"}"#);
    assert_eq!(mapping.answer(&call, &Outcome::Unavailable).status, 503);
    let refused = mapping.answer(&call, &Outcome::Refused { status: 403 });
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (403, "not authorized")
    );
}

#[test]
fn the_worked_example_of_the_page_reads_as_the_page_says() {
    let page = include_str!("../../docs/add-a-vendor.md");
    let block = |after: &str, kind: &str| {
        let (_, rest) = page.split_once(after).expect("a heading");
        let (_, rest) = rest.split_once(&format!("```{kind}\n")).expect("a block");
        rest.split_once("```").expect("its end").0.to_owned()
    };
    let at = ["mappings", "lighthouse"];
    let first = block("## 2.", "toml");
    Mapping::parse_at("lighthouse", &first, &at).expect("no mistakes in the first step");
    let whole = block("## 3.", "toml");
    assert!(whole.lines().count() <= 25, "the page promises a short one");
    let mapping = Mapping::parse_at("lighthouse", &whole, &at).expect("no mistakes");
    let call = block("## 1.", "http");
    let call = Callback::from_http(call.trim_end().as_bytes()).expect("a request");
    let source = source(&["the-token-of-the-source"]);
    assert!(mapping.recognizes(&call));
    assert_eq!(verify(&mapping, &call, &source), Ok(()));
    let Reading { reports, .. } = mapping.read(&call, &source).expect("readable");
    let report = reports.first().expect("an alert");
    assert_eq!(report.message_id, "r-901/DOWN");
    assert_eq!(report.title, "web-1: no answer");
    assert_eq!(report.severity, Severity::Critical);
    let at = report.starts_at.map(|at| at.to_string());
    assert_eq!(at.as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(report.metric.value, Some(1200.into()));
}

proptest! {
    #[test]
    fn any_text_as_a_mapping_is_read_or_told_and_never_panics(text in ".{0,200}") {
        let _any = Mapping::parse("x", &text);
        let each = format!("title = 'x'\nconfidence = 'inferred'\neach = {text:?}\n");
        let _any = Mapping::parse("x", &each);
    }

    #[test]
    fn any_text_as_a_value_is_read_or_told_and_never_panics(text in ".{0,60}") {
        let mapping = mapping("#starts_at = 'body.v'\ntitle = \"body.v|pairs\"\nmetric = { value = 'body.v' }\n");
        let body = serde_json::json!({ "id": 1, "state": "UP", "v": text }).to_string();
        let _any = mapping.read(&call(&body), &source(&[]));
    }
}
