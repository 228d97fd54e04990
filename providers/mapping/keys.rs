//! Keys that senders write in different ways: in another case, or with dots in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use serde_json::{Map, Value as Json};

/// The most dots in a key. A key with more stays as it is.
const DOTS_MAX: usize = 8;

/// A map whose keys are found in any case. The exact key has priority.
#[derive(Debug)]
pub(crate) struct AnyCase(pub(crate) BTreeMap<String, Value>);

impl Object for AnyCase {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        let in_any_case = || {
            self.0
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(key))
                .map(|(_, value)| value)
        };
        self.0.get(key).or_else(in_any_case).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

/// `json` with `{"host.name": "a"}` as `{"host": {"name": "a"}}`, in every object of it. A key stays as it is if a
/// part of its path already has a value that is not an object.
pub(crate) fn undotted(json: &Json) -> Json {
    match json {
        Json::Array(items) => items.iter().map(undotted).collect(),
        Json::Object(fields) => {
            let (dotted, plain): (Vec<_>, Vec<_>) =
                fields.iter().partition(|(key, _)| key.contains('.'));
            let mut out: Map<_, _> = plain
                .into_iter()
                .map(|(key, value)| (key.clone(), undotted(value)))
                .collect();
            for (key, value) in dotted {
                place(&mut out, key, undotted(value));
            }
            Json::Object(out)
        }
        other => other.clone(),
    }
}

fn place(out: &mut Map<String, Json>, key: &str, value: Json) {
    match slot(out, key) {
        Some((inner, last)) => inner.insert(last.to_owned(), value),
        None => out.insert(key.to_owned(), value),
    };
}

/// The object and the key for the value of a dotted key; nothing if that place has a value.
fn slot<'m, 'k>(
    out: &'m mut Map<String, Json>,
    key: &'k str,
) -> Option<(&'m mut Map<String, Json>, &'k str)> {
    let parts: Vec<&str> = key.split('.').take(DOTS_MAX + 2).collect();
    if parts.len() > DOTS_MAX + 1
        || parts.iter().any(|part| part.is_empty())
        || !is_free(out, &parts)
    {
        return None;
    }
    let (last, path) = parts.split_last()?;
    let mut inner = out;
    for part in path {
        let next = inner
            .entry(*part)
            .or_insert_with(|| Json::Object(Map::new()));
        inner = next.as_object_mut()?;
    }
    Some((inner, last))
}

/// Whether every part of the path is an object or absent, and the last one is absent.
fn is_free(out: &Map<String, Json>, parts: &[&str]) -> bool {
    let Some((first, rest)) = parts.split_first() else {
        return false;
    };
    match out.get(*first) {
        None => true,
        Some(Json::Object(inner)) => is_free(inner, rest),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_with_dots_is_a_path() {
        let flat = json!({"host.name": "a", "host.ip": "b", "list": [{"k.v": 1}]});
        assert_eq!(
            undotted(&flat),
            json!({"host": {"name": "a", "ip": "b"}, "list": [{"k": {"v": 1}}]})
        );
    }

    #[test]
    fn a_key_with_dots_never_displaces_another() {
        let taken =
            json!({"host": "x", "host.name": "a", "a": {"b": 1}, "a.b": 2, "a..b": 3, ".": 4});
        assert_eq!(undotted(&taken), taken);
        let deep = json!({"a.".repeat(20): 1, "a".to_owned() + &".a".repeat(9): 1});
        assert_eq!(undotted(&deep), deep);
    }
}
