//! Makes a new message from a fixture of a mapping: new ids, new times.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use crate::mapping::fresh::Set;
use crate::provider::Stamp;
use campanile_model::Callback;

/// Writes the new value of `set` into `call`.
pub(super) fn apply(set: &Set, call: &mut Callback, stamp: &Stamp<'_>, zone: &TimeZone) {
    put(call, &set.place, &filled(&set.template, stamp, zone));
}

/// `template` with `{serial}`, `{hex16}`, `{hex32}`, `{uuid}`, `{now}`, `{unix}`, `{unix_ms}`, `{rfc3339}` and `{%Y-%m-%d}`
/// (any `strftime` form, in the vendor's zone) filled in.
fn filled(template: &str, stamp: &Stamp<'_>, zone: &TimeZone) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        out.push_str(&value(name, stamp, zone));
        rest = after;
    }
    out.push_str(rest);
    out
}

fn value(name: &str, stamp: &Stamp<'_>, zone: &TimeZone) -> String {
    let serial = stamp.serial;
    let at = moment(stamp);
    match name {
        "serial" => serial.to_string(),
        "hex16" => format!("{serial:016x}"),
        "hex32" => format!("{serial:032x}"),
        "uuid" => format!(
            "{:08x}-0000-4000-8000-{:012x}",
            serial >> 48,
            serial & 0xffff_ffff_ffff
        ),
        "now" => stamp.at.as_second().to_string(),
        "unix" => at.as_second().to_string(),
        "unix_ms" => at.as_millisecond().to_string(),
        "rfc3339" => at.to_string(),
        pattern => {
            let zoned = at.to_zoned(zone.clone());
            jiff::fmt::strtime::format(pattern, &zoned).unwrap_or_default()
        }
    }
}

/// A different time for each serial, up to a day before the time of the stamp. If the message id of a vendor has only a
/// time, this time makes the message new.
fn moment(stamp: &Stamp<'_>) -> Timestamp {
    const DAY: u64 = 86_400;
    let back = i64::try_from(stamp.serial % DAY).unwrap_or_default();
    let earlier = stamp.at.checked_sub(SignedDuration::from_secs(back));
    earlier.unwrap_or(stamp.at)
}

/// Writes `value` at `place`, if that place has a value.
pub(super) fn put(call: &mut Callback, place: &str, value: &str) {
    if let Some(name) = place.strip_prefix("query.") {
        put_query(call, name, value);
    } else if let Some(name) = place.strip_prefix("form.") {
        let body = String::from_utf8_lossy(&call.body).into_owned();
        set_body(call, replaced(&body, name, value).into_bytes());
    } else if let Some(name) = place.strip_prefix("headers.") {
        if let Some((_, header)) = call.headers.iter_mut().find(|(known, _)| known == name) {
            value.clone_into(header);
        }
    } else if let Some(path) = place.strip_prefix("body") {
        let parsed = call.json().cloned();
        if let Ok(mut body) = parsed {
            put_json(&mut body, path, value);
            set_body(call, body.to_string().into_bytes());
        }
    }
}

/// Writes the parameter `name` into the query.
pub(super) fn put_query(call: &mut Callback, name: &str, value: &str) {
    let query = replaced(&call.query, name, value);
    // A copy has no cached parts.
    let mut fresh = call.clone();
    fresh.query = query;
    *call = fresh;
}

fn set_body(call: &mut Callback, body: Vec<u8>) {
    let length = body.len().to_string();
    let mut fresh = call.clone();
    fresh.body = body;
    for (name, value) in &mut fresh.headers {
        if name == "content-length" {
            value.clone_from(&length);
        }
    }
    *call = fresh;
}

/// Replaces the parameter `name` in `encoded`. `name.a.b` is a place in the JSON text of a parameter. A text without this
/// parameter, such as a body that is not a form, stays as it is.
fn replaced(encoded: &str, name: &str, value: &str) -> String {
    let (outer, inner) = name.split_once('.').unwrap_or((name, ""));
    if !form_urlencoded::parse(encoded.as_bytes()).any(|(known, _)| known == name || known == outer)
    {
        return encoded.to_owned();
    }
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (known, old) in form_urlencoded::parse(encoded.as_bytes()) {
        let mut new = old.into_owned();
        if known == name {
            value.clone_into(&mut new);
        } else if known == outer {
            put_in_text(&mut new, inner, value);
        }
        out.append_pair(&known, &new);
    }
    out.finish()
}

/// Writes into JSON that is inside a text.
fn put_in_text(text: &mut String, path: &str, value: &str) {
    if let Ok(mut json) = serde_json::from_str(text) {
        put_json(&mut json, path, value);
        *text = json.to_string();
    }
}

/// Walks `.a.b`, `[0]` and `[]` (every item), also through JSON in texts, and replaces the value there by one of the same type.
fn put_json(json: &mut Json, path: &str, value: &str) {
    if path.is_empty() {
        *json = match (&*json, serde_json::from_str::<serde_json::Number>(value)) {
            (Json::Number(_), Ok(number)) => Json::Number(number),
            _ => Json::from(value),
        };
    } else if let Json::String(text) = json {
        put_in_text(text, path, value);
    } else if let Some((inner, rest)) = path.strip_prefix('[').and_then(|p| p.split_once(']')) {
        let Some(items) = json.as_array_mut() else {
            return;
        };
        match inner.parse::<usize>() {
            Ok(at) => {
                if let Some(item) = items.get_mut(at) {
                    put_json(item, rest, value);
                }
            }
            Err(_) => {
                for item in items {
                    put_json(item, rest, value);
                }
            }
        }
    } else {
        let path = path.strip_prefix('.').unwrap_or(path);
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (key, rest) = path.split_at_checked(end).unwrap_or((path, ""));
        if let Some(inner) = json.get_mut(key) {
            put_json(inner, rest, value);
        }
    }
}
