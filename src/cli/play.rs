//! Playing a vendor: which fixture, made fresh, and where it goes.

use campanile_model::{Callback, Secret};
use campanile_providers::{Fixture, Provider, Stamp, fixtures};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request};
use url::Url;

use super::failure::Failure;

/// Headers that belong to the connection, not to the message.
const OF_THE_CONNECTION: [&str; 5] = [
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "expect",
];

/// A vendor's message, ready to be made fresh as often as wanted.
pub(crate) struct Play {
    provider: &'static dyn Provider,
    call: Callback,
    to: Url,
    token: Option<Secret>,
    /// The serial number of the first message: no two runs share one.
    first: u64,
}

impl Play {
    /// Plays `fixture` of `provider` to `to`.
    pub(crate) fn new(
        provider: &'static dyn Provider,
        fixture: &Fixture,
        to: Url,
        token: Option<Secret>,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let call = Callback::from_http(fixture.request).map_err(|error| {
            Failure::failed(format!(
                "fixture {}/{}: {error}",
                provider.name(),
                fixture.case
            ))
        })?;
        // A millisecond and room for a million messages in it: two runs meet only if they start in the same one.
        let millisecond = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Ok(Self {
            provider,
            call,
            to,
            token,
            first: millisecond << 20,
        })
    }

    /// Message number `index`: a new id, this time, a right signature.
    pub(crate) fn message(&self, index: u64, at: Timestamp) -> Result<Request, Failure> {
        let stamp = Stamp {
            serial: self.first + index,
            at,
            token: self.token.as_ref(),
        };
        let call = self.provider.refresh(self.call.clone(), &stamp);
        let method = Method::from_bytes(call.method.as_bytes())
            .map_err(|_| Failure::failed(format!("`{}` is no HTTP method", call.method)))?;
        let mut request = Request::new(method, with_query(&self.to, &call.query));
        *request.headers_mut() = headers(&call)?;
        if !call.body.is_empty() {
            *request.body_mut() = Some(call.body.into());
        }
        Ok(request)
    }
}

/// The address with the message's own query behind that which it has.
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
        // The model holds bytes as Latin-1 characters; on the wire they are bytes again.
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

/// The fixture that was asked for; `case` is none where nobody named one.
pub(crate) fn choose(
    provider: &dyn Provider,
    case: Option<&str>,
    get: bool,
) -> Result<&'static Fixture, Failure> {
    let all = fixtures(provider.name());
    let wanted = case.unwrap_or("firing");
    let is_get = |fixture: &&Fixture| !get || fixture.request.starts_with(b"GET ");
    let able = || all.iter().filter(is_get);
    let exact = able().find(|fixture| fixture.case == wanted);
    let near = || able().find(|fixture| get && fixture.case.contains(wanted));
    exact.or_else(near).ok_or_else(|| {
        let method = if get { " that is sent by GET" } else { "" };
        let name = provider.name();
        Failure::usage(format!("{name} has no case `{wanted}`{method}")).hint(format!(
            "--case takes {}; `campanile send {name} --case list` says more",
            names(able())
        ))
    })
}

fn names<'a>(fixtures: impl Iterator<Item = &'a Fixture>) -> String {
    let names: Vec<&str> = fixtures.map(|fixture| fixture.case).collect();
    if names.is_empty() {
        "nothing here".to_owned()
    } else {
        names.join(", ")
    }
}
