//! The one Jinja environment that all mappings share, and what it adds to Jinja for this world.
//!
//! A filter gives an undefined value for what is absent, so that a chain of them ends as an absent field.

use std::sync::LazyLock;

use base64::Engine as _;
use jiff::tz::TimeZone;
use md5::Md5;
use minijinja::value::{Kwargs, Object, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use sha2::Sha256;

use super::view;
use crate::parse::resource::broken;
use campanile_language::time::{self, Moment};
use campanile_language::{absent, duration, meter};

/// How many instructions one expression may take. The longest of the catalogue takes some hundred.
const FUEL: u64 = 20_000;

/// The name under which a context holds the vendor's zone. Its blank keeps expressions from naming it.
pub(crate) const ZONE: &str = " zone";

/// Filters of Jinja itself that a mapping may use.
const JINJA_FILTERS: &[&str] = &[
    "abs",
    "bool",
    "default",
    "d",
    "first",
    "float",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];

/// Those of them that can make much out of little.
const MULTIPLYING: &[&str] = &["join", "replace", "tojson"];

/// Filters of Jinja that a mapping may not use, and that `map('...')` would find by name.
const NOT_OURS: &[&str] = &[
    "batch",
    "chain",
    "format",
    "groupby",
    "indent",
    "pprint",
    "slice",
    "urlencode",
    "zip",
];

/// Filters of our own.
const OWN_FILTERS: &[&str] = &[
    "after",
    "base64decode",
    "before",
    "between",
    "bucket",
    "duration",
    "json",
    "lookup",
    "md5",
    "number",
    "pairs",
    "present",
    "resource",
    "sha256",
    "tagmap",
    "time",
    "unix",
    "urldecode",
];

/// Tests of Jinja that a mapping may use after `is`.
pub(crate) const TESTS: &[&str] = &[
    "defined",
    "endingwith",
    "false",
    "float",
    "in",
    "integer",
    "iterable",
    "mapping",
    "none",
    "number",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "not",
];

/// Every filter that a mapping may use.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    JINJA_FILTERS.iter().chain(OWN_FILTERS).copied()
}

/// The environment of all mappings.
pub(crate) fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(build);
    &ENVIRONMENT
}

fn build() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env.set_fuel(Some(FUEL));
    meter::add_to(&mut env);
    absent::add_to(&mut env);
    // The others come to no more than some times their value, and one expression has only so many of them.
    meter::measure(&mut env, |name| MULTIPLYING.contains(&name));
    for name in NOT_OURS {
        env.remove_filter(name);
    }
    env.add_filter("after", after);
    env.add_filter("base64decode", base64decode);
    env.add_filter("before", before);
    env.add_filter("between", between);
    env.add_filter("bucket", bucket);
    env.add_filter("duration", duration);
    env.add_filter("json", json);
    env.add_filter("lookup", lookup);
    env.add_filter("md5", |value: &Value| hashed::<Md5>(value));
    env.add_filter("number", |value: &Value| number(value).unwrap_or_default());
    env.add_filter("pairs", pairs);
    env.add_filter("present", present);
    env.add_filter("resource", resource);
    env.add_filter("sha256", |value: &Value| hashed::<Sha256>(value));
    env.add_filter("tagmap", tagmap);
    env.add_filter("time", time);
    env.add_filter("unix", unix);
    env.add_filter("urldecode", urldecode);
    env
}

/// The zone of zone-less times, as a value that expressions cannot see.
#[derive(Debug)]
pub(crate) struct Zone(pub(crate) TimeZone);

impl Object for Zone {}

/// `value` as text: nothing for what is absent or empty, JSON for lists and maps.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None | ValueKind::Invalid => None,
        ValueKind::String => value.as_str().filter(|s| !s.is_empty()).map(str::to_owned),
        ValueKind::Number => Some(value.to_string()),
        // The words of JSON, not of Jinja (`True`).
        ValueKind::Bool => Some(value.is_true().to_string()),
        _ => serde_json::to_string(value).ok(),
    }
}

