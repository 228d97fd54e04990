//! The templates and their filters. HTML is escaped, and an unknown name is an error.

use std::fmt::Write;
use std::sync::LazyLock;

use campanile_model::harmless;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Kwargs;
use minijinja::{AutoEscape, Environment, Error, HtmlEscape, UndefinedBehavior, Value};

use super::language::form;

/// The templates by name.
const FILES: &[(&str, &str)] = &[
    ("alert.html", include_str!("html/alert.html")),
    ("audit.html", include_str!("html/audit.html")),
    ("base.html", include_str!("html/base.html")),
    ("callbacks.html", include_str!("html/callbacks.html")),
    ("charts.html", include_str!("html/charts.html")),
    ("confirm.html", include_str!("html/confirm.html")),
    ("dead.html", include_str!("html/dead.html")),
    ("dead_job.html", include_str!("html/dead_job.html")),
    ("deliveries.html", include_str!("html/deliveries.html")),
    ("failure.html", include_str!("html/failure.html")),
    ("help.html", include_str!("html/help.html")),
    ("help_list.html", include_str!("html/help_list.html")),
    ("live.html", include_str!("html/live.html")),
    ("key.html", include_str!("html/key.html")),
    ("login.html", include_str!("html/login.html")),
    ("new_source.html", include_str!("html/new_source.html")),
    ("parts.html", include_str!("html/parts.html")),
    ("problem.html", include_str!("html/problem.html")),
    ("quarantine.html", include_str!("html/quarantine.html")),
    ("quarantined.html", include_str!("html/quarantined.html")),
    ("settings.html", include_str!("html/settings.html")),
    ("setup.html", include_str!("html/setup.html")),
    ("silences.html", include_str!("html/silences.html")),
    ("sinks.html", include_str!("html/sinks.html")),
    ("source.html", include_str!("html/source.html")),
    ("sources.html", include_str!("html/sources.html")),
    ("try.html", include_str!("html/try.html")),
    ("vendors.html", include_str!("html/vendors.html")),
];

/// The engine with all templates. A test renders each of them, so a template that cannot be read is never released.
pub(super) static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    // The details of an error would put the data of the page into the log.
    engine.set_debug(false);
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::Html);
    engine.set_syntax(whole_lines());
    engine.add_filter("fill", fill);
    engine.add_filter("grouped", grouped);
    engine.add_filter("vendor", |text: &str| harmless(&text.replace('\r', "")));
    for (name, file) in FILES {
        if let Err(error) = engine.add_template(name, file) {
            tracing::error!(name, %error, "a template cannot be read; its page answers 500");
        }
    }
    engine
});

/// A line that has only a tag leaves nothing in the page.
fn whole_lines() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .unwrap_or_default()
}

/// Writes values at the places of a text: `{{ w.live.firing|fill(n=3) }}`. The number `n` also chooses between the forms
/// `one` and `other`. Text and values are escaped, except values that are HTML already.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the engine passes the values so"
)]
fn fill(text: &Value, values: Kwargs) -> Result<Value, Error> {
    let n = values.peek::<Option<i64>>("n").unwrap_or_default();
    let text = escaped(&form(text, n));
    let mut parts = text.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        filled.push_str(&escaped(&values.get::<Value>(name)?));
        filled.push_str(rest);
    }
    Ok(Value::from_safe_string(filled))
}

/// A number with a comma for each thousand: `1,204`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn escaped(value: &Value) -> String {
    if value.is_safe() {
        return value.to_string();
    }
    let mut escaped = String::new();
    // Writing to a string cannot fail.
    let _written = write!(escaped, "{}", HtmlEscape(&value.to_string()));
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_a_comma_for_each_thousand() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_204, "1,204"),
            (123_456, "123,456"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
