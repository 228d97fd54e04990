//! Expressions and templates: what is refused when the config is loaded, and what they say of an alert.

use campanile_language::{Condition, Facts, Success, Template, sample_alerts};
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
        ("{{ starts_at|at('Asia/Taipei', '%H:%M') }}", "08:00"),
        ("{{ ends_at|at('Asia/Taipei') }}", ""),
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
            "{% for a in range(999) %}{% for b in range(999) %}{% endfor %}{% endfor %}",
            "steps",
        ),
        (
            "{% for a in range(999) %}{{ title|indent(900, true) }}{% endfor %}",
            "bytes",
        ),
        (
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "recursion",
        ),
        ("{% include 'template' %}", "include"),
        ("{% include '/etc/passwd' %}", "template"),
        ("{{ starts_at|at('Mars/Base') }}", "Mars/Base"),
        ("{{ tilte }}", "did you mean `title`"),
    ] {
        let mistake = Template::compile(template).unwrap_err();
        assert!(mistake.message.contains(part), "{template}: {mistake}");
    }
}

/// Each of these is a handful of steps, and would be gigabytes or hours.
#[test]
fn no_step_of_an_expression_may_ask_for_more_than_there_is() {
    for (expression, part) in [
        ("[1]|slice(9999999)", "`slice` takes at most 1000"),
        ("[1]|batch(9999999, 0)", "`batch` takes at most 1000"),
        ("title|indent(99999999)", "`indent` takes at most 1000"),
        (
            "title|indent(width=99999999)",
            "`indent` takes at most 1000",
        ),
        (
            "labels|tojson(indent=99999999)",
            "`tojson` takes at most 1000",
        ),
        ("'%99999999d'|format(1)", "`format` takes at most 1000"),
        ("'%*d'|format(99999999, 1)", "`format` takes at most 1000"),
        ("range(99999)|list", "`range` takes at most 1000"),
        ("range(0, -99999, -1)|list", "`range` takes at most 1000"),
        ("'x' * 99999999", "`*` is for numbers"),
        ("99999999 * title", "`*` is for numbers"),
        ("[1] * 99999999", "`*` is for numbers"),
        ("(title ~ 'x')|lower * metric.value", "`*` is for numbers"),
        ("metric.value * 2 * title[0:3]", "`*` is for numbers"),
        (
            "range(1000)|join(range(1000)|join(range(1000)|join('x')))",
            "16 MiB",
        ),
        (
            "(range(1000)|join('x'))|replace('', range(1000)|join(range(1000)|join('x')))",
            "16 MiB",
        ),
        (
            "range(1000)|map('indent', 1000, true)|map('list')|list|list",
            "16 MiB",
        ),
    ] {
        let template = Template::compile(&format!("{{{{ {expression} }}}}"));
        let mistake = template.expect_err(expression);
        assert!(mistake.message.contains(part), "{expression}: {mistake}");
        let condition = Condition::compile(&format!("({expression}) == 'x'"));
        let mistake = condition.expect_err(expression);
        assert!(mistake.message.contains(part), "{expression}: {mistake}");
    }
}

