//! A valid message of a vendor, enlarged to the largest accepted body: it is read in little time and little memory.
//!
//! Bytes without meaning are refused at once. Only a body that is valid except for its size is expensive. So the input
//! selects a fixture, the part of it that grows, the text that fills it, and the size.

use arbitrary::Unstructured;
use campanile_model::Callback;
use campanile_providers::Fixture;
use serde_json::Value;

use crate::{Seeds, provider, request};

/// The largest accepted body, as sent, with the default settings.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The longest piece that is repeated.
const PIECE_BYTES_MAX: usize = 16;

/// The input: two bytes for the fixture, two for the part, one for the size (each step doubles it). The rest is the
/// text that fills the part.
pub fn holds(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let fixtures: Vec<_> = request::every_fixture().collect();
    let fixture = fixtures[usize::from(number(&mut input)) % fixtures.len()];
    let part = usize::from(number(&mut input));
    let size = 1024 << (input.arbitrary::<u8>().unwrap_or_default() % 11);
    let piece = String::from_utf8_lossy(input.take_rest()).into_owned();
    let piece: String = piece.chars().take(PIECE_BYTES_MAX).collect();
    let piece = if piece.is_empty() {
        ")".to_owned()
    } else {
        piece
    };
    let Some(grown) = grown(fixture, part, size, &piece) else {
        return;
    };
    provider::served(request::addressed(&grown.path), &request::served(grown));
}

/// Some parts of one fixture of each vendor, each a little enlarged.
pub fn seeds() -> Seeds {
    let numbered = request::every_fixture().zip(0_u16..);
    let firing = numbered.filter(|(fixture, _)| fixture.case == "firing");
    let seed = |(at, part): (u16, u16)| {
        let piece: &[u8] = [&b")"[..], b"%41", b"a=1,", b"{\"a\":["][usize::from(part) % 4];
        [&at.to_le_bytes()[..], &part.to_le_bytes(), &[4], piece].concat()
    };
    firing
        .flat_map(|(_, at)| [0, 1, 2, 3, 7].map(|part| seed((at, part))))
        .collect()
}

fn number(input: &mut Unstructured<'_>) -> u16 {
    input.arbitrary().unwrap_or_default()
}

fn grown(fixture: &Fixture, part: usize, size: usize, piece: &str) -> Option<Callback> {
    let call = Callback::from_http(fixture.request).ok()?;
    let size = size.min(BODY_BYTES_MAX);
    let body = match call.json() {
        Ok(json) => grown_json(json.clone(), part, size, piece),
        Err(_) => grown_text(call.text().ok()?, part, size, piece),
    };
    Some(call.with_body(body))
}

fn grown_json(mut json: Value, part: usize, size: usize, piece: &str) -> String {
    let mut count = 0;
    every_part(&mut json, &mut |_| count += 1);
    let (chosen, mut at) = (part % count.max(1), 0);
    every_part(&mut json, &mut |value| {
        if at == chosen {
            grow(value, size, piece);
        }
        at += 1;
    });
    json.to_string()
}

/// Calls `see` with every value, inner values before outer ones.
fn every_part(json: &mut Value, see: &mut impl FnMut(&mut Value)) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(|item| every_part(item, see)),
        Value::Object(fields) => fields.values_mut().for_each(|field| every_part(field, see)),
        _ => {}
    }
    see(json);
}

fn grow(value: &mut Value, size: usize, piece: &str) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            let length = Value::Array(items.clone()).to_string().len();
            let once = items.clone();
            for _ in 0..size / length.max(1) {
                items.extend(once.iter().cloned());
            }
        }
        Value::Object(fields) => {
            for at in 0..size / (piece.len() + 16) {
                fields.insert(format!("{piece}{at}"), Value::from(piece));
            }
        }
        Value::String(text) => *text += &piece.repeat(size / piece.len()),
        other => *other = Value::from(piece.repeat(size / piece.len())),
    }
}

/// A form or another text: one of its values grows.
fn grown_text(text: &str, part: usize, size: usize, piece: &str) -> String {
    let filling = piece.repeat(size / piece.len());
    let mut pairs: Vec<_> = text.split('&').map(str::to_owned).collect();
    let chosen = part % pairs.len().max(1);
    if let Some(pair) = pairs.get_mut(chosen) {
        *pair += &filling;
    }
    pairs.join("&")
}
