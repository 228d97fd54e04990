//! The names that an expression may use, by the place in which it is written.

use std::collections::HashSet;

use serde_json::{Map, Value as Json};

use super::{ENGINE, Mistake, nearest};

/// The names that may follow a name and a dot.
#[derive(Clone, Copy, Debug)]
pub enum Parts {
    /// Nothing: it is a text or a number.
    None,
    /// One of these.
    These(&'static [&'static str]),
    /// Anything: the keys are the vendor's, the operator's or the receiver's.
    Any,
}

/// The names in one place of the config.
pub type Scope = &'static [(&'static str, Part)];
/// The parts of one name.
pub type Part = fn() -> Parts;

const TEXT: Part = || Parts::None;
const FREE: Part = || Parts::Any;
const RESOURCE: Part = || Parts::These(&["type", "id", "name", "region", "account"]);
const METRIC: Part = || Parts::These(&["name", "value", "comparator", "threshold", "unit"]);
const RAW: Part = || {
    Parts::These(&[
        "severity",
        "status",
        "starts_at",
        "ends_at",
        "value",
        "threshold",
    ])
};

/// What a route can use. `id` is not included: an alert has no id before it is stored.
pub const ROUTE: Scope = &[
    ("source", TEXT),
    ("message_id", TEXT),
    ("fingerprint", TEXT),
    ("status", TEXT),
    ("severity", TEXT),
    ("title", TEXT),
    ("description", TEXT),
    ("resource", RESOURCE),
    ("metric", METRIC),
    ("starts_at", TEXT),
    ("ends_at", TEXT),
    ("received_at", TEXT),
    ("labels", FREE),
    ("links", FREE),
    ("raw", RAW),
];

/// What a template of a sink can use.
pub const TEMPLATE: Scope = &[
    ("id", TEXT),
    ("source", TEXT),
    ("message_id", TEXT),
    ("fingerprint", TEXT),
    ("status", TEXT),
    ("severity", TEXT),
    ("title", TEXT),
    ("description", TEXT),
    ("resource", RESOURCE),
    ("metric", METRIC),
    ("starts_at", TEXT),
    ("ends_at", TEXT),
    ("received_at", TEXT),
    ("labels", FREE),
    ("links", FREE),
    ("raw", RAW),
    ("alert", FREE),
    ("delivery_id", TEXT),
    ("attempt", TEXT),
    ("retried_by_operator", TEXT),
];

/// What a success expression can use.
pub const SUCCESS: Scope = &[("status", TEXT), ("body", FREE)];

/// What an expression of a recipe over a response can use.
pub const RESPONSE: Scope = &[("status", TEXT), ("body", FREE), ("code", TEXT)];

/// What the expression of a recipe for a success can use.
pub const EXCHANGE: Scope = &[
    ("status", TEXT),
    ("body", FREE),
    ("code", TEXT),
    ("sent", TEXT),
];

/// What most expressions of a mapping can use.
pub const CALL: Scope = &[
    ("body", FREE),
    ("text", FREE),
    ("query", FREE),
    ("form", FREE),
    ("headers", FREE),
    ("method", FREE),
    ("received", FREE),
    ("tables", FREE),
];

/// What the expressions of a field can use.
pub const FIELD: Scope = &[
    ("item", FREE),
    ("facts", FREE),
    ("body", FREE),
    ("text", FREE),
    ("query", FREE),
    ("form", FREE),
    ("headers", FREE),
    ("method", FREE),
    ("received", FREE),
    ("tables", FREE),
];

/// What the expression that gives the facts can use.
pub const FACTS: Scope = &[
    ("item", FREE),
    ("body", FREE),
    ("text", FREE),
    ("query", FREE),
    ("form", FREE),
    ("headers", FREE),
    ("method", FREE),
    ("received", FREE),
    ("tables", FREE),
];

