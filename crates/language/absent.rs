//! Makes filters of the engine that fail on an absent value return an absent value.
//!
//! An expression tries several places in order: `body.a|first or body.b`. A filter that fails on an absent or empty value
//! would end the whole expression at the first place.

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, State, Value, filters};

/// Filters that fail on `undefined` and `none`.
const FAIL: &[&str] = &[
    "abs",
    "batch",
    "capitalize",
    "dictsort",
    "first",
    "items",
    "last",
    "length",
    "lines",
    "reverse",
    "round",
    "slice",
    "split",
    "sum",
    "title",
];

/// Filters of numbers and maps, which also fail on an empty text.
const FAIL_ON_BLANK: &[&str] = &["abs", "dictsort", "float", "int", "items", "round", "sum"];

macro_rules! replaced {
    ($env:ident: $($name:ident),+ $(,)?) => {
        $({
            let original = Value::from_function(filters::$name);
            $env.add_filter(stringify!($name), move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
                let mut args = args.into_values();
                if comes_out(stringify!($name), &mut args) {
                    return Ok::<_, Error>(Value::UNDEFINED);
                }
                original.call(state, &args)
            });
        })+
    };
}

/// Replaces those of the filters that are not always measured.
pub(crate) fn add_to(env: &mut Environment<'_>) {
    replaced!(env: abs, first, float, int, items, last, length, round, split, title);
}

/// Whether the filter `name` returns an absent value for these arguments. Turns an empty text into an absent value for filters
/// that fail on it.
pub(crate) fn comes_out(name: &str, args: &mut [Value]) -> bool {
    let Some(value) = args.first_mut() else {
        return false;
    };
    let is_blank = value.as_str().is_some_and(|text| text.trim().is_empty());
    if is_blank && FAIL_ON_BLANK.contains(&name) {
        *value = Value::UNDEFINED;
    }
    matches!(value.kind(), ValueKind::Undefined | ValueKind::None) && FAIL.contains(&name)
}
