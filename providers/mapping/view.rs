//! A callback as values for expressions.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use serde_json::Value as Json;

use super::keys::{AnyCase, undotted};
use campanile_language::filters::{ZONE, Zone, json_number};
use campanile_language::names::Names;
use campanile_model::Callback;
use campanile_model::Fault;
use campanile_model::callback::SECRET_HEADERS;

/// How the vendor's keys and values are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taking {
    /// Keys are changed to lower case, because the vendor's senders use different cases.
    pub(crate) lower_keys: bool,
    /// Keys are found in any case, and kept as they are written.
    pub(crate) any_case: bool,
    /// `host.name` as a key means the same as `name` inside of `host`.
    pub(crate) dotted_keys: bool,
    /// Texts that mean "absent", such as `null`.
    pub(crate) absent: Vec<String>,
    /// Forms of the vendor's placeholders. A value that is only a placeholder was not filled in, so it is absent.
    pub(crate) placeholders: Vec<Placeholder>,
}

/// A form of placeholder: the texts before and after its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placeholder {
    pub(crate) open: String,
    pub(crate) close: String,
}

impl Placeholder {
    /// `{X}`, `${X}`, `$X`, `*x*`, `{{x}}`, `%x%`: a form is written with `X` in place of the name.
    pub(crate) fn parse(form: &str) -> Option<Self> {
        let (open, close) = form.split_once(['X', 'x'])?;
        (!open.is_empty()).then(|| Self {
            open: open.to_owned(),
            close: close.to_owned(),
        })
    }

    fn is(&self, text: &str) -> bool {
        let name = text
            .strip_prefix(self.open.as_str())
            .and_then(|rest| rest.strip_suffix(self.close.as_str()));
        name.is_some_and(|name| {
            !name.is_empty()
                && !name.contains(['{', '}', '*', '%', '"'])
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && (!self.close.is_empty() || !name.contains(char::is_whitespace))
        })
    }
}

impl Taking {
    fn text(&self, text: &str) -> Value {
        let absent = self.absent.iter().any(|word| word == text)
            || self.placeholders.iter().any(|form| form.is(text));
        if absent {
            Value::UNDEFINED
        } else {
            Value::from(text)
        }
    }

    /// JSON as a value. `null` is undefined: an absent field and one that is null are the same here.
    fn value(&self, json: &Json) -> Value {
        match json {
            Json::Null => Value::UNDEFINED,
            Json::Bool(yes) => Value::from(*yes),
            Json::Number(number) => json_number(number),
            Json::String(text) => self.text(text),
            Json::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Json::Object(fields) if self.any_case => {
                let fields = fields
                    .iter()
                    .map(|(key, value)| (key.clone(), self.value(value)));
                Value::from_object(AnyCase(fields.collect()))
            }
            Json::Object(fields) => Value::from_pairs(
                fields
                    .iter()
                    .map(|(key, value)| (self.key(key), self.value(value))),
            ),
        }
    }

    /// A whole body as a value.
    fn body(&self, json: &Json) -> Value {
        if self.dotted_keys {
            return self.value(&undotted(json));
        }
        self.value(json)
    }

    fn key(&self, key: &str) -> Value {
        if self.lower_keys {
            return Value::from(key.to_lowercase());
        }
        Value::from(key)
    }

    /// Parameters as a map. The first one of a name counts.
    fn params<'p>(&self, pairs: impl Iterator<Item = (&'p str, &'p str)>) -> Value {
        let mut map = BTreeMap::new();
        for (name, value) in pairs {
            let key = if self.lower_keys {
                name.to_lowercase()
            } else {
                name.to_owned()
            };
            map.entry(key).or_insert_with(|| self.text(value));
        }
        Value::from(map)
    }
}

/// The values of the names in an expression.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) body: Value,
    pub(crate) text: Value,
    pub(crate) query: Value,
    pub(crate) form: Value,
    pub(crate) headers: Value,
    pub(crate) method: Value,
    pub(crate) path: Value,
    pub(crate) received: Value,
    pub(crate) item: Value,
    pub(crate) facts: Value,
    pub(crate) tables: Value,
    pub(crate) id: Value,
    pub(crate) reason: Value,
    pub(crate) zone: Value,
}

impl View {
    /// The values of `names`, read from `call`. An unreadable body is an error only if `names` needs it.
    pub(crate) fn of(call: &Callback, taking: &Taking, names: Names) -> Result<Self, Fault> {
        let mut view = Self::default();
        if names.has("body") && holds_json(call, names) {
            view.body = taking.body(call.json()?);
        }
        if names.has("text") {
            view.text = Value::from(call.text()?);
        }
        if names.has("query") {
            let pairs = query_pairs(call);
            view.query = taking.params(pairs.iter().map(|(n, v)| (n.as_ref(), v.as_ref())));
        }
        if names.has("form") {
            let from_query = query_pairs(call).len();
            let form = call.params()?.iter().skip(from_query);
            view.form = taking.params(form.map(|(n, v)| (n.as_str(), v.as_str())));
        }
        if names.has("headers") {
            view.headers = headers(call, false);
        }
        view.method = Value::from(call.method.as_str());
        view.received = call
            .received_at
            .map_or(Value::UNDEFINED, |at| Value::from(at.to_string()));
        Ok(view)
    }

    /// The same for a proof. A proof can use every header. An unreadable part is absent and not an error.
    pub(crate) fn for_proof(call: &Callback, taking: &Taking, names: Names) -> Self {
        // A proof can use a parameter without an expression.
        let names = names.with("query");
        let parts = ["body", "text", "query", "form"].map(|part| {
            let only = names.only(part);
            Self::of(call, taking, only).unwrap_or_default()
        });
        let [body, text, query, form] = parts;
        Self {
            body: body.body,
            text: text.text,
            query: query.query,
            form: form.form,
            headers: headers(call, true),
            method: Value::from(call.method.as_str()),
            path: Value::from(call.path.as_str()),
            ..Self::default()
        }
    }

    /// The zone of times without a zone.
    pub(crate) fn in_zone(mut self, zone: jiff::tz::TimeZone) -> Self {
        self.zone = Value::from_object(Zone(zone));
        self
    }

    /// The value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        let value = match name {
            "body" => &self.body,
            "item" => &self.item,
            "facts" => &self.facts,
            "text" => &self.text,
            "query" => &self.query,
            "form" => &self.form,
            "headers" => &self.headers,
            "method" => &self.method,
            "path" => &self.path,
            "received" => &self.received,
            "tables" => &self.tables,
            "id" => &self.id,
            "reason" => &self.reason,
            ZONE => &self.zone,
            _ => return None,
        };
        Some(value.clone())
    }
}

impl Object for View {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.get(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

/// Whether to read the body as JSON. An empty body is not JSON, and a form is not if the mapping reads forms.
fn holds_json(call: &Callback, names: Names) -> bool {
    let is_form = matches!(
        call.media_type().as_str(),
        "application/x-www-form-urlencoded" | "multipart/form-data"
    );
    !(call.body.is_empty() || is_form && names.has("form"))
}

fn query_pairs(call: &Callback) -> Vec<(std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)> {
    form_urlencoded::parse(call.query.as_bytes()).collect()
}

fn headers(call: &Callback, secret: bool) -> Value {
    let shown = call
        .headers
        .iter()
        .rev()
        .filter(|(name, _)| secret || !SECRET_HEADERS.contains(&name.as_str()));
    // The first header of a name counts, as in `Callback::header`.
    Value::from_pairs(shown.map(|(name, value)| (name.as_str(), value.as_str())))
}
