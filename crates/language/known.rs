//! Refuses filters and tests that do not exist. The engine finds such a word only when a run reaches it.

use super::scope::hint;
use super::{Mistake, filters};

/// The filters of Jinja.
const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// The words that may follow `is`: the tests of Jinja, and `not`.
const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "not",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// Refuses the first word after `|` that is not a filter, or after `is` that is not a test.
pub(crate) fn check(text: &str) -> Result<(), Mistake> {
    let bare = without_strings(text);
    let mut before = "";
    for (at, word) in tokens(&bare) {
        let is_word = word.starts_with(|c: char| c.is_ascii_alphabetic());
        let known = match before {
            "|" if is_word => Some(("filter", [FILTERS, filters::OWN])),
            "is" if is_word => Some(("test", [TESTS, &[]])),
            _ => None,
        };
        if let Some((kind, known)) = known {
            let known = known.into_iter().flatten().copied();
            if !known.clone().any(|known| known == word) {
                let message = format!("unknown {kind} `{word}`{}", hint(word, known));
                return Err(Mistake::at(text, at, message));
            }
        }
        before = word;
    }
    Ok(())
}

/// `text` with blanks in place of its strings, byte for byte.
fn without_strings(text: &str) -> String {
    let mut quote = None;
    let mut escaped = false;
    let mut bare = String::with_capacity(text.len());
    for c in text.chars() {
        let inside = quote.is_some();
        match quote {
            None if c == '"' || c == '\'' => quote = Some(c),
            Some(open) => {
                if c == open && !escaped {
                    quote = None;
                }
                escaped = c == '\\' && !escaped;
            }
            None => {}
        }
        if inside || quote.is_some() {
            bare.extend(std::iter::repeat_n(' ', c.len_utf8()));
        } else {
            bare.push(c);
        }
    }
    bare
}

/// Words and single marks, each with its first byte.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let first = rest.chars().next()?;
        let length = if is_word(first) {
            rest.find(|c: char| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at_checked(length)?;
        rest = after;
        Some((at, token))
    })
}

#[cfg(test)]
mod tests {
    use minijinja::ErrorKind;

    use super::*;
    use crate::engine::{ENGINE, FIELDS};

    /// The engine reports an unknown filter or test with its own kind of error.
    #[test]
    fn every_known_filter_and_test_exists_in_both_engines() {
        let filters = [FILTERS, filters::OWN].concat().into_iter();
        let filters = filters.map(|name| format!("1|{name}"));
        let tests = TESTS.iter().filter(|name| **name != "not");
        let expressions = filters.chain(tests.map(|name| format!("1 is {name}")));
        for text in expressions {
            check(&text).expect("known");
            for engine in [&ENGINE, &FIELDS] {
                let run = engine.compile_expression(&text).expect("compiles");
                let kind = run.eval(()).map_err(|error| error.kind()).err();
                let unknown = [ErrorKind::UnknownFilter, ErrorKind::UnknownTest];
                assert!(!kind.is_some_and(|kind| unknown.contains(&kind)), "{text}");
            }
        }
    }
}
