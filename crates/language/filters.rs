//! The filters that Campanile adds to Jinja.
//!
//! A filter of an absent value gives an absent value. A chain of filters then ends as an absent field, not as an error.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use md5::Md5;
use minijinja::value::{Kwargs, Object, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use serde_json::Value as Json;
use sha2::Sha256;
use uuid::Uuid;

use super::duration;
use super::phone;
use super::resource::broken;
use super::time::{self, Moment};

/// The name under which a context holds the vendor's zone. Its blank keeps expressions from naming it.
pub const ZONE: &str = " zone";

/// The filters of Campanile itself.
pub(crate) const OWN: &[&str] = &[
    "after",
    "at",
    "base64decode",
    "base64encode",
    "before",
    "between",
    "bucket",
    "cut",
    "duration",
    "json",
    "literal",
    "lookup",
    "markdown",
    "md5",
    "number",
    "pairs",
    "present",
    "resource",
    "sha256",
    "sms",
    "spoken",
    "tagmap",
    "time",
    "unix",
    "urldecode",
    "uuid",
];

/// Adds them to `env`.
pub(crate) fn add_to(env: &mut Environment<'_>) {
    env.add_filter("after", after);
    env.add_filter("at", at);
    env.add_filter("base64decode", base64decode);
    env.add_filter("base64encode", base64encode);
    env.add_filter("before", before);
    env.add_filter("between", between);
    env.add_filter("bucket", bucket);
    env.add_function("fail", |message: String| Err::<Value, _>(fault(message)));
    env.add_filter("cut", |value: &Value, most: usize| {
        changed(value, |text| phone::cut(text, most, |_| 1))
    });
    env.add_filter("duration", duration);
    env.add_filter("json", json);
    env.add_filter("literal", |value: &Value| {
        marked(value, |c| [c, '\u{200b}'])
    });
    env.add_filter("lookup", lookup);
    env.add_filter("markdown", |value: &Value| marked(value, |c| ['\\', c]));
    env.add_filter("md5", |value: &Value| hashed::<Md5>(value));
    env.add_filter("number", |value: &Value| number(value).unwrap_or_default());
    env.add_filter("pairs", pairs);
    env.add_filter("present", present);
    env.add_filter("resource", resource);
    env.add_filter("sha256", |value: &Value| hashed::<Sha256>(value));
    env.add_filter("sms", |value: &Value| changed(value, phone::sms));
    env.add_filter("spoken", |value: &Value| changed(value, phone::spoken));
    env.add_filter("tagmap", tagmap);
    env.add_filter("time", time);
    env.add_filter("unix", unix);
    env.add_filter("urldecode", urldecode);
    env.add_filter("uuid", uuid);
}

/// The signs that are markup in one of the dialects of Markdown.
const MARKUP: &[char] = &['\\', '*', '_', '~', '`', '|', '>', '#', '[', ']', '<'];

/// `value` with each sign of [`MARKUP`] replaced. `markdown` puts a backslash before it; `literal` puts a zero-width space
/// after it, for receivers that know no escape.
fn marked(value: &Value, replaced: impl Fn(char) -> [char; 2]) -> Value {
    let Some(text) = value.as_str() else {
        return value.clone();
    };
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if MARKUP.contains(&c) {
            safe.extend(replaced(c));
        } else {
            safe.push(c);
        }
    }
    safe.into()
}

/// A text, changed. Anything else stays as it is.
fn changed(value: &Value, change: impl Fn(&str) -> String) -> Value {
    let text = value.as_str();
    text.map_or_else(|| value.clone(), |text| change(text).into())
}

/// The zone of zone-less times, as a value that expressions cannot see.
#[derive(Debug)]
pub struct Zone(pub TimeZone);

impl Object for Zone {}

/// `value` as text: nothing for what is absent or empty, JSON for lists and maps.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None | ValueKind::Invalid => None,
        ValueKind::String => value.as_str().filter(|s| !s.is_empty()).map(str::to_owned),
        ValueKind::Number => Some(value.to_string()),
        // The words of JSON, not of Jinja (`True`).
        ValueKind::Bool => Some(value.is_true().to_string()),
        _ => serde_json::to_string(value).ok(),
    }
}

