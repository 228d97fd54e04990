//! Any text as a template, a condition and a success word: it is refused with a place, or it ends within its limits.

use std::sync::LazyLock;

use campanile_language::{
    Condition, Facts, Mistake, OUTPUT_BYTES_MAX, Success, Template, sample_alerts,
};

use crate::{Seeds, request};

/// Two alerts: one with every field, and one with almost none.
static FACTS: LazyLock<Vec<Facts>> = LazyLock::new(|| {
    let facts = |alert| Facts::of_delivery(&alert, "dlv_1", 2, true);
    sample_alerts().map(facts).into()
});

/// The input: a text in the template language, and the answer of a receiver.
pub fn holds(bytes: &[u8]) {
    let (text, answer) = request::halves(bytes);
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    match Template::compile(text) {
        Err(mistake) => has_a_place(&mistake, text),
        Ok(template) => {
            for facts in FACTS.iter() {
                let out = template.render(facts).unwrap_or_default();
                assert!(out.len() <= OUTPUT_BYTES_MAX, "{} bytes", out.len());
            }
        }
    }
    match Condition::compile(text) {
        Err(mistake) => has_a_place(&mistake, text),
        Ok(condition) => {
            let [full, bare] = sample_alerts();
            let held = [full, bare].map(|alert| condition.holds(&Facts::of(&alert)));
            assert!(
                held.iter().all(Result::is_ok),
                "accepted, but fails on a sample"
            );
        }
    }
    match Success::compile(text) {
        Err(mistake) => has_a_place(&mistake, text),
        Ok(success) => {
            let _verdict = success.holds(200, answer);
        }
    }
}

/// Texts of each kind.
pub fn seeds() -> Seeds {
    const TEMPLATES: &[&str] = &[
        "{\"text\": {{ title|tojson }}, \"n\": {{ attempt }}}",
        "{% for name, value in labels|items %}{{ name }}={{ value|urlencode }}&{% endfor %}",
        "{% if severity in ['critical', 'error'] %}!{% else %}?{% endif %} {{ resource.name|default('-') }}",
        "{{ starts_at|at('Asia/Taipei', '%H:%M') }} {{ alert|tojson(indent=2) }}",
        "{% macro m(a, b=1) %}{{ a ~ b }}{% endmacro %}{{ m(title) }}{{ m(status, b=metric.value) }}",
        "{% set ns = namespace(n=0) %}{% for l in links %}{% set ns.n = ns.n + 1 %}{{ loop.index }}{% endfor %}{{ ns.n }}",
        "{% set all %}{{ description|upper|replace('A', 'b') }}{% endset %}{{ all[:20]|indent(2) }}",
        "{% filter lower %}{{ raw.severity|title|trim }}{% endfilter %}{% raw %}{{ x }}{% endraw %}",
        "{{ 'aaaa' | batch(3, 0) | list }}{{ range(10) | slice(3) | list }}{{ [1, 2] | join(',') }}",
        "{% set a = title ~ title %}{% set a = [a] + [a, a] %}{{ a == a }}{{ 2 * metric.value|default(1) }}{{ '%5.2f'|format(1) }}",
        "{% with a = 1 %}{% autoescape true %}{{ description|safe }}{% endautoescape %}{% endwith %}",
        "{{ dict(a=1, b=[1,2])|dictsort|pprint }}{{ 7 // 2 ** 3 % 4 - -1 }}{{ 1.5|round(1)|abs }}",
        "{{ title|length > 3 and labels.team is defined or not (1 in [1]) }}{# nothing #}",
    ];
    const CONDITIONS: &[&str] = &[
        "severity == 'critical' and labels.team == 'db'",
        "title is startingwith('CPU') or 'd' in labels.team",
        "metric.value > 90 and metric.threshold|default(1) < 100",
        "labels['app.kubernetes.io/name'] is undefined",
        "links|length > 0 if status == 'firing' else false",
    ];
    const WORDS: &[(&str, &str)] = &[
        ("body.errcode == 0", "{\"errcode\":0}"),
        ("status == 200 and body == 'ok'", "ok"),
        (
            "body.data[0].code in [0, '0']",
            "{\"data\":[{\"code\":\"0\"}]}",
        ),
    ];
    let texts = TEMPLATES
        .iter()
        .chain(CONDITIONS)
        .map(|text| request::joined(text.as_bytes(), b""));
    let words = WORDS
        .iter()
        .map(|(word, body)| request::joined(word.as_bytes(), body.as_bytes()));
    texts.chain(words).collect()
}

fn has_a_place(mistake: &Mistake, text: &str) {
    let lines = text.matches('\n').count() + 1;
    assert!(
        (1..=lines).contains(&mistake.line),
        "line {} of {lines}",
        mistake.line
    );
    assert!(mistake.column >= 1, "a mistake with column 0");
    assert!(!mistake.message.is_empty(), "a mistake without a message");
}
