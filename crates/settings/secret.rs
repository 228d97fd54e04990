//! Secrets: literal, from the environment, or from a file. A mistake never shows one.

use std::io::Read as _;

use campanile_language::nearest;
use campanile_model::Secret;
use secrecy::ExposeSecret;

use super::Environment;
use super::mistake::one_of;
use super::node::{Node, Written};
use super::read::{Problem, Read, filled, flag};

/// A secret shorter than this can be guessed.
const CHARACTERS_MIN: usize = 8;
/// The largest file that is read as a secret.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// What people write when they mean to change it later, without its punctuation.
const GUESSED: &[&str] = &[
    "changeme",
    "changeit",
    "changethis",
    "default",
    "example",
    "letmein",
    "passw0rd",
    "password",
    "password1",
    "password123",
    "placeholder",
    "qwerty123",
    "replaceme",
    "secret",
    "secret123",
    "secretkey",
    "supersecret",
    "testtest",
    "topsecret",
    "todo",
    "12345678",
    "123456789",
    "1234567890",
    "yourkey",
    "yoursecret",
    "yourtoken",
];
/// What a table may hold.
const WORDS: &[&str] = &["env", "file", "value", "dangerous_weak"];

/// Whether a table with this key can say where a secret is.
pub(super) fn is_word(key: &str) -> bool {
    WORDS.contains(&key)
}

/// A secret that is hard to guess, unless the operator wrote `dangerous_weak = true`.
pub(super) fn strong(node: &Node, environment: &Environment) -> Read<Secret> {
    let secret = plain(node, environment)?;
    let wanted = match node.get("dangerous_weak") {
        Some(flag_node) => flag(flag_node)?,
        None => false,
    };
    match weakness(secret.expose_secret()) {
        Some(weakness) if !wanted => Err(Problem::new(weakness).expecting(format!(
            "at least {CHARACTERS_MIN} random characters (`openssl rand -hex 16` makes some), or \
             {{ value = \"...\", dangerous_weak = true }} to accept a weak one; `env` and `file` take `dangerous_weak` too"
        ))),
        _ => Ok(secret),
    }
}

/// A secret that may be weak: a URL, a header.
pub(super) fn plain(node: &Node, environment: &Environment) -> Read<Secret> {
    let entries = match &node.value {
        Written::Text(text) => return Ok(text.clone().into()),
        Written::Table(entries) => entries,
        _ => return Err(Problem::new("is not a secret").at(node)),
    };
    if let Some((key, item)) = entries
        .iter()
        .find(|(key, _)| !WORDS.contains(&key.as_str()))
    {
        return Err(Problem::new("has an unknown word")
            .at(item)
            .expecting(one_of(WORDS.iter().copied()))
            .near(nearest(key, WORDS.iter().copied())));
    }
    match (node.get("env"), node.get("file"), node.get("value")) {
        (Some(name), None, None) => from_variable(&filled(name)?, environment),
        (None, Some(path), None) => from_file(&filled(path)?),
        (None, None, Some(value)) => match &value.value {
            Written::Text(text) => Ok(text.clone().into()),
            _ => Err(Problem::new("is not text").at(value)),
        },
        _ => Err(Problem::new("does not say where the secret is")
            .expecting("one of `env`, `file` and `value`")),
    }
}

fn from_variable(name: &str, environment: &Environment) -> Read<Secret> {
    if !is_variable(name) {
        // This may be the secret itself, so it is not shown.
        return Err(Problem::new("does not name an environment variable")
            .expecting("the name of a variable, such as ONCALL_SECRET"));
    }
    match environment.get(name) {
        Some(text) => Ok(text.clone().into()),
        None => Err(Problem::new(format!(
            "needs the environment variable {name}, which is not set"
        ))
        .expecting(format!("{name} in the environment of Campanile"))),
    }
}

fn from_file(path: &str) -> Read<Secret> {
    let mut text = String::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(read) if read as u64 <= FILE_BYTES_MAX => Ok(text.trim_end_matches(['\r', '\n']).into()),
        Ok(_) => Err(Problem::new(format!(
            "needs the file {path}, which is larger than 64 KiB"
        ))
        .expecting("a file that holds the secret and nothing else")),
        Err(error) => Err(Problem::new(format!(
            "needs the file {path}, which cannot be read: {error}"
        ))
        .expecting("a file that holds the secret and that this user may read")),
    }
}

fn weakness(secret: &str) -> Option<&'static str> {
    let bare: String = secret
        .chars()
        .filter(|char| char.is_alphanumeric())
        .collect();
    let mut chars = secret.chars();
    let first = chars.next();
    if secret.trim().is_empty() {
        Some("is empty")
    } else if GUESSED.contains(&bare.to_lowercase().as_str()) {
        Some("is a commonly guessed password")
    } else if secret.chars().count() < CHARACTERS_MIN {
        Some("is too short")
    } else if chars.all(|char| Some(char) == first) {
        Some("repeats a single character")
    } else {
        None
    }
}

/// Whether this can be the name of an environment variable. Text that mixes lower-case letters with digits, or begins with
/// a digit, is more likely the secret itself in the wrong place, so it is not shown.
pub(super) fn is_variable(name: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| name.bytes().any(|byte| kind(&byte));
    let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let random = has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit);
    is_word && !random && !name.starts_with(|first: char| first.is_ascii_digit())
}

/// Of an unknown key that may be a secret, only so much is shown.
const KEY_CHARACTERS_SHOWN: usize = 3;
/// A name that mixes letters and digits may be a secret from this length on.
const NAME_CHARACTERS_MIN: usize = 16;
/// No name of a setting is longer.
const KEY_CHARACTERS_MAX: usize = 24;

/// Shortens an unknown key that is more likely a secret in the wrong place; none if the key can be shown.
pub fn stray_key(key: &str) -> Option<String> {
    let word = is_variable(&key.replace('-', "_"));
    (!word || key.chars().count() > KEY_CHARACTERS_MAX).then(|| shortened(key))
}

/// The same for a name that the operator chose: only a long one, because `db2` is a good name.
pub fn stray_name(name: &str) -> Option<String> {
    stray_key(name).filter(|_| name.chars().count() >= NAME_CHARACTERS_MIN)
}

fn shortened(key: &str) -> String {
    // Half of it at most.
    let shown = KEY_CHARACTERS_SHOWN.min(key.chars().count() / 2);
    let shown = key.chars().take(shown).collect::<String>();
    format!("{}...", shown.escape_debug())
}
