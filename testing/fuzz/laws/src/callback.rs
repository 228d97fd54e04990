//! Any bytes as a stored request: it is written as it was read, its parameters match a standard decoder, and no secret
//! is kept.

use campanile_model::{Callback, Secret};
use campanile_providers::all;
use campanile_providers::fixture::{KEY, TOKEN};

use crate::{Seeds, request};

/// The input is a raw request.
pub fn holds(bytes: &[u8]) {
    let Ok(call) = Callback::from_http(bytes) else {
        return;
    };
    comes_back(&call, &call.to_http());
    parameters_are_those_of_the_standard(&call);
    no_secret_is_kept(&call);
    let text = call.text();
    assert_eq!(
        text,
        call.clone().text(),
        "a different text on the second call"
    );
    // The shared path asks every vendor.
    let call = request::served(call);
    let _takers = all()
        .iter()
        .filter(|provider| provider.recognizes(&call))
        .count();
}

/// Every fixture as it is.
pub fn seeds() -> Seeds {
    request::every_fixture()
        .map(|fixture| fixture.request.to_vec())
        .collect()
}

fn comes_back(call: &Callback, raw: &[u8]) {
    let back = Callback::from_http(raw).expect("a written request can be read");
    let parts = |call: &Callback| {
        let Callback {
            method,
            path,
            query,
            headers,
            body,
            ..
        } = call.clone();
        (method, path, query, headers, body)
    };
    assert_eq!(
        parts(&back),
        parts(call),
        "a different request is read back"
    );
}

fn parameters_are_those_of_the_standard(call: &Callback) {
    if call.body.is_empty()
        && let Ok(params) = call.params()
    {
        let standard: Vec<_> = form_urlencoded::parse(call.query.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(
            params, standard,
            "parameters are read differently from the standard decoder"
        );
    }
}

fn no_secret_is_kept(call: &Callback) {
    let secrets = [KEY, TOKEN].map(Secret::from);
    let kept = call.to_http_without(&secrets);
    for secret in [KEY, TOKEN] {
        let found = kept
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "`{secret}` is kept");
    }
    // Only the removal of a secret from the request line or from a header name may make the request unreadable.
    if let Ok(back) = Callback::from_http(&kept) {
        assert_eq!(
            back.to_http_without(&secrets),
            kept,
            "a second removal gives a different result"
        );
    }
}