/// The time in `value`, read in `zone` when it names no zone.
#[must_use]
pub fn moment(value: &Value, zone: &TimeZone) -> Moment {
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
        return named_zone(name);
    }
    let zone = state.lookup(ZONE);
    let zone = zone
        .as_ref()
        .and_then(|zone| zone.downcast_object_ref::<Zone>());
    Ok(zone.map_or(TimeZone::UTC, |zone| zone.0.clone()))
}

fn named_zone(name: &str) -> Result<TimeZone, Error> {
    TimeZone::get(name).map_err(|_| {
        fault(format!(
            "`{name}` is not a time zone; write one such as `Asia/Shanghai`"
        ))
    })
}

fn fault(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the engine passes keyword arguments by value"
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

/// `starts_at|at('Asia/Taipei', '%H:%M')`: a time as the clocks of a zone show it. `time` does the reverse: it reads a
/// time.
fn at(value: &Value, zone: &str, format: Option<&str>) -> Result<Value, Error> {
    let Some(text) = value.as_str() else {
        return Ok(Value::UNDEFINED);
    };
    let at: Timestamp = text
        .parse()
        .map_err(|_| fault("`at` needs a time such as `starts_at`".to_owned()))?;
    let local = at.to_zoned(named_zone(zone)?);
    let format = format.unwrap_or("%Y-%m-%d %H:%M:%S");
    jiff::fmt::strtime::format(format, &local)
        .map(Value::from)
        .map_err(|_| {
            fault(format!(
                "`{format}` is not a time format; write one such as `%H:%M`"
            ))
        })
}

/// Unix seconds of a time, to compare with.
fn unix(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    match moment(value, &zone_of(state, None)?) {
        Moment::At(at) => Ok(Value::from(at.as_second())),
        _ => Ok(Value::UNDEFINED),
    }
}

/// The start of the span of `length` that contains a time. Times that are close together give the same start.
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
#[must_use]
pub fn number(value: &Value) -> Option<Value> {
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
    Ok(plain(&parsed))
}

/// JSON as a value. `null` is undefined: an absent field and a field that is null are the same here.
#[must_use]
pub fn plain(json: &Json) -> Value {
    match json {
        Json::Null => Value::UNDEFINED,
        Json::Bool(yes) => Value::from(*yes),
        Json::Number(number) => json_number(number),
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(fields) => {
            let fields = fields.iter();
            Value::from_pairs(fields.map(|(key, value)| (key.as_str(), plain(value))))
        }
    }
}

/// A number of JSON as a value.
#[must_use]
pub fn json_number(number: &serde_json::Number) -> Value {
    let whole = number.as_i64().map(Value::from);
    whole
        .or_else(|| number.as_u64().map(Value::from))
        .or_else(|| number.as_f64().map(Value::from))
        .unwrap_or_default()
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
    let decoded = BASE64_STANDARD
        .decode(value.as_str().unwrap_or_default().trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.map_or(Value::UNDEFINED, Value::from)
}

fn base64encode(value: &Value) -> Value {
    text(value).map_or(Value::UNDEFINED, |text| BASE64_STANDARD.encode(text).into())
}

fn hashed<D: md5::Digest>(value: &Value) -> Value {
    text(value).map_or(Value::UNDEFINED, |text| {
        Value::from(hex::encode(D::digest(text.as_bytes())))
    })
}

/// `message_id|uuid`: a UUID as it is, in lower case with dashes; a UUID (version 5) made from any other text.
fn uuid(value: &Value) -> Value {
    text(value).map_or(Value::UNDEFINED, |text| {
        let text = text.trim();
        let made = || Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes());
        let uuid = Uuid::parse_str(text).unwrap_or_else(|_| made());
        Value::from(uuid.hyphenated().to_string())
    })
}

/// How many of `keys` a map has. A key whose value is null or empty counts: the sender's template has it.
fn present(value: &Value, keys: Rest<Value>) -> usize {
    let Some(map) = value.as_object() else {
        return 0;
    };
    keys.0
        .into_iter()
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

/// `type`, `id` and `name` of the broken object, by labels in the style of Prometheus.
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
