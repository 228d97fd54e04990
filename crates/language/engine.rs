//! The one engine: Jinja with one set of filters, under the limits of the place in which it runs.

use std::sync::LazyLock;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use super::{FIELD_FUEL, FUEL, absent, filters, meter};

/// How deep blocks, macros and calls may nest.
const RECURSION_MAX: usize = 64;

/// Filters whose result can be much larger than their input. An expression of a mapping counts the size of their results.
///
/// The others make at most some times their value, and one expression has only so many of them. They run for each field
/// of each callback, so weighing them too would make reading slower.
const MULTIPLYING: &[&str] = &[
    "batch",
    "chain",
    "format",
    "groupby",
    "indent",
    "join",
    "lines",
    "list",
    "pprint",
    "replace",
    "slice",
    "tojson",
    "urlencode",
    "zip",
];

/// The engine of conditions, templates and success expressions. It counts the size of every value.
pub(crate) static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = engine(FUEL);
    // Gives errors their place. Costs only when something fails.
    engine.set_debug(true);
    meter::measure(&mut engine, |_| true);
    meter::compare(&mut engine);
    engine
});

/// The engine of mappings. It weighs only what multiplies: an expression keeps no value under a name.
pub(crate) static FIELDS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = engine(FIELD_FUEL);
    meter::measure(&mut engine, |name| MULTIPLYING.contains(&name));
    engine
});

fn engine(fuel: u64) -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_fuel(Some(fuel));
    engine.set_recursion_limit(RECURSION_MAX);
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine.set_formatter(|out, state, value| {
        let absent = value.is_none() || value.is_undefined();
        let shown = if absent { &Value::UNDEFINED } else { value };
        // A value that `set` captures never reaches the output. It is counted here.
        meter::weigh(state, shown)?;
        minijinja::escape_formatter(out, state, shown)
    });
    meter::add_to(&mut engine);
    absent::add_to(&mut engine);
    filters::add_to(&mut engine);
    engine
}
