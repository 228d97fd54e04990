//! Any bytes as a stored request: it is written as it was read, its parameters are those of the standard, and no secret is
//! kept.

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
    assert_eq!(text, call.clone().text(), "another text the second time");
    // The endpoint for any vendor asks every one of them.
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
    let back = Callback::from_http(raw).expect("what was written can be read");
    let told = |call: &Callback| {
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
    assert_eq!(told(&back), told(call), "another request comes back");
}

fn parameters_are_those_of_the_standard(call: &Callback) {
    if call.body.is_empty()
        && let Ok(params) = call.params()
    {
        let standard: Vec<_> = form_urlencoded::parse(call.query.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(params, standard, "parameters are read in a way of our own");
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
    // A secret in the request line or in a header's name may take their form with it; nothing else may.
    if let Ok(back) = Callback::from_http(&kept) {
        assert_eq!(
            back.to_http_without(&secrets),
            kept,
            "taken out otherwise the second time"
        );
    }
}
