//! The secrets of one sink, to be taken out of what is shown.

use campanile_model::Secret;
use campanile_settings::{Setting, Values};
use secrecy::ExposeSecret;
use url::form_urlencoded;

/// A part of an address that is as long as this and has a digit is taken for a key.
const KEY_CHARACTERS_MIN: usize = 12;

/// In every form in which a template can put them into a request.
pub(super) struct Secrets(Vec<Secret>);

impl Secrets {
    pub(super) fn of(settings: &[Setting], values: &Values) -> Self {
        let secret = settings.iter().filter(|setting| setting.takes.is_secret());
        let secret = secret.filter_map(|setting| values.maybe::<Secret>(&setting.name));
        let hidden = secret.flat_map(|secret| {
            let secret = secret.expose_secret();
            let keys = keys(secret).into_iter().flat_map(forms);
            forms(secret).into_iter().chain(keys).collect::<Vec<_>>()
        });
        Self(hidden.collect())
    }

    /// One secret alone.
    pub(super) fn one(secret: &Secret) -> Self {
        Self(forms(secret.expose_secret()))
    }

    pub(super) fn hidden(&self, text: &str) -> String {
        let secrets = self.0.iter().map(ExposeSecret::expose_secret);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// The parts of an address that can be keys. A template can write them into another address, and a receiver can quote one.
fn keys(address: &str) -> Vec<&str> {
    let Some((_, rest)) = address.split_once("://") else {
        return Vec::new();
    };
    let rest = rest.split_once('/').map_or("", |(_, rest)| rest);
    let parts = rest.split(['/', '?', '&', '=', '#']);
    let long = parts.filter(|part| part.chars().count() >= KEY_CHARACTERS_MIN);
    long.filter(|part| part.contains(|c: char| c.is_ascii_digit()))
        .collect()
}

/// As it is, in JSON, in a form, in a URL.
fn forms(secret: &str) -> Vec<Secret> {
    // Templates see an address without `/` at its end.
    let secret = secret.trim_end_matches('/');
    if secret.is_empty() {
        return Vec::new();
    }
    let json = serde_json::Value::from(secret).to_string();
    let json = json.get(1..json.len() - 1).unwrap_or_default().to_owned();
    // `tojson` makes JSON that is safe in HTML.
    let escapes = [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\'', "\\u0027"),
    ];
    let safe = escapes.iter().fold(json.clone(), |json, (char, escape)| {
        json.replace(*char, escape)
    });
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    // `urlencode` leaves `/` as it is.
    let query = form.replace('+', "%20").replace('*', "%2A");
    let path = query.replace("%2F", "/");
    let forms = [secret.to_owned(), json, safe, form, query, path];
    forms.into_iter().map(Secret::from).collect()
}