/// What `value` says of time, read in `zone` where it names none.
pub(crate) fn moment(value: &Value, zone: &TimeZone) -> Moment {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Moment::Never,
        ValueKind::String => time::parse(value.as_str().unwrap_or_default(), zone),
        ValueKind::Number => match (i128::try_from(value.clone()), f64::try_from(value.clone())) {
            (Ok(whole), _) => time::unix(whole),
            (_, Ok(float)) => time::unix_float(float),
            _ => Moment::Fault,
        },
        _ => Moment::Fault,
    }
}

fn zone_of(state: &State<'_, '_>, named: Option<&str>) -> Result<TimeZone, Error> {
    if let Some(name) = named {
        return TimeZone::get(name).map_err(|_| {
            fault(format!(
                "`{name}` is not a time zone; write one such as Asia/Shanghai"
            ))
        });
    }
    let zone = state.lookup(ZONE);
    let zone = zone
        .as_ref()
        .and_then(|zone| zone.downcast_object_ref::<Zone>());
    Ok(zone.map_or(TimeZone::UTC, |zone| zone.0.clone()))
}

fn fault(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the engine hands keyword arguments over by value"
)]
fn time(
    state: &State<'_, '_>,
    value: &Value,
    zone: Option<&str>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let zone = zone_of(state, zone.or(kwargs.get("zone")?))?;
    let moment = match kwargs.get::<Option<&str>>("format")? {
        Some(format) => time::parse_as(value.as_str().unwrap_or_default(), format, &zone),
        None => moment(value, &zone),
    };
    kwargs.assert_all_used()?;
    match moment {
        Moment::At(at) => Ok(Value::from(at.to_string())),
        Moment::Never => Ok(Value::UNDEFINED),
        Moment::Fault => Err(fault("is not a time in a known form".to_owned())),
    }
}

/// Unix seconds of a time, to compare with.
fn unix(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    match moment(value, &zone_of(state, None)?) {
        Moment::At(at) => Ok(Value::from(at.as_second())),
        _ => Ok(Value::UNDEFINED),
    }
}

/// The beginning of the span of `length` in which a time lies: equal for times that are near each other.
fn bucket(state: &State<'_, '_>, value: &Value, length: &str) -> Result<Value, Error> {
    let length = duration::seconds(length)
        .filter(|length| *length >= 1.0)
        .ok_or_else(|| {
            fault(format!(
                "`{length}` is not a length of time; write one such as 10m"
            ))
        })?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a length of time in whole seconds"
    )]
    let length = length as i64;
    match moment(value, &zone_of(state, None)?) {
        Moment::At(at) => Ok(Value::from(at.as_second().div_euclid(length) * length)),
        _ => Ok(Value::UNDEFINED),
    }
}

fn duration(value: &Value) -> Value {
    let seconds = match value.as_str() {
        Some(text) => duration::seconds(text),
        None => f64::try_from(value.clone()).ok(),
    };
    seconds.map_or(Value::UNDEFINED, Value::from)
}

/// The number that `value` is or begins with: `95.3 %` is 95.3.
pub(crate) fn number(value: &Value) -> Option<Value> {
    if value.is_number() {
        return Some(value.clone());
    }
    let text = value.as_str()?.trim();
    let end = text
        .char_indices()
        .find(|(at, c)| {
            let sign = matches!(c, '-' | '+') && *at == 0;
            !(c.is_ascii_digit() || *c == '.' || sign)
        })
        .map_or(text.len(), |(at, _)| at);
    let (mut digits, rest) = text.split_at_checked(end)?;
    // `1e5` and `1.5E-3`, but not `5 eggs`.
    if rest.starts_with(['e', 'E']) && text.parse::<f64>().is_ok() {
        digits = text;
    }
    let whole = digits.parse::<i64>().map(Value::from).ok();
    whole.or_else(|| {
        let float = digits.parse::<f64>().ok();
        float.filter(|float| float.is_finite()).map(Value::from)
    })
}

fn json(value: &Value) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return Ok(value.clone());
    };
    if text.trim().is_empty() {
        return Ok(Value::UNDEFINED);
    }
    let parsed = campanile_model::body::json(text)
        .map_err(|unreadable| fault(format!("the text is not JSON ({})", unreadable.problem)))?;
    Ok(view::plain(&parsed))
}

fn urldecode(value: &Value) -> Value {
    let Some(text) = value.as_str() else {
        return value.clone();
    };
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
    decoded.map_or_else(|_| value.clone(), |decoded| Value::from(decoded.as_ref()))
}