#[test]
fn what_a_template_keeps_under_names_cannot_double_without_end() {
    let thirty = |line: &str| line.repeat(30);
    let plain = "x".repeat(60_000);
    let nested = |compared: &str| {
        let (with, end) = ("{% with a = [a, a] %}", "{% endwith %}");
        format!(
            "{{% with a = [title] %}}{}{{{{ [a]{compared} }}}}{}{end}",
            with.repeat(30),
            end.repeat(30)
        )
    };
    for (template, part) in [
        (
            format!("{{% set a = title %}}{}", thirty("{% set a = a ~ a %}")),
            "16 MiB",
        ),
        (
            format!("{{% set a = [title] %}}{}", thirty("{% set a = a + a %}")),
            "16 MiB",
        ),
        (
            format!("{{% set a = [title] %}}{}", thirty("{% set a = [a, a] %}")),
            "16 MiB",
        ),
        (
            format!("{{%- set a = [title] -%}}{}", thirty("{%- set a = [a, a] -%}")),
            "16 MiB",
        ),
        (
            thirty("{% set a %}{{ title }}{{ a }}{{ a }}{% endset %}"),
            "16 MiB",
        ),
        (
            "{% set n = namespace(a=title) %}{% for i in range(99) %}{% set n.a = n.a ~ n.a %}{% endfor %}".to_owned(),
            "16 MiB",
        ),
        (
            "{% set n = namespace(a=[]) %}{% for i in range(999) %}{% set n.a = [n.a] %}{% endfor %}".to_owned(),
            "64 levels deep",
        ),
        (
            "{% set n = namespace(a=[]) %}{% for i in range(999) %}{% set n.a = [title|indent(999, true), n.a][0:2] %}{% endfor %}".to_owned(),
            "64 levels deep",
        ),
        (
            "{% macro m(a) %}{{ m(a ~ a ~ a ~ a) }}{% endmacro %}{{ m(title) }}".to_owned(),
            "16 MiB",
        ),
        (
            format!("{{% set a %}}{{% for i in range(999) %}}{{% for j in range(999) %}}{plain}{{% endfor %}}{{% endfor %}}{{% endset %}}"),
            "steps",
        ),
        (
            nested(" == a"),
            "16 MiB",
        ),
        (
            nested(" is eq a"),
            "16 MiB",
        ),
        (
            nested(" in [a]"),
            "16 MiB",
        ),
        (
            "{{ debug(title) }}".to_owned(),
            "debug",
        ),
    ] {
        let mistake = Template::compile(&template).unwrap_err();
        let shown: String = template.chars().take(120).collect();
        assert!(mistake.message.contains(part), "{shown}: {mistake}");
    }
}

#[test]
fn what_a_template_may_do_it_does_as_ever() {
    for (template, expected) in [
        ("{{ 2 * 3 }} {{ 7 // 2 * 2 }} {{ 2 ** 3 * 2 }}", "6 6 16"),
        (
            "{{ title[:3] ~ '-' ~ resource.name|upper ~ (1 + 2)|string }}",
            "CPU-DB-13",
        ),
        (
            "{% if metric.value %}{{ -metric.value * 2 }} {{ metric.value|int * 2|int }} {{ 1e+2 * metric.value }}{% endif %}",
            "-194 194 9700.0",
        ),
        (
            "{% set a, b = 1, 'x' %}{% set c = a + 1 if b else 0 -%}  {{ c }}{{ b ~ a }}",
            "2x1",
        ),
        (
            "{% set d = {'a': [1, 2]} %}{{ d.a[1] * d['a'][0] }}{{ {'k': 'v' ~ 'w'}.k }}",
            "2vw",
        ),
        (
            "{% set n = namespace(t='') %}{% for i in range(3) %}{% set n.t = n.t ~ i %}{% endfor %}{{ n.t }}",
            "012",
        ),
        (
            "{%- raw %}{{ 'a' * 9 }}{% endraw -%}{# {{ 'a' * 9 }} #}{{ 'a * b' }}",
            "{{ 'a' * 9 }}a * b",
        ),
        (
            "{{ range(3)|list }}{{ range(5, 1, -2)|list }}{{ range(1, 1)|list }}",
            "[0, 1, 2][5, 3][]",
        ),
        (
            "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*['x', 'y']) }}{{ m(**{'a': 1, 'b': 2}) }}",
            "xy12",
        ),
        ("{{ 'a' 'b' ~ \"it's \\\" * 2\" }}", "abit's \" * 2"),
        (
            "{{ ['a', 'b']|map('upper')|join('+') }}{{ 'b' in ['a'] + ['b'] }}{{ 3 is divisibleby 3 }}",
            "A+BTrueTrue",
        ),
        (
            "{{ labels.nosuch ~ 'x' }}{{ (labels.nosuch|default(2)) * 3 }}",
            "x6",
        ),
    ] {
        assert_eq!(rendered(template), expected, "{template}");
    }
}

#[test]
fn a_mistake_behind_guarded_operators_is_shown_in_its_own_place() {
    let added =
        Template::compile("{% set a = title ~ 'x' ~ title %}\n{{ a ~ title ~ (title + 1) }}")
            .unwrap_err();
    assert_eq!(added.line, 2, "{added}");
    assert!((17..=25).contains(&added.column), "{}", added.column);
    let (line, column, message) = mistake("metric.value * 3 > 1 and title * 2 == 'x'");
    assert_eq!((line, column), (1, 31), "{message}");
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