/// What the expressions of a proof can use.
pub const PROOF: Scope = &[
    ("body", FREE),
    ("text", FREE),
    ("query", FREE),
    ("form", FREE),
    ("headers", FREE),
    ("method", FREE),
    ("path", FREE),
];

/// What the expressions of an answer can use.
pub const ANSWER: Scope = &[
    ("body", FREE),
    ("query", FREE),
    ("form", FREE),
    ("headers", FREE),
    ("id", FREE),
    ("reason", FREE),
];

/// Refuses the first name (in the order of the text) that is not in scope.
pub(super) fn check(text: &str, found: &HashSet<String>, scope: Scope) -> Result<(), Mistake> {
    let mistakes = found.iter().filter_map(|path| {
        let message = fault(path, scope)?;
        Some(Mistake::at(text, place(text, path), message))
    });
    match mistakes.min_by_key(|m| (m.line, m.column)) {
        None => Ok(()),
        Some(mistake) => Err(mistake),
    }
}

/// The same for the names of a template and `more`, which are samples. A part of a sample must be in it.
pub(super) fn check_with(
    text: &str,
    found: HashSet<String>,
    more: &Map<String, Json>,
) -> Result<(), Mistake> {
    let head = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
    let is_more = |path: &String| more.contains_key(&head(path));
    let (own, found): (HashSet<_>, HashSet<_>) = found.into_iter().partition(is_more);
    check(text, &found, TEMPLATE)?;
    let mistakes = own.iter().filter_map(|path| {
        let (name, rest) = path.split_once('.')?;
        let Json::Object(parts) = more.get(name)? else {
            return None;
        };
        let part = rest.split('.').next()?;
        let known = parts.keys().map(String::as_str);
        let unknown = !parts.contains_key(part);
        unknown.then(|| {
            let message = format!("`{name}` has no part `{part}`{}", hint(part, known));
            Mistake::at(text, place(text, path), message)
        })
    });
    match mistakes.min_by_key(|m| (m.line, m.column)) {
        None => Ok(()),
        Some(mistake) => Err(mistake),
    }
}

fn fault(path: &str, scope: Scope) -> Option<String> {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let Some((_, parts)) = scope.iter().find(|(known, _)| *known == name) else {
        let global = ENGINE.globals().any(|(known, _)| known == name);
        let names = scope.iter().map(|(known, _)| *known);
        return (!global).then(|| format!("unknown name `{name}`{}", hint(name, names)));
    };
    let part = rest.split('.').next().unwrap_or_default();
    match parts() {
        _ if part.is_empty() => None,
        // The value of a label is a text without parts.
        Parts::Any if name == "labels" && rest.contains('.') => Some(format!(
            "`labels.{part}` is a text and has no parts: write a label with a dot as `labels['{rest}']`"
        )),
        Parts::Any => None,
        Parts::None => Some(format!("`{name}` is one value and has no part `{part}`")),
        Parts::These(known) if known.contains(&part) => None,
        Parts::These(known) => Some(format!(
            "`{name}` has no part `{part}`{}",
            hint(part, known.iter().copied())
        )),
    }
}

/// `: did you mean ...?` with the nearest word, or all words when none is near.
pub(super) fn hint<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(candidate) => format!(": did you mean `{candidate}`?"),
        None => format!(": known are {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// The byte of the text where the path is a whole word. The parser reports names without their places.
pub(super) fn place(text: &str, path: &str) -> usize {
    let name = path.split('.').next().unwrap_or(path);
    let whole = |needle: &str| {
        text.match_indices(needle)
            .map(|(at, _)| at)
            .find(|&at| is_word(text, at, needle.len()))
    };
    whole(path).or_else(|| whole(name)).unwrap_or_default()
}

/// Whether these bytes of the text are a whole word.
pub(super) fn is_word(text: &str, at: usize, len: usize) -> bool {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '\'' | '"');
    let before = text.get(..at).and_then(|t| t.chars().next_back());
    let after = text.get(at + len..).and_then(|t| t.chars().next());
    !before.is_some_and(inner) && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
}