fn base64decode(value: &Value) -> Value {
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(value.as_str().unwrap_or_default().trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.map_or(Value::UNDEFINED, Value::from)
}

fn hashed<D: md5::Digest>(value: &Value) -> Value {
    text(value).map_or(Value::UNDEFINED, |text| {
        Value::from(hex::encode(D::digest(text.as_bytes())))
    })
}

/// How many of `keys` a map has. A key whose value is null or empty counts: the sender's template has it.
fn present(value: &Value, keys: Rest<Value>) -> usize {
    let Some(map) = value.as_object() else {
        return 0;
    };
    keys.iter()
        .filter(|key| map.get_value(key).is_some())
        .count()
}

/// What `table` has for `value`, without regard to case.
fn lookup(value: &Value, table: &Value) -> Value {
    let Some(word) = text(value) else {
        return Value::UNDEFINED;
    };
    let Ok(mut keys) = table.try_iter() else {
        return Value::UNDEFINED;
    };
    let key = keys.find(|key| {
        key.as_str()
            .is_some_and(|key| key.eq_ignore_ascii_case(word.trim()))
    });
    key.and_then(|key| table.get_item(&key).ok())
        .unwrap_or_default()
}

fn after(value: &Value, mark: &str) -> Value {
    let found = value.as_str().and_then(|text| text.split_once(mark));
    found.map_or(Value::UNDEFINED, |(_, after)| Value::from(after.trim()))
}

fn before(value: &Value, mark: &str) -> Value {
    let found = value.as_str().and_then(|text| text.split_once(mark));
    found.map_or(Value::UNDEFINED, |(before, _)| Value::from(before.trim()))
}

fn between(value: &Value, open: &str, close: &str) -> Value {
    let found = value
        .as_str()
        .and_then(|text| text.split_once(open))
        .and_then(|(_, rest)| rest.split_once(close));
    found.map_or(Value::UNDEFINED, |(inner, _)| Value::from(inner.trim()))
}

/// `a=1,b=2`, `{a=1, b=2}` or `["a:1", "b:2"]` as a map. A piece without the inner mark has the value `true`.
fn pairs(value: &Value, between: Option<&str>, within: Option<&str>) -> Value {
    let (between, within) = (between.unwrap_or(","), within.unwrap_or("="));
    let pieces: Vec<String> = match value.as_str() {
        Some(text) => {
            let bare = text.trim().trim_start_matches('{').trim_end_matches('}');
            bare.split(between).map(str::to_owned).collect()
        }
        None => match value.try_iter() {
            Ok(items) => items.filter_map(|item| text(&item)).collect(),
            Err(_) => return Value::UNDEFINED,
        },
    };
    let pairs = pieces.iter().filter_map(|piece| {
        let (key, value) = piece.split_once(within).unwrap_or((piece, "true"));
        let key = key.trim();
        (!key.is_empty()).then(|| (key.to_owned(), Value::from(value.trim())))
    });
    Value::from_pairs(pairs)
}

/// `[{key: a, value: 1}]` or `[["a", 1]]` as a map. The names of the two may be given.
fn tagmap(value: &Value, key: Option<&str>, named: Option<&str>) -> Value {
    let Ok(items) = value.try_iter() else {
        return Value::UNDEFINED;
    };
    if value.kind() == ValueKind::Map {
        return value.clone();
    }
    let part = |item: &Value, name: &str, at: usize| match item.kind() {
        ValueKind::Map => item.get_attr(name).ok(),
        _ => item.get_item_by_index(at).ok(),
    };
    let pairs = items.filter_map(|item| {
        let key = text(&part(&item, key.unwrap_or("key"), 0)?)?;
        Some((key, part(&item, named.unwrap_or("value"), 1)?))
    });
    Value::from_pairs(pairs)
}

/// `type`, `id` and `name` of what is broken, by labels in the style of Prometheus.
fn resource(labels: &Value) -> Value {
    let found = broken(|name| text(&labels.get_attr(name).ok()?));
    found.map_or(Value::UNDEFINED, |found| {
        Value::from_pairs([
            ("type", found.kind),
            ("id", &found.id),
            ("name", &found.name),
        ])
    })
}
