//! Reads the JSON body of a request. The error names the place that is wrong.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use super::Failing;
use super::error::ApiError;

/// What the fragment of a URI writes with a percent sign.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A key of the body is cut in the error, in characters.
const KEY_CHARACTERS_MAX: usize = 40;

/// The body as a value. `wrong` is the message for a body that does not fit: it says what to send.
pub(super) fn read<T: DeserializeOwned>(body: &[u8], wrong: impl Into<String>) -> Failing<T> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = match serde_path_to_error::deserialize(&mut reader) {
        Ok(value) => value,
        Err(error) => {
            let (place, problem) = (pointer(error.path()), error.inner().to_string());
            return Err(ApiError::bad_request(wrong).at_pointer_because(&place, problem));
        }
    };
    match reader.end() {
        Ok(()) => Ok(value),
        Err(error) => {
            let wrong = ApiError::bad_request(wrong);
            Err(wrong.at_pointer_because("", error.to_string()))
        }
    }
}

/// The place as a JSON pointer.
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } | Segment::Enum { variant: key } => escaped(key),
            Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&part);
    }
    pointer
}

fn escaped(key: &str) -> String {
    let key: String = key.chars().take(KEY_CHARACTERS_MAX).collect();
    let key = key.replace('~', "~0").replace('/', "~1");
    utf8_percent_encode(&key, ESCAPED).to_string()
}
