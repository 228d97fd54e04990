//! A guarded expression has the same value as the original, or is refused.

use campanile_language::{guard, meter};
use minijinja::{Environment, Value, context};
use proptest::prelude::*;

fn leaf() -> impl Strategy<Value = String> {
    let leaves = [
        "1",
        "2.5",
        "1e-2",
        "'ab'",
        "\"x\" 'y'",
        "a",
        "b",
        "m.k",
        "m['k']",
        "l[0]",
        "[1, a]",
        "(1, 2)",
        "{'k': a}",
        "none",
        "true",
        "unknown",
        "b|upper",
        "b|replace('x', '*')",
        "range(3)|list",
        "a is odd",
        "b is in l",
    ];
    prop::sample::select(leaves.to_vec()).prop_map(str::to_owned)
}

fn expression() -> impl Strategy<Value = String> {
    leaf().prop_recursive(4, 24, 3, |inner| {
        let operators = [
            "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or",
        ];
        let operator = prop::sample::select(operators.to_vec());
        prop_oneof![
            4 => (inner.clone(), operator, inner.clone()).prop_map(|(a, o, b)| format!("{a} {o} {b}")),
            2 => inner.clone().prop_map(|a| format!("({a})")),
            1 => inner.clone().prop_map(|a| format!("-{a}")),
            1 => inner.clone().prop_map(|a| format!("not {a}")),
            1 => inner.clone().prop_map(|a| format!("({a})|string|length")),
            1 => inner.clone().prop_map(|a| format!("[{a}, 1][0]")),
            1 => (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("{a} if {b} else {c}")),
        ]
    })
}

fn facts() -> Value {
    context! { a => 3, b => "xy", m => context! { k => 5 }, l => vec!["xy", "z"] }
}

fn guarded() -> Environment<'static> {
    let mut env = Environment::new();
    meter::add_to(&mut env);
    env
}

fn evaluated(env: &Environment<'_>, text: &str) -> Result<String, String> {
    let compiled = env.compile_expression(text).map_err(|e| e.to_string())?;
    let value = compiled.eval(facts()).map_err(|e| e.to_string())?;
    Ok(format!("{:?} {value:?}", value.kind()))
}

fn rendered(env: &Environment<'_>, text: &str) -> Result<String, String> {
    env.render_str(text, facts()).map_err(|e| e.to_string())
}

/// The same value, or a refusal of a repeated text or list. An error stays an error.
fn same(
    plain: &Result<String, String>,
    guarded: &Result<String, String>,
) -> Result<(), TestCaseError> {
    match (plain, guarded) {
        (Ok(plain), Ok(guarded)) => prop_assert_eq!(plain, guarded),
        (Ok(plain), Err(error)) => {
            prop_assert!(
                error.contains("`*` is for numbers"),
                "{plain} became {error}"
            );
        }
        // `a is odd + b` is a syntax error, but it is valid with a filter after `odd`.
        (Err(error), Ok(_)) => prop_assert!(
            error.contains("syntax error"),
            "the error was lost: {error}"
        ),
        (Err(_), Err(_)) => {}
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_guarded_expression_has_the_value_that_was_written(text in expression()) {
        let plain = evaluated(&Environment::new(), &text);
        same(&plain, &evaluated(&guarded(), &guard::expression(&text).text))?;
    }

    #[test]
    fn a_guarded_template_writes_what_was_written(first in expression(), second in expression()) {
        let text = format!(
            "{{% set v = {first} %}}v * 2 is {{{{ v }}}}{{% if {second} %}}, {{{{- {second} -}}}}{{% endif %}}{{# a * b #}}"
        );
        let plain = rendered(&Environment::new(), &text);
        same(&plain, &rendered(&guarded(), &guard::template(&text).text))?;
    }
}
