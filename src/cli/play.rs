//! Builds the messages of `campanile send` from the fixtures of a vendor.

use campanile_model::{Callback, Secret};
use campanile_providers::{Fixture, Provider, Stamp, fixtures};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request};
use url::Url;

use super::failure::Failure;

/// Headers of the connection. The HTTP client sets them.
const OF_THE_CONNECTION: [&str; 5] = [
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "expect",
];

/// A message of a vendor that can be sent many times, each time with a new id, time and signature.
pub(crate) struct Play<'p> {
    provider: &'p dyn Provider,
    call: Callback,
    to: Url,
    token: Option<Secret>,
    /// The serial number of the first message. It differs between runs.
    first: u64,
}

impl<'p> Play<'p> {
    /// Prepares `call`, a message of `provider`, for the URL `to`.
    pub(crate) fn new(
        provider: &'p dyn Provider,
        call: Callback,
        to: Url,
        token: Option<Secret>,
        now: Timestamp,
    ) -> Self {
        // A time in milliseconds, with room for a million messages per millisecond. Two runs have the same ids only if they
        // start in the same millisecond.
        let millisecond = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Self {
            provider,
            call,
            to,
            token,
            first: millisecond << 20,
        }
    }

    /// Message number `index` with a new id, the time `at`, and a valid signature.
    pub(crate) fn message(&self, index: u64, at: Timestamp) -> Result<Request, Failure> {
        let stamp = Stamp {
            serial: self.first + index,
            at,
            token: self.token.as_ref(),
        };
        let call = self.provider.refresh(self.call.clone(), &stamp);
        let method = Method::from_bytes(call.method.as_bytes()).map_err(|_| {
            Failure::failed(format!("`{}` is not a valid HTTP method", call.method))
        })?;
        let mut request = Request::new(method, with_query(&self.to, &call.query));
        *request.headers_mut() = headers(&call)?;
        if !call.body.is_empty() {
            *request.body_mut() = Some(call.body.into());
        }
        Ok(request)
    }
}

/// The URL with the query of the message appended to its own query.
fn with_query(to: &Url, query: &str) -> Url {
    let mut url = to.clone();
    match (url.query().unwrap_or_default(), query) {
        (_, "") => {}
        ("", query) => url.set_query(Some(query)),
        (own, query) => {
            let both = format!("{own}&{query}");
            url.set_query(Some(&both));
        }
    }
    url
}

fn headers(call: &Callback) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in &call.headers {
        if OF_THE_CONNECTION.contains(&name.as_str()) {
            continue;
        }
        // `Callback` holds header bytes as Latin-1 characters. They are converted back to bytes.
        let bytes: Vec<u8> = value
            .chars()
            .map(|c| u8::try_from(c).unwrap_or(b'?'))
            .collect();
        let wrong = || Failure::failed(format!("the fixture's header `{name}` cannot be sent"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let value = HeaderValue::from_bytes(&bytes).map_err(|_| wrong())?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The message of this case from the fixtures; without a case, `firing`.
pub(crate) fn message_of(
    provider: &dyn Provider,
    case: Option<&str>,
    get: bool,
) -> Result<Callback, Failure> {
    let fixture = choose(provider, case, get)?;
    Callback::from_http(fixture.request).map_err(|error| {
        let (name, case) = (provider.name(), fixture.case);
        Failure::failed(format!("fixture {name}/{case}: {error}"))
    })
}

fn choose(
    provider: &dyn Provider,
    case: Option<&str>,
    get: bool,
) -> Result<&'static Fixture, Failure> {
    let all = fixtures(provider.name());
    if all.is_empty() {
        let name = provider.name();
        return Err(
            Failure::usage(format!("the vendor `{name}` has no built-in messages"))
                .hint("give a raw request of the vendor: --file REQUEST.http"),
        );
    }
    let wanted = case.unwrap_or("firing");
    let is_get = |fixture: &&Fixture| !get || fixture.request.starts_with(b"GET ");
    let able = || all.iter().filter(is_get);
    let exact = able().find(|fixture| fixture.case == wanted);
    let near = || able().find(|fixture| get && fixture.case.contains(wanted));
    exact.or_else(near).ok_or_else(|| {
        let method = if get { " with the method GET" } else { "" };
        let name = provider.name();
        Failure::usage(format!("{name} has no case `{wanted}`{method}")).hint(format!(
            "--case must be {}; `campanile send {name} --case list` lists the cases",
            names(able())
        ))
    })
}

fn names<'a>(fixtures: impl Iterator<Item = &'a Fixture>) -> String {
    let names: Vec<&str> = fixtures.map(|fixture| fixture.case).collect();
    if names.is_empty() {
        "left out, because there are none".to_owned()
    } else {
        names.join(", ")
    }
}
