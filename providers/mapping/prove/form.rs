//! Reads the `[proof]` table.

use super::super::form::{Form, Table};
use super::{Declared, Part, Place, Signature, jwt};
use crate::trust::signature::{Algorithm, Encoding, SecretForm};
use campanile_language::Expression;
use campanile_language::duration;
use campanile_language::nearest;
use campanile_language::scope::PROOF;

const KINDS: &[&str] = &[
    "key", "header", "query", "field", "bearer", "basic", "hmac", "md5", "ed25519", "jwt",
];

pub(super) fn read(form: &mut Form<'_>, table: Table<'_>, also: &[&str]) -> Option<Declared> {
    for (word, all) in [("any", false), ("all", true)] {
        if table.get(word).is_some() {
            form.only(table, &[&[word], also].concat());
            let inner = form.tables(table, word);
            let inner: Vec<_> = inner
                .into_iter()
                .filter_map(|t| read(form, t, &[]))
                .collect();
            if inner.is_empty() {
                form.mistake(table.at, format!("`{word}` must list at least one proof"));
            }
            return Some(if all {
                Declared::All(inner)
            } else {
                Declared::Any(inner)
            });
        }
    }
    let kind = form.required(table, "kind")?;
    let mut only = |known: &[&str]| form.only(table, &[&["kind"], known, also].concat());
    match kind {
        "key" => {
            only(&[]);
            Some(Declared::Key)
        }
        "basic" => {
            only(&[]);
            Some(Declared::Basic)
        }
        "bearer" => {
            only(&[]);
            Some(secret(Place::Header("authorization".to_owned()), "Bearer "))
        }
        "header" => {
            only(&["name", "prefix"]);
            let name = form.required(table, "name")?.to_ascii_lowercase();
            let prefix = form.text(table, "prefix").unwrap_or_default();
            Some(secret(Place::Header(name), prefix))
        }
        "query" => {
            only(&["name"]);
            Some(secret(
                Place::Query(form.required(table, "name")?.to_owned()),
                "",
            ))
        }
        "field" => {
            only(&["from"]);
            Some(secret(
                Place::Field(form.required_expression(table, "from", PROOF)?),
                "",
            ))
        }
        "md5" => {
            only(&["from", "message"]);
            let from = form.required_expression(table, "from", PROOF)?;
            let message = parts(form, table, None)?;
            Some(Declared::Md5 { from, message })
        }
        "hmac" | "ed25519" => {
            only(&[
                "algorithm",
                "header",
                "query",
                "from",
                "encoding",
                "prefixes",
                "secret",
                "message",
                "timestamp",
                "tolerance",
            ]);
            signature_of(form, table, kind)
        }
        "jwt" => {
            only(jwt::KEYS);
            let declaration = jwt::Declaration::read(form, table)?;
            Some(Declared::Jwt(Box::new(declaration)))
        }
        other => {
            let near = nearest(other, KINDS.iter().copied())
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            form.mistake(
                table.get("kind").map_or(table.at, |node| node.span().start),
                format!(
                    "`{other}` is not a valid kind of proof{near} Valid kinds: {}",
                    KINDS.join(", ")
                ),
            );
            None
        }
    }
}

fn secret(place: Place, prefix: &str) -> Declared {
    Declared::Secret {
        place,
        prefix: prefix.to_owned(),
    }
}

fn signature_of(form: &mut Form<'_>, table: Table<'_>, kind: &str) -> Option<Declared> {
    let place = if let Some(name) = form.text(table, "header") {
        Place::Header(name.to_ascii_lowercase())
    } else if let Some(name) = form.text(table, "query") {
        Place::Query(name.to_owned())
    } else {
        if table.get("from").is_none() {
            form.mistake(
                table.at,
                "the place of the signature is missing: add `header`, `query` or `from`",
            );
        }
        Place::Field(form.expression(table, "from", PROOF)?)
    };
    let algorithm = match kind {
        "ed25519" => Algorithm::Ed25519,
        _ => worded(
            form,
            table,
            "algorithm",
            "sha256",
            &[
                ("sha1", Algorithm::HmacSha1),
                ("sha256", Algorithm::HmacSha256),
                ("sha512", Algorithm::HmacSha512),
            ],
        )?,
    };
    let encoding = worded(
        form,
        table,
        "encoding",
        "hex",
        &[("hex", Encoding::Hex), ("base64", Encoding::Base64)],
    )?;
    let secret = worded(
        form,
        table,
        "secret",
        "text",
        &[
            ("text", SecretForm::Text),
            ("whsec", SecretForm::StandardWebhooks),
        ],
    )?;
    let prefixes = form.texts(table, "prefixes");
    let prefixes = prefixes
        .into_iter()
        .map(|(prefix, _)| prefix.to_owned())
        .collect();
    let timestamp = form.expression(table, "timestamp", PROOF);
    let message = parts(form, table, form_text(table, "timestamp"))?;
    let tolerance = tolerance(form, table, timestamp);
    Some(Declared::Signature(Box::new(Signature {
        place,
        algorithm,
        encoding,
        secret,
        prefixes,
        message,
        tolerance,
    })))
}

/// `tolerance = "5m"`, which needs a `timestamp`.
fn tolerance(
    form: &mut Form<'_>,
    table: Table<'_>,
    timestamp: Option<Expression>,
) -> Option<(Expression, f64)> {
    let text = form.text(table, "tolerance")?;
    let Some(timestamp) = timestamp else {
        let fault = "`tolerance` needs `timestamp`, an expression for the signed time";
        form.mistake(table.at, fault);
        return None;
    };
    let seconds = duration::seconds(text);
    if seconds.is_none() {
        let fault =
            format!("`tolerance = \"{text}\"` is not a valid duration; write one such as 5m");
        form.mistake(table.at, fault);
    }
    Some((timestamp, seconds?))
}

fn form_text<'t>(table: Table<'t>, key: &str) -> Option<&'t str> {
    table.get(key)?.get_ref().as_str()
}

/// One of a few words under `key`.
fn worded<T: Copy>(
    form: &mut Form<'_>,
    table: Table<'_>,
    key: &str,
    default: &str,
    known: &[(&str, T)],
) -> Option<T> {
    let said = form.text(table, key).unwrap_or(default);
    let at = table.get(key).map_or(table.at, |node| node.span().start);
    word(form, at, key, said, known)
}

/// One of a few words, at byte `at`.
pub(super) fn word<T: Copy>(
    form: &mut Form<'_>,
    at: usize,
    key: &str,
    said: &str,
    known: &[(&str, T)],
) -> Option<T> {
    let found = known
        .iter()
        .find(|(word, _)| *word == said)
        .map(|(_, value)| *value);
    if found.is_none() {
        let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
        form.mistake(
            at,
            format!("`{key}` must be one of {}, not `{said}`", words.join(", ")),
        );
    }
    found
}

/// The pieces of `message = "{timestamp}.{body}"`. Default: the raw body.
fn parts(form: &mut Form<'_>, table: Table<'_>, timestamp: Option<&str>) -> Option<Vec<Part>> {
    let text = form.text(table, "message").unwrap_or("{body}");
    let at = table
        .get("message")
        .map_or(table.at, |node| node.span().start);
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        let Some((inner, after)) = after.split_once('}') else {
            form.mistake(at, "a `{` in `message` has no `}`");
            return None;
        };
        parts.push(match (inner, timestamp) {
            ("body", _) => Part::Body,
            ("user", _) => Part::User,
            ("timestamp", Some(expression)) | (expression, _) => {
                Part::Value(form.compiled(expression, at, PROOF)?)
            }
        });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Some(parts)
}
