//! A request with one key changed: removed, null, empty, or another text.

use campanile_model::Callback;
use serde_json::{Value, json};

/// Entries of a list that are changed; the others have the same keys.
const ENTRIES: usize = 2;

/// What is done to a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Removed,
    Null,
    Empty,
    /// Another text, for scalars only.
    Text(&'static str),
}

/// A changed request.
pub(crate) struct Variant {
    /// What was done to which key, such as `/alerts/0/labels: Removed`.
    pub(crate) name: String,
    /// What was there.
    pub(crate) old: Value,
    pub(crate) call: Callback,
}

/// `call` with each key of its query, form or JSON body changed, at any depth.
pub(crate) fn of(call: &Callback, changes: &[Change]) -> Vec<Variant> {
    let mut variants = in_query(call, changes);
    if call.media_type() == "application/x-www-form-urlencoded" {
        variants.extend(in_form(call, changes));
    } else if let Ok(body) = call.json() {
        let mut places = Vec::new();
        collect(body, "", &mut places);
        for (object, key) in places {
            for change in changes {
                let mut body = body.clone();
                let Some(old) = apply(&mut body, &object, &key, *change) else {
                    continue;
                };
                let name = format!("{object}/{key}: {change:?}");
                let call = as_arrived(call, call.with_body(body.to_string()));
                variants.push(Variant { name, old, call });
            }
        }
    }
    variants
}

/// What the server knows of a call is no part of its text.
fn as_arrived(call: &Callback, mut changed: Callback) -> Callback {
    changed.key.clone_from(&call.key);
    changed.received_at = call.received_at;
    changed.fetched.clone_from(&call.fetched);
    changed
}

/// The keys of all objects, each with the pointer of its object.
fn collect(value: &Value, pointer: &str, places: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                places.push((pointer.to_owned(), key.clone()));
                let escaped = key.replace('~', "~0").replace('/', "~1");
                collect(value, &format!("{pointer}/{escaped}"), places);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate().take(ENTRIES) {
                collect(item, &format!("{pointer}/{at}"), places);
            }
        }
        _ => {}
    }
}

/// Changes the key; gives what was there, or nothing where the change is not for it.
fn apply(body: &mut Value, object: &str, key: &str, change: Change) -> Option<Value> {
    let fields = body.pointer_mut(object)?.as_object_mut()?;
    let old = fields.get(key)?.clone();
    let new = match (change, &old) {
        (Change::Removed, _) => return fields.remove(key),
        (Change::Null, _) => Value::Null,
        (Change::Empty, Value::Object(_)) => json!({}),
        (Change::Empty, Value::Array(_)) => json!([]),
        (Change::Empty, _) => json!(""),
        (Change::Text(_), Value::Object(_) | Value::Array(_) | Value::Null) => return None,
        (Change::Text(text), _) => json!(text),
    };
    fields.insert(key.to_owned(), new)
}

fn in_query(call: &Callback, changes: &[Change]) -> Vec<Variant> {
    let with = |query: String| {
        let mut variant = call.clone();
        variant.query = query;
        as_arrived(call, variant)
    };
    pairs(&call.query, changes, with)
}

fn in_form(call: &Callback, changes: &[Change]) -> Vec<Variant> {
    let text = call.text().unwrap_or_default();
    let with = |body: String| as_arrived(call, call.with_body(body));
    pairs(text, changes, with)
}

fn pairs(encoded: &str, changes: &[Change], with: impl Fn(String) -> Callback) -> Vec<Variant> {
    let all: Vec<(String, String)> = form_urlencoded::parse(encoded.as_bytes())
        .into_owned()
        .collect();
    let mut variants = Vec::new();
    for (at, (key, old)) in all.iter().enumerate() {
        for change in changes {
            let mut new = all.clone();
            match (change, new.get_mut(at)) {
                (Change::Removed, _) => drop(new.remove(at)),
                (Change::Empty, Some(pair)) => pair.1 = String::new(),
                (Change::Text(text), Some(pair)) => (*text).clone_into(&mut pair.1),
                _ => continue,
            }
            let mut written = form_urlencoded::Serializer::new(String::new());
            let call = with(written.extend_pairs(new).finish());
            let (name, old) = (format!("{key}: {change:?}"), json!(old));
            variants.push(Variant { name, old, call });
        }
    }
    variants
}
