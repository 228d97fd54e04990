//! The secrets of one sink, to be taken out of what is shown.

use std::sync::Arc;

use campanile_model::Secret;
use campanile_settings::{Setting, Values};
use secrecy::ExposeSecret;
use url::form_urlencoded;

/// A part of an address or of a header that is as long as this and has a digit is taken for a key.
const KEY_CHARACTERS_MIN: usize = 12;

/// In every form in which a template can put them into a request.
pub(crate) struct Secrets {
    /// Those of the settings.
    fixed: Arc<[Secret]>,
    /// Those of one request, such as a token. Their forms are made only when there is a text to show.
    own: Vec<Secret>,
}

impl Secrets {
    pub(crate) fn of(settings: &[Setting], values: &Values) -> Self {
        let secret = settings.iter().filter(|setting| setting.takes.is_secret());
        let secret = secret.filter_map(|setting| values.maybe::<Secret>(&setting.name));
        Self::all(&secret.collect::<Vec<_>>())
    }

    /// These secrets, and the keys in those that are addresses or values of headers.
    pub(crate) fn all<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        Self {
            fixed: longest_first(secrets.into_iter().flat_map(all_forms).collect()).into(),
            own: Vec::new(),
        }
    }

    /// These and the secrets of one request.
    pub(crate) fn with(&self, own: Vec<Secret>) -> Self {
        let fixed = Arc::clone(&self.fixed);
        Self { fixed, own }
    }

    /// One secret alone.
    pub(crate) fn one(secret: &Secret) -> Self {
        Self {
            fixed: forms(secret.expose_secret()).into(),
            own: Vec::new(),
        }
    }

    pub(crate) fn hidden(&self, text: &str) -> String {
        let own = longest_first(self.own.iter().flat_map(all_forms).collect());
        let secrets = own.iter().chain(&*self.fixed);
        let secrets = secrets.map(ExposeSecret::expose_secret);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

/// A secret can begin with another, and its rest must not stay.
fn longest_first(mut secrets: Vec<Secret>) -> Vec<Secret> {
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
    secrets
}

/// The forms of a secret, and of the keys in it.
fn all_forms(secret: &Secret) -> Vec<Secret> {
    let secret = secret.expose_secret();
    let keys = keys(secret).into_iter().flat_map(forms);
    forms(secret).into_iter().chain(keys).collect()
}

/// The parts of an address that can be keys. A template can write them into another address, and a receiver can quote one.
/// The same for the words of a header, such as `Bearer KEY`: there a short one with a digit is taken for a key too.
fn keys(secret: &str) -> Vec<&str> {
    let digit = |part: &&str| part.contains(|c: char| c.is_ascii_digit());
    let long = |part: &&str| part.chars().count() >= KEY_CHARACTERS_MIN;
    let Some((_, rest)) = secret.split_once("://") else {
        let words = secret.split_whitespace();
        return words
            .filter(|word| long(word) || digit(word) && word.len() >= KEY_CHARACTERS_MIN / 2)
            .collect();
    };
    let (host, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let login = host.rsplit_once('@').map_or("", |(login, _)| login);
    let password = login.split_once(':').map(|(_, password)| password);
    let parts = rest.split(['/', '?', '&', '=', '#']);
    let keys = parts.filter(|part| long(part) && digit(part));
    keys.chain(password).collect()
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
