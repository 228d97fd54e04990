//! Headers that operators and recipes write as templates, and the addresses that they name.

use campanile_language::{Facts, Mistake, Template};
use campanile_model::Secret;
use campanile_settings::http_url;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use url::Url;

use super::client::admit_host;
use super::guard::Egress;
use crate::{BuildError, Class, Failure};

/// Set by Campanile or by HTTP itself.
const RESERVED: &[&str] = &[
    "campanile-retried",
    "connection",
    "content-length",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];

/// The address of a receiver, if it may be called at all.
pub(crate) fn address(url: &Secret, egress: Egress) -> Result<Url, BuildError> {
    address_in("url", url, egress)
}

/// The same of another setting.
///
/// # Errors
/// It is not a URL of HTTP, or its host must not be called.
pub fn address_in(setting: &str, url: &Secret, egress: Egress) -> Result<Url, BuildError> {
    let wrong = |problem: String| BuildError::new(setting, problem);
    let form = |problem| {
        wrong(format!(
            "it {problem}; write one such as `https://oncall.example.com/hook`"
        ))
    };
    let url = http_url(url.expose_secret()).map_err(form)?;
    admit_host(&url, egress).map_err(|refused| wrong(refused.to_string()))?;
    Ok(url)
}

/// The name of a header that may be set.
///
/// # Errors
/// It is not a name of a header, or one that is reserved.
pub fn name(setting: &str, name: &str) -> Result<HeaderName, BuildError> {
    let parsed = HeaderName::try_from(name)
        .map_err(|_| BuildError::new(setting, "this is not a valid header name"))?;
    if RESERVED.contains(&parsed.as_str()) {
        let problem = "this header is set by Campanile or by HTTP itself: leave it out";
        return Err(BuildError::new(setting, problem));
    }
    Ok(parsed)
}

/// A header with its template.
pub(crate) fn header(key: &str, value: &Secret) -> Result<(HeaderName, Template), BuildError> {
    let setting = format!("headers.{key}");
    let hide = |mistake: Mistake| BuildError::in_text(&setting, mistake);
    let parsed = name(&setting, key)?;
    let template = Template::compile(value.expose_secret()).map_err(hide)?;
    Ok((parsed, template))
}

/// What the template of a header gives for these facts.
pub(crate) fn header_value(
    name: &HeaderName,
    template: &Template,
    facts: &Facts,
) -> Result<HeaderValue, Failure> {
    let text = template.render(facts).map_err(|failed| {
        let reason = format!("the header `{name}` fails: {failed}");
        Failure::new(Class::Poison, reason)
    })?;
    value_of(name, text)
}

/// Refuses CR, LF and other control characters, so that no alert can add a header of its own.
pub(crate) fn value_of(name: &HeaderName, text: String) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(text.into_bytes()).map_err(|_| {
        let reason = format!(
            "the header `{name}` would hold a line break or control character: put `|urlencode` after the field"
        );
        Failure::new(Class::Poison, reason)
    })?;
    value.set_sensitive(name != CONTENT_TYPE);
    Ok(value)
}
