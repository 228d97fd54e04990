//! Expressions and templates: what is refused when the config is loaded, and what they say of an alert.

use campanile::template::{Condition, Facts, Success, Template, sample_alerts};
use proptest::prelude::*;

fn holds(condition: &str) -> [bool; 2] {
    let condition = Condition::compile(condition).unwrap();
    sample_alerts().map(|alert| condition.holds(&Facts::of(&alert)).unwrap())
}

fn mistake(condition: &str) -> (usize, usize, String) {
    let mistake = Condition::compile(condition).unwrap_err();
    (mistake.line, mistake.column, mistake.message)
}

fn rendered(template: &str) -> String {
    let [full, _] = sample_alerts();
    let template = Template::compile(template).unwrap();
    let facts = Facts::of_delivery(&full, "dlv_1", 3, false);
    template.render(&facts).unwrap()
}

#[test]
fn a_condition_holds_for_the_alerts_that_it_describes() {
    for (condition, expected) in [
        ("severity == 'critical'", [true, false]),
        (
            "severity in ['critical', 'error'] and labels.team == 'db'",
            [true, false],
        ),
        ("status == 'resolved'", [false, true]),
        ("metric.value > 90", [true, false]),
        (
            "resource.region == 'cn-bj2' or source == 'ucloud/prod'",
            [true, true],
        ),
        ("title is startingwith('CPU')", [true, false]),
        ("links|length > 0", [true, false]),
        ("true", [true, true]),
    ] {
        assert_eq!(holds(condition), expected, "{condition}");
    }
}

#[test]
fn a_label_that_is_absent_is_no_error_and_equals_nothing() {
    for (condition, expected) in [
        ("labels.team == 'db'", [true, false]),
        ("labels.team != 'db'", [false, true]),
        ("labels['team'] in ['db', 'web']", [true, false]),
        ("'d' in labels.team", [true, false]),
        ("labels.team is defined", [true, false]),
        ("'team' in labels", [true, false]),
        ("labels.team|default('none') == 'none'", [false, true]),
        ("labels.team|lower == 'db'", [true, false]),
        ("not labels.team == 'db'", [false, true]),
        ("labels['app.kubernetes.io/name'] == 'x'", [false, false]),
    ] {
        assert_eq!(holds(condition), expected, "{condition}");
    }
}

#[test]
fn a_name_that_does_not_exist_is_refused_in_its_place_with_the_nearest_one() {
    assert_eq!(
        mistake("status == 'firing' and\n  severty == 'critical'"),
        (
            2,
            3,
            "unknown name `severty`: did you mean `severity`?".to_owned()
        )
    );
    let (line, column, message) = mistake("resource.nmae == 'severity'");
    assert_eq!((line, column), (1, 1));
    assert_eq!(
        message,
        "`resource` has no part `nmae`: did you mean `name`?"
    );
    assert_eq!(
        mistake("title.upper == 'A'").2,
        "`title` is one value and has no part `upper`"
    );
    assert!(mistake("labels.a.b == 'x'").2.contains("labels['a.b']"));
    assert!(
        mistake("xyzzy == 1")
            .2
            .starts_with("unknown name `xyzzy`: known are source,")
    );
}

#[test]
fn a_word_that_no_alert_can_have_is_refused() {
    assert_eq!(
        mistake("severity == 'crit'"),
        (
            1,
            14,
            "severity: `crit` is not one of critical, error, warning, info, unknown".to_owned()
        )
    );
    assert!(
        mistake("severity in ['critical', 'fatal']")
            .2
            .contains("`fatal`")
    );
    assert!(mistake("status != \"fired\"").2.contains("`fired`"));
    assert!(mistake("severity >= 'warning'").2.contains("has no order"));
    // The vendor's own words and labels are free.
    assert!(Condition::compile("raw.severity == 'P0' or labels.severity == 'page'").is_ok());
}

#[test]
fn an_expression_with_a_wrong_form_type_or_cost_is_refused() {
    for (condition, part) in [
        ("", "empty"),
        ("severity == ", "syntax error"),
        ("title", "not true or false"),
        ("labels.team", "not true or false"),
        ("metric.value + 1", "not true or false"),
        ("title|nosuch == 'x'", "nosuch"),
    ] {
        let mistake = Condition::compile(condition).unwrap_err();
        assert!(mistake.message.contains(part), "{condition}: {mistake}");
    }
}

#[test]
fn a_template_renders_fields_times_and_json() {
    for (template, expected) in [
        ("{{ title|tojson }}", r#""CPU of \"db-1\" is\nat 97 %\\""#),
        (
            "{{ severity }} {{ resource.id }} {{ labels.nosuch }}{{ ends_at }}.",
            "critical uhost-1 .",
        ),
        ("{{ starts_at|time('Asia/Taipei', '%H:%M') }}", "08:00"),
        ("{{ ends_at|time('Asia/Taipei') }}", ""),
        (
            "{{ resource.name|urlencode }} {{ delivery_id }} {{ attempt }}",
            "db-1 dlv_1 3",
        ),
        ("{{ (alert.fingerprint == fingerprint)|tojson }}", "true"),
        (
            "{% for link in links %}{{ link.title }}{% endfor %}",
            "Console",
        ),
    ] {
        assert_eq!(rendered(template), expected, "{template}");
    }
}

#[test]
fn a_template_that_would_run_or_grow_without_end_is_refused() {
    for (template, part) in [
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "steps",
        ),
        (
            "{% for a in range(9000) %}{{ 'x' * 1000 }}{% endfor %}",
            "bytes",
        ),
        (
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "recursion",
        ),
        ("{% include 'template' %}", "include"),
        ("{% include '/etc/passwd' %}", "template"),
        ("{{ starts_at|time('Mars/Base') }}", "Mars/Base"),
        ("{{ tilte }}", "did you mean `title`"),
    ] {
        let mistake = Template::compile(template).unwrap_err();
        assert!(mistake.message.contains(part), "{template}: {mistake}");
    }
}

#[test]
fn a_success_word_looks_into_the_answer_and_never_fails_open() {
    let success = Success::compile("body.errcode == 0").unwrap();
    assert!(success.holds(200, br#"{"errcode":0,"errmsg":"ok"}"#));
    for body in [
        r#"{"errcode":93000}"#,
        "{}",
        "ok",
        "",
        "[1]",
        "null",
        "\u{1}",
    ] {
        assert!(!success.holds(200, body.as_bytes()), "{body}");
    }
    assert!(
        Success::compile("body == 'ok'")
            .unwrap()
            .holds(200, b"ok\n")
    );
    assert!(!Success::compile("body").unwrap().holds(200, b"1"));
    assert!(
        Success::compile("boby.ok")
            .unwrap_err()
            .message
            .contains("`body`")
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_compilers_panic(text in "\\PC{0,60}", words in "[a-z{}%'\"|.() =<\\[\\]]{0,60}") {
        for text in [&text, &words, &format!("{{{{ {words} }}}}"), &format!("severity in [{text}")] {
            let _any = Condition::compile(text).is_ok();
            let _any = Template::compile(text).is_ok();
            let _any = Success::compile(text).is_ok();
        }
    }
}
